//! The precision of the locals given the globals: a block-arrow matrix over the forest, factored leaves first without fill-in.
//!
//! The row of an element holds its couplings with the elements above it and with itself: its *chain*, outermost first. Eliminating an
//! element changes only the rows of those above it. Vectors are over all coordinates of the density; only local ones are touched.

use crate::joint::locals::Ancestor;
use crate::joint::locals::Curvature;
use crate::joint::locals::Forest;
use crate::joint::locals::LocalPlate;
use crate::joint::locals::Locals;
use crate::num::dense;
use crate::num::dense::dot;
use std::ops::Range;
use std::sync::Arc;

/// A block-arrow matrix and its factor.
#[derive(Clone, Debug)]
pub struct Arrow<'a> {
    forest: &'a Forest,
    plates: Vec<Rows>,
}

/// The rows of one plate.
#[derive(Clone, Debug)]
struct Rows {
    /// Coordinates above and own.
    above: usize,
    own: usize,
    /// The places of those above, where they are the same for all elements.
    fixed: Option<Vec<usize>>,
    /// The matrix, own × (above + own) for each element.
    entries: Vec<f64>,
    /// After elimination: the Cholesky factor of the own block, own × own for each element.
    root: Vec<f64>,
    /// After elimination: own block⁻¹ times the couplings above, own × above for each element.
    couple: Vec<f64>,
    /// The lower factor of the covariance given what is above, own × own for each element.
    spread: Vec<f64>,
}

impl Rows {
    /// The couplings of each coordinate of an element.
    fn couples(&self, i: usize) -> impl Iterator<Item = &[f64]> {
        let couple = &self.couple[i * self.own * self.above..(i + 1) * self.own * self.above];
        couple.chunks_exact(self.above.max(1))
    }
}

impl<'a> Arrow<'a> {
    /// A matrix of zeros.
    pub fn new(forest: &'a Forest) -> Arrow<'a> {
        let rows = |plate: &LocalPlate| {
            let (own, n) = (plate.width, plate.count);
            let above = plate.chain_width(forest) - own;
            Rows {
                above,
                own,
                fixed: plate.fixed_above(forest),
                entries: vec![0.0; n * own * (above + own)],
                root: vec![0.0; n * own * own],
                couple: vec![0.0; n * own * above],
                spread: vec![0.0; n * own * own],
            }
        };
        Arrow {
            forest,
            plates: forest.plates.iter().map(rows).collect(),
        }
    }

    /// Takes minus the Hessian at `z`: one product for each coordinate of an element of each plate, all elements at once.
    pub fn fill(&mut self, locals: &mut dyn Locals, z: &[f64]) {
        self.clear();
        let (mut v, mut product) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        for (a, plate) in self.forest.plates.iter().enumerate() {
            for k in 0..plate.width {
                let probed = &plate.coordinates[k * plate.count..(k + 1) * plate.count];
                probed.iter().for_each(|c| v[*c as usize] = 1.0);
                locals.product(z, &v, &mut product);
                probed.iter().for_each(|c| v[*c as usize] = 0.0);
                self.add_column(a, k, &product);
            }
        }
    }

    /// Takes minus the Hessian at `z`, whose globals are those that `locals` is prepared for; writes the gradient in the locals over
    /// `slope`, and where it is wanted the sums of the terms in each element over `values`. Gives the sum of the terms that depend on locals.
    pub fn curve(
        &mut self,
        locals: &mut dyn Locals,
        z: &[f64],
        values: Option<&mut [Vec<f64>]>,
        slope: &mut [f64],
    ) -> f64 {
        self.clear();
        slope.fill(0.0);
        locals.curve(z, values, slope, self)
    }

    fn clear(&mut self) {
        for rows in &mut self.plates {
            rows.entries.fill(0.0);
        }
    }

    /// The largest difference from another matrix, relative to the largest entry of the same plate.
    pub fn difference(&self, other: &Arrow<'_>) -> f64 {
        let pairs = self.plates.iter().zip(&other.plates);
        pairs.fold(0.0, |most: f64, (a, b)| {
            let largest = a.entries.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            let apart = a.entries.iter().zip(&b.entries);
            let apart = apart.fold(0.0_f64, |m, (x, y)| {
                let d = (x - y).abs();
                if d > m || d.is_nan() { d } else { m }
            });
            let relative = apart / largest;
            if relative > most || relative.is_nan() {
                relative
            } else {
                most
            }
        })
    }

    /// The same for [`Arrow::place`] alone.
    pub fn for_placing(&self) -> Arrow<'a> {
        let rows = |rows: &Rows| Rows {
            entries: Vec::new(),
            root: Vec::new(),
            fixed: rows.fixed.clone(),
            couple: rows.couple.clone(),
            spread: rows.spread.clone(),
            ..*rows
        };
        Arrow {
            forest: self.forest,
            plates: self.plates.iter().map(rows).collect(),
        }
    }

