//! What a run of a tape goes through and reads: its size, known before it runs.

use super::NodeId;
use super::Op;
use super::Tape;
use crate::shape::PlateId;
use std::collections::HashSet;

/// Nodes of one plate that run together, block by block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageCost {
    /// The plate; one that only the tape knows comes after the model's.
    pub plate: PlateId,
    /// Its elements.
    pub len: usize,
    /// Whether it was made by rewriting: each element stands for rows of the model.
    pub rewritten: bool,
    /// Elements of a block.
    pub block: usize,
    /// Nodes, with those that only fetch a value of another stage.
    pub nodes: usize,
}

impl Tape {
    /// The stages of a run, in their order.
    pub fn stages(&self) -> impl Iterator<Item = StageCost> + '_ {
        self.program.stages.iter().map(|stage| {
            // A constant is in no plate, whatever the stage.
            let plate = (stage.nodes.iter())
                .map(|id| &self.nodes[id.index()])
                .find(|node| !matches!(node.op, Op::Constant(_)))
                .map_or(PlateId::TOP, |node| node.plate);
            StageCost {
                plate,
                len: stage.len,
                rewritten: plate.index() >= self.given,
                block: stage.block,
                nodes: stage.nodes.len(),
            }
        })
    }

    /// The values of operations that are worked out in a plate for elements of finer ones: what is the same in all of them is hoisted.
    pub fn hoisted(&self) -> usize {
        let lifted = self.nodes.iter().filter_map(|node| match node.op {
            Op::Lift(from, _) => Some(from),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Reduce(..) => None,
        });
        let worked_out =
            |id: &NodeId| matches!(self.nodes[id.index()].op, Op::Map(..) | Op::Event(..));
        lifted.filter(worked_out).collect::<HashSet<_>>().len()
    }

    /// Bytes of the data columns and of the tables between plates that a run reads, each counted once.
    pub fn column_bytes(&self) -> usize {
        let mut seen = HashSet::new();
        let mut once = |place: usize, bytes: usize| if seen.insert(place) { bytes } else { 0 };
        let mut bytes = 0;
        for node in &self.nodes {
            bytes += match &node.op {
                Op::Data(values) => once(values.as_ptr().addr(), size_of_val::<[f64]>(values)),
                Op::Lift(_, Some(index)) | Op::Reduce(_, _, Some(index)) => {
                    once(index.as_ptr().addr(), size_of_val::<[u32]>(index))
                }
                Op::Lift(_, None) | Op::Reduce(_, _, None) => 0,
                Op::Input(_) | Op::Constant(_) | Op::Map(..) | Op::Event(..) => 0,
            };
        }
        bytes
    }
}
