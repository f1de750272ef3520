//! The loops of a row: values forward, adjoints backward, piece by piece.

use super::Bar;
use super::Lanes;
use super::Rule;
use super::Scalar;
use super::Seed;
use crate::num::Lane;
use crate::num::Real;
use crate::num::elementary::Fma;
use crate::num::simd::Task;
use crate::tape::lanes::Sum;
use std::cell::Cell;
use std::marker::PhantomData;

/// Runs the loop that brings adjoints to where they are wanted.
pub(super) fn adjoints<R: Rule<N>, T: Scalar, const N: usize>(
    args: &[Lanes<'_, T>],
    y: &[T],
    y_bar: Seed<'_, T>,
    bars: &[Bar<'_, T>],
) {
    T::run(Adjoints::<R, T, N> {
        args: std::array::from_fn(|k| args[k]),
        y,
        y_bar,
        bars: std::array::from_fn(|k| bars[k]),
        rule: PhantomData,
    });
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

/// Reads the first lanes of a piece.
#[inline(always)]
fn get<T: Copy>(from: &[Cell<T>], piece: &mut Piece<T>) {
    match from.first_chunk::<PIECE>() {
        Some(from) => {
            for (lane, from) in piece.iter_mut().zip(from) {
                *lane = from.get();
            }
        }
        None => {
            for (lane, from) in piece.iter_mut().zip(from) {
                *lane = from.get();
            }
        }
    }
}

/// Writes the first lanes of a piece.
#[inline(always)]
fn set<T: Copy>(piece: &Piece<T>, to: &[Cell<T>]) {
    match to.first_chunk::<PIECE>() {
        Some(to) => {
            for (to, lane) in to.iter().zip(piece) {
                to.set(*lane);
            }
        }
        None => {
            for (to, lane) in to.iter().zip(piece) {
                to.set(*lane);
            }
        }
    }
}

/// Adds the first lanes of a piece.
#[inline(always)]
fn add<T: Real>(piece: &Piece<T>, to: &[Cell<T>]) {
    match to.first_chunk::<PIECE>() {
        Some(to) => {
            for (to, lane) in to.iter().zip(piece) {
                to.set(to.get() + *lane);
            }
        }
        None => {
            for (to, lane) in to.iter().zip(piece) {
                to.set(to.get() + *lane);
            }
        }
    }
}

/// The loop that writes values.
pub(super) struct Values<'a, R, T, const N: usize> {
    pub args: [Lanes<'a, T>; N],
    pub out: &'a mut [T],
    pub rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Values<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let mut args = Pieces::new(self.args);
        let mut y = [T::default(); PIECE];
        for (piece, out) in self.out.chunks_mut(PIECE).enumerate() {
            let n = out.len();
            let args = args.take(piece * PIECE, n);
            for (i, y) in y[..padded(n)].iter_mut().enumerate() {
                *y = R::value(lane::<T, F, N>(args, i)).get();
            }
            put(&y, out);
        }
    }
}

/// Writes lane `i` of the adjoints of some arguments, as bits.
///
/// Not a closure: what is called from two loops must be inlined into both, or it is not compiled for the instruction set.
#[inline(always)]
fn adjoint<R: Rule<N>, T: Real, F: Fma, const N: usize>(
    args: [Lane<T, F>; N],
    y: T,
    y_bar: T,
    bars: &mut [Piece<T>; N],
    (i, wanted): (usize, usize),
) {
    let y_bar = Lane::<T, F>::new(y_bar);
    let partials = R::partials(args, Lane::new(y));
    for (k, (bar, partial)) in bars.iter_mut().zip(partials).enumerate() {
        if wanted >> k & 1 == 1 {
            // A zero adjoint stays zero whatever the partial: a branch not taken may be infinite there.
            let product = (y_bar * partial).get();
            bar[i] = if y_bar.get().is_zero() {
                T::zero()
            } else {
                product
            };
        }
    }
}

/// The loop that brings adjoints to where they are wanted.
struct Adjoints<'a, R, T, const N: usize> {
    args: [Lanes<'a, T>; N],
    y: &'a [T],
    y_bar: Seed<'a, T>,
    bars: [Bar<'a, T>; N],
    rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Adjoints<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let len = self.y.len();
        let mut args = Pieces::new(self.args);
        let mut results = Pieces::new([Lanes::Each(self.y)]);
        let mut y_bar = match self.y_bar {
            Seed::Same(value) => [value; PIECE],
            Seed::Each(_) | Seed::Cells(_) => [T::default(); PIECE],
        };
        let mut sums = [Sum::default(); N];
        let mut bars = [[T::default(); PIECE]; N];
        let wants_others = self.wants(!R::ASIDE);
        let wants_aside = R::ASIDE != 0 && self.wants(R::ASIDE);
        for first in (0..len).step_by(PIECE) {
            let n = (len - first).min(PIECE);
            let args = args.take(first, n);
            let [y] = results.take(first, n);
            match self.y_bar {
                Seed::Same(_) => {}
                Seed::Each(bars) => y_bar[..n].copy_from_slice(&bars[first..first + n]),
                Seed::Cells(bars) => get(&bars[first..first + n], &mut y_bar),
            }
            if wants_others {
                for i in 0..padded(n) {
                    adjoint::<R, T, F, N>(lane(args, i), y[i], y_bar[i], &mut bars, (i, !R::ASIDE));
                }
            }
            if wants_aside {
                for i in 0..padded(n) {
                    adjoint::<R, T, F, N>(lane(args, i), y[i], y_bar[i], &mut bars, (i, R::ASIDE));
                }
            }
            for ((bar, lanes), sum) in self.bars.iter().zip(&bars).zip(&mut sums) {
                match bar {
                    Bar::None => {}
                    Bar::Set(out) => set(lanes, &out[first..first + n]),
                    Bar::Add(out) => add(lanes, &out[first..first + n]),
                    Bar::Sum(_) => sum.add(&lanes[..n]),
                }
            }
        }
        for (bar, sum) in self.bars.iter().zip(sums) {
            if let Bar::Sum(total) = bar {
                total.set(total.get() + sum.total());
            }
        }
    }
}

impl<R, T, const N: usize> Adjoints<'_, R, T, N> {
    /// Whether the adjoint of some of these arguments, as bits, is wanted.
    #[inline(always)]
    fn wants(&self, some: usize) -> bool {
        (self.bars.iter().enumerate())
            .any(|(k, bar)| some >> k & 1 == 1 && !matches!(bar, Bar::None))
    }
}