    /// What places elements with given moments: for each plate the covariances of each coordinate of an element with its chain,
    /// entries as in the matrix, the elements above first.
    pub fn of_covariance(forest: &'a Forest, covariance: &[Vec<f64>]) -> Arrow<'a> {
        let mut arrow = Arrow::new(forest);
        for (rows, covariance) in arrow.plates.iter_mut().zip(covariance) {
            rows.entries.copy_from_slice(covariance);
        }
        for p in 0..forest.plates.len() {
            for i in 0..forest.plates[p].count {
                arrow.condition(p, i);
            }
        }
        arrow
    }

    /// From covariances with the chain to the regression on what is above, and the spread around it.
    fn condition(&mut self, p: usize, i: usize) {
        let (own, above) = (self.plates[p].own, self.plates[p].above);
        let width = above + own;
        let mut outer = vec![0.0; above * above];
        let mut start = 0;
        for ancestor in &self.forest.plates[p].above {
            let (rows, element) = (&self.plates[ancestor.place], ancestor.element[i] as usize);
            for r in 0..rows.own {
                let chain = rows.above + rows.own;
                let row = &rows.entries[(element * rows.own + r) * chain..][..chain];
                for (c, value) in row.iter().enumerate() {
                    outer[(start + r) * above + c] = *value;
                    outer[c * above + start + r] = *value;
                }
            }
            start += rows.own;
        }
        let rows = &mut self.plates[p];
        let entries = &rows.entries[i * own * width..(i + 1) * own * width];
        let mut slope = vec![0.0; above * own];
        for r in 0..own {
            for c in 0..above {
                slope[c * own + r] = entries[r * width + c];
            }
        }
        dense::solve(&mut outer, &mut slope, above, own);
        let spread = &mut rows.spread[i * own * own..(i + 1) * own * own];
        for r in 0..own {
            for k in 0..own {
                let explained: f64 = (0..above)
                    .map(|c| entries[r * width + c] * slope[c * own + k])
                    .sum();
                spread[r * own + k] = entries[r * width + above + k] - explained;
            }
            for c in 0..above {
                rows.couple[(i * own + r) * above + c] = -slope[c * own + r];
            }
        }
        dense::cholesky(spread, own);
    }

    /// Factors the matrix. Gives the number of elements whose own block was not positive definite; their diagonal is raised.
    pub fn factor(&mut self) -> usize {
        let mut raised = 0;
        for p in (0..self.plates.len()).rev() {
            let plate = &self.forest.plates[p];
            let (before, rest) = self.plates.split_at_mut(p);
            let rows = &mut rest[0];
            let (own, above, width) = (rows.own, rows.above, rows.above + rows.own);
            // What eliminating all elements leaves of the only ones above them.
            let size = rows.fixed.as_ref().map_or(0, |_| above * above);
            let mut left = vec![0.0; size];
            for i in 0..plate.count {
                let entries = &rows.entries[i * own * width..(i + 1) * own * width];
                let root = &mut rows.root[i * own * own..(i + 1) * own * own];
                // The most frequent case: one coordinate.
                if own == 1
                    && rows.fixed.is_some()
                    && entries[above] > 0.0
                    && entries[above].is_finite()
                {
                    let (entries, pivot) = (&entries[..above], entries[above]);
                    root[0] = pivot.sqrt();
                    rows.spread[i] = 1.0 / root[0];
                    let couple = &mut rows.couple[i * above..(i + 1) * above];
                    for (couple, entry) in couple.iter_mut().zip(entries) {
                        *couple = entry / pivot;
                    }
                    for (left, entry) in left.chunks_exact_mut(above.max(1)).zip(entries) {
                        for (left, couple) in left.iter_mut().zip(&*couple) {
                            *left += entry * couple;
                        }
                    }
                    continue;
                }
                let block = |root: &mut [f64], more: f64| {
                    for r in 0..own {
                        let from = &entries[r * width + above..(r + 1) * width];
                        root[r * own..(r + 1) * own].copy_from_slice(from);
                        root[r * own + r] += more;
                    }
                    dense::cholesky(root, own);
                    (0..own).all(|r| root[r * own + r].is_finite())
                };
                if !block(root, 0.0) {
                    raised += 1;
                    let size =
                        (0..own).fold(1e-8_f64, |m, r| m.max(entries[r * width + above + r].abs()));
                    let mut more = 1e-3 * size;
                    while !block(root, more) && more < 1e12 * size {
                        more *= 4.0;
                    }
                }
                let couple = &mut rows.couple[i * own * above..(i + 1) * own * above];
                for r in 0..own {
                    couple[r * above..(r + 1) * above]
                        .copy_from_slice(&entries[r * width..r * width + above]);
                }
                dense::solve_lower(root, couple, own, above);
                dense::solve_lower_transposed(root, couple, own, above);
                if above > 0 {
                    lower_above(plate, i, entries, couple, (own, above), before);
                }
                inverse_factor(
                    root,
                    &mut rows.spread[i * own * own..(i + 1) * own * own],
                    own,
                );
            }
            if left.iter().any(|x| *x != 0.0) {
                lower(plate, &left, before);
            }
        }
        raised
    }

    /// Replaces the local coordinates of `x` by the inverse of the matrix times them.
    pub fn solve(&self, x: &mut [f64]) {
        let mut chain = Vec::new();
        for (plate, rows) in self.forest.plates.iter().zip(&self.plates).rev() {
            let own = rows.own;
            if let (1, Some(places)) = (own, &rows.fixed) {
                chain.clear();
                chain.resize(rows.above, 0.0);
                for (i, (at, root)) in plate.coordinates.iter().zip(&rows.root).enumerate() {
                    let g = x[*at as usize];
                    let couple = &rows.couple[i * rows.above..(i + 1) * rows.above];
                    for (sum, couple) in chain.iter_mut().zip(couple) {
                        *sum += couple * g;
                    }
                    x[*at as usize] = g / root / root;
                }
                for (place, sum) in places.iter().zip(&chain) {
                    x[*place] -= sum;
                }
                continue;
            }
            for i in 0..plate.count {
                for (c, place) in above_of(self.forest, plate, i).enumerate() {
                    for r in 0..own {
                        let g = x[plate.at(r, i)];
                        x[place] -= rows.couple[(i * own + r) * rows.above + c] * g;
                    }
                }
                chain.clear();
                chain.extend((0..own).map(|r| x[plate.at(r, i)]));
                let root = &rows.root[i * own * own..(i + 1) * own * own];
                dense::solve_lower(root, &mut chain, own, 1);
                dense::solve_lower_transposed(root, &mut chain, own, 1);
                for (r, value) in chain.iter().enumerate() {
                    x[plate.at(r, i)] = *value;
                }
            }
        }
        for (p, (plate, rows)) in self.forest.plates.iter().zip(&self.plates).enumerate() {
            for i in 0..if rows.above > 0 { plate.count } else { 0 } {
                self.above(p, i, |place| x[place], &mut chain);
                for (r, couple) in rows.couples(i).enumerate() {
                    x[plate.at(r, i)] -= dot(couple, &chain);
                }
            }
        }
    }

    /// Gathers numbers of the coordinates above an element; of the elements after the first only where they are others.
    fn above(&self, p: usize, i: usize, of: impl Fn(usize) -> f64, to: &mut Vec<f64>) {
        match &self.plates[p].fixed {
            Some(_) if i > 0 => {}
            Some(places) => {
                to.clear();
                to.extend(places.iter().map(|place| of(*place)));
            }
            None => {
                to.clear();
                to.extend(above_of(self.forest, &self.forest.plates[p], i).map(of));
            }
        }
    }

    /// Moves the elements of plate `p` in `to`: to their centre in `centre`, shifted by what those above them are shifted by in `to`,
    /// plus the spread times `noise`, which gives each coordinate's number for an element.
    pub fn place(
        &self,
        p: usize,
        centre: &[f64],
        noise: impl Fn(usize, usize) -> f64,
        to: &mut [f64],
    ) {
        let (plate, rows) = (&self.forest.plates[p], &self.plates[p]);
        let own = rows.own;
        if own + rows.above == 1 {
            let spreads = plate.coordinates.iter().zip(&rows.spread);
            for (i, (at, spread)) in spreads.enumerate() {
                to[*at as usize] = centre[*at as usize] + spread * noise(0, i);
            }
            return;
        }
        let mut shifts = Vec::with_capacity(rows.above);
        for i in 0..plate.count {
            self.above(p, i, |place| to[place] - centre[place], &mut shifts);
            let spread = &rows.spread[i * own * own..(i + 1) * own * own];
            for r in 0..own {
                let at = plate.at(r, i);
                let own =
                    (0..=r).fold(centre[at], |sum, k| sum + spread[r * own + k] * noise(k, i));
                let couple = &rows.couple[(i * rows.own + r) * rows.above..][..rows.above];
                to[at] = own - dot(couple, &shifts);
            }
        }
    }

    /// The logarithm of the determinant of an element's spread given what is above.
    pub fn log_spread(&self, p: usize, i: usize) -> f64 {
        let rows = &self.plates[p];
        (0..rows.own)
            .map(|r| rows.spread[(i * rows.own + r) * rows.own + r].ln())
            .sum()
    }

    /// Their sum over all elements.
    pub fn log_spreads(&self) -> f64 {
        let plates = self.forest.plates.iter().enumerate();
        plates
            .map(|(p, plate)| (0..plate.count).map(|i| self.log_spread(p, i)).sum::<f64>())
            .sum()
    }

    /// For coordinate `r` of an element: minus its couplings with the coordinates above, and its row of the spread up to the diagonal.
    pub fn row(&self, p: usize, i: usize, r: usize) -> (&[f64], &[f64]) {
        let rows = &self.plates[p];
        let (at, own) = (i * rows.own + r, rows.own);
        (
            &rows.couple[at * rows.above..(at + 1) * rows.above],
            &rows.spread[at * own..at * own + r + 1],
        )
    }
}

impl Curvature for Arrow<'_> {
    /// Takes from the rows of the plate and of those below it.
    fn add_column(&mut self, a: usize, k: usize, product: &[f64]) {
        for (p, (plate, rows)) in self.forest.plates.iter().zip(&mut self.plates).enumerate() {
            let Some(start) = start_of(self.forest, p, a) else {
                continue;
            };
            let width = rows.above + rows.own;
            for r in 0..rows.own {
                for i in 0..plate.count {
                    rows.entries[(i * rows.own + r) * width + start + k] -= product[plate.at(r, i)];
                }
            }
        }
    }

