//! `hvic explain`: the derivation of a model's hierarchical ELBO.

use crate::args::Explain as Args;
use crate::args::Format;
use crate::args::Guide;
use crate::load;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use hvi::elbo;
use hvi::explain;
use hvi::explain::Sizes;
use hvi::guide;
use hvi::joint;

/// Derives and prints; with data it gives the sizes too.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if let Some(path) = &args.output
        && path.exists()
        && !args.force
    {
        return Err(Failure::hinted(
            format!("`{}` exists already", path.display()),
            "`--force` replaces it",
        ));
    }
    let model = load::bound_or_sketched(&args.input.guided(args.guide.as_ref()), terminal)?;
    let wrong = |p| Failure::problems(p, model.typed().source());
    let joint = joint::amortize(joint::lower(&model)).map_err(wrong)?;
    let spec = Guide::spec(args.guide.as_ref());
    let guide = guide::derive(&joint, &spec).map_err(wrong)?;
    let elbo = elbo::compose(&joint, &guide);
    let sizes = if args.input.data.is_some() {
        Sizes::Known
    } else {
        Sizes::Unknown
    };
    let derivation = explain::explain(&joint, &elbo, &load::name(&args.input.model), sizes);
    let text = match args.format {
        Format::Text => derivation.text(),
        Format::Md => derivation.markdown(),
        Format::Latex => derivation.latex(),
    };
    match &args.output {
        None => terminal.result(&text)?,
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Failure::usage(format!("`{}` cannot be written: {e}", path.display())))?,
    }
    Ok(Exit::Done)
}
