//! The distributions, written on the tape.
//!
//! One file each; the catalogue names them once. Tests walk the catalogue.
//! Densities are complete: normalising constants are never left out, because the ELBO bounds the evidence.
//! Outside the support a scalar log density is −∞, never NaN; `0 · log 0 = 0`, also in the gradient.

use crate::num::rng::Rng;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::Pass;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use std::fmt::Debug;

/// Names the files of the distributions, each with the unit struct that it holds.
macro_rules! catalogue {
    ($($file:ident $distribution:ident)*) => {
        $(pub mod $file;)*

        /// Every distribution of the language.
        pub static CATALOGUE: &[&dyn Distribution] = &[$(&$file::$distribution),*];
    };
}

catalogue! {
    normal Normal
    student_t StudentT
    cauchy Cauchy
    laplace Laplace
    logistic Logistic
    log_normal LogNormal
    half_normal HalfNormal
    half_cauchy HalfCauchy
    half_student_t HalfStudentT
    exponential Exponential
    gamma Gamma
    inverse_gamma InverseGamma
    weibull Weibull
    beta Beta
    uniform Uniform
    flat Flat
    half_flat HalfFlat
    bernoulli Bernoulli
    binomial Binomial
    poisson Poisson
    neg_binomial NegBinomial
    categorical Categorical
    ordered_logistic OrderedLogistic
    dirichlet Dirichlet
    ordered Ordered
    multi_normal MultiNormal
    lkj Lkj
    lkj_cholesky LkjCholesky
}

/// A family of distributions.
pub trait Distribution: Debug + Sync {
    /// Its name in the language.
    fn name(&self) -> &'static str;
    /// What it is: a sentence and the log density as a formula, in Markdown.
    fn doc(&self) -> &'static str;
    /// Its parameterisations; the first takes its arguments by position.
    fn forms(&self) -> &'static [Form];
    /// The dimensions that one draw takes.
    fn event(&self) -> EventKind;
    /// Where a draw lies.
    fn support(&self) -> Support;
    /// Where a draw lies when the distribution given as its argument has this support; `None` when it takes none such.
    fn support_over(&self, _inner: Support) -> Option<Support> {
        None
    }
    /// Adds the log density of one draw to the tape, a node of width 1.
    ///
    /// `args` are the form's values in its order; `inner` the distributions among its arguments, in its order.
    /// For a scalar distribution `x` and the arguments may instead all be as wide as the widest of them (or of width 1):
    /// the node is then as wide, one density per lane (a [`ParamKind::Free`] vector is the same in all of them).
    /// For others `x` is one event in row-major order, an argument of scalar kind has width 1, a vector argument width K
    /// or 1, a matrix argument width K·K.
    fn log_density(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
        inner: &[Applied<NodeId>],
    ) -> NodeId;
    /// Adds the log of the distribution function; `None` when there is none to be had.
    fn log_cdf(
        &self,
        _tape: &mut Builder,
        _form: usize,
        _x: NodeId,
        _args: &[NodeId],
    ) -> Option<NodeId> {
        None
    }
    /// Adds the log of one minus the distribution function.
    fn log_ccdf(
        &self,
        _tape: &mut Builder,
        _form: usize,
        _x: NodeId,
        _args: &[NodeId],
    ) -> Option<NodeId> {
        None
    }
    /// One draw; arguments as for [`Distribution::log_density`], `size` the K of a vector or K × K matrix event (1 for a
    /// scalar). NaN where an argument is outside its domain and where the distribution is improper.
    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64>;
    /// The mean and the variance of a draw of a scalar distribution; `None` where they are not written down.
    fn moments(&self, _form: usize, _args: &[&[f64]]) -> Option<(f64, f64)> {
        None
    }
    /// The forms that take the place of others whose argument is the value of a function.
    fn links(&self) -> &'static [Link] {
        &[]
    }
    /// The elementwise rows of its file.
    fn rows(&self) -> &'static [&'static Elementwise] {
        &[]
    }
    /// Whether its expected log density under a Gaussian is known in closed form, for this form's arguments.
    fn gaussian_form(&self, _form: usize) -> Option<GaussianForm> {
        None
    }
    /// At least three points with the log density worked out by another system, which is named.
    fn cases(&self) -> &'static [Case];
}

