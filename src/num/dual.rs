//! Dual numbers: a value with the derivative along one direction.

use super::Real;
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
    fn partial_cmp(&self, other: &Dual) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual {
            value: -self.value,
            tangent: -self.tangent,
        }
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, b: Dual) -> Dual {
        Dual {
            value: self.value + b.value,
            tangent: self.tangent + b.tangent,
        }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, b: Dual) -> Dual {
        Dual {
            value: self.value - b.value,
            tangent: self.tangent - b.tangent,
        }
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, b: Dual) -> Dual {
        Dual {
            value: self.value * b.value,
            tangent: self.tangent * b.value + self.value * b.tangent,
        }
    }
}

impl Div for Dual {
    type Output = Dual;
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
            fn $method(&mut self, b: Dual) {
                *self = *self $op b;
            }
        }
        impl $trait<&Dual> for Dual {
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
            fn $method(self, b: &Dual) -> Dual {
                self $op *b
            }
        }
    )*};
}
by_reference! { Add add + Sub sub - Mul mul * Div div / Rem rem % }

impl num_traits::Zero for Dual {
    fn zero() -> Dual {
        Dual::default()
    }
    fn is_zero(&self) -> bool {
        self.value == 0.0 && self.tangent == 0.0
    }
}

impl num_traits::One for Dual {
    fn one() -> Dual {
        Dual {
            value: 1.0,
            tangent: 0.0,
        }
    }
}

impl num_traits::Num for Dual {
    type FromStrRadixErr = num_traits::ParseFloatError;
    fn from_str_radix(text: &str, radix: u32) -> Result<Dual, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Dual::of)
    }
}

impl Real for Dual {
    fn of(value: f64) -> Dual {
        Dual {
            value,
            tangent: 0.0,
        }
    }
    fn value(self) -> f64 {
        self.value
    }
    fn chain(self, value: f64, derivative: impl FnOnce() -> f64) -> Dual {
        // Where the tangent is zero the derivative may be infinite: the product is still zero.
        let tangent = if self.tangent == 0.0 {
            0.0
        } else {
            self.tangent * derivative()
        };
        Dual { value, tangent }
    }
    fn pow(self, exponent: Dual) -> Dual {
        let value = self.value.powf(exponent.value);
        let by_base = if self.tangent == 0.0 || exponent.value == 0.0 {
            0.0
        } else {
            self.tangent * exponent.value * self.value.powf(exponent.value - 1.0)
        };
        let by_exponent = if exponent.tangent == 0.0 || self.value == 0.0 {
            0.0
        } else {
            exponent.tangent * value * self.value.ln()
        };
        Dual {
            value,
            tangent: by_base + by_exponent,
        }
    }
}
