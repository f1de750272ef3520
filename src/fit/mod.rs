//! Fitting: maximising the ELBO over the guide's parameters.

mod batches;
mod estimate;
mod fixed;
mod laplace;
mod lbfgs;
mod marginal;
mod mode;
mod natural;
mod prior;
mod response;
mod restarts;
mod several;
mod start;
mod state;
mod stochastic;
mod tail;
#[cfg(test)]
mod tests;
mod whitened;

use crate::elbo::Elbo;
pub use crate::elbo::ElboValue;
use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::Integrated;
use crate::guide::noise::Noise;
use crate::joint::LogDensity;
use crate::joint::TermForm;
use crate::num::rng::Rng;
use crate::shape::PlateId;
use crate::typed::GuideFamily;
use batches::Batches;
use natural::Dense;
use rand::RngExt;
pub use response::Response;
pub use response::responds;
pub use response::response;
pub use restarts::OtherMode;
pub use several::Restarts;
pub use several::several;
pub use state::State;
pub use tail::AGREE;
pub use tail::Agreement;
pub use tail::Number;
pub use tail::Tail;

/// The ELBO of whatever density.
type AnyElbo<'a> = Elbo<'a, dyn LogDensity + 'a>;

/// How to fit.
pub struct Settings<'a> {
    /// The largest number of iterations before the outcome is [`Outcome::Spent`].
    pub max_iterations: usize,
    /// Elements of the plate of mini-batches in a step; by default all, where there are many local coordinates that are found by gradient
    /// steps 32.
    pub batch: Option<usize>,
    /// Called after each iteration, for a progress bar; returns whether to go on.
    pub progress: &'a mut dyn FnMut(&Progress) -> bool,
}

/// How far a fit is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Iterations so far.
    pub iteration: usize,
    /// The ELBO's present estimate.
    pub elbo: f64,
    /// Its standard error over the steps of the present window, for a fit that goes by stochastic steps.
    pub error: Option<f64>,
}

/// A fitted guide.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// The guide's parameters.
    pub params: Vec<f64>,
    /// The ELBO at each iteration.
    pub history: Vec<f64>,
    /// The ELBO at the end, by terms; on noise that the fit has not seen.
    pub elbo: ElboValue,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen on the way that speaks against a Gaussian around one mode.
    pub doubt: Option<Doubt>,
    /// Where it stood, if it went by stochastic steps and ended before it had converged.
    pub state: Option<State>,
    /// Its last iterates, if it went by stochastic steps.
    pub tail: Option<Tail>,
    /// The other fits among which it was the best, if there were others.
    pub restarts: Option<Restarts>,
}

/// What speaks against a Gaussian around the mode that was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// The search for a mode did not end at one; all coordinates of the point where it was given up.
    NoMode(Vec<f64>),
    /// At the point where the search for a mode ended the density is not curved downward in every direction.
    NotCurved,
    /// The steps of q towards its optimum did not settle.
    Unsettled,
    /// Another start leads to another mode.
    OtherMode(OtherMode),
}

/// How a fit ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The stopping rule was met.
    Converged,
    /// The iterations were spent.
    Spent,
    /// Numbers went wrong: the trace names the model line, variable, group and row.
    Broken(String),
    /// The caller asked to stop.
    Interrupted,
}

/// How a maximisation ended.
enum Ending {
    Converged,
    Spent,
    Interrupted,
    /// The draw that has no finite density; empty when a closed form overflowed.
    NotFinite(Vec<f64>),
}

/// Maximises the ELBO.
///
/// By fixed noise and L-BFGS where the noise can outnumber the parameters of every row of S, else by stochastic gradients.
/// The same `rng` gives the same bits.
pub fn run<D: LogDensity>(elbo: &Elbo<'_, D>, settings: &mut Settings<'_>, rng: &mut Rng) -> Fit {
    go_on(elbo, settings, rng, None)
}

/// The same from where another fit of the same ELBO, settings and `rng` ended early: what comes of it has the bits of a fit that did not.
pub fn resume<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    settings: &mut Settings<'_>,
    rng: &mut Rng,
    state: State,
) -> Fit {
    go_on(elbo, settings, rng, Some(state))
}

