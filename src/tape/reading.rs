//! What a block reads: from where it is, or filled in lane by lane; and how the adjoint comes back.

use super::block::Adjoints;
use super::block::Block;
use super::block::Sweep;
use super::elementwise::Lanes;
use super::elementwise::Scalar;
use super::lanes;
use super::program::From;
use super::program::Reach;
use super::program::Source;
use smallvec::SmallVec;
use std::cell::Cell;
use std::ops::Range;

/// Parts of a block that read one place each: the place, and the lanes.
pub(super) type Runs = SmallVec<[(usize, Range<usize>); 8]>;

impl<'a, T: Scalar> Sweep<'a, T> {
    /// Component `k` of a source at all elements of its plate; data only where they are numbers of this type.
    pub(super) fn read(&self, source: &Source, k: usize) -> Option<&'a [T]>
    where
        Self: 'a,
    {
        let at = k * source.len;
        match &source.from {
            From::Input { offset, .. } => Some(&self.z[offset + at..]),
            From::Store { store, .. } => Some(&self.draw.stores[*store][at..]),
            From::Data { .. } => None,
        }
    }

    /// The value of component `k` of a source at a place.
    fn value(&self, source: &Source, k: usize, place: usize) -> T {
        let at = k * source.len + place;
        match &source.from {
            From::Input { offset, .. } => self.z[offset + at],
            From::Store { store, .. } => self.draw.stores[*store][at],
            From::Data { values } => T::of(values[at]),
        }
    }

    /// The one place that all elements of the block read of a source, if there is only one, and it is known at once.
    pub(super) fn place(&self, source: &Source) -> Option<usize> {
        let Block { first, n } = self.block;
        match &source.reach {
            Reach::Own => None,
            Reach::Top => Some(0),
            Reach::Index { runs: None, .. } => None,
            Reach::Index { index, .. } => {
                (index[first] == index[first + n - 1]).then_some(index[first] as usize)
            }
        }
    }

    /// Whether elementwise instructions take a source from where it is, and bring its adjoint to where it is gathered.
    pub(super) fn is_in_place(&self, source: &Source) -> bool {
        match (&source.reach, &source.from) {
            (Reach::Own, From::Data { values }) => T::in_place(&values[..0]).is_some(),
            (Reach::Own, From::Input { .. } | From::Store { .. }) | (Reach::Top, _) => true,
            (Reach::Index { .. }, _) => !source.filled && self.place(source).is_some(),
        }
    }

