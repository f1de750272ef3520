//! The command line, driven from outside: exit codes, streams, files, and that the same seed gives the same bytes.

mod command;

use command::Folder;
use command::err;
use command::example;
use command::exits;
use command::out;
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const SCHOOLS: &str = "examples/eight_schools";

impl Folder {
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn fit_schools(&self, more: &[&str]) -> Output {
        let (model, data) = (example(SCHOOLS, "model.hvi"), example(SCHOOLS, "data.csv"));
        let mut args = vec!["fit", &model, &data];
        args.extend(more);
        self.hvic(&args)
    }
}

/// A fit's JSON without what differs from run to run.
fn lasting(json: &str) -> Value {
    let mut value: Value = serde_json::from_str(json).expect("JSON");
    let object = value.as_object_mut().expect("an object");
    assert!(object.remove("time").is_some() && object.contains_key("peak_rss_mb"));
    object.remove("peak_rss_mb");
    value
}

#[test]
fn a_fit_prints_its_result_and_writes_its_folder() {
    let folder = Folder::new("fit");
    let output = folder.fit_schools(&[]);
    exits(&output, 0);
    let text = out(&output);
    for part in [
        "eight_schools: 8 rows",
        "school",
        "mu",
        "tau",
        "theta 8",
        "--all",
        "ELBO",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(!text.contains("theta[school=A]"), "{text}");
    let mut table = text.lines().skip_while(|l| !l.ends_with("k_hat"));
    assert!(table.all(|l| l.chars().count() <= 100), "{text}");
    assert!(err(&output).contains("fitted in"), "{}", err(&output));
    for file in [
        "fit.json",
        "guide.json",
        "levels.json",
        "model.hvi",
        "summary.csv",
        "version",
    ] {
        assert!(folder.0.join("model.fit").join(file).is_file(), "{file}");
    }
    let model = fs::read_to_string(example(SCHOOLS, "model.hvi")).expect("the model");
    assert_eq!(folder.read("model.fit/model.hvi"), model);
}

/// The short run of `hvic sample` on the eight schools.
fn sample_schools(folder: &Folder, more: &[&str]) -> Output {
    let (model, data) = (example(SCHOOLS, "model.hvi"), example(SCHOOLS, "data.csv"));
    let mut args = vec!["sample", &model, &data, "--warmup", "300", "--draws", "200"];
    args.extend(more);
    folder.hvic(&args)
}

#[test]
fn a_sample_prints_its_convergence_and_writes_its_draws() {
    let folder = Folder::new("sample");
    let output = sample_schools(&folder, &["--marginal", "--out", "x"]);
    exits(&output, 0);
    let text = out(&output);
    assert!(text.contains("ess_tail  r_hat"), "{text}");
    assert!(
        text.contains("NUTS: 4 chains of 200 draws after 300 of warm-up"),
        "{text}"
    );
    let draws = folder.read("x/draws.csv");
    assert_eq!(draws.lines().count(), 1 + 4 * 200);
    let heading = draws.lines().next().expect("a heading");
    assert!(heading.starts_with("chain,draw,mu,tau,"), "{heading}");
    assert!(
        heading.contains("[school="),
        "group effects are drawn too: {heading}"
    );
    // What is stored prints as it did.
    let again = folder.hvic(&["summary", "x"]);
    exits(&again, 0);
    assert!(text.ends_with(&out(&again)), "{}", out(&again));
}

#[test]
fn samples_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new("sample_threads");
    for space in [&["--json"][..], &["--json", "--marginal"]] {
        let with = |threads: &str, seed: &str| {
            let more = [space, &["-j", threads, "--seed", seed]].concat();
            lasting(&out(&sample_schools(&folder, &more)))
        };
        let one = with("1", "4");
        assert_eq!(one, with("2", "4"));
        assert_ne!(one["parameters"], with("1", "5")["parameters"]);
        assert_eq!(one["sampler"]["chains"], 4);
    }
}

