//! The pass over the columns of a recognised term.

use super::Arg;
use super::Atom;
use super::Gathered;
use super::Glm;
use super::Group;
use super::block::Block;
use super::block::Collect;
use super::block::Predict;
use super::loops;
use crate::num::wakeful::shares_out;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::MOST_ARGS;
use crate::tape::elementwise::MOST_LANES;
use crate::tape::elementwise::OnePassKernel;
use crate::tape::elementwise::Running;
use crate::tape::elementwise::Scalar;
use crate::tape::elementwise::Stretch;
use crate::tape::elementwise::StretchArg;
use crate::tape::program::From;
use rayon::prelude::*;
use smallvec::SmallVec;
use std::ops::Range;

/// What a recognised term reads: the input and what earlier stages have stored.
#[derive(Clone, Copy)]
pub(in crate::tape) struct Given<'a, T> {
    pub z: &'a [T],
    pub stores: &'a [Vec<T>],
}

impl<'a, T> Given<'a, T> {
    /// The values of a node, from one of its components on.
    fn values(&self, from: &From, component: usize) -> &'a [T] {
        match from {
            From::Input { offset, len } => &self.z[offset + component * len..],
            From::Store { store, len } => &self.stores[*store][component * len..],
            From::Data { .. } => unreachable!("a recognised term reads what varies"),
        }
    }
}

/// A vector of parameters, as the rows of a term see it.
#[derive(Clone, Copy)]
pub(super) struct Point<'a, T> {
    pub given: Given<'a, T>,
    /// For each of [`Glm::gathered`] its values, those of one place side by side.
    pub tables: &'a [Vec<T>],
}

/// Where the adjoints of what it reads go.
pub(in crate::tape) struct Bars<'a, T> {
    pub gradient: &'a mut [T],
    pub stores: &'a mut [Vec<T>],
}

impl<T> Bars<'_, T> {
    fn values(&mut self, from: &From, component: usize) -> &mut [T] {
        match from {
            From::Input { offset, len } => &mut self.gradient[offset + component * len..],
            From::Store { store, len } => &mut self.stores[*store][component * len..],
            From::Data { .. } => unreachable!("a recognised term reads what varies"),
        }
    }
}

/// The memory of the runs of one recognised term.
#[derive(Clone, Debug)]
pub(in crate::tape) struct Scratch<T> {
    block: Buffers<T>,
    /// For each vector of parameters the values of [`Glm::gathered`].
    tables: Vec<Vec<Vec<T>>>,
    /// For each chunk of rows its sums at each vector of parameters.
    chunks: Vec<Chunk<T>>,
    draws: usize,
}

/// The memory of one block.
#[derive(Clone, Debug)]
pub(super) struct Buffers<T> {
    /// The affine forms, then the arguments of the density.
    pub values: Vec<LaneArray<T>>,
    /// The adjoints of the affine forms.
    pub slopes: Vec<LaneArray<T>>,
    /// Adjoints of two forms side by side.
    pub pairs: [[T; 2]; MOST_LANES],
    work: Vec<LaneArray<T>>,
    /// The partial derivatives by each argument, one after the other.
    partials: Vec<T>,
    pub running: Running<T>,
    /// For each run of a chunk the coefficients of its columns, and their sums.
    pub coefficients: Vec<T>,
    pub sums: Vec<T>,
}

/// The sums of one chunk.
#[derive(Clone, Debug)]
pub(super) struct Chunk<T> {
    pub rows: Range<usize>,
    /// The runs that it touches.
    pub runs: Range<usize>,
    pub value: T,
    /// The sums of numbers of the top level, in the order of [`Glm::tops`].
    pub tops: Vec<T>,
    /// For each run the sums of the atoms of sorted groups, in the order of [`Glm::of_runs`].
    pub by_run: Vec<T>,
    /// For each of [`Glm::gathered`] the sums of its places, those of one place side by side.
    pub gathered: Vec<Vec<T>>,
    /// For each atom of another group that is times a column the sums of its places.
    pub scattered: Vec<Vec<T>>,
}

impl<T: Scalar> Chunk<T> {
    fn clear(&mut self) {
        self.value = T::zero();
        self.tops.fill(T::zero());
        self.by_run.fill(T::zero());
        for sums in self.gathered.iter_mut().chain(&mut self.scattered) {
            sums.fill(T::zero());
        }
    }
}

impl<T: Scalar> Buffers<T> {
    pub fn new(glm: &Glm) -> Buffers<T> {
        let lanes = |of: usize| vec![LaneArray::zeros(); of];
        Buffers {
            values: lanes(glm.affines.len() + glm.args.len()),
            slopes: lanes(glm.affines.len()),
            pairs: [[T::zero(); 2]; MOST_LANES],
            work: lanes(glm.args.len() + 2),
            partials: vec![T::zero(); glm.args.len() * MOST_LANES],
            running: Running::default(),
            coefficients: Vec::new(),
            sums: Vec::new(),
        }
    }
}