fn go_on<D: LogDensity>(
    elbo: &Elbo<'_, D>,
    settings: &mut Settings<'_>,
    rng: &mut Rng,
    state: Option<State>,
) -> Fit {
    let elbo = &elbo.erased();
    let guide = elbo.guide;
    let (seed, report) = (rng.random::<u32>(), rng.random::<u32>());
    let mut run = Run {
        elbo,
        settings,
        history: Vec::new(),
        state,
        tail: None,
    };
    if let Some(integrated) = guide.integrated() {
        return integrating(run, integrated, seed);
    }
    let (answer, ending, doubt) = match is_laplace(guide) {
        true => {
            let (start, ending, doubt) = laplace::maximise(&mut run);
            (start.gaussian(elbo), ending, doubt)
        }
        false => {
            let (answer, ending) = maximised(&mut run, seed);
            (answer, ending, None)
        }
    };
    let (mut history, state, tail) = (run.history, run.state, run.tail);
    let noise = if elbo.is_exact() || guide.pattern().is_empty() {
        Noise::none(guide.dim())
    } else {
        let draws = (REPORTED.1 / guide.dim().max(1)).clamp(32, REPORTED.0);
        let draws = draws.min(elbo.joint.most_looks());
        Noise::paired(guide, draws / 2, report)
    };
    let (value, bad) = elbo.value_or_bad(&answer, &noise);
    let doubt = doubt.or_else(|| match ending {
        Ending::Converged | Ending::Spent => other_mode(elbo, &answer, report),
        Ending::Interrupted | Ending::NotFinite(_) => None,
    });
    if history.is_empty() {
        history.push(value.total);
    }
    let outcome = match ending {
        Ending::NotFinite(z) => Outcome::Broken(trace(elbo, &z)),
        Ending::Converged | Ending::Spent | Ending::Interrupted if !value.total.is_finite() => {
            Outcome::Broken(trace(elbo, &bad))
        }
        Ending::Converged => Outcome::Converged,
        Ending::Spent => Outcome::Spent,
        Ending::Interrupted => Outcome::Interrupted,
    };
    Fit {
        params: guide.params_of(&answer),
        elbo: value,
        history,
        outcome,
        doubt,
        state,
        tail,
        restarts: None,
    }
}

/// Why a guide cannot be fitted over mini-batches, in words; `None` where it can.
pub fn needs_all(guide: &Guide) -> Option<&'static str> {
    if guide.integrated().is_some() {
        return Some("the guide integrates the locals of all elements out");
    }
    is_laplace(guide).then_some("the guide is the Gaussian at the mode of all data")
}

/// Whether the guide is the Gaussian at the mode.
fn is_laplace(guide: &Guide) -> bool {
    let mut factors = guide.factors().iter();
    factors.any(|f| f.family == GuideFamily::Laplace)
}

/// The optimum of the bound, by fixed noise or stochastic gradients.
fn maximised(run: &mut Run<'_, '_>, seed: u32) -> (Gaussian, Ending) {
    let elbo = run.elbo;
    let steps = elbo.joint.batches(run.settings.batch);
    let mut forms = elbo.joint.terms().iter().map(|term| &term.form);
    let by_steps = forms.any(|form| matches!(form, TermForm::Steps));
    let batches = steps.map(|(count, size)| Batches::new(count, size, u64::from(seed)));
    let batches = match batches {
        Some(batches) if by_steps => return stochastic::from_prior(run, batches, seed),
        batches => batches,
    };
    match start::find(run, seed) {
        Err(z) => {
            let unmoved = Gaussian {
                mean: z.clone(),
                scale: elbo.guide.pattern().identity(),
            };
            (unmoved, Ending::NotFinite(z))
        }
        Ok(start) if start.stopped => (start.gaussian(elbo), Ending::Interrupted),
        Ok(start) => match fixed::first_draws(elbo).filter(|_| batches.is_none()) {
            Some(draws) => fixed::maximise(run, &start, draws, seed),
            None => stochastic::maximise(run, &start, batches, seed),
        },
    }
}

