//! The sweeps: forward through all stages, backward through them in reverse, block by block, without allocation.

use super::Index;
use super::Reduce;
use super::elementwise::Lanes;
use super::elementwise::Scalar;
use super::glm;
use super::glm::Bars;
use super::glm::Given;
use super::glm::Glm;
use super::program::Export;
use super::program::From;
use super::program::Instr;
use super::program::Operand;
use super::program::Program;
use super::program::Slot;
use super::program::Stage;
use smallvec::SmallVec;

/// The memory of a run.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    terms: Vec<T>,
    outputs: Vec<usize>,
    stores: Vec<Vec<T>>,
    store_bars: Vec<Vec<T>>,
    /// For a largest or smallest value: whether its adjoint has been passed on, so that of equal elements only the first gets it.
    passed_on: Vec<Vec<bool>>,
    pub(super) values: Vec<T>,
    bars: Vec<T>,
    scratch: Vec<T>,
    /// Memory that event operations ask for.
    extra: Vec<T>,
    glm: glm::Scratch<T>,
}

/// Elements of one block: the first, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub first: usize,
    pub n: usize,
}

/// What a forward pass does with what a stage makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pass {
    /// Stores it and adds up the sums.
    First,
    /// Has done so before, and only wants the slots again.
    Again,
}

impl Stage {
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + use<> {
        let (len, block) = (self.len, self.block);
        (0..len).step_by(block).map(move |first| Block {
            first,
            n: block.min(len - first),
        })
    }

    /// The numbers of a slot in this block, component by component.
    pub(super) fn range(&self, slot: Slot, n: usize) -> std::ops::Range<usize> {
        let start = slot.start * self.block;
        start..start + slot.width * n
    }
}

impl<T: Scalar> Workspace<T> {
    pub(super) fn new(program: &Program) -> Workspace<T> {
        let most = |f: fn(&Stage) -> usize| program.stages.iter().map(f).max().unwrap_or(0);
        let values = most(|stage| stage.width * stage.block);
        let stores: Vec<Vec<T>> = program
            .stores
            .iter()
            .map(|s| vec![T::zero(); s.len * s.width])
            .collect();
        Workspace {
            terms: vec![T::zero(); program.terms],
            outputs: program.outputs.clone(),
            store_bars: stores.clone(),
            passed_on: program
                .stores
                .iter()
                .map(|s| match s.reduce {
                    Some(Reduce::Min | Reduce::Max) => vec![false; s.len * s.width],
                    Some(Reduce::Sum) | None => Vec::new(),
                })
                .collect(),
            stores,
            values: vec![T::zero(); values],
            bars: vec![T::zero(); values],
            scratch: vec![T::zero(); most(|stage| stage.scratch * stage.block)],
            extra: Vec::new(),
            glm: glm::Scratch::new(program.glms.iter().map(Glm::most_args).max().unwrap_or(0)),
        }
    }

    /// The sum over all elements of each term, as of the last run.
    pub fn terms(&self) -> &[T] {
        &self.terms
    }

    /// Output `k` as of the last run of [`super::Tape::value`]: component `c` of element `i` at `c * len + i`.
    pub fn output(&self, k: usize) -> &[T] {
        &self.stores[self.outputs[k]]
    }

    pub(super) fn value(&mut self, program: &Program, z: &[T]) -> T {
        self.start(program);
        for stage in &program.stages {
            for block in stage.blocks() {
                self.forward(stage, block, z, Pass::First);
            }
        }
        for glm in &program.glms {
            let given = Given {
                z,
                stores: &self.stores,
            };
            self.terms[glm.term] = glm.run(given, None, &mut self.glm);
        }
        self.total()
    }

    pub(super) fn gradient(&mut self, program: &Program, z: &[T], gradient: &mut [T]) -> T {
        self.start(program);
        gradient.fill(T::zero());
        for bars in &mut self.store_bars {
            bars.fill(T::zero());
        }
        for passed_on in &mut self.passed_on {
            passed_on.fill(false);
        }
        for stage in &program.stages {
            for block in stage.blocks() {
                self.forward(stage, block, z, Pass::First);
                if stage.is_last() {
                    self.backward(stage, block, gradient);
                }
            }
        }
        for glm in &program.glms {
            let given = Given {
                z,
                stores: &self.stores,
            };
            let bars = Bars {
                gradient,
                stores: &mut self.store_bars,
            };
            self.terms[glm.term] = glm.run(given, Some(bars), &mut self.glm);
        }
        for stage in program.stages.iter().rev().filter(|stage| !stage.is_last()) {
            for block in stage.blocks() {
                self.forward(stage, block, z, Pass::Again);
                self.backward(stage, block, gradient);
            }
        }
        self.total()
    }

