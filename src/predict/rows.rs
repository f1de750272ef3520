//! New rows: draws of their outcome, and the log density of data that a fit has not seen.

use super::Posterior;
use super::Refusal;
use super::listed;
use super::posterior::Matched;
use super::posterior::is_of_rows;
use crate::dist::Support;
use crate::joint::Families;
use crate::joint::Outcome;
use crate::model::Model;
use crate::num;
use crate::num::rng;
use crate::num::rng::Rng;
use crate::shape::PlateId;
use crate::tape::Workspace;
use crate::typed::Argument;
use crate::typed::ColumnId;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::StatementKind;
use crate::typed::Typed;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use std::collections::HashSet;
use std::sync::Arc;

/// Draws of the outcome of a row: as many at least where rows are few, and so many of all rows together at most.
const DRAWS: (usize, usize) = (4000, 10_000_000);
/// The fewest draws of the posterior.
const FEWEST: usize = 64;

/// How to predict.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed of all draws.
    pub seed: u64,
    /// The quantiles to give, as probabilities.
    pub probabilities: Vec<f64>,
    /// What to do about elements that the fit has not seen.
    pub new_levels: NewLevels,
}

/// What to do about elements that a fit has not seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewLevels {
    /// They are an error.
    Error,
    /// Their variables are drawn from p(φ | θ).
    Population,
}

/// What is predicted.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// One for each observed statement.
    pub outcomes: Vec<Predicted>,
    /// The plates with elements that the fit has not seen, and how many; those of rows aside.
    pub unseen: Vec<(String, usize)>,
}

/// What is predicted of an outcome.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// Its name.
    pub name: String,
    /// Its plate.
    pub plate: PlateId,
    /// The dimensions of an element's outcome.
    pub dims: Vec<usize>,
    /// For categories and yes/no data the labels of the values, else empty.
    pub levels: Vec<String>,
    /// Component after component of element after element.
    pub cells: Vec<Cell>,
}

/// The predictive distribution of a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its mean; of categories NaN, as are the sd and the quantiles.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// Its quantiles, one for each probability asked for.
    pub quantiles: Vec<f64>,
    /// The probabilities of [`Predicted::levels`].
    pub probabilities: Vec<f64>,
}

/// The columns that are outcomes and nothing else: predicting takes no notice of their values.
pub fn outcome_columns(typed: &Typed) -> Vec<ColumnId> {
    let (mut outcomes, mut others) = (HashSet::new(), HashSet::new());
    for statement in typed.statements() {
        if let StatementKind::Observed {
            value,
            distribution,
            ..
        } = &statement.kind
        {
            columns(typed, *value, &mut outcomes);
            for id in distribution.values() {
                columns(typed, id, &mut others);
            }
        }
        if let StatementKind::Factor(id) = statement.kind {
            columns(typed, id, &mut others);
        }
        if let Some(id) = statement.condition {
            columns(typed, id, &mut others);
        }
    }
    for latent in typed.latents() {
        for arg in &latent.prior.args {
            if let Argument::Value(id) = arg {
                columns(typed, *id, &mut others);
            }
        }
    }
    let all = (0..typed.columns().len()).map(|c| ColumnId(c as u32));
    all.filter(|c| outcomes.contains(c) && !others.contains(c))
        .collect()
}

/// Adds the columns that an expression names, through definitions too.
fn columns(typed: &Typed, id: ExprId, found: &mut HashSet<ColumnId>) {
    let expr = typed.expr(id);
    match &expr.kind {
        ExprKind::Column(column) | ExprKind::Center(column, _) | ExprKind::Lookup(_, column) => {
            found.insert(*column);
        }
        ExprKind::Definition(definition) => {
            columns(typed, typed.definitions()[definition.index()].value, found);
        }
        ExprKind::Constant(_)
        | ExprKind::Size(..)
        | ExprKind::Latent(_)
        | ExprKind::Map(..)
        | ExprKind::Function(..)
        | ExprKind::Vector(_)
        | ExprKind::Index(..)
        | ExprKind::If(..)
        | ExprKind::Aggregate { .. }
        | ExprKind::LogProb(..) => {}
    }
    for part in expr.kind.parts() {
        columns(typed, part, found);
    }
}