/// Another mode of a density without plates; where there are plates the joint density need not have one at all.
fn other_mode(elbo: &AnyElbo<'_>, answer: &Gaussian, seed: u32) -> Option<Doubt> {
    let (density, pattern) = (elbo.joint, elbo.guide.pattern());
    let n = pattern.dim();
    let flat = density.sites().iter().all(|s| s.plate == PlateId::TOP);
    let count = restarts::affordable(density.visits());
    if !flat || n > FEW || pattern.order().count() < n || count == 0 {
        return None;
    }
    let mut scale = mode::Scale::unit(n);
    for r in 0..n {
        for (c, value) in pattern.entries(&answer.scale, r) {
            scale.columns[r * n + c] = value;
        }
    }
    let q = Dense {
        mean: answer.mean.clone(),
        scale,
    };
    let suggested: Vec<f64> = (density.sites().iter())
        .flat_map(|s| s.start.iter().copied())
        .collect();
    let starts = restarts::starts(&suggested, &q.mean, count, seed);
    let mut evaluator = density.evaluator(&vec![true; density.terms().len()]);
    let mut function = |z: &[f64], g: &mut [f64]| evaluator.gradient(z, g);
    restarts::other_mode(&mut function, &q, &starts).map(Doubt::OtherMode)
}

/// The most coordinates among which other modes are looked for in the joint density.
const FEW: usize = 50;

/// The fit of a guide that integrates locals out.
fn integrating(mut run: Run<'_, '_>, integrated: &Integrated, seed: u32) -> Fit {
    let elbo = run.elbo;
    let (answer, ending, value, doubt) = marginal::maximise(&mut run, integrated, seed);
    let value = value.unwrap_or_else(|| ElboValue {
        total: f64::NAN,
        mcse: f64::NAN,
        terms: vec![f64::NAN; elbo.terms.len()],
    });
    let mut history = run.history;
    if history.is_empty() {
        history.push(value.total);
    }
    let outcome = match ending {
        Ending::NotFinite(z) => Outcome::Broken(trace(elbo, &z)),
        Ending::Converged if !value.total.is_finite() => Outcome::Broken(trace(elbo, &answer.mean)),
        Ending::Converged => Outcome::Converged,
        Ending::Spent => Outcome::Spent,
        Ending::Interrupted => Outcome::Interrupted,
    };
    Fit {
        params: elbo.guide.params_of(&answer),
        elbo: value,
        history,
        outcome,
        doubt,
        state: None,
        tail: None,
        restarts: None,
    }
}

/// The most draws, and the most numbers in them, for the ELBO that is reported.
const REPORTED: (usize, usize) = (2048, 4_000_000);

/// A maximisation under way.
struct Run<'a, 'b> {
    elbo: &'a AnyElbo<'a>,
    settings: &'a mut Settings<'b>,
    history: Vec<f64>,
    /// Where an earlier run stood, and in the end where this one does.
    state: Option<State>,
    /// The last iterates of stochastic steps.
    tail: Option<Tail>,
}

impl Run<'_, '_> {
    /// Notes an iteration; gives whether to go on.
    fn tell(&mut self, elbo: f64) -> bool {
        self.history.push(elbo);
        self.show(elbo, None)
    }

    /// Shows how far the fit is; gives whether to go on.
    fn show(&mut self, elbo: f64, error: Option<f64>) -> bool {
        (self.settings.progress)(&Progress {
            iteration: self.history.len(),
            elbo,
            error,
        })
    }

    /// Iterations left.
    fn left(&self) -> usize {
        self.settings
            .max_iterations
            .saturating_sub(self.history.len())
    }
}

/// Where a number went wrong, in words.
fn trace(elbo: &AnyElbo<'_>, z: &[f64]) -> String {
    if z.is_empty() {
        return "the expectation of a term overflowed: the guide became too wide".to_string();
    }
    (elbo.joint.blame(z))
        .unwrap_or_else(|| "the log density or its gradient is not finite".to_string())
}
