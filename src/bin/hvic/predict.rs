//! `hvic predict`: the outcome of new rows.

use crate::args::Predict as Args;
use crate::args::Unseen;
use crate::kept;
use crate::kept::Kept;
use crate::terminal::Exit;
use crate::terminal::Failure;
use crate::terminal::Terminal;
use crate::write;
use hvi::predict;
use hvi::predict::NewLevels;
use hvi::predict::Settings;
use hvi::report::predicted;
use hvi::report::quantiles;
use hvi::report::text;
use std::sync::Arc;

/// Predicts, and prints or writes the rows.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    if let Some(path) = args.output.as_ref().filter(|p| p.exists() && !args.force) {
        return Err(Failure::hinted(
            format!("`{}` exists already", path.display()),
            "`--force` replaces it, `--output FILE` writes elsewhere",
        ));
    }
    let kept = Kept::read(&args.new)?;
    let input = kept.input(&args.new);
    let unread = predict::outcome_columns(&kept.typed);
    let model = Arc::new(kept.bound(&input, unread)?);
    let quantiles = quantiles(&args.ci);
    let settings = Settings {
        seed: args.seed,
        probabilities: quantiles.iter().map(|(_, p)| *p).collect(),
        new_levels: match args.new_levels {
            Unseen::Population => NewLevels::Population,
            Unseen::Error => NewLevels::Error,
        },
    };
    let prediction = predict::predict(&kept.posterior, &model, &settings).map_err(kept::refused)?;
    for (plate, count) in &prediction.unseen {
        let elements = text::count(*count, "element", "elements");
        terminal.note(&format!(
            "{elements} of `{plate}` not in the fit: drawn from the population\n"
        ));
    }
    let names: Vec<String> = quantiles.into_iter().map(|(name, _)| name).collect();
    let content = match args.json {
        true => predicted::json(&prediction, &model, &names, &kept.report.model, args.seed),
        false => predicted::csv(&prediction, &model, &names),
    };
    let content =
        content.map_err(|e| Failure::usage(format!("the result cannot be written: {e}")))?;
    match &args.output {
        Some(path) => write::whole(path, &content).map_err(|e| {
            let message = format!("`{}` cannot be written: {e}", path.display());
            Failure::hinted(message, "`--output FILE` writes elsewhere")
        })?,
        None => terminal.result(&content)?,
    }
    Ok(Exit::Done)
}
