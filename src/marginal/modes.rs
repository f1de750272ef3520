//! The modes of the locals given the globals: Newton's method in all elements at once.

use super::Integral;
use super::Marginal;
use crate::joint::locals::Forest;

/// Newton has converged when g'H⁻¹g of no outermost element is larger than this, for the centres of nodes …
pub(super) const LOOSE: f64 = 1e-2;
/// … and for the centre from which others are predicted.
pub(super) const TIGHT: f64 = 1e-10;
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

impl Marginal<'_> {
    /// Finds the modes of the locals at `theta`, and the curvature there: false if there are none to be found.
    ///
    /// The last step is taken without another look: the curvature is then that of the point before it.
    pub(super) fn settle(&mut self, theta: &[f64], tolerance: f64) -> bool {
        self.predict(theta);
        if self.forest.plates.is_empty() {
            return true;
        }
        if self.integral == Integral::Quadrature {
            self.locals.prepare(&self.modes);
        }
        let roots = Roots::new(self.forest);
        let mut slope = vec![0.0; self.modes.len()];
        // The values of the outermost elements at the present point, once they are needed.
        let mut reached: Option<Vec<f64>> = None;
        for _ in 0..STEPS {
            if self.integral == Integral::Exact {
                self.locals.gradient(&self.modes, &mut slope);
                self.arrow.fill(&mut *self.locals, &self.modes);
            } else {
                self.arrow.curve(&mut *self.locals, &self.modes, &mut slope);
            }
            let raised = self.arrow.factor();
            let mut step = slope.clone();
            self.arrow.solve(&mut step);
            let gains = roots.products(&slope, &step);
            if gains.iter().any(|g| !g.is_finite()) {
                return false;
            }
            let most = gains.iter().copied().fold(0.0, f64::max);
            if self.integral == Integral::Exact {
                // One step is exact, wherever it begins.
                let whole = vec![1.0; roots.count];
                let from = self.modes.clone();
                roots.walk(&from, &step, &whole, &mut self.modes);
                return raised == 0;
            }
            let whole = vec![1.0; roots.count];
            let from = self.modes.clone();
            if most < tolerance && raised == 0 {
                roots.walk(&from, &step, &whole, &mut self.modes);
                return true;
            }
            let before = match reached.take() {
                Some(before) => before,
                None => roots.sums(&self.values_at_modes()),
            };
            let mut shares = whole;
            let mut after = before.clone();
            for _ in 0..HALVINGS {
                roots.walk(&from, &step, &shares, &mut self.modes);
                after = roots.sums(&self.values_at_modes());
                let mut falls = false;
                for (((share, gain), a), b) in
                    shares.iter_mut().zip(&gains).zip(&after).zip(&before)
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
                    break;
                }
            }
            reached = Some(after);
        }
        false
    }

    fn values_at_modes(&mut self) -> Vec<Vec<f64>> {
        let mut values: Vec<Vec<f64>> = (self.forest.plates.iter())
            .map(|p| vec![0.0; p.count])
            .collect();
        self.locals.values(&self.modes, &mut values);
        values
    }
}
