//! `hvic sample`: draws from the posterior with NUTS.

use crate::args::Sample as Args;
use crate::kept;
use crate::load;
use crate::posterior;
use crate::posterior::Watch;
use crate::posterior::seconds;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::diagnostics;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Reason;
use hvi::diagnostics::Trust;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::Passes;
use hvi::nuts;
use hvi::nuts::Settings;
use hvi::report;
use hvi::report::Times;
use hvi::report::folder;
use hvi::typed::GuideFamily;
use std::time::Instant;

/// Samples, prints the result and writes it where that is asked for.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let reporting = &args.reporting;
    let output = (reporting.output.clone())
        .map(|output| posterior::free(output, reporting))
        .transpose()?;
    let start = Instant::now();
    let typed = load::checked(&args.input, terminal)?;
    let checked = start.elapsed();
    let tables = load::tables(&args.input, typed.source())?;
    let read = start.elapsed() - checked;
    let model = load::bound(&typed, &tables, terminal)?;
    drop(tables);
    posterior::announce(&args.input, reporting, model.report(), terminal)?;
    let joint = joint::lower_owned(model, Passes::all());
    posterior::known(reporting, &joint)?;
    let family = match args.marginal {
        true => GuideFamily::Marginal,
        false => GuideFamily::MeanField,
    };
    let spec = GuideSpec {
        default: Some(family),
    };
    let guide = guide::derive(&joint, &spec).map_err(|p| Failure::problems(p, typed.source()))?;
    let compiled = start.elapsed() - read;

    let watch = Watch::new(terminal)?;
    let settings = Settings {
        chains: args.chains.get(),
        warmup: args.warmup,
        draws: args.draws.get(),
        accept: args.accept,
        budget: None,
        seed: reporting.seed,
        progress: &|progress| watch.samples(progress),
    };
    let found = diagnostics::sample(&joint, &guide, &settings);
    watch.done();
    let sampled = start.elapsed();
    let run = posterior::run(&args.input, reporting);
    let mut report = report::compose_sampled(&joint, &guide, &found, run);
    report.time = Times {
        read: seconds(read),
        compile: seconds(compiled),
        fit: seconds(sampled - compiled - read),
        diagnose: seconds(start.elapsed() - sampled),
    };
    if let Some(output) = &output {
        let draws = report::draws(&joint, &found, &reporting.vars);
        let folder = folder::compose_draws(&report, &joint, &draws);
        let folder = kept::with_draws(folder, &joint, &found, &args.input.set)?;
        posterior::write(folder, output)?;
    }
    posterior::print(reporting, report, terminal)?;
    let mut note = format!("sampled in {:.2} s", start.elapsed().as_secs_f64());
    if let Some(output) = &output {
        note.push_str(&format!("; {} written", output.display()));
    }
    terminal.note(&format!("{note}\n"));
    Ok(exit(&found, reporting.strict, terminal))
}

/// How a run whose result is a sampler's ends.
pub fn exit(found: &Diagnostics, strict: bool, terminal: &Terminal) -> Exit {
    match (found.trust, found.reason) {
        (_, Reason::Interrupted) => {
            terminal.error("interrupted; the result so far was written", None);
            Exit::Interrupted
        }
        (Trust::No, Reason::Divergences) if !strict => Exit::Done,
        (Trust::No, _) if strict => Exit::Untrusted,
        (Trust::No, _) => {
            let hint = "`hvic sample --warmup N --draws N` allows more";
            terminal.error("NUTS has not converged", Some(hint));
            Exit::Unfinished
        }
        (Trust::Yes | Trust::Caution, _) => Exit::Done,
    }
}

/// Draws of all coordinates with the settings that `hvic sample` has by default.
pub fn reference(
    joint: &Joint,
    seed: u64,
    progress: &(dyn Fn(&nuts::Progress) -> bool + Sync),
) -> Result<(guide::Guide, Diagnostics), Failure> {
    let spec = GuideSpec {
        default: Some(GuideFamily::MeanField),
    };
    let source = joint.model().typed().source().clone();
    let guide = guide::derive(joint, &spec).map_err(|p| Failure::problems(p, &source))?;
    let settings = Settings {
        chains: 4,
        warmup: 1000,
        draws: 1000,
        accept: 0.9,
        budget: None,
        seed,
        progress,
    };
    let found = diagnostics::sample(joint, &guide, &settings);
    Ok((guide, found))
}
