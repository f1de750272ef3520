//! What is said of steps: those of the fit, and those that find locals.

use super::number;
use super::numbers;
use crate::diagnostics::steps::name;
use crate::fit::Fit;
use crate::joint::Astray;
use crate::joint::Joint;
use serde::Deserialize;
use serde::Serialize;

/// Elements that are listed.
const LISTED: usize = 20;

/// Whether the last iterates of stochastic steps, whose mean is the answer, have come to rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iterates {
    /// The largest R-hat between the two halves of the last iterates, over the means and the spreads of the guide that move noticeably, or
    /// all where none does.
    #[serde(deserialize_with = "number")]
    pub r_hat: f64,
    /// Of which of these.
    pub worst: String,
    /// How far apart the means of the halves are in it: in sds of the guide, or of the prior for a point; a scale in its logarithm.
    #[serde(deserialize_with = "number")]
    pub apart: f64,
    /// The same over fits from several starts, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<Restarts>,
}

/// Fits from several starts, of which the best is reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restarts {
    /// The bounds of the others, in nats.
    #[serde(deserialize_with = "numbers")]
    pub bounds: Vec<f64>,
    /// R-hat of the bound over the last iterates of all.
    #[serde(deserialize_with = "number")]
    pub r_hat_bound: f64,
    /// The largest R-hat over these.
    #[serde(deserialize_with = "number")]
    pub r_hat: f64,
    /// Of what.
    pub worst: String,
}

/// The elements whose bound is worse after the gradient steps that find their locals than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepsAstray {
    /// Their plate.
    pub plate: String,
    /// How many elements were looked at.
    pub looked: usize,
    /// In how many of them it is worse, or not finite.
    pub worse: usize,
    /// The worst of these, 20 at most.
    pub worst: Vec<Worse>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// Its label.
    pub element: String,
    /// By how many nats it is worse; none where the bound is not finite.
    #[serde(deserialize_with = "number")]
    pub nats: f64,
}

/// What is said of the last iterates of a fit.
pub fn iterates(joint: &Joint, fit: &Fit) -> Option<Iterates> {
    let halves = fit.tail.as_ref()?.agreement([]);
    Some(Iterates {
        r_hat: halves.r_hat,
        worst: name(joint, halves.worst),
        apart: halves.apart,
        restarts: fit.restarts.as_ref().map(|restarts| Restarts {
            bounds: restarts.bounds.clone(),
            r_hat_bound: restarts.of_bounds.r_hat,
            r_hat: restarts.of_all.r_hat,
            worst: name(joint, restarts.of_all.worst),
        }),
    })
}

/// What is said of gradient steps that find locals.
pub fn astray(joint: &Joint, found: &Astray) -> StepsAstray {
    let model = joint.model();
    let labels = &model.plate(found.plate).labels;
    let worst = found
        .worse
        .iter()
        .take(LISTED)
        .map(|(element, loss)| Worse {
            element: labels.get(*element),
            nats: *loss,
        });
    StepsAstray {
        plate: model.typed().plates()[found.plate.index()].name.clone(),
        looked: found.looked,
        worse: found.worse.len(),
        worst: worst.collect(),
    }
}
