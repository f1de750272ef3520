//! One chain of the crate `nuts-rs` over a space.

use super::Chain;
use super::Settings;
use super::Space;
use super::Walk;
use crate::num::rng::Rng;
use nuts_rs::Chain as _;
use nuts_rs::CpuLogpFunc;
use nuts_rs::CpuMath;
use nuts_rs::CpuMathError;
use nuts_rs::HasDims;
use nuts_rs::LogpError;
use nuts_rs::LowRankNutsSettings;
use nuts_rs::Settings as _;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;

/// Places that are tried before a chain gives up.
const TRIES: usize = 100;
/// The largest depth of a tree: 1023 steps.
const DEPTH: u64 = 10;

/// The density is not finite at a point: the trajectory that came there diverges.
#[derive(Clone, Copy, Debug)]
struct NotFinite;

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log density is not finite")
    }
}

impl Error for NotFinite {}

impl LogpError for NotFinite {
    fn is_recoverable(&self) -> bool {
        true
    }
}

/// A walk in the terms of the sampler.
struct Density<'a> {
    walk: Box<dyn Walk + 'a>,
    dim: usize,
}

impl HasDims for Density<'_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.dim as u64)])
    }
}

impl CpuLogpFunc for Density<'_> {
    type LogpError = NotFinite;
    type FlowParameters = ();
    type ExpandedVector = ();

    fn dim(&self) -> usize {
        self.dim
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, NotFinite> {
        let value = self.walk.gradient(position, gradient);
        if value.is_finite() && gradient.iter().all(|g| g.is_finite()) {
            Ok(value)
        } else {
            Err(NotFinite)
        }
    }

    fn expand_vector<R: rand::Rng + ?Sized>(
        &mut self,
        _: &mut R,
        _: &[f64],
    ) -> Result<(), CpuMathError> {
        Ok(())
    }
}

/// Runs the chain of this number; `watch` is told of every iteration, and whether it diverged after warm-up. The error is the last place that was tried in
/// vain to start from.
pub(super) fn run(
    space: &dyn Space,
    settings: &Settings<'_>,
    number: usize,
    rng: &mut Rng,
    watch: &dyn Fn(bool) -> bool,
) -> Result<Chain, Vec<f64>> {
    let dim = space.dim();
    let mut out = Chain::default();
    let mut own = space.open();
    if dim == 0 {
        out.draws = (0..settings.draws)
            .map(|_| own.complete(&[], rng))
            .collect();
        out.energies = vec![0.0; settings.draws];
        return Ok(out);
    }
    let mut options = LowRankNutsSettings {
        num_tune: settings.warmup as u64,
        num_draws: settings.draws as u64,
        maxdepth: DEPTH,
        ..LowRankNutsSettings::default()
    };
    options.adapt_options.step_size_settings.target_accept = settings.accept;
    let start = start(space, number, &mut *own, rng)?;
    let density = Density {
        walk: space.open(),
        dim,
    };
    let sampler = options.new_chain(0, CpuMath::new(density), rng);
    let Ok(mut sampler) = sampler else {
        return Err(start);
    };
    if sampler.set_position(&start).is_err() {
        return Err(start);
    }
    for iteration in 0..settings.warmup + settings.draws {
        let Ok((x, _, stats, progress)) = sampler.expanded_draw() else {
            return Err(start);
        };
        out.gradients += progress.num_gradients as usize;
        let kept = iteration >= settings.warmup;
        let diverged = kept && progress.diverging;
        if kept {
            out.draws.push(own.complete(&x, rng));
            out.energies.push(stats.point.energy);
            out.divergences += usize::from(diverged);
            out.deepest += usize::from(stats.maxdepth_reached);
            out.step = progress.step_size;
        }
        let spent = settings.budget.is_some_and(|most| out.gradients >= most);
        if !watch(diverged) || spent {
            break;
        }
    }
    Ok(out)
}

/// A place with a finite density and gradient.
fn start(
    space: &dyn Space,
    number: usize,
    walk: &mut dyn Walk,
    rng: &mut Rng,
) -> Result<Vec<f64>, Vec<f64>> {
    let mut gradient = vec![0.0; space.dim()];
    let mut last = Vec::new();
    for _ in 0..TRIES {
        last = space.start(number, rng);
        let value = walk.gradient(&last, &mut gradient);
        if value.is_finite() && gradient.iter().all(|g| g.is_finite()) {
            return Ok(last);
        }
    }
    Err(last)
}
