//! The sweeps over one block of a stage: its instructions forward, and backward in reverse order.

use super::Reduce;
use super::elementwise::Bar;
use super::elementwise::Elementwise;
use super::elementwise::Lanes;
use super::elementwise::MOST_ARGS;
use super::elementwise::Running;
use super::elementwise::Scalar;
use super::elementwise::Seed;
use super::elementwise::Stretch;
use super::elementwise::StretchArg;
use super::event::residuals::Triangle;
use super::lanes;
use super::program::Arg;
use super::program::ArgBar;
use super::program::Chunk;
use super::program::Export;
use super::program::Home;
use super::program::Instr;
use super::program::Operand;
use super::program::OwnBar;
use super::program::Reach;
use super::program::Slot;
use super::program::Stage;
use crate::num::Aligned;
use smallvec::SmallVec;
use std::cell::Cell;
use std::ops::Range;

/// Elements of one block: the first, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub first: usize,
    pub n: usize,
}

impl Stage {
    /// The numbers of a slot in a block of `n` elements, component by component.
    pub(super) fn range(&self, slot: Slot, n: usize) -> Range<usize> {
        let start = slot.start * self.block;
        start..start + slot.width * n
    }

    /// Component `k` of a slot, or, of a slot of one component, that one.
    fn component(&self, slot: Slot, n: usize, k: usize) -> Range<usize> {
        let start = slot.start * self.block + if slot.width == 1 { 0 } else { k * n };
        start..start + n
    }
}

impl Chunk {
    /// Its blocks.
    pub(super) fn blocks(&self, block: usize) -> impl Iterator<Item = Block> + use<> {
        let Range { start, end } = self.elements;
        (start..end).step_by(block).map(move |first| Block {
            first,
            n: block.min(end - first),
        })
    }
}

/// What a run has worked out so far at one vector of parameters.
#[derive(Clone, Debug)]
pub(super) struct Draw<T> {
    pub terms: Vec<T>,
    pub stores: Vec<Vec<T>>,
    pub store_bars: Vec<Vec<T>>,
    /// For a largest or smallest value: the element that it is of.
    pub chosen: Vec<Vec<u32>>,
}

/// The slots of a block.
#[derive(Debug)]
pub(super) struct Slots<T> {
    pub values: Aligned<T>,
    pub bars: Aligned<T>,
    /// Adjoints of the arguments of an event operation.
    pub scratch: Aligned<T>,
    /// Memory that event operations ask for.
    pub extra: Vec<T>,
    /// What instructions that sum up have summed up.
    pub summed: Vec<T>,
    /// The memory of their loops; large, and apart so that slots are handed on as they are.
    pub running: Box<Running<T>>,
}

/// Something for each number of an event.
type Numbers<T> = SmallVec<[T; 8]>;

/// No element.
pub(super) const NO_ELEMENT: u32 = u32::MAX;

/// What a chunk has gathered at one vector of parameters.
#[derive(Clone, Debug)]
pub(super) struct Gathered<T> {
    /// The share of each term of the stage.
    pub sums: Vec<T>,
    /// What it exports.
    pub exports: Vec<T>,
    /// For a largest or smallest value: the element that it is of.
    pub chosen: Vec<u32>,
    /// The adjoints of what it reads: zero until a chunk runs, and after they are taken.
    pub bars: Vec<T>,
}

/// Where the adjoints of what a block reads go.
#[derive(Clone, Copy)]
pub(super) struct Adjoints<'c, T> {
    /// [`Gathered::bars`].
    pub gathered: &'c [Cell<T>],
    /// The gradient: for what the only chunk of a stage reads of its own elements.
    pub gradient: &'c [Cell<T>],
}

/// A block to be run.
pub(super) struct Sweep<'a, T> {
    pub stage: &'a Stage,
    pub chunk: &'a Chunk,
    pub block: Block,
    pub z: &'a [T],
    pub draw: &'a Draw<T>,
    /// Whether values are wanted in all slots, not where they need only be summed up.
    pub apart: bool,
}

