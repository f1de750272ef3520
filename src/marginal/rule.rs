//! Quadrature rules for a standard normal, and the points whose mean is exact for quadratic functions.

use crate::num::hermite::gauss_hermite;

/// How fine a rule is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Cheap: for the search and the draws.
    Low,
    /// To check and correct the cheap one.
    High,
}

/// Points in d dimensions with the logarithms of their weights: `Σ_k w_k f(x_k)` is about E f(X) for standard normal X.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The points, each of d numbers.
    pub points: Vec<Vec<f64>>,
    /// What the logarithm of the integrand is raised by: `log w_k + x_k'x_k / 2`.
    pub raise: Vec<f64>,
}

/// The largest dimension of a rule.
pub const MOST_DIMENSIONS: usize = 3;

impl Rule {
    /// The rule of this order in `d` dimensions: Gauss–Hermite with 5 or 15 points for d = 1, and products of 3 or 5 for d = 3;
    /// for d = 2 the seven points of degree 5 in a hexagon (Stroud 1971, E₂ʳ² 5-1), or 5 × 5.
    pub fn new(d: usize, order: Order) -> Rule {
        match (d, order) {
            (1, Order::Low) => Rule::product(1, 5),
            (1, Order::High) => Rule::product(1, 15),
            (2, Order::Low) => Rule::hexagon(),
            // Elements of so many coordinates are integrated exactly, and nobody asks for their nodes.
            (d, _) if d > MOST_DIMENSIONS => Rule::product(d, 1),
            (_, Order::Low) => Rule::product(d, 3),
            (_, Order::High) => Rule::product(d, 5),
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    fn hexagon() -> Rule {
        let around = (0..6).map(|k| {
            let angle = f64::from(k) * std::f64::consts::FRAC_PI_3;
            (vec![2.0 * angle.cos(), 2.0 * angle.sin()], 1.0 / 12.0)
        });
        Rule::weighted(std::iter::once((vec![0.0, 0.0], 0.5)).chain(around))
    }

    fn product(d: usize, n: usize) -> Rule {
        let line = gauss_hermite(n);
        let start = vec![(Vec::new(), 1.0)];
        let all = (0..d).fold(start, |points: Vec<(Vec<f64>, f64)>, _| {
            let further = |(point, weight): &(Vec<f64>, f64)| -> Vec<(Vec<f64>, f64)> {
                line.iter()
                    .map(|(x, w)| ([point.as_slice(), &[*x]].concat(), weight * w))
                    .collect()
            };
            points.iter().flat_map(further).collect()
        });
        Rule::weighted(all.into_iter())
    }

    fn weighted(points: impl Iterator<Item = (Vec<f64>, f64)>) -> Rule {
        let (mut at, mut raise) = (Vec::new(), Vec::new());
        for (point, weight) in points {
            raise.push(weight.ln() + 0.5 * point.iter().map(|x| x * x).sum::<f64>());
            at.push(point);
        }
        Rule { points: at, raise }
    }
}

/// The n + 1 corners of a regular simplex with mean 0 and covariance I: their mean is exact for quadratic functions of n normals.
///
/// Coordinate j is the j-th Helmert contrast.
pub fn simplex(n: usize) -> Vec<Vec<f64>> {
    let corners = n + 1;
    (0..corners)
        .map(|c| {
            (1..corners)
                .map(|j| {
                    let size = (corners as f64 / (j * (j + 1)) as f64).sqrt();
                    match c.cmp(&j) {
                        std::cmp::Ordering::Less => size,
                        std::cmp::Ordering::Equal => -(j as f64) * size,
                        std::cmp::Ordering::Greater => 0.0,
                    }
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ_k w_k Π_j x_kj^p_j.
    fn moment(rule: &Rule, powers: &[i32]) -> f64 {
        rule.points
            .iter()
            .zip(&rule.raise)
            .map(|(point, raise)| {
                let square: f64 = point.iter().map(|x| x * x).sum();
                let product: f64 = point.iter().zip(powers).map(|(x, p)| x.powi(*p)).product();
                (raise - 0.5 * square).exp() * product
            })
            .sum()
    }

    #[test]
    fn nodes_and_weights_are_those_of_numpy() {
        // numpy 2.4.6, numpy.polynomial.hermite_e.hermegauss(5), weights over their sum.
        let expected = [
            (-2.8569700138728056, 0.011257411327720677),
            (-1.355626179974266, 0.22207592200561257),
            (0.0, 0.5333333333333335),
            (1.355626179974266, 0.22207592200561257),
            (2.8569700138728056, 0.011257411327720677),
        ];
        let mut found: Vec<(f64, f64)> = gauss_hermite(5);
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        for ((x, w), (x0, w0)) in found.iter().zip(&expected) {
            assert!((x - x0).abs() < 1e-13 && (w - w0).abs() < 1e-14, "{x} {w}");
        }
    }

    #[test]
    fn rules_are_exact_up_to_their_degree() {
        for (d, order, degree) in [
            (1, Order::Low, 9),
            (1, Order::High, 20),
            (2, Order::Low, 5),
            (2, Order::High, 9),
            (3, Order::Low, 5),
            (3, Order::High, 9),
        ] {
            let rule = Rule::new(d, order);
            for a in 0..=degree {
                for b in 0..=if d > 1 { degree - a } else { 0 } {
                    let powers = [a, b, if d > 2 { (degree - a - b) / 2 * 2 } else { 0 }];
                    let normal = |p: i32| match p % 2 {
                        0 => (1..p).step_by(2).map(f64::from).product::<f64>(),
                        _ => 0.0,
                    };
                    let expected: f64 = powers.iter().map(|p| normal(*p)).product();
                    let found = moment(&rule, &powers[..d]);
                    // Odd powers cancel: in units of what cancels.
                    let scale: f64 = powers.iter().map(|p| normal(p + p % 2)).product();
                    assert!((found - expected).abs() < 1e-10 * scale, "{d} {powers:?}");
                }
            }
        }
    }

    #[test]
    fn the_corners_of_a_simplex_have_covariance_one() {
        for n in 1..6 {
            let corners = simplex(n);
            for i in 0..n {
                let mean: f64 = corners.iter().map(|c| c[i]).sum::<f64>();
                assert!(mean.abs() < 1e-12);
                for j in 0..n {
                    let sum: f64 = corners.iter().map(|c| c[i] * c[j]).sum();
                    let expected = if i == j { (n + 1) as f64 } else { 0.0 };
                    assert!((sum - expected).abs() < 1e-12, "{n} {i} {j}: {sum}");
                }
            }
        }
    }
}
