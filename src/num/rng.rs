//! Random streams: every draw comes from a seed given by argument.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// The generator used everywhere: small, fast, the same bits on every platform.
pub type Rng = Pcg64Mcg;

/// The stream of this seed.
pub fn stream(seed: u64) -> Rng {
    Pcg64Mcg::seed_from_u64(seed)
}