/// Predicts the outcomes of new data, bound by [`Posterior::known`] with [`outcome_columns`] unread.
///
/// Every draw of the posterior has the variables of known elements; those of others are drawn from their priors given it, and the outcome
/// from its distribution given all of them. Means and variances are those of the mixture over the draws where they are known in closed
/// form given each.
///
/// # Errors
/// Elements that the fit has not seen, where they are an error or cannot be drawn.
pub fn predict(
    posterior: &Posterior,
    model: &Arc<Model>,
    settings: &Settings,
) -> Result<Prediction, Refusal> {
    let families = Families::of(model);
    let mut points = Points::new(posterior, model, &families)?;
    if settings.new_levels == NewLevels::Error {
        points.refuse_unseen()?;
    }
    let numbers: usize = (families.outcomes.iter())
        .map(|o| o.family.len * o.family.width())
        .sum();
    let most = (DRAWS.1 / numbers.max(1)).max(FEWEST);
    let count = posterior.count().min(most);
    let times = (DRAWS.0.min(most) / count.max(1)).max(1);
    let mut gathered: Vec<Gathered> = (families.outcomes.iter())
        .map(|outcome| Gathered::new(outcome, count * times))
        .collect();
    for k in 0..count {
        let mut rng = rng::stream(settings.seed.wrapping_add((k as u64 + 1) << 20));
        // The middles of even parts: the draws are in the order of a coordinate.
        let x = points.at((2 * k + 1) * posterior.count() / (2 * count), &mut rng)?;
        for (outcome, gathered) in families.outcomes.iter().zip(&mut gathered) {
            gathered.add(outcome, &x, times, &mut rng);
        }
    }
    let outcomes = families.outcomes.iter().zip(gathered);
    Ok(Prediction {
        outcomes: outcomes
            .map(|(outcome, gathered)| gathered.finish(outcome, &settings.probabilities))
            .collect(),
        unseen: points.unseen(),
    })
}

/// The log density of every observation of new data, bound by [`Posterior::known`] with all columns read, under every draw of the
/// posterior: for each observed statement, draw and element a number in nats.
///
/// Variables of elements that the fit has not seen are drawn from their priors, with `seed`.
///
/// # Errors
/// Elements that cannot be drawn.
pub fn log_likelihood(
    posterior: &Posterior,
    model: &Arc<Model>,
    seed: u64,
) -> Result<Vec<Vec<Vec<f64>>>, Refusal> {
    let families = Families::of(model);
    let mut points = Points::new(posterior, model, &families)?;
    let mut workspaces: Vec<Workspace<f64>> =
        families.outcomes.iter().map(Outcome::workspace).collect();
    let mut all = vec![Vec::with_capacity(posterior.count()); families.outcomes.len()];
    for s in 0..posterior.count() {
        let mut rng = rng::stream(seed.wrapping_add((s as u64 + 1) << 20));
        let x = points.at(s, &mut rng)?;
        for ((outcome, workspace), all) in (families.outcomes.iter())
            .zip(&mut workspaces)
            .zip(&mut all)
        {
            let mut values = Vec::new();
            outcome.log_density(&x, workspace, &mut values);
            all.push(values);
        }
    }
    Ok(all)
}

/// The draws of a posterior, completed by the variables of elements that it does not have.
struct Points<'a> {
    posterior: &'a Posterior,
    model: &'a Model,
    families: &'a Families,
    matched: Matched,
    natural: Workspace<f64>,
    /// For each latent variable its elements that are to be drawn, with the memory for it.
    drawn: Vec<(Vec<usize>, Workspace<f64>)>,
    z: Vec<f64>,
}

