//! A run: stages forward in their order and backward in reverse, chunk by chunk, block by block, without allocation.
//!
//! Each chunk gathers for itself what it shares with others; what the chunks have gathered is added up in their order, so that the
//! bits do not depend on how many threads there are. At many vectors of parameters, each block runs at all of them before the next.

use super::Reduce;
use super::block::Adjoints;
use super::block::Draw;
use super::block::Gathered;
use super::block::NO_ELEMENT;
use super::block::Slots;
use super::block::Sweep;
use super::elementwise::Scalar;
use super::glm;
use super::glm::Bars;
use super::glm::Curvature;
use super::glm::Given;
use super::glm::Glm;
use super::lanes;
use super::program::Chunk;
use super::program::From;
use super::program::Program;
use super::program::Stage;
use super::program::Store;
use crate::num::Aligned;
use crate::num::Dual;
use crate::num::Real;
use crate::num::wakeful::shares_out;
use rayon::iter::IndexedParallelIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSliceMut;
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::PoisonError;

/// The memory of a run at one vector of parameters, or at several.
#[derive(Debug)]
pub struct Workspace<T> {
    outputs: Vec<usize>,
    draws: Vec<Draw<T>>,
    /// What each chunk of the stage at hand has gathered, at each vector of parameters.
    gathered: Vec<Gathered<T>>,
    /// Slots that no thread is using.
    slots: Mutex<Vec<Slots<T>>>,
    glms: Vec<glm::Scratch<T>>,
}

impl<T: Clone> Clone for Workspace<T> {
    fn clone(&self) -> Workspace<T> {
        Workspace {
            outputs: self.outputs.clone(),
            draws: self.draws.clone(),
            gathered: self.gathered.clone(),
            slots: Mutex::default(),
            glms: self.glms.clone(),
        }
    }
}

/// What a sweep over a stage is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// Its values.
    Values,
    /// Its values and, nothing coming from other stages, its adjoints.
    Both,
    /// Its adjoints, after those of later stages.
    Adjoints,
}

impl<T: Scalar> Workspace<T> {
    /// Memory for so many vectors of parameters.
    pub(super) fn new(program: &Program, draws: usize) -> Workspace<T> {
        let most = |f: fn(&Stage) -> usize| program.stages.iter().map(f).max().unwrap_or(0);
        let longest = |f: fn(&Chunk) -> usize, number: usize| {
            let chunks = program.stages.iter().filter_map(|s| s.chunks.get(number));
            chunks.map(f).max().unwrap_or(0)
        };
        let chunks = most(|stage| stage.chunks.len());
        let extremes = (program.stores.iter())
            .any(|store| matches!(store.reduce, Some(Reduce::Min | Reduce::Max)));
        Workspace {
            outputs: program.outputs.clone(),
            draws: vec![Draw::new(program); draws],
            gathered: (0..chunks)
                .flat_map(|chunk| {
                    let gathered = Gathered {
                        sums: vec![T::zero(); most(|stage| stage.sums.len())],
                        exports: vec![T::zero(); longest(|chunk| chunk.exported, chunk)],
                        chosen: match extremes {
                            true => vec![NO_ELEMENT; longest(|chunk| chunk.exported, chunk)],
                            false => Vec::new(),
                        },
                        bars: vec![T::zero(); longest(|chunk| chunk.gathered, chunk)],
                    };
                    vec![gathered; draws]
                })
                .collect(),
            slots: Mutex::default(),
            glms: (program.glms.iter())
                .map(|glm| glm::Scratch::new(glm, draws))
                .collect(),
        }
    }

    /// The sum over all elements of each term, as of the last run at one vector of parameters.
    pub fn terms(&self) -> &[T] {
        &self.draws[0].terms
    }

    /// Output `k` as of the last run at one vector of parameters: component `c` of element `i` at `c * len + i`.
    pub fn output(&self, k: usize) -> &[T] {
        &self.draws[0].stores[self.outputs[k]]
    }

    /// What a store holds.
    pub(super) fn store(&self, store: usize) -> &[T] {
        &self.draws[0].stores[store]
    }

    /// The number of vectors of parameters.
    pub(super) fn draws(&self) -> usize {
        self.draws.len()
    }

    /// The sum of the terms of a draw.
    pub(super) fn total(&self, draw: usize) -> T {
        (self.draws[draw].terms.iter()).fold(T::zero(), |sum, term| sum + *term)
    }

    /// Works out terms and outputs at each of the vectors `zs`, one after another in memory.
    pub(super) fn values(&mut self, program: &Program, zs: &[T]) {
        self.start();
        for stage in &program.stages {
            self.sweep(stage, &program.stores, zs, &mut [], What::Values, T::zero());
        }
        self.fused(program, zs, None, |glm, given, scratch| {
            glm.run(given, false, scratch)
        });
    }

