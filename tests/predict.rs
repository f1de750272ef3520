//! `hvic predict` and `hvic adapt`, driven from outside: files, streams, exit codes, and that the same seed gives the same bytes.

mod command;

use command::Folder;
use command::err;
use command::example;
use command::exits;
use command::out;
use serde_json::Value;
use std::fs;

/// A folder with a fit of the radon model.
fn fitted(name: &str) -> Folder {
    let folder = Folder::new(name);
    let [model, data] = ["model.hvi", "data.csv"].map(|file| example("examples/radon", file));
    exits(
        &folder.hvic(&["fit", &model, &data, "-o", "r.fit", "-q"]),
        0,
    );
    folder
}

/// Rows of two known counties and of one that is not.
const ROWS: &str = "county,uranium,floor\nAITKIN,-0.689,0\nST LOUIS,-0.474,1\nNOWHERE,0.2,0\n";

#[test]
fn rows_are_predicted_without_their_outcome() {
    let folder = fitted("predict");
    folder.write("new.csv", ROWS);
    let output = folder.hvic(&["predict", "r.fit", "new.csv"]);
    exits(&output, 0);
    let text = out(&output);
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        ["county", "house", "mean", "sd", "q5", "median", "q95"]
    );
    let number = |row: usize, k: usize| lines[row][k].parse::<f64>().expect("a number");
    // alpha + beta floor by the reference posterior, whose alpha[AITKIN] is 0.96; sigma is 0.76.
    assert!((number(1, 2) - 0.95).abs() < 0.1, "{text}");
    for row in 1..=3 {
        assert!((0.7..1.0).contains(&number(row, 3)), "{text}");
        assert!(number(row, 4) < number(row, 5) && number(row, 5) < number(row, 6));
    }
    assert!(
        err(&output).contains("1 element of `county` not in the fit"),
        "{}",
        err(&output)
    );
    let refused = folder.hvic(&["predict", "r.fit", "new.csv", "--new-levels", "error"]);
    exits(&refused, 1);
    assert!(err(&refused).contains("`NOWHERE`"), "{}", err(&refused));
    assert_eq!(out(&refused), "");
}

#[test]
fn predictions_are_the_same_for_the_same_seed() {
    let folder = fitted("predict_seed");
    folder.write("new.csv", ROWS);
    let run = |more: &[&str]| {
        let output = folder.hvic(&[&["predict", "r.fit", "new.csv"], more].concat());
        exits(&output, 0);
        out(&output)
    };
    let one = run(&["-j", "1"]);
    assert_eq!(one, run(&["-j", "2"]));
    assert_ne!(one, run(&["--seed", "2"]));
    let json: Value = serde_json::from_str(&run(&["--json", "--ci", "50"])).expect("JSON");
    assert_eq!(json["model"], "radon");
    assert_eq!(json["unseen"]["county"], 1);
    let row = &json["predictions"][1];
    assert_eq!(row["label"]["county"], "ST LOUIS");
    assert!(row["q25"].as_f64() < row["q75"].as_f64());
}

#[test]
fn new_counties_are_adapted_and_predicted() {
    let folder = fitted("adapt");
    folder.write(
        "new.csv",
        "county,uranium,floor,log_radon\nNEW,0.2,0,4.1\nNEW,0.2,0,3.9\nNEW,0.2,0,4\nOTHER,-0.3,1,0\n",
    );
    let run = |threads: &str| {
        let output = folder.hvic(&["adapt", "r.fit", "new.csv", "--force", "-j", threads]);
        exits(&output, 0);
        let draws = fs::read(folder.0.join("r.adapted.fit/draws.f64")).expect("draws");
        (out(&output), draws)
    };
    let one = run("1");
    assert!(one.0.contains("alpha[county=NEW]"), "{}", one.0);
    assert!(
        !one.0.contains("AITKIN") && !one.0.contains("mu "),
        "{}",
        one.0
    );
    assert_eq!(one, run("2"));
    exits(&folder.hvic(&["adapt", "r.fit", "new.csv"]), 2);
    exits(&folder.hvic(&["summary", "r.adapted.fit"]), 0);
    // The new county is known now, and those of the fit still are.
    folder.write(
        "rows.csv",
        "county,uranium,floor\nNEW,0.2,0\nAITKIN,-0.689,0\n",
    );
    let rows = [
        "predict",
        "r.adapted.fit",
        "rows.csv",
        "--new-levels",
        "error",
    ];
    let output = folder.hvic(&rows);
    exits(&output, 0);
    let text = out(&output);
    let mean = |line: &str| line.split(',').nth(2).map(str::parse::<f64>);
    let means: Vec<f64> = text.lines().skip(1).filter_map(mean).flatten().collect();
    // High radon in three houses lifts it over what its uranium says, 1.6, by far less than to 4.
    assert!(means[0] > 1.65 && means[0] < 2.5, "{text}");
    // Neither of them is new to a second adaptation.
    let again = folder.hvic(&["adapt", "r.adapted.fit", "new.csv"]);
    exits(&again, 1);
    assert!(
        err(&again).contains("all elements of `county`"),
        "{}",
        err(&again)
    );
}

