//! Files: which format a name stands for, and what is said of a file that cannot be read.

use super::Table;
use super::blocks::Grain;
use super::read::read;
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

impl Table {
    /// Reads a file: cells are separated by tabs when its name ends in `.tsv` or `.tab`, else by commas. With `.gz` after that it is
    /// compressed with gzip.
    ///
    /// # Errors
    /// What is wrong with the file, with its lines.
    pub fn open(path: &Path) -> Result<Table, Problems> {
        let name = path.display().to_string();
        if path.is_dir() {
            return Err(
                Problem::nowhere(Code::TableUnreadable, format!("`{name}` is a folder"))
                    .hint("a table is one file")
                    .into(),
            );
        }
        let compressed = ends_in(path, &["gz"]);
        let plain = match path.file_stem() {
            Some(stem) if compressed => Path::new(stem),
            Some(_) | None => path,
        };
        let tabs = ends_in(plain, &["tsv", "tab"]);
        let input = Input::of(path, compressed).map_err(|error| unreadable(&name, &error))?;
        read(&name, &input, if tabs { b'\t' } else { b',' }, Grain::USUAL)
    }

    /// Reads a CSV that is in memory; messages call it `name`.
    ///
    /// # Errors
    /// What is wrong with the text, with its lines.
    pub fn parse(name: &str, csv: impl AsRef<[u8]>) -> Result<Table, Problems> {
        read(name, &Input::Held(csv.as_ref().into()), b',', Grain::USUAL)
    }
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().and_then(OsStr::to_str);
    own.is_some_and(|own| endings.iter().any(|e| own.eq_ignore_ascii_case(e)))
}

/// Bytes that can be read from their start more than once.
pub(super) enum Input<'a> {
    Held(Cow<'a, [u8]>),
    File(&'a Path),
    Compressed(&'a Path),
}

impl<'a> Input<'a> {
    /// The bytes of a file; those of a pipe, which can be read only once, are held.
    fn of(path: &'a Path, compressed: bool) -> io::Result<Input<'a>> {
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Input::Held(std::fs::read(path)?.into()));
        }
        Ok(if compressed {
            Input::Compressed(path)
        } else {
            Input::File(path)
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
