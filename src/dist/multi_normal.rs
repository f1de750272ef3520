//! The multivariate normal distribution.

use super::Applied;
use super::Case;
use super::Distribution;
use super::EventKind;
use super::Form;
use super::MPMATH;
use super::Param;
use super::ParamKind;
use super::SCIPY;
use super::Support;
use crate::num::rng::Rng;
use crate::num::special::HALF_LOG_TWO_PI;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::Domain;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

/// The multivariate normal distribution.
#[derive(Clone, Copy, Debug)]
pub struct MultiNormal;

const MEAN: Param = Param::new("mean", ParamKind::Vector(Domain::Real));

static FORMS: &[Form] = &[
    Form {
        params: &[MEAN, Param::new("cov", ParamKind::Covariance)],
    },
    Form {
        params: &[MEAN, Param::new("cholesky", ParamKind::Cholesky)],
    },
    Form {
        params: &[MEAN, Param::new("precision", ParamKind::Covariance)],
    },
    Form {
        params: &[
            MEAN,
            Param::new("sd", ParamKind::Vector(Domain::Positive)),
            Param::new("corr_cholesky", ParamKind::Cholesky),
        ],
    },
];

/// The sum of the logs of the diagonal of a K × K matrix.
pub(super) fn log_diagonal(tape: &mut Builder, matrix: NodeId, size: usize) -> NodeId {
    let places = (0..size).map(|k| (k * (size + 1)) as u32).collect();
    let diagonal = tape.event(EventOp::Pick(places), &[matrix]);
    let logs = tape.map(&LOG, &[diagonal]);
    tape.event(EventOp::Sum, &[logs])
}

impl Distribution for MultiNormal {
    fn name(&self) -> &'static str {
        "MultiNormal"
    }

    fn doc(&self) -> &'static str {
        "The multivariate normal distribution of K numbers: \
         `log p(x) = −½ (x − mean)ᵀ cov⁻¹ (x − mean) − ½ log det cov − K/2 · log 2π`. Instead of `cov` it takes the lower \
         `cholesky` factor of the covariance, the `precision` matrix cov⁻¹, or standard deviations `sd` with the lower \
         Cholesky factor `corr_cholesky` of the correlation matrix."
    }

    fn forms(&self) -> &'static [Form] {
        FORMS
    }

    fn event(&self) -> EventKind {
        EventKind::Vector
    }

    fn support(&self) -> Support {
        Support::Real
    }

    fn log_density(
        &self,
        tape: &mut Builder,
        form: usize,
        x: NodeId,
        args: &[NodeId],
        _inner: &[Applied<NodeId>],
    ) -> NodeId {
        let n = tape.width(x);
        let mut centred = tape.map(&SUB, &[x, args[0]]);
        let factor = match form {
            0 | 2 => tape.event(EventOp::Cholesky(n), &[args[1]]),
            1 => args[1],
            _ => args[2],
        };
        let mut log_det = log_diagonal(tape, factor, n);
        if form == 3 {
            let sd = args[1];
            centred = tape.map(&DIV, &[centred, sd]);
            let logs = tape.map(&LOG, &[sd]);
            let mut sum = tape.event(EventOp::Sum, &[logs]);
            if tape.width(sd) < n {
                let repeats = tape.number(n as f64);
                sum = tape.map(&MUL, &[sum, repeats]);
            }
            log_det = tape.map(&ADD, &[log_det, sum]);
        }
        let white = if form == 2 {
            // The factor of the precision: (x − mean)ᵀ L, and the determinant is that of the inverse.
            log_det = tape.map(&NEG, &[log_det]);
            let product = EventOp::Product {
                rows: 1,
                inner: n,
                columns: n,
            };
            tape.event(product, &[centred, factor])
        } else {
            tape.event(EventOp::SolveLower { n, columns: 1 }, &[factor, centred])
        };
        let square = tape.event(EventOp::Dot, &[white, white]);
        let half = tape.number(-0.5);
        let quadratic = tape.map(&MUL, &[square, half]);
        let constant = tape.number(n as f64 * HALF_LOG_TWO_PI);
        let rest = tape.map(&ADD, &[log_det, constant]);
        tape.map(&SUB, &[quadratic, rest])
    }

    fn sample(
        &self,
        form: usize,
        args: &[&[f64]],
        _inner: &[Applied<&[f64]>],
        size: usize,
        rng: &mut Rng,
    ) -> Vec<f64> {
        let mut scratch = Vec::new();
        let factor = match form {
            0 | 2 => {
                let mut factor = vec![0.0; size * size];
                EventOp::Cholesky(size).forward(&[args[1]], 1, &mut factor, &mut scratch);
                factor
            }
            1 => args[1].to_vec(),
            _ => args[2].to_vec(),
        };
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(size).collect();
        let mut draw = vec![0.0; size];
        if form == 2 {
            let solve = EventOp::SolveLowerTransposed {
                n: size,
                columns: 1,
            };
            solve.forward(&[&factor, &noise], 1, &mut draw, &mut scratch);
        } else {
            for (i, value) in draw.iter_mut().enumerate() {
                *value = (0..=i).map(|j| factor[i * size + j] * noise[j]).sum();
            }
        }
        for (k, value) in draw.iter_mut().enumerate() {
            if form == 3 {
                *value *= args[1][k % args[1].len()];
            }
            *value += args[0][k % args[0].len()];
        }
        draw
    }

    fn cases(&self) -> &'static [Case] {
        CASES
    }
}

