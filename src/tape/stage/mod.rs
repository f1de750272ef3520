//! The plan of one stage: which nodes it runs, where their values and adjoints lie, and how its elements are cut.

mod sums;

use crate::shape::PlateId;
use crate::tape::Node;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::elementwise::ADD;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::MUL_ADD;
use crate::tape::elementwise::SUB;
use crate::tape::event::EventOp;
use crate::tape::glm::Glm;
use crate::tape::planner::Planner;
use crate::tape::program::Arg;
use crate::tape::program::ArgBar;
use crate::tape::program::Export;
use crate::tape::program::Home;
use crate::tape::program::Instr;
use crate::tape::program::Operand;
use crate::tape::program::OwnBar;
use crate::tape::program::Reach;
use crate::tape::program::Slot;
use crate::tape::program::Source;
use crate::tape::program::Stage;
use crate::tape::program::Sum;
use crate::tape::shared_matrix;
use smallvec::SmallVec;
use std::sync::Arc;

/// A stage being planned; lists are by node.
struct Plan<'a, 'p> {
    planner: &'p mut Planner<'a>,
    level: usize,
    plate: PlateId,
    stage: Stage,
    /// What it makes for others.
    exports: Vec<(NodeId, usize)>,
    sums: Vec<(usize, NodeId)>,
    needed: Vec<bool>,
    /// Products that their only user, a sum, takes along.
    taken_along: Vec<bool>,
    /// Matrices that their only user, a product, takes once for all elements that share them.
    by_run: Vec<bool>,
    /// How often an instruction, an export or a sum takes it.
    uses: Vec<usize>,
    /// An instruction that takes it.
    user: Vec<Option<usize>>,
    /// Whether more than elementwise instructions take it.
    filled: Vec<bool>,
    slots: Vec<Slot>,
    bars: Vec<OwnBar>,
    /// Whether the slot of its adjoint is that of its only user.
    lent: Vec<bool>,
    /// The slots of adjoints that something has come to, in the order of the backward sweep.
    reached: Vec<bool>,
    /// Where the sum is of a node that its instruction sums up, and what of it depends on data alone.
    summed: Vec<Option<(usize, f64)>>,
}

impl Stage {
    /// Plans the stage of a level and a plate: what other stages need of it, and its share of the terms that are not recognised.
    pub fn plan(
        planner: &mut Planner<'_>,
        level: usize,
        plate: PlateId,
        terms: &[(usize, NodeId)],
        glms: &[Glm],
    ) -> Stage {
        let count = planner.nodes.len();
        let len = planner.lens[plate.index()];
        let mut plan = Plan {
            planner,
            level,
            plate,
            stage: Stage {
                len,
                ..Stage::default()
            },
            exports: Vec::new(),
            sums: Vec::new(),
            needed: Vec::new(),
            taken_along: vec![false; count],
            by_run: vec![false; count],
            uses: Vec::new(),
            user: Vec::new(),
            filled: Vec::new(),
            slots: vec![Slot { start: 0, width: 0 }; count],
            bars: vec![OwnBar::None; count],
            lent: vec![false; count],
            reached: Vec::new(),
            summed: vec![None; count],
        };
        plan.find_roots(terms, glms);
        plan.find_needed();
        plan.take_products_along();
        plan.find_matrices();
        plan.find_needed();
        plan.give_slots();
        plan.give_bars();
        plan.sum_up();
        plan.write();
        plan.stage.cut(&plan.planner.stores);
        plan.stage
    }
}

impl Plan<'_, '_> {
    fn mine(&self, id: NodeId) -> bool {
        self.planner.level[id.index()] == self.level && self.planner.node(id).plate == self.plate
    }

    /// Whether this stage works it out from other nodes; else it is read, or constant.
    fn works_out(&self, id: NodeId) -> bool {
        self.mine(id) && matches!(self.planner.node(id).op, Op::Map(..) | Op::Event(..))
    }

