//! What a fit says: summaries with labels, as text and JSON, the fit folder, and the generated pages of the documentation.
//!
//! A [`Report`] is the JSON of `hvic fit` (version 1) as a value; text and files are made from it alone,
//! so that a stored fit prints exactly as it did when it was made.

pub mod against;
mod compose;
pub mod dump;
pub mod folder;
pub mod keywords;
pub mod pages;
pub mod predicted;
pub mod response;
pub mod steps;
pub mod summary;
pub mod table;
pub mod text;

use against::Against;
pub use compose::Run;
pub use compose::compose;
pub use compose::compose_sampled;
pub use compose::draws;
pub use compose::how_name;
pub use compose::kind_name;
pub use compose::quantiles;
pub use compose::responding;
use indexmap::IndexMap;
use response::Responding;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use steps::Iterates;
use steps::StepsAstray;

/// The version of the JSON and of the fit folder.
pub const VERSION: u32 = 1;

/// All that is said about one fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The model's name.
    pub model: String,
    /// The seed of its random streams.
    pub seed: u64,
    /// Rows of the main table.
    pub rows: usize,
    /// The number of elements of each plate.
    pub plates: IndexMap<String, usize>,
    /// The bound that was maximised; none where no fit was made, or it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elbo: Option<ElboReport>,
    /// The sampler, where the posterior is summarised from its draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerReport>,
    /// May one trust it?
    pub verdict: Verdict,
    /// The fit held against a sampler, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// The globals with the sds that linear response gives them, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Vec<Responding>>,
    /// The last iterates of the fit, where it went by stochastic steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterates: Option<Iterates>,
    /// What gradient steps that find locals made worse, where steps find locals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_astray: Option<StepsAstray>,
    /// Seconds.
    pub time: Times,
    /// The largest resident memory of the process in megabytes, where the system tells it.
    pub peak_rss_mb: Option<f64>,
    /// The posterior, one number after another.
    pub parameters: Vec<Parameter>,
}

impl Report {
    /// Leaves the bound's estimates at each iteration to the fit folder.
    pub fn clear_trace(&mut self) {
        if let Some(elbo) = &mut self.elbo {
            elbo.trace.clear();
        }
    }
}

/// How draws were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplerReport {
    /// `nuts`.
    pub method: String,
    /// Chains.
    pub chains: usize,
    /// Warm-up iterations of each, thrown away.
    pub warmup: usize,
    /// Draws of each.
    pub draws: usize,
    /// Trajectories that diverged after warm-up.
    pub divergences: usize,
    /// Trees that reached their largest depth after warm-up.
    pub max_depth: usize,
    /// The smallest energy fraction of a chain; from 0.3 on it is good.
    #[serde(deserialize_with = "number")]
    pub e_bfmi: f64,
    /// The largest R-hat of an unconstrained coordinate.
    #[serde(deserialize_with = "number")]
    pub r_hat: f64,
    /// The smallest effective sample size of one, bulk or tail.
    #[serde(deserialize_with = "number")]
    pub ess: f64,
    /// Gradients in all.
    pub gradients: usize,
    /// Why a fit gave way to it.
    pub instead: Option<String>,
}

/// The evidence lower bound and its terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElboReport {
    /// In nats.
    #[serde(deserialize_with = "number")]
    pub total: f64,
    /// The Monte Carlo standard error of the total.
    #[serde(deserialize_with = "number")]
    pub mcse: f64,
    /// One for each statement; reconstructions and factors add up, KL divergences are subtracted.
    pub terms: Vec<TermReport>,
    /// Its estimate at each iteration; only in the fit folder.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "numbers"
    )]
    pub trace: Vec<f64>,
}

/// One term of the bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TermReport {
    /// The name left of `~`.
    pub name: String,
    /// `reconstruction`, `kl` or `factor`.
    pub kind: String,
    /// The plate that it is summed over; none at the top level, whose KL divergences are the global ones.
    pub plate: Option<String>,
    /// In nats; a KL divergence is positive.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// How its expectation is computed.
    pub how: String,
}

