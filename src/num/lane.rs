//! A scalar with the arithmetic of an instruction set: how kernels see their numbers inside a vector loop.

use super::Real;
use super::elementary::Fma;
use std::marker::PhantomData;
use std::ops::Add;
use std::ops::AddAssign;
use std::ops::Div;
use std::ops::DivAssign;
use std::ops::Mul;
use std::ops::MulAssign;
use std::ops::Neg;
use std::ops::Rem;
use std::ops::RemAssign;
use std::ops::Sub;
use std::ops::SubAssign;

/// A `T` whose elementary functions are computed with `F`; else it behaves as the `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Lane<T, F>(T, PhantomData<F>);

impl<T, F> Lane<T, F> {
    /// Wraps a number.
    #[inline(always)]
    pub fn new(value: T) -> Lane<T, F> {
        Lane(value, PhantomData)
    }

    /// The number.
    #[inline(always)]
    pub fn get(self) -> T {
        self.0
    }
}

impl<T: Real, F: Fma> Neg for Lane<T, F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Lane::new(-self.0)
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident $op:tt)*) => {$(
        impl<T: Real, F: Fma> $trait for Lane<T, F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: Self) -> Self {
                Lane::new(self.0 $op b.0)
            }
        }
        impl<T: Real, F: Fma> $trait<&Lane<T, F>> for Lane<T, F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, b: &Self) -> Self {
                self $op *b
            }
        }
        impl<T: Real, F: Fma> $assign for Lane<T, F> {
            #[inline(always)]
            fn $assign_method(&mut self, b: Self) {
                *self = *self $op b;
            }
        }
        impl<T: Real, F: Fma> $assign<&Lane<T, F>> for Lane<T, F> {
            #[inline(always)]
            fn $assign_method(&mut self, b: &Self) {
                *self = *self $op *b;
            }
        }
    )*};
}
arithmetic! {
    Add add AddAssign add_assign +
    Sub sub SubAssign sub_assign -
    Mul mul MulAssign mul_assign *
    Div div DivAssign div_assign /
    Rem rem RemAssign rem_assign %
}

impl<T: Real, F: Fma> num_traits::Zero for Lane<T, F> {
    #[inline(always)]
    fn zero() -> Self {
        Lane::new(T::zero())
    }
    #[inline(always)]
    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl<T: Real, F: Fma> num_traits::One for Lane<T, F> {
    #[inline(always)]
    fn one() -> Self {
        Lane::new(T::one())
    }
}

impl<T: Real, F: Fma> num_traits::Num for Lane<T, F> {
    type FromStrRadixErr = T::FromStrRadixErr;
    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        T::from_str_radix(text, radix).map(Lane::new)
    }
}

impl<T: Real, F: Fma> Real for Lane<T, F> {
    type Fma = F;
    const TANGENT: bool = T::TANGENT;
    #[inline(always)]
    fn of(value: f64) -> Self {
        Lane::new(T::of(value))
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self.0.value()
    }
    #[inline(always)]
    fn chain(self, value: f64, derivative: f64) -> Self {
        Lane::new(self.0.chain(value, derivative))
    }
    #[inline(always)]
    fn chain_two(self, other: Self, value: f64, partials: [f64; 2]) -> Self {
        Lane::new(self.0.chain_two(other.0, value, partials))
    }
    #[inline(always)]
    fn over(self, divisor: Self) -> Self {
        Lane::new(self.0.over(divisor.0))
    }
    #[inline(always)]
    fn times_plus<G: Fma>(self, factor: f64, addend: Self) -> Self {
        Lane::new(self.0.times_plus::<G>(factor, addend.0))
    }
}
