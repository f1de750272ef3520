//! Fits whose steps see mini-batches of the elements of a plate, against fits over all data.

mod chain;
mod command;

use command::Folder;
use command::err;
use command::exits;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Outcome;
use hvi::fit::Settings;
use hvi::fit::State;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::num::rng;
use hvi::shape::PlateId;
use hvi::typed::GuideFamily;
use std::fmt::Write;
use std::process::Output;

const MODEL: &str = "mu, beta ~ Normal(0, 2)
tau, sigma ~ HalfNormal(1)
plate school {
  a ~ Normal(mu, tau)
  plate class {
    b ~ Normal(a, 0.5)
    plate pupil = rows {
      data x, y: real
      y ~ Normal(b + beta * x, sigma)
    }
  }
}
";

/// Pupils in three classes of each school.
fn table(schools: usize, pupils: usize) -> String {
    let mut csv = "school,class,x,y\n".to_owned();
    for k in 0..schools * 3 * pupils {
        let (class, school) = (k / pupils, k / pupils / 3);
        let wave = |period: f64, at: usize| (6.0 * at as f64 / period).sin();
        let x = wave(2.7, k);
        let y = 1.0 + wave(5.3, school) + 0.5 * wave(3.1, class) + 0.8 * x + 0.6 * wave(1.9, k);
        writeln!(csv, "s{school},c{class},{x},{y}").expect("text");
    }
    csv
}

/// The joint density of which mini-batches of a plate can be taken.
fn joint(plate: &str) -> Joint {
    let joint = chain::joint(MODEL, &table(12, 6));
    let mut plates = joint.model().typed().plates().iter();
    let plate = plates.position(|p| p.name == plate).expect("a plate");
    joint::batched(joint, PlateId(plate as u32)).expect("elements that can be taken apart")
}

fn fitted(
    joint: &Joint,
    family: GuideFamily,
    batch: Option<usize>,
    stop: usize,
    state: Option<State>,
) -> Fit {
    let spec = GuideSpec {
        default: Some(family),
    };
    let guide = guide::derive(joint, &spec).expect("a guide");
    let mut settings = Settings {
        max_iterations: 20_000,
        batch,
        progress: &mut |progress| progress.iteration < stop,
    };
    let (elbo, mut rng) = (elbo::compose(joint, &guide), rng::stream(1));
    match state {
        Some(state) => fit::resume(&elbo, &mut settings, &mut rng, state),
        None => fit::run(&elbo, &mut settings, &mut rng),
    }
}

#[test]
fn mini_batches_lead_where_all_data_do() {
    for (plate, size) in [("school", 4), ("class", 6), ("pupil", 36)] {
        let joint = joint(plate);
        for family in [GuideFamily::MeanField, GuideFamily::Structured] {
            let spec = GuideSpec {
                default: Some(family),
            };
            let guide = guide::derive(&joint, &spec).expect("a guide");
            let whole = fitted(&joint, family, None, usize::MAX, None);
            let found = fitted(&joint, family, Some(size), usize::MAX, None);
            assert_eq!(whole.outcome, Outcome::Converged, "{plate}, {family:?}");
            assert_eq!(found.outcome, Outcome::Converged, "{plate}, {family:?}");
            let loss = whole.elbo.total - found.elbo.total;
            assert!(loss < 0.3, "{plate}, {family:?}: {loss} nats less");
            let (q, p) = (guide.gaussian(&found.params), guide.gaussian(&whole.params));
            for r in 0..guide.dim() {
                let (sd, own) = (guide.sd(&p, r), guide.sd(&q, r));
                let apart = (q.mean[r] - p.mean[r]).abs() / sd;
                assert!(apart < 0.3, "{plate}, {family:?}, {r}: {apart} sds apart");
                let ratio = own / sd;
                assert!(
                    (0.8..1.25).contains(&ratio),
                    "{plate}, {family:?}, {r}: {ratio} times the sd"
                );
            }
        }
    }
}

#[test]
fn a_fit_over_mini_batches_goes_on_as_if_it_had_not_been_stopped() {
    let joint = joint("school");
    let fit = |stop, state| fitted(&joint, GuideFamily::Structured, Some(5), stop, state);
    let whole = fit(90, None);
    let begun = fit(37, None);
    assert_eq!(begun.outcome, Outcome::Interrupted);
    assert_ne!(begun.params, whole.params);
    let resumed = fit(90, begun.state);
    assert_eq!(resumed.params, whole.params);
    assert_eq!(resumed.history, whole.history);
}

#[test]
fn the_command_line_fits_over_mini_batches_and_says_where_it_cannot() {
    let folder = Folder::new("mini_batches");
    let [model, data] = ["model.hvi", "data.csv"].map(|f| command::example("examples/radon", f));
    let begin = ["fit", &model, &data, "--force", "--output", "radon.fit"];
    let fit = |more: &[&str]| folder.hvic(&[&begin[..], more].concat());
    for batch in ["county=20", "house=100"] {
        exits(&fit(&["--guide", "structured", "--batch", batch]), 0);
    }
    let refused = |output: Output, words: &[&str]| {
        exits(&output, 2);
        let message = err(&output);
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    refused(
        fit(&["--batch", "county=20"]),
        &["integrates the locals", "--guide structured"],
    );
    refused(
        fit(&["--batch", "county=20", "--guide", "laplace"]),
        &["mode of all data", "--guide structured"],
    );
    refused(
        fit(&["--batch", "counties=20", "--guide", "mean_field"]),
        &["`--batch counties=N` names no plate", "`county`, `house`"],
    );
    refused(
        fit(&["--batch", "county=20", "--guide", "mean_field", "--stream"]),
        &["no mini-batches of `county`", "rows are read in chunks"],
    );
    // A statement about one element that takes something of all of them.
    let shared = MODEL.replace("b + beta * x", "b + beta * total") + "total = sum(school: a)\n";
    folder.write("m.hvi", &shared);
    folder.write("d.csv", &table(12, 6));
    let more = ["--batch", "school=4", "--guide", "mean_field"];
    refused(
        folder.hvic(&[&["fit", "m.hvi", "d.csv"], &more[..]].concat()),
        &["no mini-batches of `school`", "over all of its elements"],
    );
}
