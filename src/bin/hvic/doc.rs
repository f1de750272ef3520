//! `hvic doc`: the language's own reference.

use crate::args::Doc as Args;
use crate::args::Page;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::problem::did_you_mean;
use hvi::report::pages;

/// Prints the entry of a name, the list of names, or a page.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let text = match (&args.name, args.page) {
        (_, Some(Page::Distributions)) => pages::distributions(),
        (_, Some(Page::Problems)) => pages::problems(),
        (None, None) => pages::contents(),
        (Some(name), None) => pages::entry(name).ok_or_else(|| unknown(name))?,
    };
    terminal.result(&text)?;
    Ok(Exit::Done)
}

fn unknown(name: &str) -> Failure {
    let names = pages::names();
    let hint = match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`hvic doc` lists what there is".to_owned(),
    };
    Failure::hinted(format!("nothing is called `{name}`"), hint)
}
