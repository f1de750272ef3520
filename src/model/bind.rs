//! Binding: plates from keys, labels, columns by type.

use super::BindingReport;
use super::BoundPlate;
use super::BoundScaling;
use super::Known;
use super::Labels;
use super::Model;
use super::columns::ReadColumn;
use super::columns::Reader;
use super::frame::Fixed;
use super::nesting;
use super::nesting::Above;
use super::notes;
use super::notes::Counted;
use super::plates::Populated;
use super::scalings;
use super::sources::Sources;
use super::widths::Sizes;
use crate::data::Tables;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::Typed;
use std::sync::Arc;

/// Binds data to a checked model; also gives the warnings.
///
/// # Errors
/// Everything that keeps the data from being those that the model declares, with file, line, column and value.
pub fn bind(typed: &Arc<Typed>, tables: &Tables) -> Result<(Model, Problems), Problems> {
    let mut problems = Problems::new();
    let sources = Sources::new(typed, tables, &mut problems);
    let parts = Parts::new(typed, &sources, None, &mut problems);
    let scalings = scalings::scalings(typed, &parts, |_| None, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    let reader = parts.reader(typed, &sources, None);
    let counted = Counted::at_once(&reader);
    notes::warn(&reader, &parts.read, &counted, &mut problems);
    let report = notes::report(&reader, &parts.read, &counted);
    let labels = parts.labels(typed);
    Ok((parts.model(typed, labels, scalings, report), problems))
}

/// Binds new data to a model that is known from earlier ones: levels and scalings are those of then. There are no warnings, which would
/// be about the model or the size of the data.
///
/// # Errors
/// As of [`bind`]; a level that did not occur in the earlier data is one too.
pub fn bind_known(typed: &Arc<Typed>, tables: &Tables, known: &Known) -> Result<Model, Problems> {
    let mut problems = Problems::new();
    let mut sources = Sources::new(typed, tables, &mut problems);
    sources.known = Some(known);
    let parts = Parts::new(typed, &sources, None, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    let reader = parts.reader(typed, &sources, None);
    let report = notes::report(&reader, &parts.read, &Counted::at_once(&reader));
    let labels = parts.labels(typed);
    Ok(parts.model(typed, labels, known.scalings.clone(), report))
}

/// What binding finds; without gaps only when no problem was.
pub(super) struct Parts {
    pub(super) populated: Populated,
    pub(super) above: Above,
    pub(super) read: Vec<Option<ReadColumn>>,
    pub(super) sizes: Sizes,
}

impl Parts {
    /// Reads plates and columns; of those in `fixed` all but what stands in the rows of the main table is taken from there.
    pub(super) fn new(
        typed: &Typed,
        sources: &Sources,
        fixed: Option<&Fixed>,
        problems: &mut Problems,
    ) -> Parts {
        let populated = Populated::new(typed, sources, fixed, problems);
        let above = nesting::above(typed, sources, &populated, fixed, problems);
        let known = fixed.map(|fixed| &fixed.parts.sizes);
        let sizes = Sizes::of_plates(typed, known, |plate| Some(populated.elements(plate)?.len()));
        let mut parts = Parts {
            populated,
            above,
            read: Vec::new(),
            sizes,
        };
        let mut sizes = parts.sizes.clone();
        parts.read = parts
            .reader(typed, sources, fixed)
            .columns(&mut sizes, problems);
        parts.sizes = sizes;
        parts
    }

    /// What columns are read with.
    pub(super) fn reader<'a>(
        &'a self,
        typed: &'a Typed,
        sources: &'a Sources<'a>,
        fixed: Option<&'a Fixed>,
    ) -> Reader<'a> {
        Reader {
            typed,
            sources,
            populated: &self.populated,
            above: &self.above,
            fixed,
        }
    }

    /// The labels of all plates.
    pub(super) fn labels(&self, typed: &Typed) -> Vec<Labels> {
        let labels = |plate: PlateId| match plate {
            PlateId::TOP => Labels::Texts([String::new()].into()),
            _ => {
                let elements = self.populated.elements(plate);
                elements
                    .expect("invariant: a plate without elements comes with a problem")
                    .labels()
            }
        };
        let plates = (0..typed.plates.len()).map(|p| PlateId(p as u32));
        plates.map(labels).collect()
    }

    /// The model, when no problem was found.
    pub(super) fn model(
        self,
        typed: &Arc<Typed>,
        labels: Vec<Labels>,
        scalings: Vec<BoundScaling>,
        report: BindingReport,
    ) -> Model {
        let plates = labels.into_iter().zip(self.above);
        let columns = self.read.into_iter().map(|column| {
            let column =
                column.expect("invariant: a column that was not read comes with a problem");
            column.bound
        });
        Model {
            typed: typed.clone(),
            plates: plates
                .map(|(labels, above)| BoundPlate { labels, above })
                .collect(),
            columns: columns.collect(),
            sizes: self
                .sizes
                .all()
                .expect("invariant: a size that is not fixed comes with a problem"),
            scalings,
            report,
        }
    }
}