static CASES: &[Case] = &[
    Case::new(
        0,
        &[0.3, -1.2, 2.0],
        &[
            &[0.1, 0.0, -0.5],
            &[2.0, 0.3, -0.2, 0.3, 1.0, 0.1, -0.2, 0.1, 0.5],
        ],
        -11.307907468692203,
        SCIPY,
    ),
    Case::new(
        2,
        &[0.3, -1.2, 2.0],
        &[
            &[0.1, 0.0, -0.5],
            &[2.0, 0.3, -0.2, 0.3, 1.0, 0.1, -0.2, 0.1, 0.5],
        ],
        -4.669530638803106,
        SCIPY,
    ),
    Case::new(
        0,
        &[1.0, 1.1],
        &[&[0.0, 0.0], &[1.0, 0.999, 0.999, 1.0]],
        -1.7818487175589648,
        SCIPY,
    ),
    Case::new(
        2,
        &[1.0, 1.1],
        &[&[0.0, 0.0], &[1.0, 0.999, 0.999, 1.0]],
        -7.1493311781412725,
        SCIPY,
    ),
    Case::new(0, &[5.0], &[&[1.0], &[4.0]], -3.612085713764618, SCIPY),
    Case::new(2, &[5.0], &[&[1.0], &[4.0]], -32.22579135264473, SCIPY),
    Case::new(
        0,
        &[0.3, -1.2],
        &[&[0.5], &[1e-08, 0.0, 0.0, 100000000.0]],
        -2000001.837877081,
        MPMATH,
    ),
    Case::new(
        1,
        &[0.3, -1.2, 2.0],
        &[
            &[0.1, 0.0, -0.5],
            &[1.5, 0.0, 0.0, -0.7, 0.8, 0.0, 0.2, 1.1, 2.5],
        ],
        -6.0979243327265475,
        SCIPY,
    ),
    Case::new(
        1,
        &[1.0, 1.1],
        &[&[0.0, 0.0], &[1.0, 0.0, 0.5, 0.0001]],
        -17999993.1275367,
        MPMATH,
    ),
    Case::new(1, &[5.0], &[&[1.0], &[2.0]], -3.612085713764618, SCIPY),
    Case::new(
        3,
        &[0.3, -1.2, 2.0],
        &[
            &[0.1, 0.0, -0.5],
            &[0.7, 1.2, 3.0],
            &[1.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, -0.28, 0.96],
        ],
        -4.627219858749911,
        SCIPY,
    ),
    Case::new(
        3,
        &[1.0, 1.1],
        &[&[0.0, 0.0], &[0.1, 10.0], &[1.0, 0.0, -0.8, 0.6]],
        -142.67719033153224,
        SCIPY,
    ),
    Case::new(
        3,
        &[5.0],
        &[&[1.0], &[2.0], &[1.0]],
        -3.612085713764618,
        SCIPY,
    ),
    Case::new(
        3,
        &[0.3, -1.2, 2.0],
        &[
            &[0.25],
            &[2.0],
            &[1.0, 0.0, 0.0, 0.6, 0.8, 0.0, 0.0, -0.28, 0.96],
        ],
        -5.206284651014945,
        MPMATH,
    ),
];
