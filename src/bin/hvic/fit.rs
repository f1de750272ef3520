//! `hvic fit`: from a model and data to a posterior.

use crate::args::Fit as Args;
use crate::args::Guide;
use crate::args::Input;
use crate::args::Method;
use crate::kept;
use crate::load;
use crate::load::Data;
use crate::posterior;
use crate::posterior::Watch;
use crate::posterior::seconds;
use crate::sample;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::diagnostics;
use hvi::diagnostics::Diagnostics;
use hvi::diagnostics::Resort;
use hvi::diagnostics::Trust;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Outcome;
use hvi::fit::Progress;
use hvi::fit::Settings;
use hvi::fit::State;
use hvi::guide;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Passes;
use hvi::model::BindingReport;
use hvi::num::rng;
use hvi::report;
use hvi::report::Times;
use hvi::report::against;
use hvi::report::dump;
use hvi::report::folder;
use hvi::shape::PlateId;
use hvi::source::Source;
use hvi::typed::Typed;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

/// Draws by which sds by linear response are brought to the scale of the model.
const RESPONDING: usize = 4096;

/// Fits, prints the result and writes the fit folder.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let reporting = &args.reporting;
    let output = match args.resume {
        true => output(args),
        false => posterior::free(output(args), reporting)?,
    };
    let start = Instant::now();
    let input = &args.input.guided(args.guide.as_ref());
    let typed = load::checked(input, terminal)?;
    let checked = start.elapsed();
    let data = data(args, input, &typed, &output)?;
    let read = start.elapsed() - checked;
    let model = data.bind(&typed, terminal)?;
    posterior::announce(input, reporting, model.report(), terminal)?;
    let state = match args.resume {
        true => Some(stopped(
            &output,
            typed.source(),
            model.report(),
            reporting.seed,
        )?),
        false => None,
    };

    let joint = model.lower(typed.source(), Passes::all(), joint::lower_lazily)?;
    let mut joint = joint::amortize(joint).map_err(|p| Failure::problems(p, typed.source()))?;
    posterior::known(reporting, &joint)?;
    if let Some((name, _)) = &args.batch {
        joint = batched(joint, name)?;
    }
    let spec = Guide::spec(args.guide.as_ref());
    let guide = guide::derive(&joint, &spec).map_err(|p| Failure::problems(p, typed.source()))?;
    if let (Some(_), Some(why)) = (&args.batch, fit::needs_all(&guide)) {
        return Err(Failure::hinted(
            format!("no step of this fit sees a mini-batch: {why}"),
            "`--guide structured` and `--guide mean_field` are fitted by such steps",
        ));
    }
    if guide.integrated().is_none() {
        joint.find_closed_forms();
    }
    let elbo = elbo::compose(&joint, &guide);
    terminal.detail(&dump::elbo(&joint, &elbo));
    if args.linear_response {
        fit::responds(&elbo).map_err(|message| {
            Failure::hinted(
                message,
                "`--guide mean_field` and `--guide structured` are such guides",
            )
        })?;
    }
    let compiled = start.elapsed() - read;

    let watch = Watch::new(terminal)?;
    let mut rng = rng::stream(reporting.seed);
    let mut iterations = 0;
    let mut progress = |progress: &Progress| {
        iterations = progress.iteration;
        watch.goes_on(|| {
            let error = progress.error.map(|error| format!(" ± {error:.2}"));
            let error = error.unwrap_or_default();
            format!("iteration {iterations}  ELBO {:.2}{error}", progress.elbo)
        })
    };
    let mut settings = Settings {
        max_iterations: args.max_iterations,
        batch: args.batch.as_ref().map(|(_, size)| size.get()),
        progress: &mut progress,
    };
    let fit = match state {
        Some(state) => fit::resume(&elbo, &mut settings, &mut rng, state),
        None => fit::several(&elbo, &mut settings, &mut rng, args.restarts.get()),
    };
    let fit_done = start.elapsed();
    let mut found = diagnostics::assess(&elbo, &fit, &mut rng);
    let samples = |progress: &hvi::nuts::Progress| watch.samples(progress);
    // A guide that was asked for by name stays, whatever is found.
    if args.guide.is_none() && joint.guide_rules().is_empty() {
        let resort = Resort {
            seed: reporting.seed,
            progress: &samples,
        };
        found = diagnostics::resort(&elbo, &fit, &found, resort).unwrap_or(found);
    }
    let run = posterior::run(input, reporting);
    let mut report = report::compose(&joint, &elbo, &fit, &found, run.clone());
    report.time = Times {
        read: seconds(read),
        compile: seconds(compiled),
        fit: seconds(fit_done - compiled - read),
        diagnose: seconds(start.elapsed() - fit_done),
    };
    let fitted = start.elapsed();
    if let Some(Method::Nuts) = args.against {
        let (guide, sampled) = sample::reference(&joint, reporting.seed, &samples)?;
        let mut reference = report::compose_sampled(&joint, &guide, &sampled, run);
        reference.time.fit = seconds(start.elapsed() - fitted);
        report.against = Some(against::against(&report, &reference));
    }
    if args.linear_response && found.sampled.is_none() {
        let draws = fit::response(&elbo, &fit, reporting.seed as u32)
            .and_then(|response| response.draws(RESPONDING, reporting.seed as u32));
        match draws {
            Ok(draws) => {
                report.response = Some(report::responding(&joint, &draws, &report, &reporting.vars))
            }
            Err(message) => terminal.error(&message, None),
        }
    }
    watch.done();

    let folder = folder::compose(&report, &joint, &guide, &fit);
    let folder = folder.map(|folder| match &fit.state {
        Some(state) => folder.with(STATE, state.bytes()),
        None => folder,
    });
    let folder = kept::with_draws(folder, &joint, &found, &input.set)?;
    posterior::write(folder, &output)?;
    posterior::print(reporting, report, terminal)?;
    terminal.note(&format!(
        "fitted in {:.2} s ({} iterations); {} written\n",
        fitted.as_secs_f64(),
        fit.history.len(),
        output.display()
    ));
    Ok(match found.sampled {
        Some(_) => sample::exit(&found, reporting.strict, terminal),
        None => exit(args, &fit, &found, terminal),
    })
}