#[test]
fn a_fit_is_held_against_nuts() {
    let folder = Folder::new("against");
    // Chains in the centred funnel of `tau` mix well enough to judge by with some seeds only.
    let output = folder.fit_schools(&["--against", "nuts", "--json", "--seed", "4"]);
    exits(&output, 0);
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let both = json["against"]["parameters"].as_array().expect("numbers");
    assert_eq!(
        both.len(),
        json["parameters"].as_array().map_or(0, Vec::len)
    );
    for number in both {
        let z = number["z"].as_f64().expect("a difference");
        assert!(z.abs() < 0.3, "{number}");
    }
    let text = json["against"]["text"].as_str().expect("a judgement");
    assert!(text.contains("agree"), "{text}");
}

#[test]
fn linear_response_mends_the_sds_of_a_guide_without_couplings() {
    let folder = Folder::new("response");
    let output = folder.fit_schools(&["--guide", "mean_field", "--linear-response", "--json"]);
    exits(&output, 0);
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let numbers = json["response"].as_array().expect("numbers");
    let names: Vec<&Value> = numbers.iter().map(|number| &number["name"]).collect();
    assert_eq!(names, ["mu", "tau"]);
    let sd = |of: &str| numbers[0][of].as_f64().expect("an sd");
    // NUTS gives 3.3.
    assert!(
        sd("guide_sd") < 2.2 && (2.9..3.8).contains(&sd("sd")),
        "{numbers:?}"
    );
    let refused = folder.fit_schools(&["--linear-response", "--force"]);
    exits(&refused, 2);
    assert!(
        err(&refused).contains("`--guide mean_field`"),
        "{}",
        err(&refused)
    );
}

#[test]
fn a_stored_fit_prints_as_when_it_was_made() {
    let folder = Folder::new("summary");
    let fitted = folder.fit_schools(&["--all"]);
    exits(&fitted, 0);
    let summary = folder.hvic(&["summary", "model.fit", "--all"]);
    exits(&summary, 0);
    assert!(out(&summary).contains("theta[school=A]"));
    assert!(out(&fitted).ends_with(&out(&summary)));
    assert_eq!(err(&summary), "");
}

