//! Rows that see the locals through one number s: at many nodes their sums are interpolated.
//!
//! Where all rows of an element are shifted by the same s = Σ coefficient · local, their sum is a function of s alone. Nested plates ask for
//! it at the products of their nodes. A polynomial through its values at Chebyshev points over the range of those says it at all of them,
//! as exactly as its last coefficients are small (Trefethen 2013, chapters 3 and 8), from far fewer passes over the rows.

use super::lanes::Seen;
use std::f64::consts::PI;
use std::ops::Range;

/// The fewest nodes that are worth it.
const MANY: usize = 16;
/// How large the last two coefficients may be together, in nats.
const SLIGHT: f64 = 1e-5;

/// The degrees to try, for so many nodes.
pub(super) fn degrees(nodes: usize) -> &'static [usize] {
    match nodes {
        0..MANY => &[],
        MANY..64 => &[8],
        _ => &[16, 32],
    }
}

/// The nodes of some elements, each element on a line of its own.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The middle of the nodes of each element, and half their range.
    middle: Vec<f64>,
    half: Vec<f64>,
    /// Node `k` of element `i` in units of `half` from `middle`, at `k * count + i`.
    at: Vec<f64>,
}

impl Line {
    /// The lines of elements that see these locals, of which all coordinates are given for each node.
    pub fn new(atoms: &[Seen<'_>], points: &[&[f64]], elements: Range<usize>) -> Line {
        let count = elements.len();
        let mut at = vec![0.0; points.len() * count];
        for (z, at) in points.iter().zip(at.chunks_exact_mut(count)) {
            for atom in atoms {
                let coefficient = atom.coefficient.at(0);
                for (s, element) in at.iter_mut().zip(elements.clone()) {
                    *s += coefficient * z[atom.at(element)];
                }
            }
        }
        let mut least = vec![f64::INFINITY; count];
        let mut most = vec![f64::NEG_INFINITY; count];
        for at in at.chunks_exact(count) {
            for ((least, most), s) in least.iter_mut().zip(&mut most).zip(at) {
                *least = least.min(*s);
                *most = most.max(*s);
            }
        }
        let ends = || least.iter().zip(&most);
        let middle: Vec<f64> = ends().map(|(a, b)| 0.5 * (a + b)).collect();
        let half: Vec<f64> = ends().map(|(a, b)| 0.5 * (b - a)).collect();
        for at in at.chunks_exact_mut(count) {
            for ((s, middle), half) in at.iter_mut().zip(&middle).zip(&half) {
                *s = if *half > 0.0 {
                    (*s - middle) / half
                } else {
                    0.0
                };
            }
        }
        Line { middle, half, at }
    }

    /// For each Chebyshev point of a degree the number s of each element.
    pub fn points(&self, degree: usize) -> Vec<Vec<f64>> {
        let line = |j: usize| {
            let t = (PI * j as f64 / degree as f64).cos();
            let ends = self.middle.iter().zip(&self.half);
            ends.map(|(m, h)| m + h * t).collect()
        };
        (0..=degree).map(line).collect()
    }

    /// Adds at all nodes what is interpolated between the values at the points of a degree; `false`, and nothing, where it is not settled.
    pub fn interpolate(&self, degree: usize, values: &[f64], nodes: &mut [f64]) -> bool {
        let count = self.middle.len();
        let coefficients = transform(degree, count, values);
        let last = coefficients.chunks_exact(count).rev();
        let mut tail = vec![0.0; count];
        for last in last.take(2) {
            for (tail, c) in tail.iter_mut().zip(last) {
                *tail += c.abs();
            }
        }
        if !tail.iter().all(|tail| *tail <= SLIGHT) {
            return false;
        }
        let mut before = vec![0.0; count];
        let mut sum = vec![0.0; count];
        for (at, out) in self
            .at
            .chunks_exact(count)
            .zip(nodes.chunks_exact_mut(count))
        {
            // Clenshaw's recurrence.
            before.fill(0.0);
            sum.fill(0.0);
            for c in coefficients.chunks_exact(count).skip(1).rev() {
                for i in 0..count {
                    let next = 2.0 * at[i] * sum[i] - before[i] + c[i];
                    before[i] = sum[i];
                    sum[i] = next;
                }
            }
            for i in 0..count {
                out[i] += at[i] * sum[i] - before[i] + coefficients[i];
            }
        }
        true
    }

    /// For each point of a degree the share that it has in each element where nodes have these.
    pub fn shares(&self, degree: usize, shares: &[f64]) -> Vec<f64> {
        let count = self.middle.len();
        // Σ_k share_k T_m(t_k) for each m.
        let mut moments = vec![0.0; (degree + 1) * count];
        let (mut before, mut own) = (vec![0.0; count], vec![0.0; count]);
        for (at, shares) in self.at.chunks_exact(count).zip(shares.chunks_exact(count)) {
            before.copy_from_slice(at);
            own.fill(1.0);
            for moments in moments.chunks_exact_mut(count) {
                for i in 0..count {
                    moments[i] += shares[i] * own[i];
                    let next = 2.0 * at[i] * own[i] - before[i];
                    before[i] = own[i];
                    own[i] = next;
                }
            }
        }
        transform(degree, count, &moments)
    }
}

/// From values at Chebyshev points to coefficients, for each element: `c_m = 2/N h_m Σ_j h_j cos(π j m / N) v_j`, where h is ½ at both ends
/// and 1 between. The transform is its own transpose.
fn transform(degree: usize, count: usize, values: &[f64]) -> Vec<f64> {
    let cosines: Vec<f64> = (0..2 * degree)
        .map(|m| (PI * m as f64 / degree as f64).cos())
        .collect();
    let h = |j: usize| {
        if j == 0 || j == degree { 0.5 } else { 1.0 }
    };
    let mut out = vec![0.0; (degree + 1) * count];
    for (m, out) in out.chunks_exact_mut(count).enumerate() {
        for (j, values) in values.chunks_exact(count).enumerate() {
            let weight = 2.0 / degree as f64 * h(m) * h(j) * cosines[j * m % (2 * degree)];
            for (out, value) in out.iter_mut().zip(values) {
                *out += weight * value;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements 2 and 3 of four, whose rows see twice the first local and the second, at 25 nodes each.
    fn line() -> (Line, Vec<Vec<f64>>) {
        let node = |k: usize| {
            let spread = [(k / 5) as f64 / 2.0 - 1.0, (k % 5) as f64 / 2.0 - 1.0];
            (0..8)
                .map(|c| spread[c / 4] * (0.3 + 0.1 * c as f64) + c as f64 / 7.0)
                .collect()
        };
        let points: Vec<Vec<f64>> = (0..25).map(node).collect();
        let atoms = [(0, 2.0), (4, 1.0)].map(|(first, coefficient)| Seen {
            coefficient: crate::tape::elementwise::Lanes::Same(coefficient),
            first,
            ..Seen::on_line(0)
        });
        let at: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
        (Line::new(&atoms, &at, 2..4), points)
    }

    fn rows(s: f64) -> f64 {
        3.0 * s - 4.0 * s.exp()
    }

    #[test]
    fn what_is_smooth_is_interpolated() {
        let (line, points) = line();
        let mut settled = Vec::new();
        for degree in [8, 16] {
            let values: Vec<f64> = (line.points(degree).iter())
                .flat_map(|s| [rows(s[0]), rows(s[1])])
                .collect();
            let mut nodes = vec![1.0; 50];
            settled.push(line.interpolate(degree, &values, &mut nodes));
            for (k, z) in points.iter().enumerate() {
                for i in 0..2 {
                    let exact = rows(2.0 * z[2 + i] + z[6 + i]);
                    let found = nodes[2 * k + i] - 1.0;
                    let expected = if settled[settled.len() - 1] {
                        exact
                    } else {
                        0.0
                    };
                    assert!((found - expected).abs() < 1e-6, "{found} is not {exact}");
                }
            }
        }
        assert_eq!(settled, [false, true]);
    }

    #[test]
    fn shares_of_points_weigh_as_those_of_nodes_do() {
        let (line, _) = line();
        let degree = 16;
        let values: Vec<f64> = (line.points(degree).iter())
            .flat_map(|s| [rows(s[0]), rows(s[1])])
            .collect();
        let mut nodes = vec![0.0; 50];
        assert!(line.interpolate(degree, &values, &mut nodes));
        let shares: Vec<f64> = (0..50).map(|k| (k as f64 * 0.7).sin()).collect();
        let of_points = line.shares(degree, &shares);
        for i in 0..2 {
            let sum = |a: &[f64], b: &[f64]| -> f64 {
                let each = a.iter().zip(b).skip(i).step_by(2);
                each.map(|(a, b)| a * b).sum()
            };
            let (found, expected) = (sum(&of_points, &values), sum(&shares, &nodes));
            assert!(
                (found - expected).abs() < 1e-10,
                "{found} is not {expected}"
            );
        }
    }

    #[test]
    fn a_line_without_length_is_one_point() {
        let atoms = [Seen::on_line(0)];
        let at = vec![0.4; 3];
        let points: Vec<&[f64]> = vec![&at; 25];
        let line = Line::new(&atoms, &points, 0..3);
        let mut nodes = vec![0.0; 75];
        assert!(line.interpolate(8, &[rows(0.4); 27], &mut nodes));
        assert!(nodes.iter().all(|x| (x - rows(0.4)).abs() < 1e-12));
    }
}
