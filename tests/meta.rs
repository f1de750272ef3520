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
#[cfg(unix)]
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;
#[cfg(unix)]
use std::thread::sleep;
#[cfg(unix)]
use std::time::Duration;

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

#[test]
fn the_report_says_where_steps_lead_astray() {
    let folder = folder("astray");
    // Far from the optimum, with steps that go much too far where the rows say little.
    let model = NETWORK.replace("noise ~ HalfNormal(1)", "noise ~ LogNormal(1.5, 0.01)");
    folder.write("net.hvi", &model);
    let rules = "default point; task: amortized(sgd, steps = 3, rate = 9)";
    let more = ["--max-iterations", "30", "--batch", "task=3", "--json"];
    let args = ["fit", "net.hvi", "net.csv", "--guide", rules];
    let output = folder.hvic(&[&args[..], &more[..]].concat());
    exits(&output, 4);
    let report: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let steps = &report["steps_astray"];
    let worse = steps["worse"].as_u64().expect("a number");
    assert!(steps["looked"] == 8 && worse > 0, "{steps}");
    let worst = steps["worst"][0]["element"].as_str().expect("a label");
    let text = report["verdict"]["text"].as_str().expect("a verdict");
    let said = format!("the gradient steps of {worse} of 8 elements end at a worse bound");
    assert!(text.contains(&said), "{text}");
    assert!(text.contains(&format!("(task {worst} by ")), "{text}");
}

/// Waits until a process catches interrupts, as far as the system tells, and a moment longer.
#[cfg(unix)]
fn wait_for_handler(pid: u32) {
    for _ in 0..2000 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.map(|mask| u64::from_str_radix(mask.trim(), 16));
        match mask {
            // Signal 2 is the second bit.
            Some(Ok(mask)) if mask & 2 != 0 => break,
            Some(_) => sleep(Duration::from_millis(5)),
            None => {
                sleep(Duration::from_millis(1000));
                break;
            }
        }
    }
    sleep(Duration::from_millis(100));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_fit_that_can_be_used_and_gone_on_with() {
    let folder = folder("interrupt");
    let fit = [
        "fit",
        "net.hvi",
        "net.csv",
        "--guide",
        RULES,
        "--batch",
        "task=3",
        "--max-iterations",
        "2500",
    ];
    let child = Command::new(env!("CARGO_BIN_EXE_hvic"))
        .args(fit)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hvic runs");
    wait_for_handler(child.id());
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
    let output = child.wait_with_output().expect("hvic ends");
    exits(&output, 130);
    assert!(err(&output).contains("--resume"), "{}", err(&output));
    assert!(out(&output).contains("was interrupted"), "{}", out(&output));

    // It can be used as it is.
    exits(&folder.hvic(&["adapt", "net.fit", "new.csv"]), 0);
    exits(&folder.hvic(&["predict", "net.fit", "net.csv"]), 0);
    exits(&folder.hvic(&["predict", "net.adapted.fit", "new.csv"]), 0);

    // And gone on with: what comes of it has the bits of a fit that was not interrupted.
    let before = read(&folder, "net.fit/summary.csv");
    exits(&folder.hvic(&[&fit[..], &["--resume"]].concat()), 4);
    exits(
        &folder.hvic(&[&fit[..], &["--output", "whole.fit"]].concat()),
        4,
    );
    assert_ne!(read(&folder, "net.fit/summary.csv"), before);
    for file in ["summary.csv", "guide.json", "draws.f64", "state.f64"] {
        let bytes = |of: &str| fs::read(folder.0.join(of).join(file)).expect(file);
        assert!(bytes("net.fit") == bytes("whole.fit"), "{file}");
    }
    let trace = |of: &str| -> Value {
        let report: Value = serde_json::from_str(&read(&folder, of)).expect("JSON");
        report["elbo"].clone()
    };
    assert_eq!(trace("net.fit/fit.json"), trace("whole.fit/fit.json"));
}
