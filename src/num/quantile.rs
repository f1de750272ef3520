//! Quantiles of draws.

/// The quantile of draws, at least one: each stands in the middle of its share, and between draws the quantile function is linear. It needs
/// no order but that around the quantile; `draws` change places.
pub fn quantile(draws: &mut [f64], p: f64) -> f64 {
    let place = (p * draws.len() as f64 - 0.5).clamp(0.0, (draws.len() - 1) as f64);
    let (_, below, after) = draws.select_nth_unstable_by(place.floor() as usize, f64::total_cmp);
    let next = after.iter().copied().min_by(f64::total_cmp);
    *below + (next.unwrap_or(*below) - *below) * place.fract()
}
