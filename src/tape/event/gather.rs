//! Stacking and picking: numbers are moved, nothing is computed.

use super::EventOp;
use super::Scalar;

pub(super) fn stack<T: Scalar>(args: &[&[T]], out: &mut [T]) {
    let mut rest = out;
    for arg in args {
        let (here, after) = rest.split_at_mut(arg.len());
        here.copy_from_slice(arg);
        rest = after;
    }
}

pub(super) fn stack_adjoint<T: Scalar>(y_bar: &[T], out: &mut [&mut [T]]) {
    let mut rest = y_bar;
    for bar in out {
        let (here, after) = rest.split_at(bar.len());
        add(here, bar);
        rest = after;
    }
}

pub(super) fn pick<T: Scalar>(places: &[u32], arg: &[T], n: usize, out: &mut [T]) {
    for (&place, here) in places.iter().zip(out.chunks_exact_mut(n)) {
        match place {
            EventOp::ZERO => here.fill(T::zero()),
            _ => here.copy_from_slice(&arg[place as usize * n..][..n]),
        }
    }
}

pub(super) fn pick_adjoint<T: Scalar>(places: &[u32], y_bar: &[T], n: usize, out: &mut [T]) {
    for (&place, bar) in places.iter().zip(y_bar.chunks_exact(n)) {
        if place != EventOp::ZERO {
            add(bar, &mut out[place as usize * n..][..n]);
        }
    }
}

pub(super) fn pick_at<T: Scalar>(base: &[T], index: &[T], n: usize, out: &mut [T]) {
    let (width, len) = (out.len() / n, base.len() / n);
    for (i, &index) in index.iter().enumerate() {
        let start = start(index, width, len);
        for k in 0..width {
            out[k * n + i] = start.map_or(T::of(f64::NAN), |s| base[(s + k) * n + i]);
        }
    }
}

pub(super) fn pick_at_adjoint<T: Scalar>(index: &[T], y_bar: &[T], n: usize, out: &mut [T]) {
    let (width, len) = (y_bar.len() / n, out.len() / n);
    for (i, &index) in index.iter().enumerate() {
        if let Some(start) = start(index, width, len) {
            for k in 0..width {
                out[(start + k) * n + i] += y_bar[k * n + i];
            }
        }
    }
}

/// Where the numbers of this index, from 1, start; `None` when there are none.
fn start<T: Scalar>(index: T, width: usize, len: usize) -> Option<usize> {
    let index = index.value();
    (index >= 1.0 && index.fract() == 0.0 && index * width as f64 <= len as f64)
        .then(|| (index as usize - 1) * width)
}

fn add<T: Scalar>(from: &[T], to: &mut [T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
