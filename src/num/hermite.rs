//! Gauss–Hermite quadrature for a standard normal.

use std::f64::consts::PI;

/// Nodes and weights with Σ w f(x) = E f(X) for standard normal X and polynomials f of degree up to 2n − 1.
///
/// The nodes are the zeros of the orthonormal Hermite polynomials, h_{k+1} = (x h_k − √k h_{k−1}) / √(k+1), found by Newton steps with
/// the zeros already found divided out; the weights are 1 / (n h_{n−1}(x)²).
pub fn gauss_hermite(n: usize) -> Vec<(f64, f64)> {
    let at = |x: f64| {
        let (mut before, mut h) = (0.0, 1.0);
        for k in 0..n {
            let next = (x * h - (k as f64).sqrt() * before) / ((k + 1) as f64).sqrt();
            before = std::mem::replace(&mut h, next);
        }
        // h_n′ = √n h_{n−1}.
        (h, (n as f64).sqrt() * before, before)
    };
    let mut nodes: Vec<f64> = Vec::with_capacity(n);
    // All zeros lie below this bound; each search starts above the largest one that is left.
    let mut x = 2.0 * (n as f64).sqrt() + PI;
    for _ in 0..n {
        for _ in 0..200 {
            let (h, slope, _) = at(x);
            let found: f64 = nodes.iter().map(|node| 1.0 / (x - node)).sum();
            let step = h / (slope - h * found);
            x -= step;
            if step.abs() <= 1e-15 * x.abs().max(1.0) {
                break;
            }
        }
        nodes.push(x);
        x += 1e-3;
    }
    (nodes.iter())
        .map(|x| {
            let (_, _, before) = at(*x);
            (*x, 1.0 / (n as f64 * before * before))
        })
        .collect()
}
