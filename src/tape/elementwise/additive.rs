//! How densities add up over rows whose other arguments are the same.

use super::Elementwise;

/// What the sum of a density over many rows depends on.
#[derive(Clone, Copy, Debug)]
pub enum Additive {
    /// Arguments (x, mean, sd): over rows with the same sd it depends on the sum of squares of `x − mean`.
    Squares {
        /// The scale on which x counts.
        scale: Scale,
        /// The sum, with arguments (n, sum of squares, sd).
        row: &'static Elementwise,
    },
    /// Over rows that differ in the first argument x alone, it depends on the sum of x.
    Totals {
        /// The sum, with arguments (Σ x, n), Σ `apart` if there is such, and then those of the density after x.
        row: &'static Elementwise,
        /// A part that depends on x alone.
        apart: Option<fn(f64) -> f64>,
    },
}

/// A scale of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// As they are.
    Plain,
    /// Their logarithms; a density on this scale has the Jacobian −log x beside.
    Log,
}
