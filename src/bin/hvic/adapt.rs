//! `hvic adapt`: the variables of new elements given their data.

use crate::args::Adapt as Args;
use crate::kept;
use crate::kept::Kept;
use crate::posterior;
use crate::posterior::seconds;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Reason;
use hvi::diagnostics::Trust;
use hvi::diagnostics::steps;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::predict;
use hvi::predict::Elimination;
use hvi::report;
use hvi::report::Times;
use hvi::report::Verdict;
use hvi::report::folder;
use hvi::typed::GuideFamily;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Parameters up to which all are listed.
const FEW: usize = 200;

/// Adapts, prints the new elements and writes the folder.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let reporting = &args.reporting;
    let output = posterior::free(output(args), reporting)?;
    let start = Instant::now();
    let kept = Kept::read(&args.new)?;
    let input = kept.input(&args.new);
    let model = kept.bound(&input, Vec::new())?;
    posterior::announce(&input, reporting, model.report(), terminal)?;
    let read = start.elapsed();
    let joint = joint::lower_owned(Arc::new(model), joint::Passes::all());
    posterior::known(reporting, &joint)?;
    let compiled = start.elapsed() - read;
    let adapted = predict::adapt(&kept.posterior, &joint, reporting.seed).map_err(kept::refused)?;
    let done = start.elapsed();

    let mut run = posterior::run(&input, reporting);
    if run.names.is_empty() {
        run.names = adapted.names;
    }
    let base = &kept.report.verdict;
    let even = -(adapted.draws.len() as f64).ln();
    let found = Diagnostics {
        k_hat: base.k_hat,
        efficiency: 1.0,
        text: String::new(),
        trust: Trust::Yes,
        reason: Reason::Close,
        rough: false,
        log_weights: vec![even; adapted.draws.len()],
        draws: adapted.draws,
        globals: Vec::new(),
        sampled: None,
        astray: adapted.astray,
    };
    let spec = GuideSpec {
        default: Some(GuideFamily::Point),
    };
    let source = kept.typed.source();
    let guide = guide::derive(&joint, &spec).map_err(|p| Failure::problems(p, source))?;
    let mut report = report::compose_sampled(&joint, &guide, &found, run);
    let mut text = text(&base.text, &adapted.elements, adapted.how);
    if let Some(found) = (found.astray.as_ref()).filter(|found| !found.worse.is_empty()) {
        text = format!("{}; {text}", steps::in_words(&joint, found));
    }
    report.verdict = Verdict {
        text,
        ..base.clone()
    };
    report.time = Times {
        read: seconds(read),
        compile: seconds(compiled),
        fit: seconds(done - compiled - read),
        diagnose: seconds(start.elapsed() - done),
    };
    let folder = folder::compose_report(&report, &joint);
    let folder = folder.and_then(|folder| kept::with(folder, &adapted.posterior));
    posterior::write(folder, &output)?;
    let all = report.parameters.len() <= FEW;
    posterior::print_some(reporting, report, all, terminal)?;
    terminal.note(&format!(
        "adapted in {:.2} s; {} written\n",
        done.as_secs_f64(),
        output.display()
    ));
    Ok(match base.trust.as_str() {
        "no" if reporting.strict => Exit::Untrusted,
        _ => Exit::Done,
    })
}

/// The verdict: what was done, and what was said of the fit that it rests on.
fn text(base: &str, elements: &[(String, usize)], how: Elimination) -> String {
    let elements: Vec<String> = elements
        .iter()
        .map(|(p, n)| format!("{n} of `{p}`"))
        .collect();
    let how = match how {
        Elimination::Exact => "exactly",
        Elimination::Quadrature => "by quadrature",
        Elimination::Steps => "by the gradient steps of the fit's guide",
        Elimination::Fitted => "by Gaussians fitted to them",
    };
    format!(
        "new elements, {}, given their data {how}, everything else as learned; of the fit: {base}",
        elements.join(", ")
    )
}

/// Where the adapted fit goes.
fn output(args: &Args) -> PathBuf {
    args.reporting.output.clone().unwrap_or_else(|| {
        let mut name = args.new.fit.file_stem().unwrap_or_default().to_owned();
        name.push(".adapted.fit");
        PathBuf::from(name)
    })
}
