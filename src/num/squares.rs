//! Sums of squared residuals over many lanes, with their products with the columns, in one loop.

use super::sums::MOST_VECTORS;
use super::sums::SIDE_BY_SIDE;
use super::sums::sum_of;
use pulp::Simd;
use pulp::WithSimd;

/// The residuals r_i = Σ_k T_ik u_k − t_i, i < R, of lanes that have a T and a t each: R numbers u differ from lane to lane, and of these
/// T_ik is 0 for k < i; K further ones are the same in all lanes.
///
/// Writes Σ_i T_ik r_i over the slopes of the first; gives Σ r_i² and, for the further ones, Σ T_ik r_i, both over all lanes.
#[derive(Debug)]
pub struct Squares<'a, T, const R: usize, const K: usize> {
    /// T of the first numbers: those of one number after another, each row by row; rows behind the number's own may be any, but as long.
    pub own: [[&'a [f64]; R]; R],
    /// T of the further ones.
    pub same: [[&'a [f64]; R]; K],
    /// t.
    pub last: [&'a [f64]; R],
    /// The numbers that differ.
    pub u: [&'a [T]; R],
    /// The further ones.
    pub v: [T; K],
    /// As many as there are lanes.
    pub slopes: [&'a mut [T]; R],
}

impl<const R: usize, const K: usize> Squares<'_, f64, R, K> {
    /// Goes through one lane.
    #[inline(always)]
    fn lane(&mut self, lane: usize) -> (f64, [f64; K]) {
        let mut r = self.last.map(|t| -t[lane]);
        for (i, r) in r.iter_mut().enumerate() {
            for k in i..R {
                *r = self.own[k][i][lane].mul_add(self.u[k][lane], *r);
            }
            for k in 0..K {
                *r = self.same[k][i][lane].mul_add(self.v[k], *r);
            }
        }
        let product = |column: &[&[f64]]| {
            let rows = column.iter().zip(&r);
            rows.fold(0.0, |sum, (t, r)| t[lane].mul_add(*r, sum))
        };
        for (k, slopes) in self.slopes.iter_mut().enumerate() {
            slopes[lane] = product(&self.own[k][..=k]);
        }
        let squares = r.iter().map(|r| r * r).sum();
        (squares, self.same.each_ref().map(|column| product(column)))
    }
}

/// The vectors of the first lanes, so many.
#[inline(always)]
fn vectors<S: Simd>(lanes: &[f64], whole: usize) -> &[S::f64s] {
    &S::as_simd_f64s(&lanes[..whole]).0[..whole / S::F64_LANES]
}

impl<const R: usize, const K: usize> WithSimd for Squares<'_, f64, R, K> {
    type Output = (f64, [f64; K]);

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> (f64, [f64; K]) {
        let n = self.u[0].len();
        let whole = n - n % SIDE_BY_SIDE;
        let each = SIDE_BY_SIDE / S::F64_LANES;
        let zeros = [simd.splat_f64s(0.0); MOST_VECTORS];
        let (mut squares, mut products) = (zeros, [zeros; K]);
        {
            let count = whole / S::F64_LANES;
            let own = self.own.map(|rows| rows.map(|t| vectors::<S>(t, whole)));
            let same = self.same.map(|rows| rows.map(|t| vectors::<S>(t, whole)));
            let last = self.last.map(|t| vectors::<S>(t, whole));
            let u = self.u.map(|u| vectors::<S>(u, whole));
            let v = self.v.map(|v| simd.splat_f64s(v));
            let slopes = (self.slopes.each_mut())
                .map(|slopes| &mut S::as_mut_simd_f64s(&mut slopes[..whole]).0[..count]);
            let mut first = 0;
            while first + each <= count {
                for e in 0..each {
                    let at = first + e;
                    let mut r = last.map(|t| simd.neg_f64s(t[at]));
                    for i in 0..R {
                        for k in i..R {
                            r[i] = simd.mul_add_f64s(own[k][i][at], u[k][at], r[i]);
                        }
                        for k in 0..K {
                            r[i] = simd.mul_add_f64s(same[k][i][at], v[k], r[i]);
                        }
                        squares[e] = simd.mul_add_f64s(r[i], r[i], squares[e]);
                    }
                    for k in 0..R {
                        let mut slope = simd.mul_f64s(own[k][0][at], r[0]);
                        for i in 1..=k {
                            slope = simd.mul_add_f64s(own[k][i][at], r[i], slope);
                        }
                        slopes[k][at] = slope;
                    }
                    for k in 0..K {
                        for i in 0..R {
                            products[k][e] =
                                simd.mul_add_f64s(same[k][i][at], r[i], products[k][e]);
                        }
                    }
                }
                first += each;
            }
        }
        let total = |vectors: [S::f64s; MOST_VECTORS]| -> f64 {
            let mut totals = [0.0; SIDE_BY_SIDE];
            for (place, vector) in S::as_mut_simd_f64s(&mut totals).0.iter_mut().zip(vectors) {
                *place = vector;
            }
            sum_of(totals)
        };
        let (mut square, mut product) = (total(squares), products.map(total));
        for lane in whole..n {
            let (own, others) = self.lane(lane);
            square += own;
            for (sum, other) in product.iter_mut().zip(others) {
                *sum += other;
            }
        }
        (square, product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Real;
    use crate::num::elementary::Fma;
    use crate::num::simd;

    struct All<'a>(Squares<'a, f64, 2, 1>);

    impl simd::Task for All<'_> {
        type Output = Option<(f64, [f64; 1])>;

        #[inline(always)]
        fn run<F: Fma>(self) -> Self::Output {
            f64::squares::<F, 2, 1>(self.0)
        }
    }

    #[test]
    fn squares_are_those_of_plain_loops() {
        for n in [1, 7, 8, 24, 45] {
            let column = |k: usize| -> Vec<f64> {
                let number = |i: usize| ((i * i * 5 + k * 17 + 2) % 31) as f64 / 8.0 - 2.0;
                (0..n).map(number).collect()
            };
            // T of both numbers that differ, of the one that does not, and t.
            let [a, b, c, d, e, f, g, x, y] = std::array::from_fn(column);
            let z = 0.7;
            let r = |i: usize| {
                let first = a[i] * x[i] + b[i] * y[i] + d[i] * z - f[i];
                [first, c[i] * y[i] + e[i] * z - g[i]]
            };
            let near = |found: f64, expected: f64| {
                let error = (found - expected).abs();
                assert!(
                    error <= 1e-12 * (1.0 + expected.abs()),
                    "{n}: {found}, {expected}"
                );
            };
            let mut bits = Vec::new();
            for isa in simd::Isa::ALL {
                let (mut s, mut t) = (vec![0.0; n], vec![0.0; n]);
                let squares = Squares {
                    own: [[&a, &a], [&b, &c]],
                    same: [[&d, &e]],
                    last: [&f, &g],
                    u: [&x, &y],
                    v: [z],
                    slopes: [&mut s, &mut t],
                };
                let Some(Some((square, [product]))) = simd::run_on(isa, All(squares)) else {
                    continue;
                };
                near(
                    square,
                    (0..n).map(|i| r(i)[0].powi(2) + r(i)[1].powi(2)).sum(),
                );
                near(
                    product,
                    (0..n).map(|i| r(i)[0] * d[i] + r(i)[1] * e[i]).sum(),
                );
                for i in 0..n {
                    near(s[i], r(i)[0] * a[i]);
                    near(t[i], r(i)[0] * b[i] + r(i)[1] * c[i]);
                }
                bits.push((square.to_bits(), product.to_bits(), s, t));
            }
            assert!(bits.windows(2).all(|pair| pair[0] == pair[1]), "{n}");
        }
    }
}
