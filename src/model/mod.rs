//! The bound model: a checked model with its data; every plate sized and labelled, every column read and checked.

mod bind;
mod cells;
mod columns;
mod dump;
mod excerpt;
mod frame;
mod gather;
mod grouped;
mod labels;
mod nesting;
mod notes;
mod plates;
mod scalings;
mod sketch;
mod sort;
mod sources;
mod widths;

use crate::num::Shared;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::shape::SizeId;
use crate::typed::ColumnId;
use crate::typed::Scaling;
use crate::typed::Typed;
pub use bind::bind;
pub use bind::bind_known;
pub use dump::dump;
pub use frame::Frame;
pub use frame::streams;
pub use grouped::Grouped;
use indexmap::IndexMap;
pub use sketch::sketch;
pub use sort::sort;
use std::sync::Arc;

/// A model with its data.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) typed: Arc<Typed>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) plates: Vec<BoundPlate>,
    pub(crate) columns: Vec<BoundColumn>,
    pub(crate) scalings: Vec<BoundScaling>,
    pub(crate) report: BindingReport,
}

impl Model {
    /// The checked model.
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    /// The value of a size.
    pub fn size(&self, id: SizeId) -> usize {
        self.sizes[id.index()]
    }

    /// The value of a dimension.
    pub fn dim(&self, dim: Dim) -> usize {
        match dim {
            Dim::Fixed(n) => n,
            Dim::Size(id, plus) => self.size(id).saturating_add_signed(plus as isize),
        }
    }

    /// The plates, in the order of the checked model's.
    pub fn plates(&self) -> &[BoundPlate] {
        &self.plates
    }

    /// A plate.
    pub fn plate(&self, id: PlateId) -> &BoundPlate {
        &self.plates[id.index()]
    }

    /// A data column.
    pub fn column(&self, id: ColumnId) -> &BoundColumn {
        &self.columns[id.index()]
    }

    /// What `center` and `standardize` subtract and divide by.
    pub fn scalings(&self) -> &[BoundScaling] {
        &self.scalings
    }

    /// What was read.
    pub fn report(&self) -> &BindingReport {
        &self.report
    }
}

/// A plate with its elements.
#[derive(Clone, Debug)]
pub struct BoundPlate {
    /// The labels of its elements, in level order: integers by value, else text in natural order; row numbers from 1 for `rows`, in file order unless [`sort`] changed it; one empty label for the top level.
    pub labels: Labels,
    /// For every other plate that it determines but the top level: which element each of its elements lies in, from 0.
    pub above: IndexMap<PlateId, Arc<[u32]>>,
}

impl BoundPlate {
    /// The number of its elements.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Labels of the elements of a plate.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// 1 to this number.
    Numbers(usize),
    /// The rows of a file, from 0 here and from 1 as labels, in another order than there.
    Rows(Arc<[u32]>),
    /// Texts.
    Texts(Arc<[String]>),
}

impl Labels {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Labels::Numbers(n) => *n,
            Labels::Rows(rows) => rows.len(),
            Labels::Texts(texts) => texts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of element `i`, from 0.
    pub fn get(&self, i: usize) -> String {
        match self {
            Labels::Numbers(_) => (i + 1).to_string(),
            Labels::Rows(rows) => (rows[i] + 1).to_string(),
            Labels::Texts(texts) => texts[i].clone(),
        }
    }
}

/// A data column with its values.
#[derive(Clone, Debug)]
pub struct BoundColumn {
    /// Its values: component `k` (row-major in the event) of element `i` stands at `k * len + i`, `len` the number of its plate's elements.
    /// Categories and ordinals are coded from 1, key columns hold the element's number from 0.
    pub values: Shared,
    /// The number of components.
    pub width: usize,
    /// The labels of a category's or ordinal's levels, in the order of their codes.
    pub levels: Vec<String>,
}

/// What `center(x)` or `standardize(x)` does to a column.
#[derive(Clone, Debug)]
pub struct BoundScaling {
    /// The column.
    pub column: ColumnId,
    /// Which.
    pub scaling: Scaling,
    /// Subtracted, per component.
    pub mean: Vec<f64>,
    /// Divided by, per component; 1 for `center`.
    pub sd: Vec<f64>,
}

/// What is known of a model from earlier data, by which new ones are read.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The labels of the levels of categories and ordinals, by the column's name, in the order of their codes.
    pub levels: IndexMap<String, Vec<String>>,
    /// What `center` and `standardize` subtract and divide by.
    pub scalings: Vec<BoundScaling>,
    /// Columns that are not looked for: a value that their type accepts stands for each of theirs. Only for those with one component.
    pub unread: Vec<ColumnId>,
}

/// What a fit says first: what was read.
#[derive(Clone, Debug, Default)]
pub struct BindingReport {
    /// Rows of the main table.
    pub rows: usize,
    /// One line for each plate but the top level.
    pub plates: Vec<PlateReport>,
    /// Statements with `where`: name, elements that count, elements in all.
    pub conditions: Vec<(String, usize, usize)>,
    /// Columns of the main table that the model does not use.
    pub unused: Vec<String>,
}

/// One plate, as bound.
#[derive(Clone, Debug)]
pub struct PlateReport {
    /// Its name.
    pub name: String,
    /// Its elements.
    pub len: usize,
    /// The smallest and the largest number of rows of the main table in one of its elements, with the label of each; `None` for `rows` plates and those that rows do not determine.
    pub rows: Option<((usize, String), (usize, String))>,
    /// Elements without any row below them.
    pub empty: usize,
}
