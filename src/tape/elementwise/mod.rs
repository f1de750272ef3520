//! The catalogue of elementwise operations: each is one row with its value and partial derivatives.
//!
//! Rows are generic over [`Real`]; run over dual numbers, the partials give second derivatives.
//! The language's operators and functions are the rows of [`operators`] and [`functions`]; a distribution's fused log
//! density is a row in its own file.

pub mod functions;
pub mod operators;

use crate::num::Dual;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd;
use crate::num::simd::Task;
pub use functions::*;
pub use operators::*;
use std::marker::PhantomData;

/// The set of numbers that an argument may take, or that a result lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// Any real number.
    Real,
    /// Above zero.
    Positive,
    /// Zero or above.
    NonNegative,
    /// In [0, 1].
    Unit,
    /// An integer, zero or above.
    Count,
    /// 0 or 1.
    Binary,
    /// An integer, one or above.
    Index,
    /// Below zero or zero.
    NonPositive,
    /// In [-1, 1].
    SignedUnit,
}

impl Domain {
    /// Whether `x` lies in it.
    pub fn holds(self, x: f64) -> bool {
        match self {
            Domain::Real => !x.is_nan(),
            Domain::Positive => x > 0.0,
            Domain::NonNegative => x >= 0.0,
            Domain::Unit => (0.0..=1.0).contains(&x),
            Domain::Count => x >= 0.0 && x.fract() == 0.0,
            Domain::Binary => x == 0.0 || x == 1.0,
            Domain::Index => x >= 1.0 && x.fract() == 0.0,
            Domain::NonPositive => x <= 0.0,
            Domain::SignedUnit => (-1.0..=1.0).contains(&x),
        }
    }

    /// Whether every number of this set lies in `other`.
    pub fn within(self, other: Domain) -> bool {
        use Domain::*;
        let wider: &[Domain] = match self {
            Real => &[Real],
            Positive => &[Real, Positive, NonNegative],
            NonNegative => &[Real, NonNegative],
            Unit => &[Real, NonNegative, Unit, SignedUnit],
            Count => &[Real, NonNegative, Count],
            Binary => &[Real, NonNegative, Unit, Count, Binary, SignedUnit],
            Index => &[Real, Positive, NonNegative, Count, Index],
            NonPositive => &[Real, NonPositive],
            SignedUnit => &[Real, SignedUnit],
        };
        wider.contains(&other)
    }
}

/// An elementwise operation of `N` arguments.
pub trait Rule<const N: usize> {
    /// The value.
    fn value<T: Real>(args: [T; N]) -> T;
    /// The partial derivatives with respect to each argument; `y` is the value.
    fn partials<T: Real>(args: [T; N], y: T) -> [T; N];
    /// Whether [`Rule::one_pass`] has products.
    const PRODUCTS: bool = false;
    /// Value and partial derivatives at once, for sums over many lanes.
    #[inline(always)]
    fn one_pass<T: Real>(args: [T; N]) -> OnePass<T, N> {
        let y = Self::value(args);
        OnePass {
            add: y,
            product: T::one(),
            partials: Self::partials(args, y),
        }
    }
    /// The part of the value that [`Rule::one_pass`] leaves out: it depends on arguments of integers alone, which are data.
    #[inline(always)]
    fn apart<T: Real>(_args: [T; N]) -> T {
        T::zero()
    }
}

/// One lane of a sum: the value is `apart + add − log(product)`.
///
/// Over many lanes the products are multiplied, and one logarithm is taken of all; each lies in [1, 2].
#[derive(Clone, Copy, Debug)]
pub struct OnePass<T, const N: usize> {
    /// What is added.
    pub add: T,
    /// What is multiplied.
    pub product: T,
    /// The partial derivatives.
    pub partials: [T; N],
}

/// A row of the catalogue.
#[derive(Debug)]
pub struct Elementwise {
    /// Its name in the language, or, for an operator or a density, in dumps.
    pub name: &'static str,
    /// The names of its arguments.
    pub args: &'static [&'static str],
    /// Where it may be evaluated, per argument.
    pub domain: &'static [Domain],
    /// Where its result lies.
    pub range: Domain,
    /// What it is, in a line.
    pub doc: &'static str,
    /// Points at which tests check its partials: ordinary and extreme ones.
    pub probes: &'static [&'static [f64]],
    /// Its values at the probes by mpmath 1.3.0 with 60 digits; NaN where none is given.
    pub expected: &'static [f64],
    /// Whether a model may call it by name.
    pub callable: bool,
    /// Its loops over `f64`.
    pub plain: Kernel<f64>,
    /// Its loops over dual numbers.
    pub dual: Kernel<Dual>,
}

