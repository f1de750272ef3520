//! Sampling with the No-U-Turn Sampler: the reference that a fit is held against, and the way out where no Gaussian will do.
//!
//! Chains move in a [`Space`]: all unconstrained coordinates, or the globals alone with the locals integrated out, which are then drawn
//! given the globals. Each chain has a random stream of its own, made from the seed and its number, so that the bits do not depend on
//! the number of threads. The sampler itself is that of the crate `nuts-rs`: multinomial NUTS (Hoffman & Gelman 2014; Betancourt 2017), the
//! step size by dual averaging, the mass matrix from draws and gradients, low-rank plus diagonal.

mod chain;
pub mod convergence;
mod space;
#[cfg(test)]
mod tests;

use crate::num::rng::Rng;
use crate::num::rng::stream;
use rand::RngExt;
use rayon::iter::IndexedParallelIterator;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
pub use space::Given;
pub use space::Globals;
pub use space::Started;
pub use space::Whole;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// How to sample.
#[derive(Clone)]
pub struct Settings<'a> {
    /// The number of chains.
    pub chains: usize,
    /// Iterations of each chain that adapt the step size and the mass matrix, and are thrown away.
    pub warmup: usize,
    /// Draws of each chain that are kept.
    pub draws: usize,
    /// The mean acceptance that the step size is tuned to.
    pub accept: f64,
    /// The gradients that one chain may take in all; it ends early when they are spent.
    pub budget: Option<usize>,
    /// The seed of every chain's stream.
    pub seed: u64,
    /// Called now and then, from any thread; returns whether to go on.
    pub progress: &'a (dyn Fn(&Progress) -> bool + Sync),
}

/// The acceptance that the step size is tuned to by default, and where the density is known to be hard.
pub const ACCEPT: (f64, f64) = (0.8, 0.95);

/// How far sampling is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Iterations so far, of all chains.
    pub iterations: usize,
    /// Iterations in all.
    pub total: usize,
    /// Divergences after warm-up so far.
    pub divergences: usize,
}

/// Where chains move.
pub trait Space: Sync {
    /// The number of coordinates that they move in.
    fn dim(&self) -> usize;

    /// What one chain needs to move.
    fn open(&self) -> Box<dyn Walk + '_>;

    /// A place for this chain to start from; another one at each call.
    fn start(&self, chain: usize, rng: &mut Rng) -> Vec<f64>;
}

/// The memory and the means of one chain.
pub trait Walk {
    /// The log density at `x` and its gradient, written over `gradient`. A point without density gives −∞ or NaN.
    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64;

    /// All unconstrained coordinates of the model at a draw; those that `x` leaves open are drawn given it.
    fn complete(&mut self, x: &[f64], rng: &mut Rng) -> Vec<f64>;
}

/// The draws of one chain.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Chain {
    /// All unconstrained coordinates of the model, draw by draw.
    pub draws: Vec<Vec<f64>>,
    /// The Hamiltonian at each draw.
    pub energies: Vec<f64>,
    /// Draws whose trajectory diverged.
    pub divergences: usize,
    /// Draws whose tree reached its largest depth.
    pub deepest: usize,
    /// Gradients in all, warm-up included.
    pub gradients: usize,
    /// The step size at the end.
    pub step: f64,
}

/// The draws of all chains.
#[derive(Clone, PartialEq, Debug)]
pub struct Chains {
    /// Chain by chain; all have the same number of draws.
    pub chains: Vec<Chain>,
    /// How it ended.
    pub ending: Ending,
}

/// How sampling ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Ending {
    /// Every chain has its draws.
    Done,
    /// The caller asked to stop.
    Interrupted,
    /// A chain spent its gradients.
    Spent,
    /// A chain found no place with a finite density to start from; the last that was tried.
    NoStart(Vec<f64>),
}

impl Chains {
    /// Trajectories that diverged after warm-up.
    pub fn divergences(&self) -> usize {
        self.chains.iter().map(|c| c.divergences).sum()
    }

    /// Trees that reached their largest depth after warm-up.
    pub fn deepest(&self) -> usize {
        self.chains.iter().map(|c| c.deepest).sum()
    }

    /// Gradients in all, warm-up included.
    pub fn gradients(&self) -> usize {
        self.chains.iter().map(|c| c.gradients).sum()
    }

    /// Draws of all chains.
    pub fn len(&self) -> usize {
        self.chains.iter().map(|c| c.draws.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest energy Bayesian fraction of missing information of a chain (Betancourt 2016).
    pub fn e_bfmi(&self) -> f64 {
        let chains = self.chains.iter();
        chains.fold(f64::INFINITY, |least, c| {
            least.min(convergence::e_bfmi(&c.energies))
        })
    }
}

/// Samples from a density.
///
/// Deterministic given the seed, for any number of threads.
pub fn sample(space: &dyn Space, settings: &Settings<'_>) -> Chains {
    let stop = AtomicBool::new(false);
    let (done, divergences) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let total = settings.chains * (settings.warmup + settings.draws);
    let watch = |diverged: bool| {
        let iterations = done.fetch_add(1, Ordering::Relaxed) + 1;
        let divergences = divergences.fetch_add(usize::from(diverged), Ordering::Relaxed);
        let progress = Progress {
            iterations,
            total,
            divergences: divergences + usize::from(diverged),
        };
        if !(settings.progress)(&progress) {
            stop.store(true, Ordering::Relaxed);
        }
        !stop.load(Ordering::Relaxed)
    };
    // Streams of neighbouring seeds have nothing in common: each chain's comes from one of all.
    let mut seeds = stream(settings.seed);
    let seeds: Vec<u64> = (0..settings.chains).map(|_| seeds.random()).collect();
    let found: Vec<Result<Chain, Vec<f64>>> = seeds
        .into_par_iter()
        .enumerate()
        .map(|(number, seed)| chain::run(space, settings, number, &mut stream(seed), &watch))
        .collect();
    let mut chains = Vec::with_capacity(found.len());
    let mut ending = Ending::Done;
    for chain in found {
        match chain {
            Ok(chain) => chains.push(chain),
            Err(last) => ending = Ending::NoStart(last),
        }
    }
    let whole = |c: &Chain| c.draws.len() == settings.draws;
    if ending == Ending::Done && !chains.iter().all(whole) {
        ending = match stop.load(Ordering::Relaxed) {
            true => Ending::Interrupted,
            false => Ending::Spent,
        };
        let shortest = chains.iter().map(|c| c.draws.len()).min().unwrap_or(0);
        for chain in &mut chains {
            chain.draws.truncate(shortest);
            chain.energies.truncate(shortest);
        }
    }
    Chains { chains, ending }
}
