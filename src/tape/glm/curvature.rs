//! The second derivatives of a recognised term at a point, summed up over the rows once: after that a Hessian-vector product does not
//! look at the rows any more.
//!
//! With u the values that the term reads in a run, its Hessian there is Σ h x xᵀ over the rows, where x are the derivatives of the
//! predictor by u (1 or a column; for other arguments of the density 1) and h the second derivatives of the density.

use super::Affine;
use super::Arg;
use super::Atom;
use super::Atoms;
use super::Glm;
use super::block::Block;
use super::block::add_sums_from;
use super::run::Bars;
use super::run::Buffers;
use super::run::Chunk;
use super::run::Given;
use super::run::Point;
use super::run::Scratch;
use crate::num::Dual;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::sums::dots;
use crate::num::sums::sum;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::MOST_LANES;
use crate::tape::elementwise::OnePassKernel;
use crate::tape::elementwise::Scalar;
use crate::tape::elementwise::Seconds;
use rayon::prelude::*;

/// The most numbers that are kept for each row.
const MOST_PER_ROW: usize = 4;

/// Value, gradient and second derivatives of a recognised term at a point.
#[derive(Clone, Debug)]
pub(in crate::tape) struct Curvature {
    sums: Scratch<f64>,
    value: f64,
    chunks: Vec<Moments>,
}

/// The second derivatives of one chunk.
#[derive(Clone, Debug)]
struct Moments {
    /// By numbers of the top level: those of the affine form, then arguments of the density.
    tops: Vec<f64>,
    /// For each run a matrix with a row for each atom of a sorted group, and in it these atoms, then the numbers of the top level. While
    /// they are added up run by run, then entry by entry: entry `e` of run `k` at `e * count + k`.
    by_run: Vec<f64>,
}

impl Glm {
    /// Its predictor, if second derivatives can be summed up by runs: there is one, without products, and all its groups are sorted.
    fn summable(&self) -> Option<(&Affine, &'static OnePassKernel<f64>)> {
        let kernel = self.one_pass::<f64>()?;
        let [affine] = self.affines.as_slice() else {
            return None;
        };
        let (tops, runs) = (self.tops().count(), affine.runs.len());
        let kept = tops * tops * self.chunks.len() + self.runs.len() * runs * (runs + tops);
        let rows = self.chunks.last().copied().unwrap_or_default();
        (affine.scattered.len() == 0 && kept <= MOST_PER_ROW * rows.max(64))
            .then_some((affine, kernel))
    }

    /// Its second derivatives at a point; `None` where they cannot be summed up.
    pub(in crate::tape) fn curvature(&self, given: Given<'_, f64>) -> Option<Curvature> {
        let (affine, kernel) = self.summable()?;
        let mut sums = Scratch::new(self, 1);
        let point = Point { given, tables: &[] };
        let (tops, runs) = (self.tops().count(), affine.runs.len());
        let own: Vec<usize> = (kernel.wanted().enumerate())
            .filter(|(_, k)| self.top_args().any(|top| top == *k))
            .map(|(place, _)| place)
            .collect();
        let chunk = |chunk: &mut Chunk<f64>| {
            let mut moments = Moments {
                tops: vec![0.0; tops * tops],
                by_run: vec![0.0; chunk.runs.len() * runs * (runs + tops)],
            };
            let mut pairs = vec![[0.0; MOST_LANES]; kernel.pairs() + 2];
            let first_run = chunk.runs.start;
            let (chunk, memory) = (std::slice::from_mut(chunk), &mut Buffers::new(self));
            self.chunk(&[point], true, chunk, memory, |block, buffers| {
                let args = self.lanes(block, buffers);
                let (memory, pairs) = pairs.split_at_mut(2);
                let n = block.n;
                (kernel.seconds)(&args, Seconds { n, pairs });
                f64::run(Collect {
                    block,
                    affine,
                    own: &own,
                    first_run,
                    seconds: pairs,
                    memory: &mut memory[0],
                    moments: &mut moments,
                });
            });
            moments.complete(runs, tops, affine.tops.len());
            moments
        };
        let chunks = match rayon::current_num_threads() {
            1 => sums.chunks.iter_mut().map(chunk).collect(),
            _ => sums.chunks.par_iter_mut().map(chunk).collect(),
        };
        Some(Curvature {
            value: self.total(&sums, 0),
            chunks,
            sums,
        })
    }