    fn is_source(&self, id: NodeId) -> bool {
        !self.works_out(id) && !matches!(self.planner.node(id).op, Op::Constant(_))
    }

    /// Whether it is a source whose adjoint elementwise instructions bring to where it is gathered, always.
    fn is_near(&self, id: NodeId) -> bool {
        self.is_source(id)
            && !matches!(self.planner.node(id).op, Op::Lift(_, Some(_)) if self.mine(id))
    }

    /// The nodes whose values outlive the stage.
    fn find_roots(&mut self, terms: &[(usize, NodeId)], glms: &[Glm]) {
        for (i, store) in self.planner.kept.iter().enumerate() {
            let id = NodeId(i as u32);
            if let Some(store) = store
                && self.mine(self.exported(id))
            {
                self.exports.push((id, *store));
            }
        }
        self.sums = (terms.iter().copied())
            .filter(|(k, term)| self.mine(*term) && glms.iter().all(|glm| glm.term != *k))
            .collect();
    }

    /// What is exported as a store: the node itself, or that which it reduces.
    fn exported(&self, id: NodeId) -> NodeId {
        match &self.planner.node(id).op {
            Op::Reduce(_, from, _) => *from,
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..) => id,
        }
    }

    /// Finds what the roots need, and who takes it.
    fn find_needed(&mut self) {
        let count = self.planner.nodes.len();
        (self.needed, self.filled) = (vec![false; count], vec![false; count]);
        (self.uses, self.user) = (vec![0; count], vec![None; count]);
        let roots: Vec<NodeId> = (self.exports.iter().map(|(id, _)| self.exported(*id)))
            .chain(self.sums.iter().map(|(_, id)| *id))
            .collect();
        for root in roots {
            self.needed[root.index()] = true;
            self.uses[root.index()] += 1;
            self.filled[root.index()] = true;
        }
        for i in (0..count).rev() {
            let id = NodeId(i as u32);
            if !self.needed[i] || !self.works_out(id) {
                continue;
            }
            let node = self.planner.node(id);
            let whole_events = matches!(node.op, Op::Event(..)) && squares(node).is_none();
            for arg in self.args(id) {
                let constant = matches!(self.planner.node(arg).op, Op::Constant(_));
                self.needed[arg.index()] |= whole_events || !constant;
                self.filled[arg.index()] |= whole_events && !self.by_run[arg.index()];
                self.uses[arg.index()] += 1;
                self.user[arg.index()] = Some(i);
            }
        }
    }

    /// Decides which sums run as one operation with a product that nothing else takes.
    fn take_products_along(&mut self) {
        for i in 0..self.needed.len() {
            let id = NodeId(i as u32);
            if !self.needed[i] || !self.works_out(id) {
                continue;
            }
            let node = self.planner.node(id);
            let product = |arg: &&NodeId| {
                let product = matches!(&self.planner.node(**arg).op, Op::Map(op, _) if **op == MUL);
                let alone = self.uses[arg.index()] == 1 && !self.filled[arg.index()];
                let wide = self.planner.node(**arg).width == node.width;
                product && alone && wide && self.works_out(**arg)
            };
            if let Op::Map(op, args) = &node.op
                && **op == ADD
                && let Some(arg) = args.iter().find(product)
            {
                self.taken_along[arg.index()] = true;
            }
        }
    }

    /// Finds the matrices that elements share and that nothing takes but one product with a vector of each.
    fn find_matrices(&mut self) {
        for i in 0..self.needed.len() {
            let id = NodeId(i as u32);
            let node = self.planner.node(id);
            if let Op::Event(EventOp::Product { rows, columns, .. }, args) = &node.op
                && (*columns, self.needed[i] && self.works_out(id)) == (1, true)
                && *rows >= shared_matrix::FEWEST_ROWS
                && self.is_shared(args[0])
            {
                self.by_run[args[0].index()] = true;
            }
        }
    }

    /// Whether a node is of another plate, the same in runs of elements, varies, and is taken once.
    fn is_shared(&mut self, id: NodeId) -> bool {
        let node = self.planner.node(id);
        let alone = self.uses[id.index()] == 1 && self.mine(id) && node.varies;
        match &node.op {
            Op::Lift(_, None) => alone,
            Op::Lift(_, Some(index)) => alone && self.planner.runs(index).is_some(),
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Reduce(..) => false,
        }
    }

    /// The factors of the product that a node takes along, and what it adds.
    fn product_of(&self, id: NodeId) -> Option<[NodeId; 3]> {
        let [first, second] = self.planner.node(id).op.args() else {
            return None;
        };
        let (product, addend) = match [first, second].map(|arg| self.taken_along[arg.index()]) {
            [true, _] => (first, second),
            [false, true] => (second, first),
            [false, false] => return None,
        };
        match self.planner.node(*product).op.args() {
            [a, b] => Some([*a, *b, *addend]),
            _ => None,
        }
    }

    /// What a node's instruction takes, but for a triangle that is data.
    fn args(&self, id: NodeId) -> SmallVec<[NodeId; 4]> {
        let node = self.planner.node(id);
        match (self.product_of(id), squares(node)) {
            (Some(args), _) => SmallVec::from_slice(&args),
            (None, Some(_)) => SmallVec::from_slice(&node.op.args()[1..]),
            (None, None) => SmallVec::from_slice(node.op.args()),
        }
    }

    /// A slot for the value of each needed node, in the order of the nodes.
    fn give_slots(&mut self) {
        for (i, node) in self.planner.nodes.iter().enumerate() {
            if self.needed[i] && !self.by_run[i] {
                self.slots[i] = Slot {
                    start: self.stage.values,
                    width: node.width,
                };
                self.stage.values += node.width + squares(node).map_or(0, |rows| 1 + rows);
            }
        }
    }

    /// Decides where the adjoint of each needed node that varies is gathered.
    fn give_bars(&mut self) {
        for i in (0..self.needed.len()).rev() {
            let id = NodeId(i as u32);
            let node = self.planner.node(id);
            if !self.needed[i] || !node.varies || self.by_run[i] {
                continue;
            }
            let terms = self.sums.iter().filter(|(_, term)| *term == id).count();
            let takes_terms = matches!(node.op, Op::Map(..)) || squares(node).is_some();
            if takes_terms && self.works_out(id) && terms == self.uses[i] {
                self.bars[i] = OwnBar::Terms(terms as f64);
            } else if let Some(user) = self.lender(id) {
                self.bars[i] = self.bars[user];
                self.lent[i] = true;
            } else if !self.is_near(id) || self.filled[i] {
                self.bars[i] = OwnBar::Slot(Slot {
                    start: self.stage.bars,
                    width: node.width,
                });
                self.stage.bars += node.width;
            }
        }
        self.reached = vec![false; self.stage.bars];
    }

    /// The only user of a node, if it is a sum whose adjoint is also the node's.
    fn lender(&self, id: NodeId) -> Option<usize> {
        if self.uses[id.index()] != 1 || self.filled[id.index()] || self.is_near(id) {
            return None;
        }
        let width = self.planner.node(id).width;
        let user = self.user[id.index()]?;
        let lends = match &self.planner.nodes[user].op {
            Op::Map(op, args) => match self.product_of(NodeId(user as u32)) {
                Some([_, _, addend]) => addend == id,
                None => **op == ADD || (**op == SUB && args[0] == id),
            },
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => false,
        };
        let slot = matches!(self.bars[user], OwnBar::Slot(_));
        (lends && slot && self.planner.nodes[user].width == width).then_some(user)
    }

    /// A node's slot of adjoints as the next to come there sees it.
    fn home(&mut self, id: NodeId) -> Option<Home> {
        match self.bars[id.index()] {
            OwnBar::Slot(slot) => {
                let first = !std::mem::replace(&mut self.reached[slot.start], true);
                Some(Home { slot, first })
            }
            OwnBar::Terms(_) | OwnBar::None => None,
        }
    }

    /// Writes sums, exports and instructions; homes are asked for in the order of the backward sweep.
    fn write(&mut self) {
        for (term, id) in std::mem::take(&mut self.sums) {
            let sum = Sum {
                term,
                slot: self.slots[id.index()],
                bar: self.home(id),
                summed: self.summed[id.index()],
            };
            self.stage.sums.push(sum);
        }
        for (id, store) in std::mem::take(&mut self.exports) {
            let made = self.exported(id);
            let reduced = match &self.planner.node(id).op {
                Op::Reduce(how, _, index) => Some((*how, index.clone())),
                Op::Input(_)
                | Op::Constant(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..) => None,
            };
            let export = Export {
                slot: self.slots[made.index()],
                bar: self.home(made),
                store,
                reduced,
            };
            self.stage.exports.push(export);
        }
        let mut place = vec![0; self.needed.len()];
        let ids: Vec<NodeId> = (0..self.needed.len())
            .filter(|i| self.needed[*i])
            .map(|i| NodeId(i as u32))
            .collect();
        for id in &ids {
            if self.is_source(*id) {
                place[id.index()] = self.stage.sources.len();
                let source = self.source(*id);
                self.stage.sources.push(source);
            }
        }
        for id in ids.iter().rev() {
            if self.by_run[id.index()] {
                continue;
            }
            let instr = self.instr(*id, &place);
            self.stage.instrs.push(instr);
            self.stage.nodes.push(*id);
        }
        self.stage.instrs.reverse();
        self.stage.nodes.reverse();
    }

    fn source(&mut self, id: NodeId) -> Source {
        let node = self.planner.node(id);
        let (read, reach) = match &node.op {
            Op::Lift(from, index) if self.mine(id) => {
                let reach = match index {
                    None => Reach::Top,
                    Some(index) => Reach::Index {
                        index: Arc::clone(index),
                        runs: self.planner.runs(index),
                    },
                };
                (*from, reach)
            }
            Op::Input(_)
            | Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => (id, Reach::Own),
        };
        Source {
            from: self.planner.from(read),
            width: node.width,
            len: self.planner.lens[self.planner.node(read).plate.index()],
            reach,
            varies: node.varies,
            filled: self.filled[id.index()],
            by_run: self.by_run[id.index()],
        }
    }

    fn instr(&mut self, id: NodeId, place: &[usize]) -> Instr {
        let (slot, bar) = (self.slots[id.index()], self.bars[id.index()]);
        let node = self.planner.node(id);
        match &node.op {
            Op::Constant(values) => Instr::Fill {
                values: values.clone(),
                slot,
            },
            Op::Map(op, _) if self.works_out(id) => {
                let args = self.args(id);
                let whole = |arg: &NodeId| {
                    let width = self.planner.node(*arg).width;
                    match self.planner.node(*arg).op {
                        Op::Constant(_) => width == 1,
                        Op::Input(_)
                        | Op::Data(_)
                        | Op::Map(..)
                        | Op::Event(..)
                        | Op::Lift(..)
                        | Op::Reduce(..) => width == node.width && self.works_out(*arg),
                    }
                };
                Instr::Map {
                    op: self.product_of(id).map_or(*op, |_| &MUL_ADD),
                    whole: node.width == 1 || args.iter().all(whole),
                    args: (args.iter())
                        .map(|arg| Arg {
                            operand: self.operand(*arg, place),
                            bar: self.arg_bar(*arg, id),
                        })
                        .collect(),
                    slot,
                    bar,
                    summed: self.summed[id.index()].map(|(start, _)| start),
                }
            }
            Op::Event(EventOp::SquaredResiduals { rows, .. }, _) if self.works_out(id) => {
                self.squares(id, *rows, place)
            }
            Op::Event(EventOp::Product { rows, inner, .. }, args)
                if self.works_out(id) && self.by_run[args[0].index()] =>
            {
                self.stage.scratch = self.stage.scratch.max(rows + inner);
                Instr::Product {
                    source: place[args[0].index()],
                    rows: *rows,
                    columns: *inner,
                    vector: Arg {
                        operand: Operand::Slot(self.slots[args[1].index()]),
                        bar: self.home(args[1]).map_or(ArgBar::None, ArgBar::Slot),
                    },
                    slot,
                    bar,
                }
            }
            Op::Event(op, args) if self.works_out(id) => {
                let width = |arg: &NodeId| self.planner.node(*arg).width;
                let scratch = node.width + args.iter().map(width).sum::<usize>();
                self.stage.scratch = self.stage.scratch.max(scratch);
                Instr::Event {
                    op: op.clone(),
                    args: (args.iter())
                        .map(|arg| Arg {
                            operand: Operand::Slot(self.slots[arg.index()]),
                            bar: self.home(*arg).map_or(ArgBar::None, ArgBar::Slot),
                        })
                        .collect(),
                    slot,
                    bar,
                }
            }
            Op::Input(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => Instr::Fetch {
                source: place[id.index()],
                slot,
                bar: match bar {
                    OwnBar::Slot(slot) => Some(slot),
                    OwnBar::Terms(_) | OwnBar::None => None,
                },
                lent: self.lent[id.index()],
            },
        }
    }

    fn squares(&mut self, id: NodeId, rows: usize, place: &[usize]) -> Instr {
        self.stage.scratch = self.stage.scratch.max(1 + rows);
        let (slot, bar) = (self.slots[id.index()], self.bars[id.index()]);
        let triangle = self.planner.node(id).op.args()[0];
        let (Op::Data(triangle) | Op::Constant(triangle)) = &self.planner.node(triangle).op else {
            unreachable!("a triangle of rows is data")
        };
        let args = (self.args(id).into_iter())
            .map(|node| {
                let arg = Arg {
                    operand: self.operand(node, place),
                    bar: self.arg_bar(node, id),
                };
                (0..self.planner.node(node).width).map(move |k| (arg.clone(), k))
            })
            .collect::<Vec<_>>();
        let mut args = args.into_iter().flatten();
        let (w, _) = args.next().expect("squares have a weight");
        Instr::Squares {
            triangle: triangle.clone(),
            rows,
            w,
            u: args.collect(),
            slot: Slot {
                width: 2 + rows,
                ..slot
            },
            bar,
            summed: self.summed[id.index()].map(|(start, _)| start),
        }
    }

    fn operand(&self, arg: NodeId, place: &[usize]) -> Operand {
        let slot = self.slots[arg.index()];
        match &self.planner.node(arg).op {
            Op::Constant(values) => Operand::Constant(values.clone()),
            Op::Input(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => {
                if self.works_out(arg) {
                    Operand::Slot(slot)
                } else {
                    Operand::Source {
                        source: place[arg.index()],
                        slot,
                    }
                }
            }
        }
    }

    /// Where an elementwise instruction brings the adjoint of an argument.
    fn arg_bar(&mut self, arg: NodeId, user: NodeId) -> ArgBar {
        let nowhere = Home {
            slot: Slot { start: 0, width: 0 },
            first: false,
        };
        let shares = self.lent[arg.index()] && self.bars[arg.index()] == self.bars[user.index()];
        if !self.planner.node(arg).varies || shares {
            ArgBar::None
        } else if self.is_near(arg) {
            ArgBar::Source(nowhere)
        } else if self.is_source(arg) {
            self.home(arg).map_or(ArgBar::None, ArgBar::Source)
        } else {
            self.home(arg).map_or(ArgBar::None, ArgBar::Slot)
        }
    }
}

/// The rows of a node's triangle, if it is a sum of squared residuals.
fn squares(node: &Node) -> Option<usize> {
    match &node.op {
        Op::Event(EventOp::SquaredResiduals { rows, .. }, _) => Some(*rows),
        Op::Input(_)
        | Op::Constant(_)
        | Op::Data(_)
        | Op::Map(..)
        | Op::Event(..)
        | Op::Lift(..)
        | Op::Reduce(..) => None,
    }
}
