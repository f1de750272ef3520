//! Reading what a command works on: the model, its settings, its tables.

use crate::args::Input;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::Passes;
use hvi::model;
use hvi::model::BindingReport;
use hvi::model::Frame;
use hvi::model::Grouped;
use hvi::model::Model;
use hvi::problem::Problems;
use hvi::shape::PlateId;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// Rows of a chunk of a table that is streamed, where a fit needs chunks again and again, and where it needs them once.
const CHUNK: NonZeroUsize = NonZeroUsize::new(1 << 18).expect("a chunk has rows");
const SHORT: NonZeroUsize = NonZeroUsize::new(1 << 13).expect("a chunk has rows");

/// Reads a model file.
pub fn source(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let text = fs::read(path).map_err(|e| {
        Failure::hinted(
            format!("`{name}` cannot be read: {e}"),
            "the first argument is the model file",
        )
    })?;
    let text = String::from_utf8(text).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        Failure::hinted(
            format!("`{name}` is not text in UTF-8: line {line}"),
            "save the file in the encoding UTF-8",
        )
    })?;
    Ok(Source::new(
        &name,
        text.strip_prefix('\u{feff}').unwrap_or(&text),
    ))
}

/// A model with the guide rules that are given beside its file in a last block, where the fit's folder keeps them as well.
fn guided(source: Source, input: &Input) -> Source {
    match &input.rules {
        None => source,
        Some(rules) => {
            let text = source.text().trim_end();
            Source::new(
                source.name(),
                &format!("{text}\n\n{}\n", guide_block(rules)),
            )
        }
    }
}

/// A guide block of the rules that `--guide` gives; messages that show it show the flag's name.
pub fn guide_block(rules: &str) -> String {
    format!("guide {{ {rules} }} // --guide")
}

/// What messages and results call a model: its file's stem, or its folder's name when the file is `model.hvi`.
pub fn name(path: &Path) -> String {
    let stem = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned());
    let own = stem(path).unwrap_or_default();
    if own != "model" {
        return own;
    }
    let folder = path.parent().and_then(Path::file_name);
    folder.map_or(own, |f| f.to_string_lossy().into_owned())
}

/// Parses and checks; shows the warnings.
pub fn checked(input: &Input, terminal: &Terminal) -> Result<Arc<Typed>, Failure> {
    let source = guided(source(&input.model)?, input);
    let overrides = overrides(&input.set)?;
    let wrong = |problems| Failure::problems(problems, &source);
    let tree = ast::parse(&source).map_err(wrong)?;
    let (typed, warnings) = typed::check(&source, &tree, &overrides).map_err(wrong)?;
    terminal.warn(&warnings, &source);
    Ok(Arc::new(typed))
}

/// Binds tables; shows the warnings.
pub fn bound(
    typed: &Arc<Typed>,
    tables: &Tables,
    terminal: &Terminal,
) -> Result<Arc<Model>, Failure> {
    let (model, warnings) =
        model::bind(typed, tables).map_err(|p| Failure::problems(p, typed.source()))?;
    terminal.warn(&warnings, typed.source());
    Ok(Arc::new(model))
}

/// The tables of a fit as they are read: whole, or the main one in chunks of rows.
pub enum Data {
    /// All rows.
    Whole(Tables),
    /// The main table in chunks, and the others.
    Streamed(Chunks, Tables),
    /// The same, the rows of some elements of this plate at a time, by way of a file in a folder.
    Grouped(Chunks, Tables, PlateId, PathBuf),
}

impl Data {
    /// Reads the tables named on the command line.
    pub fn read(input: &Input, stream: bool, typed: &Typed) -> Result<Data, Failure> {
        if !stream {
            return tables(input, typed.source()).map(Data::Whole);
        }
        let (chunks, others) = Data::open(input, CHUNK, typed, None)?;
        Ok(Data::Streamed(chunks, others))
    }

    /// Opens them to read the rows of some elements of a plate at a time, which are copied to a file in `folder`.
    pub fn grouped(
        input: &Input,
        typed: &Typed,
        plate: PlateId,
        folder: &Path,
    ) -> Result<Data, Failure> {
        let (chunks, others) = Data::open(input, SHORT, typed, Some(plate))?;
        Ok(Data::Grouped(chunks, others, plate, folder.to_owned()))
    }

    /// The main table in chunks, and the others.
    fn open(
        input: &Input,
        rows: NonZeroUsize,
        typed: &Typed,
        by: Option<PlateId>,
    ) -> Result<(Chunks, Tables), Failure> {
        let source = typed.source();
        let wrong = |problems| Failure::problems(problems, source);
        joint::check_streamed(typed, by).map_err(wrong)?;
        let Some(path) = &input.data else {
            return Err(Failure::hinted(
                "`--stream` reads the main table in chunks, and none was given",
                "name the table after the model",
            ));
        };
        let chunks = Chunks::open(path, rows).map_err(wrong)?;
        let others = Input {
            data: None,
            ..input.clone()
        };
        Ok((chunks, tables(&others, source)?))
    }

