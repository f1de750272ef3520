//! The elementary functions against values of mpmath, on every instruction set of this processor.
//!
//! `tests/data/elementary.py` writes the values: ordinary, extreme, subnormal and infinite arguments, zeros and poles.

use hvi::num::elementary;
use hvi::num::elementary::Fma;
use hvi::num::simd;
use hvi::num::simd::Isa;
use hvi::num::simd::Task;
use std::collections::BTreeMap;

/// A point and what it is known to be: a number, and the rest of the exact value in units of its last place.
struct Point {
    args: [f64; 2],
    value: f64,
    rest: f64,
}

fn table() -> BTreeMap<&'static str, Vec<Point>> {
    let mut table: BTreeMap<_, Vec<Point>> = BTreeMap::new();
    for line in include_str!("data/elementary.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let bits =
            |word: &str| f64::from_bits(u64::from_str_radix(word, 16).expect("a word of bits"));
        let last = words.len() - 1;
        let rest: f64 = words[last].parse().expect("a number of hundredths");
        table.entry(words[0]).or_default().push(Point {
            args: [bits(words[1]), bits(words[last - 2])],
            value: bits(words[last - 1]),
            rest: rest / 100.0,
        });
    }
    table
}

/// The unit in the last place of a finite number.
fn unit(x: f64) -> f64 {
    let x = x.abs();
    let above = f64::from_bits(x.to_bits() + 1);
    if above.is_finite() {
        above - x
    } else {
        x - f64::from_bits(x.to_bits() - 1)
    }
}

struct Apply<'a> {
    name: &'a str,
    points: &'a [Point],
}

impl Task for Apply<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<F: Fma>(self) -> Vec<f64> {
        macro_rules! choose {
            ($($name:ident)*) => {
                match self.name {
                    $(stringify!($name) => self.points.iter().map(|p| elementary::$name::<F>(p.args[0])).collect(),)*
                    "pow" => self.points.iter().map(|p| elementary::pow::<F>(p.args[0], p.args[1])).collect(),
                    other => panic!("the table has a function `{other}` without a test"),
                }
            };
        }
        choose! {
            exp expm1 log log1p tanh sigmoid softplus log1m_exp sin cos erf normal_cdf log_normal_cdf lgamma digamma trigamma
        }
    }
}

fn values(isa: Isa, name: &str, points: &[Point]) -> Vec<f64> {
    simd::run_on(isa, Apply { name, points }).expect("an instruction set of this processor")
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.available())
}

/// The number whose last place the error is counted in. Below 0 the functions of Γ are sums of a reflected term and the
/// value at −x, which cancel near their zeros: there it is the largest of the three.
fn scale(name: &str, point: &Point, reflected: f64) -> f64 {
    match name {
        "lgamma" | "digamma" if point.args[0] < 0.0 && reflected.is_finite() => {
            point.value.abs().max(reflected.abs()).max(1.0)
        }
        _ => point.value,
    }
}

#[test]
fn errors_are_few_units_in_the_last_place() {
    for (name, points) in table() {
        let bound = if name.ends_with("gamma") { 4.0 } else { 2.0 };
        let mirrored: Vec<Point> = points
            .iter()
            .map(|p| Point {
                args: [p.args[0].abs(), p.args[1]],
                ..*p
            })
            .collect();
        for isa in available() {
            let reflected = values(isa, name, &mirrored);
            for ((point, y), reflected) in
                points.iter().zip(values(isa, name, &points)).zip(reflected)
            {
                let good = if point.value.is_finite() {
                    let error = ((y - point.value) / unit(point.value) - point.rest).abs()
                        * (unit(point.value) / unit(scale(name, point, reflected)));
                    error <= bound
                } else {
                    y == point.value || (y.is_nan() && point.value.is_nan())
                };
                assert!(
                    good,
                    "{name}({:e}, {:e}) on {isa}: {y:e}, not {:e}",
                    point.args[0], point.args[1], point.value
                );
            }
        }
    }
}

#[test]
fn zeros_keep_their_sign() {
    for name in ["expm1", "log1p", "tanh", "sin", "erf", "pow"] {
        let points = table().remove(name).expect("a function of the table");
        for isa in available() {
            for (point, y) in points.iter().zip(values(isa, name, &points)) {
                if point.value == 0.0 {
                    assert_eq!(
                        y.is_sign_negative(),
                        point.value.is_sign_negative(),
                        "{name}({:e}, {:e}) on {isa}",
                        point.args[0],
                        point.args[1]
                    );
                }
            }
        }
    }
}

#[test]
fn fused_instruction_sets_agree_in_every_bit_and_the_portable_one_closely() {
    for (name, points) in table() {
        let best = values(Isa::best(), name, &points);
        for isa in available() {
            for ((point, a), b) in points.iter().zip(values(isa, name, &points)).zip(&best) {
                let close = if isa == Isa::Portable {
                    let reflected = point.args[0] < 0.0 && name.ends_with("gamma");
                    let size = if reflected { b.abs().max(1.0) } else { b.abs() };
                    a == *b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * size + 1e-323
                } else {
                    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
                };
                assert!(
                    close,
                    "{name}({:e}, {:e}): {a:e} on {isa}, else {b:e}",
                    point.args[0], point.args[1]
                );
            }
        }
    }
}

#[test]
fn a_forced_instruction_set_is_in_force() {
    assert!(simd::force(Isa::Portable));
    assert_eq!(simd::in_force(), Isa::Portable);
    assert_eq!(Isa::best() == Isa::Portable, simd::force(Isa::best()));
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse(), Ok(isa));
    }
}