    /// The term at the point that `curvature` is of, and along the tangents of `given`; adds the adjoints of what it reads.
    pub(in crate::tape) fn along(
        &self,
        curvature: &Curvature,
        given: Given<'_, Dual>,
        bars: &mut Bars<'_, Dual>,
    ) -> Dual {
        let tangent = |read: usize, element: usize, factor: f64| {
            factor * self.values(given, read)[element].tangent
        };
        let along: Vec<f64> = (self.tops())
            .map(|(read, factor)| tangent(read, 0, factor))
            .collect();
        let atoms: Vec<&Atom> = self.of_runs().collect();
        let (tops, runs) = (along.len(), atoms.len());
        let mut value = Dual {
            value: curvature.value,
            tangent: 0.0,
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (sums, moments) in curvature.sums.chunks.iter().zip(&curvature.chunks) {
            value.tangent += dot(&sums.tops, &along);
            let mut top_bars: Vec<f64> = (moments.tops.chunks_exact(tops.max(1)))
                .map(|row| dot(row, &along))
                .collect();
            let count = sums.runs.len().max(1);
            let mut own = vec![0.0; runs * count];
            for (atom, own) in atoms.iter().zip(own.chunks_exact_mut(count)) {
                let values = self.values(given, atom.read);
                for (own, run) in own.iter_mut().zip(sums.runs.clone()) {
                    *own = atom.factor * values[self.element(atom, run)].tangent;
                }
            }
            let mut tangents = vec![0.0; count];
            let matrices = (moments.by_run).chunks_exact((runs + tops).max(1) * count);
            for (j, (atom, matrix)) in atoms.iter().zip(matrices).enumerate() {
                let own_j = &own[j * count..][..count];
                f64::run(Times {
                    matrix,
                    own: &own,
                    along: &along,
                    own_j,
                    tangents: &mut tangents,
                    top_bars: &mut top_bars,
                });
                let bars = self.bars(bars, atom.read);
                for (k, run) in sums.runs.clone().enumerate() {
                    let gradient = sums.by_run[k * runs + j];
                    value.tangent += gradient * own_j[k];
                    bars[self.element(atom, run)] += Dual {
                        value: gradient * atom.factor,
                        tangent: tangents[k] * atom.factor,
                    };
                }
            }
            for (((read, factor), value), tangent) in self.tops().zip(&sums.tops).zip(top_bars) {
                self.bars(bars, read)[0] += Dual {
                    value: value * factor,
                    tangent: tangent * factor,
                };
            }
        }
        value
    }

    /// The arguments of the density in a block whose predictors are worked out.
    fn lanes<'b>(
        &'b self,
        block: Block<'b, f64>,
        buffers: &'b Buffers<f64>,
    ) -> Vec<Lanes<'b, f64>> {
        let own = self.affines.len();
        (self.args.iter().enumerate())
            .map(|(k, arg)| match arg {
                Arg::Predictor(predictor) => Lanes::Each(&buffers.values[predictor.sum]),
                Arg::Constant(value) if self.shares(k) => Lanes::Same(*value),
                Arg::Constant(_) => Lanes::Each(&buffers.values[own + k]),
                Arg::Data(column) => {
                    let values = column.from(block.first, MOST_LANES);
                    match values.len() {
                        MOST_LANES => Lanes::Each(values),
                        // The last block of all: the density has copied it.
                        _ => Lanes::Each(&buffers.values[own + k]),
                    }
                }
                Arg::Top(read) => Lanes::Same(block.values(*read)[0]),
            })
            .collect()
    }
}

/// Adds up the second derivatives of a block.
struct Collect<'a, 'b> {
    block: Block<'a, f64>,
    affine: &'a Affine,
    /// The density's arguments that are numbers of the top level, by their places among those with second derivatives.
    own: &'b [usize],
    first_run: usize,
    seconds: &'b [LaneArray<f64>],
    memory: &'b mut LaneArray<f64>,
    moments: &'b mut Moments,
}