impl<'a, T: Scalar> Sweep<'a, T> {
    /// Fills the slots.
    pub fn forward(&self, slots: &mut Slots<T>) {
        let n = self.block.n;
        for instr in &self.stage.instrs {
            let range = self.stage.range(instr.slot(), n);
            let (before, rest) = slots.values.split_at_mut(range.start);
            let out = &mut rest[..range.len()];
            match instr {
                Instr::Fill { values, .. } => {
                    for (lanes, value) in out.chunks_exact_mut(n).zip(values.iter()) {
                        lanes.fill(T::of(*value));
                    }
                }
                Instr::Fetch { source, .. } => {
                    let source = &self.stage.sources[*source];
                    if source.filled || !self.is_in_place(source) {
                        self.fetch(source, out);
                    }
                }
                Instr::Map {
                    op,
                    args,
                    summed: Some(start),
                    ..
                } if !self.apart => {
                    let inputs = self.inputs(args, before, 0, n);
                    let (sum, shared) = slots.summed[*start..][..=args.len()]
                        .split_first_mut()
                        .expect("there is room for the sum");
                    *sum = sum_up(op, &inputs[..args.len()], &mut slots.running, shared, out);
                }
                Instr::Map { op, args, .. } => {
                    for (k, range) in pieces(instr, n) {
                        let inputs = self.inputs(args, before, k, range.len());
                        (T::kernel(op).forward)(&inputs[..args.len()], &mut out[range]);
                    }
                }
                Instr::Event { op, args, .. } => {
                    let inputs = self.events(args, before);
                    op.forward(&inputs, n, out, &mut slots.extra);
                }
                Instr::Product {
                    source,
                    rows,
                    columns,
                    vector,
                    ..
                } => {
                    let x = self.events(std::slice::from_ref(vector), before)[0];
                    self.product(*source, (*rows, *columns), x, out, &mut slots.extra);
                }
                Instr::Squares {
                    triangle,
                    rows,
                    w,
                    u,
                    summed,
                    ..
                } => {
                    let w = self.lanes(w, before, 0, n);
                    let mut numbers = Numbers::new();
                    for (arg, k) in u {
                        numbers.push(self.lanes(arg, before, *k, n));
                    }
                    let triangle = self.triangle((*rows, u.len() + 1), triangle);
                    match (summed.filter(|_| !self.apart), w) {
                        (Some(start), Lanes::Same(w)) => {
                            let sums = &mut slots.summed[start..][..2 + u.len()];
                            triangle.sum_up(&numbers, &mut out[..rows * n], &mut sums[1..]);
                            sums[0] = w * sums[1];
                        }
                        _ => {
                            let (out, squares) = out.split_at_mut(n);
                            triangle.forward(w, &numbers, squares, out);
                        }
                    }
                }
            }
        }
    }