/// May one trust a fit?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `yes`, `caution` or `no`.
    pub trust: String,
    /// The shape of the importance weights' tail.
    #[serde(deserialize_with = "number")]
    pub k_hat: f64,
    /// Whether the stopping rule was met.
    pub converged: bool,
    /// In plain words.
    pub text: String,
    /// The reason in one word, for programs: those of [`crate::diagnostics::Reason`].
    #[serde(default)]
    pub reason: String,
}

/// Seconds that the steps took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Reading the files.
    pub read: f64,
    /// Checking, binding, lowering, deriving.
    pub compile: f64,
    /// Fitting.
    pub fit: f64,
    /// Assessing and summarising.
    pub diagnose: f64,
}

/// The posterior of one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The variable's or definition's name.
    pub name: String,
    /// From 1: the element of its plate, then the place in each dimension of its own shape.
    pub index: Vec<usize>,
    /// The labels of the leading places, by plate (or by the column whose levels they are); places behind an unlabelled one have none.
    pub label: IndexMap<String, String>,
    /// The posterior mean.
    #[serde(deserialize_with = "number")]
    pub mean: f64,
    /// The posterior standard deviation.
    #[serde(deserialize_with = "number")]
    pub sd: f64,
    /// The quantiles asked for, by name: `q5`, `median`, `q95`.
    #[serde(flatten, deserialize_with = "named_numbers")]
    pub quantiles: IndexMap<String, f64>,
    /// The Monte Carlo standard error of the mean.
    #[serde(deserialize_with = "number")]
    pub mcse: f64,
    /// The number of independent draws that would give the mean this standard error.
    #[serde(deserialize_with = "number")]
    pub ess: f64,
    /// The shape of the importance weights' tail, over all coordinates together; none of a sampler's draws.
    #[serde(deserialize_with = "number")]
    pub k_hat: f64,
    /// Of a sampler's draws: the number of independent ones that the 5% and 95% quantiles are worth; `ess` is that of the bulk.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_number"
    )]
    pub ess_tail: Option<f64>,
    /// Of a sampler's draws: rank-normalised split R-hat.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_number"
    )]
    pub r_hat: Option<f64>,
}

impl Parameter {
    /// Its name with labels: `alpha[county=AITKIN]`, `b[Subject=308, 2]`.
    pub fn display(&self) -> String {
        display(&self.name, &self.index, &self.label)
    }
}

/// A name with the labels of its leading places, and the numbers of the others.
fn display(name: &str, index: &[usize], label: &IndexMap<String, String>) -> String {
    if index.is_empty() {
        return name.to_owned();
    }
    let labels = label
        .iter()
        .map(|(plate, label)| format!("{plate}={label}"));
    let others = index.iter().skip(label.len()).map(usize::to_string);
    let places: Vec<String> = labels.chain(others).collect();
    format!("{name}[{}]", places.join(", "))
}

/// Numbers that are not finite stand as `null` in JSON.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A number that is there, `null` if it is not finite.
fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    number(deserializer).map(Some)
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let list: Vec<Option<f64>> = Vec::deserialize(deserializer)?;
    Ok(list.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
}

fn named_numbers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, f64>, D::Error> {
    let map: IndexMap<String, Option<f64>> = IndexMap::deserialize(deserializer)?;
    Ok(map
        .into_iter()
        .map(|(k, x)| (k, x.unwrap_or(f64::NAN)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_before_plain_places() {
        let parameter = Parameter {
            name: "b".to_owned(),
            index: vec![3, 2],
            label: IndexMap::from([("Subject".to_owned(), "308".to_owned())]),
            mean: 0.0,
            sd: 1.0,
            quantiles: IndexMap::new(),
            mcse: 0.0,
            ess: 1.0,
            k_hat: 0.0,
            ess_tail: None,
            r_hat: None,
        };
        assert_eq!(parameter.display(), "b[Subject=308, 2]");
    }
}