impl Task for Collect<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let Collect {
            block,
            affine,
            own,
            first_run,
            seconds,
            memory,
            moments,
        } = self;
        let all = 0..block.n;
        let memory = &mut memory[..block.n];
        let (atoms, runs) = (affine.tops.len(), affine.runs.len());
        let tops = atoms + own.len();
        for (j, column) in columns(block, &affine.runs).enumerate() {
            weigh(column, &seconds[0], memory);
            for piece in block.pieces() {
                let row = moments.row(piece.run - first_run, j, runs, tops);
                let (by_runs, by_tops) = row.split_at_mut(runs);
                let lanes = &memory[piece.lanes.clone()];
                add_sums_from::<f64, F>(block, &affine.runs, j, &piece.lanes, lanes, by_runs);
                let by_tops = &mut by_tops[..atoms];
                add_sums_from::<f64, F>(block, &affine.tops, 0, &piece.lanes, lanes, by_tops);
            }
            for (k, place) in own.iter().enumerate() {
                weigh(column, &seconds[*place], memory);
                for piece in block.pieces() {
                    let row = moments.row(piece.run - first_run, j, runs, tops);
                    row[runs + atoms + k] += sum::<f64, F>(&memory[piece.lanes]);
                }
            }
        }
        for (j, column) in columns(block, &affine.tops).enumerate() {
            weigh(column, &seconds[0], memory);
            let row = &mut moments.tops[j * tops..][..atoms];
            add_sums_from::<f64, F>(block, &affine.tops, j, &all, memory, row);
            for (k, place) in own.iter().enumerate() {
                weigh(column, &seconds[*place], memory);
                let moment = sum::<f64, F>(memory);
                moments.tops[j * tops + atoms + k] += moment;
                moments.tops[(atoms + k) * tops + j] += moment;
            }
        }
        // Pairs of the density's own arguments come after those with the predictor, in the order of both.
        let wanted = (seconds.len() * 2).isqrt();
        for (k, a) in own.iter().enumerate() {
            for (l, b) in own.iter().enumerate() {
                let (a, b) = (*a.min(b), *a.max(b));
                let pair = a * wanted - a * a.saturating_sub(1) / 2 + (b - a);
                moments.tops[(atoms + k) * tops + atoms + l] +=
                    sum::<f64, F>(&seconds[pair][..block.n]);
            }
        }
    }
}

/// Products of the rows for one atom, of the matrices of all runs, with tangents.
struct Times<'a> {
    /// Entry by entry.
    matrix: &'a [f64],
    /// Of the atoms, one after another, run by run.
    own: &'a [f64],
    /// Of the numbers of the top level.
    along: &'a [f64],
    /// Of the atom itself.
    own_j: &'a [f64],
    /// The products with all tangents, run by run; written.
    tangents: &'a mut [f64],
    /// What the atom gives to the numbers of the top level; added to.
    top_bars: &'a mut [f64],
}

impl Task for Times<'_> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let count = self.tangents.len();
        self.tangents.fill(0.0);
        let mut entries = self.matrix.chunks_exact(count);
        for (own, entries) in self.own.chunks_exact(count).zip(&mut entries) {
            for ((tangent, entry), own) in self.tangents.iter_mut().zip(entries).zip(own) {
                *tangent += entry * own;
            }
        }
        for ((along, bar), entries) in self.along.iter().zip(self.top_bars).zip(entries) {
            for (tangent, entry) in self.tangents.iter_mut().zip(entries) {
                *tangent += entry * along;
            }
            let [sum] = dots::<f64, F, 1>(entries, [self.own_j]);
            *bar += sum;
        }
    }
}

impl Moments {
    /// Puts the matrices of runs entry by entry, and copies what was summed up once for both orders of two atoms; the first `atoms`
    /// numbers of the top level are atoms.
    fn complete(&mut self, runs: usize, tops: usize, atoms: usize) {
        let width = runs + tops;
        let each = runs * width;
        let summed = |e: usize| match (e / width, e % width) {
            (j, k) if k < j => k * width + j,
            _ => e,
        };
        let of_entry = |e: usize| self.by_run.iter().skip(summed(e)).step_by(each.max(1));
        self.by_run = (0..each).flat_map(of_entry).copied().collect();
        for (j, k) in (0..atoms).flat_map(|j| (0..j).map(move |k| (j, k))) {
            self.tops[j * tops + k] = self.tops[k * tops + j];
        }
    }

    /// Row `j` of the matrix of a run, counted from the chunk's first.
    fn row(&mut self, run: usize, j: usize, runs: usize, tops: usize) -> &mut [f64] {
        &mut self.by_run[(run * runs + j) * (runs + tops)..][..runs + tops]
    }
}

/// The columns of a block that atoms are multiplied by, in the order of the atoms.
fn columns<'a>(block: Block<'a, f64>, atoms: &'a Atoms) -> impl Iterator<Item = Option<&'a [f64]>> {
    let alone = atoms.alone.iter().map(|_| None);
    let all = 0..block.n;
    alone.chain(
        atoms
            .times
            .iter()
            .map(move |(_, column)| Some(block.column(column, &all))),
    )
}

/// Second derivatives, times a column.
#[inline(always)]
fn weigh(column: Option<&[f64]>, seconds: &LaneArray<f64>, out: &mut [f64]) {
    let seconds = &seconds[..out.len()];
    match column {
        None => out.copy_from_slice(seconds),
        Some(column) => {
            for ((out, second), x) in out.iter_mut().zip(seconds).zip(column) {
                *out = second * x;
            }
        }
    }
}
