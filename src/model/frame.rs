//! A bound model whose main table is read in chunks: everything but its rows, and what binds these chunk by chunk.

use super::BindingReport;
use super::BoundScaling;
use super::Labels;
use super::Model;
use super::bind::Parts;
use super::excerpt::excerpt;
use super::notes;
use super::notes::Counted;
use super::scalings;
use super::scalings::Moments;
use super::sources::Sources;
use crate::data::Chunks;
use crate::data::Table;
use crate::data::Tables;
use crate::problem::Problems;
use crate::shape::PlateId;
use crate::typed::ColumnId;
use crate::typed::PlateSource;
use crate::typed::Typed;
use std::sync::Arc;

/// A model with its data but for the rows of the main table.
///
/// All chunks are bound to the same elements, levels, sizes and scalings: those that binding the whole table gives. Only the plates whose
/// elements are rows of the main table, and their columns, differ from chunk to chunk.
pub struct Frame {
    typed: Arc<Typed>,
    /// The further tables.
    tables: Tables,
    fixed: Fixed,
    labels: Vec<Labels>,
    scalings: Vec<BoundScaling>,
    report: BindingReport,
    rows: usize,
}

/// What is bound of all plates but those of rows of the main table.
pub(super) struct Fixed {
    pub(super) parts: Parts,
    /// For each plate, whether its elements are rows of the main table.
    streamed: Vec<bool>,
}

impl Fixed {
    /// Whether the elements and columns of a plate are here.
    pub(super) fn has(&self, plate: PlateId) -> bool {
        !self.streamed[plate.index()]
    }
}

impl Frame {
    /// Binds a checked model to a table in chunks and further tables, whose main table is not looked at; also gives the warnings. The chunks
    /// are read twice: for the plates and levels, and to check every cell.
    ///
    /// # Errors
    /// Everything that keeps the data from being those that the model declares, as [`super::bind`] says it, but of the rows themselves only
    /// what the first chunk with a problem holds.
    pub fn new(
        typed: &Arc<Typed>,
        chunks: &Chunks,
        tables: &Tables,
    ) -> Result<(Frame, Problems), Problems> {
        let plates = (0..typed.plates.len()).map(|p| PlateId(p as u32));
        let streamed: Vec<bool> = plates.map(|plate| streams(typed, plate)).collect();
        let excerpt = excerpt(typed, chunks, |plate| streamed[plate.index()])?;
        let tables = tables.with_main(excerpt);
        let mut problems = Problems::new();
        let sources = Sources::new(typed, &tables, &mut problems);
        let mut parts = Parts::new(typed, &sources, None, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        for (p, _) in streamed
            .iter()
            .enumerate()
            .filter(|(_, streamed)| **streamed)
        {
            parts.populated.set_rows(PlateId(p as u32), chunks.rows());
        }
        let fixed = Fixed { parts, streamed };
        let all = fixed.all_rows(typed, chunks, &tables)?;
        let parts = &fixed.parts;
        let known = |column: ColumnId| all.moments[column.index()].clone();
        let scalings = scalings::scalings(typed, parts, known, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let reader = parts.reader(typed, &sources, None);
        notes::warn(&reader, &parts.read, &all.counted, &mut problems);
        let report = notes::report(&reader, &parts.read, &all.counted);
        let frame = Frame {
            typed: typed.clone(),
            labels: parts.labels(typed),
            tables: tables.with_main(Table::default()),
            fixed,
            scalings,
            report,
            rows: chunks.rows(),
        };
        Ok((frame, problems))
    }

    /// Binds a chunk: its rows are the elements of the plates of rows, numbered from 1 in each chunk. The report is that of all rows.
    ///
    /// # Errors
    /// Cells that the model does not accept; there are none in the chunks with which the frame was made.
    pub fn bind(&self, chunk: Table) -> Result<Model, Problems> {
        let rows = chunk.rows();
        let mut problems = Problems::new();
        let tables = self.tables.with_main(chunk);
        let sources = Sources::new(&self.typed, &tables, &mut problems);
        let parts = Parts::new(&self.typed, &sources, Some(&self.fixed), &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let label = |(p, labels): (usize, &Labels)| {
            if self.fixed.has(PlateId(p as u32)) {
                labels.clone()
            } else {
                Labels::Numbers(rows)
            }
        };
        let labels = self.labels.iter().enumerate().map(label).collect();
        let (scalings, report) = (self.scalings.clone(), self.report.clone());
        Ok(parts.model(&self.typed, labels, scalings, report))
    }

    /// The checked model.
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    /// The number of rows of all chunks.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the elements of a plate are rows of the main table, so that each chunk has its own.
    pub fn is_streamed(&self, plate: PlateId) -> bool {
        !self.fixed.has(plate)
    }

    /// What was read.
    pub fn report(&self) -> &BindingReport {
        &self.report
    }
}

/// Whether the elements of a plate are rows of the main table.
pub fn streams(typed: &Typed, plate: PlateId) -> bool {
    match &typed.plates[plate.index()].source {
        PlateSource::Rows(name) => name.as_deref().is_none_or(|name| name == "main"),
        PlateSource::Top
        | PlateSource::Levels(_)
        | PlateSource::Union(_)
        | PlateSource::Count(_) => false,
    }
}

/// What all rows together say.
struct AllRows {
    counted: Counted,
    /// For each column in a plate of rows, the moments of its components.
    moments: Vec<Option<Vec<Moments>>>,
}

impl Fixed {
    /// Binds all chunks one by one, up to the first with a problem.
    fn all_rows(
        &self,
        typed: &Typed,
        chunks: &Chunks,
        tables: &Tables,
    ) -> Result<AllRows, Problems> {
        let plates = (0..typed.plates.len()).map(|p| PlateId(p as u32));
        let len = |plate: PlateId| match self.parts.populated.elements(plate) {
            Some(elements) if self.has(plate) && plate != PlateId::TOP => elements.len(),
            Some(_) | None => 0,
        };
        let mut counted = Counted::nothing(plates.map(len));
        let mut moments: Vec<Option<Vec<Moments>>> = vec![None; typed.columns.len()];
        for chunk in chunks.tables()? {
            let tables = tables.with_main(chunk?);
            let rows = tables.main().rows();
            let mut problems = Problems::new();
            let sources = Sources::new(typed, &tables, &mut problems);
            let parts = Parts::new(typed, &sources, Some(self), &mut problems);
            if problems.has_errors() {
                return Err(problems);
            }
            counted.add(&parts.reader(typed, &sources, Some(self)));
            for (c, read) in parts.read.iter().enumerate() {
                let Some(read) = read.as_ref().filter(|_| !self.has(typed.columns[c].plate)) else {
                    continue;
                };
                let own = scalings::moments(&read.bound, rows);
                moments[c] = Some(match moments[c].take() {
                    None => own,
                    Some(sum) => sum.into_iter().zip(own).map(|(a, b)| a.and(b)).collect(),
                });
            }
        }
        Ok(AllRows { counted, moments })
    }
}
