//! Tasks that are read from disk when they are wanted give the bits that tasks in memory give, and are refused where they cannot be.

mod chain;
mod command;

use command::Folder;
use command::err;
use command::example;
use command::exits;
use command::out;
use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Tables;
use hvi::elbo;
use hvi::fit;
use hvi::fit::Fit;
use hvi::fit::Settings;
use hvi::guide;
use hvi::guide::GuideSpec;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::model::Grouped;
use hvi::num::rng;
use hvi::problem;
use hvi::problem::Code;
use hvi::problem::Problems;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use std::fmt::Write;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// A small network in each task, beside data of tasks and of rows of every kind, a value over the rows of a task, and a condition.
const NETWORK: &str = "m1[2], m3[2] ~ Normal(0, 1)
m2[2, 2] ~ Normal(0, 1)
s1[2] ~ HalfNormal(1)
s ~ HalfNormal(0.5)
noise ~ HalfNormal(1)
slope ~ Normal(0, 1)
shift[2] ~ Normal(0, 1)
plate task {
  data hard: real
  data other: real
  w1[2] ~ Normal(m1, s1)
  W2[2, 2] ~ Normal(m2, s)
  w3[2] ~ Normal(m3 + slope * hard, s)
  centre = mean(row: x)
  other ~ Normal(sum(w1), 2)
  plate row = rows {
    data x: real
    data y: real
    data kind: category(2)
    data is_support: binary
    h = tanh(W2 @ tanh(w1 * (x - centre)))
    y ~ Normal(sum(w3 * h) + shift[kind], noise) where x < 1
  }
}
guide { default point; task: amortized(sgd, steps = 2, rate = 0.5, support = is_support) }
";

/// Tasks of these labels, in this order, with 2 to 5 rows each.
fn table(labels: &[&str]) -> String {
    let mut csv = "task,hard,other,note,x,y,kind,is_support\n".to_owned();
    for (t, label) in labels.iter().enumerate() {
        for r in 0..2 + t % 4 {
            let (x, at) = ((r as f64 - 1.3) / 2.0, t as f64);
            let y = (0.7 * at).cos() * (x + 0.2 * at).sin();
            let (kind, is_support) = (["left", "right"][(t + r) % 2], r % 2);
            let (hard, other) = (0.1 * at - 0.2, (0.3 * at).sin());
            writeln!(
                csv,
                "{label},{hard},{other},n{t}{r},{x},{y},{kind},{is_support}"
            )
            .expect("text");
        }
    }
    csv
}

/// Labels whose order is neither that of the table nor that of their characters.
const TEXTS: [&str; 9] = ["t10", "b", "t9", "a", "t11", "c 2", "t1", "c 10", "z"];
const NUMBERS: [&str; 9] = ["10", "-2", "9", "0", "2000", "11.5", "7", "1e6", "3"];

fn checked(text: &str) -> Arc<Typed> {
    let source = Source::new("model.hvi", text);
    let fail = |p: Problems| -> ! { panic!("{}", problem::render(&p, &source, false)) };
    let ast = ast::parse(&source).unwrap_or_else(|p| fail(p));
    let (typed, _) = typed::check(&source, &ast, &Overrides::default()).unwrap_or_else(|p| fail(p));
    Arc::new(typed)
}

/// The joint density of a model whose tasks are read from disk, by way of chunks of so many rows.
fn grouped(text: &str, csv: &str, rows: usize) -> Result<Joint, Problems> {
    let typed = checked(text);
    let plate = typed.amortized().expect("a plate is amortised").plate;
    joint::check_streamed(&typed, Some(plate))?;
    let rows = NonZeroUsize::new(rows).expect("chunks have rows");
    let chunks = Chunks::parse("main.csv", csv, rows)?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (grouped, _) = Grouped::new(&typed, plate, &chunks, &Tables::default(), folder)?;
    joint::amortize_grouped(grouped)
}

fn held(text: &str, csv: &str) -> Joint {
    joint::amortize(chain::joint(text, csv)).expect("the plate can be amortised")
}

/// The bits of values, terms and gradients, over all tasks and over some.
fn bits(joint: &Joint) -> Vec<u64> {
    let z: Vec<f64> = (0..joint.dim())
        .map(|k| 0.5 * (k as f64 * 1.7 + 0.4).sin())
        .collect();
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let mut found = Vec::new();
    for batch in [None, Some([2, 7, 0]), Some([8, 1, 3])] {
        evaluator.batch(batch.as_ref().map(|elements| (&elements[..], 5)));
        let mut gradient = vec![0.0; z.len()];
        found.push(evaluator.gradient(&z, &mut gradient));
        found.extend(gradient);
        found.extend(evaluator.terms());
    }
    found.extend((joint.sites().iter()).flat_map(|site| site.start.clone()));
    assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
    found.into_iter().map(f64::to_bits).collect()
}

