//! Recognition of affine predictors, for expectations in closed form.

use super::Affine;
use super::AffineTerm;
use super::GaussianTerm;
use crate::dist::GaussianForm;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::NEG;
use crate::tape::elementwise::SQRT;
use crate::tape::elementwise::SQUARE;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;

/// The most summands of a predictor that is taken as affine.
const MOST_SUMMANDS: usize = 64;

/// A statement whose expectation may be known: a draw, its arguments, and what goes with them.
#[derive(Debug)]
pub(super) struct Candidate {
    pub form: GaussianForm,
    pub plate: PlateId,
    /// Independent draws of one element.
    pub width: usize,
    /// The draw, on its natural scale.
    pub x: NodeId,
    pub args: Vec<NodeId>,
    /// For a latent draw, the log Jacobian of its transform.
    pub log_jacobian: Option<NodeId>,
    /// The data that say for which elements the statement counts.
    pub condition: Option<NodeId>,
}

/// The term in Gaussian affine predictors, if it is one.
pub(super) fn recognise(builder: &mut Builder, candidate: &Candidate) -> Option<GaussianTerm> {
    let Candidate {
        plate,
        width,
        x,
        args,
        ..
    } = candidate;
    let mut lifted = |node: NodeId| builder.lift(node, *plate);
    let x = lifted(*x);
    let args: Vec<NodeId> = args.iter().map(|arg| lifted(*arg)).collect();
    let n = builder.len_of(*plate);
    let rows = n * width;
    let reader = Reader { builder };
    let all = |read: &dyn Fn(usize) -> Option<Row>| -> Option<Affine> {
        let parts: Option<Vec<Row>> = (0..*width).map(read).collect();
        Some(stack(parts?, n))
    };
    let weight = match candidate.condition {
        Some(condition) => builder.evaluate(condition).repeat(*width),
        None => Vec::new(),
    };
    let mut term = GaussianTerm {
        form: candidate.form,
        rows,
        predictor: Affine::default(),
        log_sd: Affine::default(),
        observed: Vec::new(),
        offset: Affine::default(),
        weight,
    };
    match candidate.form {
        GaussianForm::Normal => {
            term.predictor =
                all(&|k| Some(reader.affine(x, k)?.minus(reader.affine(args[0], k)?)))?;
            term.log_sd = all(&|k| reader.log(args[1], k))?;
        }
        GaussianForm::LogNormal => {
            let log_x = |k| reader.log(x, k);
            term.predictor = all(&|k| Some(log_x(k)?.minus(reader.affine(args[0], k)?)))?;
            term.log_sd = all(&|k| reader.log(args[1], k))?;
            term.offset = all(&|k| {
                let jacobian = match candidate.log_jacobian {
                    // The transform of a positive draw is exp: its log Jacobian is log x itself.
                    Some(_) => log_x(k)?,
                    None => Row::default(),
                };
                Some(jacobian.minus(log_x(k)?))
            })?;
        }
        GaussianForm::Poisson => {
            let node = builder.node(x);
            if node.varies {
                return None;
            }
            term.observed = all(&|k| reader.affine(x, k))?.expanded(rows);
            term.predictor = all(&|k| reader.affine(args[0], k))?;
        }
        GaussianForm::PoissonRate => {
            term.form = GaussianForm::Poisson;
            term.observed = all(&|k| reader.affine(x, k))?.expanded(rows);
            term.predictor = all(&|k| reader.log(args[0], k))?;
        }
    }
    Some(term)
}

impl Affine {
    /// The constant of each row, of a predictor without summands.
    fn expanded(&self, rows: usize) -> Vec<f64> {
        match self.constant.len() {
            0 => vec![0.0; rows],
            1 => vec![self.constant[0]; rows],
            _ => self.constant.clone(),
        }
    }
}

/// An affine function of the coordinates for each element of a plate; lists hold one entry for each element, or one for all.
#[derive(Clone, Debug, Default)]
struct Row {
    constant: Vec<f64>,
    terms: Vec<AffineTerm>,
}

impl Row {
    fn constant(values: Vec<f64>) -> Row {
        Row {
            constant: values,
            terms: Vec::new(),
        }
    }

