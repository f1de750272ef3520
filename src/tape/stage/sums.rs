//! Which instructions sum up what they work out, because it is terms and nothing else.

use super::Plan;
use super::squares;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::apart::Known;
use crate::tape::apart::apart;
use crate::tape::program::OwnBar;
use smallvec::SmallVec;

impl Plan<'_, '_> {
    /// Finds the densities that are terms and nothing else and whose instructions sum them up.
    pub(super) fn sum_up(&mut self) {
        for i in 0..self.needed.len() {
            if matches!(self.bars[i], OwnBar::Terms(_))
                && let Some(apart) = self.apart(NodeId(i as u32))
            {
                self.summed[i] = Some((self.stage.summed, apart));
                let args = self.args(NodeId(i as u32));
                let widths = args.iter().map(|arg| self.planner.node(*arg).width);
                self.stage.summed += 1 + widths.sum::<usize>();
            }
        }
    }

    /// What of a density's sum depends on data alone, if a loop sums up its rows and its arguments are as that loop wants them.
    fn apart(&self, id: NodeId) -> Option<f64> {
        let node = self.planner.node(id);
        if let Some(rows) = squares(node) {
            return self.shares_weight(id, rows).then_some(0.0);
        }
        let Op::Map(row, args) = &node.op else {
            return None;
        };
        let kernel = row.plain.one_pass.as_ref().filter(|_| node.width == 1)?;
        let varies = |k: usize| self.planner.node(args[k]).varies;
        if !varies(kernel.by) && !kernel.against.is_some_and(varies) {
            return None;
        }
        let known: Option<SmallVec<[Known<'_>; 4]>> = (args.iter().enumerate())
            .map(|(k, id)| {
                let arg = self.planner.node(*id);
                let shared = kernel.shared >> k & 1 == 1;
                match &arg.op {
                    _ if arg.width != 1 => None,
                    _ if arg.varies && (k == kernel.by || kernel.against == Some(k)) => {
                        Some(Known::Nothing)
                    }
                    Op::Constant(values) => Some(Known::Constant(values[0])),
                    Op::Data(values) if !shared && arg.plate == self.plate => {
                        Some(Known::Column(&values[..self.stage.len]))
                    }
                    Op::Lift(_, None) if shared && self.mine(*id) => Some(Known::Nothing),
                    Op::Input(_)
                    | Op::Data(_)
                    | Op::Map(..)
                    | Op::Event(..)
                    | Op::Lift(..)
                    | Op::Reduce(..) => None,
                }
            })
            .collect();
        apart(row, Some(kernel), &known?, self.stage.len)
    }

    /// Whether a sum of squared residuals has the same weight in all elements, and the same numbers behind as many as it has rows.
    fn shares_weight(&self, id: NodeId, rows: usize) -> bool {
        let same = (self.args(id).into_iter()).flat_map(|arg| {
            let node = self.planner.node(arg);
            let same = match node.op {
                Op::Constant(_) => true,
                Op::Lift(_, None) => self.mine(arg),
                Op::Input(_)
                | Op::Data(_)
                | Op::Map(..)
                | Op::Event(..)
                | Op::Lift(..)
                | Op::Reduce(..) => false,
            };
            std::iter::repeat_n(same, node.width)
        });
        let same: SmallVec<[bool; 8]> = same.collect();
        same[0]
            && same[1..]
                .iter()
                .enumerate()
                .all(|(k, same)| *same == (k >= rows))
    }
}
