//! A bound model whose main table is read in chunks: everything but its rows and what lies in them, and what binds these chunk by chunk.

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
/// elements are rows of the main table, or groups of them, and their columns, differ from chunk to chunk.
pub struct Frame {
    typed: Arc<Typed>,
    /// The further tables.
    tables: Tables,
    fixed: Fixed,
    labels: Vec<Labels>,
    scalings: Vec<BoundScaling>,
    pub(super) report: BindingReport,
    rows: usize,
}

/// What is bound of all plates but those of which each chunk has its own elements.
pub(super) struct Fixed {
    pub(super) parts: Parts,
    /// For each plate, whether each chunk has its own elements of it.
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
        let above = Above::new(typed, chunks, tables, streamed)?;
        above.frame(Rows {
            count: chunks.rows(),
            groups: None,
            tables: &mut chunks.tables()?,
        })
    }

    /// Binds a chunk: its rows are the elements of the plates of rows, and those of other plates that are not bound at once are those that it
    /// names, all numbered from 1 in each chunk. The report is that of all rows.
    ///
    /// # Errors
    /// Cells that the model does not accept; there are none in the chunks with which the frame was made.
    pub fn bind(&self, chunk: Table) -> Result<Model, Problems> {
        let mut problems = Problems::new();
        let tables = self.tables.with_main(chunk);
        let sources = Sources::new(&self.typed, &tables, &mut problems);
        let parts = Parts::new(&self.typed, &sources, Some(&self.fixed), &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let label = |(p, labels): (usize, &Labels)| {
            let plate = PlateId(p as u32);
            match parts.populated.elements(plate) {
                Some(elements) if !self.fixed.has(plate) => Labels::Numbers(elements.len()),
                Some(_) | None => labels.clone(),
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

    /// Whether each chunk has its own elements of a plate: they are rows of the main table, or lie in the groups that these come in.
    pub fn is_streamed(&self, plate: PlateId) -> bool {
        !self.fixed.has(plate)
    }

    /// What was read.
    pub fn report(&self) -> &BindingReport {
        &self.report
    }
}

/// What is bound before rows are gone over one by one: what few rows, which stand for all, say of the plates above.
pub(super) struct Above {
    typed: Arc<Typed>,
    /// With those rows as the main one.
    tables: Tables,
    fixed: Fixed,
    problems: Problems,
}

/// All rows of the main table.
pub(super) struct Rows<'a> {
    pub(super) count: usize,
    /// The plate that they come in groups of, and the number of rows in each of its elements.
    pub(super) groups: Option<(PlateId, Vec<usize>)>,
    /// The rows chunk by chunk.
    pub(super) tables: &'a mut dyn Iterator<Item = Result<Table, Problems>>,
}

impl Above {
    /// Finds those rows, and binds all but the plates that are `streamed`.
    ///
    /// # Errors
    /// What is wrong with these rows, or with the further tables.
    pub(super) fn new(
        typed: &Arc<Typed>,
        chunks: &Chunks,
        tables: &Tables,
        streamed: Vec<bool>,
    ) -> Result<Above, Problems> {
        let mut excerpt = excerpt(typed, chunks, |plate| streamed[plate.index()])?;
        // Other elements are not in these rows, though levels are those of all.
        for (plate, _) in (typed.plates.iter().zip(&streamed)).filter(|(_, streamed)| **streamed) {
            if let PlateSource::Levels(names) = &plate.source {
                excerpt = (names.iter()).fold(excerpt, |table, name| table.with_own_levels(name));
            }
        }
        let tables = tables.with_main(excerpt);
        let mut problems = Problems::new();
        let sources = Sources::new(typed, &tables, &mut problems);
        let parts = Parts::new(typed, &sources, None, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Above {
            typed: Arc::clone(typed),
            tables,
            fixed: Fixed { parts, streamed },
            problems,
        })
    }

    /// Goes over all rows; also gives the warnings.
    ///
    /// # Errors
    /// As of [`Frame::new`].
    pub(super) fn frame(self, rows: Rows<'_>) -> Result<(Frame, Problems), Problems> {
        let Above {
            typed,
            tables,
            mut fixed,
            mut problems,
        } = self;
        for p in (0..typed.plates.len()).filter(|p| fixed.streamed[*p]) {
            let plate = PlateId(p as u32);
            let len = match &rows.groups {
                Some((of, sizes)) if *of == plate => sizes.len(),
                Some(_) | None => rows.count,
            };
            fixed.parts.populated.set_len(plate, len);
        }
        let mut all = fixed.all_rows(&typed, rows.tables, &tables)?;
        if let Some((plate, sizes)) = rows.groups {
            all.counted.set(plate, sizes);
        }
        let parts = &fixed.parts;
        let known = |column: ColumnId| all.moments[column.index()].clone();
        let scalings = scalings::scalings(&typed, parts, known, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let sources = Sources::new(&typed, &tables, &mut problems);
        let reader = parts.reader(&typed, &sources, None);
        notes::warn(&reader, &parts.read, &all.counted, &mut problems);
        let report = notes::report(&reader, &parts.read, &all.counted);
        let frame = Frame {
            labels: parts.labels(&typed),
            tables: tables.with_main(Table::default()),
            fixed,
            scalings,
            report,
            rows: rows.count,
            typed,
        };
        Ok((frame, problems))
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
    /// For each column in a plate that is not fixed, the moments of its components.
    moments: Vec<Option<Vec<Moments>>>,
}

impl Fixed {
    /// Binds all chunks one by one, up to the first with a problem.
    fn all_rows(
        &self,
        typed: &Typed,
        chunks: &mut dyn Iterator<Item = Result<Table, Problems>>,
        tables: &Tables,
    ) -> Result<AllRows, Problems> {
        let plates = (0..typed.plates.len()).map(|p| PlateId(p as u32));
        let len = |plate: PlateId| match self.parts.populated.elements(plate) {
            Some(elements) if self.has(plate) && plate != PlateId::TOP => elements.len(),
            Some(_) | None => 0,
        };
        let mut counted = Counted::nothing(plates.map(len));
        let mut moments: Vec<Option<Vec<Moments>>> = vec![None; typed.columns.len()];
        for chunk in chunks {
            let tables = tables.with_main(chunk?);
            let mut problems = Problems::new();
            let sources = Sources::new(typed, &tables, &mut problems);
            let parts = Parts::new(typed, &sources, Some(self), &mut problems);
            if problems.has_errors() {
                return Err(problems);
            }
            counted.add(&parts.reader(typed, &sources, Some(self)));
            for (c, read) in parts.read.iter().enumerate() {
                let plate = typed.columns[c].plate;
                let (Some(read), Some(elements), false) =
                    (read, parts.populated.elements(plate), self.has(plate))
                else {
                    continue;
                };
                let own = scalings::moments(&read.bound, elements.len());
                moments[c] = Some(match moments[c].take() {
                    None => own,
                    Some(sum) => sum.into_iter().zip(own).map(|(a, b)| a.and(b)).collect(),
                });
            }
        }
        Ok(AllRows { counted, moments })
    }
}
