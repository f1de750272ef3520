//! A tape as text.

use super::Index;
use super::NodeId;
use super::Op;
use super::Tape;

/// One line per node: its name, plate, width and what it does.
pub(super) fn dump(tape: &Tape) -> String {
    let mut out = String::new();
    for (i, node) in tape.nodes.iter().enumerate() {
        let what = match &node.op {
            Op::Input(offset) => format!("input {offset}"),
            Op::Constant(values) => format!("constant {}", numbers(values)),
            Op::Data(values) => format!("data {}", numbers(values)),
            Op::Map(op, args) => format!("{} {}", op.name, names(args)),
            Op::Event(op, args) => format!("{op:?} {}", names(args)),
            Op::Lift(from, index) => format!("lift {}{}", name(*from), by(index)),
            Op::Reduce(how, from, index) => format!("reduce {how:?} {}{}", name(*from), by(index)),
        };
        let plate = node.plate.index();
        let role = [(&tape.terms, "  term"), (&tape.outputs, "  output")]
            .into_iter()
            .filter(|(list, _)| list.iter().any(|id| id.index() == i))
            .map(|(_, role)| role)
            .collect::<String>();
        let width = if node.width == 1 {
            String::new()
        } else {
            format!("[{}]", node.width)
        };
        out.push_str(&format!("%{i}{width} @{plate} = {what}{role}\n"));
    }
    out
}

fn name(id: NodeId) -> String {
    format!("%{}", id.0)
}

fn names(ids: &[NodeId]) -> String {
    ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join(" ")
}

fn by(index: &Index) -> &'static str {
    match index {
        None => "",
        Some(_) => " by index",
    }
}

/// The first few numbers.
fn numbers(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(4).map(|v| v.to_string()).collect();
    let more = if values.len() > 4 {
        format!(" … ({})", values.len())
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(" "))
}
