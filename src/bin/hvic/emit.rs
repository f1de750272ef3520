//! `hvic emit`: the value of a compiler stage, as text.

use crate::args::Emit as Args;
use crate::args::Guide;
use crate::args::Stage;
use crate::load;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::ast;
use hvi::elbo;
use hvi::guide;
use hvi::guide::Guide as Derived;
use hvi::joint;
use hvi::joint::Joint;
use hvi::model;
use hvi::report::dump;
use hvi::typed;

/// Runs the compiler up to a stage and prints what it has made.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    terminal.result(&text(args, terminal)?)?;
    Ok(Exit::Done)
}

fn text(args: &Args, terminal: &Terminal) -> Result<String, Failure> {
    let input = args.input.guided(args.guide.as_ref());
    let joint = || load::bound_or_sketched(&input, terminal).map(|model| joint::lower(&model));
    Ok(match args.stage {
        Stage::Ast => {
            let source = load::source(&args.input.model)?;
            ast::dump(&ast::parse(&source).map_err(|p| Failure::problems(p, &source))?)
        }
        Stage::Typed => load::checked(&input, terminal).map(|typed| typed::dump(&typed))?,
        Stage::Model => {
            load::bound_or_sketched(&input, terminal).map(|model| model::dump(&model))?
        }
        Stage::Joint => dump::joint(&joint()?),
        Stage::Tape => dump::tape(&joint()?),
        Stage::Guide => {
            let joint = amortized(joint()?)?;
            dump::guide(&joint, &guide(args, &joint)?)
        }
        Stage::Elbo => {
            let joint = amortized(joint()?)?;
            dump::elbo(&joint, &elbo::compose(&joint, &guide(args, &joint)?))
        }
    })
}

fn amortized(joint: Joint) -> Result<Joint, Failure> {
    let source = joint.model().typed().source().clone();
    joint::amortize(joint).map_err(|p| Failure::problems(p, &source))
}

fn guide(args: &Args, joint: &Joint) -> Result<Derived, Failure> {
    let spec = Guide::spec(args.guide.as_ref());
    guide::derive(joint, &spec).map_err(|p| Failure::problems(p, joint.model().typed().source()))
}
