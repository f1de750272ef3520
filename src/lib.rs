//! `hvi`: a compiler and inference engine for hierarchical Bayesian models.

pub mod ast;
pub mod data;
pub mod diagnostics;
pub mod dist;
pub mod elbo;
pub mod fit;
pub mod guide;
pub mod joint;
pub mod model;
pub mod num;
pub mod problem;
pub mod shape;
pub mod source;
pub mod tape;
pub mod typed;
