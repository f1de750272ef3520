//! The rows of a term, block by block: the elements that they lie in, the arguments of the density, and the density with what is asked of it.

use super::lanes::Elements;
use super::lanes::Piece;
use super::rows::Source;
use super::rows::Term;
use crate::num::Dual;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::RowLanes;
use smallvec::SmallVec;

/// The memory of a block, and what is kept of all blocks of a part.
#[derive(Debug)]
pub(super) struct Buffers {
    pub base: LaneArray<f64>,
    pub eta: LaneArray<f64>,
    pub add: LaneArray<f64>,
    pub product: LaneArray<f64>,
    pub second: LaneArray<f64>,
    pub memory: LaneArray<f64>,
    pub args: Vec<LaneArray<f64>>,
    pub shared: Vec<LaneArray<f64>>,
    /// For each block and point that is kept the slopes, and the derivatives by each argument.
    pub slopes: Vec<LaneArray<f64>>,
    pub partials: Vec<LaneArray<f64>>,
    pub products: Vec<f64>,
    pub weights: Vec<f64>,
    pub pieces: Vec<Piece>,
    /// For densities without loops of their own.
    plain: Vec<f64>,
    dual: Vec<Dual>,
}

impl Default for Buffers {
    fn default() -> Buffers {
        let lanes = LaneArray::zeros();
        Buffers {
            base: lanes,
            eta: lanes,
            add: lanes,
            product: lanes,
            second: lanes,
            memory: lanes,
            args: Vec::new(),
            shared: Vec::new(),
            slopes: Vec::new(),
            partials: Vec::new(),
            products: Vec::new(),
            weights: Vec::new(),
            pieces: Vec::new(),
            plain: Vec::new(),
            dual: Vec::new(),
        }
    }
}

/// What a pass asks of the densities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    Values,
    Slopes,
    Curvature,
}

impl Term {
    /// The outputs that it reads.
    pub fn outputs(&self) -> impl Iterator<Item = usize> {
        let args = self.args.iter().flatten();
        let offset = self
            .offset
            .iter()
            .flat_map(|(factor, column)| [factor, column]);
        let atoms = self.atoms.iter().map(|atom| &atom.coefficient);
        args.chain(offset).chain(atoms).filter_map(|s| match s {
            Source::Output(k) => Some(*k),
            Source::Same(_) | Source::Each(_) => None,
        })
    }

    /// The arguments of the density that depend on the globals.
    pub fn given(&self) -> impl Iterator<Item = usize> {
        let args = self.args.iter().enumerate();
        args.filter_map(|(k, arg)| matches!(arg, Some(Source::Output(_))).then_some(k))
    }

    /// The elements that `n` rows from `first` on lie in; `at` is the element of the first, and then of the next row.
    pub fn pieces(&self, first: usize, n: usize, at: &mut usize, pieces: &mut Vec<Piece>) {
        pieces.clear();
        let Some(starts) = &self.starts else { return };
        let mut row = first;
        while row < first + n {
            while starts[*at + 1] as usize <= row {
                *at += 1;
            }
            let end = (starts[*at + 1] as usize).min(first + n);
            pieces.push(Piece {
                element: *at,
                lanes: row - first..end - first,
            });
            row = end;
        }
    }

