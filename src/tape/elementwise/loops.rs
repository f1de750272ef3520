//! The loops of a row: values forward, adjoints backward, piece by piece.
//!
//! What a row computes is compiled for it and for each set of vector instructions; how pieces are brought to it and away,
//! once for all rows of as many arguments.

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

/// Lanes in a piece of a block.
pub(super) const PIECE: usize = 128;

/// One number for each lane of a piece.
pub(super) type Piece<T> = [T; PIECE];

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

/// Writes the values of the first lanes of a piece.
pub(super) type ValuesOf<T, const N: usize> = fn([&Piece<T>; N], &mut Piece<T>, usize);

/// Writes values with the loop of a row.
pub(super) fn values<T: Scalar, const N: usize>(
    row: ValuesOf<T, N>,
    args: &[Lanes<'_, T>],
    out: &mut [T],
) {
    let mut args = Pieces::new(std::array::from_fn(|k| args[k]));
    let mut y = [T::default(); PIECE];
    for (piece, out) in out.chunks_mut(PIECE).enumerate() {
        let (n, args) = (out.len(), args.take(piece * PIECE, out.len()));
        match <&mut Piece<T>>::try_from(&mut *out) {
            Ok(out) => row(args, out, n),
            Err(_) => {
                row(args, &mut y, n);
                out.copy_from_slice(&y[..n]);
            }
        }
    }
}

/// The loop of rule `R` that writes values.
pub(super) fn values_of<R: Rule<N>, T: Scalar, const N: usize>(
    args: [&Piece<T>; N],
    y: &mut Piece<T>,
    n: usize,
) {
    T::run(Values::<R, T, N> {
        args,
        y: &mut y[..padded(n)],
        rule: PhantomData,
    });
}

struct Values<'a, R, T, const N: usize> {
    args: [&'a Piece<T>; N],
    y: &'a mut [T],
    rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Values<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        for (i, y) in self.y.iter_mut().enumerate() {
            *y = R::value(lane::<T, F, N>(self.args, i)).get();
        }
    }
}

/// A piece whose adjoints are wanted.
pub(super) struct AdjointPiece<'a, T, const N: usize> {
    args: [&'a Piece<T>; N],
    y: &'a Piece<T>,
    y_bar: &'a Piece<T>,
    bars: &'a mut [Piece<T>; N],
    /// The lanes that count.
    n: usize,
    /// Whether the adjoint of an argument that is not aside is wanted, and of one that is.
    wanted: [bool; 2],
}

/// Writes the adjoints of the first lanes of a piece.
pub(super) type AdjointsOf<T, const N: usize> = fn(AdjointPiece<'_, T, N>);

/// The loops of rule `R` that write adjoints.
pub(super) fn adjoints_of<R: Rule<N>, T: Scalar, const N: usize>(piece: AdjointPiece<'_, T, N>) {
    T::run(Adjoints::<R, T, N> {
        piece,
        rule: PhantomData,
    });
}

struct Adjoints<'a, R, T, const N: usize> {
    piece: AdjointPiece<'a, T, N>,
    rule: PhantomData<R>,
}

impl<R: Rule<N>, T: Real, const N: usize> Task for Adjoints<'_, R, T, N> {
    type Output = ();

    #[inline(always)]
    fn run<F: Fma>(self) {
        let AdjointPiece {
            args,
            y,
            y_bar,
            bars,
            n,
            wanted: [others, aside],
        } = self.piece;
        if others {
            for i in 0..padded(n) {
                adjoint::<R, T, F, N>(lane(args, i), y[i], y_bar[i], bars, (i, !R::ASIDE));
            }
        }
        if R::ASIDE != 0 && aside {
            for i in 0..padded(n) {
                adjoint::<R, T, F, N>(lane(args, i), y[i], y_bar[i], bars, (i, R::ASIDE));
            }
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

/// Brings adjoints to where they are wanted with the loop of a row; `aside` are the arguments, as bits, that have one of their own.
pub(super) fn adjoints<T: Scalar, const N: usize>(
    row: AdjointsOf<T, N>,
    aside: usize,
    args: &[Lanes<'_, T>],
    y: &[T],
    y_bar: Seed<'_, T>,
    bars: &[Bar<'_, T>],
) {
    T::run(Bring {
        row,
        aside,
        args: std::array::from_fn(|k| args[k]),
        y,
        y_bar,
        bars: std::array::from_fn(|k| bars[k]),
    });
}

struct Bring<'a, T, const N: usize> {
    row: AdjointsOf<T, N>,
    aside: usize,
    args: [Lanes<'a, T>; N],
    y: &'a [T],
    y_bar: Seed<'a, T>,
    bars: [Bar<'a, T>; N],
}

impl<T: Real, const N: usize> Task for Bring<'_, T, N> {
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
        let wanted = [self.wants(!self.aside), self.wants(self.aside)];
        for first in (0..len).step_by(PIECE) {
            let n = (len - first).min(PIECE);
            let [y] = results.take(first, n);
            match self.y_bar {
                Seed::Same(_) => {}
                Seed::Each(bars) => y_bar[..n].copy_from_slice(&bars[first..first + n]),
                Seed::Cells(bars) => get(&bars[first..first + n], &mut y_bar),
            }
            (self.row)(AdjointPiece {
                args: args.take(first, n),
                y,
                y_bar: &y_bar,
                bars: &mut bars,
                n,
                wanted,
            });
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

impl<T, const N: usize> Bring<'_, T, N> {
    /// Whether the adjoint of some of these arguments, as bits, is wanted.
    #[inline(always)]
    fn wants(&self, some: usize) -> bool {
        (self.bars.iter().enumerate())
            .any(|(k, bar)| some >> k & 1 == 1 && !matches!(bar, Bar::None))
    }
}
