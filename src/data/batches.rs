//! The pieces of a file in Parquet or Arrow IPC, batch by batch; the columns of a batch are read in parallel.

use super::arrays;
use super::checks::check_names;
use super::fill::Kind;
use super::input::unreadable;
use super::lines::Run;
use super::pieces::Piece;
use super::pieces::Pieces;
use crate::problem::Code;
use crate::problem::DataPlace;
use crate::problem::Problem;
use crate::problem::Problems;
use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;
use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Arc;

/// Rows of a piece.
const PIECE: usize = 16 << 10;

/// A file of record batches.
#[derive(Debug)]
pub(super) enum Kept {
    Parquet(PathBuf),
    Ipc(PathBuf),
}

type Reader = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// A pass over a file of record batches.
pub(super) struct Batches {
    name: String,
    reader: Reader,
    waiting: Option<RecordBatch>,
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// Rows given out so far.
    rows: usize,
}

impl Batches {
    /// A pass over a file, by so many rows at a time where the file lets one choose; `kinds` are those of its columns, when they are known.
    pub(super) fn new(
        name: &str,
        kept: &Kept,
        kinds: Option<Vec<Kind>>,
        rows: usize,
    ) -> Result<Batches, Problems> {
        let (schema, mut reader) = match kept {
            Kept::Parquet(path) => {
                let file = open(name, path)?;
                survived(name, || parquet_reader(file, rows))?
            }
            Kept::Ipc(path) => {
                let file = open(name, path)?;
                survived(name, || ipc_reader(file))?
            }
        };
        let names: Vec<String> = schema
            .fields()
            .iter()
            .map(|f| f.name().trim().to_string())
            .collect();
        check_names(name, None, &names)?;
        let kinds = match kinds {
            Some(kinds) => kinds,
            None => kinds_of(name, &schema)?,
        };
        let waiting = following(name, &mut reader)?;
        Ok(Batches {
            name: name.to_string(),
            reader,
            waiting,
            names,
            kinds,
            rows: 0,
        })
    }
}

impl Pieces for Batches {
    fn next(&mut self) -> Result<Option<Vec<Piece>>, Problems> {
        let Some(batch) = self.waiting.take() else {
            return Ok(None);
        };
        let (name, reader, first) = (&self.name, &mut self.reader, self.rows + 1);
        let (following, pieces) = rayon::join(
            || following(name, reader),
            || pieces(&batch, &self.kinds, first),
        );
        self.waiting = following?;
        self.rows += batch.num_rows();
        for (column, kind) in self.kinds.iter_mut().enumerate() {
            if pieces
                .iter()
                .any(|piece| piece.columns[column].no_numbers())
            {
                *kind = Kind::Mistaken;
            }
        }
        Ok(Some(pieces))
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}

/// A batch in pieces; its first row has this number.
fn pieces(batch: &RecordBatch, kinds: &[Kind], first: usize) -> Vec<Piece> {
    let starts = (0..batch.num_rows()).into_par_iter().step_by(PIECE);
    let piece = |start: usize| {
        let rows = PIECE.min(batch.num_rows() - start);
        let columns = batch.columns().par_iter().zip(kinds);
        Piece {
            run: Run::From {
                first: first + start,
                rows,
            },
            columns: columns
                .map(|(array, kind)| arrays::cells(&array.slice(start, rows), *kind))
                .collect(),
        }
    };
    starts.map(piece).collect()
}

fn following(name: &str, reader: &mut Reader) -> Result<Option<RecordBatch>, Problems> {
    survived(name, || reader.next().transpose())
}

/// What decoding gives. The decoders check most of what they read; where they do not, damage makes them panic.
fn survived<T>(name: &str, decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, Problems> {
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    let panicked = |_| Err(ArrowError::ParseError("its parts do not fit".to_string()));
    let decoded = outcome.unwrap_or_else(panicked);
    decoded.map_err(|error| {
        Problem::nowhere(
            Code::TableUnreadable,
            format!("`{name}` cannot be read: {error}"),
        )
        .hint("the file is damaged, cut short or of another format than its name says")
        .into()
    })
}

fn open(name: &str, path: &PathBuf) -> Result<File, Problems> {
    File::open(path).map_err(|error| unreadable(name, &error))
}

fn parquet_reader(file: File, rows: usize) -> Result<(SchemaRef, Reader), ArrowError> {
    let own = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    // Texts are stored as codes of few levels, and are best left so.
    let fields = own.schema().fields().iter().map(|field| {
        if !field.data_type().is_string() {
            return Arc::clone(field);
        }
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        Arc::new(field.as_ref().clone().with_data_type(coded))
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&schema));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(own.metadata()), options)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    Ok((schema, Box::new(builder.with_batch_size(rows).build()?)))
}

/// A file, or a stream, which has no directory at its end.
fn ipc_reader(mut file: File) -> Result<(SchemaRef, Reader), ArrowError> {
    let mut start = [0; 6];
    let directory = file.read_exact(&mut start).is_ok() && &start == b"ARROW1";
    file.rewind()?;
    let file = BufReader::new(file);
    if directory {
        let reader = FileReader::try_new(file, None)?;
        Ok((reader.schema(), Box::new(reader)))
    } else {
        let reader = StreamReader::try_new(file, None)?;
        Ok((reader.schema(), Box::new(reader)))
    }
}

fn kinds_of(name: &str, schema: &Schema) -> Result<Vec<Kind>, Problems> {
    let mut problems = Problems::new();
    let mut kind = |field: &Arc<Field>| {
        if field.name().trim().is_empty() {
            return Kind::Skipped;
        }
        arrays::kind(field.data_type()).unwrap_or_else(|| {
            let place = DataPlace {
                file: name.to_string(),
                column: Some(field.name().clone()),
                ..DataPlace::default()
            };
            let message = format!(
                "`{}` holds values of the type {}, which are neither numbers nor text",
                field.name(),
                field.data_type()
            );
            problems.push(
                Problem::in_data(Code::TableUnreadable, place, message)
                    .hint("leave the column out of the file, or store it as numbers or text"),
            );
            Kind::Skipped
        })
    };
    let kinds = schema.fields().iter().map(&mut kind).collect();
    if problems.is_empty() {
        Ok(kinds)
    } else {
        Err(problems)
    }
}
