//! `hvic summary`: a stored fit, printed as when it was made.

use crate::args::Summary as Args;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::report::folder;
use hvi::report::text;
use hvi::report::text::Shown;

/// Reads a fit folder and prints its summary.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut report = folder::read(&args.fit).map_err(|message| {
        Failure::hinted(
            message,
            "`hvic fit MODEL.hvi DATA.csv` writes such a folder",
        )
    })?;
    if args.json {
        report.clear_trace();
        let json = serde_json::to_string_pretty(&report)
            .map_err(|e| Failure::usage(format!("the result has no JSON: {e}")))?;
        terminal.result(&format!("{json}\n"))?;
    } else {
        let shown = if args.all {
            Shown::All
        } else {
            Shown::TopLevel
        };
        terminal.result(&text::render(&report, shown, terminal.paint()))?;
    }
    Ok(Exit::Done)
}
