//! Sums, extremes and products of the components of an event, all lanes of a component together.

use super::Scalar;
use crate::num::stable;

pub(super) fn sum<T: Scalar>(arg: &[T], n: usize, out: &mut [T]) {
    out.fill(T::zero());
    for component in arg.chunks_exact(n) {
        for (y, &a) in out.iter_mut().zip(component) {
            *y += a;
        }
    }
}

pub(super) fn sum_adjoint<T: Scalar>(y_bar: &[T], n: usize, out: &mut [T]) {
    for component in out.chunks_exact_mut(n) {
        for (bar, &y_bar) in component.iter_mut().zip(y_bar) {
            *bar += y_bar;
        }
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

pub(super) fn log_sum_exp<T: Scalar>(arg: &[T], n: usize, out: &mut [T], scratch: &mut Vec<T>) {
    extreme(arg, n, out, f64::gt);
    scratch.clear();
    scratch.resize(n, T::zero());
    for component in arg.chunks_exact(n) {
        for ((s, &a), y) in scratch.iter_mut().zip(component).zip(out.iter()) {
            // The largest enters as a constant: the derivative does not depend on it.
            *s += (a - T::of(y.value())).exp();
        }
    }
    for (y, &s) in out.iter_mut().zip(scratch.iter()) {
        let largest = y.value();
        *y = if largest.is_infinite() {
            T::of(largest)
        } else {
            T::of(largest) + s.log()
        };
    }
}

pub(super) fn log_sum_exp_adjoint<T: Scalar>(
    arg: &[T],
    y: &[T],
    y_bar: &[T],
    n: usize,
    out: &mut [T],
) {
    for (component, arg) in out.chunks_exact_mut(n).zip(arg.chunks_exact(n)) {
        for (i, bar) in component.iter_mut().enumerate() {
            if !y_bar[i].is_zero() {
                *bar += y_bar[i] * stable::exp_difference(arg[i], y[i]);
            }
        }
    }
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

pub(super) fn dot<T: Scalar>(a: &[T], b: &[T], n: usize, out: &mut [T]) {
    out.fill(T::zero());
    for (a, b) in a.chunks_exact(n).zip(b.chunks_exact(n)) {
        for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *y += a * b;
        }
    }
}

pub(super) fn dot_adjoint<T: Scalar>(args: &[&[T]], y_bar: &[T], n: usize, out: &mut [&mut [T]]) {
    for (bar, other) in out.iter_mut().zip(args.iter().rev()) {
        for (component, other) in bar.chunks_exact_mut(n).zip(other.chunks_exact(n)) {
            for ((bar, &y_bar), &other) in component.iter_mut().zip(y_bar).zip(other) {
                if !y_bar.is_zero() {
                    *bar += y_bar * other;
                }
            }
        }
    }
}
