//! Where a number first went wrong.

use super::Index;
use super::NodeId;
use super::Op;
use super::Reduce;
use super::Tape;
use super::Workspace;
use super::elementwise::Lanes;
use super::elementwise::SELECT;
use super::program::From;
use super::program::Instr;
use super::program::Source;
use super::program::Stage;
use crate::shape::PlateId;
use crate::source::Span;

/// Where a number first went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// The node.
    pub node: NodeId,
    /// The place in the model that the node comes from.
    pub span: Span,
    /// Its plate.
    pub plate: PlateId,
    /// The element of its plate, from 0.
    pub element: usize,
    /// Its value there: NaN or an infinity.
    pub value: f64,
    /// What was computed, with the numbers that went in: `log(-0.3)`.
    pub text: String,
}

/// Follows a term that is not finite back to the node that is not finite though all that it takes is.
pub(super) fn blame(tape: &Tape, z: &[f64]) -> Option<Blame> {
    let mut workspace = tape.workspace::<f64>();
    tape.value(z, &mut workspace);
    let term = workspace.terms().iter().position(|t| !t.is_finite())?;
    let mut search = Search {
        tape,
        z,
        workspace,
        loaded: None,
    };
    let element = search.find(tape.terms[term], |_| true)?;
    let mut at = (tape.terms[term], element);
    loop {
        match search.cause(at.0, at.1) {
            Some(cause) => at = cause,
            None => return Some(search.report(at.0, at.1)),
        }
    }
}

struct Search<'a> {
    tape: &'a Tape,
    z: &'a [f64],
    workspace: Workspace<f64>,
    /// A stage, the first element of one of its blocks, and the values of its slots.
    loaded: Option<(usize, usize, Vec<f64>)>,
}

impl<'a> Search<'a> {
    /// The values of a node at an element, after a run of the block that holds it.
    fn values(&mut self, node: NodeId, element: usize) -> Vec<f64> {
        let tape = self.tape;
        let width = tape.nodes[node.index()].width;
        match &tape.nodes[node.index()].op {
            Op::Constant(values) => return values.to_vec(),
            Op::Input(offset) => {
                let len = self.len(node);
                return (0..width)
                    .map(|k| self.z[offset + k * len + element])
                    .collect();
            }
            Op::Data(values) => {
                let len = self.len(node);
                return (0..width).map(|k| values[k * len + element]).collect();
            }
            Op::Lift(from, index) => {
                let (place, len) = (at(index, element), self.len(*from));
                let values = self.values(*from, place % len);
                return values[place / len..][..width].to_vec();
            }
            Op::Map(..) | Op::Event(..) | Op::Reduce(..) => {}
        }
        let Some((number, place)) = self.stage_of(node) else {
            return self.worked_out(node, element);
        };
        let stage: &'a Stage = &tape.program.stages[number];
        let instr = &stage.instrs[place];
        if let Instr::Fetch { source, .. } = instr {
            let Source { from, len, .. } = &stage.sources[*source];
            return match from {
                From::Store { store, .. } => {
                    let kept = self.workspace.store(*store);
                    (0..width).map(|k| kept[k * len + element]).collect()
                }
                From::Input { .. } | From::Data { .. } => Vec::new(),
            };
        }
        let first = element / stage.block * stage.block;
        let values = match self.loaded.take() {
            Some((stage, block, values)) if (stage, block) == (number, first) => values,
            Some(_) | None => self.workspace.block(stage, element, self.z),
        };
        let n = stage.block.min(stage.len - first);
        let slot = &values[stage.range(instr.slot(), n)];
        let found = (0..width).map(|k| slot[k * n + element - first]).collect();
        self.loaded = Some((number, first, values));
        found
    }

