//! Numbers: the scalar types that kernels are written over, special functions, random streams.

mod aligned;
pub mod dense;
pub mod dual;
pub mod elementary;
pub mod hermite;
pub mod lane;
mod quantile;
pub mod real;
pub mod rng;
mod shared;
pub mod simd;
pub mod special;
pub mod squares;
pub mod stable;
pub mod sums;
pub mod wakeful;
pub use aligned::Aligned;
pub use dual::Dual;
pub use lane::Lane;
pub use quantile::quantile;
pub use real::Real;
pub use shared::Shared;

#[cfg(test)]
pub mod difference;
#[cfg(test)]
mod tests;
