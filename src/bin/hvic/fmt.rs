//! `hvic fmt`: model files in one layout.

use crate::args::Fmt as Args;
use crate::load;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use crate::write;
use hvi::ast;
use hvi::source::Source;
use std::io;
use std::io::Read;
use std::path::Path;

/// Formats files in place, or standard input to standard output.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let from_stdin = args.files.is_empty() || args.files == [Path::new("-")];
    if from_stdin {
        return stdin(args, terminal);
    }
    let mut exit = Exit::Done;
    for path in &args.files {
        // A file that cannot be read as a model keeps none of the others from being formatted.
        match file(path, args, terminal) {
            Ok(Exit::Done) => {}
            Ok(other) => exit = other,
            Err(failure) => {
                terminal.fail(&failure);
                exit = failure.exit;
            }
        }
    }
    Ok(exit)
}

fn stdin(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
    let formatted = formatted(&Source::new("standard input", &text))?;
    if args.check {
        return Ok(if formatted == text {
            Exit::Done
        } else {
            Exit::Wrong
        });
    }
    terminal.result(&formatted)?;
    Ok(Exit::Done)
}

fn file(path: &Path, args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let source = load::source(path)?;
    let formatted = formatted(&source)?;
    if formatted == source.text() {
        return Ok(Exit::Done);
    }
    if args.check {
        terminal.result(&format!("{}\n", path.display()))?;
        return Ok(Exit::Wrong);
    }
    write::whole(path, &formatted)
        .map_err(|e| Failure::usage(format!("`{}` cannot be written: {e}", path.display())))?;
    terminal.note(&format!("formatted {}\n", path.display()));
    Ok(Exit::Done)
}

fn formatted(source: &Source) -> Result<String, Failure> {
    ast::format(source).map_err(|p| Failure::problems(p, source))
}