    /// Component `k` of a source from where it is, if that can be.
    pub(super) fn near(&self, source: &'a Source, k: usize) -> Option<Lanes<'a, T>> {
        let Block { first, n } = self.block;
        match (&source.reach, &source.from) {
            (Reach::Own, From::Data { values }) => {
                T::in_place(&values[k * source.len + first..][..n]).map(Lanes::Each)
            }
            (Reach::Own, From::Input { .. } | From::Store { .. }) => self
                .read(source, k)
                .map(|values| Lanes::Each(&values[first..first + n])),
            (Reach::Top, _) => Some(Lanes::Same(self.value(source, k, 0))),
            (Reach::Index { .. }, _) if source.filled => None,
            (Reach::Index { .. }, _) => self
                .place(source)
                .map(|place| Lanes::Same(self.value(source, k, place))),
        }
    }

    /// Writes a source's values lane by lane.
    pub(super) fn fetch(&self, source: &Source, out: &mut [T]) {
        let Block { first, n } = self.block;
        if let (Some(runs), Some(values)) = (self.runs(source), self.read(source, 0)) {
            let len = source.len;
            return lanes::spread(values, len, &runs, n, out);
        }
        for (k, lanes) in out.chunks_exact_mut(n).enumerate() {
            let data: &[f64] = match &source.from {
                From::Data { values } => &values[k * source.len..],
                From::Input { .. } | From::Store { .. } => &[],
            };
            match (&source.reach, self.read(source, k)) {
                (Reach::Own, Some(values)) => lanes.copy_from_slice(&values[first..first + n]),
                (Reach::Own, None) => {
                    for (lane, value) in lanes.iter_mut().zip(&data[first..]) {
                        *lane = T::of(*value);
                    }
                }
                (Reach::Top, _) => lanes.fill(self.value(source, k, 0)),
                (Reach::Index { index, .. }, Some(values)) => {
                    for (lane, place) in lanes.iter_mut().zip(&index[first..]) {
                        *lane = values[*place as usize];
                    }
                }
                (Reach::Index { index, .. }, None) => {
                    for (lane, place) in lanes.iter_mut().zip(&index[first..]) {
                        *lane = T::of(data[*place as usize]);
                    }
                }
            }
        }
    }

    /// The elements of another plate that the block's elements share, and the lanes that share them.
    pub(super) fn shared(&self, source: &Source) -> Runs {
        let everyone = || SmallVec::from_iter([(0, 0..self.block.n)]);
        self.runs(source).unwrap_or_else(everyone)
    }

    /// The runs of the block in which a source of another plate is the same: its element, and the lanes.
    fn runs(&self, source: &Source) -> Option<Runs> {
        match &source.reach {
            Reach::Index {
                index,
                runs: Some(runs),
            } => Some(self.block.runs(index, runs).collect()),
            Reach::Index { runs: None, .. } | Reach::Own | Reach::Top => None,
        }
    }

    /// The adjoint of [`Sweep::fetch`].
    pub(super) fn unfetch(&self, source: usize, y_bar: &[Cell<T>], to: Adjoints<'_, T>) {
        let Block { first, n } = self.block;
        let view = self.chunk.bars[source];
        let gathered = to.gathered;
        let add = |at: usize, value: T| gathered[at].set(gathered[at].get() + value);
        if let Some(mut runs) = self.runs(&self.stage.sources[source]) {
            for (place, _) in &mut runs {
                *place = view.at(0, *place);
            }
            return lanes::gather(y_bar, n, &runs, gathered, view.len);
        }
        for (k, lanes) in y_bar.chunks_exact(n).enumerate() {
            match &self.stage.sources[source].reach {
                Reach::Own => {
                    for (to, bar) in self.own(source, k, to).iter().zip(lanes) {
                        to.set(to.get() + bar.get());
                    }
                }
                Reach::Top => add(view.at(k, 0), lanes::total_of_cells(lanes)),
                Reach::Index { index, .. } => {
                    for (bar, place) in lanes.iter().zip(&index[first..]) {
                        add(view.at(k, *place as usize), bar.get());
                    }
                }
            }
        }
    }

    /// Where the adjoints of component `k` of a source of the block's own elements go.
    pub(super) fn own<'c>(&self, source: usize, k: usize, to: Adjoints<'c, T>) -> &'c [Cell<T>] {
        let Block { first, n } = self.block;
        let (from, view) = (&self.stage.sources[source], self.chunk.bars[source]);
        match from.in_gradient(self.stage.chunks.len()) {
            Some(offset) => &to.gradient[offset + k * from.len + first..][..n],
            None => &to.gathered[view.at(k, first)..][..n],
        }
    }
}

impl Block {
    /// The parts of the block with one index each: the index, and the lanes.
    fn runs<'r>(
        self,
        index: &'r [u32],
        runs: &'r [u32],
    ) -> impl Iterator<Item = (usize, Range<usize>)> + 'r {
        let (first, end) = (self.first, self.first + self.n);
        let at = runs.partition_point(|start| *start as usize <= first) - 1;
        runs[at..].windows(2).map_while(move |run| {
            let (from, to) = ((run[0] as usize).max(first), (run[1] as usize).min(end));
            (from < end).then(|| (index[from] as usize, from - first..to - first))
        })
    }
}
