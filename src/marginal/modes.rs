//! The modes of the locals given the globals: Newton's method in all elements at once.

use super::Integral;
use super::Marginal;
use crate::joint::locals::Forest;

/// Newton has converged when g'H⁻¹g of no outermost element is larger than this, for the centres of nodes …
pub(super) const LOOSE: f64 = 1e-2;
/// … and for the centre from which others are predicted.
pub(super) const TIGHT: f64 = 1e-10;
/// A step that gains more than this, in units of the value, is too long to be exact in floating point.
const LONG: f64 = 1e3;
/// Newton steps before the modes count as not found.
const STEPS: usize = 60;
/// Times that a step is halved.
const HALVINGS: usize = 40;

/// The outermost elements, across plates, numbered.
struct Roots<'a> {
    forest: &'a Forest,
    /// The number of the first element of each outermost plate.
    first: Vec<usize>,
    count: usize,
}

impl<'a> Roots<'a> {
    fn new(forest: &'a Forest) -> Roots<'a> {
        let mut count = 0;
        let first = (forest.plates.iter())
            .map(|plate| {
                let own = count;
                if plate.above.is_empty() {
                    count += plate.count;
                }
                own
            })
            .collect();
        Roots {
            forest,
            first,
            count,
        }
    }

    /// The outermost element of element `i` of plate `p`.
    fn of(&self, p: usize, i: usize) -> usize {
        match self.forest.plates[p].above.first() {
            Some(outermost) => self.first[outermost.place] + outermost.element[i] as usize,
            None => self.first[p] + i,
        }
    }

    /// The sums of numbers of all elements over those of each outermost element.
    fn sums(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (p, values) in values.iter().enumerate() {
            for (i, value) in values.iter().enumerate() {
                sums[self.of(p, i)] += value;
            }
        }
        sums
    }

    /// The same of products of all local coordinates.
    fn products(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for (p, plate) in self.forest.plates.iter().enumerate() {
            for k in 0..plate.width {
                for i in 0..plate.count {
                    let at = plate.at(k, i);
                    sums[self.of(p, i)] += a[at] * b[at];
                }
            }
        }
        sums
    }

    /// Writes `from + share · step` over the local coordinates of `to`, with the share of each outermost element.
    fn walk(&self, from: &[f64], step: &[f64], shares: &[f64], to: &mut [f64]) {
        for (p, plate) in self.forest.plates.iter().enumerate() {
            for k in 0..plate.width {
                for i in 0..plate.count {
                    let at = plate.at(k, i);
                    to[at] = from[at] + shares[self.of(p, i)] * step[at];
                }
            }
        }
    }
}

/// A step that was taken.
struct Step {
    from: Vec<f64>,
    step: Vec<f64>,
    /// What g'H⁻¹g promised, and the values before, of the outermost elements.
    gains: Vec<f64>,
    before: Vec<f64>,
}

impl Marginal<'_> {
    /// Finds the modes of the locals at `theta`, and the curvature there: false if there are none to be found.
    ///
    /// The last step is taken without another look: the curvature is then that of the point before it.
    pub(super) fn settle(&mut self, theta: &[f64], tolerance: f64) -> bool {
        self.predict(theta);
        if self.forest.plates.is_empty() {
            return true;
        }
        self.locals.prepare(&self.modes);
        let roots = Roots::new(self.forest);
        let whole = vec![1.0; roots.count];
        let mut slope = vec![0.0; self.modes.len()];
        let mut values: Vec<Vec<f64>> = (self.forest.plates.iter())
            .map(|p| vec![0.0; p.count])
            .collect();
        if self.integral == Integral::Exact {
            return self.settle_exactly(&roots, &mut slope);
        }
        let mut last: Option<Step> = None;
        for _ in 0..STEPS {
            let mut reached = self.look(&roots, &mut values, &mut slope);
            if let Some(last) = last.take()
                && self.shorten(&roots, last, reached.clone())
            {
                reached = self.look(&roots, &mut values, &mut slope);
            }
            let raised = self.arrow.factor();
            let mut step = slope.clone();
            self.arrow.solve(&mut step);
            let gains = roots.products(&slope, &step);
            if gains.iter().any(|g| !g.is_finite()) {
                return false;
            }
            let from = self.modes.clone();
            roots.walk(&from, &step, &whole, &mut self.modes);
            if raised == 0 && gains.iter().all(|g| *g < tolerance) {
                return true;
            }
            last = Some(Step {
                from,
                step,
                gains,
                before: reached,
            });
        }
        false
    }

    /// One step is exact, wherever it begins; it gains half of g'H⁻¹g. A second one mends what rounding a long one has cost.
    fn settle_exactly(&mut self, roots: &Roots<'_>, slope: &mut [f64]) -> bool {
        let whole = vec![1.0; roots.count];
        for _ in 0..2 {
            let reached = (self.arrow).curve(&mut *self.locals, &self.modes, None, slope);
            let raised = self.arrow.factor();
            let mut step = slope.to_vec();
            self.arrow.solve(&mut step);
            let gains: f64 = roots.products(slope, &step).iter().sum();
            let from = self.modes.clone();
            roots.walk(&from, &step, &whole, &mut self.modes);
            self.peak = reached + 0.5 * gains;
            if raised > 0 || !self.peak.is_finite() {
                return false;
            }
            if gains < LONG * (1.0 + self.peak.abs()) {
                break;
            }
        }
        true
    }

    /// The curvature and slope at the modes as they are, and the values of the outermost elements.
    fn look(&mut self, roots: &Roots<'_>, values: &mut [Vec<f64>], slope: &mut [f64]) -> Vec<f64> {
        (self.arrow).curve(&mut *self.locals, &self.modes, Some(&mut *values), slope);
        roots.sums(values)
    }

    /// Halves the last step where it led to a lower value; whether there was such an element.
    fn shorten(&mut self, roots: &Roots<'_>, last: Step, mut reached: Vec<f64>) -> bool {
        let mut shares = vec![1.0; roots.count];
        for halving in 0..HALVINGS {
            let mut falls = false;
            for (((share, gain), a), b) in (shares.iter_mut().zip(&last.gains))
                .zip(&reached)
                .zip(&last.before)
            {
                // A step that promises less than rounding may do cannot be judged.
                let slack = 1e-10 * (1.0 + b.abs());
                let rises = *a >= *b - slack;
                if !rises && *gain > slack {
                    *share *= 0.5;
                    falls = true;
                }
            }
            if !falls {
                return halving > 0;
            }
            roots.walk(&last.from, &last.step, &shares, &mut self.modes);
            reached = roots.sums(&self.values_at_modes());
        }
        true
    }

    fn values_at_modes(&mut self) -> Vec<Vec<f64>> {
        let mut values: Vec<Vec<f64>> = (self.forest.plates.iter())
            .map(|p| vec![0.0; p.count])
            .collect();
        self.locals.values(&self.modes, &mut values);
        values
    }
}