    /// Adds the sums, and gathers what outlives the stage.
    pub fn export(&self, slots: &Slots<T>, gathered: &mut Gathered<T>) {
        let Block { first, n } = self.block;
        for (sum, total) in self.stage.sums.iter().zip(&mut gathered.sums) {
            *total += match sum.summed {
                Some((start, _)) => slots.summed[start],
                None => lanes::total(&slots.values[self.stage.range(sum.slot, n)]),
            };
        }
        for (export, view) in self.stage.exports.iter().zip(&self.chunk.exports) {
            let values = &slots.values[self.stage.range(export.slot, n)];
            for (k, lanes) in values.chunks_exact(n).enumerate() {
                match &export.reduced {
                    None => {
                        gathered.exports[view.at(k, first)..][..n].copy_from_slice(lanes);
                    }
                    Some((Reduce::Sum, None)) => {
                        gathered.exports[view.at(k, 0)] += lanes::total(lanes);
                    }
                    Some((Reduce::Sum, Some(index))) => {
                        for (value, to) in lanes.iter().zip(&index[first..]) {
                            gathered.exports[view.at(k, *to as usize)] += *value;
                        }
                    }
                    Some((how @ (Reduce::Min | Reduce::Max), index)) => {
                        for (i, value) in lanes.iter().enumerate() {
                            let to = index.as_ref().map_or(0, |index| index[first + i] as usize);
                            let at = view.at(k, to);
                            if how.prefers(*value, gathered.exports[at], gathered.chosen[at]) {
                                gathered.exports[at] = *value;
                                gathered.chosen[at] = (first + i) as u32;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Gathers the adjoints of what the block reads, after [`Sweep::forward`]; every term has the adjoint `seed`.
    pub fn backward(&self, slots: &mut Slots<T>, to: Adjoints<'_, T>, seed: T) {
        let n = self.block.n;
        let Slots {
            values,
            bars,
            scratch,
            extra,
            summed: sums,
            running: _,
        } = slots;
        let values = &**values;
        let bars = Cell::from_mut(&mut **bars).as_slice_of_cells();
        for sum in &self.stage.sums {
            if let Some(home) = sum.bar {
                for bar in self.at(bars, home) {
                    bar.set(if home.first { seed } else { bar.get() + seed });
                }
            }
        }
        for export in &self.stage.exports {
            if let Some(home) = export.bar {
                self.take_back(export, home, self.at(bars, home));
            }
        }
        for instr in self.stage.instrs.iter().rev() {
            match instr {
                Instr::Fill { .. } => {}
                Instr::Fetch {
                    source, bar, lent, ..
                } => {
                    let from = &self.stage.sources[*source];
                    if let Some(bar) = bar
                        && (*lent || from.filled || !self.is_in_place(from))
                    {
                        self.unfetch(*source, &bars[self.stage.range(*bar, n)], to);
                    }
                }
                Instr::Map {
                    op,
                    args,
                    slot,
                    bar: OwnBar::Terms(times),
                    summed: Some(start),
                    ..
                } => {
                    let kernel = T::kernel(op).one_pass.as_ref();
                    let by = kernel.map(|kernel| kernel.by);
                    let against = kernel.and_then(|kernel| kernel.against);
                    let seed = seed * T::of(*times);
                    for (k, arg) in args.iter().enumerate() {
                        let goal = self.goal(arg, bars, to, 0, n);
                        if by == Some(k) || against == Some(k) {
                            let slopes = &values[self.stage.range(*slot, n)];
                            let seed = if by == Some(k) { seed } else { -seed };
                            lanes::bring_times(slopes, seed, goal);
                        } else if let Bar::Sum(total) = goal
                            && !seed.is_zero()
                        {
                            total.set(total.get() + seed * sums[start + 1 + k]);
                        }
                    }
                }
                Instr::Map {
                    op,
                    args,
                    slot,
                    bar,
                    ..
                } => {
                    if args.iter().all(|arg| arg.bar == ArgBar::None) {
                        continue;
                    }
                    let y = &values[self.stage.range(*slot, n)];
                    for (k, range) in pieces(instr, n) {
                        let y_bar = match bar {
                            OwnBar::None => continue,
                            OwnBar::Terms(times) => Seed::Same(seed * T::of(*times)),
                            OwnBar::Slot(slot) => {
                                Seed::Cells(&bars[self.stage.range(*slot, n)][range.clone()])
                            }
                        };
                        let inputs = self.inputs(args, values, k, range.len());
                        let mut goals = [Bar::None; MOST_ARGS];
                        for (goal, arg) in goals.iter_mut().zip(args) {
                            *goal = self.goal(arg, bars, to, k, range.len());
                        }
                        let count = args.len();
                        (T::kernel(op).adjoints)(
                            &inputs[..count],
                            &y[range],
                            y_bar,
                            &goals[..count],
                        );
                    }
                }
                Instr::Event {
                    op,
                    args,
                    slot,
                    bar: OwnBar::Slot(bar),
                } => {
                    let y = &values[self.stage.range(*slot, n)];
                    let inputs = self.events(args, values);
                    let (y_bar, rest) = scratch.split_at_mut(bar.width * n);
                    for (to, from) in y_bar.iter_mut().zip(&bars[self.stage.range(*bar, n)]) {
                        *to = from.get();
                    }
                    let mut outs: SmallVec<[&mut [T]; 4]> = SmallVec::new();
                    let mut rest = rest;
                    for input in &inputs {
                        let (out, others) = rest.split_at_mut(input.len());
                        out.fill(T::zero());
                        outs.push(out);
                        rest = others;
                    }
                    op.backward(&inputs, y, y_bar, n, &mut outs, extra);
                    for (arg, partial) in args.iter().zip(&outs) {
                        if let ArgBar::Slot(home) = arg.bar {
                            lanes::bring(partial, self.at(bars, home), home.first);
                        }
                    }
                }
                Instr::Product {
                    source,
                    rows,
                    columns,
                    vector,
                    bar: OwnBar::Slot(bar),
                    ..
                } => {
                    let x = self.events(std::slice::from_ref(vector), values)[0];
                    let (y_bar, rest) = scratch.split_at_mut(rows * n);
                    for (to, from) in y_bar.iter_mut().zip(&bars[self.stage.range(*bar, n)]) {
                        *to = from.get();
                    }
                    let x_bar = &mut rest[..columns * n];
                    let shape = (*rows, *columns);
                    self.product_adjoint(*source, shape, (x, y_bar), x_bar, to, extra);
                    if let ArgBar::Slot(home) = vector.bar {
                        lanes::bring(x_bar, self.at(bars, home), home.first);
                    }
                }
                Instr::Squares {
                    rows,
                    w,
                    u,
                    slot,
                    bar: OwnBar::Terms(times),
                    summed: Some(start),
                    ..
                } => {
                    let seed = seed * T::of(*times);
                    let Lanes::Same(weight) = self.lanes(w, values, 0, n) else {
                        unreachable!("what is summed up has one weight")
                    };
                    if let Bar::Sum(total) = self.goal(w, bars, to, 0, n)
                        && !seed.is_zero()
                    {
                        total.set(total.get() + seed * sums[start + 1]);
                    }
                    let (seed, slopes) =
                        ((seed + seed) * weight, &values[self.stage.range(*slot, n)]);
                    for (k, (arg, place)) in u.iter().enumerate() {
                        let goal = self.goal(arg, bars, to, *place, n);
                        if k < *rows {
                            lanes::bring_times(&slopes[k * n..][..n], seed, goal);
                        } else if let Bar::Sum(total) = goal
                            && !seed.is_zero()
                        {
                            total.set(total.get() + seed * sums[start + 2 + k]);
                        }
                    }
                }
                Instr::Squares {
                    triangle,
                    rows,
                    w,
                    u,
                    slot,
                    bar,
                    summed: _,
                } => {
                    let y_bar = match bar {
                        OwnBar::None => continue,
                        OwnBar::Terms(times) => Seed::Same(seed * T::of(*times)),
                        OwnBar::Slot(slot) => Seed::Cells(&bars[self.stage.range(*slot, n)]),
                    };
                    let goal = |arg, k| self.goal(arg, bars, to, k, n);
                    let w_bar = goal(w, 0);
                    let mut u_bars = Numbers::new();
                    for (arg, k) in u {
                        u_bars.push(goal(arg, *k));
                    }
                    self.triangle((*rows, u.len() + 1), triangle).adjoints(
                        self.lanes(w, values, 0, n),
                        &values[self.stage.range(*slot, n)][n..],
                        y_bar,
                        (w_bar, &u_bars),
                        scratch,
                    );
                }
                Instr::Event {
                    bar: OwnBar::None | OwnBar::Terms(_),
                    ..
                }
                | Instr::Product {
                    bar: OwnBar::None | OwnBar::Terms(_),
                    ..
                } => {}
            }
        }
    }

    /// The cells of a slot of adjoints.
    fn at<'c>(&self, bars: &'c [Cell<T>], home: Home) -> &'c [Cell<T>] {
        &bars[self.stage.range(home.slot, self.block.n)]
    }

    /// The arguments of piece `k` of an elementwise instruction, of `m` lanes.
    fn inputs<'v>(
        &self,
        args: &[Arg],
        values: &'v [T],
        k: usize,
        m: usize,
    ) -> [Lanes<'v, T>; MOST_ARGS]
    where
        'a: 'v,
    {
        let mut inputs = [Lanes::Same(T::default()); MOST_ARGS];
        for (input, arg) in inputs.iter_mut().zip(args) {
            *input = self.lanes(arg, values, k, m);
        }
        inputs
    }

    /// Component `k` of an argument, or, of one that has but one, that one; of `m` lanes where it is in a slot.
    fn lanes<'v>(&self, arg: &Arg, values: &'v [T], k: usize, m: usize) -> Lanes<'v, T>
    where
        'a: 'v,
    {
        match &arg.operand {
            Operand::Constant(values) => {
                Lanes::Same(T::of(values[if values.len() == 1 { 0 } else { k }]))
            }
            Operand::Slot(slot) => {
                let start = self.stage.component(*slot, self.block.n, k).start;
                Lanes::Each(&values[start..start + m])
            }
            Operand::Source { source, slot } => {
                let source = &self.stage.sources[*source];
                self.near(source, if source.width == 1 { 0 } else { k })
                    .unwrap_or_else(|| {
                        Lanes::Each(&values[self.stage.component(*slot, self.block.n, k)])
                    })
            }
        }
    }

    /// The triangles of the block.
    fn triangle<'t>(&self, (rows, size): (usize, usize), triangle: &'t [f64]) -> Triangle<'t> {
        Triangle {
            rows,
            size,
            entries: &triangle[self.block.first..],
            step: self.stage.len,
        }
    }

    /// Where the adjoint of an argument goes, of piece `k` of `m` lanes.
    fn goal<'c>(
        &self,
        arg: &Arg,
        bars: &'c [Cell<T>],
        to: Adjoints<'c, T>,
        k: usize,
        m: usize,
    ) -> Bar<'c, T> {
        let to_slot = |home: Home| {
            let range = self.stage.component(home.slot, self.block.n, k);
            let lanes = &bars[range.start..range.start + m];
            // All components of the value come to the one of a narrower argument.
            if home.first && (k == 0 || home.slot.width > 1) {
                Bar::Set(lanes)
            } else {
                Bar::Add(lanes)
            }
        };
        let (source, home) = match (&arg.operand, arg.bar) {
            (_, ArgBar::None) => return Bar::None,
            (_, ArgBar::Slot(home)) => return to_slot(home),
            (Operand::Source { source, .. }, ArgBar::Source(home)) => (*source, home),
            (Operand::Constant(_) | Operand::Slot(_), ArgBar::Source(home)) => {
                return to_slot(home);
            }
        };
        let (from, view) = (&self.stage.sources[source], self.chunk.bars[source]);
        let k = if from.width == 1 { 0 } else { k };
        match (&from.reach, self.place(from)) {
            (Reach::Own, _) => Bar::Add(&self.own(source, k, to)[..m]),
            (Reach::Top, _) => Bar::Sum(&to.gathered[view.at(k, 0)]),
            (Reach::Index { .. }, Some(place)) if !from.filled => {
                Bar::Sum(&to.gathered[view.at(k, place)])
            }
            (Reach::Index { .. }, _) => to_slot(home),
        }
    }