    /// Takes from the rows of the elements and of those above them.
    fn add_blocks(&mut self, p: usize, elements: Range<usize>, second: &[f64]) {
        let whole = self.plates[p].above + self.plates[p].own;
        let own = Ancestor {
            place: p,
            element: Arc::default(),
        };
        let mut start = 0;
        for Ancestor { place, element } in self.forest.plates[p].above.iter().chain([&own]) {
            let rows = &mut self.plates[*place];
            let width = rows.above + rows.own;
            for (r, c) in (0..rows.own).flat_map(|r| (0..width).map(move |c| (r, c))) {
                let (low, high) = (c.min(start + r), c.max(start + r));
                let second = &second[(low * whole + high) * elements.len()..][..elements.len()];
                if self.forest.plates[*place].count == 1 {
                    rows.entries[r * width + c] -= second.iter().sum::<f64>();
                    continue;
                }
                for (i, second) in elements.clone().zip(second) {
                    let i = element.get(i).map_or(i, |i| *i as usize);
                    rows.entries[(i * rows.own + r) * width + c] -= second;
                }
            }
            start += rows.own;
        }
    }
}

/// Where the coordinates of plate `a` start in the chain of plate `p`; `None` if it does not lie above it.
fn start_of(forest: &Forest, p: usize, a: usize) -> Option<usize> {
    let plate = &forest.plates[p];
    let mut start = 0;
    for above in &plate.above {
        if above.place == a {
            return Some(start);
        }
        start += forest.plates[above.place].width;
    }
    (p == a).then_some(start)
}

