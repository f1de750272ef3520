//! `hvic fit`: from a model and data to a posterior.

use crate::args;
use crate::args::Fit as Args;
use crate::load;
use crate::load::Data;
use crate::memory;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::diagnostics;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Trust;
use hvi::elbo;
use hvi::elbo::Elbo;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Outcome;
use hvi::fit::Progress;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Passes;
use hvi::model::BindingReport;
use hvi::num::rng;
use hvi::problem::did_you_mean;
use hvi::report;
use hvi::report::Report;
use hvi::report::Run;
use hvi::report::Times;
use hvi::report::dump;
use hvi::report::folder;
use hvi::report::text;
use hvi::report::text::Shown;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// Fits, prints the result and writes the fit folder.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let output = output(args)?;
    let start = Instant::now();
    let typed = load::checked(&args.input, terminal)?;
    let checked = start.elapsed();
    let data = Data::read(&args.input, args.stream, &typed)?;
    let read = start.elapsed() - checked;
    let model = data.bind(&typed, terminal)?;
    announce(args, model.report(), terminal)?;

    let joint = model.lower(typed.source(), Passes::all(), joint::lower_owned)?;
    known(args, joint.quantities().iter().map(|q| q.name.as_str()))?;
    let spec = GuideSpec {
        default: args::family_named(args.guide.as_deref()),
    };
    let guide = guide::derive(&joint, &spec).map_err(|p| Failure::problems(p, typed.source()))?;
    let elbo = elbo::compose(&joint, &guide);
    terminal.detail(&dump::elbo(&joint, &elbo));
    let compiled = start.elapsed() - read;

    let mut rng = rng::stream(args.seed);
    let fit = fitted(args, &elbo, terminal, &mut rng)?;
    let fit_done = start.elapsed();
    let diagnostics = diagnostics::assess(&elbo, &fit, &mut rng);
    let run = Run {
        model: load::name(&args.input.model),
        seed: args.seed,
        time: Times::default(),
        peak_rss_mb: memory::peak_mb(),
        intervals: args.ci.clone(),
        names: args.vars.clone(),
    };
    let mut report = report::compose(&joint, &elbo, &fit, &diagnostics, run);
    let seconds = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e6;
    report.time = Times {
        read: seconds(read),
        compile: seconds(compiled),
        fit: seconds(fit_done - compiled - read),
        diagnose: seconds(start.elapsed() - fit_done),
    };

    folder::compose(&report, &joint, &guide, &fit)
        .and_then(|folder| folder.write(&output))
        .map_err(|e| {
            let message = format!("`{}` cannot be written: {e}", output.display());
            Failure::hinted(message, "`--output FOLDER` writes elsewhere")
        })?;
    print(args, report, terminal)?;
    terminal.note(&format!(
        "fitted in {:.2} s ({} iterations); {} written\n",
        start.elapsed().as_secs_f64(),
        fit.history.len(),
        output.display()
    ));
    Ok(exit(args, &fit, &diagnostics, terminal))
}

/// Where the fit goes; refused before any work is done when something is there.
fn output(args: &Args) -> Result<PathBuf, Failure> {
    let output = args.output.clone().unwrap_or_else(|| {
        let mut name = args.input.model.file_stem().unwrap_or_default().to_owned();
        name.push(".fit");
        PathBuf::from(name)
    });
    let shown = output.display();
    match folder::place(&output) {
        folder::Place::Free => Ok(output),
        folder::Place::Fit if args.force => Ok(output),
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
fn announce(args: &Args, report: &BindingReport, terminal: &Terminal) -> Result<(), Failure> {
    let data = args.input.data.as_ref().map(|p| p.display().to_string());
    let name = load::name(&args.input.model);
    let text = text::binding(&name, data.as_deref(), report, terminal.paint());
    if args.json {
        terminal.detail(&text);
        Ok(())
    } else {
        terminal.result(&format!("{text}\n"))
    }
}

/// Refuses `--vars` that the model does not have.
fn known<'a>(args: &Args, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let names: Vec<&str> = names.collect();
    for name in &args.vars {
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

/// Fits, with a progress bar on a terminal, until done or interrupted.
fn fitted(
    args: &Args,
    elbo: &Elbo<'_>,
    terminal: &Terminal,
    rng: &mut rng::Rng,
) -> Result<Fit, Failure> {
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
        let style = ProgressStyle::with_template("{spinner} iteration {pos}  {msg}  {elapsed}");
        let bar = ProgressBar::new_spinner();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar
    });
    let mut progress = |progress: &Progress| {
        if let Some(bar) = &bar {
            bar.set_position(progress.iteration as u64);
            bar.set_message(format!("ELBO {:.2}", progress.elbo));
        }
        !stop.load(Ordering::Relaxed)
    };
    let mut settings = Settings {
        max_iterations: args.max_iterations,
        progress: &mut progress,
    };
    let fit = fit::run(elbo, &mut settings, rng);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    Ok(fit)
}

fn print(args: &Args, mut report: Report, terminal: &Terminal) -> Result<(), Failure> {
    if args.json {
        report.elbo.trace.clear();
        let json = serde_json::to_string_pretty(&report)
            .map_err(|e| Failure::usage(format!("the result has no JSON: {e}")))?;
        return terminal.result(&format!("{json}\n"));
    }
    // Variables asked for by name are listed whole.
    let shown = if args.all || !args.vars.is_empty() {
        Shown::All
    } else {
        Shown::TopLevel
    };
    terminal.result(&text::render(&report, shown, terminal.paint()))
}

fn exit(args: &Args, fit: &Fit, diagnostics: &Diagnostics, terminal: &Terminal) -> Exit {
    match &fit.outcome {
        Outcome::Converged if args.strict && diagnostics.trust == Trust::No => Exit::Untrusted,
        Outcome::Converged => Exit::Done,
        Outcome::Spent => {
            let message = format!("not converged after {} iterations", args.max_iterations);
            terminal.error(&message, Some("`--max-iterations N` allows more"));
            Exit::Unfinished
        }
        Outcome::Broken(trace) => {
            terminal.error(trace, None);
            Exit::Unfinished
        }
        Outcome::Interrupted => {
            terminal.error("interrupted; the result so far was written", None);
            Exit::Interrupted
        }
    }
}
