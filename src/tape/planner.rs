//! What the plan of all stages shares: which values are kept, and which indices run in order.

use super::Node;
use super::NodeId;
use super::Op;
use super::program::From;
use super::program::Store;
use std::collections::HashMap;
use std::sync::Arc;

/// The mean length from which runs of equal indices are used.
const RUN_LEAST: usize = 4;

/// What the plan of all stages shares.
pub(super) struct Planner<'a> {
    pub nodes: &'a [Node],
    pub lens: &'a [usize],
    /// The level of the stage of each node.
    pub level: Vec<usize>,
    pub stores: Vec<Store>,
    /// The store of each node that has one.
    pub kept: Vec<Option<usize>>,
    /// The runs of each index that was looked at, by where it is.
    runs: HashMap<*const u32, Option<Arc<[u32]>>>,
}

impl<'a> Planner<'a> {
    pub fn new(nodes: &'a [Node], lens: &'a [usize], level: Vec<usize>) -> Planner<'a> {
        Planner {
            nodes,
            lens,
            level,
            stores: Vec::new(),
            kept: vec![None; nodes.len()],
            runs: HashMap::new(),
        }
    }

    pub fn node(&self, id: NodeId) -> &'a Node {
        &self.nodes[id.index()]
    }

    /// The store of a node, which it has from now on.
    pub fn keep(&mut self, id: NodeId) -> usize {
        if let Some(store) = self.kept[id.index()] {
            return store;
        }
        let node = self.node(id);
        let reduce = match node.op {
            Op::Reduce(how, ..) => Some(how),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..) => None,
        };
        self.stores.push(Store {
            len: self.lens[node.plate.index()],
            width: node.width,
            reduce,
        });
        self.kept[id.index()] = Some(self.stores.len() - 1);
        self.stores.len() - 1
    }

    /// Inputs, constants and data can be read where they are.
    pub fn keep_for_reading(&mut self, id: NodeId) {
        match self.node(id).op {
            Op::Input(_) | Op::Constant(_) | Op::Data(_) => {}
            Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => {
                self.keep(id);
            }
        }
    }

    /// Where all values of a node can be read from outside its stage.
    pub fn from(&self, id: NodeId) -> From {
        let node = self.node(id);
        let len = self.lens[node.plate.index()];
        match &node.op {
            Op::Input(offset) => From::Input {
                offset: *offset,
                len,
            },
            Op::Data(values) | Op::Constant(values) => From::Data {
                values: values.clone(),
            },
            Op::Map(..) | Op::Event(..) | Op::Lift(..) | Op::Reduce(..) => From::Store {
                store: self.kept[id.index()].expect("what another stage reads is kept"),
                len,
            },
        }
    }

    /// The first element of each run of equal indices, and the end, where the index is in order and its runs are long.
    pub fn runs(&mut self, index: &Arc<[u32]>) -> Option<Arc<[u32]>> {
        let find = || {
            let mut starts = vec![0];
            for (i, pair) in index.windows(2).enumerate() {
                if pair[1] < pair[0] || starts.len() * RUN_LEAST > index.len() {
                    return None;
                }
                if pair[1] != pair[0] {
                    starts.push(i as u32 + 1);
                }
            }
            starts.push(index.len() as u32);
            Some(starts.into())
        };
        self.runs.entry(index.as_ptr()).or_insert_with(find).clone()
    }
}
