//! The operators of the language: arithmetic, comparison, logic and choice.

use crate::elementwise;

elementwise! {
    /// The sum of two values.
    Add ADD "add" (a: Real, b: Real) -> Real, at [[0.7, -1.2]] {
        value: a + b, partials: |_y| [T::one(), T::one()]
    }
    /// The difference of two values.
    Sub SUB "sub" (a: Real, b: Real) -> Real, at [[0.7, -1.2]] {
        value: a - b, partials: |_y| [T::one(), -T::one()]
    }
    /// The product of two values.
    Mul MUL "mul" (a: Real, b: Real) -> Real, at [[0.7, -1.2], [0.0, 3.0]] {
        value: a * b, partials: |_y| [b, a], aside: [b]
    }
    /// The quotient of two values.
    Div DIV "div" (a: Real, b: Real) -> Real, at [[0.7, -1.2]] {
        value: a / b, partials: |y| [T::one() / b, -y / b], aside: [b]
    }
    /// A product and a third value added.
    MulAdd MUL_ADD "mul_add" (a: Real, b: Real, c: Real) -> Real, at [[0.7, -1.2, 0.4]] {
        value: a * b + c, partials: |_y| [b, a, T::one()], aside: [b, c]
    }
    /// A value with the other sign.
    Neg NEG "neg" (a: Real) -> Real, at [[0.7]] {
        value: -a, partials: |_y| [-T::one()]
    }
    /// `a` to the power `b`; 0 to the power 0 is 1.
    Pow POW "pow" callable (a: Real, b: Real) -> Real,
    at [
        [1.7, -1.2] is 0.5290068483985735,
        [0.0, 2.0] is 0.0,
        [0.0, 1.0] is 0.0,
        [-1.5, 3.0] is -3.375,
        [1e-100, 2.5] is 1e-250,
        [1e100, -2.5] is 9.999999999999999e-251,
    ] {
        value: a.pow(b),
        partials: |y| [
            if b.value() == 0.0 { T::zero() } else { b * a.pow(b - T::one()) },
            if a.value() == 0.0 { T::zero() } else { y * a.log() },
        ]
    }
    /// 1 where the two are equal, else 0.
    Equal EQUAL "eq" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() == b.value())), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where the two differ, else 0.
    NotEqual NOT_EQUAL "ne" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() != b.value())), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where `a` is below `b`, else 0.
    Less LESS "lt" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() < b.value())), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where `a` is not above `b`, else 0.
    LessEqual LESS_EQUAL "le" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() <= b.value())), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where both are not 0, else 0.
    And AND "and" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() != 0.0 && b.value() != 0.0)), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where one of them is not 0, else 0.
    Or OR "or" (a: Real, b: Real) -> Binary, at [[1.0, 1.5]] {
        value: T::of(f64::from(a.value() != 0.0 || b.value() != 0.0)), partials: |_y| [T::zero(), T::zero()]
    }
    /// 1 where it is 0, else 0.
    Not NOT "not" (a: Real) -> Binary, at [[1.5]] {
        value: T::of(f64::from(a.value() == 0.0)), partials: |_y| [T::zero()]
    }
    /// `a` where `c` is not 0, else `b`; the branch not taken has no influence, whatever its value.
    Select SELECT "select" (c: Real, a: Real, b: Real) -> Real, at [[1.0, 0.5, 0.7], [0.0, 0.5, 0.7]] {
        value: if c.value() == 0.0 { b } else { a },
        partials: |_y| {
            let taken = if c.value() == 0.0 { T::zero() } else { T::one() };
            [T::zero(), taken, T::one() - taken]
        }
    }
}
