//! Transforms from unconstrained coordinates to the supports of latent variables, with their log Jacobians.
//!
//! Formulas as in the Stan reference manual's chapter on constraint transforms.

use super::lower::Lowering;
use crate::dist::EventKind;
use crate::dist::Support;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::LOG_SIGMOID;
use crate::tape::elementwise::LOG1M;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SIGMOID;
use crate::tape::elementwise::SQUARE;
use crate::tape::elementwise::SUB;
use crate::tape::elementwise::TANH;
use crate::tape::event::EventOp;
use crate::typed::Argument;
use crate::typed::Latent;
use crate::typed::LatentId;

/// A latent variable on its natural scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Natural {
    /// Its value, components in row-major order.
    pub value: NodeId,
    /// The log of the absolute Jacobian determinant of the transform, width 1; `None` for the identity.
    pub log_jacobian: Option<NodeId>,
}

/// The number of events in `dims`, and the size K of one (1 for a scalar).
pub(super) fn events(kind: EventKind, dims: &[usize]) -> (usize, usize) {
    let own = match kind {
        EventKind::Scalar => 0,
        EventKind::Vector => 1,
        EventKind::Square => 2,
    };
    let outer = dims.len().saturating_sub(own);
    (
        dims[..outer].iter().product(),
        dims[outer..].first().copied().unwrap_or(1),
    )
}

/// The number of unconstrained coordinates of one element of a latent variable with these dimensions.
pub(super) fn unconstrained(latent: &Latent, dims: &[usize]) -> usize {
    let (count, size) = events(latent.prior.distribution.event(), dims);
    let each = match latent.support {
        Support::Simplex => size.saturating_sub(1),
        Support::CholeskyCorrelation | Support::Correlation => size * size.saturating_sub(1) / 2,
        Support::Real
        | Support::Positive
        | Support::Unit
        | Support::Interval { .. }
        | Support::Ordered
        | Support::PositiveOrdered
        | Support::Binary
        | Support::Count
        | Support::CountUpTo { .. }
        | Support::Category => return dims.iter().product(),
    };
    count * each
}