    /// Binds them; shows the warnings.
    pub fn bind(self, typed: &Arc<Typed>, terminal: &Terminal) -> Result<Bound, Failure> {
        let wrong = |problems| Failure::problems(problems, typed.source());
        match self {
            Data::Whole(tables) => bound(typed, &tables, terminal).map(Bound::Whole),
            Data::Streamed(chunks, tables) => {
                let (frame, warnings) = Frame::new(typed, &chunks, &tables).map_err(wrong)?;
                terminal.warn(&warnings, typed.source());
                Ok(Bound::Streamed(Box::new((frame, chunks))))
            }
            Data::Grouped(chunks, tables, plate, folder) => {
                let bound = Grouped::new(typed, plate, &chunks, &tables, &folder);
                let (grouped, warnings) = bound.map_err(wrong)?;
                terminal.warn(&warnings, typed.source());
                Ok(Bound::Grouped(Box::new(grouped)))
            }
        }
    }
}

/// A model with its data.
pub enum Bound {
    /// With all rows.
    Whole(Arc<Model>),
    /// With rows that are read in chunks.
    Streamed(Box<(Frame, Chunks)>),
    /// With elements of an amortised plate that are read whenever they are wanted.
    Grouped(Box<Grouped>),
}

impl Bound {
    /// What was read.
    pub fn report(&self) -> &BindingReport {
        match self {
            Bound::Whole(model) => model.report(),
            Bound::Streamed(streamed) => streamed.0.report(),
            Bound::Grouped(grouped) => grouped.frame().report(),
        }
    }

    /// Lowers it: `whole` a model that holds all its rows.
    pub fn lower(
        self,
        source: &Source,
        passes: Passes,
        whole: fn(Arc<Model>, Passes) -> Joint,
    ) -> Result<Joint, Failure> {
        let lowered = match self {
            Bound::Whole(model) => Ok(whole(model, passes)),
            Bound::Streamed(streamed) => joint::stream(streamed.0, streamed.1, passes),
            Bound::Grouped(grouped) => joint::amortize_grouped(*grouped),
        };
        lowered.map_err(|problems| Failure::problems(problems, source))
    }
}

/// With data the bound model, without any a sketch of it whose sizes mean nothing.
pub fn bound_or_sketched(input: &Input, terminal: &Terminal) -> Result<Arc<Model>, Failure> {
    let typed = checked(input, terminal)?;
    if input.data.is_none() && input.tables.is_empty() && typed.plates().len() > 1 {
        return Ok(Arc::new(model::sketch(&typed)));
    }
    bound(&typed, &tables(input, typed.source())?, terminal)
}

/// Reads the tables named on the command line.
pub fn tables(input: &Input, source: &Source) -> Result<Tables, Failure> {
    read_tables(input)?.map_err(|problems| Failure::problems(problems, source))
}

/// Reads the tables named on the command line; the inner error is what is wrong with the files.
pub fn read_tables(input: &Input) -> Result<Result<Tables, Problems>, Failure> {
    let mut problems = Problems::new();
    let mut read = |path: &Path| {
        Table::open(path).unwrap_or_else(|found| {
            problems.extend(found);
            Table::default()
        })
    };
    let mut tables = match &input.data {
        Some(path) => Tables::new(read(path)),
        None => Tables::default(),
    };
    for setting in &input.tables {
        let (name, file) = split(setting, "--table", "--table county=county.csv")?;
        tables = tables.with(name, read(Path::new(file)));
    }
    Ok(if problems.is_empty() {
        Ok(tables)
    } else {
        Err(problems)
    })
}

/// The `--set` settings by name; a later one wins.
pub fn overrides(settings: &[String]) -> Result<Overrides, Failure> {
    let mut out = Overrides::new();
    for setting in settings {
        let Some(file) = setting.strip_prefix('@') else {
            let (name, text) = split(setting, "--set", "--set K=5")?;
            out.insert(name.to_owned(), text.to_owned());
            continue;
        };
        let wrong = |e: &dyn std::fmt::Display| {
            Failure::hinted(
                format!("`{file}` of `--set @{file}` cannot be read: {e}"),
                "it holds one JSON object, such as {\"K\": 5, \"v\": [1, 2]}",
            )
        };
        let text = fs::read_to_string(file).map_err(|e| wrong(&e))?;
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|e| wrong(&e))?;
        for (name, value) in object {
            out.insert(name, value.to_string());
        }
    }
    Ok(out)
}

fn split<'a>(setting: &'a str, option: &str, example: &str) -> Result<(&'a str, &'a str), Failure> {
    match setting.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim(), value.trim()))
        }
        Some(_) | None => Err(Failure::hinted(
            format!("`{option} {setting}` has no name and value around a `=`"),
            format!("write for instance `{example}`"),
        )),
    }
}
