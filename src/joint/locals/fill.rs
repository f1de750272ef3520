//! The rows of a part at some points: the values of its terms, and what is kept of them on its way to the adjoints.

use super::block::Buffers;
use super::block::Want;
use super::lanes::AddCurvature;
use super::lanes::AddValues;
use super::lanes::Base;
use super::lanes::Mix;
use super::lanes::Predict;
use super::lanes::Seen;
use super::lanes::Whose;
use super::line;
use super::line::Line;
use super::rows::Local;
use super::rows::Of;
use super::rows::Rows;
use super::rows::Source;
use super::rows::Term;
use super::sweep::Chunk;
use crate::num::simd;
use crate::tape::elementwise::LaneArray;
use crate::tape::elementwise::Lanes;
use crate::tape::elementwise::MOST_LANES;
use smallvec::SmallVec;
use std::ops::Range;

/// The fewest rows of an element, on average, that are worth interpolating.
const FEWEST: usize = 3;

/// How many lanes of each kind are kept.
#[derive(Clone, Copy, Default)]
struct Kept {
    slopes: usize,
    partials: usize,
}

/// Which rows to go through, and at which points.
#[derive(Clone)]
struct Pass<'a> {
    /// The place of the term's plate.
    place: usize,
    term: &'a Term,
    elements: Range<usize>,
    points: &'a [&'a [f64]],
    /// Whether points give for each element the one number through which rows see the locals, and not all coordinates.
    on_line: bool,
    want: Want,
}

