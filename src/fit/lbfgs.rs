//! Minimisation of smooth functions by L-BFGS with a line search that steps back from what is not finite.
//!
//! Two loops over the last pairs of steps and gradient changes (Nocedal & Wright 2006, algorithm 7.4) and the bisection for the weak
//! Wolfe conditions of Lewis & Overton (2013).

use crate::num::dense::dot;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 20;

/// No line search begins with a move of a coordinate by more than this; coordinates are in units of posterior sds.
const LONGEST: f64 = 3.0;

/// Evaluations that one line search may take.
const TRIALS: usize = 40;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Iterations.
    pub iterations: usize,
    /// Converged if no coordinate of the next full step is longer than this …
    pub longest: f64,
    /// … and the step would gain no more than this.
    pub gain: f64,
}

/// How a minimisation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The rule was met.
    Converged,
    /// The iterations were spent.
    Spent,
    /// The watcher asked to stop.
    Stopped,
    /// No step along the last direction goes down, though the function is finite: the limit of precision.
    Flat,
    /// No step is to be had: the function is not finite where it should go.
    NotFinite,
}

/// Minimises `function` (which writes its gradient over the second argument) from `x`, where it leaves the best point.
///
/// `watch` is told the function's value after each iteration and says whether to go on. Gives the number of iterations as well.
pub fn minimise(
    function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    x: &mut Vec<f64>,
    rule: Rule,
    watch: &mut dyn FnMut(f64) -> bool,
) -> (End, usize) {
    let mut gradient = vec![0.0; x.len()];
    let mut value = function(x, &mut gradient);
    if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
        return (End::NotFinite, 0);
    }
    let mut memory: Vec<Change> = Vec::new();
    for iteration in 0..rule.iterations {
        let mut direction = descent(&memory, &gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 && !memory.is_empty() {
            memory.clear();
            direction = descent(&memory, &gradient);
            slope = dot(&direction, &gradient);
        }
        let longest = direction.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        if longest <= rule.longest && -0.5 * slope <= rule.gain {
            return (End::Converged, iteration);
        }
        let first = 1.0_f64.min(LONGEST / longest);
        let found = search(function, x, value, &direction, slope, first);
        let Found::Step(step) = found else {
            let end = if found == Found::Flat {
                End::Flat
            } else {
                End::NotFinite
            };
            return (end, iteration);
        };
        let change = Change::new(x, &step.x, &gradient, &step.gradient);
        if change.curvature > 1e-12 * dot(&change.slope, &change.slope).sqrt() * longest {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push(change);
        }
        *x = step.x;
        gradient = step.gradient;
        value = step.value;
        if !watch(value) {
            return (End::Stopped, iteration + 1);
        }
    }
    (End::Spent, rule.iterations)
}

/// A step with the change of the gradient along it.
struct Change {
    step: Vec<f64>,
    slope: Vec<f64>,
    curvature: f64,
}

impl Change {
    fn new(from: &[f64], to: &[f64], before: &[f64], after: &[f64]) -> Change {
        let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let (step, slope): (Vec<f64>, Vec<f64>) = (minus(to, from), minus(after, before));
        let curvature = dot(&step, &slope);
        Change {
            step,
            slope,
            curvature,
        }
    }
}

/// Minus the inverse Hessian, as far as remembered, times the gradient.
fn descent(memory: &[Change], gradient: &[f64]) -> Vec<f64> {
    let mut d: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for change in memory.iter().rev() {
        let share = dot(&change.step, &d) / change.curvature;
        add(-share, &change.slope, &mut d);
        shares.push(share);
    }
    if let Some(last) = memory.last() {
        let scale = last.curvature / dot(&last.slope, &last.slope);
        d.iter_mut().for_each(|d| *d *= scale);
    }
    for (change, share) in memory.iter().zip(shares.iter().rev()) {
        let back = dot(&change.slope, &d) / change.curvature;
        add(share - back, &change.step, &mut d);
    }
    d
}

#[derive(PartialEq)]
enum Found {
    Step(Step),
    Flat,
    NotFinite,
}

#[derive(PartialEq)]
struct Step {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A step that goes down enough and flattens the slope; or, when trials run out, one that goes down enough.
fn search(
    function: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    x: &[f64],
    value: f64,
    direction: &[f64],
    slope: f64,
    first: f64,
) -> Found {
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    let mut best: Option<Step> = None;
    let mut finite = false;
    // What rounding may do to the value.
    let slack = 1e-13 * value.abs();
    for _ in 0..TRIALS {
        let mut to = x.to_vec();
        add(length, direction, &mut to);
        let mut gradient = vec![0.0; x.len()];
        let reached = function(&to, &mut gradient);
        finite = reached.is_finite() && gradient.iter().all(|g| g.is_finite());
        if !finite || reached > value + 1e-4 * length * slope + slack {
            high = length;
        } else {
            let flat = dot(&gradient, direction) >= 0.9 * slope;
            best = Some(Step {
                x: to,
                value: reached,
                gradient,
            });
            if flat {
                break;
            }
            low = length;
        }
        length = if high.is_finite() {
            0.5 * (low + high)
        } else {
            2.0 * length
        };
    }
    match best {
        Some(step) => Found::Step(step),
        None if finite => Found::Flat,
        None => Found::NotFinite,
    }
}

fn add(factor: f64, a: &[f64], to: &mut [f64]) {
    for (t, a) in to.iter_mut().zip(a) {
        *t += factor * a;
    }
}