impl Lowering<'_> {
    /// A latent variable's natural value from its coordinates.
    pub fn transform(&mut self, id: LatentId) -> Natural {
        let latent = &self.typed.latents()[id.index()];
        let input = self.inputs[self.site_of[&id]];
        let dims = self.dims(&latent.event);
        let (count, size) = events(latent.prior.distribution.event(), &dims);
        self.builder.at(latent.span);
        match latent.support {
            Support::Real => Natural {
                value: input,
                log_jacobian: None,
            },
            Support::Positive => {
                let value = self.builder.map(&EXP, &[input]);
                Natural {
                    value,
                    log_jacobian: Some(self.sum(input)),
                }
            }
            Support::Unit => {
                let value = self.builder.map(&SIGMOID, &[input]);
                let log_jacobian = self.log_sigmoid_slope(input);
                Natural {
                    value,
                    log_jacobian: Some(self.sum(log_jacobian)),
                }
            }
            Support::Interval { lower, upper } => {
                let [lower, upper] = [lower, upper].map(|place| self.bound(latent, place, &dims));
                self.builder.at(latent.span);
                let range = self.builder.map(&SUB, &[upper, lower]);
                let part = self.builder.map(&SIGMOID, &[input]);
                let above = self.builder.map(&MUL, &[range, part]);
                let value = self.builder.map(&ADD, &[lower, above]);
                let (log_range, slope) = (
                    self.builder.map(&LOG, &[range]),
                    self.log_sigmoid_slope(input),
                );
                let log_jacobian = self.builder.map(&ADD, &[log_range, slope]);
                Natural {
                    value,
                    log_jacobian: Some(self.sum(log_jacobian)),
                }
            }
            Support::Simplex => self.each(input, count, size - 1, |this, u| this.simplex(u)),
            Support::Ordered => self.each(input, count, size, Self::ordered),
            Support::PositiveOrdered => self.each(input, count, size, |this, u| {
                let steps = this.builder.map(&EXP, &[u]);
                let value = this.builder.event(EventOp::CumulativeSum, &[steps]);
                Natural {
                    value,
                    log_jacobian: Some(this.sum(u)),
                }
            }),
            Support::CholeskyCorrelation => {
                self.each(input, count, size * (size - 1) / 2, |this, u| {
                    this.cholesky_correlation(u, size)
                })
            }
            Support::Correlation => self.each(input, count, size * (size - 1) / 2, |this, u| {
                let factor = this.cholesky_correlation(u, size);
                this.correlation(factor, size)
            }),
            Support::Binary | Support::Count | Support::CountUpTo { .. } | Support::Category => {
                unreachable!("the checker refuses discrete latent variables")
            }
        }
    }

    /// log of the slope of the sigmoid.
    fn log_sigmoid_slope(&mut self, u: NodeId) -> NodeId {
        let minus = self.builder.map(&NEG, &[u]);
        let [a, b] = [u, minus].map(|x| self.builder.map(&LOG_SIGMOID, &[x]));
        self.builder.map(&ADD, &[a, b])
    }

    /// A bound of an interval.
    fn bound(&mut self, latent: &Latent, place: usize, dims: &[usize]) -> NodeId {
        match &latent.prior.args[place] {
            Argument::Value(id) => self.broadcast(*id, dims, latent.plate),
            Argument::Distribution(_) => unreachable!("bounds are values"),
        }
    }

    /// One transform for each of `count` events of `width` coordinates.
    fn each(
        &mut self,
        input: NodeId,
        count: usize,
        width: usize,
        one: impl Fn(&mut Self, NodeId) -> Natural,
    ) -> Natural {
        let parts: Vec<Natural> = (0..count)
            .map(|event| {
                let u = self.slice(input, event * width, width);
                one(self, u)
            })
            .collect();
        let values: Vec<NodeId> = parts.iter().map(|part| part.value).collect();
        let jacobians: Vec<NodeId> = parts.iter().filter_map(|part| part.log_jacobian).collect();
        let log_jacobian = (!jacobians.is_empty()).then(|| {
            let all = self.builder.event(EventOp::Stack, &jacobians);
            self.sum(all)
        });
        Natural {
            value: self.builder.event(EventOp::Stack, &values),
            log_jacobian,
        }
    }

    /// `width` components of a node from place `start` on.
    pub fn slice(&mut self, node: NodeId, start: usize, width: usize) -> NodeId {
        if start == 0 && self.builder.width(node) == width {
            return node;
        }
        let places = (start..start + width).map(|place| place as u32).collect();
        self.builder.event(EventOp::Pick(places), &[node])
    }

    fn ordered(&mut self, u: NodeId) -> Natural {
        let size = self.builder.width(u);
        if size == 1 {
            return Natural {
                value: u,
                log_jacobian: None,
            };
        }
        let (first, rest) = (self.slice(u, 0, 1), self.slice(u, 1, size - 1));
        let steps = self.builder.map(&EXP, &[rest]);
        let all = self.builder.event(EventOp::Stack, &[first, steps]);
        let value = self.builder.event(EventOp::CumulativeSum, &[all]);
        Natural {
            value,
            log_jacobian: Some(self.sum(rest)),
        }
    }

    /// Stick-breaking: of what is left, part k takes the share sigmoid(u_k − log(K − k)), so that u = 0 is the middle.
    fn simplex(&mut self, u: NodeId) -> Natural {
        let size = self.builder.width(u) + 1;
        if size == 1 {
            return Natural {
                value: self.builder.number(1.0),
                log_jacobian: None,
            };
        }
        let shifts: Vec<f64> = (1..size).map(|k| ((size - k) as f64).ln()).collect();
        let shifts = self.builder.constant(&shifts);
        let t = self.builder.map(&SUB, &[u, shifts]);
        let minus = self.builder.map(&NEG, &[t]);
        let [log_taken, log_left] = [t, minus].map(|x| self.builder.map(&LOG_SIGMOID, &[x]));
        let left = self.builder.event(EventOp::CumulativeSum, &[log_left]);
        let before: Vec<u32> = std::iter::once(EventOp::ZERO)
            .chain(0..size as u32 - 2)
            .collect();
        let before = self.builder.event(EventOp::Pick(before.into()), &[left]);
        let log_parts = self.builder.map(&ADD, &[log_taken, before]);
        let last = self.slice(left, size - 2, 1);
        let all = self.builder.event(EventOp::Stack, &[log_parts, last]);
        let value = self.builder.map(&EXP, &[all]);
        let slopes = self.builder.map(&ADD, &[log_parts, log_left]);
        Natural {
            value,
            log_jacobian: Some(self.sum(slopes)),
        }
    }

    /// Row i of the factor: partial correlations tanh(u), each times the length that the entries before it leave.
    fn cholesky_correlation(&mut self, u: NodeId, size: usize) -> Natural {
        if size == 1 {
            return Natural {
                value: self.builder.number(1.0),
                log_jacobian: None,
            };
        }
        let partial = self.builder.map(&TANH, &[u]);
        let squared = self.builder.map(&SQUARE, &[partial]);
        let log_left = self.builder.map(&LOG1M, &[squared]);
        let (half, zero) = (self.builder.number(0.5), self.builder.number(0.0));
        let one = self.builder.number(1.0);
        let mut rows = vec![one];
        // d tanh(u) / du = 1 − tanh², for every coordinate.
        let mut jacobian = vec![self.sum(log_left)];
        rows.extend(std::iter::repeat_n(zero, size - 1));
        let mut start = 0;
        for row in 1..size {
            let z = self.slice(partial, start, row);
            let left = self.slice(log_left, start, row);
            let running = self.builder.event(EventOp::CumulativeSum, &[left]);
            let log_length = self.builder.map(&MUL, &[half, running]);
            let before: Vec<u32> = std::iter::once(EventOp::ZERO)
                .chain(0..row as u32 - 1)
                .collect();
            let log_before = self
                .builder
                .event(EventOp::Pick(before.into()), &[log_length]);
            let length = self.builder.map(&EXP, &[log_before]);
            rows.push(self.builder.map(&MUL, &[z, length]));
            let last = self.slice(log_length, row - 1, 1);
            rows.push(self.builder.map(&EXP, &[last]));
            rows.extend(std::iter::repeat_n(zero, size - 1 - row));
            jacobian.push(self.sum(log_before));
            start += row;
        }
        let value = self.builder.event(EventOp::Stack, &rows);
        let all = self.builder.event(EventOp::Stack, &jacobian);
        Natural {
            value,
            log_jacobian: Some(self.sum(all)),
        }
    }

    /// L L′ with the Jacobian Π_k L_kk^(K − k).
    fn correlation(&mut self, factor: Natural, size: usize) -> Natural {
        let transposed: Vec<u32> = (0..size * size)
            .map(|place| (place % size * size + place / size) as u32)
            .collect();
        let transposed = self
            .builder
            .event(EventOp::Pick(transposed.into()), &[factor.value]);
        let product = EventOp::Product {
            rows: size,
            inner: size,
            columns: size,
        };
        let value = self.builder.event(product, &[factor.value, transposed]);
        let diagonal = (0..size).map(|k| (k * size + k) as u32).collect();
        let diagonal = self.builder.event(EventOp::Pick(diagonal), &[factor.value]);
        let log_diagonal = self.builder.map(&LOG, &[diagonal]);
        let powers: Vec<f64> = (1..=size).map(|k| (size - k) as f64).collect();
        let powers = self.builder.constant(&powers);
        let more = self.builder.event(EventOp::Dot, &[log_diagonal, powers]);
        let log_jacobian = match factor.log_jacobian {
            Some(log_jacobian) => self.builder.map(&ADD, &[log_jacobian, more]),
            None => more,
        };
        Natural {
            value,
            log_jacobian: Some(log_jacobian),
        }
    }
}