    /// Works out terms and, written over `gradients`, the gradients of their sums.
    pub(super) fn gradients(&mut self, program: &Program, zs: &[T], gradients: &mut [T]) {
        self.start();
        self.start_back(gradients);
        for stage in &program.stages {
            let what = if stage.is_last() {
                What::Both
            } else {
                What::Values
            };
            self.sweep(stage, &program.stores, zs, gradients, what, T::one());
        }
        self.fused(program, zs, Some(gradients), |glm, given, scratch| {
            glm.run(given, true, scratch);
        });
        self.sweep_back(program, zs, gradients, T::one());
    }

    /// Runs the recognised terms; with `gradients`, hands on their adjoints.
    fn fused(
        &mut self,
        program: &Program,
        zs: &[T],
        mut gradients: Option<&mut [T]>,
        run: impl Fn(&Glm, &[Given<'_, T>], &mut glm::Scratch<T>),
    ) {
        let dim = zs.len() / self.draws.len();
        for (glm, scratch) in program.glms.iter().zip(&mut self.glms) {
            let given: SmallVec<[Given<'_, T>; 1]> = (self.draws.iter().enumerate())
                .map(|(d, draw)| Given {
                    z: &zs[d * dim..][..dim],
                    stores: &draw.stores,
                })
                .collect();
            run(glm, &given, scratch);
            drop(given);
            for (d, draw) in self.draws.iter_mut().enumerate() {
                draw.terms[glm.term] = glm.total(scratch, d);
                if let Some(gradients) = &mut gradients {
                    let mut bars = Bars {
                        gradient: &mut gradients[d * dim..][..dim],
                        stores: &mut draw.store_bars,
                    };
                    glm.hand_on(scratch, d, &mut bars);
                }
            }
        }
    }

    /// After [`Workspace::values`] at `z`: writes over `gradient` the gradient of the sum of the outputs' numbers, each times its weight.
    pub(super) fn pull(
        &mut self,
        program: &Program,
        z: &[T],
        weights: &[&[T]],
        gradient: &mut [T],
    ) {
        self.start_back(gradient);
        for (weights, output) in weights.iter().zip(&self.outputs) {
            for (bar, weight) in self.draws[0].store_bars[*output].iter_mut().zip(*weights) {
                *bar += *weight;
            }
        }
        self.sweep_back(program, z, gradient, T::zero());
    }

    /// The values of the slots of a block of a stage, after [`Workspace::values`] at `z`.
    pub(super) fn block(&mut self, stage: &Stage, element: usize, z: &[T]) -> Vec<T> {
        let chunk = (stage.chunks.iter()).find(|chunk| chunk.elements.contains(&element));
        let mut slots = Slots::new(stage);
        let block = chunk.and_then(|chunk| {
            let block =
                (chunk.blocks(stage.block)).find(|block| element < block.first + block.n)?;
            Some((chunk, block))
        });
        if let Some((chunk, block)) = block {
            let sweep = Sweep {
                stage,
                chunk,
                block,
                z,
                draw: &self.draws[0],
                apart: true,
            };
            sweep.forward(&mut slots);
        }
        slots.values.to_vec()
    }

    fn start(&mut self) {
        for draw in &mut self.draws {
            draw.terms.fill(T::zero());
        }
    }

    fn start_back(&mut self, gradients: &mut [T]) {
        gradients.fill(T::zero());
        for bars in self.draws.iter_mut().flat_map(|d| &mut d.store_bars) {
            bars.fill(T::zero());
        }
    }

    fn sweep_back(&mut self, program: &Program, zs: &[T], gradients: &mut [T], seed: T) {
        for stage in program.stages.iter().rev().filter(|stage| !stage.is_last()) {
            self.sweep(stage, &program.stores, zs, gradients, What::Adjoints, seed);
        }
    }

    /// Runs the blocks of a stage, and adds up what its chunks gather.
    fn sweep(
        &mut self,
        stage: &Stage,
        stores: &[Store],
        zs: &[T],
        gradients: &mut [T],
        what: What,
        seed: T,
    ) {
        let count = self.draws.len();
        let dim = zs.len() / count;
        let (draws, pool) = (&self.draws, &self.slots);
        let run = |chunk: &Chunk, gathered: &mut [Gathered<T>], gradients: &mut [T]| {
            let mut slots =
                (pool.lock().unwrap_or_else(PoisonError::into_inner).pop()).unwrap_or_default();
            slots.fit(stage);
            for gathered in gathered.iter_mut() {
                gathered.start(stage, stores, chunk, what);
            }
            for block in chunk.blocks(stage.block) {
                for (d, (draw, gathered)) in draws.iter().zip(gathered.iter_mut()).enumerate() {
                    let sweep = Sweep {
                        stage,
                        chunk,
                        block,
                        z: &zs[d * dim..][..dim],
                        draw,
                        apart: false,
                    };
                    sweep.forward(&mut slots);
                    if what != What::Adjoints {
                        sweep.export(&slots, gathered);
                    }
                    if what != What::Values {
                        let gradient = gradients.get_mut(d * dim..(d + 1) * dim);
                        let to = Adjoints {
                            gathered: cells(&mut gathered.bars),
                            gradient: cells(gradient.unwrap_or_default()),
                        };
                        sweep.backward(&mut slots, to, seed);
                    }
                }
            }
            let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
            pool.push(slots);
        };
        let used = &mut self.gathered[..stage.chunks.len() * count];
        if shares_out(stage.chunks.len()) {
            (used.par_chunks_mut(count).enumerate())
                .for_each(|(c, gathered)| run(&stage.chunks[c], gathered, &mut []));
        } else {
            for (chunk, gathered) in stage.chunks.iter().zip(used.chunks_mut(count)) {
                run(chunk, gathered, gradients);
            }
        }
        for (chunk, gathered) in stage.chunks.iter().zip(self.gathered.chunks_mut(count)) {
            for (d, (draw, gathered)) in self.draws.iter_mut().zip(gathered).enumerate() {
                if what != What::Adjoints {
                    draw.take_values(stage, chunk, gathered);
                }
                if what != What::Values {
                    let gradient = &mut gradients[d * dim..][..dim];
                    draw.take_adjoints(stage, chunk, gathered, gradient);
                }
            }
        }
    }
}

/// Numbers that several write.
fn cells<T>(numbers: &mut [T]) -> &[Cell<T>] {
    Cell::from_mut(numbers).as_slice_of_cells()
}

impl<T: Scalar> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots {
            values: Aligned::default(),
            bars: Aligned::default(),
            scratch: Aligned::default(),
            extra: Vec::new(),
            summed: Vec::new(),
            running: Box::default(),
        }
    }
}

impl<T: Scalar> Slots<T> {
    fn new(stage: &Stage) -> Slots<T> {
        let mut slots = Slots::default();
        slots.fit(stage);
        slots
    }

