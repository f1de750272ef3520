//! The special functions against mpmath.

use super::Dual;
use super::Real;
use super::elementary;
use super::simd;
use super::special::*;
use super::sums;

/// (x, f(x)) by mpmath 1.3.0 with 50 digits, rounded.
type Table = &'static [(f64, f64)];

/// The function, its table, and the error allowed, in units of 2⁻⁵² of the value or, where that is smaller, of `floor`
/// (for functions that are read near their zeros).
struct Claim {
    name: &'static str,
    function: fn(f64) -> f64,
    table: Table,
    ulps: f64,
    floor: f64,
}

const CLAIMS: &[Claim] = &[
    Claim {
        name: "lgamma",
        function: lgamma,
        ulps: 8.0,
        floor: 1.0,
        table: &[
            (1e-300, 690.7755278982137),
            (1e-10, 23.025850929882736),
            (0.1, 2.252712651734206),
            (0.5, 0.5723649429247001),
            (1.0000001, -5.772155829918507e-08),
            (1.46163, -0.12148629053362353),
            (1.9999999, -4.2278430309861296e-08),
            (2.5, 0.2846828704729192),
            (7.3, 7.147892523022248),
            (50.5, 146.51925549072064),
            (10000.0, 82099.71749644238),
            (100000000.0, 1742068066.1038346),
            (1000000000000000.0, 3.3538776394910668e+16),
            (1e+300, 6.897755278982137e+302),
            (-0.5, 1.2655121234846454),
            (-1.3, 1.2024757863901114),
            (-2.7, -0.07140708531564569),
            (-20.1, -40.318823427233035),
        ],
    },
    Claim {
        name: "digamma",
        function: digamma,
        ulps: 8.0,
        floor: 1.0,
        table: &[
            (1e-100, -1e+100),
            (1e-05, -100000.57719921567),
            (0.1, -10.423754940411076),
            (0.5, -1.9635100260214235),
            (1.0, -0.5772156649015329),
            (1.4, -0.06138454458511624),
            (1.5, 0.03648997397857652),
            (2.5, 0.7031566406452432),
            (7.3, 1.9178203356379862),
            (11.9, 2.4339335368825377),
            (12.1, 2.4513143481743374),
            (50.5, 3.912039670928392),
            (10000.0, 9.210290371142849),
            (100000000.0, 18.420680738952367),
            (1e+300, 690.7755278982137),
            (-0.5, 0.03648997397857652),
            (-1.3, 2.8825405488661673),
            (-2.7, -1.1153471291406896),
            (-20.1, 12.694217212892514),
        ],
    },
    Claim {
        name: "trigamma",
        function: trigamma,
        ulps: 8.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (1e-100, 1e+200),
            (1e-05, 10000000001.644909),
            (0.1, 101.43329915079275),
            (0.5, 4.934802200544679),
            (1.0, 1.6449340668482264),
            (2.5, 0.49035775610023485),
            (7.3, 0.1467957681314271),
            (11.9, 0.08766320119000419),
            (12.1, 0.08615364647098629),
            (50.5, 0.01999933342663716),
            (10000.0, 0.00010000500016666666),
            (100000000.0, 1.000000005e-08),
            (-0.5, 8.934802200544679),
            (-1.3, 14.53687624413708),
            (-2.7, 14.769375845132314),
            (-20.1, 103.30730494582464),
        ],
    },
    Claim {
        name: "tetragamma",
        function: tetragamma,
        ulps: 12.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (1e-80, -2.0000000000000004e+240),
            (1e-05, -2000000000000002.0),
            (0.1, -2001.8614573783436),
            (0.5, -16.82879664423432),
            (1.0, -2.4041138063191885),
            (2.5, -0.2362040516417274),
            (7.3, -0.02151081444162025),
            (11.9, -0.007679939159328307),
            (12.1, -0.007417881105917006),
            (50.5, -0.00039996000932920303),
            (10000.0, -1.000100005e-08),
            (100000000.0, -1.00000001e-16),
            (-0.6, -22.979869364319093),
            (-1.3, 68.54941347116214),
            (-2.7, -68.9329390232638),
            (-20.1, 1998.657305231049),
        ],
    },
    Claim {
        name: "erf",
        function: erf,
        ulps: 2.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (1e-300, 1.1283791670955126e-300),
            (1e-05, 1.1283791670579e-05),
            (0.1, 0.1124629160182849),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (2.5, 0.999593047982555),
            (5.9, 0.9999999999999999),
            (30.0, 1.0),
            (-0.3, -0.3286267594591274),
            (-3.0, -0.9999779095030014),
        ],
    },
    Claim {
        name: "erfcx",
        function: erfcx,
        ulps: 6.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (0.0, 1.0),
            (1e-05, 0.9999887163083283),
            (0.1, 0.8964569799691267),
            (0.5, 0.6156903441929259),
            (1.0, 0.427583576155807),
            (2.5, 0.2108063640611436),
            (5.9, 0.09430713614832703),
            (9.9, 0.05670245693883227),
            (10.1, 0.055590487009239874),
            (26.0, 0.021683584850562907),
            (30.0, 0.01879588886141675),
            (100000.0, 5.6418958351954685e-06),
            (1e+100, 5.6418958354775625e-101),
        ],
    },
    Claim {
        name: "normal_cdf",
        function: normal_cdf,
        ulps: 8.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (-37.5, 4.605353009581955e-308),
            (-30.0, 4.906713927148187e-198),
            (-20.0, 2.7536241186062337e-89),
            (-8.3, 5.205569744890254e-17),
            (-5.0, 2.866515718791939e-07),
            (-1.01, 0.1562476450212546),
            (-0.99, 0.1610870595108309),
            (-1e-05, 0.49999601057719606),
            (0.0, 0.5),
            (0.3, 0.6179114221889527),
            (1.0, 0.8413447460685429),
            (3.0, 0.9986501019683699),
            (8.0, 0.9999999999999993),
            (40.0, 1.0),
        ],
    },
    Claim {
        name: "log_normal_cdf",
        function: log_normal_cdf,
        ulps: 8.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (-100000000.0, -5000000000000019.0),
            (-10000.0, -50000010.12927891),
            (-38.5, -745.695270290411),
            (-30.0, -454.3212439563432),
            (-8.3, -37.49421742374825),
            (-5.0, -15.064998393988725),
            (-1.01, -1.8563130623431785),
            (-0.99, -1.8258103178428124),
            (-1e-05, -0.6931551594373844),
            (0.0, -std::f64::consts::LN_2),
            (0.3, -0.4814101615884812),
            (1.0, -0.17275377902344988),
            (3.0, -0.0013508099647481938),
            (8.0, -6.220960574271786e-16),
            (37.0, -5.725571222524577e-300),
            (100000000.0, -0.0),
        ],
    },
    Claim {
        name: "normal_density",
        function: normal_density,
        ulps: 6.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (-38.0, 1.097221052e-314),
            (-30.0, 1.4736461348785476e-196),
            (-5.0, 1.4867195147342977e-06),
            (-0.3, 0.3813878154605241),
            (0.0, 0.3989422804014327),
            (1e-05, 0.39894228038148555),
            (1.7, 0.09404907737688693),
            (8.0, 5.052271083536892e-15),
            (37.9, 4.88024573402e-313),
        ],
    },
    Claim {
        name: "inverse_mills",
        function: inverse_mills,
        ulps: 8.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (-100000000.0, 100000000.00000001),
            (-10000.0, 10000.000099999997),
            (-38.5, 38.52593909685449),
            (-30.0, 30.033259667433676),
            (-5.01, 5.196177543221179),
            (-4.99, 5.17683147360947),
            (-1.01, 1.533150132889535),
            (-0.99, 1.5171321125926172),
            (0.0, 0.7978845608028654),
            (0.3, 0.6172208536127345),
            (3.0, 0.004437839042125664),
            (8.0, 5.052271083536895e-15),
            (37.0, 2.1200065515246056e-298),
        ],
    },
    Claim {
        name: "inverse_mills_excess",
        function: inverse_mills_excess,
        ulps: 60.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (-100000000.0, 9.999999999999999e-09),
            (-10000.0, 9.99999980000001e-05),
            (-38.5, 0.025939096854493696),
            (-30.0, 0.03325966743367704),
            (-8.0, 0.12136811223611269),
            (-5.01, 0.1861775432211786),
            (-4.99, 0.18683147360947003),
            (-1.01, 0.5231501328895348),
            (-0.99, 0.5271321125926173),
            (0.0, 0.7978845608028654),
            (0.3, 0.9172208536127344),
            (3.0, 3.004437839042126),
            (8.0, 8.000000000000005),
            (37.0, 37.0),
        ],
    },
    Claim {
        name: "normal_quantile",
        function: normal_quantile,
        ulps: 8.0,
        floor: f64::MIN_POSITIVE,
        table: &[
            (1e-300, -37.0470962993612),
            (1e-100, -21.273453560965326),
            (1e-20, -9.262340089798407),
            (1e-05, -4.264890793922825),
            (0.02, -2.053748910631823),
            (0.0999, -1.2821215797087744),
            (0.1001, -1.2809819674733192),
            (0.3, -0.5244005127080408),
            (0.4999999, -2.5066282747031063e-07),
            (0.5000001, 2.506628273311648e-07),
            (0.7, 0.5244005127080407),
            (0.95, 1.6448536269514722),
            (0.99999, 4.264890793923841),
            (0.9999999999999999, 8.209536151601387),
        ],
    },
];

