//! Sums, extremes and products of the components of an event, all lanes of a component together.

use super::Scalar;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::num::stable;

/// Adds components, each times a factor of its own or alone, lane by lane.
struct Sums<'a, T> {
    components: &'a [T],
    factors: Option<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real> Task for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let n = self.out.len();
        self.out.fill(T::zero());
        for (k, component) in self.components.chunks_exact(n).enumerate() {
            match self.factors {
                None => {
                    for (y, &a) in self.out.iter_mut().zip(component) {
                        *y += a;
                    }
                }
                Some(factors) => {
                    let factors = &factors[k * n..][..n];
                    for ((y, &a), &b) in self.out.iter_mut().zip(component).zip(factors) {
                        *y += a * b;
                    }
                }
            }
        }
    }
}

/// Adds an adjoint to every component, times a factor of its own or alone.
struct Spread<'a, T> {
    y_bar: &'a [T],
    factors: Option<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real> Task for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let n = self.y_bar.len();
        for (k, component) in self.out.chunks_exact_mut(n).enumerate() {
            match self.factors {
                None => {
                    for (bar, &y_bar) in component.iter_mut().zip(self.y_bar) {
                        *bar += y_bar;
                    }
                }
                Some(factors) => {
                    let factors = &factors[k * n..][..n];
                    for ((bar, &y_bar), &factor) in
                        component.iter_mut().zip(self.y_bar).zip(factors)
                    {
                        let share = y_bar * factor;
                        *bar += if y_bar.is_zero() { T::zero() } else { share };
                    }
                }
            }
        }
    }
}

pub(super) fn sum<T: Scalar>(arg: &[T], out: &mut [T]) {
    T::run(Sums {
        components: arg,
        factors: None,
        out,
    });
}

pub(super) fn sum_adjoint<T: Scalar>(y_bar: &[T], out: &mut [T]) {
    T::run(Spread {
        y_bar,
        factors: None,
        out,
    });
}

pub(super) fn dot<T: Scalar>(a: &[T], b: &[T], out: &mut [T]) {
    T::run(Sums {
        components: a,
        factors: Some(b),
        out,
    });
}

pub(super) fn dot_adjoint<T: Scalar>(args: &[&[T]], y_bar: &[T], out: &mut [&mut [T]]) {
    for (bar, other) in out.iter_mut().zip(args.iter().rev()) {
        T::run(Spread {
            y_bar,
            factors: Some(other),
            out: bar,
        });
    }
}

/// The component, of those of a lane, that comes before all others in `order`; NaN comes before everything.
fn first<T: Scalar>(arg: &[T], n: usize, lane: usize, order: fn(&f64, &f64) -> bool) -> usize {
    let value = |k: usize| arg[k * n + lane].value();
    (1..arg.len() / n).fold(0, |best, k| {
        if order(&value(k), &value(best)) || (value(k).is_nan() && !value(best).is_nan()) {
            k
        } else {
            best
        }
    })
}

pub(super) fn extreme<T: Scalar>(
    arg: &[T],
    n: usize,
    out: &mut [T],
    order: fn(&f64, &f64) -> bool,
) {
    for (i, y) in out.iter_mut().enumerate() {
        *y = arg[first(arg, n, i, order) * n + i];
    }
}

pub(super) fn extreme_adjoint<T: Scalar>(
    arg: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [T],
    order: fn(&f64, &f64) -> bool,
) {
    for (i, &y_bar) in y_bar.iter().enumerate() {
        out[first(arg, n, i, order) * n + i] += y_bar;
    }
}

struct LogSumExp<'a, T> {
    arg: &'a [T],
    out: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Real> Task for LogSumExp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let LogSumExp { arg, out, sums } = self;
        let n = out.len();
        // The largest enters as a constant: the derivative does not depend on it.
        out.fill(T::of(f64::NEG_INFINITY));
        for component in arg.chunks_exact(n) {
            for (y, &a) in out.iter_mut().zip(component) {
                let a = a.value();
                if a > y.value() || a.is_nan() {
                    *y = T::of(a);
                }
            }
        }
        sums.fill(T::zero());
        for component in arg.chunks_exact(n) {
            for ((s, &a), &y) in sums.iter_mut().zip(component).zip(out.iter()) {
                *s += Lane::<T, F>::new(a - y).exp().get();
            }
        }
        for (y, &s) in out.iter_mut().zip(sums.iter()) {
            let log = Lane::<T, F>::new(s).log().get();
            *y = if y.value().is_infinite() {
                *y
            } else {
                *y + log
            };
        }
    }
}

pub(super) fn log_sum_exp<T: Scalar>(arg: &[T], n: usize, out: &mut [T], scratch: &mut Vec<T>) {
    scratch.clear();
    scratch.resize(n, T::zero());
    T::run(LogSumExp {
        arg,
        out,
        sums: scratch,
    });
}

struct LogSumExpAdjoint<'a, T> {
    arg: &'a [T],
    y: &'a [T],
    y_bar: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Task for LogSumExpAdjoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let n = self.y.len();
        let components = self.out.chunks_exact_mut(n).zip(self.arg.chunks_exact(n));
        for (component, arg) in components {
            let lanes = component.iter_mut().zip(arg).zip(self.y).zip(self.y_bar);
            for (((bar, &a), &y), &y_bar) in lanes {
                let [a, y] = [a, y].map(Lane::<T, F>::new);
                let share = y_bar * stable::exp_difference(a, y).get();
                *bar += if y_bar.is_zero() { T::zero() } else { share };
            }
        }
    }
}

pub(super) fn log_sum_exp_adjoint<T: Scalar>(arg: &[T], y: &[T], y_bar: &[T], out: &mut [T]) {
    T::run(LogSumExpAdjoint { arg, y, y_bar, out });
}

pub(super) fn cumulative_sum<T: Scalar>(arg: &[T], n: usize, out: &mut [T]) {
    out.copy_from_slice(arg);
    for k in n..out.len() {
        let before = out[k - n];
        out[k] += before;
    }
}

pub(super) fn cumulative_sum_adjoint<T: Scalar>(
    y_bar: &[T],
    n: usize,
    out: &mut [T],
    scratch: &mut Vec<T>,
) {
    scratch.clear();
    scratch.resize(n, T::zero());
    for (component, y_bar) in out.chunks_exact_mut(n).zip(y_bar.chunks_exact(n)).rev() {
        for ((bar, &y_bar), after) in component.iter_mut().zip(y_bar).zip(scratch.iter_mut()) {
            *after += y_bar;
            *bar += *after;
        }
    }
}