/// A distribution with its arguments: nodes of a tape (`NodeId`) or numbers (`&[f64]`).
#[derive(Clone, Debug)]
pub struct Applied<A> {
    /// Which.
    pub distribution: &'static dyn Distribution,
    /// Which of its forms.
    pub form: usize,
    /// The values among its arguments, in the form's order.
    pub args: Vec<A>,
    /// The distributions among its arguments, in the form's order.
    pub inner: Vec<Applied<A>>,
}

impl Applied<NodeId> {
    /// [`Distribution::log_density`] of these arguments, where terms are fused through a [`Link`] if there is one.
    pub fn log_density(&self, tape: &mut Builder, x: NodeId) -> NodeId {
        let fuses = tape.passes().has(Pass::Fuse);
        if let Some(linked) = fuses.then(|| self.linked(tape)).flatten() {
            return linked.log_density(tape, x);
        }
        self.distribution
            .log_density(tape, self.form, x, &self.args, &self.inner)
    }

    /// The same in the form that takes what a function of it is given for now: `Poisson(log = η)` for `Poisson(exp(η))`, and where
    /// that function is `exp`, for products and quotients of such with data too.
    fn linked(&self, tape: &mut Builder) -> Option<Applied<NodeId>> {
        let links = self.distribution.links().iter();
        links
            .filter(|link| link.from == self.form)
            .find_map(|link| {
                let inner = link.inner(tape, self.args[link.place])?;
                let mut linked = self.clone();
                linked.form = link.to;
                linked.args[link.place] = inner;
                Some(linked)
            })
    }
}

impl Link {
    /// η, where the argument is the function of it.
    fn inner(&self, tape: &mut Builder, arg: NodeId) -> Option<NodeId> {
        if *self.function == EXP {
            return tape.node(arg).varies.then(|| log(tape, arg)).flatten();
        }
        match &tape.node(arg).op {
            Op::Map(function, inner) if **function == *self.function => Some(inner[0]),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        }
    }
}

/// The log of a node that is made of exponentials and positive data by products, quotients and lifting; `None` for any other.
fn log(tape: &mut Builder, id: NodeId) -> Option<NodeId> {
    let node = tape.node(id).clone();
    match &node.op {
        Op::Constant(values) | Op::Data(values) => {
            (values.iter().all(|x| *x > 0.0)).then(|| tape.map(&LOG, &[id]))
        }
        Op::Map(function, args) => {
            if **function == EXP {
                return Some(args[0]);
            }
            let join = if **function == MUL {
                &ADD
            } else if **function == DIV {
                &SUB
            } else {
                return None;
            };
            let (a, b) = (log(tape, args[0])?, log(tape, args[1])?);
            Some(tape.map(join, &[a, b]))
        }
        Op::Lift(from, index) if tape.width(*from) == node.width => {
            let log = log(tape, *from)?;
            Some(match tape.constant_value(log) {
                Some(_) => log,
                None => tape.lift_by(log, node.plate, index.clone()),
            })
        }
        Op::Input(_) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => None,
    }
}

impl Applied<&[f64]> {
    /// [`Distribution::sample`] with these arguments.
    pub fn sample(&self, size: usize, rng: &mut Rng) -> Vec<f64> {
        self.distribution
            .sample(self.form, &self.args, &self.inner, size, rng)
    }
}

/// A parameterisation.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Its parameters in order.
    pub params: &'static [Param],
}

/// A form that takes η where another takes a function of it, and otherwise the same arguments.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The form that takes the function of η.
    pub from: usize,
    /// The form that takes η.
    pub to: usize,
    /// The place of both among the values that are arguments.
    pub place: usize,
    /// The function.
    pub function: &'static Elementwise,
}

/// A parameter of a distribution.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, by which it may be given.
    pub name: &'static str,
    /// The kind of value that it takes.
    pub kind: ParamKind,
    /// The value when it is not given.
    pub default: Option<f64>,
}

impl Param {
    /// A parameter without a default.
    const fn new(name: &'static str, kind: ParamKind) -> Param {
        Param {
            name,
            kind,
            default: None,
        }
    }

    /// A number.
    const fn scalar(name: &'static str, domain: Domain) -> Param {
        Param::new(name, ParamKind::Scalar(domain))
    }
}

/// The kind of value that a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    /// A number for each draw; it broadcasts.
    Scalar(Domain),
    /// A vector whose length is the event's (or a number, for all of it).
    Vector(Domain),
    /// A vector whose length is the number of categories or cutpoints, free of the event's.
    Free(FreeVector),
    /// A symmetric positive definite matrix as large as the event.
    Covariance,
    /// A lower triangular matrix with positive diagonal as large as the event.
    Cholesky,
    /// A distribution, as in `Ordered(Normal(0, 1))`.
    Distribution,
}