    fn start(&mut self, program: &Program) {
        self.terms.fill(T::zero());
        for (store, plan) in self.stores.iter_mut().zip(&program.stores) {
            match plan.reduce {
                Some(Reduce::Sum) => store.fill(T::zero()),
                Some(Reduce::Min) => store.fill(T::of(f64::INFINITY)),
                Some(Reduce::Max) => store.fill(T::of(f64::NEG_INFINITY)),
                None => {}
            }
        }
    }

    fn total(&self) -> T {
        self.terms.iter().fold(T::zero(), |sum, term| sum + *term)
    }

    /// Fills the slots of a block without storing anything.
    pub(super) fn refill(&mut self, stage: &Stage, block: Block, z: &[T]) {
        self.forward(stage, block, z, Pass::Again);
    }

    fn forward(&mut self, stage: &Stage, block: Block, z: &[T], pass: Pass) {
        let n = block.n;
        for instr in &stage.instrs {
            let range = stage.range(instr.slot(), n);
            let (before, rest) = self.values.split_at_mut(range.start);
            let out = &mut rest[..range.len()];
            match instr {
                Instr::Fill { values, .. } => {
                    for (lanes, value) in out.chunks_exact_mut(n).zip(values.iter()) {
                        lanes.fill(T::of(*value));
                    }
                }
                Instr::Load { from, .. } => load(from, block, z, &self.stores, out),
                Instr::Lift { from, index, .. } => lift(from, index, block, z, &self.stores, out),
                Instr::Map { op, args, slot } => {
                    for (k, lanes) in pieces(args, *slot, n) {
                        let inputs = lanes_of(stage, args, before, n, k, lanes.len());
                        (T::kernel(op).forward)(&inputs, &mut out[lanes]);
                    }
                }
                Instr::Event { op, args, .. } => {
                    let inputs = slices_of(stage, args, before, n);
                    op.forward(&inputs, n, out, &mut self.extra);
                }
            }
        }
        if pass == Pass::Again {
            return;
        }
        for (term, slot) in &stage.sums {
            let sum = self.values[stage.range(*slot, n)]
                .iter()
                .fold(T::zero(), |sum, v| sum + *v);
            self.terms[*term] += sum;
        }
        for export in &stage.exports {
            match export {
                Export::Keep { slot, store } => {
                    let values = &self.values[stage.range(*slot, n)];
                    for (k, lanes) in values.chunks_exact(n).enumerate() {
                        let at = k * stage.len + block.first;
                        self.stores[*store][at..at + n].copy_from_slice(lanes);
                    }
                }
                Export::Reduce {
                    slot,
                    store,
                    how,
                    index,
                } => {
                    let values = &self.values[stage.range(*slot, n)];
                    let store = &mut self.stores[*store];
                    let len = store.len() / slot.width;
                    for (k, lanes) in values.chunks_exact(n).enumerate() {
                        for (i, value) in lanes.iter().enumerate() {
                            let kept = &mut store[k * len + element(index, block.first + i)];
                            match how {
                                Reduce::Sum => *kept += *value,
                                Reduce::Min if *value < *kept => *kept = *value,
                                Reduce::Max if *value > *kept => *kept = *value,
                                // Not a number must not vanish in a comparison.
                                Reduce::Min | Reduce::Max if value.value().is_nan() => {
                                    *kept = *value
                                }
                                Reduce::Min | Reduce::Max => {}
                            }
                        }
                    }
                }
            }
        }
    }