    /// Grows to what a stage needs; a workspace that has run once does not grow again.
    fn fit(&mut self, stage: &Stage) {
        let grow = |memory: &mut Aligned<T>, len: usize| {
            if memory.len() < len {
                *memory = Aligned::zeros(len);
            }
        };
        grow(&mut self.values, stage.values * stage.block);
        grow(&mut self.bars, stage.bars * stage.block);
        grow(&mut self.scratch, stage.scratch * stage.block);
        self.summed
            .resize(self.summed.len().max(stage.summed), T::zero());
    }
}

impl<T: Scalar> Gathered<T> {
    fn start(&mut self, stage: &Stage, stores: &[Store], chunk: &Chunk, what: What) {
        if what == What::Adjoints {
            return;
        }
        self.sums.fill(T::zero());
        for (export, view) in stage.exports.iter().zip(&chunk.exports) {
            let range = view.start..view.start + view.len * stores[export.store].width;
            match export.reduced {
                None => {}
                Some((Reduce::Sum, _)) => self.exports[range].fill(T::zero()),
                Some((how @ (Reduce::Min | Reduce::Max), _)) => {
                    self.exports[range.clone()].fill(how.of_none());
                    self.chosen[range].fill(NO_ELEMENT);
                }
            }
        }
    }
}

impl Reduce {
    /// What no element at all comes to.
    fn of_none<T: Scalar>(self) -> T {
        match self {
            Reduce::Sum => T::zero(),
            Reduce::Min => T::of(f64::INFINITY),
            Reduce::Max => T::of(f64::NEG_INFINITY),
        }
    }
}

impl<T: Scalar> Draw<T> {
    fn new(program: &Program) -> Draw<T> {
        let stores: Vec<Vec<T>> = (program.stores.iter())
            .map(|s| vec![s.reduce.map_or(T::zero(), Reduce::of_none); s.len * s.width])
            .collect();
        Draw {
            terms: vec![T::zero(); program.terms],
            store_bars: (stores.iter()).map(|s| vec![T::zero(); s.len()]).collect(),
            chosen: (program.stores.iter())
                .map(|s| match s.reduce {
                    Some(Reduce::Min | Reduce::Max) => vec![NO_ELEMENT; s.len * s.width],
                    Some(Reduce::Sum) | None => Vec::new(),
                })
                .collect(),
            stores,
        }
    }

