//! The two streams, colours, and how a run ends.

use crate::args::ColorWhen;
use hvi::problem::Problems;
use hvi::problem::render;
use hvi::report::text::Paint;
use hvi::report::text::Role;
use hvi::source::Source;
use std::io;
use std::io::ErrorKind;
use std::io::IsTerminal;
use std::io::Write;

/// How a run ends; the numbers are the exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// All went well.
    Done = 0,
    /// The model or the data are wrong.
    Wrong = 1,
    /// The command line asks for what cannot be done.
    Usage = 2,
    /// Fitted, and not to be trusted; with `--strict`.
    Untrusted = 3,
    /// Not converged; a partial result was written.
    Unfinished = 4,
    /// Interrupted; a partial result was written.
    Interrupted = 130,
}

/// Why a run ends early.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    what: What,
}

#[derive(Debug)]
enum What {
    Problems(Problems, Source),
    Message(String, Option<String>),
}

impl Failure {
    /// Problems of a model or its data.
    pub fn problems(problems: Problems, source: &Source) -> Failure {
        Failure {
            exit: Exit::Wrong,
            what: What::Problems(problems, source.clone()),
        }
    }

    /// Data that a stored fit cannot say anything about, and how to go on.
    pub fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Wrong,
            what: What::Message(message.into(), Some(hint.into())),
        }
    }

    /// A request that cannot be met.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Usage,
            what: What::Message(message.into(), None),
        }
    }

    /// A request that cannot be met, and how to go on.
    pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Usage,
            what: What::Message(message.into(), Some(hint.into())),
        }
    }
}

/// Standard output for the result, standard error for everything else.
#[derive(Debug)]
pub struct Terminal {
    out: Paint,
    err: Paint,
    quiet: bool,
    verbose: bool,
}

impl Terminal {
    /// The streams as the options and the environment want them.
    pub fn new(color: ColorWhen, quiet: bool, verbose: bool) -> Terminal {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let paint = |is_terminal: bool| match color {
            ColorWhen::Always => Paint::Color,
            ColorWhen::Never => Paint::Plain,
            ColorWhen::Auto if is_terminal && !plain => Paint::Color,
            ColorWhen::Auto => Paint::Plain,
        };
        Terminal {
            out: paint(io::stdout().is_terminal()),
            err: paint(io::stderr().is_terminal()),
            quiet,
            verbose,
        }
    }

    /// How standard output is coloured.
    pub fn paint(&self) -> Paint {
        self.out
    }

    /// Whether a progress bar may be drawn.
    pub fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Writes to standard output. A reader that has gone away is no error: it has seen what it wanted.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::usage(format!(
                "standard output cannot be written: {e}"
            ))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes to standard error, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Writes to standard error with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// Shows warnings, unless `--quiet`.
    pub fn warn(&self, warnings: &Problems, source: &Source) {
        if !warnings.is_empty() {
            self.note(&render(warnings, source, self.err == Paint::Color));
        }
    }

    /// Shows an error.
    pub fn error(&self, message: &str, hint: Option<&str>) {
        let mut text = format!("{}: {message}\n", self.err.paint(Role::Bad, "error"));
        if let Some(hint) = hint {
            text.push_str(&format!(
                "{}: {hint}\n",
                self.err.paint(Role::Heading, "help")
            ));
        }
        self.say(&text);
    }

    /// Shows why a run ends early.
    pub fn fail(&self, failure: &Failure) {
        match &failure.what {
            What::Problems(problems, source) => {
                self.say(&render(problems, source, self.err == Paint::Color));
            }
            What::Message(message, hint) => self.error(message, hint.as_deref()),
        }
    }

    /// Nothing can be said any more when standard error fails.
    fn say(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