fn fitted(joint: &Joint) -> Fit {
    let guide = guide::derive(joint, &GuideSpec::default()).expect("a guide");
    let elbo = elbo::compose(joint, &guide);
    let mut settings = Settings {
        max_iterations: 50,
        batch: Some(4),
        progress: &mut |_| true,
    };
    fit::run(&elbo, &mut settings, &mut rng::stream(3))
}

#[test]
fn tasks_on_disk_give_the_bits_of_tasks_in_memory() {
    for labels in [TEXTS, NUMBERS] {
        let csv = table(&labels);
        let whole = held(NETWORK, &csv);
        for rows in [1, 4, 1000] {
            let read = grouped(NETWORK, &csv, rows).expect("tasks that stand together");
            assert_eq!(bits(&read), bits(&whole), "{labels:?} by {rows} rows");
            assert_eq!(read.conditions(), whole.conditions());
            assert_eq!(read.amortized(), whole.amortized());
            let told = |joint: &Joint| format!("{:?}", joint.model().report());
            assert_eq!(told(&read), told(&whole));
            let lens = |joint: &Joint| -> Vec<usize> {
                joint.model().plates().iter().map(|p| p.len()).collect()
            };
            assert_eq!(lens(&read), lens(&whole));
        }
        let read = grouped(NETWORK, &csv, 10).expect("tasks that stand together");
        assert_eq!(fitted(&read), fitted(&whole));
        let z = vec![0.2; whole.dim()];
        assert_eq!(read.adapted(&z, 3), whole.adapted(&z, 3));
    }
}

