//! What the commands that find a posterior have in common: interrupts, progress, what is printed and written.

use crate::args::Input;
use crate::args::Reporting;
use crate::load;
use crate::memory;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::joint::Joint;
use hvi::model::BindingReport;
use hvi::nuts;
use hvi::problem::did_you_mean;
use hvi::report;
use hvi::report::Report;
use hvi::report::Times;
use hvi::report::folder;
use hvi::report::text;
use hvi::report::text::Shown;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A run that an interrupt ends with its partial result, the second one at once, and that shows how far it is on a terminal.
pub struct Watch {
    stop: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
}

impl Watch {
    /// Begins to watch.
    pub fn new(terminal: &Terminal) -> Result<Watch, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            // The second time there is no waiting.
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(Exit::Interrupted as i32);
            }
        })
        .map_err(|e| Failure::usage(format!("interrupts cannot be caught: {e}")))?;
        let bar = terminal.draws_progress().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Ok(Watch { stop, bar })
    }

    /// Shows a message; gives whether to go on.
    pub fn goes_on(&self, message: impl FnOnce() -> String) -> bool {
        if let Some(bar) = &self.bar {
            bar.tick();
            bar.set_message(message());
        }
        !self.stop.load(Ordering::Relaxed)
    }

    /// Shows how far sampling is; gives whether to go on.
    pub fn samples(&self, progress: &nuts::Progress) -> bool {
        self.goes_on(|| {
            format!(
                "NUTS {:.0}%, {} divergences",
                100.0 * progress.iterations as f64 / progress.total as f64,
                progress.divergences
            )
        })
    }

    /// Takes the message away.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a report says of this run.
pub fn run(input: &Input, reporting: &Reporting) -> report::Run {
    report::Run {
        model: load::name(&input.model),
        seed: reporting.seed,
        time: Times::default(),
        peak_rss_mb: memory::peak_mb(),
        intervals: reporting.ci.clone(),
        names: reporting.vars.clone(),
    }
}

/// Seconds to the microsecond.
pub fn seconds(d: Duration) -> f64 {
    (d.as_secs_f64() * 1e6).round() / 1e6
}

/// Where a result goes; refused before any work is done when something is there.
pub fn free(output: PathBuf, reporting: &Reporting) -> Result<PathBuf, Failure> {
    let shown = output.display();
    match folder::place(&output) {
        folder::Place::Free => Ok(output),
        folder::Place::Fit if reporting.force => Ok(output),
        folder::Place::Fit => Err(Failure::hinted(
            format!("`{shown}` exists already"),
            "`--force` replaces it, `--output FOLDER` writes elsewhere",
        )),
        folder::Place::Other => Err(Failure::hinted(
            format!("`{shown}` exists and is not a fit folder"),
            "`--output FOLDER` writes elsewhere",
        )),
    }
}

/// Says what was read: beside the result, or, when that is JSON, on standard error.
pub fn announce(
    input: &Input,
    reporting: &Reporting,
    report: &BindingReport,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let data = input.data.as_ref().map(|p| p.display().to_string());
    let name = load::name(&input.model);
    let text = text::binding(&name, data.as_deref(), report, terminal.paint());
    if reporting.json {
        terminal.detail(&text);
        Ok(())
    } else {
        terminal.result(&format!("{text}\n"))
    }
}

/// Refuses `--vars` that the model does not have.
pub fn known(reporting: &Reporting, joint: &Joint) -> Result<(), Failure> {
    let names: Vec<&str> = joint.quantities().iter().map(|q| q.name.as_str()).collect();
    for name in &reporting.vars {
        if !names.contains(&name.as_str()) {
            let hint = match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the model has {}", names.join(", ")),
            };
            let message = format!("`--vars {name}` names no variable and no definition");
            return Err(Failure::hinted(message, hint));
        }
    }
    Ok(())
}

/// Prints a report; group effects where they are asked for.
pub fn print(reporting: &Reporting, report: Report, terminal: &Terminal) -> Result<(), Failure> {
    print_some(reporting, report, false, terminal)
}

/// Prints a report; group effects where they are asked for or `all`.
pub fn print_some(
    reporting: &Reporting,
    mut report: Report,
    all: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    if reporting.json {
        report.clear_trace();
        let json = serde_json::to_string_pretty(&report)
            .map_err(|e| Failure::usage(format!("the result has no JSON: {e}")))?;
        return terminal.result(&format!("{json}\n"));
    }
    // Variables asked for by name are listed whole.
    let shown = if all || reporting.all || !reporting.vars.is_empty() {
        Shown::All
    } else {
        Shown::TopLevel
    };
    terminal.result(&text::render(&report, shown, terminal.paint()))
}

/// Writes a folder.
pub fn write(folder: std::io::Result<folder::Folder>, output: &Path) -> Result<(), Failure> {
    folder.and_then(|folder| folder.write(output)).map_err(|e| {
        let message = format!("`{}` cannot be written: {e}", output.display());
        Failure::hinted(message, "`--output FOLDER` writes elsewhere")
    })
}
