//! What of a density's sum depends on data alone, and whether the data lie where the density is defined.

use super::elementwise::Elementwise;
use super::elementwise::Lanes;
use super::elementwise::MOST_LANES;
use super::elementwise::OnePassKernel;
use rayon::prelude::*;
use smallvec::SmallVec;

/// An argument of a density, as far as it is known before the run.
#[derive(Clone, Copy)]
pub(super) enum Known<'a> {
    /// A number for each row.
    Column(&'a [f64]),
    /// The same in all rows.
    Constant(f64),
    /// It varies.
    Nothing,
}

/// The sum over `len` rows of what the loop of a density leaves out, 0 without a loop; `None` where data lie outside the density's
/// domain, which only the plain operations tell.
pub(super) fn apart(
    row: &Elementwise,
    kernel: Option<&OnePassKernel<f64>>,
    args: &[Known<'_>],
    len: usize,
) -> Option<f64> {
    let firsts: Vec<usize> = (0..len).step_by(MOST_LANES).collect();
    let blocks: Vec<Option<f64>> = firsts
        .par_iter()
        .map(|&first| {
            let n = MOST_LANES.min(len - first);
            let lanes: SmallVec<[Lanes<'_, f64>; 4]> = (args.iter())
                .map(|arg| match arg {
                    Known::Column(values) => Lanes::Each(&values[first..first + n]),
                    Known::Constant(value) => Lanes::Same(*value),
                    Known::Nothing => Lanes::Same(1.0),
                })
                .collect();
            let inside = args.iter().zip(row.domain).all(|(arg, domain)| match arg {
                Known::Column(values) => values[first..first + n].iter().all(|x| domain.holds(*x)),
                Known::Constant(value) => domain.holds(*value),
                Known::Nothing => true,
            });
            inside.then(|| kernel.map_or(0.0, |kernel| (kernel.apart)(&lanes, n)))
        })
        .collect();
    (blocks.into_iter()).try_fold(0.0, |sum, block| Some(sum + block?))
}
