//! Nanoseconds per element of the elementary functions on each instruction set, and of the tape's elementwise kernels.
//!
//! Each call works on 1000 elements, so that a time in µs reads as ns per element. `HVI_ISA` puts an instruction set in
//! force for the kernels.

use divan::Bencher;
use divan::black_box;
use hvi::dist;
use hvi::num::elementary;
use hvi::num::elementary::Fma;
use hvi::num::simd;
use hvi::num::simd::Isa;
use hvi::num::simd::Task;
use hvi::tape::elementwise::EXP;
use hvi::tape::elementwise::Elementwise;
use hvi::tape::elementwise::Lanes;
use hvi::tape::elementwise::TANH;

fn main() {
    if let Some(isa) = simd::asked().expect("an instruction set") {
        assert!(simd::force(isa), "this processor lacks `{isa}`");
    }
    divan::main();
}

const N: usize = 1000;

/// Numbers spread over [low, high], in an order that no branch predictor knows.
fn spread(low: f64, high: f64) -> Vec<f64> {
    (0..N)
        .map(|i| low + (high - low) * ((i * 379 % N) as f64 + 0.5) / N as f64)
        .collect()
}

fn isas() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

macro_rules! functions {
    ($($name:ident from $low:literal to $high:literal $(against $other:path)?;)*) => {$(
        mod $name {
            use super::*;

            struct Each<'a>(&'a [f64], &'a mut [f64; N]);

            impl Task for Each<'_> {
                type Output = ();
                #[inline(always)]
                fn run<F: Fma>(self) {
                    let mut block = [0.0; N];
                    for (x, y) in self.0.iter().zip(&mut block) {
                        *y = elementary::$name::<F>(*x);
                    }
                    *self.1 = block;
                }
            }

            #[divan::bench(args = isas())]
            fn ours(bencher: Bencher<'_, '_>, isa: Isa) {
                let (x, mut y) = (spread($low, $high), [0.0; N]);
                bencher.bench_local(|| simd::run_on(isa, Each(black_box(&x), black_box(&mut y))));
            }

            $(
                #[divan::bench]
                fn library(bencher: Bencher<'_, '_>) {
                    let (x, mut y) = (spread($low, $high), [0.0; N]);
                    bencher.bench_local(|| {
                        for (x, y) in black_box(&x).iter().zip(&mut y) {
                            *y = $other(*x);
                        }
                        black_box(&mut y);
                    });
                }
            )?
        }
    )*};
}

functions! {
    exp from -5.0 to 5.0 against f64::exp;
    expm1 from -5.0 to 5.0 against f64::exp_m1;
    log from 0.01 to 20.0 against f64::ln;
    log1p from 0.01 to 20.0 against f64::ln_1p;
    tanh from -5.0 to 5.0 against f64::tanh;
    sigmoid from -5.0 to 5.0;
    softplus from -5.0 to 5.0;
    log1m_exp from -10.0 to -0.01;
    sin from -25.0 to 25.0 against f64::sin;
    cos from -25.0 to 25.0 against f64::cos;
    erf from -5.0 to 5.0 against libm::erf;
    normal_cdf from -5.0 to 5.0;
    log_normal_cdf from -5.0 to 5.0;
    lgamma from 0.01 to 20.0 against libm::lgamma;
    digamma from 0.01 to 20.0;
    trigamma from 0.01 to 20.0;
}

mod pow {
    use super::*;

    struct Each<'a>(&'a [f64], &'a [f64], &'a mut [f64; N]);

    impl Task for Each<'_> {
        type Output = ();
        #[inline(always)]
        fn run<F: Fma>(self) {
            let mut block = [0.0; N];
            for ((x, p), y) in self.0.iter().zip(self.1).zip(&mut block) {
                *y = elementary::pow::<F>(*x, *p);
            }
            *self.2 = block;
        }
    }

    #[divan::bench(args = isas())]
    fn ours(bencher: Bencher<'_, '_>, isa: Isa) {
        let (x, p, mut y) = (spread(0.01, 20.0), spread(3.0, -3.0), [0.0; N]);
        bencher.bench_local(|| {
            simd::run_on(isa, Each(black_box(&x), black_box(&p), black_box(&mut y)))
        });
    }

    #[divan::bench]
    fn library(bencher: Bencher<'_, '_>) {
        let (x, p, mut y) = (spread(0.01, 20.0), spread(3.0, -3.0), [0.0; N]);
        bencher.bench_local(|| {
            for ((x, p), y) in black_box(&x).iter().zip(black_box(&p)).zip(&mut y) {
                *y = x.powf(*p);
            }
            black_box(&mut y);
        });
    }
}

/// Value and partial derivatives of a row, in blocks of 250.
macro_rules! rows {
    ($($name:ident $row:expr, $([$low:literal, $high:literal]),+;)*) => {$(
        mod $name {
            use super::*;

            const BLOCK: usize = 250;

            fn columns() -> Vec<Vec<f64>> {
                vec![$(spread($low, $high)),+]
            }

            fn lanes(columns: &[Vec<f64>], block: usize) -> Vec<Lanes<'_, f64>> {
                columns
                    .iter()
                    .map(|column| Lanes::Each(&column[block * BLOCK..(block + 1) * BLOCK]))
                    .collect()
            }

            #[divan::bench]
            fn forward(bencher: Bencher<'_, '_>) {
                let row: &Elementwise = &$row;
                let columns = columns();
                let blocks: Vec<_> = (0..N / BLOCK).map(|b| lanes(&columns, b)).collect();
                let mut y = [0.0; BLOCK];
                bencher.bench_local(|| {
                    for args in &blocks {
                        (row.plain.forward)(black_box(args), black_box(&mut y));
                    }
                });
            }

            #[divan::bench]
            fn backward(bencher: Bencher<'_, '_>) {
                let row: &Elementwise = &$row;
                let columns = columns();
                let blocks: Vec<_> = (0..N / BLOCK).map(|b| lanes(&columns, b)).collect();
                let (y, y_bar) = ([0.5; BLOCK], [1.0; BLOCK]);
                let mut out = vec![0.0; BLOCK * columns.len()];
                bencher.bench_local(|| {
                    for args in &blocks {
                        (row.plain.backward)(black_box(args), &y, black_box(&y_bar), black_box(&mut out));
                    }
                });
            }
        }
    )*};
}

rows! {
    row_exp EXP, [-5.0, 5.0];
    row_tanh TANH, [-5.0, 5.0];
    row_normal dist::normal::LOG_DENSITY, [-5.0, 5.0], [-1.0, 1.0], [0.5, 2.5];
    row_bernoulli_logit dist::bernoulli::LOGIT_LOG_DENSITY, [0.0, 1.0], [-5.0, 5.0];
    row_poisson_log dist::poisson::LOG_LOG_DENSITY, [0.0, 20.0], [-2.0, 3.0];
    row_gamma dist::gamma::LOG_DENSITY, [0.1, 9.0], [0.5, 6.0], [0.5, 2.5];
}