    pub fn elements<'p>(&self, first: usize, pieces: &'p [Piece]) -> Elements<'p> {
        match &self.starts {
            None => Elements::Own(first),
            Some(_) => Elements::Runs(pieces),
        }
    }

    /// Copies the arguments of some rows to where the loops find them.
    pub fn copy_args(
        &self,
        outputs: &[Vec<f64>],
        first: usize,
        n: usize,
        memory: &mut Vec<LaneArray<f64>>,
    ) {
        memory.resize(memory.len().max(self.args.len()), LaneArray::zeros());
        for (arg, memory) in self.args.iter().zip(memory) {
            match arg.as_ref().map(|arg| arg.lanes(outputs, first)) {
                None => {}
                Some(Lanes::Same(value)) => memory.fill(value),
                Some(Lanes::Each(values)) => memory[..n].copy_from_slice(&values[..n]),
            }
        }
    }

    /// Runs the density at the predictors of `n` rows; slopes go to a place of their own.
    pub fn density(
        &self,
        outputs: &[Vec<f64>],
        n: usize,
        want: Want,
        buffers: &mut Buffers,
        slope: &mut LaneArray<f64>,
    ) {
        let Some(pass) = self.pass else {
            return self.plain_density(n, want, buffers, slope);
        };
        let Buffers {
            eta,
            add,
            product,
            second,
            args,
            shared,
            ..
        } = buffers;
        let lanes: SmallVec<[Lanes<'_, f64>; 4]> = (self.args.iter().zip(&*args).enumerate())
            .map(|(k, (arg, memory))| match arg {
                None => Lanes::Each(&eta[..]),
                Some(arg) => match arg.same(outputs) {
                    Some(value) if pass.shared >> k & 1 == 1 => Lanes::Same(value),
                    Some(_) | None => Lanes::Each(&memory[..]),
                },
            })
            .collect();
        shared.resize(shared.len().max(lanes.len()), LaneArray::zeros());
        let run = match want {
            Want::Values | Want::Slopes => pass.slope,
            Want::Curvature => pass.curve,
        };
        run(
            &lanes,
            RowLanes {
                n,
                add,
                product,
                slope,
                second,
                shared,
            },
        );
    }

    /// The same by the loops that every density has.
    fn plain_density(
        &self,
        n: usize,
        want: Want,
        buffers: &mut Buffers,
        slope: &mut LaneArray<f64>,
    ) {
        let Buffers {
            eta,
            add,
            second,
            args,
            shared,
            plain,
            dual,
            ..
        } = buffers;
        let count = self.args.len();
        let by = self.args.iter().position(Option::is_none).unwrap_or(0);
        let lanes: SmallVec<[Lanes<'_, f64>; 4]> = (self.args.iter().zip(&*args))
            .map(|(arg, memory)| match arg {
                None => Lanes::Each(&eta[..n]),
                Some(_) => Lanes::Each(&memory[..n]),
            })
            .collect();
        (self.op.plain.forward)(&lanes, &mut add[..n]);
        match want {
            Want::Values => {}
            Want::Slopes => {
                plain.resize(n * count + n, 0.0);
                let (ones, out) = plain.split_at_mut(n);
                ones.fill(1.0);
                (self.op.plain.backward)(&lanes, &add[..n], ones, &mut out[..n * count]);
                shared.resize(shared.len().max(count), LaneArray::zeros());
                for (partials, shared) in out.chunks_exact(n).zip(&mut *shared) {
                    shared[..n].copy_from_slice(partials);
                }
                *slope = shared[by];
            }
            Want::Curvature => {
                dual.clear();
                for (k, lanes) in lanes.iter().enumerate() {
                    dual.extend((0..n).map(|i| Dual {
                        value: lanes.at(i),
                        tangent: if k == by { 1.0 } else { 0.0 },
                    }));
                }
                dual.extend((0..n).map(|_| Dual {
                    value: 1.0,
                    tangent: 0.0,
                }));
                dual.resize(n * (2 * count + 2), Dual::default());
                let (given, out) = dual.split_at_mut(n * (count + 1));
                let (given, ones) = given.split_at(n * count);
                let (y, out) = out.split_at_mut(n);
                let given: SmallVec<[Lanes<'_, Dual>; 4]> =
                    given.chunks_exact(n).map(Lanes::Each).collect();
                (self.op.dual.forward)(&given, y);
                (self.op.dual.backward)(&given, y, ones, out);
                for (i, d) in out[by * n..(by + 1) * n].iter().enumerate() {
                    (slope[i], second[i]) = (d.value, d.tangent);
                }
            }
        }
    }
}