impl<'a> Points<'a> {
    fn new(
        posterior: &'a Posterior,
        model: &'a Model,
        families: &'a Families,
    ) -> Result<Points<'a>, Refusal> {
        let matched = posterior.matched(model, &families.sites)?;
        let drawn = families.latents.iter().map(|latent| {
            let unseen = matched.unseen(latent.prior.plate);
            (unseen, latent.prior.workspace())
        });
        Ok(Points {
            posterior,
            model,
            families,
            drawn: drawn.collect(),
            matched,
            natural: families.workspace(),
            z: vec![0.0; families.sites.iter().map(|s| s.width * s.len).sum()],
        })
    }

    /// The plates with latent variables of elements that the fit has not seen, and these.
    fn unseen_plates(&self) -> Vec<(PlateId, Vec<usize>)> {
        let typed = self.model.typed();
        let mut plates: Vec<PlateId> = self.families.sites.iter().map(|s| s.plate).collect();
        plates.sort_unstable();
        plates.dedup();
        plates.retain(|p| !is_of_rows(typed, *p));
        let unseen = plates.into_iter().map(|p| (p, self.matched.unseen(p)));
        unseen.filter(|(_, unseen)| !unseen.is_empty()).collect()
    }

    fn unseen(&self) -> Vec<(String, usize)> {
        let plates = self.model.typed().plates();
        let unseen = self.unseen_plates().into_iter();
        unseen
            .map(|(p, unseen)| (plates[p.index()].name.clone(), unseen.len()))
            .collect()
    }

    fn refuse_unseen(&self) -> Result<(), Refusal> {
        let Some((plate, unseen)) = self.unseen_plates().into_iter().next() else {
            return Ok(());
        };
        let labels = &self.model.plate(plate).labels;
        let unseen: Vec<String> = unseen.into_iter().map(|i| labels.get(i)).collect();
        Err(Refusal::new(
            format!(
                "the fit has not seen these elements of `{}`: {}",
                self.model.typed().plates()[plate.index()].name,
                listed(&unseen)
            ),
            "`--new-levels population` draws their variables from the population",
        ))
    }

    /// All latent variables on their natural scale in draw `s`.
    fn at(&mut self, s: usize, rng: &mut Rng) -> Result<Vec<f64>, Refusal> {
        self.matched
            .fill(self.posterior, s, &self.families.sites, &mut self.z);
        let mut x = self.families.natural(&self.z, &mut self.natural);
        for (latent, (unseen, workspace)) in self.families.latents.iter().zip(&mut self.drawn) {
            if unseen.is_empty() {
                continue;
            }
            let prior = &latent.prior;
            prior.run(&x, workspace);
            for i in unseen.iter() {
                let draw = prior.sample(workspace, *i, rng);
                if draw.iter().any(|v| v.is_nan()) {
                    return Err(Refusal::new(
                        format!(
                            "`{}` of new elements cannot be drawn from its prior",
                            latent.name
                        ),
                        "a prior that is improper, or out of its domain, has no draws",
                    ));
                }
                for (k, v) in draw.into_iter().enumerate() {
                    x[latent.offset + k * prior.len + i] = v;
                }
            }
        }
        Ok(x)
    }
}

/// What the draws say of an outcome.
struct Gathered {
    workspace: Workspace<f64>,
    /// For each component of each element its draws.
    draws: Vec<Vec<f64>>,
    /// The sums over the draws of the posterior of the mean, its square and the variance; not a number where they are not known.
    sums: Vec<[f64; 3]>,
    probabilities: Vec<Vec<f64>>,
    /// Draws of the posterior.
    count: usize,
}

impl Gathered {
    fn new(outcome: &Outcome, draws: usize) -> Gathered {
        let numbers = outcome.family.len * outcome.family.width();
        let quiet = outcome.levels.is_empty();
        Gathered {
            workspace: outcome.family.workspace(),
            draws: (0..numbers)
                .map(|_| Vec::with_capacity(if quiet { draws } else { 0 }))
                .collect(),
            sums: vec![[0.0; 3]; numbers],
            probabilities: vec![vec![0.0; outcome.levels.len()]; numbers],
            count: 0,
        }
    }

