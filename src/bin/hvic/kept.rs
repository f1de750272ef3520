//! What a fit folder keeps for new data, and reading these by it.

use crate::args::Input;
use crate::args::New;
use crate::load;
use crate::terminal::Failure;
use hvi::ast;
use hvi::diagnostics::Diagnostics;
use hvi::joint::Joint;
use hvi::model;
use hvi::model::Model;
use hvi::predict::Posterior;
use hvi::predict::Refusal;
use hvi::report::Report;
use hvi::report::folder;
use hvi::report::folder::Folder;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::ColumnId;
use hvi::typed::Typed;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A folder with the draws that later data are predicted and adapted by; without where there are no draws.
pub fn with_draws(
    folder: io::Result<Folder>,
    joint: &Joint,
    found: &Diagnostics,
    settings: &[String],
) -> Result<io::Result<Folder>, Failure> {
    if found.draws.is_empty() {
        return Ok(folder);
    }
    let posterior = Posterior::of(joint, found, &load::overrides(settings)?);
    Ok(folder.and_then(|folder| with(folder, &posterior)))
}

/// A folder with these draws.
pub fn with(folder: Folder, posterior: &Posterior) -> io::Result<Folder> {
    let [head, draws] = posterior.files()?;
    let [head_name, draws_name] = Posterior::FILES;
    Ok(folder.with(head_name, head).with(draws_name, draws))
}

/// A stored fit.
pub struct Kept {
    /// What it said.
    pub report: Report,
    /// Its draws.
    pub posterior: Posterior,
    /// Its model.
    pub typed: Arc<Typed>,
}

impl Kept {
    /// Reads a stored fit.
    pub fn read(new: &New) -> Result<Kept, Failure> {
        let path = &new.fit;
        let unreadable = |message: String| {
            Failure::hinted(
                message,
                "`hvic fit MODEL.hvi DATA.csv` writes such a folder",
            )
        };
        let report = folder::read(path).map_err(unreadable)?;
        let [head, draws] = Posterior::FILES;
        if !path.join(head).is_file() {
            return Err(unreadable(format!("`{}` holds no draws", path.display())));
        }
        let file = |name| folder::read_file(path, name).map_err(unreadable);
        let posterior = Posterior::from_files(&file(head)?, &file(draws)?).map_err(|why| {
            unreadable(format!(
                "the draws in `{}` cannot be read: {why}",
                path.display()
            ))
        })?;
        let text = String::from_utf8_lossy(&file("model.hvi")?).into_owned();
        let source = Source::new(&path.join("model.hvi").display().to_string(), &text);
        let wrong = |problems| Failure::problems(problems, &source);
        let tree = ast::parse(&source).map_err(wrong)?;
        let (typed, _) = typed::check(&source, &tree, &posterior.settings).map_err(wrong)?;
        Ok(Kept {
            report,
            posterior,
            typed: Arc::new(typed),
        })
    }

    /// The new data as files, under the model's name.
    pub fn input(&self, new: &New) -> Input {
        Input {
            model: PathBuf::from(&self.report.model),
            data: new.data.clone(),
            tables: new.tables.clone(),
            set: Vec::new(),
            rules: None,
        }
    }

    /// Binds new data but for some columns.
    pub fn bound(&self, input: &Input, unread: Vec<ColumnId>) -> Result<Model, Failure> {
        let source = self.typed.source();
        let tables = load::tables(input, source)?;
        let known = self.posterior.known(&self.typed, unread);
        model::bind_known(&self.typed, &tables, &known).map_err(|p| Failure::problems(p, source))
    }
}

/// What the data ask for and the fit cannot say.
pub fn refused(refusal: Refusal) -> Failure {
    Failure::wrong(refusal.message, refusal.hint)
}
