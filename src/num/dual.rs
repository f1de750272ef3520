//! Dual numbers: a value with the derivative along one direction.

use super::Real;
use super::elementary::Fma;
use super::elementary::Unfused;
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

/// A value and its tangent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// The derivative along the direction.
    pub tangent: f64,
}

impl PartialOrd for Dual {
    #[inline(always)]
    fn partial_cmp(&self, other: &Dual) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Neg for Dual {
    type Output = Dual;
    #[inline(always)]
    fn neg(self) -> Dual {
        Dual {
            value: -self.value,
            tangent: -self.tangent,
        }
    }
}

impl Add for Dual {
    type Output = Dual;
    #[inline(always)]
    fn add(self, b: Dual) -> Dual {
        Dual {
            value: self.value + b.value,
            tangent: self.tangent + b.tangent,
        }
    }
}

impl Sub for Dual {
    type Output = Dual;
    #[inline(always)]
    fn sub(self, b: Dual) -> Dual {
        Dual {
            value: self.value - b.value,
            tangent: self.tangent - b.tangent,
        }
    }
}

impl Mul for Dual {
    type Output = Dual;
    #[inline(always)]
    fn mul(self, b: Dual) -> Dual {
        Dual {
            value: self.value * b.value,
            tangent: self.tangent * b.value + self.value * b.tangent,
        }
    }
}

impl Div for Dual {
    type Output = Dual;
    #[inline(always)]
    fn div(self, b: Dual) -> Dual {
        let value = self.value / b.value;
        Dual {
            value,
            tangent: (self.tangent - value * b.tangent) / b.value,
        }
    }
}

impl Rem for Dual {
    type Output = Dual;
    #[inline(always)]
    fn rem(self, b: Dual) -> Dual {
        let quotient = (self.value / b.value).trunc();
        Dual {
            value: self.value % b.value,
            tangent: self.tangent - quotient * b.tangent,
        }
    }
}

macro_rules! assign {
    ($($trait:ident $method:ident $op:tt)*) => {$(
        impl $trait for Dual {
            #[inline(always)]
            fn $method(&mut self, b: Dual) {
                *self = *self $op b;
            }
        }
        impl $trait<&Dual> for Dual {
            #[inline(always)]
            fn $method(&mut self, b: &Dual) {
                *self = *self $op *b;
            }
        }
    )*};
}
assign! { AddAssign add_assign + SubAssign sub_assign - MulAssign mul_assign * DivAssign div_assign / RemAssign rem_assign % }

macro_rules! by_reference {
    ($($trait:ident $method:ident $op:tt)*) => {$(
        impl $trait<&Dual> for Dual {
            type Output = Dual;
            #[inline(always)]
            fn $method(self, b: &Dual) -> Dual {
                self $op *b
            }
        }
    )*};
}
by_reference! { Add add + Sub sub - Mul mul * Div div / Rem rem % }

impl num_traits::Zero for Dual {
    #[inline(always)]
    fn zero() -> Dual {
        Dual::default()
    }
    #[inline(always)]
    fn is_zero(&self) -> bool {
        self.value == 0.0 && self.tangent == 0.0
    }
}

impl num_traits::One for Dual {
    #[inline(always)]
    fn one() -> Dual {
        Dual {
            value: 1.0,
            tangent: 0.0,
        }
    }
}

impl num_traits::Num for Dual {
    type FromStrRadixErr = num_traits::ParseFloatError;
    #[inline(always)]
    fn from_str_radix(text: &str, radix: u32) -> Result<Dual, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Dual::of)
    }
}

impl Real for Dual {
    type Fma = Unfused;
    const TANGENT: bool = true;
    #[inline(always)]
    fn of(value: f64) -> Dual {
        Dual {
            value,
            tangent: 0.0,
        }
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self.value
    }
    #[inline(always)]
    fn chain(self, value: f64, derivative: f64) -> Dual {
        // Where the tangent is zero the derivative may be infinite: the product is still zero.
        let tangent = if self.tangent == 0.0 {
            0.0
        } else {
            self.tangent * derivative
        };
        Dual { value, tangent }
    }
    #[inline(always)]
    fn chain_two(self, other: Dual, value: f64, partials: [f64; 2]) -> Dual {
        let [first, second] = partials;
        let times = |tangent: f64, partial: f64| {
            if tangent == 0.0 {
                0.0
            } else {
                tangent * partial
            }
        };
        Dual {
            value,
            tangent: times(self.tangent, first) + times(other.tangent, second),
        }
    }
    #[inline(always)]
    fn over(self, divisor: Dual) -> Dual {
        let reciprocal = 1.0 / divisor.value;
        let value = self.value * reciprocal;
        Dual {
            value,
            tangent: (self.tangent - value * divisor.tangent) * reciprocal,
        }
    }
    #[inline(always)]
    fn times_plus<F: Fma>(self, factor: f64, addend: Dual) -> Dual {
        Dual {
            value: F::fma(self.value, factor, addend.value),
            tangent: F::fma(self.tangent, factor, addend.tangent),
        }
    }
}