#[test]
fn data_that_do_not_fit_are_reported_as_ever() {
    let folder = fitted("predict_wrong");
    let cases = [
        ("county,uranium\nAITKIN,1\n", "E0610"),
        ("county,uranium,floor\nAITKIN,high,0\n", "E0613"),
        ("count,uranium,floor\nAITKIN,1,0\n", "E0609"),
    ];
    for (csv, code) in cases {
        folder.write("new.csv", csv);
        let output = folder.hvic(&["predict", "r.fit", "new.csv"]);
        exits(&output, 1);
        assert!(err(&output).contains(code), "{code}: {}", err(&output));
    }
    // Adapting needs the outcome, predicting an existing file needs `--force`.
    folder.write("new.csv", "county,uranium,floor\nNEW,1,0\n");
    exits(&folder.hvic(&["adapt", "r.fit", "new.csv"]), 1);
    exits(
        &folder.hvic(&["predict", "r.fit", "new.csv", "-o", "new.csv"]),
        2,
    );
    let output = folder.hvic(&["predict", "r.fit", "new.csv", "-o", "out.csv"]);
    exits(&output, 0);
    assert_eq!(out(&output), "");
    let written = fs::read_to_string(folder.0.join("out.csv")).expect("the file");
    assert_eq!(written.lines().count(), 2);
    let none = folder.hvic(&["predict", ".", "new.csv"]);
    exits(&none, 2);
    assert!(err(&none).contains("not a fit folder"), "{}", err(&none));
}

/// A fit that finds the locals of a plate by gradient steps keeps no draws of them; what is learned of a new element is kept.
#[test]
fn new_tasks_of_an_amortised_plate_are_learned_and_predicted() {
    let folder = fitted("predict_amortized");
    folder.write(
        "tasks.hvi",
        "mu ~ Normal(0, 10)\nplate task {\n  a ~ Normal(mu, 2)\n  plate trial = rows {\n    data y: real\n    y ~ Normal(a, 1)\n  }\n}\n\
         guide {\n  default point\n  task: amortized(sgd, steps = 60, rate = 0.05)\n}\n",
    );
    folder.write("old.csv", "task,y\na,1\na,2\nb,4\nb,3\nc,2\n");
    folder.write("new.csv", "task,y\nd,6\nd,7\nd,5\n");
    exits(
        &folder.hvic(&["fit", "tasks.hvi", "old.csv", "-o", "t.fit", "-q"]),
        0,
    );
    let predicted = |fit: &str| {
        let output = folder.hvic(&["predict", fit, "new.csv"]);
        exits(&output, 0);
        let text = out(&output);
        let row = text.lines().nth(1).expect("a row").to_owned();
        let row = row.split(',').skip(2).take(2);
        row.map(|x| x.parse().expect("a number"))
            .collect::<Vec<f64>>()
    };
    // Three tasks with means near 1.5, 3.5 and 2: mu is 2.3. Of a task never seen nothing else is known.
    let [mean, sd] = predicted("t.fit")[..] else {
        panic!("a mean and an sd");
    };
    assert!((mean - 2.3).abs() < 0.3, "{mean}");
    assert!((sd - 5.0_f64.sqrt()).abs() < 0.2, "{sd}");
    let adapted = folder.hvic(&["adapt", "t.fit", "new.csv", "-o", "d.fit", "-q"]);
    exits(&adapted, 0);
    let verdict = out(&adapted);
    assert!(verdict.contains("by the gradient steps"), "{verdict}");
    // Precision 3 of its rows and 1/4 of the population.
    let [mean, sd] = predicted("d.fit")[..] else {
        panic!("a mean and an sd");
    };
    assert!((mean - (18.0 + 2.3 / 4.0) / 3.25).abs() < 0.1, "{mean}");
    assert!((sd - (1.0 + 1.0 / 3.25_f64).sqrt()).abs() < 0.1, "{sd}");
}
