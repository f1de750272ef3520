//! `hvi`: a compiler and inference engine for hierarchical Bayesian models.
//!
//! A model is a chain of values, each made by one function of the module named for it:
//! [`ast::parse`] → [`typed::check`] → [`model::bind`] → [`joint::lower`] → [`guide::derive`] → [`elbo::compose`] →
//! [`fit::run`] → [`diagnostics::assess`] → [`report`]. What it has learned goes on to new data: [`predict`].

pub mod ast;
pub mod data;
pub mod diagnostics;
pub mod dist;
pub mod elbo;
pub mod explain;
pub mod fit;
pub mod guide;
pub mod joint;
pub mod marginal;
pub mod model;
pub mod num;
pub mod nuts;
pub mod predict;
pub mod problem;
pub mod report;
pub mod shape;
pub mod source;
pub mod tape;
pub mod typed;