impl PartialEq for Elementwise {
    fn eq(&self, other: &Elementwise) -> bool {
        self.name == other.name
    }
}

/// One argument of a kernel: a value for each lane, or one value for all.
#[derive(Clone, Copy, Debug)]
pub enum Lanes<'a, T> {
    /// One value per lane.
    Each(&'a [T]),
    /// The same value in every lane.
    Same(T),
}

impl<T: Copy> Lanes<'_, T> {
    /// The value in lane `i`.
    #[inline(always)]
    pub fn at(&self, i: usize) -> T {
        match self {
            Lanes::Each(values) => values[i],
            Lanes::Same(value) => *value,
        }
    }
}

/// The loops of one row over one scalar type.
#[derive(Debug)]
pub struct Kernel<T: 'static> {
    /// Writes the values of all lanes of the last argument.
    pub forward: Forward<T>,
    /// Called with (args, y, y_bar, out): for argument `k`, writes `y_bar * ∂y/∂arg_k` of lane `i` to `out[k * n + i]`,
    /// where n = `y.len()`.
    pub backward: Backward<T>,
    /// Called with (args, out): the sum over all lanes of the values without what is [`Rule::apart`]; for argument `k` writes
    /// ∂y/∂arg_k of lane `i` to `out[k * n + i]`, where n is the number of lanes, `out` being as long as all of it.
    pub one_pass: Sum<T>,
    /// The part of a value that the sum leaves out.
    pub apart: fn(&[T]) -> T,
}

