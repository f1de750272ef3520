//! The examples as a user runs them: what they print, and whether it agrees with long runs of another system.

use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The examples: every folder with a model.
fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("there are examples")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("model.hvi").exists())
        .collect();
    found.sort();
    found
}

fn name(example: &Path) -> String {
    example
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What `hvic fit` prints as JSON.
fn fitted(example: &Path, more: &[&str]) -> Value {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let output = Command::new(env!("CARGO_BIN_EXE_hvic"))
        .arg("fit")
        .args([example.join("model.hvi"), example.join("data.csv")])
        .args(["--json", "--seed", "1"])
        .args(more)
        .current_dir(scratch.path())
        .output()
        .expect("hvic runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", example.display());
    serde_json::from_slice(&output.stdout).expect("JSON is printed")
}

/// A parameter's name with its label: `alpha[county=AITKIN]`, `u[Subject=308,1]`, `beta[2]`.
fn display(parameter: &Value) -> String {
    let labels: Vec<String> = parameter["label"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(plate, label)| format!("{plate}={}", label.as_str().unwrap_or_default()))
        .collect();
    let own = parameter["index"]
        .as_array()
        .into_iter()
        .flatten()
        .skip(labels.len());
    let inside: Vec<String> = labels
        .iter()
        .cloned()
        .chain(own.map(Value::to_string))
        .collect();
    let name = parameter["name"].as_str().unwrap_or_default();
    if inside.is_empty() {
        name.to_owned()
    } else {
        format!("{name}[{}]", inside.join(","))
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[test]
fn means_agree_with_the_reference() {
    for example in examples() {
        let text = std::fs::read_to_string(example.join("reference.json"))
            .expect("an example has a reference");
        let reference: Value = serde_json::from_str(&text).expect("the reference is JSON");
        let fit = fitted(&example, &[]);
        let parameters = fit["parameters"].as_array().expect("parameters are listed");
        let wanted = reference["parameters"]
            .as_object()
            .expect("the reference lists parameters");
        assert!(!wanted.is_empty());
        for (key, expected) in wanted {
            let found = parameters.iter().find(|p| display(p) == *key);
            let found =
                found.unwrap_or_else(|| panic!("{}: {key} is not reported", name(&example)));
            let base = key.split('[').next().unwrap_or_default();
            let tolerance = &reference["tolerance"];
            let tolerance = number(tolerance.get(base).unwrap_or(&tolerance["default"]));
            let z = (number(&found["mean"]) - number(&expected["mean"])).abs()
                / number(&expected["sd"]);
            assert!(
                z <= tolerance,
                "{}: {key} is {z:.3} reference sds off",
                name(&example)
            );
        }
    }
}

/// To a tenth of its sd: stable under what may change in the last digits.
fn rounded(mean: f64, sd: f64) -> String {
    let decimals = (1.0 - sd.max(1e-12).log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{mean:.decimals$}")
}

#[test]
fn summaries_are_as_expected() {
    for example in examples() {
        let fit = fitted(&example, &[]);
        let mut text = format!(
            "trust: {}\n",
            fit["verdict"]["trust"].as_str().unwrap_or_default()
        );
        for (plate, size) in fit["plates"].as_object().into_iter().flatten() {
            text.push_str(&format!("plate {plate}: {size}\n"));
        }
        for parameter in fit["parameters"].as_array().into_iter().flatten() {
            let top = parameter["label"]
                .as_object()
                .is_none_or(|labels| labels.is_empty());
            // What does not vary (the corner of a Cholesky factor) is known exactly.
            let (mean, sd) = (number(&parameter["mean"]), number(&parameter["sd"]));
            if top && sd > 1e-9 {
                text.push_str(&format!(
                    "{} {} sd {sd:.1e}\n",
                    display(parameter),
                    rounded(mean, sd)
                ));
            }
        }
        insta::assert_snapshot!(name(&example), text);
    }
}

/// The guide that is chosen where none is asked for, and every family; a hierarchical density has no mode for `laplace`.
const GUIDES: [(&str, &[&str]); 8] = [
    ("seeds", &[]),
    ("eight_schools", &["--guide", "marginal"]),
    ("seeds", &["--guide", "structured"]),
    ("radon", &["--guide", "mean_field"]),
    ("eight_schools", &["--guide", "full_rank"]),
    ("seeds", &["--guide", "low_rank(2)"]),
    ("kidiq", &["--guide", "laplace"]),
    ("eight_schools", &["--guide", "point"]),
];

#[test]
fn the_decomposition_of_the_bound_adds_up_under_every_guide() {
    for (model, guide) in GUIDES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let fit = fitted(&folder.join(model), guide);
        let terms = fit["elbo"]["terms"].as_array().expect("terms");
        let signed = |term: &Value| match term["kind"].as_str() {
            Some("kl") => -number(&term["value"]),
            _ => number(&term["value"]),
        };
        let sum: f64 = terms.iter().map(signed).sum();
        let total = number(&fit["elbo"]["total"]);
        assert!(
            (sum - total).abs() <= 1e-9 * total.abs() && terms.len() > 2,
            "{model} {guide:?}: {sum} against {total}"
        );
    }
}
