//! Files: which format a name stands for, and what is said of a file that cannot be read.

use super::Table;
use super::blocks::Grain;
use super::fill::Kind;
use super::pieces::Pieces;
use super::read::read;
use super::text::Text;
use crate::problem::Code;
use crate::problem::Problem;
use crate::problem::Problems;
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

impl Table {
    /// Reads a file, whose name tells its format: with `.tsv` or `.tab` cells are separated by tabs; `.parquet` is Parquet, and `.arrow`,
    /// `.feather` and `.ipc` are Arrow IPC, both read when built with the feature `parquet`; any other is CSV. With `.gz` after that a
    /// text is compressed with gzip.
    ///
    /// # Errors
    /// What is wrong with the file, with its lines.
    pub fn open(path: &Path) -> Result<Table, Problems> {
        read(&Opened::file(path, Grain::USUAL)?)
    }

    /// Reads a CSV that is in memory; messages call it `name`.
    ///
    /// # Errors
    /// What is wrong with the text, with its lines.
    pub fn parse(name: &str, csv: impl AsRef<[u8]>) -> Result<Table, Problems> {
        read(&Opened::held(name, csv.as_ref(), Grain::USUAL))
    }
}

/// A file that can be read from its start more than once.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    name: String,
    format: Format<'a>,
    grain: Grain,
}

#[derive(Debug)]
enum Format<'a> {
    Text {
        input: Input<'a>,
        separator: u8,
    },
    #[cfg(feature = "parquet")]
    Batches(super::batches::Kept),
}

impl<'a> Opened<'a> {
    /// The file at `path`, which is read `grain` by `grain`.
    pub(super) fn file(path: &Path, grain: Grain) -> Result<Opened<'a>, Problems> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(
                Problem::nowhere(Code::TableUnreadable, format!("`{name}` is a folder"))
                    .hint("a table is one file")
                    .into(),
            );
        }
        let format = Format::of(path, &name)?;
        Ok(Opened {
            name,
            format,
            grain,
        })
    }

    /// A CSV in memory, which is read `grain` by `grain`.
    pub(super) fn held(name: &str, csv: impl Into<Cow<'a, [u8]>>, grain: Grain) -> Opened<'a> {
        Opened {
            name: name.to_string(),
            format: Format::Text {
                input: Input::Held(csv.into()),
                separator: b',',
            },
            grain,
        }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads it from the start; `kinds` says how to read each column, when that is known.
    pub(super) fn pass(&self, kinds: Option<Vec<Kind>>) -> Result<Box<dyn Pieces + '_>, Problems> {
        Ok(match &self.format {
            Format::Text { input, separator } => {
                Box::new(Text::new(&self.name, input, *separator, kinds, self.grain)?)
            }
            #[cfg(feature = "parquet")]
            Format::Batches(kept) => Box::new(super::batches::Batches::new(
                &self.name,
                kept,
                kinds,
                self.grain.rows,
            )?),
        })
    }
}

impl Format<'_> {
    fn of(path: &Path, name: &str) -> Result<Format<'static>, Problems> {
        let parquet = ends_in(path, &["parquet"]);
        if parquet || ends_in(path, &["arrow", "feather", "ipc"]) {
            return Format::binary(path, name, parquet);
        }
        let compressed = ends_in(path, &["gz"]);
        let plain = match path.file_stem() {
            Some(stem) if compressed => Path::new(stem),
            Some(_) | None => path,
        };
        let tabs = ends_in(plain, &["tsv", "tab"]);
        let input = Input::of(path, compressed).map_err(|error| unreadable(name, &error))?;
        Ok(Format::Text {
            input,
            separator: if tabs { b'\t' } else { b',' },
        })
    }

    #[cfg(feature = "parquet")]
    fn binary(path: &Path, _: &str, parquet: bool) -> Result<Format<'static>, Problems> {
        let path = path.to_path_buf();
        Ok(Format::Batches(if parquet {
            super::batches::Kept::Parquet(path)
        } else {
            super::batches::Kept::Ipc(path)
        }))
    }

    #[cfg(not(feature = "parquet"))]
    fn binary(_: &Path, name: &str, parquet: bool) -> Result<Format<'static>, Problems> {
        let format = if parquet { "Parquet" } else { "Arrow" };
        Err(Problem::nowhere(
            Code::BinaryTable,
            format!("`{name}` is a table in {format}, which this program was built without"),
        )
        .hint("build it with `cargo build --release --features parquet`, or save the table as CSV")
        .into())
    }
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().and_then(OsStr::to_str);
    own.is_some_and(|own| endings.iter().any(|e| own.eq_ignore_ascii_case(e)))
}

/// Bytes that can be read from their start more than once.
#[derive(Debug)]
pub(super) enum Input<'a> {
    Held(Cow<'a, [u8]>),
    File(PathBuf),
    Compressed(PathBuf),
}

impl Input<'_> {
    /// The bytes of a file; those of a pipe, which can be read only once, are held.
    fn of(path: &Path, compressed: bool) -> io::Result<Input<'static>> {
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Input::Held(std::fs::read(path)?.into()));
        }
        Ok(if compressed {
            Input::Compressed(path.to_path_buf())
        } else {
            Input::File(path.to_path_buf())
        })
    }

    /// A reader from the start.
    pub(super) fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match self {
            Input::Held(bytes) => Box::new(&bytes[..]),
            Input::File(path) => Box::new(File::open(path)?),
            Input::Compressed(path) => Box::new(MultiGzDecoder::new(File::open(path)?)),
        })
    }
}

/// What is said of a file that the system or the decoder refuses.
pub(super) fn unreadable(name: &str, error: &io::Error) -> Problems {
    // An error without a number of the operating system comes from the decoder.
    let damaged = error.raw_os_error().is_none();
    let (message, hint) = if error.kind() == ErrorKind::NotFound {
        (
            format!("there is no file `{name}`"),
            "paths start from the folder in which the command runs",
        )
    } else if damaged {
        (
            format!("`{name}` cannot be decompressed: {error}"),
            "the file is damaged, cut short or not compressed: `gzip --test` checks it",
        )
    } else {
        (
            format!("`{name}` cannot be read: {error}"),
            "the file must be readable for the user who runs the command",
        )
    };
    Problem::nowhere(Code::TableUnreadable, message)
        .hint(hint)
        .into()
}