/// The places of the coordinates above an element, outermost first.
pub fn above_of<'a>(
    forest: &'a Forest,
    plate: &'a LocalPlate,
    i: usize,
) -> impl Iterator<Item = usize> + 'a {
    plate.above.iter().flat_map(move |above| {
        let outer = &forest.plates[above.place];
        let element = above.element[i] as usize;
        (0..outer.width).map(move |k| outer.at(k, element))
    })
}

/// Takes `couplingsᵀ · couple`, what eliminating element `i` of `plate` leaves, from the rows of the elements above it.
fn lower_above(
    plate: &LocalPlate,
    i: usize,
    entries: &[f64],
    couple: &[f64],
    (own, above): (usize, usize),
    before: &mut [Rows],
) {
    let width = above + own;
    let mut start = 0;
    for ancestor in &plate.above {
        let (rows, element) = (&mut before[ancestor.place], ancestor.element[i] as usize);
        let chain = rows.above + rows.own;
        for r in 0..rows.own {
            let row = &mut rows.entries[(element * rows.own + r) * chain..][..chain];
            for (c, entry) in row.iter_mut().enumerate() {
                let product = (0..own)
                    .map(|k| entries[k * width + start + r] * couple[k * above + c])
                    .sum::<f64>();
                *entry -= product;
            }
        }
        start += rows.own;
    }
}

/// Takes what eliminating all elements of `plate` leaves, square, from the rows of the only elements above them.
fn lower(plate: &LocalPlate, left: &[f64], before: &mut [Rows]) {
    let mut left = left.chunks_exact(left.len().isqrt().max(1));
    for ancestor in &plate.above {
        let rows = &mut before[ancestor.place];
        let chain = rows.above + rows.own;
        for (row, left) in rows.entries.chunks_exact_mut(chain).zip(left.by_ref()) {
            for (entry, left) in row.iter_mut().zip(left) {
                *entry -= left;
            }
        }
    }
}

/// Writes the lower factor of (L Lᵀ)⁻¹ over `out`.
fn inverse_factor(root: &[f64], out: &mut [f64], n: usize) {
    if n == 1 {
        out[0] = 1.0 / root[0];
        return;
    }
    out.fill(0.0);
    (0..n).for_each(|r| out[r * n + r] = 1.0);
    dense::solve_lower(root, out, n, n);
    dense::solve_lower_transposed(root, out, n, n);
    dense::cholesky(out, n);
}