    /// The values of a node that only runs as a part of another.
    fn worked_out(&mut self, node: NodeId, element: usize) -> Vec<f64> {
        let tape = self.tape;
        let (op, args) = match &tape.nodes[node.index()].op {
            Op::Map(op, args) => (op, args),
            Op::Reduce(Reduce::Sum, from, index) => {
                let mut sums = vec![0.0; tape.nodes[node.index()].width];
                for i in (0..self.len(*from)).filter(|i| at(index, *i) == element) {
                    for (sum, value) in sums.iter_mut().zip(self.values(*from, i)) {
                        *sum += value;
                    }
                }
                return sums;
            }
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(Reduce::Min | Reduce::Max, ..) => return Vec::new(),
        };
        let args: Vec<Vec<f64>> = (args.iter().map(|arg| self.values(*arg, element))).collect();
        (0..tape.nodes[node.index()].width)
            .map(|k| {
                let lane = |arg: &Vec<f64>| Lanes::Same(arg[k.min(arg.len() - 1)]);
                let (lanes, mut out) = (args.iter().map(lane).collect::<Vec<_>>(), [0.0]);
                (op.plain.forward)(&lanes, &mut out);
                out[0]
            })
            .collect()
    }

    fn len(&self, node: NodeId) -> usize {
        self.tape.lens[self.tape.nodes[node.index()].plate.index()]
    }

    /// A stage that has the values of a node, and the place of its instruction there.
    fn stage_of(&self, node: NodeId) -> Option<(usize, usize)> {
        self.tape
            .program
            .stages
            .iter()
            .enumerate()
            .find_map(|(number, stage)| {
                stage
                    .nodes
                    .iter()
                    .position(|n| *n == node)
                    .map(|place| (number, place))
            })
    }

    /// The first element of a node's plate for which `wanted` holds and whose value is not finite.
    fn find(&mut self, node: NodeId, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        (0..self.len(node)).find(|i| wanted(*i) && !all_finite(&self.values(node, *i)))
    }

    /// A node that this one takes and that is itself not finite, at the element concerned.
    fn cause(&mut self, node: NodeId, element: usize) -> Option<(NodeId, usize)> {
        let tape = self.tape;
        match &tape.nodes[node.index()].op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => None,
            Op::Map(op, args) if **op == SELECT => {
                let taken = if self.values(args[0], element)[0] == 0.0 {
                    args[2]
                } else {
                    args[1]
                };
                (!all_finite(&self.values(taken, element))).then_some((taken, element))
            }
            Op::Map(_, args) | Op::Event(_, args) => args
                .iter()
                .copied()
                .find(|arg| !all_finite(&self.values(*arg, element)))
                .map(|arg| (arg, element)),
            Op::Lift(from, index) => {
                let source = at(index, element) % self.len(*from);
                (!all_finite(&self.values(*from, source))).then_some((*from, source))
            }
            Op::Reduce(Reduce::Sum | Reduce::Min | Reduce::Max, from, index) => self
                .find(*from, |i| at(index, i) == element)
                .map(|i| (*from, i)),
        }
    }

    fn report(&mut self, node: NodeId, element: usize) -> Blame {
        let tape = self.tape;
        let found = &tape.nodes[node.index()];
        let values = self.values(node, element);
        let args: Vec<String> = found
            .op
            .args()
            .iter()
            .map(|arg| {
                let numbers: Vec<String> = self
                    .values(*arg, element)
                    .iter()
                    .map(|v| format!("{v:.4}"))
                    .collect();
                if numbers.len() == 1 {
                    numbers[0].clone()
                } else {
                    format!("[{}]", numbers.join(", "))
                }
            })
            .collect();
        let name = match &found.op {
            Op::Map(op, _) => op.name.to_string(),
            Op::Event(op, _) => format!("{op:?}"),
            Op::Input(_) => "a parameter".to_string(),
            Op::Constant(_) | Op::Data(_) => "data".to_string(),
            Op::Lift(..) | Op::Reduce(..) => String::new(),
        };
        Blame {
            node,
            span: found.span,
            plate: found.plate,
            element,
            value: values
                .iter()
                .copied()
                .find(|v| !v.is_finite())
                .unwrap_or(f64::NAN),
            text: if args.is_empty() {
                name
            } else {
                format!("{name}({})", args.join(", "))
            },
        }
    }
}

fn at(index: &Index, element: usize) -> usize {
    index.as_ref().map_or(0, |index| index[element] as usize)
}

fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|v| v.is_finite())
}
