//! Tapes over some elements of one plate, with all that lies in them: mini-batches, and parts of a data set one after another.

use super::Builder;
use super::Index;
use super::Listing;
use super::Node;
use super::NodeId;
use super::Op;
use super::Tape;
use crate::num::Shared;
use crate::shape::PlateId;
use std::collections::HashMap;
use std::sync::Arc;

/// Terms and outputs of which tapes over some elements of a plate can be taken.
///
/// The inputs of such a tape are those of the whole, in the same order, but of the elements taken alone: coordinate `k` of the `i`-th
/// element taken, at `k * taken + i` from where its variable begins.
#[derive(Clone, Debug)]
pub struct Divisible {
    listing: Listing,
    lens: Vec<usize>,
    /// For each plate that lies in the divided one the elements by the element that they lie in.
    members: Vec<Option<Members>>,
    /// The offset, plate and width of each input.
    inputs: Vec<(usize, PlateId, usize)>,
}

/// The elements of a plate, in their order, by the elements of another that they lie in.
#[derive(Clone, Debug)]
struct Members {
    starts: Vec<usize>,
    elements: Vec<u32>,
}

impl Members {
    fn new(index: &[u32], count: usize) -> Members {
        let mut starts = vec![0; count + 1];
        for at in index {
            starts[*at as usize + 1] += 1;
        }
        for i in 0..count {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut elements = vec![0; index.len()];
        for (element, at) in index.iter().enumerate() {
            elements[next[*at as usize]] = element as u32;
            next[*at as usize] += 1;
        }
        Members { starts, elements }
    }

    fn of(&self, element: u32) -> &[u32] {
        let element = element as usize;
        &self.elements[self.starts[element]..self.starts[element + 1]]
    }
}

/// Elements of a plate that count, by a flag for each; those of plates below it count if theirs does.
#[derive(Clone, Debug)]
pub struct Mask {
    /// For each plate its flags; `None` where all elements count.
    plates: Vec<Option<Vec<bool>>>,
}

impl Mask {
    /// The mask of a column of a plate: what is not 0 counts.
    pub fn new(builder: &Builder, plate: PlateId, column: &[f64]) -> Mask {
        let flags = |p: usize| {
            let p = PlateId(p as u32);
            if p == plate {
                return Some(column.iter().map(|x| *x != 0.0).collect());
            }
            let above = builder.above(p, plate)?;
            Some(above.iter().map(|i| column[*i as usize] != 0.0).collect())
        };
        Mask {
            plates: (0..builder.plates()).map(flags).collect(),
        }
    }
}

impl Divisible {
    /// Terms and outputs over `builder`'s plates, to be divided by the elements of `plate`.
    ///
    /// # Errors
    /// In words, why the elements cannot be taken apart: a value of one element depends on another.
    pub fn new(
        builder: &Builder,
        plate: PlateId,
        terms: &[NodeId],
        outputs: &[NodeId],
    ) -> Result<Divisible, String> {
        let mut listing = Listing::needed(builder.nodes(), terms, outputs);
        let lens: Vec<usize> = (0..builder.plates())
            .map(|p| builder.len_of(PlateId(p as u32)))
            .collect();
        let count = lens[plate.index()];
        let own: Vec<u32> = (0..count as u32).collect();
        let within = |p: PlateId| -> Option<&[u32]> {
            match p == plate {
                true => Some(&own),
                false => builder.above(p, plate).map(|index| &index[..]),
            }
        };
        for i in 0..listing.nodes.len() {
            let node = &listing.nodes[i];
            match &node.op {
                Op::Reduce(..) if !node.varies => {
                    // A number of data alone is that of all elements.
                    let values = whole(&listing.nodes, &lens, NodeId(i as u32));
                    let op = match node.plate {
                        PlateId::TOP => Op::Constant(values),
                        _ => Op::Data(values),
                    };
                    listing.nodes[i].op = op;
                }
                Op::Reduce(_, from, _) => {
                    let below = within(listing.nodes[from.index()].plate).is_some();
                    if below && within(node.plate).is_none() {
                        return Err("a value is taken over all of its elements".to_owned());
                    }
                }
                Op::Lift(from, index) => {
                    let from = &listing.nodes[from.index()];
                    let (Some(outer), Some(index)) = (within(from.plate), index) else {
                        continue;
                    };
                    let Some(inner) = within(node.plate) else {
                        return Err("values of its elements are used outside of it".to_owned());
                    };
                    let len = lens[from.plate.index()];
                    let same = |(at, j): (&u32, &u32)| outer[*j as usize % len] == *at;
                    if from.varies && !inner.iter().zip(&index[..]).all(same) {
                        return Err("values of one element are used in another".to_owned());
                    }
                }
                Op::Input(_) | Op::Constant(_) | Op::Data(_) | Op::Map(..) | Op::Event(..) => {}
            }
        }
        let listing = Listing::needed(&listing.nodes, &listing.terms, &listing.outputs);
        let members = (0..lens.len())
            .map(|p| within(PlateId(p as u32)).map(|index| Members::new(index, count)))
            .collect();
        let mut inputs: Vec<(usize, PlateId, usize)> = (builder.nodes().iter())
            .filter_map(|node| match node.op {
                Op::Input(offset) => Some((offset, node.plate, node.width)),
                Op::Constant(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..)
                | Op::Reduce(..) => None,
            })
            .collect();
        inputs.sort_unstable();
        Ok(Divisible {
            listing,
            lens,
            members,
            inputs,
        })
    }