/// A loop that adds up values and writes partial derivatives.
pub type Sum<T> = fn(&[Lanes<'_, T>], &mut [T]) -> T;

/// A loop that writes values.
pub type Forward<T> = fn(&[Lanes<'_, T>], &mut [T]);

/// A loop that writes adjoints.
pub type Backward<T> = fn(&[Lanes<'_, T>], &[T], &[T], &mut [T]);

/// A scalar type that the tape runs over.
pub trait Scalar: Real {
    /// The loops of `op` over this type.
    fn kernel(op: &Elementwise) -> &Kernel<Self>;
}

impl Scalar for f64 {
    fn kernel(op: &Elementwise) -> &Kernel<f64> {
        &op.plain
    }
}

impl Scalar for Dual {
    fn kernel(op: &Elementwise) -> &Kernel<Dual> {
        &op.dual
    }
}

impl<T: Real> Kernel<T> {
    /// The loops of rule `R`.
    pub const fn of<R: Rule<N>, const N: usize>() -> Kernel<T> {
        Kernel {
            forward: |args, out| {
                simd::run(Values::<R, T, N> {
                    args: std::array::from_fn(|k| args[k]),
                    out,
                    rule: PhantomData,
                });
            },
            backward: |args, y, y_bar, out| {
                simd::run(Adjoints::<R, T, N> {
                    args: std::array::from_fn(|k| args[k]),
                    y,
                    y_bar,
                    out,
                    rule: PhantomData,
                });
            },
            one_pass: |args, out| {
                simd::run(Sums::<R, T, N> {
                    args: std::array::from_fn(|k| args[k]),
                    out,
                    rule: PhantomData,
                })
            },
            apart: |args| R::apart(std::array::from_fn(|k| args[k])),
        }
    }
}

/// Lanes in a piece of a block.
const PIECE: usize = 128;

/// One number for each lane of a piece.
type Piece<T> = [T; PIECE];

/// Where a loop over `n` lanes of a piece ends: lanes up to the next multiple of 8 are computed along, because a vector
/// costs as much as a number.
#[inline(always)]
fn padded(n: usize) -> usize {
    ((n + 7) & !7).min(PIECE)
}

/// The arguments of a row, piece by piece. The hot loops see only arrays, so that the compiler need not ask which
/// arguments vary and where they end.
struct Pieces<'a, T, const N: usize> {
    args: [Lanes<'a, T>; N],
    /// What is the same in every lane, and the lanes of a last piece that is not full.
    own: [Piece<T>; N],
}

impl<'a, T: Real, const N: usize> Pieces<'a, T, N> {
    #[inline(always)]
    fn new(args: [Lanes<'a, T>; N]) -> Self {
        let mut pieces = Pieces {
            args,
            own: [[T::default(); PIECE]; N],
        };
        for (arg, own) in args.iter().zip(&mut pieces.own) {
            match arg {
                Lanes::Each(_) => {}
                Lanes::Same(value) => own.fill(*value),
            }
        }
        pieces
    }

    /// Lanes `first .. first + n` of each argument.
    #[inline(always)]
    fn take(&mut self, first: usize, n: usize) -> [&Piece<T>; N] {
        for (arg, own) in self.args.iter().zip(&mut self.own) {
            match arg {
                Lanes::Each(values) if n < PIECE => {
                    own[..n].copy_from_slice(&values[first..first + n]);
                }
                Lanes::Each(_) | Lanes::Same(_) => {}
            }
        }
        std::array::from_fn(|k| match self.args[k] {
            Lanes::Each(values) => values[first..].first_chunk().unwrap_or(&self.own[k]),
            Lanes::Same(_) => &self.own[k],
        })
    }
}

/// Lane `i` of each argument.
#[inline(always)]
fn lane<T: Real, F: Fma, const N: usize>(args: [&Piece<T>; N], i: usize) -> [Lane<T, F>; N] {
    std::array::from_fn(|k| Lane::new(args[k][i]))
}

/// Writes the first lanes of a piece.
#[inline(always)]
fn put<T: Copy>(piece: &Piece<T>, out: &mut [T]) {
    match <&mut Piece<T>>::try_from(&mut *out) {
        Ok(out) => *out = *piece,
        Err(_) => out.copy_from_slice(&piece[..out.len()]),
    }
}

/// The loop that writes values.
struct Values<'a, R, T, const N: usize> {
    args: [Lanes<'a, T>; N],
    out: &'a mut [T],
    rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Values<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let mut args = Pieces::new(self.args);
        for (piece, out) in self.out.chunks_mut(PIECE).enumerate() {
            let n = out.len();
            let args = args.take(piece * PIECE, n);
            let mut y = [T::default(); PIECE];
            for (i, y) in y[..padded(n)].iter_mut().enumerate() {
                *y = R::value(lane::<T, F, N>(args, i)).get();
            }
            put(&y, out);
        }
    }
}

/// The loop that writes adjoints.
struct Adjoints<'a, R, T, const N: usize> {
    args: [Lanes<'a, T>; N],
    y: &'a [T],
    y_bar: &'a [T],
    out: &'a mut [T],
    rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Adjoints<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let len = self.y.len();
        let mut args = Pieces::new(self.args);
        let mut results = Pieces::new([Lanes::Each(self.y), Lanes::Each(self.y_bar)]);
        for first in (0..len).step_by(PIECE) {
            let n = (len - first).min(PIECE);
            let args = args.take(first, n);
            let results = results.take(first, n);
            let mut bars = [[T::default(); PIECE]; N];
            for i in 0..padded(n) {
                let [y, y_bar] = lane::<T, F, 2>(results, i);
                let partials = R::partials(lane::<T, F, N>(args, i), y);
                for (bar, partial) in bars.iter_mut().zip(partials) {
                    // A zero adjoint stays zero whatever the partial: a branch not taken may be infinite there.
                    let product = (y_bar * partial).get();
                    bar[i] = if y_bar.get().is_zero() {
                        T::zero()
                    } else {
                        product
                    };
                }
            }
            for (bar, out) in bars.iter().zip(self.out.chunks_exact_mut(len)) {
                put(bar, &mut out[first..first + n]);
            }
        }
    }
}

/// The loop that adds up values and writes partial derivatives.
struct Sums<'a, R, T, const N: usize> {
    args: [Lanes<'a, T>; N],
    out: &'a mut [T],
    rule: PhantomData<R>,
}

/// Lanes that are added up side by side, so that the order is the same on every instruction set.
const SIDE_BY_SIDE: usize = 16;

impl<R: Rule<N>, T: Real, const N: usize> Task for Sums<'_, R, T, N> {
    type Output = T;

    #[inline(always)]
    fn run<F: Fma>(self) -> T {
        let len = self.out.len() / N;
        let mut args = Pieces::new(self.args);
        let mut sums = [T::zero(); SIDE_BY_SIDE];
        let mut products = [T::one(); SIDE_BY_SIDE];
        for first in (0..len).step_by(PIECE) {
            let n = (len - first).min(PIECE);
            let args = args.take(first, n);
            let mut adds = [T::zero(); PIECE];
            let mut factors = [T::one(); PIECE];
            let mut partials = [[T::default(); PIECE]; N];
            for i in 0..padded(n) {
                let lane = R::one_pass(lane::<T, F, N>(args, i));
                adds[i] = lane.add.get();
                factors[i] = lane.product.get();
                for (out, partial) in partials.iter_mut().zip(lane.partials) {
                    out[i] = partial.get();
                }
            }
            // What was computed along counts for nothing.
            adds[n..].fill(T::zero());
            factors[n..].fill(T::one());
            for adds in adds.chunks_exact(SIDE_BY_SIDE) {
                for (sum, add) in sums.iter_mut().zip(adds) {
                    *sum += *add;
                }
            }
            if R::PRODUCTS {
                for factors in factors.chunks_exact(SIDE_BY_SIDE) {
                    for (product, factor) in products.iter_mut().zip(factors) {
                        *product *= *factor;
                    }
                }
                // At most 2 to the power of a piece's lanes: far from the largest number.
                let all = products
                    .iter()
                    .fold(T::one(), |all, product| all * *product);
                sums[0] -= all.log();
                products = [T::one(); SIDE_BY_SIDE];
            }
            for (partials, out) in partials.iter().zip(self.out.chunks_exact_mut(len)) {
                put(partials, &mut out[first..first + n]);
            }
        }
        sums.iter().fold(T::zero(), |sum, lane| sum + *lane)
    }
}

/// Writes rows of the catalogue: for each a unit struct with its [`Rule`] and a static [`Elementwise`] of the same name in
/// capitals; and `ROWS`, the list of them.
///
/// `Div DIV "div" (a: Real, b: Real) -> Real, at [[0.7, -1.2]] { value: a / b, partials: |y| [T::one() / b, -y / b] }`;
/// after a probe may stand `is` and the value there by another system; in both expressions `T` is the scalar type, in the
/// partials `y` is the value. An argument whose domain is of integers has no derivative: its partial is 0.
#[macro_export]
macro_rules! elementwise {
    (@callable) => { true };
    (@expected) => { f64::NAN };
    (@expected $expected:expr) => { $expected };
    ($($(#[doc = $doc:literal])+ $rule:ident $row:ident $name:literal $($callable:ident)? ($($arg:ident: $domain:ident),+) -> $range:ident,
       at [$([$($probe:expr),+] $(is $expected:expr)?),+ $(,)?] { value: $value:expr, partials: |$y:ident| $partials:expr
         $(, one_pass: [$($own:ident),+] { apart: $apart:expr, add: $add:expr, product: $product:expr, partials: $slopes:expr $(,)? })? $(,)? })*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $rule;

        impl $crate::tape::elementwise::Rule<{ [$(stringify!($arg)),+].len() }> for $rule {
            #[inline(always)]
            #[allow(unused_variables, clippy::redundant_closure_call, reason = "a row need not use every name")]
            fn value<T: $crate::num::Real>([$($arg),+]: [T; { [$(stringify!($arg)),+].len() }]) -> T {
                $value
            }

            #[inline(always)]
            #[allow(unused_variables, reason = "a row need not use every name")]
            fn partials<T: $crate::num::Real>(
                [$($arg),+]: [T; { [$(stringify!($arg)),+].len() }],
                $y: T,
            ) -> [T; { [$(stringify!($arg)),+].len() }] {
                $partials
            }

            $(
                const PRODUCTS: bool = true;

                #[inline(always)]
                #[allow(unused_variables, reason = "a row need not use every name")]
                fn one_pass<T: $crate::num::Real>(
                    [$($own),+]: [T; { [$(stringify!($own)),+].len() }],
                ) -> $crate::tape::elementwise::OnePass<T, { [$(stringify!($own)),+].len() }> {
                    $crate::tape::elementwise::OnePass { add: $add, product: $product, partials: $slopes }
                }

                #[inline(always)]
                #[allow(unused_variables, reason = "a row need not use every name")]
                fn apart<T: $crate::num::Real>([$($own),+]: [T; { [$(stringify!($own)),+].len() }]) -> T {
                    $apart
                }
            )?
        }

        $(#[doc = $doc])+
        pub static $row: $crate::tape::elementwise::Elementwise = $crate::tape::elementwise::Elementwise {
            name: $name,
            args: &[$(stringify!($arg)),+],
            domain: &[$($crate::tape::elementwise::Domain::$domain),+],
            range: $crate::tape::elementwise::Domain::$range,
            doc: concat!($($doc),+),
            probes: &[$(&[$($probe),+]),+],
            expected: &[$($crate::elementwise!(@expected $($expected)?)),+],
            callable: false $(|| $crate::elementwise!(@$callable))?,
            plain: $crate::tape::elementwise::Kernel::of::<$rule, { [$(stringify!($arg)),+].len() }>(),
            dual: $crate::tape::elementwise::Kernel::of::<$rule, { [$(stringify!($arg)),+].len() }>(),
        };
    )*
        /// The rows of this file.
        pub(crate) static ROWS: &[&$crate::tape::elementwise::Elementwise] = &[$(&$row),*];
    };
}

/// Every row that the language can reach, operators first.
pub fn catalogue() -> impl Iterator<Item = &'static Elementwise> {
    operators::ROWS.iter().chain(functions::ROWS).copied()
}

/// The function that a model may call by this name.
pub fn function(name: &str) -> Option<&'static Elementwise> {
    catalogue().find(|op| op.callable && op.name == name)
}

#[cfg(test)]
mod tests;
