//! Recognition: is a term a density row of affine predictors?

use super::Affine;
use super::Arg;
use super::Atom;
use super::Gathered;
use super::Glm;
use super::Group;
use super::Predictor;
use super::Read;
use super::Steady;
use super::layout;
use crate::shape::PlateId;
use crate::tape::Node;
use crate::tape::NodeId;
use crate::tape::Op;
use crate::tape::affine;
use crate::tape::affine::Column;
use crate::tape::affine::Reader;
use crate::tape::apart::Known;
use crate::tape::elementwise::Elementwise;
use crate::tape::elementwise::MUL;
use crate::tape::elementwise::catalogue;
use smallvec::SmallVec;
use std::sync::Arc;

/// Recognises a term.
pub(in crate::tape) fn recognise(
    nodes: &[Node],
    lens: &[usize],
    term: usize,
    id: NodeId,
) -> Option<Glm> {
    let node = &nodes[id.index()];
    if node.plate == PlateId::TOP || node.width != 1 {
        return None;
    }
    let len = lens[node.plate.index()];
    let reader = Reader {
        nodes,
        len,
        plate: node.plate,
        picks: true,
    };
    let (density, weights) = weighted(&reader, id);
    let Op::Map(row, args) = &nodes[density.index()].op else {
        return None;
    };
    // The language's own operations are no densities: what they do with numbers that do not count would be lost.
    if catalogue().any(|operation| operation == *row) {
        return None;
    }
    let varies = |arg: &NodeId| nodes[arg.index()].varies;
    let by = match &row.plain.one_pass {
        Some(kernel) => kernel.by,
        None => args.iter().position(varies)?,
    };
    let mut parts = Parts::default();
    let args = (args.iter().enumerate())
        .map(|(k, arg)| parts.arg(&reader, *arg, k == by))
        .collect::<Option<SmallVec<[Arg; 4]>>>()?;
    if parts.reads.is_empty() {
        return None;
    }
    let Parts {
        mut affines,
        mut groups,
        reads,
    } = parts;
    let runs = layout::runs(&mut groups, len);
    for affine in &mut affines {
        let sorted = |atom: &Atom| {
            atom.group
                .is_some_and(|group| !groups[group].by_run.is_empty())
        };
        (affine.runs, affine.scattered) = std::mem::take(&mut affine.scattered).partition(sorted);
    }
    let apart = apart(row, &args, weights.is_some(), len)?;
    let steady = match affines.as_slice() {
        [affine] if apart.is_some() => Steady::new(affine, &runs, len),
        _ => None,
    };
    Some(Glm {
        term,
        row,
        args,
        chunks: layout::chunks(&groups, &affines, len),
        gathered: Gathered::all(&affines),
        affines,
        weights,
        groups,
        reads,
        runs,
        apart,
        steady,
        sources: Vec::new(),
    })
}

/// A term without its weights, and these.
fn weighted(reader: &Reader<'_>, id: NodeId) -> (NodeId, Option<Column>) {
    if let Op::Map(op, args) = &reader.nodes[id.index()].op
        && **op == MUL
    {
        for (density, weights) in [(args[0], args[1]), (args[1], args[0])] {
            if let Op::Data(values) = &reader.nodes[weights.index()].op {
                let values = values.clone();
                return (density, Some(Column { values, start: 0 }));
            }
        }
    }
    (id, None)
}

/// The affine forms of a term, as they are read.
#[derive(Default)]
struct Parts {
    affines: Vec<Affine>,
    groups: Vec<Group>,
    reads: Vec<Read>,
}

impl Parts {
    /// Reads an argument; one to be `predicted` is a predictor even where it is a number of the top level.
    fn arg(&mut self, reader: &Reader<'_>, id: NodeId, predicted: bool) -> Option<Arg> {
        let node = &reader.nodes[id.index()];
        if let Op::Constant(values) = &node.op
            && node.width == 1
        {
            return Some(Arg::Constant(values[0]));
        }
        if let Op::Data(values) = &node.op
            && node.width == 1
            && node.plate == reader.plate
        {
            let values = values.clone();
            return Some(Arg::Data(Column { values, start: 0 }));
        }
        if let Op::Lift(from, None) = &node.op
            && node.width == 1
            && node.varies
            && !predicted
        {
            return Some(Arg::Top(self.read(*from, 0)));
        }
        let form = reader.read_bilinear(id)?;
        let sum = self.affine(form.sum);
        let products = form.products.into_iter();
        let products = products
            .map(|pair| pair.map(|form| self.affine(form)))
            .collect();
        Some(Arg::Predictor(Predictor { sum, products }))
    }

    /// Takes a form over; atoms that are not of the top level are all scattered so far.
    fn affine(&mut self, form: affine::Affine) -> usize {
        let mut own = Affine {
            constant: form.constant,
            offsets: form.offsets,
            ..Affine::default()
        };
        for atom in form.atoms {
            let group = atom.index.map(|index| self.group(index));
            let atoms = match group {
                None => &mut own.tops,
                Some(_) => &mut own.scattered,
            };
            let (read, factor) = (self.read(atom.node, atom.component), atom.factor);
            atoms.push(
                Atom {
                    read,
                    group,
                    factor,
                },
                atom.column,
            );
        }
        self.affines.push(own);
        self.affines.len() - 1
    }

    fn read(&mut self, node: NodeId, component: usize) -> usize {
        let read = Read { node, component };
        let known = self.reads.iter().position(|other| *other == read);
        known.unwrap_or_else(|| {
            self.reads.push(read);
            self.reads.len() - 1
        })
    }

    fn group(&mut self, index: Arc<[u32]>) -> usize {
        let known = (self.groups.iter()).position(|group| Arc::ptr_eq(&group.index, &index));
        known.unwrap_or_else(|| {
            let extent = index.iter().map(|place| *place as usize + 1).max();
            self.groups.push(Group {
                extent: extent.unwrap_or_default(),
                index,
                by_run: Vec::new(),
            });
            self.groups.len() - 1
        })
    }
}

/// The part of the sum that depends on data alone, for a row with a loop that sets it apart and whose arguments are as that loop wants
/// them; none where data lie outside the density's domain, which only the plain operations tell.
fn apart(row: &Elementwise, args: &[Arg], weighted: bool, len: usize) -> Option<Option<f64>> {
    let kernel = row.plain.one_pass.as_ref().filter(|kernel| {
        let fits = |(k, arg): (usize, &Arg)| {
            let shared = kernel.shared >> k & 1 == 1;
            match arg {
                Arg::Predictor(_) => k == kernel.by,
                Arg::Data(_) => !shared && k != kernel.by,
                Arg::Constant(_) => k != kernel.by,
                Arg::Top(_) => shared,
            }
        };
        !weighted && args.iter().enumerate().all(fits)
    });
    let known: SmallVec<[Known<'_>; 4]> = (args.iter())
        .map(|arg| match arg {
            Arg::Data(column) => Known::Column(column.slice(0, len)),
            Arg::Constant(value) => Known::Constant(*value),
            Arg::Predictor(_) | Arg::Top(_) => Known::Nothing,
        })
        .collect();
    let sum = crate::tape::apart::apart(row, kernel, &known, len)?;
    Some(kernel.map(|_| sum))
}
