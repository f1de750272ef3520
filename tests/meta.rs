//! Guides of networks in tasks from the command line: rules that `--guide` gives, interrupts, and what later commands make of the folder.

mod command;

use command::Folder;
use command::err;
use command::example;
use command::exits;
use command::out;
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// A small network in each task.
const NETWORK: &str = "m1[2], m3[2] ~ Normal(0, 1)
s ~ HalfNormal(0.5)
noise ~ HalfNormal(1)
plate task {
  w1[2] ~ Normal(m1, s)
  w3[2] ~ Normal(m3, s)
  plate row = rows {
    data x: real
    data y: real
    y ~ Normal(sum(w3 * tanh(w1 * x)), noise)
  }
}
";

/// Its guide.
const RULES: &str = "default point; task: amortized(sgd, steps = 2, rate = learned)";

/// Curves of tasks from a number on.
fn table(first: usize, tasks: usize) -> String {
    let mut csv = "task,x,y\n".to_owned();
    for t in first..first + tasks {
        for r in 0..6 {
            let (x, at) = ((r as f64 - 2.3) / 2.0, t as f64);
            let y = (0.7 * at).cos() * (x + 0.2 * at).sin();
            writeln!(csv, "t{t:02},{x},{y}").expect("text");
        }
    }
    csv
}

fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("net.hvi", NETWORK);
    folder.write("net.csv", &table(0, 8));
    folder.write("new.csv", &table(20, 3));
    folder
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn rules_on_the_command_line_are_those_of_a_guide_block() {
    let folder = folder("rules");
    folder.write("with.hvi", &format!("{NETWORK}guide {{ {RULES} }}\n"));
    let other = "guide { default structured; task: mean_field; s: mean_field }";
    folder.write("other.hvi", &format!("{other}\n{NETWORK}"));
    let fit = |model: &str, more: &[&str]| {
        let mut args = vec!["fit", model, "net.csv", "--batch", "task=3"];
        args.extend(more);
        if !more.contains(&"--resume") {
            args.extend(["--max-iterations", "60"]);
        }
        let output = folder.hvic(&args);
        exits(&output, 4);
    };
    fit("with.hvi", &[]);
    fit("net.hvi", &["--guide", RULES]);
    let named = format!("s: point; {RULES}");
    fit("other.hvi", &["--guide", &named]);
    let wanted = read(&folder, "with.fit/summary.csv");
    assert!(wanted.contains("rate_w3"), "{wanted}");
    assert_eq!(read(&folder, "net.fit/summary.csv"), wanted);
    assert_eq!(read(&folder, "other.fit/summary.csv"), wanted);
    // The folder knows the rules: later commands need not be told.
    let adapted = folder.hvic(&["adapt", "net.fit", "new.csv"]);
    exits(&adapted, 0);
    let more = ["--resume", "--max-iterations", "70"];
    fit("net.hvi", &[&more[..], &["--guide", RULES]].concat());
    let differs = folder.hvic(&[&["fit", "net.hvi", "net.csv"], &more[..]].concat());
    exits(&differs, 2);
    assert!(err(&differs).contains("another model"), "{}", err(&differs));
}

#[test]
fn a_rule_on_the_command_line_is_for_one_plate_or_variable() {
    let folder = Folder::new("one_rule");
    let place = |file| example("examples/eight_schools", file);
    let (model, data) = (place("model.hvi"), place("data.csv"));
    let rules = "default full_rank; school: mean_field";
    let output = folder.hvic(&["fit", &model, &data, "--guide", rules, "--output", "fit"]);
    exits(&output, 0);
    let guide: Value = serde_json::from_str(&read(&folder, "fit/guide.json")).expect("JSON");
    let factors = guide["factors"].as_array().expect("factors");
    let families: Vec<&str> = (factors.iter())
        .filter_map(|factor| factor["family"].as_str())
        .collect();
    assert_eq!(families, ["full_rank", "full_rank", "mean_field"]);
    let explained = folder.hvic(&["explain", &model, "--guide", rules]);
    exits(&explained, 0);
    assert!(
        out(&explained).contains("independent"),
        "{}",
        out(&explained)
    );
}

#[test]
fn what_is_wrong_with_rules_on_the_command_line_is_said_with_the_name_of_the_flag() {
    let folder = folder("wrong_rules");
    for (rules, code, why) in [
        ("task: amortized(sgd, steps = 2", 2, "is not closed"),
        (
            "task: point }\nz = 1\nguide { w1: point",
            2,
            "one guide block",
        ),
        ("menfield", 2, "did you mean `mean_field`?"),
        ("tsk: point", 1, "no variable or plate `tsk`"),
        (
            "task: amortized(sgd, steps = 2, rate = 0)",
            1,
            "`rate` is a number",
        ),
        ("s: point; s: mean_field", 1, "given twice"),
    ] {
        let output = folder.hvic(&["fit", "net.hvi", "net.csv", "--guide", rules]);
        exits(&output, code);
        let said = err(&output);
        assert!(said.contains("--guide") && said.contains(why), "{said}");
    }
}
