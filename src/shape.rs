//! Shapes: over which plates a value varies, and the dimensions of its event.
//!
//! Nothing is ever aligned by position: plates are named, and an event is only what stands in brackets.

use smallvec::SmallVec;

/// A plate of a model; [`PlateId::TOP`] is the top level, the plate of one element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PlateId(pub u32);

impl PlateId {
    /// The top level of a model.
    pub const TOP: PlateId = PlateId(0);

    /// Its place in lists by plate.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A size that is known once data are bound: the number of elements of a plate, of columns of a pattern, of levels of a category.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SizeId(pub u32);

impl SizeId {
    /// Its place in lists by size.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One dimension of an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dim {
    /// A number known from the text.
    Fixed(usize),
    /// A size known once data are bound, plus a number (`cut[K - 1]`).
    Size(SizeId, i64),
}

/// The dimensions of an event, outermost first; empty for a scalar.
pub type Event = SmallVec<[Dim; 2]>;

/// The plates over which a value varies, sorted: none of them determines another; empty at the top level.
pub type Plates = SmallVec<[PlateId; 2]>;