/// The tables, those of an amortised plate that are streamed by its elements: they are copied to a file beside the result.
fn data(args: &Args, input: &Input, typed: &Typed, output: &Path) -> Result<Data, Failure> {
    let Some(rule) = typed.amortized().filter(|_| args.stream) else {
        return Data::read(input, args.stream, typed);
    };
    let plate = &typed.plates()[rule.plate.index()].name;
    if args.batch.is_none() {
        return Err(Failure::hinted(
            format!(
                "`--stream` reads the rows of some elements of `{plate}` at a time, and it is not said of how many"
            ),
            format!("`--batch {plate}=32` makes steps of 32 elements"),
        ));
    }
    let beside = output.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = beside.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| {
        let message = format!("`{}` cannot be made: {e}", folder.display());
        Failure::hinted(message, "`--output FOLDER` writes elsewhere")
    })?;
    Data::grouped(input, typed, rule.plate, folder)
}

/// The file with the state of a fit that ended early.
const STATE: &str = "state.f64";

/// Where the fit in a folder stood, if it is of the same model, rows and seed.
fn stopped(
    folder: &Path,
    source: &Source,
    binding: &BindingReport,
    seed: u64,
) -> Result<State, Failure> {
    let shown = folder.display();
    let refused = |message: String| {
        Failure::hinted(
            message,
            "`--resume` goes on with the fit in `--output FOLDER`; without it the fit begins anew",
        )
    };
    let known = folder::read(folder).map_err(refused)?;
    let text = folder::read_file(folder, "model.hvi").map_err(refused)?;
    let differs = [
        (text != source.text().as_bytes(), "model"),
        (known.rows != binding.rows, "number of rows"),
        (known.seed != seed, "seed"),
    ];
    if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
        return Err(refused(format!("the fit in `{shown}` has another {what}")));
    }
    let state = folder::read_file(folder, STATE).ok();
    (state.as_deref().and_then(State::from_bytes)).ok_or_else(|| {
        refused(format!(
            "the fit in `{shown}` has come to its end, or does not go by stochastic steps"
        ))
    })
}

/// The joint density of which steps see mini-batches of the elements of a plate.
fn batched(joint: Joint, name: &str) -> Result<Joint, Failure> {
    let plates = joint.model().typed().plates();
    let below = plates.iter().skip(PlateId::TOP.index() + 1);
    let names: Vec<String> = below.map(|p| format!("`{}`", p.name)).collect();
    let amortized = joint
        .amortized()
        .map(|(plate, _)| &plates[plate.index()].name);
    match (amortized, plates.iter().position(|p| p.name == name)) {
        (Some(plate), _) if plate == name => Ok(joint),
        (Some(plate), _) => Err(Failure::hinted(
            format!("steps do not see mini-batches of `{name}`"),
            format!("`--batch {plate}=32` takes elements of the amortised plate"),
        )),
        (None, Some(plate)) => joint::batched(joint, PlateId(plate as u32)).map_err(|why| {
            Failure::hinted(
                format!("no mini-batches of `{name}` can be taken: {why}"),
                "without `--batch` every step sees all data",
            )
        }),
        (None, None) => Err(Failure::hinted(
            format!("`--batch {name}=N` names no plate"),
            match names.as_slice() {
                [] => "the model has none".to_owned(),
                names => format!("the plates are {}", names.join(", ")),
            },
        )),
    }
}

/// Where the fit goes.
fn output(args: &Args) -> PathBuf {
    args.reporting.output.clone().unwrap_or_else(|| {
        let mut name = args.input.model.file_stem().unwrap_or_default().to_owned();
        name.push(".fit");
        PathBuf::from(name)
    })
}

fn exit(args: &Args, fit: &Fit, diagnostics: &Diagnostics, terminal: &Terminal) -> Exit {
    match &fit.outcome {
        Outcome::Converged if args.reporting.strict && diagnostics.trust == Trust::No => {
            Exit::Untrusted
        }
        Outcome::Converged => Exit::Done,
        Outcome::Spent => {
            let message = format!("not converged after {} iterations", args.max_iterations);
            let hint = match fit.state {
                Some(_) => "`--resume --max-iterations N` goes on with more",
                None => "`--max-iterations N` allows more",
            };
            terminal.error(&message, Some(hint));
            Exit::Unfinished
        }
        Outcome::Broken(trace) => {
            terminal.error(trace, None);
            Exit::Unfinished
        }
        Outcome::Interrupted => {
            let hint = fit.state.as_ref().map(|_| "`--resume` goes on from there");
            terminal.error("interrupted; the result so far was written", hint);
            Exit::Interrupted
        }
    }
}
