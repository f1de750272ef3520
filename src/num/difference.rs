//! Numerical differentiation, the witness of the tests.

/// Central differences of `f` along argument `k`, extrapolated, with the step size that leaves the smallest share of error;
/// and that error. `None` where there is no number to be had.
pub fn difference(f: &dyn Fn(&[f64]) -> f64, at: &[f64], k: usize) -> Option<(f64, f64)> {
    let here = at[k];
    let others = at.iter().map(|a| a.abs()).filter(|&a| a > 0.0);
    let size = if here == 0.0 {
        others.fold(1.0, f64::min)
    } else {
        here.abs()
    };
    let scale = f(at).abs();
    let nearby = (-4..=4).map(|j| {
        let mut moved = at.to_vec();
        moved[k] += f64::from(j) * 4.0 * f64::EPSILON * size;
        (f(&moved) - f(at)).abs()
    });
    // Results below the smallest normal number are rounded to a share of it, or to zero.
    let noise = nearby.fold((f64::EPSILON * scale).max(f64::MIN_POSITIVE), f64::max);
    let central = |h: f64| {
        let mut moved = at.to_vec();
        moved[k] = here + h;
        let (above, high) = (f(&moved), moved[k]);
        moved[k] = here - h;
        (above - f(&moved)) / (high - moved[k])
    };
    (1..40)
        .map(|exponent| {
            let h = size * 0.5_f64.powi(exponent);
            let (wide, narrow, finest) = (central(h), central(0.5 * h), central(0.25 * h));
            let once = (4.0 * narrow - wide) / 3.0;
            let twice = (4.0 * finest - narrow) / 3.0;
            (twice, (twice - once).abs() + 4.0 * noise / h)
        })
        .filter(|(slope, error)| slope.is_finite() && error.is_finite())
        .min_by(|a, b| {
            let share = |(slope, error): &(f64, f64)| error / (slope.abs() + 1e-9 * scale / size);
            share(a).total_cmp(&share(b))
        })
}

/// Whether `found` is what a difference says, within its own error and rounding.
pub fn agrees(found: f64, (expected, error): (f64, f64), tolerance: f64) -> bool {
    found == expected || (found - expected).abs() <= tolerance * expected.abs() + 2.0 * error
}