    fn backward(&mut self, stage: &Stage, block: Block, gradient: &mut [T]) {
        let n = block.n;
        let used = stage.width * stage.block;
        self.bars[..used].fill(T::zero());
        for (_, slot) in &stage.sums {
            for bar in &mut self.bars[stage.range(*slot, n)] {
                *bar += T::one();
            }
        }
        for export in &stage.exports {
            self.take_back(stage, block, export);
        }
        for instr in stage.instrs.iter().rev() {
            let range = stage.range(instr.slot(), n);
            let (before, rest) = self.bars.split_at_mut(range.start);
            let y_bar = &rest[..range.len()];
            let y = &self.values[range];
            match instr {
                Instr::Fill { .. } => {}
                Instr::Load { from, .. } => {
                    unload(from, block, y_bar, &mut self.store_bars, gradient)
                }
                Instr::Lift { from, index, .. } => {
                    unlift(from, index, block, y_bar, &mut self.store_bars, gradient);
                }
                Instr::Map { op, args, slot } => {
                    for (k, lanes) in pieces(args, *slot, n) {
                        let m = lanes.len();
                        let inputs = lanes_of(stage, args, &self.values, n, k, m);
                        let scratch = &mut self.scratch[..args.len() * m];
                        (T::kernel(op).backward)(
                            &inputs,
                            &y[lanes.clone()],
                            &y_bar[lanes],
                            scratch,
                        );
                        for (arg, partial) in args.iter().zip(scratch.chunks_exact(m)) {
                            if let Operand::Slot { slot, varies: true } = arg {
                                let range = piece(stage, *slot, n, k, m);
                                add(&mut before[range], partial);
                            }
                        }
                    }
                }
                Instr::Event { op, args, .. } => {
                    let inputs = slices_of(stage, args, &self.values, n);
                    let total: usize = inputs.iter().map(|input| input.len()).sum();
                    let scratch = &mut self.scratch[..total];
                    scratch.fill(T::zero());
                    let mut outs: SmallVec<[&mut [T]; 4]> = SmallVec::new();
                    let mut rest = scratch;
                    for input in &inputs {
                        let (out, others) = rest.split_at_mut(input.len());
                        outs.push(out);
                        rest = others;
                    }
                    op.backward(&inputs, y, y_bar, n, &mut outs, &mut self.extra);
                    for (arg, partial) in args.iter().zip(&outs) {
                        if let Operand::Slot { slot, varies: true } = arg {
                            add(&mut before[stage.range(*slot, n)], partial);
                        }
                    }
                }
            }
        }
    }

    /// Brings the adjoint of what a stage made for others back to its slot.
    fn take_back(&mut self, stage: &Stage, block: Block, export: &Export) {
        let n = block.n;
        match export {
            Export::Keep { slot, store } => {
                let bars = &mut self.bars[stage.range(*slot, n)];
                for (k, lanes) in bars.chunks_exact_mut(n).enumerate() {
                    let at = k * stage.len + block.first;
                    add(lanes, &self.store_bars[*store][at..at + n]);
                }
            }
            Export::Reduce {
                slot,
                store,
                how,
                index,
            } => {
                let range = stage.range(*slot, n);
                let len = self.stores[*store].len() / slot.width;
                for (j, (bar, value)) in self.bars[range.clone()]
                    .iter_mut()
                    .zip(&self.values[range])
                    .enumerate()
                {
                    let (k, i) = (j / n, j % n);
                    let at = k * len + element(index, block.first + i);
                    let taken = match how {
                        Reduce::Sum => true,
                        Reduce::Min | Reduce::Max => {
                            let first =
                                *value == self.stores[*store][at] && !self.passed_on[*store][at];
                            self.passed_on[*store][at] |= first;
                            first
                        }
                    };
                    if taken {
                        *bar += self.store_bars[*store][at];
                    }
                }
            }
        }
    }
}

fn element(index: &Index, i: usize) -> usize {
    index.as_ref().map_or(0, |index| index[i] as usize)
}

fn add<T: Scalar>(to: &mut [T], from: &[T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += *from;
    }
}

/// The components of an elementwise instruction that one call of its kernel covers: all, or one by one where an argument is narrower.
fn pieces(
    args: &[Operand],
    slot: Slot,
    n: usize,
) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let whole = slot.width == 1
        || args.iter().all(|arg| match arg {
            Operand::Slot { slot: s, .. } => s.width == slot.width,
            Operand::Constant(values) => values.len() == 1,
        });
    let (count, each) = if whole {
        (1, slot.width * n)
    } else {
        (slot.width, n)
    };
    (0..count).map(move |k| (k, k * each..(k + 1) * each))
}

/// The numbers of an argument that go into piece `k` of `m` lanes.
fn piece(stage: &Stage, slot: Slot, n: usize, k: usize, m: usize) -> std::ops::Range<usize> {
    let start = slot.start * stage.block + if slot.width == 1 { 0 } else { k * n };
    start..start + m
}

