//! What the documents say of the code, held against the code: stages, who may use whom, the rules that a machine can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The most lines that a file may have, its tests not counted.
const LONGEST: usize = 640;

/// A source file with its path below `src/`.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The folder or file directly below `src/` that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its lines with their numbers, without tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let in_tests = self.path.split('/').any(|part| part.starts_with("tests"));
        let lines: Vec<&str> = self.text.lines().collect();
        // A module of tests in its own file is declared above the code; one in braces ends it.
        let end = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'))
            .unwrap_or(lines.len());
        let shown = if in_tests { 0 } else { end };
        lines
            .into_iter()
            .take(shown)
            .enumerate()
            .map(|(i, line)| (i + 1, line))
    }

    /// The lines of code that hold one of `words`, for a message.
    fn holding(&self, words: &[&str]) -> Vec<String> {
        let lines = self
            .code()
            .filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            .map(|(i, line)| format!("src/{}:{i}: {}", self.path, line.trim()))
            .collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn files() -> Vec<File> {
    fn visit(folder: &Path, below: &str, out: &mut Vec<File>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a readable folder").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                visit(&path, &format!("{below}{name}/"), out);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                out.push(File {
                    path: format!("{below}{name}"),
                    text,
                });
            }
        }
    }
    let mut out = Vec::new();
    visit(&root().join("src"), "", &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(out.len() > 50, "only {} files found", out.len());
    out
}

/// The rows of the table under a heading of `docs/architecture.md`, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = read("docs/architecture.md");
    let section = text
        .split("\n## ")
        .find(|s| s.starts_with(heading))
        .unwrap_or_else(|| panic!("no section `{heading}`"));
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let inner = line.trim().trim_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

/// The words between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Ends the test with a list of what is wrong, if anything is.
fn none(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn modules_use_only_those_that_the_table_allows() {
    let rows = table("Who may use whom");
    let order: Vec<String> = rows.iter().map(|row| quoted(&row[0]).remove(0)).collect();
    let mut wrong = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let module = &order[place];
        let allowed: BTreeSet<String> = quoted(&row[2]).into_iter().collect();
        for used in &allowed {
            if !order[..place].contains(used) {
                wrong.push(format!(
                    "`{used}` does not stand above `{module}` in the table"
                ));
            }
        }
        let mut found = BTreeSet::new();
        for file in files().iter().filter(|f| f.module() == module) {
            for (i, line) in file.code() {
                let uses = line.match_indices("crate::").filter(|(at, _)| {
                    !line[..*at].ends_with('$') && !line.trim_start().starts_with("//")
                });
                for (at, _) in uses {
                    let rest = &line[at + "crate::".len()..];
                    let used: String = rest
                        .chars()
                        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                        .collect();
                    if order.contains(&used) && used != *module {
                        found.insert(used.clone());
                        if !allowed.contains(&used) {
                            wrong.push(format!("src/{}:{i} uses `{used}`", file.path));
                        }
                    }
                }
            }
        }
        for unused in allowed.difference(&found) {
            wrong.push(format!(
                "`{module}` is allowed `{unused}` and does not use it"
            ));
        }
    }
    none("who may use whom", wrong);
}

#[test]
fn every_module_has_a_row() {
    let known: Vec<String> = table("Who may use whom")
        .iter()
        .flat_map(|row| quoted(&row[0]))
        .chain(["lib", "bin"].map(str::to_owned))
        .collect();
    let unknown = files()
        .iter()
        .map(|f| f.module().to_owned())
        .filter(|m| !known.contains(m))
        .collect();
    none("modules without a row", unknown);
}

#[test]
fn the_stages_have_the_functions_of_the_table() {
    let mut wrong = Vec::new();
    for row in table("The stages") {
        let (stage, function) = (&quoted(&row[0])[0], &quoted(&row[1])[0]);
        let text = read(&format!("src/{stage}/mod.rs"));
        let exported = text.lines().any(|line| {
            line.starts_with(&format!("pub fn {function}"))
                || (line.starts_with("pub use ") && line.ends_with(&format!("::{function};")))
        });
        if !exported {
            wrong.push(format!("`{stage}::{function}` is not public"));
        }
    }
    none("stages", wrong);
}

