//! Indexing: `v[k]`, `m[i, :]`, `u[species]`.

use super::lower::Lowering;
use crate::num::Shared;
use crate::shape::PlateId;
use crate::tape::NodeId;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use crate::typed::ExprId;
use crate::typed::Slot;
use std::sync::Arc;

/// One dimension of what is indexed.
enum At {
    /// The whole of it.
    All,
    /// The same place, from 0, in every element.
    Fixed(usize),
    /// A place from 1 that varies over elements.
    Varying(NodeId),
}

impl Lowering<'_> {
    /// Components of an expression.
    pub fn index(&mut self, base: ExprId, slots: &[Slot], plate: PlateId) -> NodeId {
        let dims = self.dims(&self.typed.expr(base).event);
        let node = self.expr(base, plate);
        let at: Vec<At> = slots.iter().map(|slot| self.slot(slot, plate)).collect();
        // What varies comes first, so that each element takes one run of components.
        let places: Arc<[u32]> = places(&dims, &at).into();
        let node = if places
            .iter()
            .enumerate()
            .all(|(k, place)| k == *place as usize)
            && places.len() == self.builder.width(node)
        {
            node
        } else {
            self.builder.event(EventOp::Pick(places), &[node])
        };
        let Some(place) = self.run(&dims, &at) else {
            return node;
        };
        let runs: usize = dims
            .iter()
            .zip(&at)
            .filter(|(_, at)| matches!(at, At::Varying(_)))
            .map(|(d, _)| d)
            .product();
        let width = self.builder.width(node) / runs;
        self.pick(node, place, width, plate)
    }

    fn slot(&mut self, slot: &Slot, plate: PlateId) -> At {
        match slot {
            Slot::All => At::All,
            Slot::At(id) => {
                let node = self.expr(*id, plate);
                match self.builder.constant_value(node) {
                    Some(value) => At::Fixed(value[0] as usize - 1),
                    None => At::Varying(node),
                }
            }
            Slot::Element(of) => {
                let numbers: Shared = if *of == plate {
                    (1..=self.builder.len_of(plate)).map(|i| i as f64).collect()
                } else {
                    let index = self.builder.above(plate, *of);
                    let index = index.expect("the checker indexes by plates that are determined");
                    index.iter().map(|i| f64::from(*i) + 1.0).collect()
                };
                At::Varying(self.builder.data(plate, 1, numbers))
            }
        }
    }

    /// The number, from 1, of the run that each element takes; `None` where nothing varies.
    fn run(&mut self, dims: &[usize], at: &[At]) -> Option<NodeId> {
        let mut place: Option<NodeId> = None;
        for (dim, at) in dims.iter().zip(at) {
            let At::Varying(index) = at else { continue };
            place = Some(match place {
                None => *index,
                Some(outer) => {
                    let (one, size) = (self.builder.number(1.0), self.builder.number(*dim as f64));
                    let before = self.builder.map(&SUB, &[outer, one]);
                    let before = self.builder.map(&MUL, &[before, size]);
                    self.builder.map(&ADD, &[before, *index])
                }
            });
        }
        place
    }

    /// The run of `width` components of `node` that `place` numbers from 1.
    fn pick(&mut self, node: NodeId, place: NodeId, width: usize, plate: PlateId) -> NodeId {
        let (from, at) = (self.builder.plate_of(node), self.builder.plate_of(place));
        let to = if self.builder.determines(at, from) {
            at
        } else {
            plate
        };
        if from == to || self.builder.constant_value(node).is_some() {
            return self
                .builder
                .event(EventOp::PickAt { width }, &[node, place]);
        }
        // A component of another plate's value is fetched from where it is kept, not lifted with all the others.
        let place = self.builder.lift(place, to);
        let numbers = self.builder.evaluate(place);
        let len = self.builder.len_of(from);
        let element = self.builder.above(to, from).cloned();
        let places = numbers
            .iter()
            .enumerate()
            .map(|(i, number)| {
                let run = (*number as usize).saturating_sub(1) * width;
                let element = element.as_ref().map_or(0, |element| element[i] as usize);
                (run * len + element) as u32
            })
            .collect();
        self.builder.pick(node, to, places, width)
    }
}

/// The places of the components that are taken or chosen among: the varying dimensions first, then those that stay whole.
fn places(dims: &[usize], at: &[At]) -> Vec<u32> {
    let order = |wanted: fn(&At) -> bool| (0..dims.len()).filter(move |d| wanted(&at[*d]));
    let loops: Vec<usize> = order(|at| matches!(at, At::Varying(_)))
        .chain(order(|at| matches!(at, At::All)))
        .collect();
    let stride = |d: usize| dims[d + 1..].iter().product::<usize>();
    let fixed: usize = at
        .iter()
        .enumerate()
        .map(|(d, at)| match at {
            At::Fixed(place) => place * stride(d),
            At::All | At::Varying(_) => 0,
        })
        .sum();
    loops.iter().fold(vec![fixed as u32], |places, d| {
        places
            .iter()
            .flat_map(|place| (0..dims[*d]).map(move |i| place + (i * stride(*d)) as u32))
            .collect()
    })
}