/// A vector parameter whose length is its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeVector {
    /// Probabilities that sum to 1, one per category.
    Simplex,
    /// Any numbers, one per category.
    Real,
    /// Increasing numbers, one fewer than there are categories.
    Ordered,
}

/// The dimensions that one draw takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// None: further dimensions are independent draws.
    Scalar,
    /// The last dimension.
    Vector,
    /// The last two, which are equal.
    Square,
}

/// Where a draw lies; for a latent it decides the transform to the unconstrained space.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Support {
    /// Any real number (or any vector of them).
    Real,
    /// Above zero.
    Positive,
    /// In (0, 1).
    Unit,
    /// Between the arguments of these places.
    Interval {
        /// The place of the lower bound among the form's parameters.
        lower: usize,
        /// The place of the upper bound.
        upper: usize,
    },
    /// Probabilities that sum to 1.
    Simplex,
    /// Increasing real numbers.
    Ordered,
    /// Increasing positive numbers.
    PositiveOrdered,
    /// The Cholesky factor of a correlation matrix.
    CholeskyCorrelation,
    /// A correlation matrix.
    Correlation,
    /// 0 or 1; not for a latent.
    Binary,
    /// An integer from 0; not for a latent.
    Count,
    /// An integer from 0 to the argument of this place; not for a latent.
    CountUpTo {
        /// The place of the bound among the form's parameters.
        bound: usize,
    },
    /// A category from 1 to K; not for a latent.
    Category,
}

/// A form whose expected log density under a jointly Gaussian (x, arguments) is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GaussianForm {
    /// Normal with residual `x − args[0]` and sd `args[1]`.
    Normal,
    /// Normal on log x: residual `log x − args[0]`, sd `args[1]`.
    LogNormal,
    /// Poisson with log rate `args[0]`.
    Poisson,
    /// Poisson with rate `args[0]`, of which the log is affine.
    PoissonRate,
}

/// A point with the log density that another system gives.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Which form.
    pub form: usize,
    /// The draw.
    pub x: &'static [f64],
    /// The values among the arguments.
    pub args: &'static [&'static [f64]],
    /// The distribution among the arguments.
    pub inner: Option<Given>,
    /// The log density.
    pub log_density: f64,
    /// Who says so, with version.
    pub source: &'static str,
}

/// A distribution with numbers as arguments.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Which.
    pub distribution: &'static dyn Distribution,
    /// Which of its forms.
    pub form: usize,
    /// Its arguments.
    pub args: &'static [&'static [f64]],
}

impl Case {
    const fn new(
        form: usize,
        x: &'static [f64],
        args: &'static [&'static [f64]],
        log_density: f64,
        source: &'static str,
    ) -> Case {
        Case {
            form,
            x,
            args,
            inner: None,
            log_density,
            source,
        }
    }
}

const SCIPY: &str = "scipy 1.17.1";
const MPMATH: &str = "mpmath 1.3.0, 60 digits";

/// The distribution of this name.
pub fn named(name: &str) -> Option<&'static dyn Distribution> {
    CATALOGUE.iter().copied().find(|d| d.name() == name)
}

/// A single number drawn from what rand_distr made of the arguments; NaN where it refused them.
fn draw<D: rand_distr::Distribution<f64>, E>(distribution: Result<D, E>, rng: &mut Rng) -> f64 {
    distribution.map_or(f64::NAN, |d| d.sample(rng))
}

/// (x − location) / scale.
fn standardised(tape: &mut Builder, x: NodeId, location: NodeId, scale: NodeId) -> NodeId {
    let centred = tape.map(&SUB, &[x, location]);
    tape.map(&DIV, &[centred, scale])
}

/// `base[index]` for each number of `index`, from 1.
fn pick_each(tape: &mut Builder, base: NodeId, index: NodeId) -> NodeId {
    let one = EventOp::PickAt { width: 1 };
    let width = tape.width(index);
    if width == 1 {
        return tape.event(one, &[base, index]);
    }
    let picked: Vec<NodeId> = (0..width as u32)
        .map(|k| {
            let at = tape.event(EventOp::Pick([k].into()), &[index]);
            tape.event(one.clone(), &[base, at])
        })
        .collect();
    tape.event(EventOp::Stack, &picked)
}

#[cfg(test)]
mod tests;