    fn plus(mut self, other: Row) -> Row {
        self.constant = both(self.constant, &other.constant, |a, b| a + b);
        for term in other.terms {
            // The same coordinates once: what cancels is seen to cancel.
            match self
                .terms
                .iter_mut()
                .find(|t| t.coordinate == term.coordinate)
            {
                Some(known) => {
                    let own = std::mem::take(&mut known.coefficient);
                    known.coefficient = both(own, &term.coefficient, |a, b| a + b);
                }
                None => self.terms.push(term),
            }
        }
        self.terms
            .retain(|t| t.coefficient.iter().any(|c| *c != 0.0));
        self
    }

    fn minus(self, other: Row) -> Row {
        self.plus(other.times(&[-1.0]))
    }

    fn times(mut self, factor: &[f64]) -> Row {
        self.constant = both(self.constant, factor, |a, b| a * b);
        for term in &mut self.terms {
            let own = std::mem::take(&mut term.coefficient);
            term.coefficient = both(own, factor, |a, b| a * b);
        }
        self
    }

    /// Its values at the elements that `index` gives.
    fn at(mut self, index: &[u32]) -> Row {
        let pick = |values: &mut Vec<f64>| {
            if values.len() > 1 {
                *values = index.iter().map(|i| values[*i as usize]).collect();
            }
        };
        pick(&mut self.constant);
        for term in &mut self.terms {
            pick(&mut term.coefficient);
            if term.coordinate.len() > 1 {
                term.coordinate = index.iter().map(|i| term.coordinate[*i as usize]).collect();
            }
        }
        self
    }
}

/// Entry by entry, a single entry standing for all, none for 0.
fn both(mut a: Vec<f64>, b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    if a.len() < b.len() {
        let all = a.first().copied().unwrap_or(0.0);
        a.resize(b.len(), all);
    }
    match *b {
        [] => a.iter_mut().for_each(|a| *a = f(*a, 0.0)),
        [b] => a.iter_mut().for_each(|a| *a = f(*a, b)),
        _ => a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b)),
    }
    a
}

/// The rows of several components, one after another.
fn stack(mut parts: Vec<Row>, n: usize) -> Affine {
    if parts.len() == 1
        && let Some(Row { constant, terms }) = parts.pop()
    {
        return Affine { constant, terms };
    }
    let spread = |list: &[f64]| -> Vec<f64> {
        match list.len() {
            0 => vec![0.0; n],
            1 => vec![list[0]; n],
            _ => list.to_vec(),
        }
    };
    let most = parts.iter().map(|part| part.terms.len()).max().unwrap_or(0);
    let terms = (0..most)
        .map(|t| {
            let (mut coordinate, mut coefficient) = (Vec::new(), Vec::new());
            for part in &parts {
                match part.terms.get(t) {
                    Some(term) => {
                        coefficient.extend(spread(&term.coefficient));
                        match term.coordinate.as_slice() {
                            [one] => coordinate.extend(std::iter::repeat_n(*one, n)),
                            many => coordinate.extend_from_slice(many),
                        }
                    }
                    None => {
                        coefficient.extend(std::iter::repeat_n(0.0, n));
                        coordinate.extend(std::iter::repeat_n(0, n));
                    }
                }
            }
            AffineTerm {
                coordinate,
                coefficient,
            }
        })
        .collect();
    Affine {
        constant: parts
            .iter()
            .flat_map(|part| spread(&part.constant))
            .collect(),
        terms,
    }
}

struct Reader<'a> {
    builder: &'a Builder,
}

