//! Binding: plates from keys, labels, columns by type.

use super::BoundPlate;
use super::Labels;
use super::Model;
use super::columns::Reader;
use super::nesting;
use super::notes;
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
    let populated = Populated::new(typed, &sources, &mut problems);
    let above = nesting::above(typed, &sources, &populated, &mut problems);
    let mut sizes = Sizes::of_plates(typed, |plate| Some(populated.elements(plate)?.len()));
    let reader = Reader {
        typed,
        sources: &sources,
        populated: &populated,
        above: &above,
    };
    let read = reader.columns(&mut sizes, &mut problems);
    let scalings = scalings::scalings(typed, &read, &populated, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    notes::warn(&reader, &read, &mut problems);
    let report = notes::report(&reader, &read);
    let plates = above.into_iter().enumerate().map(|(p, above)| {
        let plate = PlateId(p as u32);
        let elements = populated.elements(plate);
        let elements = elements.expect("invariant: a plate without elements comes with a problem");
        let labels = match plate {
            PlateId::TOP => Labels::Texts(vec![String::new()]),
            _ => elements.labels(),
        };
        BoundPlate { labels, above }
    });
    let columns = read.into_iter().map(|column| {
        let column = column.expect("invariant: a column that was not read comes with a problem");
        column.bound
    });
    let model = Model {
        typed: typed.clone(),
        plates: plates.collect(),
        columns: columns.collect(),
        sizes: sizes
            .all()
            .expect("invariant: a size that is not fixed comes with a problem"),
        scalings,
        report,
    };
    Ok((model, problems))
}
