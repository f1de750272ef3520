//! The catalogue of elementwise operations: each is one row with its value and partial derivatives.
//!
//! Rows are generic over [`Real`]; run over dual numbers, the partials give second derivatives.
//! The language's operators and functions are the rows of [`operators`] and [`functions`]; a distribution's fused log
//! density is a row in its own file.

mod additive;
pub mod functions;
mod loops;
mod one_pass;
pub mod operators;
mod row_pass;
mod stretch;

use crate::num::Dual;
use crate::num::Real;
use crate::num::simd;
use crate::num::simd::Task;
pub use additive::*;
pub use functions::*;
pub use one_pass::*;
pub use operators::*;
pub use row_pass::*;
use std::cell::Cell;
pub use stretch::*;

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
    /// The arguments, as bits, whose partial derivatives have a loop of their own, so that they cost nothing where they are not wanted.
    const ASIDE: usize;
    /// The value.
    fn value<T: Real>(args: [T; N]) -> T;
    /// The partial derivatives with respect to each argument; `y` is the value.
    fn partials<T: Real>(args: [T; N], y: T) -> [T; N];
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
    /// How many rows of it add up, of a density whose rows do.
    pub additive: Option<Additive>,
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

/// The most arguments of a row.
pub const MOST_ARGS: usize = 8;

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