/// The arguments of piece `k` of `m` lanes.
fn lanes_of<'a, T: Scalar>(
    stage: &Stage,
    args: &[Operand],
    values: &'a [T],
    n: usize,
    k: usize,
    m: usize,
) -> SmallVec<[Lanes<'a, T>; 4]> {
    args.iter()
        .map(|arg| match arg {
            Operand::Slot { slot, .. } => Lanes::Each(&values[piece(stage, *slot, n, k, m)]),
            Operand::Constant(values) => {
                Lanes::Same(T::of(values[if values.len() == 1 { 0 } else { k }]))
            }
        })
        .collect()
}

fn slices_of<'a, T: Scalar>(
    stage: &Stage,
    args: &[Operand],
    values: &'a [T],
    n: usize,
) -> SmallVec<[&'a [T]; 4]> {
    args.iter()
        .map(|arg| match arg {
            Operand::Slot { slot, .. } => &values[stage.range(*slot, n)],
            Operand::Constant(_) => {
                unreachable!("the arguments of an event operation are in slots")
            }
        })
        .collect()
}

fn load<T: Scalar>(from: &From, block: Block, z: &[T], stores: &[Vec<T>], out: &mut [T]) {
    let n = block.n;
    for (k, lanes) in out.chunks_exact_mut(n).enumerate() {
        match from {
            From::Input { offset, len } => {
                let at = offset + k * len + block.first;
                lanes.copy_from_slice(&z[at..at + n]);
            }
            From::Store { store, len } => {
                let at = k * len + block.first;
                lanes.copy_from_slice(&stores[*store][at..at + n]);
            }
            From::Data { values, len } => {
                let at = k * len + block.first;
                for (lane, value) in lanes.iter_mut().zip(&values[at..at + n]) {
                    *lane = T::of(*value);
                }
            }
        }
    }
}

/// The adjoint of [`load`].
fn unload<T: Scalar>(
    from: &From,
    block: Block,
    y_bar: &[T],
    store_bars: &mut [Vec<T>],
    gradient: &mut [T],
) {
    let n = block.n;
    let (bars, offset, len) = match from {
        From::Input { offset, len } => (gradient, *offset, *len),
        From::Store { store, len } => (store_bars[*store].as_mut_slice(), 0, *len),
        From::Data { .. } => return,
    };
    for (k, lanes) in y_bar.chunks_exact(n).enumerate() {
        let at = offset + k * len + block.first;
        add(&mut bars[at..at + n], lanes);
    }
}

fn lift<T: Scalar>(
    from: &From,
    index: &Index,
    block: Block,
    z: &[T],
    stores: &[Vec<T>],
    out: &mut [T],
) {
    for (k, lanes) in out.chunks_exact_mut(block.n).enumerate() {
        match from {
            From::Input { offset, len } => gather(&z[offset + k * len..], index, block, lanes),
            From::Store { store, len } => gather(&stores[*store][k * len..], index, block, lanes),
            From::Data { values, len } => {
                let values = &values[k * len..];
                for (i, lane) in lanes.iter_mut().enumerate() {
                    *lane = T::of(values[element(index, block.first + i)]);
                }
            }
        }
    }
}

fn gather<T: Scalar>(values: &[T], index: &Index, block: Block, lanes: &mut [T]) {
    match index {
        None => lanes.fill(values[0]),
        Some(index) => {
            for (lane, i) in lanes.iter_mut().zip(&index[block.first..]) {
                *lane = values[*i as usize];
            }
        }
    }
}

/// The adjoint of [`lift`].
fn unlift<T: Scalar>(
    from: &From,
    index: &Index,
    block: Block,
    y_bar: &[T],
    store_bars: &mut [Vec<T>],
    gradient: &mut [T],
) {
    let n = block.n;
    let (bars, offset, len) = match from {
        From::Input { offset, len } => (gradient, *offset, *len),
        From::Store { store, len } => (store_bars[*store].as_mut_slice(), 0, *len),
        From::Data { .. } => return,
    };
    for (k, lanes) in y_bar.chunks_exact(n).enumerate() {
        let bars = &mut bars[offset + k * len..];
        match index {
            None => bars[0] += lanes.iter().fold(T::zero(), |sum, bar| sum + *bar),
            Some(index) => {
                for (bar, i) in lanes.iter().zip(&index[block.first..]) {
                    bars[*i as usize] += *bar;
                }
            }
        }
    }
}
