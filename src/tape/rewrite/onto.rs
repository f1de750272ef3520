//! Writing nodes of a plate again for some of its elements.

use super::Draft;
use crate::shape::PlateId;
use crate::tape::Index;
use crate::tape::NodeId;
use crate::tape::Op;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

/// What a node reads in its own plate.
#[derive(Default)]
pub(super) struct Leaves {
    /// Data columns.
    pub data: Vec<NodeId>,
    /// Lifts of other plates' values.
    pub lifts: Vec<NodeId>,
    seen: HashSet<NodeId>,
}

impl Leaves {
    /// Adds what `node` reads; `None` where it takes values of its own plate that are no data.
    pub fn add(&mut self, draft: &Draft, node: NodeId) -> Option<()> {
        if !self.seen.insert(node) {
            return Some(());
        }
        match &draft.node(node).op {
            Op::Constant(_) => Some(()),
            Op::Data(_) => {
                self.data.push(node);
                Some(())
            }
            Op::Lift(..) => {
                self.lifts.push(node);
                Some(())
            }
            Op::Map(_, args) | Op::Event(_, args) => {
                args.iter().try_for_each(|arg| self.add(draft, *arg))
            }
            Op::Input(_) | Op::Reduce(..) => None,
        }
    }

    /// The columns of data, each of `len` numbers.
    pub fn columns<'a>(&self, draft: &'a Draft, len: usize) -> impl Iterator<Item = &'a [f64]> {
        let values = move |id: &NodeId| match &draft.node(*id).op {
            Op::Data(values) => Some(values.chunks_exact(len)),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => None,
        };
        self.data.iter().filter_map(values).flatten()
    }

    /// The tables by which the values of other plates are found, each once.
    pub fn tables(&self, draft: &Draft) -> Vec<Arc<[u32]>> {
        let mut tables: Vec<Arc<[u32]>> = Vec::new();
        for lift in &self.lifts {
            if let Op::Lift(_, Some(table)) = &draft.node(*lift).op
                && !tables.iter().any(|t| Arc::ptr_eq(t, table))
            {
                tables.push(Arc::clone(table));
            }
        }
        tables
    }
}

/// Elements of a plate that stand for those of another.
pub(super) struct Onto<'a> {
    /// The plate to write for.
    pub to: PlateId,
    /// For each of its elements the row that it stands for.
    pub rows: &'a [u32],
    /// The table by which rows find their element in that plate, where it is one of the model's.
    pub own: Index,
    tables: Vec<Moved>,
    made: HashMap<NodeId, NodeId>,
}

/// A table of the rows, and what it is for the elements that stand for them.
struct Moved {
    of_rows: Arc<[u32]>,
    table: Arc<[u32]>,
}

impl<'a> Onto<'a> {
    pub fn new(to: PlateId, rows: &'a [u32], own: Index) -> Onto<'a> {
        Onto {
            to,
            rows,
            own,
            tables: Vec::new(),
            made: HashMap::new(),
        }
    }

    /// A node of the rows, written again; of its own plate it reads data alone.
    pub fn node(&mut self, draft: &mut Draft, id: NodeId) -> NodeId {
        if let Some(made) = self.made.get(&id) {
            return *made;
        }
        let (width, op) = {
            let node = draft.node(id);
            (node.width, node.op.clone())
        };
        let made = match op {
            Op::Constant(_) => id,
            Op::Data(values) => {
                let len = values.len() / width;
                let rows = |k: usize| {
                    let values = &values;
                    (self.rows.iter()).map(move |row| values[k * len + *row as usize])
                };
                let values = (0..width).flat_map(rows).collect();
                draft.data(self.to, width, values)
            }
            Op::Lift(from, index) => self.lift(draft, from, &index, width),
            Op::Map(row, args) => {
                let args = args.iter().map(|arg| self.node(draft, *arg)).collect();
                draft.push(self.to, width, Op::Map(row, args))
            }
            Op::Event(event, args) => {
                let args = args.iter().map(|arg| self.node(draft, *arg)).collect();
                draft.push(self.to, width, Op::Event(event, args))
            }
            Op::Input(_) | Op::Reduce(..) => {
                unreachable!("only what reads data alone in its own plate is written again")
            }
        };
        self.made.insert(id, made);
        made
    }

    /// The values of another plate's node that the rows find by `index`.
    pub fn lift(&mut self, draft: &mut Draft, from: NodeId, index: &Index, width: usize) -> NodeId {
        let source = draft.node(from);
        // What a row finds in this very plate needs no table.
        let here = source.plate == self.to && source.width == width;
        if here && super::same(index, &self.own) {
            return from;
        }
        let index = index.as_ref().map(|table| self.table(table));
        draft.push(self.to, width, Op::Lift(from, index))
    }

    /// A table for the elements instead of the rows, one for each table of the rows.
    fn table(&mut self, of_rows: &Arc<[u32]>) -> Arc<[u32]> {
        let known = |moved: &&Moved| Arc::ptr_eq(&moved.of_rows, of_rows);
        if let Some(moved) = self.tables.iter().find(known) {
            return Arc::clone(&moved.table);
        }
        let table: Arc<[u32]> = (self.rows.iter())
            .map(|row| of_rows[*row as usize])
            .collect();
        self.tables.push(Moved {
            of_rows: Arc::clone(of_rows),
            table: Arc::clone(&table),
        });
        table
    }
}
