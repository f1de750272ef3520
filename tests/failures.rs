//! Posteriors that no Gaussian fits: each ends in a verdict that says so, or is solved by other means, and nothing hangs.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a command says in JSON of a model of `examples/failures`.
fn said(name: &str, command: &str, more: &[&str]) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/failures");
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}{}.fit", more.len()));
    let mut hvic = Command::new(env!("CARGO_BIN_EXE_hvic"));
    hvic.arg(command)
        .arg(folder.join(format!("{name}.hvi")))
        .arg(folder.join(format!("{name}.csv")))
        .args(["--json", "--force", "--output"])
        .arg(output)
        .args(more);
    let output = hvic.output().expect("hvic runs");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn trust(said: &Value) -> &str {
    said["verdict"]["trust"].as_str().expect("a verdict")
}

fn reason(said: &Value) -> &str {
    said["verdict"]["reason"].as_str().expect("a reason")
}

/// Mean and sd of a top-level parameter.
fn summary(said: &Value, name: &str) -> (f64, f64) {
    let parameters = said["parameters"].as_array().expect("parameters");
    let found = parameters.iter().find(|p| p["name"] == name);
    let number = |key: &str| found.and_then(|p| p[key].as_f64()).expect("a number");
    (number("mean"), number("sd"))
}

#[test]
fn a_funnel_is_integrated_out_and_defeats_what_is_not() {
    let fit = said("funnel", "fit", &[]);
    let (mean, sd) = summary(&fit, "v");
    assert_eq!(trust(&fit), "yes");
    assert!(
        mean.abs() < 0.1 && (sd / 3.0 - 1.0).abs() < 0.03,
        "{mean} {sd}"
    );
    // A guide asked for by name stays, and is not trusted.
    let guide = said("funnel", "fit", &["--guide", "structured"]);
    assert_eq!((trust(&guide), reason(&guide)), ("no", "misfit"));
    assert!(guide["sampler"].is_null());
    // Nor is NUTS among all coordinates.
    let sample = said("funnel", "sample", &[]);
    assert_ne!(trust(&sample), "yes", "{}", sample["verdict"]);
}

#[test]
fn two_modes_are_seen_and_not_averaged() {
    let fit = said("mixture", "fit", &[]);
    assert_eq!((trust(&fit), reason(&fit)), ("no", "chains_disagree"));
    let instead = fit["sampler"]["instead"]
        .as_str()
        .expect("why NUTS was asked");
    assert!(instead.contains("more than one mode"), "{instead}");
}

#[test]
fn a_density_without_end_is_not_summarised_as_if_it_had_one() {
    let fit = said("separated", "fit", &[]);
    assert_eq!(trust(&fit), "no", "{}", fit["verdict"]);
    let laplace = said("separated", "fit", &["--guide", "laplace"]);
    assert_eq!((trust(&laplace), reason(&laplace)), ("no", "no_mode"));
    assert!(laplace["sampler"].is_null());
}

#[test]
fn heavy_tailed_locals_are_solved_or_doubted() {
    let mut solved = 0;
    for seed in ["1", "2", "3"] {
        let fit = said("heavy", "fit", &["--seed", seed]);
        assert_eq!(fit["sampler"]["method"], "nuts");
        // Now and then a chain stays in a tail for long.
        if trust(&fit) == "no" {
            assert_eq!(reason(&fit), "few_draws", "{}", fit["verdict"]);
            continue;
        }
        solved += 1;
        // Each clinic's integral is a Voigt profile: brute force over a grid of `mu` and log `tau` with scipy's `wofz`.
        for (name, mean, sd) in [("mu", 0.4842, 0.9103), ("tau", 1.0601, 0.5180)] {
            let found = summary(&fit, name);
            assert!((found.0 - mean).abs() < 0.12 * sd, "{name}: {found:?}");
            assert!((found.1 / sd - 1.0).abs() < 0.1, "{name}: {found:?}");
        }
    }
    assert!(solved >= 2, "{solved} of 3 are solved");
}