    fn add(&mut self, outcome: &Outcome, x: &[f64], times: usize, rng: &mut Rng) {
        let family = &outcome.family;
        family.run(x, &mut self.workspace);
        self.count += 1;
        let width = family.width();
        for i in 0..family.len {
            if !outcome.levels.is_empty() {
                let all = outcome.probabilities(&self.workspace, i);
                for (sum, p) in self.probabilities[i].iter_mut().zip(all) {
                    *sum += p;
                }
                continue;
            }
            for k in 0..width {
                let (mean, variance) =
                    (family.moments(&self.workspace, i, k)).unwrap_or((f64::NAN, f64::NAN));
                let sums = &mut self.sums[i * width + k];
                for (sum, more) in sums.iter_mut().zip([mean, mean * mean, variance]) {
                    *sum += more;
                }
            }
            let draws = &mut self.draws[i * width..][..width];
            family.samples(&self.workspace, i, times, rng, |k, v| draws[k].push(v));
        }
    }

    fn finish(self, outcome: &Outcome, probabilities: &[f64]) -> Predicted {
        let count = self.count as f64;
        let discrete = matches!(
            outcome.family.support,
            Support::Count | Support::CountUpTo { .. }
        );
        let all: Vec<_> = (self
            .draws
            .into_iter()
            .zip(self.sums)
            .zip(self.probabilities))
        .collect();
        let cells = all.into_par_iter().map(|((mut draws, sums), shares)| {
            if !shares.is_empty() {
                let shares: Vec<f64> = shares.iter().map(|p| p / count).collect();
                return of_values(outcome.family.support, shares, probabilities);
            }
            draws.sort_by(f64::total_cmp);
            let [mean, square, variance] = sums.map(|s| s / count);
            let (mean, variance) = if mean.is_nan() || variance.is_nan() {
                moments(&draws)
            } else {
                (mean, variance + (square - mean * mean).max(0.0))
            };
            Cell {
                mean,
                sd: variance.sqrt(),
                quantiles: (probabilities.iter())
                    .map(|p| quantile(&mut draws, *p, discrete))
                    .collect(),
                probabilities: Vec::new(),
            }
        });
        Predicted {
            name: outcome.name.clone(),
            plate: outcome.family.plate,
            dims: outcome.family.dims.clone(),
            levels: outcome.levels.clone(),
            cells: cells.collect(),
        }
    }
}

/// The predictive distribution of a yes/no or categorical outcome.
fn of_values(support: Support, shares: Vec<f64>, probabilities: &[f64]) -> Cell {
    // A number says nothing of categories.
    let (mut mean, mut sd) = (f64::NAN, f64::NAN);
    let mut quantiles = vec![f64::NAN; probabilities.len()];
    if let (Support::Binary, [none, one]) = (support, &shares[..]) {
        (mean, sd) = (*one, (one * none).sqrt());
        quantiles = probabilities.iter().map(|q| f64::from(q > none)).collect();
    }
    Cell {
        mean,
        sd,
        quantiles,
        probabilities: shares,
    }
}

/// The mean and the variance of draws.
fn moments(draws: &[f64]) -> (f64, f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let squares: f64 = draws.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, squares / (n - 1.0))
}

/// A quantile of sorted draws: between two of them on the line through the middles of their shares, for counts one of them.
fn quantile(sorted: &mut [f64], p: f64, discrete: bool) -> f64 {
    let n = sorted.len();
    let Some(last) = n.checked_sub(1) else {
        return f64::NAN;
    };
    if discrete {
        return sorted[((p * n as f64).ceil() as usize).saturating_sub(1).min(last)];
    }
    num::quantile(sorted, p)
}