/// The adjoint of a row's value.
#[derive(Clone, Copy)]
pub enum Seed<'a, T> {
    /// One per lane.
    Each(&'a [T]),
    /// One per lane, beside places that are being written.
    Cells(&'a [Cell<T>]),
    /// The same in every lane.
    Same(T),
}

/// Where the adjoint of an argument goes.
#[derive(Clone, Copy)]
pub enum Bar<'a, T> {
    /// Nowhere: it is not wanted.
    None,
    /// Written lane by lane.
    Set(&'a [Cell<T>]),
    /// Added lane by lane.
    Add(&'a [Cell<T>]),
    /// Summed over the lanes and added, for an argument that is the same in every lane.
    Sum(&'a Cell<T>),
}

/// The loops of one row over one scalar type.
#[derive(Debug)]
pub struct Kernel<T: 'static> {
    /// Writes the values of all lanes of the last argument.
    pub forward: Forward<T>,
    /// Called with (args, y, y_bar, out): for argument `k`, writes `y_bar * ∂y/∂arg_k` of lane `i` to `out[k * n + i]`,
    /// where n = `y.len()`.
    pub backward: Backward<T>,
    /// Called with (args, y, y_bar, bars): brings `y_bar * ∂y/∂arg_k` of every lane to where `bars[k]` says.
    pub adjoints: AdjointsOf<T>,
    /// The loop that sums values up, of a row that has one.
    pub one_pass: Option<OnePassKernel<T>>,
    /// The loops for sums by runs, of a row that has such a loop.
    pub row_pass: Option<RowPass>,
}

/// A loop that writes values.
pub type Forward<T> = fn(&[Lanes<'_, T>], &mut [T]);

/// A loop that writes adjoints of all arguments.
pub type Backward<T> = fn(&[Lanes<'_, T>], &[T], &[T], &mut [T]);

/// A loop that brings adjoints to where they are wanted.
pub type AdjointsOf<T> = fn(&[Lanes<'_, T>], &[T], Seed<'_, T>, &[Bar<'_, T>]);

/// A scalar type that the tape runs over.
pub trait Scalar: Real {
    /// The loops of `op` over this type.
    fn kernel(op: &Elementwise) -> &Kernel<Self>;

    /// Whether the loop of a rule is compiled whole; or else what is the same for all rules is called from it.
    const WHOLE: bool;

    /// Runs a loop with vector instructions.
    fn run<K: Task>(task: K) -> K::Output;

    /// Data as numbers of this type, at least as many as `memory` holds; written there where they have to be, with any numbers behind.
    fn data<'a>(values: &'a [f64], memory: &'a mut [Self]) -> &'a [Self];

    /// Data as numbers of this type where they are.
    fn in_place(values: &[f64]) -> Option<&[Self]>;
}

impl Scalar for f64 {
    const WHOLE: bool = true;

    fn kernel(op: &Elementwise) -> &Kernel<f64> {
        &op.plain
    }

    #[inline]
    fn run<K: Task>(task: K) -> K::Output {
        simd::run(task)
    }

    fn data<'a>(values: &'a [f64], memory: &'a mut [f64]) -> &'a [f64] {
        if values.len() >= memory.len() {
            return values;
        }
        memory[..values.len()].copy_from_slice(values);
        memory
    }

    #[inline]
    fn in_place(values: &[f64]) -> Option<&[f64]> {
        Some(values)
    }
}

impl Scalar for Dual {
    const WHOLE: bool = false;

    fn kernel(op: &Elementwise) -> &Kernel<Dual> {
        &op.dual
    }

    /// A dual number is two numbers side by side: the widest vectors gain little, and every loop less is compiled sooner.
    #[inline]
    fn run<K: Task>(task: K) -> K::Output {
        simd::run_narrow(task)
    }

    fn data<'a>(values: &'a [f64], memory: &'a mut [Dual]) -> &'a [Dual] {
        for (number, value) in memory.iter_mut().zip(values) {
            *number = Dual::of(*value);
        }
        memory
    }

    #[inline]
    fn in_place(_values: &[f64]) -> Option<&[Dual]> {
        None
    }
}

/// The loop of rule `R` that brings adjoints to where they are wanted.
fn adjoints<R: Rule<N>, T: Scalar, const N: usize>(
    args: &[Lanes<'_, T>],
    y: &[T],
    y_bar: Seed<'_, T>,
    bars: &[Bar<'_, T>],
) {
    loops::adjoints(
        loops::adjoints_of::<R, T, N>,
        R::ASIDE,
        args,
        y,
        y_bar,
        bars,
    );
}

impl<T: Scalar> Kernel<T> {
    /// The loops of rule `R`.
    pub const fn of<R: Rule<N>, const N: usize>() -> Kernel<T> {
        const { assert!(N <= MOST_ARGS, "a row of few arguments") };
        Kernel {
            forward: |args, out| loops::values(loops::values_of::<R, T, N>, args, out),
            backward: |args, y, y_bar, out| {
                let lanes = Cell::from_mut(out).as_slice_of_cells();
                let bars: [Bar<'_, T>; N] =
                    std::array::from_fn(|k| Bar::Set(&lanes[k * y.len()..][..y.len()]));
                adjoints::<R, T, N>(args, y, Seed::Each(y_bar), &bars);
            },
            adjoints: adjoints::<R, T, N>,
            one_pass: None,
            row_pass: None,
        }
    }

    /// These and the loop that sums up values of rule `R`.
    pub const fn and_one_pass<R: OnePass<N>, const N: usize>(mut self) -> Kernel<T> {
        self.one_pass = Some(OnePassKernel::of::<R, N>());
        self.row_pass = Some(RowPass::of::<R, N>());
        self
    }
}

/// Writes rows of the catalogue: for each a unit struct with its [`Rule`] and a static [`Elementwise`] of the same name in
/// capitals; and `ROWS`, the list of them.
///
/// `Div DIV "div" (a: Real, b: Real) -> Real, at [[0.7, -1.2]] { value: a / b, partials: |y| [T::one() / b, -y / b] }`;
/// after a probe may stand `is` and the value there by another system; in both expressions `T` is the scalar type, in the
/// partials `y` is the value; after them may stand the arguments whose partials have a loop of their own, aside. An argument whose domain is of integers has no derivative: its partial is 0.
#[macro_export]
macro_rules! elementwise {
    (@callable) => { true };
    (@given) => { false };
    (@given $given:expr) => { true };
    (@or $default:expr;) => { $default };
    (@or $default:expr; $given:expr) => { $given };
    (@kernel $rule:ident [$($arg:ident),+]) => {
        $crate::tape::elementwise::Kernel::of::<$rule, { [$(stringify!($arg)),+].len() }>()
    };
    (@kernel $rule:ident [$($arg:ident),+] $one_pass:ident) => {
        $crate::elementwise!(@kernel $rule [$($arg),+]).and_one_pass::<$rule, { [$(stringify!($arg)),+].len() }>()
    };
    (@expected) => { f64::NAN };
    (@expected $expected:expr) => { $expected };
    (@additive) => { None };
    (@additive $additive:expr) => { Some($additive) };
    ($($(#[doc = $doc:literal])+ $rule:ident $row:ident $name:literal $($callable:ident)? ($($arg:ident: $domain:ident),+) -> $range:ident,
       at [$([$($probe:expr),+] $(is $expected:expr)?),+ $(,)?] { value: $value:expr, partials: |$y:ident| $partials:expr
         $(, aside: [$($aside:ident),+])?
         $(, one_pass: [$($own:ident),+] by $by:ident $(against $against:ident)? $(shared $($shared:ident),+)? {
                add: $add:expr $(, product: $product:expr)?, partials: $slopes:expr $(, apart: $apart:expr)? $(,)?
            })? $(, additive: $additive:expr)? $(,)? })*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $rule;

        impl $crate::tape::elementwise::Rule<{ [$(stringify!($arg)),+].len() }> for $rule {
            const ASIDE: usize = $crate::tape::elementwise::places(&[$(stringify!($arg)),+], &[$($(stringify!($aside)),+)?]);

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
        }

        $(
            impl $crate::tape::elementwise::OnePass<{ [$(stringify!($own)),+].len() }> for $rule {
                const BY: usize = $crate::tape::elementwise::places(&[$(stringify!($own)),+], &[stringify!($by)]);
                const AGAINST: usize = $crate::tape::elementwise::places(&[$(stringify!($own)),+], &[$(stringify!($against))?]);
                const SHARED: usize = $crate::tape::elementwise::places(&[$(stringify!($own)),+], &[$($(stringify!($shared)),+)?]);
                const PRODUCTS: bool = $crate::elementwise!(@given $($product)?);

                #[inline(always)]
                #[allow(unused_variables, reason = "a row need not use every name")]
                fn lane<T: $crate::num::Real>(
                    [$($own),+]: [T; { [$(stringify!($own)),+].len() }],
                ) -> $crate::tape::elementwise::Summand<T, { [$(stringify!($own)),+].len() }> {
                    $crate::tape::elementwise::Summand {
                        add: $add,
                        product: $crate::elementwise!(@or T::one(); $($product)?),
                        partials: $slopes,
                    }
                }

                #[inline(always)]
                #[allow(unused_variables, reason = "a row need not use every name")]
                fn apart<T: $crate::num::Real>([$($own),+]: [T; { [$(stringify!($own)),+].len() }]) -> T {
                    $crate::elementwise!(@or T::zero(); $($apart)?)
                }
            }
        )?

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
            additive: $crate::elementwise!(@additive $($additive)?),
            plain: $crate::elementwise!(@kernel $rule [$($arg),+] $($by)?),
            dual: $crate::elementwise!(@kernel $rule [$($arg),+] $($by)?),
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
