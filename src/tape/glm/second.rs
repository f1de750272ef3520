//! The pass over the rows of a recognised term that works out its second derivatives.

use super::Arg;
use super::Glm;
use super::moments::BLOCK;
use super::moments::Collect;
use super::moments::Moments;
use super::moments::Own;
use super::moments::Pieces;
use super::moments::Predict;
use super::moments::Regressors;
use super::moments::Worked;
use super::run::Given;
use super::steady::Steady;
use crate::num::simd;
use crate::tape::elementwise::AlongLanes;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::MOST_COLUMNS;
use crate::tape::elementwise::MOST_LANES;
use crate::tape::elementwise::RowLanes;
use crate::tape::elementwise::RowPass;
use crate::tape::elementwise::Scalar;
use smallvec::SmallVec;
use std::ops::Range;

impl Glm {
    /// The regressors of a term with one predictor.
    pub(super) fn regressors(&self, steady: &Steady) -> Regressors {
        Regressors {
            of_runs: steady.each(),
            all: 1 + steady.columns.len() - steady.fixed + self.top_args().count(),
        }
    }

    /// Sums up slopes and second derivatives of some rows.
    pub(super) fn moments(
        &self,
        steady: &Steady,
        pass: &RowPass,
        given: Given<'_, f64>,
        rows: Range<usize>,
    ) -> Moments {
        let (regressors, runs) = (self.regressors(steady), self.runs_of(&rows));
        let mut coefficients = Vec::new();
        let same = self.coefficients(steady, given, runs.clone(), &mut coefficients);
        // Those whose coefficients change with the run first, and those without atoms last.
        let columns = || steady.columns.iter().map(|column| column.behind(0));
        let of_all = same.iter().copied().zip(columns());
        let of_runs = of_all.clone().skip(steady.shared);
        let shared = of_all.clone().take(steady.shared).skip(steady.fixed);
        let mut terms: SmallVec<[(f64, &[f64]); MOST_COLUMNS]> = of_runs
            .chain(shared)
            .chain(of_all.take(steady.fixed))
            .collect();
        let count = terms.len() - steady.fixed;
        let mut args = self.constants();
        let mut worked = Worked::new(count, args.len(), self.top_args());
        let whole = [rows.end as u32];
        let ends = self.ends(&runs, &whole);
        let mut moments = Moments::new(regressors, runs.clone());
        let mut run = 0;
        for first in rows.clone().step_by(BLOCK) {
            let pieces = Pieces {
                ends,
                run,
                rows: first..rows.end.min(first + BLOCK),
            };
            simd::run(Predict {
                pieces: &pieces,
                terms: &mut terms,
                coefficients: &coefficients,
                each: steady.each(),
                eta: &mut worked.eta,
            });
            self.work_out(pass, given, &pieces.rows, &mut args, &mut worked);
            simd::run(Collect {
                pieces: &pieces,
                pass,
                regressors,
                columns: &terms[..count],
                worked: &mut worked,
                moments: &mut moments,
            });
            while run + 1 < ends.len() && ends[run] as usize <= pieces.rows.end {
                run += 1;
            }
        }
        moments
    }

    /// Memory for the density's arguments, with those that are constant.
    fn constants(&self) -> Vec<LaneArray<f64>> {
        let lanes = |arg: &Arg| match arg {
            Arg::Constant(value) => LaneArray::of(*value),
            Arg::Predictor(_) | Arg::Data(_) | Arg::Top(_) => LaneArray::zeros(),
        };
        self.args.iter().map(lanes).collect()
    }

    /// Works out the density, and its derivatives, of rows whose predictors are there.
    fn work_out(
        &self,
        pass: &RowPass,
        given: Given<'_, f64>,
        rows: &Range<usize>,
        args: &mut [LaneArray<f64>],
        worked: &mut Worked,
    ) {
        let n = rows.len();
        let args: SmallVec<[Lanes<'_, f64>; 4]> = (self.args.iter().zip(args).enumerate())
            .map(|(k, (arg, memory))| match arg {
                Arg::Predictor(_) => Lanes::Each(&worked.eta),
                Arg::Data(column) => {
                    Lanes::Each(f64::data(column.from(rows.start, MOST_LANES), memory))
                }
                Arg::Constant(value) if self.shares(k) => Lanes::Same(*value),
                Arg::Constant(_) => Lanes::Each(memory),
                Arg::Top(read) => Lanes::Same(self.values(given, *read)[0]),
            })
            .collect();
        let out = RowLanes {
            n,
            add: &mut worked.add,
            product: &mut worked.product,
            slope: &mut worked.slope,
            second: &mut worked.second,
            shared: &mut [],
        };
        (pass.curve)(&args, out);
        for own in &mut worked.own {
            let Own {
                arg,
                slope,
                seconds,
            } = own;
            let out = AlongLanes {
                n,
                arg: *arg,
                slope,
                seconds,
            };
            (pass.along)(&args, out);
        }
    }
}