impl Reader<'_> {
    /// Component `k` of a node as an affine function of the coordinates.
    fn affine(&self, id: NodeId, k: usize) -> Option<Row> {
        let node = self.builder.node(id);
        let len = self.builder.len_of(node.plate);
        // A node of width 1 stands for every component.
        let k = if node.width == 1 { 0 } else { k };
        if !node.varies {
            let values = self.builder.evaluate(id);
            return Some(Row::constant(match &node.op {
                Op::Constant(_) => vec![values[k]],
                Op::Input(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..)
                | Op::Reduce(..) => values[k * len..(k + 1) * len].to_vec(),
            }));
        }
        let row = match &node.op {
            Op::Input(offset) => {
                let coordinate = (0..len).map(|i| (offset + k * len + i) as u32).collect();
                Row {
                    constant: Vec::new(),
                    terms: vec![AffineTerm {
                        coordinate,
                        coefficient: vec![1.0],
                    }],
                }
            }
            Op::Constant(_) | Op::Data(_) | Op::Reduce(..) => return None,
            Op::Lift(from, index) => {
                let source = self.builder.node(*from);
                match index {
                    _ if source.width != node.width => return None,
                    None => self.affine(*from, k)?,
                    Some(index) => self.affine(*from, k)?.at(index),
                }
            }
            Op::Map(op, args) => self.affine_map(op, args, k)?,
            Op::Event(op, args) => self.affine_event(op, args, k)?,
        };
        (row.terms.len() <= MOST_SUMMANDS).then_some(row)
    }

    fn affine_map(&self, op: &Elementwise, args: &[NodeId], k: usize) -> Option<Row> {
        let fixed = |place: usize| !self.builder.node(args[place]).varies;
        let arg = |place: usize| self.affine(args[place], k);
        if *op == ADD {
            Some(arg(0)?.plus(arg(1)?))
        } else if *op == SUB {
            Some(arg(0)?.minus(arg(1)?))
        } else if *op == NEG {
            Some(arg(0)?.times(&[-1.0]))
        } else if *op == MUL && fixed(0) {
            Some(arg(1)?.times(&arg(0)?.constant))
        } else if *op == MUL && fixed(1) {
            Some(arg(0)?.times(&arg(1)?.constant))
        } else if *op == DIV && fixed(1) {
            let inverse: Vec<f64> = arg(1)?.constant.iter().map(|c| 1.0 / c).collect();
            Some(arg(0)?.times(&inverse))
        } else {
            None
        }
    }

    fn affine_event(&self, op: &EventOp, args: &[NodeId], k: usize) -> Option<Row> {
        let width = |place: usize| self.builder.node(args[place]).width;
        match op {
            EventOp::Stack => {
                let mut start = 0;
                for (place, arg) in args.iter().enumerate() {
                    if k < start + width(place) {
                        return self.affine(*arg, k - start);
                    }
                    start += width(place);
                }
                None
            }
            EventOp::Pick(places) => match places[k] {
                EventOp::ZERO => Some(Row::default()),
                place => self.affine(args[0], place as usize),
            },
            EventOp::Sum => (0..width(0)).try_fold(Row::default(), |sum, j| {
                Some(sum.plus(self.affine(args[0], j)?))
            }),
            EventOp::Dot => {
                let (fixed, other) =
                    match [args[0], args[1]].map(|arg| self.builder.node(arg).varies) {
                        [false, _] => (args[0], args[1]),
                        [true, false] => (args[1], args[0]),
                        [true, true] => return None,
                    };
                (0..width(0)).try_fold(Row::default(), |sum, j| {
                    Some(
                        sum.plus(
                            self.affine(other, j)?
                                .times(&self.affine(fixed, j)?.constant),
                        ),
                    )
                })
            }
            EventOp::PickAt { .. }
            | EventOp::SquaredResiduals { .. }
            | EventOp::Min
            | EventOp::Max
            | EventOp::LogSumExp
            | EventOp::CumulativeSum
            | EventOp::Product { .. }
            | EventOp::Cholesky(_)
            | EventOp::SolveLower { .. }
            | EventOp::SolveLowerTransposed { .. }
            | EventOp::Solve { .. }
            | EventOp::LogDet(_) => None,
        }
    }

    /// The log of component `k` of a positive node as an affine function of the coordinates.
    fn log(&self, id: NodeId, k: usize) -> Option<Row> {
        let node = self.builder.node(id);
        if !node.varies {
            let values = self.affine(id, k)?.constant;
            return values
                .iter()
                .all(|v| *v > 0.0)
                .then(|| Row::constant(values.iter().map(|v| v.ln()).collect()));
        }
        match &node.op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) | Op::Reduce(..) => None,
            Op::Lift(from, index) => {
                if self.builder.node(*from).width != node.width {
                    return None;
                }
                let row = self.log(*from, k)?;
                Some(match index {
                    None => row,
                    Some(index) => row.at(index),
                })
            }
            Op::Event(EventOp::Pick(places), args) => match places[k] {
                EventOp::ZERO => None,
                place => self.log(args[0], place as usize),
            },
            Op::Event(..) => None,
            Op::Map(op, args) => {
                if **op == EXP {
                    self.affine(args[0], k)
                } else if **op == MUL {
                    Some(self.log(args[0], k)?.plus(self.log(args[1], k)?))
                } else if **op == DIV {
                    Some(self.log(args[0], k)?.minus(self.log(args[1], k)?))
                } else if **op == SQRT {
                    Some(self.log(args[0], k)?.times(&[0.5]))
                } else if **op == SQUARE {
                    Some(self.log(args[0], k)?.times(&[2.0]))
                } else {
                    None
                }
            }
        }
    }
}