impl<T: Scalar> Scratch<T> {
    /// Memory for so many vectors of parameters.
    pub fn new(glm: &Glm, draws: usize) -> Scratch<T> {
        let chunks = glm.chunks.windows(2).flat_map(|bounds| {
            let rows = bounds[0]..bounds[1];
            let runs = glm.runs_of(&rows);
            let chunk = Chunk {
                value: T::zero(),
                tops: vec![T::zero(); glm.tops().count()],
                by_run: vec![T::zero(); runs.len() * glm.of_runs().count()],
                gathered: glm.gathered.iter().map(|g| glm.zeros(g)).collect(),
                scattered: (glm.scattered())
                    .map(|atom| vec![T::zero(); glm.group(atom).extent])
                    .collect(),
                rows,
                runs,
            };
            vec![chunk; draws]
        });
        Scratch {
            block: Buffers::new(glm),
            tables: vec![glm.gathered.iter().map(|g| glm.zeros(g)).collect(); draws],
            chunks: chunks.collect(),
            draws,
        }
    }

    /// The chunks at one vector of parameters.
    fn of(&self, draw: usize) -> impl Iterator<Item = &Chunk<T>> {
        self.chunks.iter().skip(draw).step_by(self.draws)
    }
}

impl Glm {
    /// Sums the term up at each vector of parameters, with `derivatives` the adjoints of what it reads too.
    pub(in crate::tape) fn run<T: Scalar>(
        &self,
        given: &[Given<'_, T>],
        derivatives: bool,
        scratch: &mut Scratch<T>,
    ) {
        let Scratch {
            block,
            tables,
            chunks,
            ..
        } = scratch;
        let points: SmallVec<[Point<'_, T>; 1]> = (given.iter().zip(tables))
            .map(|(given, tables)| self.point(*given, tables))
            .collect();
        let chunks = chunks.chunks_exact_mut(points.len());
        if shares_out(chunks.len()) {
            // A thread that wakes late takes fewer chunks, and each makes memory for its blocks once.
            chunks.par_bridge().for_each_init(
                || Buffers::new(self),
                |block, chunks| self.sum_up(&points, derivatives, chunks, block),
            );
        } else {
            chunks.for_each(|chunks| self.sum_up(&points, derivatives, chunks, block));
        }
    }

    /// A vector of parameters with the values of [`Glm::gathered`], which are written.
    fn point<'a, T: Scalar>(&self, given: Given<'a, T>, tables: &'a mut [Vec<T>]) -> Point<'a, T> {
        for (gathered, table) in self.gathered.iter().zip(&mut *tables) {
            for (k, (_, atom)) in gathered.atoms.iter().enumerate() {
                let places = table[k..].iter_mut().step_by(gathered.width());
                for (place, value) in places.zip(self.values(given, atom.read)) {
                    *place = *value * T::of(atom.factor);
                }
            }
        }
        Point { given, tables }
    }

    /// A number for each atom and place.
    fn zeros<T: Scalar>(&self, gathered: &Gathered) -> Vec<T> {
        vec![T::zero(); self.group(gathered.first()).extent * gathered.width()]
    }

    /// Sums a chunk up at each vector of parameters.
    fn sum_up<T: Scalar>(
        &self,
        points: &[Point<'_, T>],
        derivatives: bool,
        chunks: &mut [Chunk<T>],
        block: &mut Buffers<T>,
    ) {
        match self.steady.as_ref().filter(|steady| steady.quick) {
            Some(steady) => {
                for (point, chunk) in points.iter().zip(chunks) {
                    chunk.clear();
                    self.steady_chunk(steady, point.given, chunk, block);
                }
            }
            None => self.chunk(points, derivatives, chunks, block),
        }
    }

    /// [`Glm::run`] at one vector of parameters, and what it hands on.
    pub(in crate::tape) fn run_one<T: Scalar>(
        &self,
        given: Given<'_, T>,
        scratch: &mut Scratch<T>,
        bars: &mut Bars<'_, T>,
    ) -> T {
        let Scratch {
            block,
            tables,
            chunks,
            draws,
        } = scratch;
        let point = self.point(given, &mut tables[0]);
        for chunk in chunks.iter_mut().step_by(*draws) {
            self.sum_up(&[point], true, std::slice::from_mut(chunk), block);
        }
        self.hand_on(scratch, 0, bars);
        self.total(scratch, 0)
    }

    /// The term's value at a vector of parameters, from the sums of its chunks.
    pub(in crate::tape) fn total<T: Scalar>(&self, scratch: &Scratch<T>, draw: usize) -> T {
        let apart = T::of(self.apart.unwrap_or_default());
        scratch.of(draw).fold(apart, |sum, chunk| sum + chunk.value)
    }

    /// Goes through the blocks of a chunk, each at every vector of parameters.
    fn chunk<T: Scalar>(
        &self,
        points: &[Point<'_, T>],
        derivatives: bool,
        chunks: &mut [Chunk<T>],
        buffers: &mut Buffers<T>,
    ) {
        chunks.iter_mut().for_each(Chunk::clear);
        let (rows, mut run) = (chunks[0].rows.clone(), chunks[0].runs.start);
        for first in rows.clone().step_by(MOST_LANES) {
            let end = rows.end.min(first + MOST_LANES);
            while (self.runs.get(run + 1)).is_some_and(|next| *next as usize <= first) {
                run += 1;
            }
            for (point, chunk) in points.iter().zip(chunks.iter_mut()) {
                let block = Block {
                    glm: self,
                    point: *point,
                    first,
                    n: end - first,
                    run,
                };
                T::run(Predict {
                    block,
                    values: &mut buffers.values,
                });
                chunk.value += self.density(block, &mut chunk.tops, buffers);
                if derivatives {
                    T::run(Collect {
                        block,
                        chunk,
                        buffers,
                    });
                }
            }
        }
    }

    /// The sum of the densities of a block without what depends on data alone; writes the partial derivatives by the
    /// predictors, and adds those by numbers of the top level.
    fn density<T: Scalar>(
        &self,
        block: Block<'_, T>,
        tops: &mut [T],
        buffers: &mut Buffers<T>,
    ) -> T {
        let (n, own) = (block.n, self.affines.len());
        let (affines, memory) = buffers.values.split_at_mut(own);
        let slopes = &mut buffers.slopes;
        let mut args = [Lanes::Same(T::zero()); MOST_ARGS];
        for (k, ((lanes, arg), memory)) in args.iter_mut().zip(&self.args).zip(memory).enumerate() {
            *lanes = match arg {
                Arg::Predictor(predictor) if predictor.products.is_empty() => {
                    Lanes::Each(&affines[predictor.sum])
                }
                Arg::Predictor(_) => Lanes::Each(memory),
                Arg::Data(column) => {
                    Lanes::Each(T::data(column.from(block.first, MOST_LANES), memory))
                }
                Arg::Constant(value) if self.shares(k) => Lanes::Same(T::of(*value)),
                Arg::Constant(value) => {
                    memory.fill(T::of(*value));
                    Lanes::Each(memory)
                }
                Arg::Top(read) => Lanes::Same(block.values(*read)[0]),
            };
        }
        let args = &args[..self.args.len()];
        let first_arg = tops.len() - self.top_args().count();
        let tops = &mut tops[first_arg..];
        if let Some(kernel) = self.one_pass::<T>() {
            let args: SmallVec<[StretchArg<'_, T>; 4]> =
                args.iter().copied().map(StretchArg::from).collect();
            let Arg::Predictor(predictor) = &self.args[kernel.by] else {
                unreachable!("one loop runs over rows by their predictor")
            };
            let sums = &mut buffers.running;
            sums.clear();
            let stretch = Stretch {
                args: &args,
                predictor: None,
                rows: 0..n,
                slopes: &mut slopes[predictor.sum][..n],
            };
            (kernel.stretch)(stretch, sums);
            for (top, k) in tops.iter_mut().zip(self.top_args()) {
                *top += sums.shared(k);
            }
            return sums.value();
        }
        let kernel = T::kernel(self.row);
        let args: SmallVec<[Lanes<'_, T>; 4]> = (args.iter())
            .map(|lanes| match lanes {
                Lanes::Each(values) => Lanes::Each(&values[..n]),
                Lanes::Same(_) => *lanes,
            })
            .collect();
        let [y, ones, ..] = buffers.work.as_mut_slice() else {
            unreachable!("there is memory for each argument and two more")
        };
        let (y, partials) = (&mut y[..n], &mut buffers.partials[..args.len() * n]);
        ones.fill(T::one());
        (kernel.forward)(&args, y);
        (kernel.backward)(&args, y, &ones[..n], partials);
        if let Some(weights) = &self.weights {
            let weights = weights.slice(block.first, n);
            loops::weigh(y, weights);
            for partials in partials.chunks_exact_mut(n) {
                loops::weigh(partials, weights);
            }
        }
        for (partials, arg) in partials.chunks_exact(n).zip(&self.args) {
            if let Arg::Predictor(predictor) = arg {
                slopes[predictor.sum][..n].copy_from_slice(partials);
            }
        }
        for (top, k) in tops.iter_mut().zip(self.top_args()) {
            *top += partials[k * n..][..n]
                .iter()
                .fold(T::zero(), |sum, partial| sum + *partial);
        }
        y.iter().fold(T::zero(), |sum, y| sum + *y)
    }

    /// The loop that runs for it, where its arguments are as the loop wants them.
    pub(super) fn one_pass<T: Scalar>(&self) -> Option<&'static OnePassKernel<T>> {
        self.apart?;
        T::kernel(self.row).one_pass.as_ref()
    }

    /// Whether the loop wants argument `k` once, not lane by lane.
    pub(super) fn shares(&self, k: usize) -> bool {
        let kernel = self.row.plain.one_pass.as_ref();
        kernel.is_some_and(|kernel| kernel.shared >> k & 1 == 1)
    }

    /// Adds the sums at a vector of parameters to the adjoints of what was read.
    pub(in crate::tape) fn hand_on<T: Scalar>(
        &self,
        scratch: &Scratch<T>,
        draw: usize,
        bars: &mut Bars<'_, T>,
    ) {
        for chunk in scratch.of(draw) {
            self.hand_on_chunk(chunk, bars);
        }
    }

    fn hand_on_chunk<T: Scalar>(&self, chunk: &Chunk<T>, bars: &mut Bars<'_, T>) {
        for ((read, factor), sum) in self.tops().zip(&chunk.tops) {
            self.bars(bars, read)[0] += *sum * T::of(factor);
        }
        for (gathered, sums) in self.gathered.iter().zip(&chunk.gathered) {
            for (k, (_, atom)) in gathered.atoms.iter().enumerate() {
                let sums = sums[k..].iter().step_by(gathered.width());
                for (bar, sum) in self.bars(bars, atom.read).iter_mut().zip(sums) {
                    *bar += *sum * T::of(atom.factor);
                }
            }
        }
        for (atom, sums) in self.scattered().zip(&chunk.scattered) {
            for (bar, sum) in self.bars(bars, atom.read).iter_mut().zip(sums) {
                *bar += *sum;
            }
        }
        let each = self.of_runs().count();
        for (k, atom) in self.of_runs().enumerate() {
            let places = &self.group(atom).by_run[chunk.runs.clone()];
            let bars = self.bars(bars, atom.read);
            for (place, sums) in places.iter().zip(chunk.by_run.chunks_exact(each)) {
                bars[*place as usize] += sums[k] * T::of(atom.factor);
            }
        }
    }

    pub(super) fn bars<'b, T>(&self, bars: &'b mut Bars<'_, T>, read: usize) -> &'b mut [T] {
        bars.values(&self.sources[read], self.reads[read].component)
    }

    /// The numbers of the top level that it reads, with their factors: those of affine forms, then arguments of the density.
    pub(super) fn tops(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let atoms = self.affines.iter().flat_map(|affine| affine.tops.iter());
        let args = self.args.iter().filter_map(|arg| match arg {
            Arg::Top(read) => Some((*read, 1.0)),
            Arg::Predictor(_) | Arg::Data(_) | Arg::Constant(_) => None,
        });
        atoms.map(|atom| (atom.read, atom.factor)).chain(args)
    }

    /// The arguments of the density that are numbers of the top level.
    pub(super) fn top_args(&self) -> impl Iterator<Item = usize> + '_ {
        let args = self.args.iter().enumerate();
        args.filter_map(|(k, arg)| matches!(arg, Arg::Top(_)).then_some(k))
    }

    pub(super) fn of_runs(&self) -> impl Iterator<Item = &Atom> {
        self.affines.iter().flat_map(|affine| affine.runs.iter())
    }

    /// Those of other groups that are times a column.
    fn scattered(&self) -> impl Iterator<Item = &Atom> {
        (self.affines.iter())
            .flat_map(|affine| affine.scattered.times.iter())
            .map(|(atom, _)| atom)
    }

    /// What an atom or argument reads.
    #[inline(always)]
    pub(super) fn values<'a, T>(&self, given: Given<'a, T>, read: usize) -> &'a [T] {
        given.values(&self.sources[read], self.reads[read].component)
    }

    /// The element of a sorted group in a run.
    #[inline(always)]
    pub(super) fn element(&self, atom: &Atom, run: usize) -> usize {
        self.group(atom).by_run[run] as usize
    }

    /// The group of an atom that is not of the top level.
    pub(super) fn group(&self, atom: &Atom) -> &Group {
        &self.groups[atom.group.expect("an atom of another plate has a group")]
    }

    /// The runs that lie in these rows, whole or in part.
    pub(super) fn runs_of(&self, rows: &Range<usize>) -> Range<usize> {
        if self.runs.is_empty() || rows.is_empty() {
            return 0..0;
        }
        let before = |row: usize| self.runs.partition_point(|start| (*start as usize) < row);
        let first = self
            .runs
            .partition_point(|start| *start as usize <= rows.start)
            - 1;
        first..before(rows.end)
    }
}