    /// The arguments of an event instruction.
    fn events<'v>(&self, args: &[Arg], values: &'v [T]) -> SmallVec<[&'v [T]; 4]> {
        args.iter()
            .map(|arg| match &arg.operand {
                Operand::Slot(slot) => &values[self.stage.range(*slot, self.block.n)],
                Operand::Constant(_) | Operand::Source { .. } => {
                    unreachable!("the arguments of an event operation are in slots")
                }
            })
            .collect()
    }

    /// Brings the adjoint of what a stage made for others back to its slot.
    fn take_back(&self, export: &Export, home: Home, bars: &[Cell<T>]) {
        let Block { first, n } = self.block;
        let store = &self.draw.store_bars[export.store];
        let len = store.len() / export.slot.width;
        for (k, lanes) in bars.chunks_exact(n).enumerate() {
            for (i, bar) in lanes.iter().enumerate() {
                let came = match &export.reduced {
                    None => store[k * len + first + i],
                    Some((how, index)) => {
                        let place = index.as_ref().map_or(0, |index| index[first + i] as usize);
                        let at = k * len + place;
                        let taken = match how {
                            Reduce::Sum => true,
                            Reduce::Min | Reduce::Max => {
                                self.draw.chosen[export.store][at] == (first + i) as u32
                            }
                        };
                        if taken { store[at] } else { T::zero() }
                    }
                };
                bar.set(if home.first { came } else { bar.get() + came });
            }
        }
    }
}