#[test]
fn special_functions_agree_with_the_tables() {
    let mut wrong = Vec::new();
    for claim in CLAIMS {
        for &(x, expected) in claim.table {
            let found = (claim.function)(x);
            let error = (found - expected).abs() / (expected.abs().max(claim.floor) * f64::EPSILON);
            if !(found == expected || error <= claim.ulps) {
                wrong.push(format!(
                    "{}({x:e}) = {found:e}, not {expected:e}: {error:.1} ulps",
                    claim.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn special_functions_at_their_edges() {
    assert_eq!(lgamma(0.0), f64::INFINITY);
    assert_eq!(lgamma(-3.0), f64::INFINITY);
    assert!(digamma(-3.0).is_nan() && tetragamma(-3.0).is_nan());
    assert_eq!(trigamma(-3.0), f64::INFINITY);
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    assert_eq!(normal_quantile(1.0), f64::INFINITY);
    assert_eq!(normal_quantile(0.5), 0.0);
    assert!(normal_quantile(-0.1).is_nan() && normal_quantile(1.1).is_nan());
    for f in [
        digamma,
        trigamma,
        tetragamma,
        erf,
        erfcx,
        normal_cdf,
        log_normal_cdf,
        inverse_mills,
        normal_quantile,
    ] {
        assert!(f(f64::NAN).is_nan());
    }
    assert_eq!(log_normal_cdf(f64::NEG_INFINITY), f64::NEG_INFINITY);
    assert_eq!(log_normal_cdf(f64::INFINITY), 0.0);
    assert_eq!(normal_cdf(f64::NEG_INFINITY), 0.0);
    assert_eq!(normal_cdf(f64::INFINITY), 1.0);
}

/// The derivatives of a power by base and exponent.
fn power(base: f64, exponent: f64) -> (f64, f64) {
    let still = Dual::of;
    let moving = |value| Dual {
        value,
        tangent: 1.0,
    };
    let by_base = moving(base).pow(still(exponent)).tangent;
    (by_base, still(base).pow(moving(exponent)).tangent)
}

#[test]
fn powers_of_zero_have_derivatives() {
    assert_eq!(power(0.0, 0.0), (0.0, 0.0));
    assert_eq!(power(0.0, 1.0), (1.0, 0.0));
    assert_eq!(power(0.0, 2.0), (0.0, 0.0));
    assert_eq!(power(0.0, 0.5), (f64::INFINITY, 0.0));
    assert_eq!(power(-2.0, 3.0).0, 12.0);
    assert_eq!(
        power(std::f64::consts::E, 2.0).1,
        std::f64::consts::E.powi(2)
    );
    let square = Dual::of(-3.0).pow(Dual::of(2.0));
    assert_eq!((square.value, square.tangent), (9.0, 0.0));
}

#[test]
fn a_constant_has_no_tangent_even_where_the_derivative_is_infinite() {
    for f in [Dual::sqrt, Dual::log] {
        assert_eq!(f(Dual::of(0.0)).tangent, 0.0);
    }
}

#[test]
fn eigenvectors_put_a_symmetric_matrix_together_again() {
    for m in [1, 2, 5, 12] {
        let entry =
            |i: usize, j: usize| ((i * j + i + j) as f64).sin() + f64::from(u8::from(i == j));
        let whole: Vec<f64> = (0..m * m).map(|k| entry(k / m, k % m)).collect();
        let mut values = whole.clone();
        let vectors = super::dense::eigen(&mut values, m);
        for i in 0..m {
            for j in 0..m {
                let again: f64 = (0..m)
                    .map(|k| vectors[i * m + k] * values[k * m + k] * vectors[j * m + k])
                    .sum();
                let inner: f64 = (0..m)
                    .map(|k| vectors[k * m + i] * vectors[k * m + j])
                    .sum();
                assert!((again - whole[i * m + j]).abs() < 1e-12, "{m}: {i} {j}");
                assert!((inner - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}

/// Sums, products and dot products of any number of lanes, going on, against plain loops.
#[test]
fn totals_go_on_over_lanes_that_are_left_over() {
    struct All<'a>(&'a [f64], [&'a [f64]; 2]);
    impl simd::Task for All<'_> {
        type Output = (f64, f64, f64, [f64; 2]);
        #[inline(always)]
        fn run<F: elementary::Fma>(self) -> Self::Output {
            let All(lanes, columns) = self;
            let (mut add, mut product, mut slope) = ([0.5; 8], [1.0; 8], [0.0; 8]);
            let (mut a, mut b) = ([0.25; 8], [0.0; 8]);
            f64::together::<F, 2>(sums::Together {
                add: (lanes, &mut add),
                product: Some((columns[0], &mut product)),
                slope: (columns[1], &mut slope),
                columns,
                dots: [&mut a, &mut b],
            });
            let dots = [sums::sum_of(a), sums::sum_of(b)];
            (
                sums::sum_of(add),
                sums::product_of(product),
                sums::sum_of(slope),
                dots,
            )
        }
    }
    for n in 0..40 {
        let lanes: Vec<f64> = (0..n).map(|i| f64::from(i) - 3.5).collect();
        let ones: Vec<f64> = (0..n).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
        let slopes: Vec<f64> = (0..n).map(|i| f64::from(i * i % 7)).collect();
        let dot = |x: &[f64]| slopes.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        let near = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                "{n}: {found}, {expected}"
            );
        };
        let found: Vec<_> = (simd::Isa::ALL.into_iter())
            .filter_map(|isa| simd::run_on(isa, All(&lanes, [&ones, &slopes])))
            .collect();
        for (add, product, slope, dots) in &found {
            near(*add, 4.0 + lanes.iter().sum::<f64>());
            near(*product, ones.iter().product());
            near(*slope, slopes.iter().sum());
            near(dots[0], 2.0 + dot(&ones));
            near(dots[1], dot(&slopes));
        }
        // Sums go the same way on every instruction set.
        assert!(
            found
                .iter()
                .all(|(add, product, slope, _)| (*add, *product, *slope)
                    == (found[0].0, found[0].1, found[0].2))
        );
    }
}

/// Sums of any number of lanes times pivots and columns against plain loops; what lies behind the lanes is of no account.
#[test]
fn moments_are_those_of_plain_loops() {
    struct All<'a>(&'a [f64], [&'a [f64]; 2], [&'a [f64]; 3]);
    impl simd::Task for All<'_> {
        type Output = [sums::Moments<2, 3>; 2];
        #[inline(always)]
        fn run<F: elementary::Fma>(self) -> Self::Output {
            let All(lanes, pivots, columns) = self;
            [
                sums::moments::<F, true, 2, 3>(lanes, pivots, columns),
                sums::moments::<F, false, 2, 3>(lanes, pivots, columns),
            ]
        }
    }
    for n in 0..40 {
        let column = |k: usize| -> Vec<f64> {
            let of = |i: usize| match i < n {
                true => ((i * i * 7 + k * 13 + 3) % 29) as f64 / 7.0 - 2.0,
                false => f64::NAN,
            };
            (0..50).map(of).collect()
        };
        let columns: [Vec<f64>; 6] = std::array::from_fn(column);
        let [lanes, p, q, a, b, c] = columns.each_ref().map(Vec::as_slice);
        let (pivots, columns) = ([p, q], [a, b, c]);
        let total = |of: &dyn Fn(usize) -> f64| (0..n).map(of).sum::<f64>();
        let near = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                "{n}: {found}, {expected}"
            );
        };
        let found: Vec<_> = (simd::Isa::ALL.into_iter())
            .filter_map(|isa| simd::run_on(isa, All(&lanes[..n], pivots, columns)))
            .collect();
        for [all, paired] in &found {
            near(all.sum, total(&|i| lanes[i]));
            assert_eq!((paired.sum, paired.dots), (0.0, [0.0; 3]));
            for (k, column) in columns.iter().enumerate() {
                near(all.dots[k], total(&|i| lanes[i] * column[i]));
                for (j, pivot) in pivots.iter().enumerate() {
                    let product = all.products[j][k];
                    near(product, total(&|i| lanes[i] * pivot[i] * column[i]));
                    assert_eq!(product, paired.products[j][k]);
                }
            }
        }
    }
}

#[test]
fn an_exponential_in_range_is_the_exponential_there_and_tends_to_its_limits_beyond() {
    for x in [-708.0, -30.5, -1e-9, 0.0, 0.7, 300.0, 709.4] {
        let (found, expected) = (Real::exp_in_range(x), f64::exp(x));
        assert!((found - expected).abs() <= 4e-16 * expected, "{x}: {found}");
    }
    assert!((0.0..1e-307).contains(&Real::exp_in_range(-1e5)));
    for x in [709.5, 1e5, f64::INFINITY] {
        assert_eq!(Real::exp_in_range(x), f64::INFINITY, "{x}");
    }
    assert!(Real::exp_in_range(f64::NAN).is_nan());
}
