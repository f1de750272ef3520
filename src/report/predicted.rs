//! Predictions as CSV and JSON: a line for each number that is predicted.

use super::VERSION;
use crate::model::Model;
use crate::predict::Predicted;
use crate::predict::Prediction;
use crate::shape::PlateId;
use crate::typed::PlateSource;
use indexmap::IndexMap;
use serde::Serialize;
use std::io;

/// A line: what is predicted, where, and its place in [`Predicted::cells`].
struct Line<'a> {
    outcome: &'a Predicted,
    /// The outcome's name, with the place in its shape.
    variable: String,
    element: usize,
    cell: usize,
}

fn lines(prediction: &Prediction) -> impl Iterator<Item = Line<'_>> {
    prediction.outcomes.iter().flat_map(|outcome| {
        let width: usize = outcome.dims.iter().product();
        (0..outcome.cells.len()).map(move |cell| Line {
            outcome,
            variable: variable(&outcome.name, &outcome.dims, cell % width),
            element: cell / width,
            cell,
        })
    })
}

/// `y`, or `y[2]` for a component of a vector.
fn variable(name: &str, dims: &[usize], component: usize) -> String {
    if dims.is_empty() {
        return name.to_owned();
    }
    let mut rest = component;
    let mut index: Vec<String> = (dims.iter().rev())
        .map(|size| {
            let place = rest % size + 1;
            rest /= size;
            place.to_string()
        })
        .collect();
    index.reverse();
    format!("{name}[{}]", index.join(", "))
}

/// The plates above a row and the row itself with its label: none for those that an outcome does not lie in.
fn label(model: &Model, line: &Line<'_>, plate: PlateId) -> Option<String> {
    let own = line.outcome.plate;
    let element = if plate == own {
        line.element
    } else {
        *model.plate(own).above.get(&plate)?.get(line.element)? as usize
    };
    Some(model.plate(plate).labels.get(element))
}

/// The plates that lines are labelled by: those of groups, and behind them those of rows.
fn plates(model: &Model, prediction: &Prediction) -> Vec<PlateId> {
    let typed = model.typed();
    let all = (1..typed.plates().len()).map(|p| PlateId(p as u32));
    let meant = |p: &PlateId| {
        prediction
            .outcomes
            .iter()
            .any(|o| typed.determines(o.plate, *p))
    };
    let (rows, groups): (Vec<_>, Vec<_>) = (all.filter(meant))
        .partition(|p| matches!(typed.plates()[p.index()].source, PlateSource::Rows(_)));
    groups.into_iter().chain(rows).collect()
}

/// As CSV: the variable where there are several, the labels of its plates, mean, sd and the quantiles of these names, the
/// probabilities of the levels. What is not known is empty.
pub fn csv(prediction: &Prediction, model: &Model, quantiles: &[String]) -> io::Result<String> {
    let typed = model.typed();
    let plates = plates(model, prediction);
    let mut levels: Vec<&String> = Vec::new();
    for outcome in &prediction.outcomes {
        let new = outcome.levels.iter().filter(|l| !levels.contains(l));
        levels.extend(new.collect::<Vec<_>>());
    }
    let several =
        prediction.outcomes.len() > 1 || prediction.outcomes.iter().any(|o| !o.dims.is_empty());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut heading: Vec<String> = Vec::new();
    heading.extend(several.then(|| "variable".to_owned()));
    heading.extend(
        plates
            .iter()
            .map(|p| typed.plates()[p.index()].name.clone()),
    );
    heading.extend(["mean", "sd"].map(str::to_owned));
    heading.extend(quantiles.iter().cloned());
    heading.extend(levels.iter().map(|level| format!("p[{level}]")));
    writer.write_record(&heading)?;
    for line in lines(prediction) {
        let cell = &line.outcome.cells[line.cell];
        // Seven digits: more than the draws can tell.
        let shown = |x: f64| match format!("{x:.6e}").parse::<f64>() {
            Ok(rounded) if rounded.is_finite() => rounded.to_string(),
            Ok(_) | Err(_) => String::new(),
        };
        let mut record: Vec<String> = Vec::new();
        record.extend(several.then(|| line.variable.clone()));
        record.extend(
            plates
                .iter()
                .map(|p| label(model, &line, *p).unwrap_or_default()),
        );
        record.extend([cell.mean, cell.sd].map(shown));
        record.extend(cell.quantiles.iter().map(|q| shown(*q)));
        record.extend(levels.iter().map(|level| {
            let place = line.outcome.levels.iter().position(|l| l == *level);
            place.map_or(String::new(), |k| shown(cell.probabilities[k]))
        }));
        writer.write_record(&record)?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Predictions as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Json<'a> {
    version: u32,
    model: &'a str,
    seed: u64,
    /// The elements that were not in the fit, by plate.
    unseen: IndexMap<&'a str, usize>,
    predictions: Vec<Row<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row<'a> {
    variable: String,
    label: IndexMap<&'a str, String>,
    mean: f64,
    sd: f64,
    #[serde(flatten)]
    quantiles: IndexMap<&'a str, f64>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    probability: IndexMap<&'a str, f64>,
}

/// As JSON: the model, the seed, the elements that were not in the fit, and an object for each line. Numbers that are not known are `null`.
pub fn json(
    prediction: &Prediction,
    model: &Model,
    quantiles: &[String],
    name: &str,
    seed: u64,
) -> io::Result<String> {
    let typed = model.typed();
    let plates = plates(model, prediction);
    let rows = lines(prediction).map(|line| {
        let cell = &line.outcome.cells[line.cell];
        let labels = plates.iter().filter_map(|p| {
            let label = label(model, &line, *p)?;
            Some((typed.plates()[p.index()].name.as_str(), label))
        });
        let quantiles = quantiles.iter().map(String::as_str);
        let levels = line.outcome.levels.iter().map(String::as_str);
        Row {
            label: labels.collect(),
            mean: cell.mean,
            sd: cell.sd,
            quantiles: quantiles.zip(cell.quantiles.iter().copied()).collect(),
            probability: levels.zip(cell.probabilities.iter().copied()).collect(),
            variable: line.variable,
        }
    });
    let all = Json {
        version: VERSION,
        model: name,
        seed,
        unseen: (prediction.unseen.iter())
            .map(|(plate, count)| (plate.as_str(), *count))
            .collect(),
        predictions: rows.collect(),
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&all)?))
}