    /// Whether inputs of a plate are read.
    pub fn reads(&self, plate: PlateId) -> bool {
        let input = |node: &Node| matches!(node.op, Op::Input(_)) && node.plate == plate;
        self.listing.nodes.iter().any(input)
    }

    /// The elements of each plate that lie in these, in ascending order, without what a mask leaves out; `None` where all of a plate stay.
    fn kept(&self, elements: &[u32], mask: Option<&Mask>) -> Vec<Option<Vec<u32>>> {
        (0..self.lens.len())
            .map(|p| {
                let members = self.members[p].as_ref()?;
                let own = elements.iter().flat_map(|e| members.of(*e)).copied();
                let mut own: Vec<u32> = match mask.and_then(|mask| mask.plates[p].as_ref()) {
                    Some(flags) => own.filter(|i| flags[*i as usize]).collect(),
                    None => own.collect(),
                };
                if !own.is_sorted() {
                    own.sort_unstable();
                }
                Some(own)
            })
            .collect()
    }

    /// Where the inputs of the tape over these elements stand among those of the whole.
    pub fn places(&self, elements: &[u32]) -> Vec<u32> {
        let kept = self.kept(elements, None);
        let mut places = Vec::new();
        for (offset, plate, width) in &self.inputs {
            let len = self.lens[plate.index()];
            for first in (0..*width).map(|k| offset + k * len) {
                match &kept[plate.index()] {
                    Some(kept) => places.extend(kept.iter().map(|i| first as u32 + i)),
                    None => places.extend(first as u32..(first + len) as u32),
                }
            }
        }
        places
    }

    /// The tape over these elements, in ascending order, and what lies in them; without what a mask leaves out.
    pub fn take(&self, elements: &[u32], mask: Option<&Mask>) -> Tape {
        let kept = self.kept(elements, mask);
        let lens: Vec<usize> = (kept.iter().zip(&self.lens))
            .map(|(kept, len)| kept.as_ref().map_or(*len, Vec::len))
            .collect();
        let mut offsets = HashMap::new();
        let mut dim = 0;
        for (offset, plate, width) in &self.inputs {
            offsets.insert(*offset, dim);
            dim += width * lens[plate.index()];
        }
        let mut taking = Taking {
            whole: self,
            kept,
            lens,
            offsets,
            indices: HashMap::new(),
        };
        let nodes = self.listing.nodes.iter().map(|n| taking.node(n)).collect();
        let listing = Listing {
            nodes,
            terms: self.listing.terms.clone(),
            outputs: self.listing.outputs.clone(),
        };
        Tape::plan(listing, taking.lens, dim, true)
    }
}

/// The values of a node that depends on data alone.
fn whole(nodes: &[Node], lens: &[usize], node: NodeId) -> Shared {
    let listing = Listing::needed(nodes, &[], &[node]);
    let tape = Tape::plan(listing, lens.to_vec(), 0, false);
    let mut workspace = tape.workspace::<f64>();
    tape.value(&[], &mut workspace);
    workspace.output(0).into()
}

/// A tape that is being taken.
struct Taking<'a> {
    whole: &'a Divisible,
    kept: Vec<Option<Vec<u32>>>,
    lens: Vec<usize>,
    /// New places of the inputs, by the old ones.
    offsets: HashMap<usize, usize>,
    /// Indices made so far, by where the old ones are and the plates that they lead from and to: nodes that share one go on sharing it.
    indices: HashMap<(*const u32, PlateId, PlateId), Arc<[u32]>>,
}

impl Taking<'_> {
    fn node(&mut self, node: &Node) -> Node {
        let op = match &node.op {
            Op::Input(offset) => Op::Input(self.offsets[offset]),
            Op::Data(values) => Op::Data(self.column(node, values)),
            Op::Lift(from, index) => {
                let to = self.whole.listing.nodes[from.index()].plate;
                Op::Lift(*from, self.index(index, node.plate, to))
            }
            Op::Reduce(how, from, index) => {
                let below = self.whole.listing.nodes[from.index()].plate;
                Op::Reduce(*how, *from, self.index(index, below, node.plate))
            }
            Op::Constant(_) | Op::Map(..) | Op::Event(..) => node.op.clone(),
        };
        Node { op, ..node.clone() }
    }

    fn column(&self, node: &Node, values: &Shared) -> Shared {
        let Some(kept) = &self.kept[node.plate.index()] else {
            return values.clone();
        };
        let len = self.whole.lens[node.plate.index()];
        (0..node.width)
            .flat_map(|k| kept.iter().map(move |i| values[k * len + *i as usize]))
            .collect()
    }

    /// The index by which elements of `plate` find places in `to`.
    fn index(&mut self, index: &Index, plate: PlateId, to: PlateId) -> Index {
        let old = index.as_ref()?;
        if let Some(known) = self.indices.get(&(old.as_ptr(), plate, to)) {
            return Some(Arc::clone(known));
        }
        let (len, new_len) = (self.whole.lens[to.index()], self.lens[to.index()]);
        let targets = self.kept[to.index()].as_ref();
        let place = |j: u32| match targets {
            None => j,
            Some(kept) => {
                let (k, i) = (j as usize / len, j as usize % len);
                let i = kept.partition_point(|e| (*e as usize) < i);
                (k * new_len + i) as u32
            }
        };
        let new: Arc<[u32]> = match &self.kept[plate.index()] {
            Some(kept) => kept.iter().map(|i| place(old[*i as usize])).collect(),
            None => old.iter().map(|j| place(*j)).collect(),
        };
        self.indices
            .insert((old.as_ptr(), plate, to), Arc::clone(&new));
        Some(new)
    }
}