#[test]
fn tasks_whose_rows_stand_apart_are_refused() {
    let csv = table(&["a", "b", "c", "b", "a", "d"]);
    let problems = grouped(NETWORK, &csv, 3).expect_err("rows of two tasks stand apart");
    let found = problems.sorted();
    let codes: Vec<Code> = found.iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::RowsApart, Code::RowsApart]);
    let text = problem::render(&problems, &Source::new("model.hvi", NETWORK), false);
    // `a` has lines 2 and 3, then 16 and 17 behind `b`'s 3 and 5 rows and the 4 of `c`.
    for part in [
        "main.csv:16",
        "task `a`",
        "from line 2 on",
        "task `b`",
        "sort the table by `task`",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn what_is_wrong_with_a_task_is_said_with_its_line() {
    let said = |csv: &str| {
        let problems = grouped(NETWORK, csv, 3).expect_err("something is wrong");
        problem::render(&problems, &Source::new("model.hvi", NETWORK), false)
    };
    // The third row of the last task but one.
    let csv = table(&["a", "c", "b"]);
    let varies = said(&csv.replacen("b,0,", "b,7,", 1));
    assert!(
        varies.contains("main.csv:8") && varies.contains("`hard`"),
        "{varies}"
    );
    let missing = said(&csv.replacen("\nc,", "\n,", 1));
    assert!(
        missing.contains("main.csv:4") && missing.contains("the key of `task` is missing"),
        "{missing}"
    );
    let absent = said(&csv.replacen("task,", "job,", 1));
    assert!(absent.contains("there is no column `task`"), "{absent}");
    let wrong = said(&csv.replacen(",left,1", ",left,2", 1));
    assert!(wrong.contains("`is_support`"), "{wrong}");
}

#[test]
fn models_that_need_more_than_one_task_at_a_time_are_refused() {
    let guide = "guide { task: amortized(sgd, steps = 1, rate = 1) }";
    let task = "w ~ Normal(m, 1)\nplate row = rows { data y: real\n y ~ Normal(w, 1) }";
    for (text, part) in [
        (
            format!("m ~ Normal(mean(row: y), 1)\nplate task {{ {task} }}\n{guide}"),
            "an aggregate goes over `row`",
        ),
        (
            format!("m ~ Normal(0, 1)\nplate task {{ {task} }}\nplate all = rows {{ data z: real\n z ~ Normal(m, 1) }}\n{guide}"),
            "`all` does not lie in `task`",
        ),
        (
            format!("m ~ Normal(0, 1)\nplate task = 3 {{ {task} }}\n{guide}"),
            "not the values of one column",
        ),
        (
            "m ~ Normal(0, 1)\nplate task {\n w ~ Normal(m, 1)\n plate part { data z: real\n z ~ Normal(w, 1)\n plate row = rows { data y: real\n y ~ Normal(w, 1) } } }\n".to_owned() + guide,
            "`part` lies in `task`",
        ),
        (
            format!("m ~ Normal(0, 1)\nplate task {{ data kind: category = column(\"task\")\n shift = 0.1 * kind\n w ~ Normal(m + shift, 1)\nplate row = rows {{ data y: real\n y ~ Normal(w, 1) }} }}\n{guide}"),
            "both data and the key of `task`",
        ),
    ] {
        let csv = "task,part,y,z\na,p,1,2\na,p,2,2\nb,q,0,1\n";
        let problems = grouped(&text, csv, 2).expect_err("it needs more than one task");
        let said = problem::render(&problems, &Source::new("model.hvi", &text), false);
        let codes = problems.sorted();
        assert!(codes.iter().all(|p| p.code == Code::RowsAtOnce), "{said}");
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

/// Fits on the command line, in memory and from disk.
#[test]
fn a_streamed_fit_is_that_in_memory_and_is_gone_on_with_and_adapted_from() {
    let folder = Folder::new("grouped");
    folder.write("net.hvi", NETWORK);
    folder.write("net.csv", &table(&TEXTS));
    folder.write("new.csv", &table(&["n1", "n2"]));
    let fit = |name: &str, steps: &str, more: &[&str], code: i32| {
        let mut args = vec![
            "fit",
            "net.hvi",
            "net.csv",
            "--max-iterations",
            steps,
            "-o",
            name,
        ];
        args.extend(more);
        let output = folder.hvic(&args);
        exits(&output, code);
        (out(&output), err(&output))
    };
    let batch = ["--batch", "task=3"];
    let streamed = [&batch[..], &["--stream"]].concat();
    let (whole, _) = fit("whole.fit", "60", &batch, 4);
    let (read, _) = fit("read.fit", "60", &streamed, 4);
    assert_eq!(read, whole);
    let file = |fit: &str, name: &str| fs::read(folder.0.join(fit).join(name)).expect("a file");
    let same = |fit: &str, other: &str| {
        let names = [
            "summary.csv",
            "guide.json",
            "state.f64",
            "posterior.json",
            "draws.f64",
        ];
        for name in names {
            assert!(
                file(fit, name) == file(other, name),
                "{fit}/{name} and {other}"
            );
        }
    };
    same("read.fit", "whole.fit");
    // Further steps of either, from disk and in memory.
    for (name, more) in [("whole.fit", &streamed[..]), ("read.fit", &batch[..])] {
        fit(name, "90", &[more, &["--resume"]].concat(), 4);
    }
    same("read.fit", "whole.fit");
    // From disk labels of tasks are not kept: there is nothing that they would be labels of.
    let levels = String::from_utf8(file("whole.fit", "levels.json")).expect("text");
    assert!(
        !levels.contains("t10") && levels.contains("left"),
        "{levels}"
    );
    // No copy of the rows is left.
    let mut left: Vec<String> = fs::read_dir(&folder.0)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["net.csv", "net.hvi", "new.csv", "read.fit", "whole.fit"]
    );

    let predicted = |fit: &str| {
        exits(
            &folder.hvic(&["adapt", fit, "new.csv", "-o", "new.fit", "--force", "-q"]),
            0,
        );
        let output = folder.hvic(&["predict", "new.fit", "new.csv"]);
        exits(&output, 0);
        out(&output)
    };
    let from_disk = predicted("read.fit");
    // A heading, `other` of both tasks, and `y` of their 2 and 3 rows.
    assert_eq!(from_disk.lines().count(), 1 + 2 + 5);
    assert_eq!(from_disk, predicted("whole.fit"));

    let sines = example("examples/sinusoid", "sinusoid.hvi");
    let unsaid = folder.hvic(&["fit", &sines, "net.csv", "--stream"]);
    exits(&unsaid, 2);
    let message = err(&unsaid);
    assert!(message.contains("`--batch task=32`"), "{message}");
    folder.write("net.csv", &table(&["a", "b", "a"]));
    let (_, message) = fit("apart.fit", "60", &streamed, 1);
    assert!(
        message.contains("E0806") && message.contains("sort the table by `task`"),
        "{message}"
    );
}