#[test]
fn every_dependency_has_a_line() {
    let known: Vec<String> = table("Dependencies")
        .iter()
        .flat_map(|row| quoted(&row[0]))
        .collect();
    let manifest = read("Cargo.toml");
    let mut used = Vec::new();
    let mut in_dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line == "[dependencies]" || line == "[dev-dependencies]";
        } else if let (true, Some((name, _))) = (in_dependencies, line.split_once('=')) {
            used.push(name.trim().to_owned());
        }
    }
    let missing = used
        .iter()
        .filter(|u| !known.contains(u))
        .cloned()
        .collect();
    none("dependencies without a line", missing);
    let gone = known
        .iter()
        .filter(|k| !used.contains(k))
        .cloned()
        .collect();
    none("lines without a dependency", gone);
}

#[test]
fn every_file_says_what_it_is() {
    let wrong = files()
        .iter()
        .filter(|f| !f.text.starts_with("//! "))
        .map(|f| f.path.clone())
        .collect();
    none("files without a sentence on the first line", wrong);
}

#[test]
fn imports_stand_one_to_a_line() {
    let mut wrong = Vec::new();
    for file in files() {
        for (i, line) in file.text.lines().enumerate() {
            let import = line.trim_start().trim_start_matches("pub ");
            if import.starts_with("use ") && import.contains('{') {
                wrong.push(format!("src/{}:{}: {}", file.path, i + 1, line.trim()));
            }
        }
    }
    none("imports of several names", wrong);
}

#[test]
fn no_file_is_too_long_to_read() {
    let wrong = files()
        .iter()
        .map(|f| (f, f.code().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(f, lines)| format!("src/{} has {lines} lines, {LONGEST} are allowed", f.path))
        .collect();
    none("long files", wrong);
}

#[test]
fn what_belongs_to_one_place_stays_there() {
    let rules: [(&str, &[&str], &[&str]); 6] = [
        (
            "the parser's crate",
            &["pest::", "pest_derive::"],
            &["ast/pairs.rs"],
        ),
        (
            "files",
            &["std::fs", "File::open", "File::create"],
            &["data/", "report/", "bin/"],
        ),
        (
            "printing",
            &["println!", "print!(", "io::stdout", "io::stderr"],
            &["bin/"],
        ),
        (
            "the environment",
            &["std::env", "std::process"],
            &["bin/", "num/simd.rs"],
        ),
        // How long a thread looks out for work changes no number.
        (
            "clocks",
            &["Instant::now", "SystemTime"],
            &["bin/", "num/wakeful.rs"],
        ),
        (
            "seeds",
            &["SeedableRng", "rand::rng(", "thread_rng"],
            &["num/rng.rs"],
        ),
    ];
    let mut wrong = Vec::new();
    for file in files() {
        for (what, words, places) in &rules {
            if !places.iter().any(|place| file.path.starts_with(place)) {
                wrong.extend(
                    file.holding(words)
                        .into_iter()
                        .map(|l| format!("{what}: {l}")),
                );
            }
        }
    }
    none("out of place", wrong);
}

#[test]
fn a_distribution_is_named_only_in_its_own_file() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|f| f.module() != "dist") {
        for distribution in hvi::dist::CATALOGUE {
            let name = format!("\"{}\"", distribution.name());
            wrong.extend(file.holding(&[&name]));
        }
    }
    none("names of distributions outside the catalogue", wrong);
}

#[test]
fn generated_pages_are_current() {
    for (name, page) in [
        ("distributions", hvi::report::pages::distributions()),
        ("problems", hvi::report::pages::problems()),
    ] {
        let path = format!("docs/{name}.md");
        assert!(
            read(&path) == page,
            "{path} is out of date: hvic doc --page {name} > {path}"
        );
    }
}

#[test]
fn every_problem_code_is_raised_by_its_example() {
    let page = hvi::report::pages::problems();
    let wrong = hvi::problem::Code::ALL
        .iter()
        .filter(|code| {
            // What goes wrong with numbers in a fit is found by no example that is only checked.
            !code.id().starts_with("E08")
                // A file that cannot be read has no text to show.
                && code.id() != "E0601"
                && !page.contains(&format!("error[{}]", code.id()))
                && !page.contains(&format!("warning[{}]", code.id()))
        })
        .map(|code| code.id().to_owned())
        .collect();
    none("codes whose example does not raise them", wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for file in files() {
        wrong.extend(file.holding(&["not written yet", "unimplemented!"]));
        for (i, line) in file.text.lines().enumerate() {
            if ["TO".to_owned() + "DO", "FIX".to_owned() + "ME"]
                .iter()
                .any(|w| line.contains(w))
            {
                wrong.push(format!("src/{}:{}: {}", file.path, i + 1, line.trim()));
            }
        }
    }
    none("left for later", wrong);
}