/// The sum of a density over some lanes, without what is apart; writes its slopes and the sums of its shared partial derivatives.
fn sum_up<T: Scalar>(
    op: &Elementwise,
    inputs: &[Lanes<'_, T>],
    sums: &mut Running<T>,
    shared: &mut [T],
    slopes: &mut [T],
) -> T {
    let args: SmallVec<[StretchArg<'_, T>; 4]> =
        inputs.iter().copied().map(StretchArg::from).collect();
    let kernel = (T::kernel(op).one_pass.as_ref()).expect("what is summed up has a loop for it");
    sums.clear();
    let stretch = Stretch {
        args: &args,
        predictor: None,
        rows: 0..slopes.len(),
        slopes,
    };
    (kernel.stretch)(stretch, sums);
    for (k, shared) in shared.iter_mut().enumerate() {
        *shared = sums.shared(k);
    }
    sums.value()
}

/// The components of an elementwise instruction that one call of its kernel covers: all, or one by one.
fn pieces(instr: &Instr, n: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let width = instr.slot().width;
    let whole = match instr {
        Instr::Map { whole, .. } => *whole,
        Instr::Fetch { .. }
        | Instr::Fill { .. }
        | Instr::Event { .. }
        | Instr::Product { .. }
        | Instr::Squares { .. } => true,
    };
    let (count, each) = if whole { (1, width * n) } else { (width, n) };
    (0..count).map(move |k| (k, k * each..(k + 1) * each))
}
