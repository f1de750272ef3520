//! How much memory fits need whose tasks are read from disk, for few tasks and for many, and the same in memory.

use super::MODEL;
use super::say;
use super::table;
use hvi::num::rng;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Tasks, of ten points each.
const TASKS: [usize; 2] = [1000, 100_000];
/// Steps of a fit, each of 32 tasks, and after them one look at all.
const STEPS: &str = "30";

/// Writes a table for each number of tasks, and prints the largest resident memory of `hvic fit` with and without `--stream`.
pub fn streamed(seed: u64) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    fs::write(folder.path().join("sinusoid.hvi"), MODEL).expect("a model file");
    say("| tasks | table | fit | seconds | peak memory |");
    say("| ---: | ---: | --- | ---: | ---: |");
    for tasks in TASKS {
        let (csv, _) = table(tasks, &mut rng::stream(seed), 0.3, |_| (5, 5));
        let name = format!("tasks{tasks}.csv");
        fs::write(folder.path().join(&name), &csv).expect("a table");
        for (how, option) in [("`--stream`", Some("--stream")), ("in memory", None)] {
            let start = Instant::now();
            let peak = peak(folder.path(), &name, option);
            say(&format!(
                "| {tasks} | {:.1} MB | {how} | {:.0} | {} |",
                csv.len() as f64 / MB,
                start.elapsed().as_secs_f64(),
                peak.map_or("not known here".to_owned(), |kb| format!(
                    "{:.1} MB",
                    kb / 1024.0
                )),
            ));
        }
    }
}

/// Bytes.
const MB: f64 = 1_048_576.0;

/// The largest resident memory of a fit in kilobytes, where the system tells: looked at until it ends.
fn peak(folder: &Path, table: &str, option: Option<&str>) -> Option<f64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hvic"))
        .args([
            "fit",
            "sinusoid.hvi",
            table,
            "--batch",
            "task=32",
            "--force",
            "--quiet",
        ])
        .args(["--max-iterations", STEPS])
        .args(option)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("hvic runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        let told = fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find(|line| line.starts_with("VmHWM:"));
        let own = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        peak = own.or(peak);
        if let Some(ended) = child.try_wait().expect("a child") {
            // The iterations are spent.
            assert_eq!(ended.code(), Some(4), "the fit failed");
            return peak;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