    /// Adds a chunk's sums and exports, those of earlier chunks being there.
    fn take_values(&mut self, stage: &Stage, chunk: &Chunk, gathered: &Gathered<T>) {
        let first = chunk.elements.start == 0;
        for (sum, share) in stage.sums.iter().zip(&gathered.sums) {
            self.terms[sum.term] += *share;
            if let Some((_, apart)) = sum.summed
                && first
            {
                self.terms[sum.term] += T::of(apart);
            }
        }
        for (export, view) in stage.exports.iter().zip(&chunk.exports) {
            let store = &mut self.stores[export.store];
            let width = export.slot.width;
            let len = store.len() / width;
            match export.reduced {
                Some((how, _)) if first => {
                    store.fill(how.of_none());
                    self.chosen[export.store].fill(NO_ELEMENT);
                }
                Some(_) | None => {}
            }
            for k in 0..width {
                let from = view.start + k * view.len..view.start + (k + 1) * view.len;
                let to = k * len + view.first..k * len + view.first + view.len;
                let values = &gathered.exports[from.clone()];
                match export.reduced {
                    None => store[to].copy_from_slice(values),
                    Some((Reduce::Sum, _)) => {
                        for (to, value) in store[to].iter_mut().zip(values) {
                            *to += *value;
                        }
                    }
                    Some((how @ (Reduce::Min | Reduce::Max), _)) => {
                        let chosen = &mut self.chosen[export.store][to.clone()];
                        let came = values.iter().zip(&gathered.chosen[from]);
                        for ((to, chosen), (value, element)) in
                            store[to].iter_mut().zip(chosen).zip(came)
                        {
                            if *element != NO_ELEMENT && how.prefers(*value, *to, *chosen) {
                                (*to, *chosen) = (*value, *element);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Adds a chunk's adjoints of what it reads, and leaves zeros.
    fn take_adjoints(
        &mut self,
        stage: &Stage,
        chunk: &Chunk,
        gathered: &mut Gathered<T>,
        gradient: &mut [T],
    ) {
        for (source, view) in stage.sources.iter().zip(&chunk.bars) {
            if !source.varies {
                continue;
            }
            if source.in_gradient(stage.chunks.len()).is_some() {
                continue;
            }
            let (bars, offset) = match &source.from {
                From::Input { offset, .. } => (&mut *gradient, *offset),
                From::Store { store, .. } => (self.store_bars[*store].as_mut_slice(), 0),
                From::Data { .. } => continue,
            };
            for k in 0..source.width {
                let to = &mut bars[offset + k * source.len + view.first..][..view.len];
                let from = &mut gathered.bars[view.start + k * view.len..][..view.len];
                lanes::take(from, to);
            }
        }
    }
}

impl Workspace<f64> {
    /// Works out the terms, and the second derivatives of those recognised terms that sum them up.
    pub(super) fn curvature(&mut self, program: &Program, z: &[f64]) -> Vec<Option<Curvature>> {
        self.start();
        for stage in &program.stages {
            self.sweep(stage, &program.stores, z, &mut [], What::Values, 0.0);
        }
        let given = Given {
            z,
            stores: &self.draws[0].stores,
        };
        program
            .glms
            .iter()
            .map(|glm| glm.curvature(given))
            .collect()
    }
}

impl Workspace<Dual> {
    /// As [`Workspace::gradients`], with recognised terms by their second derivatives at the values of `zs`.
    pub(super) fn along(
        &mut self,
        program: &Program,
        curvature: &[Option<Curvature>],
        zs: &[Dual],
        gradients: &mut [Dual],
    ) {
        self.start();
        self.start_back(gradients);
        for stage in &program.stages {
            let what = if stage.is_last() {
                What::Both
            } else {
                What::Values
            };
            self.sweep(stage, &program.stores, zs, gradients, what, Dual::of(1.0));
        }
        let dim = zs.len() / self.draws.len();
        for ((glm, scratch), curvature) in program.glms.iter().zip(&mut self.glms).zip(curvature) {
            for (d, draw) in self.draws.iter_mut().enumerate() {
                let given = Given {
                    z: &zs[d * dim..][..dim],
                    stores: &draw.stores,
                };
                let mut bars = Bars {
                    gradient: &mut gradients[d * dim..][..dim],
                    stores: &mut draw.store_bars,
                };
                draw.terms[glm.term] = match curvature {
                    Some(curvature) => glm.along(curvature, given, &mut bars),
                    None => {
                        // One after another: the memory of one is enough.
                        glm.run_one(given, scratch, &mut bars)
                    }
                };
            }
        }
        self.sweep_back(program, zs, gradients, Dual::of(1.0));
    }
}
