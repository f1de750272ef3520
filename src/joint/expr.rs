//! Expressions to nodes.

use super::lower::Dims;
use super::lower::Lowering;
use crate::shape::PlateId;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::SELECT;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use crate::typed::ColumnId;
use crate::typed::ExprId;
use crate::typed::ExprKind;
use crate::typed::Function;
use crate::typed::LogProb;
use crate::typed::Scaling;
use crate::typed::lower_places;
use std::sync::Arc;

impl Lowering<'_> {
    /// The value of an expression that stands in `plate`, in the plate over which it varies; its components in row-major order.
    pub fn expr(&mut self, id: ExprId, plate: PlateId) -> NodeId {
        let typed = self.typed;
        let expr = typed.expr(id);
        self.builder.at(expr.span);
        match &expr.kind {
            ExprKind::Constant(values) => self.builder.constant(values),
            ExprKind::Size(size, plus) => {
                let value = self.model.size(*size) as f64 + *plus as f64;
                self.builder.number(value)
            }
            ExprKind::Column(column) => self.column(*column),
            ExprKind::Latent(latent) => self.latent(*latent).value,
            ExprKind::Definition(definition) => self.definition(*definition),
            ExprKind::Map(op, args) => {
                let to = self.dims(&expr.event);
                let args: Vec<NodeId> = args
                    .iter()
                    .map(|arg| self.broadcast(*arg, &to, plate))
                    .collect();
                self.builder.at(expr.span);
                self.builder.map(op, &args)
            }
            ExprKind::Function(function, args) => self.function(id, *function, args, plate),
            ExprKind::Vector(items) => {
                let items: Vec<NodeId> = items.iter().map(|item| self.expr(*item, plate)).collect();
                self.builder.event(EventOp::Stack, &items)
            }
            ExprKind::Index(base, slots) => self.index(*base, slots, plate),
            ExprKind::Lookup(base, key) => self.lookup(*base, *key),
            ExprKind::If(condition, then, otherwise) => {
                let to = self.dims(&expr.event);
                let args =
                    [*condition, *then, *otherwise].map(|arg| self.broadcast(arg, &to, plate));
                self.builder.map(&SELECT, &args)
            }
            ExprKind::Aggregate {
                function,
                plate: over,
                body,
                ..
            } => self.aggregate(*function, *over, *body, plate),
            ExprKind::LogProb(which, distribution, value) => {
                let dims = self.dims(&typed.expr(*value).event);
                let value = self.expr(*value, plate);
                let density = match which {
                    LogProb::Density => self.log_density(distribution, value, &dims, plate),
                    LogProb::Cdf | LogProb::Ccdf => {
                        self.log_tail(*which, distribution, value, &dims, plate)
                    }
                };
                if expr.event.is_empty() {
                    self.sum(density)
                } else {
                    density
                }
            }
            ExprKind::Center(column, scaling) => self.center(*column, *scaling),
        }
    }

    /// The value of an expression, repeated so that it has the dimensions `to`, which its own are the last of.
    pub fn broadcast(&mut self, id: ExprId, to: &[usize], plate: PlateId) -> NodeId {
        let from = self.dims(&self.typed.expr(id).event);
        let node = self.expr(id, plate);
        self.repeat(node, &from, to)
    }

    /// `node` of dimensions `from` repeated so that it has the dimensions `to`; a single number stays one.
    pub fn repeat(&mut self, node: NodeId, from: &[usize], to: &[usize]) -> NodeId {
        let (width, wanted): (usize, usize) = (from.iter().product(), to.iter().product());
        if width == wanted || width == 1 {
            return node;
        }
        // From the right, a dimension of 1 repeats.
        let places: Arc<[u32]> = (0..wanted)
            .map(|place| {
                let (mut rest, mut at, mut stride) = (place, 0, 1);
                for d in (0..to.len()).rev() {
                    let i = rest % to[d];
                    rest /= to[d];
                    if let Some(own) = (from.len() + d).checked_sub(to.len()) {
                        if from[own] != 1 {
                            at += i * stride;
                        }
                        stride *= from[own];
                    }
                }
                at as u32
            })
            .collect();
        self.builder.event(EventOp::Pick(places), &[node])
    }

    /// The sum of a node's components.
    pub fn sum(&mut self, node: NodeId) -> NodeId {
        if self.builder.width(node) == 1 {
            return node;
        }
        self.builder.event(EventOp::Sum, &[node])
    }

    fn lookup(&mut self, base: ExprId, key: ColumnId) -> NodeId {
        let column = &self.typed.columns()[key.index()];
        let crate::typed::DataKind::Key(of) = column.kind else {
            unreachable!("the checker looks up by key columns only")
        };
        let before = self.builder.set_within(of);
        let node = self.expr(base, of);
        self.builder.set_within(before);
        if self.builder.constant_value(node).is_some() {
            return node;
        }
        let node = self.builder.lift(node, of);
        let values = &self.model.column(key).values;
        let index =
            (self.keys.entry(key)).or_insert_with(|| values.iter().map(|v| *v as u32).collect());
        self.builder
            .lift_by(node, column.plate, Some(Arc::clone(index)))
    }

    fn center(&mut self, column: ColumnId, scaling: Scaling) -> NodeId {
        let node = self.column(column);
        let found = self
            .model
            .scalings()
            .iter()
            .find(|s| s.column == column && s.scaling == scaling);
        let scaling = found.expect("the binder works out every scaling that the model names");
        let (mean, sd) = (
            self.builder.constant(&scaling.mean),
            self.builder.constant(&scaling.sd),
        );
        let centred = self.builder.map(&SUB, &[node, mean]);
        self.builder.map(&DIV, &[centred, sd])
    }

    fn function(
        &mut self,
        id: ExprId,
        function: Function,
        args: &[ExprId],
        plate: PlateId,
    ) -> NodeId {
        let typed = self.typed;
        let dims: Vec<Dims> = args
            .iter()
            .map(|arg| self.dims(&typed.expr(*arg).event))
            .collect();
        let out = self.dims(&typed.expr(id).event);
        let nodes: Vec<NodeId> = args.iter().map(|arg| self.expr(*arg, plate)).collect();
        self.builder.at(typed.expr(id).span);
        let width = |k: usize| dims[k].iter().product::<usize>();
        let event = |this: &mut Self, op: EventOp| this.builder.event(op, &nodes);
        match function {
            Function::Dot => event(self, EventOp::Dot),
            Function::Sum => self.over_all(EventOp::Sum, &nodes),
            Function::Min => self.over_all(EventOp::Min, &nodes),
            Function::Max => self.over_all(EventOp::Max, &nodes),
            Function::LogSumExp => self.over_all(EventOp::LogSumExp, &nodes),
            Function::Mean => {
                let sum = self.over_all(EventOp::Sum, &nodes);
                let count = self
                    .builder
                    .number((0..nodes.len()).map(width).sum::<usize>() as f64);
                self.builder.map(&DIV, &[sum, count])
            }
            Function::LogMix => {
                let log_weights = self.builder.map(&LOG, &nodes[..1]);
                let both = self.builder.map(&ADD, &[log_weights, nodes[1]]);
                self.builder.event(EventOp::LogSumExp, &[both])
            }
            Function::Softmax => {
                let logs = self.log_softmax(nodes[0]);
                self.builder.map(&crate::tape::elementwise::EXP, &[logs])
            }
            Function::LogSoftmax => self.log_softmax(nodes[0]),
            Function::CumulativeSum => event(self, EventOp::CumulativeSum),
            Function::Concat => event(self, EventOp::Stack),
            Function::Rep => {
                let own = width(0);
                let places = (0..out.iter().product::<usize>()).map(|place| (place % own) as u32);
                self.builder
                    .event(EventOp::Pick(places.collect()), &nodes[..1])
            }
            Function::Zeros => self.builder.constant(&vec![0.0; out.iter().product()]),
            Function::Identity => self.identity(out[0]),
            Function::Outer => {
                let (rows, columns) = (width(0), width(1));
                event(
                    self,
                    EventOp::Product {
                        rows,
                        inner: 1,
                        columns,
                    },
                )
            }
            Function::Transpose => {
                let (rows, columns) = (dims[0][0], dims[0][1]);
                let places =
                    (0..columns).flat_map(|j| (0..rows).map(move |i| (i * columns + j) as u32));
                event(self, EventOp::Pick(places.collect()))
            }
            Function::Diag => {
                let matrix = dims[0].len() == 2;
                let n = dims[0][0];
                let places = if matrix {
                    (0..n).map(|i| (i * n + i) as u32).collect()
                } else {
                    (0..n * n)
                        .map(|place| {
                            if place / n == place % n {
                                (place / n) as u32
                            } else {
                                EventOp::ZERO
                            }
                        })
                        .collect()
                };
                event(self, EventOp::Pick(places))
            }
            Function::LowerTriangular if nodes.len() == 2 => {
                let places = lower_places(dims[1][0]).into_iter();
                let places = places.map(|p| p.map_or(EventOp::ZERO, |p| p as u32));
                let parts = event(self, EventOp::Stack);
                self.builder
                    .event(EventOp::Pick(places.collect()), &[parts])
            }
            Function::LowerTriangular => {
                let n = dims[0][0];
                let places = (0..n * n)
                    .map(|p| {
                        if p % n <= p / n {
                            p as u32
                        } else {
                            EventOp::ZERO
                        }
                    })
                    .collect();
                event(self, EventOp::Pick(places))
            }
            Function::Cholesky => event(self, EventOp::Cholesky(dims[0][0])),
            Function::Solve => {
                let n = dims[0][0];
                let columns = width(1) / n;
                event(self, EventOp::Solve { n, columns })
            }
            Function::Inverse => {
                let n = dims[0][0];
                let identity = self.identity(n);
                self.builder
                    .event(EventOp::Solve { n, columns: n }, &[nodes[0], identity])
            }
            Function::LogDet => event(self, EventOp::LogDet(dims[0][0])),
            Function::Length => self
                .builder
                .number(dims[0].first().copied().unwrap_or(1) as f64),
            Function::MatrixProduct => {
                // A vector left of `@` is a row, right of it a column.
                let inner = if dims[0].len() == 2 {
                    dims[0][1]
                } else {
                    dims[0][0]
                };
                let (rows, columns) = (width(0) / inner, width(1) / inner);
                if rows == 1 && columns == 1 {
                    event(self, EventOp::Dot)
                } else {
                    event(
                        self,
                        EventOp::Product {
                            rows,
                            inner,
                            columns,
                        },
                    )
                }
            }
        }
    }

    /// One operation over all components of all arguments.
    fn over_all(&mut self, op: EventOp, nodes: &[NodeId]) -> NodeId {
        let all = self.builder.event(EventOp::Stack, nodes);
        if self.builder.width(all) == 1 {
            all
        } else {
            self.builder.event(op, &[all])
        }
    }

    fn log_softmax(&mut self, node: NodeId) -> NodeId {
        let total = self.builder.event(EventOp::LogSumExp, &[node]);
        self.builder.map(&SUB, &[node, total])
    }

    /// The n × n identity matrix.
    fn identity(&mut self, n: usize) -> NodeId {
        let values: Vec<f64> = (0..n * n).map(|p| f64::from(p / n == p % n)).collect();
        self.builder.constant(&values)
    }
}