#[test]
fn json_is_all_that_stands_on_standard_output() {
    let folder = Folder::new("json");
    let output = folder.fit_schools(&["--json", "-q"]);
    exits(&output, 0);
    assert_eq!(err(&output), "");
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["model"], "eight_schools");
    assert_eq!(json["rows"], 8);
    assert_eq!(json["plates"]["school"], 8);
    let parameters = json["parameters"].as_array().expect("parameters");
    let theta = parameters
        .iter()
        .find(|p| p["name"] == "theta" && p["index"][0] == 2);
    let theta = theta.expect("the second school");
    assert_eq!(theta["label"]["school"], "B");
    for key in ["mean", "sd", "q5", "median", "q95", "k_hat"] {
        assert!(theta[key].is_number(), "{key} in {theta}");
    }
    let terms = json["elbo"]["terms"].as_array().expect("terms");
    let total: f64 = terms
        .iter()
        .map(|t| {
            let value = t["value"].as_f64().expect("a number");
            if t["kind"] == "kl" { -value } else { value }
        })
        .sum();
    let elbo = json["elbo"]["total"].as_f64().expect("a number");
    assert!(
        (total - elbo).abs() < 1e-6 * elbo.abs(),
        "{total} is not {elbo}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = Folder::new("seed");
    let runs: Vec<Value> = [("a", "1"), ("b", "2"), ("c", "1")]
        .iter()
        .map(|(name, threads)| {
            exits(
                &folder.fit_schools(&["-q", "-o", name, "-j", threads, "--seed", "7"]),
                0,
            );
            lasting(&folder.read(&format!("{name}/fit.json")))
        })
        .collect();
    assert_eq!(runs[0].to_string(), runs[1].to_string());
    assert_eq!(runs[0].to_string(), runs[2].to_string());
    assert_eq!(folder.read("a/guide.json"), folder.read("b/guide.json"));
    assert_eq!(folder.read("a/summary.csv"), folder.read("b/summary.csv"));
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = Folder::new("force");
    exits(&folder.fit_schools(&["-q"]), 0);
    let before = folder.read("model.fit/fit.json");
    let refused = folder.fit_schools(&["--seed", "2"]);
    exits(&refused, 2);
    assert!(err(&refused).contains("--force"), "{}", err(&refused));
    assert_eq!(out(&refused), "");
    assert_eq!(folder.read("model.fit/fit.json"), before);
    exits(&folder.fit_schools(&["-q", "--seed", "2", "--force"]), 0);
    assert_ne!(folder.read("model.fit/fit.json"), before);
    // Force replaces a fit, never anything else.
    folder.write("notes.fit", "mine");
    exits(&folder.fit_schools(&["--force", "-o", "notes.fit"]), 2);
    assert_eq!(folder.read("notes.fit"), "mine");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let folder = Folder::new("pipe");
    for args in [
        vec!["doc", "--page", "problems"],
        vec!["explain", &example(SCHOOLS, "model.hvi")],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hvic"))
            .args(&args)
            .current_dir(&folder.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("hvic runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("hvic ends");
        assert_eq!(err(&output), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_wrong_model_ends_in_1_and_a_wrong_command_in_2() {
    let folder = Folder::new("codes");
    folder.write("wrong.hvi", "mu ~ Norml(0, 1)\n");
    let wrong = folder.hvic(&["check", "wrong.hvi"]);
    exits(&wrong, 1);
    assert_eq!(out(&wrong), "");
    assert!(err(&wrong).contains("wrong.hvi:1:6"), "{}", err(&wrong));
    exits(&folder.hvic(&["fit", "no_such_file.hvi"]), 2);
    exits(&folder.hvic(&["fit"]), 2);
    exits(&folder.hvic(&["fitt"]), 2);
    exits(&folder.hvic(&["doc", "Norml"]), 2);
    exits(&folder.hvic(&["summary", "codes"]), 2);
    exits(&folder.hvic(&["check", "wrong.hvi", "--set", "K"]), 2);
}

#[test]
fn an_unfinished_fit_ends_in_4_and_is_written() {
    let folder = Folder::new("unfinished");
    let output = folder.fit_schools(&["--max-iterations", "1"]);
    exits(&output, 4);
    assert!(
        err(&output).contains("not converged after 1 iteration"),
        "{}",
        err(&output)
    );
    let json: Value = serde_json::from_str(&folder.read("model.fit/fit.json")).expect("JSON");
    assert_eq!(json["verdict"]["converged"], false);
}

#[test]
fn problems_have_a_json_too() {
    let folder = Folder::new("check-json");
    folder.write("wrong.hvi", "mu ~ Norml(0, 1)\n");
    let output = folder.hvic(&["check", "wrong.hvi", "--json"]);
    exits(&output, 1);
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let problem = &json["problems"][0];
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["place"]["line"], 1);
    assert_eq!(problem["place"]["column"], 6);
    let (model, data) = (example(SCHOOLS, "model.hvi"), example(SCHOOLS, "data.csv"));
    let right = folder.hvic(&["check", &model, &data, "--json"]);
    exits(&right, 0);
    let json: Value = serde_json::from_str(&out(&right)).expect("JSON");
    assert_eq!(json["plates"]["school"], 8);
}

#[test]
fn files_are_formatted_in_place_and_streams_through() {
    let folder = Folder::new("fmt");
    let ugly = "mu~Normal( 0,1 ) // prior\n";
    folder.write("a.hvi", ugly);
    let listed = folder.hvic(&["fmt", "--check", "a.hvi"]);
    exits(&listed, 1);
    assert_eq!(out(&listed), "a.hvi\n");
    assert_eq!(folder.read("a.hvi"), ugly);
    exits(&folder.hvic(&["fmt", "a.hvi"]), 0);
    let pretty = folder.read("a.hvi");
    assert!(
        pretty.contains("mu ~ Normal(0, 1)") && pretty.contains("// prior"),
        "{pretty}"
    );
    exits(&folder.hvic(&["fmt", "--check", "a.hvi"]), 0);
    folder.write("broken.hvi", "mu ~ \n");
    exits(&folder.hvic(&["fmt", "broken.hvi"]), 1);
    assert_eq!(folder.read("broken.hvi"), "mu ~ \n");
}

#[test]
fn intervals_and_variables_are_chosen() {
    let folder = Folder::new("choice");
    let output = folder.fit_schools(&["--ci", "50,95", "--vars", "theta", "-q"]);
    exits(&output, 0);
    let text = out(&output);
    for part in ["q2.5", "q25", "q75", "q97.5", "theta[school=H]"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(!text.contains("\ntau "), "{text}");
    let unknown = folder.fit_schools(&["--force", "--vars", "thetta"]);
    exits(&unknown, 2);
    assert!(
        err(&unknown).contains("did you mean `theta`?"),
        "{}",
        err(&unknown)
    );
}

#[test]
fn every_stage_can_be_printed() {
    let folder = Folder::new("emit");
    let model = example(SCHOOLS, "model.hvi");
    for stage in ["ast", "typed", "model", "joint", "guide", "elbo", "tape"] {
        let output = folder.hvic(&["emit", stage, &model]);
        exits(&output, 0);
        assert!(!out(&output).is_empty(), "{stage}");
    }
}

/// What `hvic bench` says of a model of the examples.
fn cost(folder: &Folder, example_name: &str, more: &[&str]) -> Value {
    let (model, data) = (
        example(example_name, "model.hvi"),
        example(example_name, "data.csv"),
    );
    let mut args = vec!["bench", &model, &data, "--json"];
    args.extend(more);
    let output = folder.hvic(&args);
    exits(&output, 0);
    serde_json::from_str(&out(&output)).expect("JSON")
}

#[test]
fn the_cost_of_a_gradient_is_measured() {
    let folder = Folder::new("bench");
    let json = cost(&folder, "examples/radon", &["--threads", "1"]);
    assert_eq!(json["version"], 1);
    assert_eq!(json["rows"], 919);
    assert_eq!(json["plates"]["county"], 85);
    // Five at the top level and one for each county.
    assert_eq!(json["parameters"], 90);
    assert_eq!(json["threads"], 1);
    assert!(json["path"].as_str().is_some_and(|path| !path.is_empty()));
    let number = |key: &str| {
        json[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} in {json}"))
    };
    for clock in ["ns_per_gradient", "wall_ns_per_gradient"] {
        assert!(number(clock) > 100.0, "{clock} in {json}");
    }
    for (row, all) in [
        ("ns_per_row", "ns_per_gradient"),
        ("wall_ns_per_row", "wall_ns_per_gradient"),
    ] {
        assert!((number(row) * 919.0 / number(all) - 1.0).abs() < 1e-9);
    }
    // One thread cannot use more than the clock gives, the coarseness of the clocks aside.
    assert!(
        number("ns_per_row") < 1.1 * number("wall_ns_per_row"),
        "{json}"
    );
    assert_eq!(json["fused"][0]["term"], "log_radon");
    let stages = json["stages"].as_array().expect("stages");
    assert!(
        stages
            .iter()
            .any(|s| s["plate"] == "county" && s["elements"] == 85)
    );
    assert!(number("nodes") > 10.0 && number("gradients") >= 3.0);
    for key in ["read", "bind", "lower"] {
        assert!(json["time"][key].as_f64().is_some_and(|t| t > 0.0), "{key}");
    }
}

#[test]
fn bytes_a_row_are_those_of_columns_and_tables() {
    let folder = Folder::new("bytes");
    folder.write(
        "lines.hvi",
        "b ~ Normal(0, 1)\nplate g {\n  a ~ Normal(0, 1)\n  plate obs = rows {\n    data x, z, y: real\n    \
         y ~ StudentT(3, a + b * x + b^2 * z, 1)\n  }\n}\n",
    );
    folder.write(
        "lines.csv",
        "g,x,z,y,other\n1,1,2,3,4\n2,2,3,5,6\n2,3,4,7,8\n",
    );
    let output = folder.hvic(&["bench", "lines.hvi", "lines.csv", "--json", "--primitive"]);
    exits(&output, 0);
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    // Three columns of 8 bytes and a table of 4 bytes from rows to groups.
    assert_eq!(json["bytes_per_row"], 28.0);
}

#[test]
fn passes_are_switched_off_by_name() {
    let folder = Folder::new("passes");
    let schools = |more: &[&str]| {
        let json = cost(&folder, SCHOOLS, more);
        let names = json["passes"].as_array().expect("names of passes");
        let made = |name: &str| names.iter().any(|n| n == name);
        [
            "sorted rows",
            "data folding",
            "fused forms",
            "sufficient statistics",
        ]
        .map(made)
    };
    assert_eq!(schools(&[]), [true; 4]);
    assert_eq!(schools(&["--no-collapse"]), [true, true, true, false]);
    let primitive = [true, true, false, false];
    assert_eq!(schools(&["--primitive"]), primitive);
    assert_eq!(schools(&["--primitive", "--no-collapse"]), primitive);
    let plain = cost(&folder, "examples/radon", &["--primitive"]);
    assert_eq!(plain["path"], "block tape");
    assert_eq!(plain["fused"].as_array().map(Vec::len), Some(0));
    let stages = plain["stages"].as_array().expect("stages");
    let rows = stages.iter().find(|stage| stage["plate"] == "house");
    assert_eq!(rows.expect("a stage of the rows")["elements"], 919);
}

#[test]
fn the_cost_reads_at_a_glance() {
    let folder = Folder::new("bench-text");
    let (model, data) = (example(SCHOOLS, "model.hvi"), example(SCHOOLS, "data.csv"));
    let output = folder.hvic(&["bench", &model, &data, "-j", "1"]);
    exits(&output, 0);
    let text = out(&output);
    for part in [
        "eight_schools: 8 rows",
        "value and gradient",
        "a row",
        "10 parameters",
        "node",
        "bytes a row",
        "read in",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    folder.write("far.hvi", "x ~ HalfNormal(1)\nfactor log(x - 50)\n");
    let lost = folder.hvic(&["bench", "far.hvi"]);
    exits(&lost, 1);
    assert!(
        err(&lost).contains("where a fit would start"),
        "{}",
        err(&lost)
    );
}

#[test]
fn explanations_know_three_formats() {
    let folder = Folder::new("explain");
    let model = example(SCHOOLS, "model.hvi");
    let text = folder.hvic(&["explain", &model]);
    exits(&text, 0);
    insta::assert_snapshot!("explain_eight_schools", out(&text));
    let radon = example("examples/radon", "model.hvi");
    insta::assert_snapshot!("explain_radon", out(&folder.hvic(&["explain", &radon])));
    let lsat = example("examples/lsat", "model.hvi");
    insta::assert_snapshot!("explain_lsat", out(&folder.hvic(&["explain", &lsat])));
    let kidiq = example("examples/kidiq", "model.hvi");
    insta::assert_snapshot!("explain_kidiq", out(&folder.hvic(&["explain", &kidiq])));
    let epil = example("examples/epil", "model.hvi");
    let markdown = folder.hvic(&["explain", &epil, "--format", "md"]);
    insta::assert_snapshot!("explain_epil_markdown", out(&markdown));
    let latex = folder.hvic(&["explain", &radon, "--format", "latex"]);
    insta::assert_snapshot!("explain_radon_latex", out(&latex));
    let named = folder.hvic(&["explain", &model, "--guide", "structured"]);
    let why = "bounded and not integrated out, because the guide was asked for by name";
    assert!(
        out(&named).replace('\n', " ").contains(why),
        "{}",
        out(&named)
    );
    exits(&folder.hvic(&["explain", &model, "-o", "a.txt"]), 0);
    assert_eq!(folder.read("a.txt"), out(&text));
    exits(&folder.hvic(&["explain", &model, "-o", "a.txt"]), 2);
}

#[test]
fn help_is_short_and_whole() {
    let folder = Folder::new("help");
    insta::assert_snapshot!("help", out(&folder.hvic(&["--help"])));
    insta::assert_snapshot!("help_fit", out(&folder.hvic(&["fit", "-h"])));
    insta::assert_snapshot!("help_bench", out(&folder.hvic(&["bench", "-h"])));
    insta::assert_snapshot!("doc", out(&folder.hvic(&["doc", "Normal"])));
}

#[test]
fn instructions_are_forced_by_option_and_environment() {
    let folder = Folder::new("isa");
    let (model, data) = (example(SCHOOLS, "model.hvi"), example(SCHOOLS, "data.csv"));
    let bench = |more: &[&str], variable: &str| {
        Command::new(env!("CARGO_BIN_EXE_hvic"))
            .args(["bench", &model, &data, "--json"])
            .args(more)
            .env("HVI_ISA", variable)
            .current_dir(&folder.0)
            .output()
            .expect("hvic runs")
    };
    let isa = |output: &Output| {
        let json: Value = serde_json::from_str(&out(output)).expect("JSON");
        json["isa"].as_str().map(str::to_owned)
    };
    let portable = Some("portable".to_owned());
    assert_eq!(isa(&bench(&[], "portable")), portable);
    // The option wins.
    assert_eq!(isa(&bench(&["--isa", "portable"], "wide")), portable);
    let unknown = bench(&[], "wide");
    assert_eq!(unknown.status.code(), Some(2));
    let text = err(&unknown);
    assert!(
        text.contains("`HVI_ISA`") && text.contains("`wide` is not an instruction set"),
        "{text}"
    );
    let unknown = bench(&["--isa", "wide"], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("`avx2`"), "{}", err(&unknown));
    // No processor has both.
    let foreign = if cfg!(target_arch = "aarch64") {
        "avx2"
    } else {
        "neon"
    };
    let absent = bench(&["--isa", foreign], "");
    assert_eq!(absent.status.code(), Some(2));
    assert!(
        err(&absent).contains(&format!("does not have the instructions `{foreign}`")),
        "{}",
        err(&absent)
    );
}

#[test]
fn a_table_in_chunks_gives_the_same_fit() {
    let folder = Folder::new("stream");
    let (model, data) = (
        example("examples/radon", "model.hvi"),
        example("examples/radon", "data.csv"),
    );
    let summary = |more: &[&str], name: &str| -> Value {
        let mut args = vec!["fit", &model, &data, "--json", "--output", name];
        args.extend(more);
        let output = folder.hvic(&args);
        exits(&output, 0);
        serde_json::from_str(&out(&output)).expect("JSON")
    };
    let (whole, chunks) = (summary(&[], "whole"), summary(&["--stream"], "chunks"));
    for key in ["rows", "plates"] {
        assert_eq!(whole[key], chunks[key]);
    }
    let (whole, chunks) = (&whole["parameters"], &chunks["parameters"]);
    let count = whole.as_array().map_or(0, Vec::len);
    assert_eq!(count, chunks.as_array().map_or(0, Vec::len));
    for k in 0..count {
        let of = |list: &Value, key: &str| list[k][key].as_f64().expect("a number");
        assert_eq!(whole[k]["label"], chunks[k]["label"]);
        let sd = of(whole, "sd");
        assert!((of(whole, "mean") - of(chunks, "mean")).abs() < 0.02 * sd);
        assert!((of(chunks, "sd") / sd).ln().abs() < 0.02);
    }

    let bench = folder.hvic(&["bench", &model, &data, "--stream", "--json"]);
    exits(&bench, 0);
    let bench: Value = serde_json::from_str(&out(&bench)).expect("JSON");
    let path = bench["path"].as_str().unwrap_or_default();
    assert!(path.contains("sufficient statistics: 919 rows"), "{path}");
    assert!(
        bench["blocks_per_gradient"]
            .as_f64()
            .is_some_and(|cost| cost > 0.0)
    );
    let bench = folder.hvic(&["bench", &model, &data, "--stream", "--no-collapse"]);
    exits(&bench, 0);
    assert!(
        out(&bench).contains("read in chunks for every run"),
        "{}",
        out(&bench)
    );
}

#[test]
fn a_table_in_chunks_is_refused_where_rows_are_needed_at_once() {
    let folder = Folder::new("stream_refused");
    folder.write(
        "model.hvi",
        "plate row = rows { data y: real; z ~ Normal(0, 1); y ~ Normal(z, 1) }",
    );
    folder.write("data.csv", "y\n1\n2\n");
    let output = folder.hvic(&["fit", "model.hvi", "data.csv", "--stream"]);
    exits(&output, 1);
    assert!(err(&output).contains("E0805"), "{}", err(&output));
    // Nor is there anything to read in chunks without a table.
    folder.write(
        "rows.hvi",
        "m ~ Normal(0, 1)\nplate row = rows { data y: real; y ~ Normal(m, 1) }",
    );
    let output = folder.hvic(&["bench", "rows.hvi", "--stream"]);
    exits(&output, 2);
    assert!(err(&output).contains("none was given"), "{}", err(&output));
}
