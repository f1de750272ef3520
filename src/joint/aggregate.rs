//! Aggregates over plates: `sum(P: expr)`.

use super::lower::Lowering;
use crate::shape::PlateId;
use crate::tape::Index;
use crate::tape::NodeId;
use crate::tape::Reduce;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::DIV;
use crate::tape::elementwise::EXP;
use crate::tape::elementwise::LOG;
use crate::tape::elementwise::SQRT;
use crate::tape::elementwise::SQUARE;
use crate::tape::elementwise::SUB;
use crate::typed::Aggregate;
use crate::typed::ExprId;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::sync::Arc;

/// Where the elements of a plate are gathered.
#[derive(Clone)]
struct Gathering {
    /// The plate gone over.
    over: PlateId,
    /// The plate of the results.
    to: PlateId,
    /// The result that each element goes into.
    index: Index,
    /// For a plate of results made for this: which of them belongs to each element of the plate in which the aggregate stands.
    back: Option<(PlateId, Arc<[u32]>)>,
}

impl Lowering<'_> {
    /// An aggregate over the elements of `over` that agree with the current element of `plate`.
    pub fn aggregate(
        &mut self,
        function: Aggregate,
        over: PlateId,
        body: ExprId,
        plate: PlateId,
    ) -> NodeId {
        let names = &self.typed.expr(body).plates;
        let gathering = if names
            .iter()
            .all(|named| self.builder.determines(over, *named))
        {
            self.gathering(over, plate)
        } else {
            let pairs = self.pairs(plate, over);
            let index = self.builder.above(pairs, plate).cloned();
            Gathering {
                over: pairs,
                to: plate,
                index,
                back: None,
            }
        };
        let before = self.builder.set_within(gathering.over);
        let body = self.expr(body, gathering.over);
        self.builder.set_within(before);
        // A constant is the same for every element, but each of them counts.
        let body = self.every_element(body, gathering.over);
        let value = self.gathered(function, body, &gathering);
        match &gathering.back {
            None => value,
            Some((plate, index)) => self.builder.lift_by(value, *plate, Some(Arc::clone(index))),
        }
    }

    fn gathered(&mut self, function: Aggregate, body: NodeId, at: &Gathering) -> NodeId {
        let reduce = |this: &mut Self, how| this.builder.reduce(how, body, at.to, at.index.clone());
        match function {
            Aggregate::Sum => reduce(self, Reduce::Sum),
            Aggregate::Min => reduce(self, Reduce::Min),
            Aggregate::Max => reduce(self, Reduce::Max),
            Aggregate::Mean => {
                let (sum, count) = (
                    reduce(self, Reduce::Sum),
                    self.count(at.over, at.to, at.index.clone()),
                );
                self.builder.map(&DIV, &[sum, count])
            }
            Aggregate::Sd => {
                let mean = self.gathered(Aggregate::Mean, body, at);
                let mean = self.spread(mean, at);
                let deviation = self.builder.map(&SUB, &[body, mean]);
                let squared = self.builder.map(&SQUARE, &[deviation]);
                let sum = self
                    .builder
                    .reduce(Reduce::Sum, squared, at.to, at.index.clone());
                let (count, one) = (
                    self.count(at.over, at.to, at.index.clone()),
                    self.builder.number(1.0),
                );
                let freedom = self.builder.map(&SUB, &[count, one]);
                let variance = self.builder.map(&DIV, &[sum, freedom]);
                self.builder.map(&SQRT, &[variance])
            }
            Aggregate::LogSumExp => {
                let largest = reduce(self, Reduce::Max);
                let shift = self.spread(largest, at);
                let shifted = self.builder.map(&SUB, &[body, shift]);
                let exp = self.builder.map(&EXP, &[shifted]);
                let sum = self
                    .builder
                    .reduce(Reduce::Sum, exp, at.to, at.index.clone());
                let log = self.builder.map(&LOG, &[sum]);
                self.builder.map(&ADD, &[largest, log])
            }
        }
    }

    /// A result, for each element that went into it.
    fn spread(&mut self, node: NodeId, at: &Gathering) -> NodeId {
        match self.builder.constant_value(node) {
            Some(_) => node,
            None => self.builder.lift_by(node, at.over, at.index.clone()),
        }
    }

    /// Where the elements of `over` go for an aggregate in `plate`: those that agree on every plate that both determine go together.
    fn gathering(&mut self, over: PlateId, plate: PlateId) -> Gathering {
        let both: Vec<PlateId> = self
            .builder
            .plates_above(plate)
            .filter(|p| self.builder.determines(over, *p))
            .collect();
        let all = |p: &PlateId| both.iter().all(|q| self.builder.determines(*p, *q));
        if both.is_empty() {
            return Gathering {
                over,
                to: PlateId::TOP,
                index: None,
                back: None,
            };
        }
        if let Some(to) = both.iter().copied().find(all) {
            let index = self.builder.above(over, to).cloned();
            return Gathering {
                over,
                to,
                index,
                back: None,
            };
        }
        // No single plate tells which go together: combinations of elements do.
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let back: Arc<[u32]> = (0..self.builder.len_of(plate))
            .map(|i| {
                let next = known.len() as u32;
                *known.entry(self.key(plate, i, &both)).or_insert(next)
            })
            .collect();
        let index: Arc<[u32]> = (0..self.builder.len_of(over))
            .map(|i| {
                let next = known.len() as u32;
                *known.entry(self.key(over, i, &both)).or_insert(next)
            })
            .collect();
        let to = self.builder.plate(known.len(), IndexMap::new());
        Gathering {
            over,
            to,
            index: Some(index),
            back: Some((plate, back)),
        }
    }

    /// The plate of all pairs of an element of `plate` and one of `over` that agree on every plate that both determine.
    fn pairs(&mut self, plate: PlateId, over: PlateId) -> PlateId {
        if let Some(known) = self.pairs.get(&(plate, over)) {
            return *known;
        }
        let both: Vec<PlateId> = self
            .builder
            .plates_above(plate)
            .filter(|p| self.builder.determines(over, *p))
            .collect();
        let mut members: HashMap<Vec<u32>, Vec<u32>> = HashMap::new();
        for i in 0..self.builder.len_of(over) {
            members
                .entry(self.key(over, i, &both))
                .or_default()
                .push(i as u32);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for i in 0..self.builder.len_of(plate) {
            for j in members
                .get(&self.key(plate, i, &both))
                .into_iter()
                .flatten()
            {
                first.push(i as u32);
                second.push(*j);
            }
        }
        let mut above: IndexMap<PlateId, Arc<[u32]>> = IndexMap::new();
        for (side, elements) in [(plate, &first), (over, &second)] {
            for other in self.builder.plates_above(side).collect::<Vec<_>>() {
                let map = self.builder.above(side, other);
                let through = elements
                    .iter()
                    .map(|i| map.map_or(*i, |map| map[*i as usize]))
                    .collect();
                above.entry(other).or_insert(through);
            }
        }
        let pairs = self.builder.plate(first.len(), above);
        self.pairs.insert((plate, over), pairs);
        pairs
    }

    /// The elements of `plates` in which element `i` of `plate` lies.
    fn key(&self, plate: PlateId, i: usize, plates: &[PlateId]) -> Vec<u32> {
        plates
            .iter()
            .map(|p| self.builder.above(plate, *p).map_or(i as u32, |map| map[i]))
            .collect()
    }
}