impl Rows<'_> {
    /// Works out the values of a part's terms at each point, with what else is wanted.
    pub fn fill(
        &self,
        p: usize,
        chunk: &mut Chunk,
        buffers: &mut Buffers,
        points: &[&[f64]],
        want: Want,
    ) {
        let (elements, count) = (chunk.elements.clone(), chunk.elements.len());
        let width = self.forest.plates[p].chain_width(self.forest);
        let each = points.len() * count;
        chunk.values.clear();
        for t in &chunk.terms {
            match self.terms[*t].apart.as_slice() {
                [] => chunk.values.resize(chunk.values.len() + each, 0.0),
                apart => {
                    for _ in points {
                        chunk.values.extend_from_slice(&apart[elements.clone()]);
                    }
                }
            }
        }
        if want == Want::Curvature {
            chunk.curvature.clear();
            chunk.curvature.resize((width + width * width) * count, 0.0);
        }
        let mut kept = Kept::default();
        let terms = chunk.terms.iter().zip(&mut chunk.lines);
        for ((t, found), values) in terms.zip(chunk.values.chunks_exact_mut(each)) {
            let term = &self.terms[*t];
            let pass = Pass {
                place: p,
                term,
                elements: elements.clone(),
                points,
                on_line: false,
                want,
            };
            let line = self.line(p, term, &elements, points);
            let settled = line.as_ref().and_then(|line| {
                let mut degrees = line::degrees(points.len()).iter().copied();
                degrees.find(|degree| {
                    let on_line = line.points(*degree);
                    let on_line: SmallVec<[&[f64]; 8]> =
                        on_line.iter().map(Vec::as_slice).collect();
                    let mut sums = vec![0.0; on_line.len() * count];
                    let before = kept;
                    let pass = Pass {
                        points: &on_line,
                        on_line: true,
                        ..pass.clone()
                    };
                    self.go_through(&pass, &mut sums, &mut [], buffers, &mut kept);
                    let settled = line.interpolate(*degree, &sums, values);
                    if !settled {
                        kept = before;
                    }
                    settled
                })
            });
            if settled.is_none() {
                self.go_through(&pass, values, &mut chunk.curvature, buffers, &mut kept);
            }
            *found = line.zip(settled);
        }
    }

    /// The lines of elements, for a term of many rows that see the locals through one number.
    fn line(
        &self,
        p: usize,
        term: &Term,
        elements: &Range<usize>,
        points: &[&[f64]],
    ) -> Option<Line> {
        let shifted = |atom: &Local| matches!(atom.coefficient, Source::Same(_));
        let many = term.rows(elements).len() >= FEWEST * elements.len();
        let pays = !line::degrees(points.len()).is_empty() && term.starts.is_some() && many;
        (pays && term.atoms.iter().all(shifted))
            .then(|| Line::new(&self.atoms(p, term, 0), points, elements.clone()))
    }

    /// Adds the values of a term's rows at each point to the sums of its elements, and keeps what else is wanted.
    fn go_through(
        &self,
        pass: &Pass<'_>,
        values: &mut [f64],
        curvature: &mut [f64],
        buffers: &mut Buffers,
        kept: &mut Kept,
    ) {
        let Pass {
            place,
            term,
            elements,
            points,
            on_line,
            want,
        } = pass;
        let count = elements.len();
        let width = self.forest.plates[*place].chain_width(self.forest);
        let products = term.pass.is_some_and(|pass| pass.products);
        if products {
            buffers.products.clear();
            buffers.products.resize(values.len(), 1.0);
        }
        let rows = term.rows(elements);
        let mut at = elements.start;
        let mut slopes = std::mem::take(&mut buffers.slopes);
        for first in rows.clone().step_by(MOST_LANES) {
            let n = (rows.end - first).min(MOST_LANES);
            term.pieces(first, n, &mut at, &mut buffers.pieces);
            let mut pieces = std::mem::take(&mut buffers.pieces);
            let lies = term.elements(first, &pieces);
            let atoms = match on_line {
                true => SmallVec::from_iter([Seen::on_line(elements.start)]),
                false => self.atoms(*place, term, first),
            };
            self.base(term, first, n, &mut buffers.base);
            term.copy_args(&self.outputs, first, n, &mut buffers.args);
            for (k, z) in points.iter().enumerate() {
                simd::run(Predict {
                    n,
                    base: &buffers.base,
                    atoms: &atoms,
                    elements: lies,
                    z,
                    eta: &mut buffers.eta,
                });
                // Where slopes are not kept the next ones take their place.
                if slopes.len() == kept.slopes {
                    slopes.push(LaneArray::zeros());
                }
                let slope = &mut slopes[kept.slopes];
                term.density(&self.outputs, n, *want, buffers, slope);
                let factors = products.then_some(&buffers.product);
                let held = match factors {
                    Some(_) => &mut buffers.products[k * count..(k + 1) * count],
                    None => &mut [],
                };
                simd::run(AddValues {
                    n,
                    add: &buffers.add,
                    product: factors,
                    elements: lies,
                    from: elements.start,
                    sums: &mut values[k * count..(k + 1) * count],
                    products: held,
                });
                match want {
                    Want::Values => {}
                    Want::Slopes => {
                        kept.slopes += 1;
                        for j in term.given() {
                            let partial = &buffers.shared[j];
                            keep(&mut buffers.partials, &mut kept.partials, partial);
                        }
                    }
                    Want::Curvature => simd::run(AddCurvature {
                        n,
                        slope,
                        second: &buffers.second,
                        atoms: &atoms,
                        chain: width,
                        elements: lies,
                        from: elements.start,
                        count,
                        sums: curvature,
                        memory: &mut buffers.memory,
                    }),
                }
            }
            pieces.clear();
            buffers.pieces = pieces;
        }
        buffers.slopes = slopes;
        if products {
            for (value, product) in values.iter_mut().zip(&buffers.products) {
                *value -= product.ln();
            }
        }
    }

    /// Takes what [`Rows::fill`] has kept, times the shares of the points, to the adjoints of what the terms read.
    pub fn sow(&self, p: usize, chunk: &mut Chunk, buffers: &mut Buffers, points: &[&[f64]]) {
        let (elements, count) = (chunk.elements.clone(), chunk.elements.len());
        let mut kept = Kept::default();
        let of_points = std::mem::take(&mut chunk.shares);
        for (number, t) in chunk.terms.clone().into_iter().enumerate() {
            let term = &self.terms[t];
            let line = chunk.lines[number].take();
            let of_line = line.map(|(line, degree)| (line.shares(degree, &of_points), degree + 1));
            let (shares, nodes) = match &of_line {
                Some((shares, nodes)) => (shares, *nodes),
                None => (&of_points, points.len()),
            };
            let varies = |source: &Source| matches!(source, Source::Output(_));
            let by_offset = term.offset.iter().any(|(a, b)| varies(a) || varies(b));
            let given = term.given().count();
            let rows = term.rows(&elements);
            let mut at = elements.start;
            for first in rows.clone().step_by(MOST_LANES) {
                let n = (rows.end - first).min(MOST_LANES);
                term.pieces(first, n, &mut at, &mut buffers.pieces);
                let lies = term.elements(first, &buffers.pieces);
                let slopes: SmallVec<[&LaneArray<f64>; 8]> =
                    buffers.slopes[kept.slopes..][..nodes].iter().collect();
                kept.slopes += nodes;
                let mix = Mix {
                    n,
                    slopes: &slopes,
                    weights: shares,
                    from: elements.start,
                    count,
                    elements: lies,
                    out: &mut buffers.memory,
                };
                if by_offset {
                    simd::run(mix);
                    for (factor, column) in &term.offset {
                        let memory = &buffers.memory[..n];
                        chunk.sow(factor, first, memory, column.lanes(&self.outputs, first));
                        chunk.sow(column, first, memory, factor.lanes(&self.outputs, first));
                    }
                }
                for (atom, seen) in term.atoms.iter().zip(self.atoms(p, term, first)) {
                    if !varies(&atom.coefficient) {
                        continue;
                    }
                    buffers.weights.clear();
                    for (z, shares) in points.iter().zip(of_points.chunks_exact(count)) {
                        let local = shares.iter().enumerate();
                        let local = local.map(|(i, share)| share * z[seen.at(elements.start + i)]);
                        buffers.weights.extend(local);
                    }
                    simd::run(Mix {
                        n,
                        slopes: &slopes,
                        weights: &buffers.weights,
                        from: elements.start,
                        count,
                        elements: lies,
                        out: &mut buffers.memory,
                    });
                    let one = Lanes::Same(1.0);
                    chunk.sow(&atom.coefficient, first, &buffers.memory[..n], one);
                }
                for (g, j) in term.given().enumerate() {
                    let partials: SmallVec<[&LaneArray<f64>; 8]> = (0..nodes)
                        .map(|k| &buffers.partials[kept.partials + k * given + g])
                        .collect();
                    simd::run(Mix {
                        n,
                        slopes: &partials,
                        weights: shares,
                        from: elements.start,
                        count,
                        elements: lies,
                        out: &mut buffers.memory,
                    });
                    if let Some(source) = &term.args[j] {
                        chunk.sow(source, first, &buffers.memory[..n], Lanes::Same(1.0));
                    }
                }
                kept.partials += nodes * given;
            }
        }
        chunk.shares = of_points;
    }

    /// The locals that rows from `first` on see.
    fn atoms<'s>(&'s self, p: usize, term: &'s Term, first: usize) -> SmallVec<[Seen<'s>; 8]> {
        let above = &self.forest.plates[p].above;
        (term.atoms.iter())
            .map(|atom| Seen {
                coefficient: atom.coefficient.lanes(&self.outputs, first),
                first: atom.first,
                of: match atom.of {
                    Of::Own => Whose::Own(0),
                    Of::Single => Whose::Single,
                    Of::Above(a) => Whose::Above(&above[a].element),
                },
                chain: atom.chain,
            })
            .collect()
    }

    /// Writes what the predictors of rows have beside locals.
    fn base(&self, term: &Term, first: usize, n: usize, out: &mut LaneArray<f64>) {
        let parts: SmallVec<[(f64, Lanes<'_, f64>); 8]> = (term.offset.iter())
            .map(|(factor, column)| {
                let column = column.lanes(&self.outputs, first);
                (factor.same(&self.outputs).unwrap_or(1.0), column)
            })
            .collect();
        let out = &mut out[..n];
        simd::run(Base { parts: &parts, out });
    }
}

/// Copies lanes to place `at`, and counts them.
fn keep(memory: &mut Vec<LaneArray<f64>>, at: &mut usize, lanes: &LaneArray<f64>) {
    match memory.get_mut(*at) {
        Some(place) => *place = *lanes,
        None => memory.push(*lanes),
    }
    *at += 1;
}
