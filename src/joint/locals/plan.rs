//! Which locals can be integrated out: read off the nodes that the terms are made of.
//!
//! A term can be split over the elements of a plate if it sees each element's coordinates only through the element that its own
//! elements lie in. A plate with a term that mixes its elements joins the globals; of two plates that cross in a term the smaller does.
//!
//! Where everything is jointly normal nothing need be taken apart: such plates, and unbounded variables of the top level, are then one
//! element above all others. Which of them are is seen by trying: the widest choice comes first.

use super::Ancestor;
use super::Forest;
use super::LocalPlate;
use super::Probe;
use crate::dist::Support;
use crate::joint::Joint;
use crate::joint::TermKind;
use crate::shape::PlateId;
use crate::tape::Builder;
use crate::tape::Index;
use crate::tape::NodeId;
use crate::tape::Op;
use std::sync::Arc;

/// How a node depends on the coordinates of a plate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Sees {
    Nothing,
    /// Each element sees those of the plate's element that it lies in.
    Own,
    /// Some element sees those of others.
    Others,
}

/// A plate with locals.
struct Candidate {
    plate: PlateId,
    size: usize,
}

/// The most coordinates of the one element above all plates.
const WIDEST_ROOT: usize = 40;

/// The forests of a joint density, the best first; the last holds variables of plates alone.
pub fn plan(joint: &Joint) -> Vec<Forest> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for site in joint.sites.iter().filter(|s| s.plate != PlateId::TOP) {
        let size = site.width * site.len;
        match candidates.iter_mut().find(|c| c.plate == site.plate) {
            Some(candidate) => candidate.size += size,
            None => candidates.push(Candidate {
                plate: site.plate,
                size,
            }),
        }
    }
    let seen = Dependence::of_terms(joint, &candidates);
    let mut chosen: Vec<bool> = (0..candidates.len())
        .map(|c| seen.iter().all(|term| term[c] != Sees::Others))
        .collect();
    while let Some((a, b)) = crossing(&joint.builder, &candidates, &chosen, &seen) {
        let smaller = if candidates[a].size < candidates[b].size {
            a
        } else {
            b
        };
        chosen[smaller] = false;
    }
    let alone = forest(joint, &candidates, &chosen, &seen, &[]);
    let mut forests: Vec<Forest> = Vec::new();
    let left = (0..candidates.len()).filter(|c| !chosen[*c]);
    let left: Vec<PlateId> = left.map(|c| candidates[c].plate).collect();
    let unbounded = |s: &usize| {
        let site = &joint.sites[*s];
        let support = joint.model.typed().latents()[site.latent.index()].support;
        support == Support::Real && site.plate == PlateId::TOP
    };
    let crossing = |s: &usize| left.contains(&joint.sites[*s].plate);
    let sites = 0..joint.sites.len();
    let roots: [Vec<usize>; 2] = [
        sites
            .clone()
            .filter(|s| unbounded(s) || crossing(s))
            .collect(),
        sites.filter(crossing).collect(),
    ];
    for (k, root) in roots.iter().enumerate() {
        if roots[..k].contains(root) {
            continue;
        }
        let width: usize = root
            .iter()
            .map(|s| joint.sites[*s].width * joint.sites[*s].len)
            .sum();
        if (1..=WIDEST_ROOT).contains(&width) && !alone.plates.is_empty() {
            forests.push(forest(joint, &candidates, &chosen, &seen, root));
        }
    }
    forests.push(alone);
    forests
}

/// Two chosen plates that meet in one term, or above one chosen plate, though neither lies in the other.
fn crossing(
    builder: &Builder,
    candidates: &[Candidate],
    chosen: &[bool],
    seen: &[Vec<Sees>],
) -> Option<(usize, usize)> {
    let chosen: Vec<usize> = (0..candidates.len()).filter(|c| chosen[*c]).collect();
    let apart = |a: usize, b: usize| {
        let (a, b) = (candidates[a].plate, candidates[b].plate);
        !builder.determines(a, b) && !builder.determines(b, a)
    };
    let meet = |a: usize, b: usize| {
        let in_term = seen
            .iter()
            .any(|term| term[a] == Sees::Own && term[b] == Sees::Own);
        let below = chosen.iter().any(|c| {
            let below = candidates[*c].plate;
            builder.determines(below, candidates[a].plate)
                && builder.determines(below, candidates[b].plate)
        });
        in_term || below
    };
    chosen
        .iter()
        .flat_map(|a| chosen.iter().map(move |b| (*a, *b)))
        .find(|(a, b)| a < b && apart(*a, *b) && meet(*a, *b))
}

/// The forest of the chosen plates below one element that is the whole of the sites `root`, if there are any.
fn forest(
    joint: &Joint,
    candidates: &[Candidate],
    chosen: &[bool],
    seen: &[Vec<Sees>],
    root: &[usize],
) -> Forest {
    let builder = &joint.builder;
    let above = |c: usize| -> Vec<usize> {
        let mut list: Vec<usize> = (0..candidates.len())
            .filter(|a| *a != c && chosen[*a])
            .filter(|a| builder.determines(candidates[c].plate, candidates[*a].plate))
            .collect();
        let depth = |a: &usize| {
            let in_it =
                |b: &&usize| builder.determines(candidates[*a].plate, candidates[**b].plate);
            list.iter().filter(in_it).count()
        };
        let mut order: Vec<(usize, usize)> = list.iter().map(|a| (depth(a), *a)).collect();
        order.sort_unstable();
        list = order.into_iter().map(|(_, a)| a).collect();
        list
    };
    let mut order: Vec<usize> = (0..candidates.len()).filter(|c| chosen[*c]).collect();
    order.sort_by_key(|c| above(*c).len());
    let place_of = |c: usize| order.iter().position(|o| *o == c);
    let coordinates = |sites: &[usize]| -> Vec<u32> {
        let of = |s: &usize| {
            let site = &joint.sites[*s];
            site.offset as u32..(site.offset + site.width * site.len) as u32
        };
        sites.iter().flat_map(of).collect()
    };
    let below = usize::from(!root.is_empty());
    let mut plates: Vec<LocalPlate> = Vec::new();
    if below > 0 {
        let coordinates = coordinates(root);
        plates.push(LocalPlate {
            plate: PlateId::TOP,
            sites: root.to_vec(),
            count: 1,
            width: coordinates.len(),
            coordinates,
            above: Vec::new(),
        });
    }
    for c in &order {
        let plate = candidates[*c].plate;
        let count = builder.len_of(plate);
        let sites: Vec<usize> = (0..joint.sites.len())
            .filter(|s| joint.sites[*s].plate == plate)
            .collect();
        let root = (below > 0).then(|| Ancestor {
            place: 0,
            element: vec![0; count].into(),
        });
        let above = above(*c).into_iter().filter_map(|a| {
            let element = builder.above(plate, candidates[a].plate)?;
            Some(Ancestor {
                place: below + place_of(a)?,
                element: Arc::clone(element),
            })
        });
        plates.push(LocalPlate {
            plate,
            coordinates: coordinates(&sites),
            count,
            width: sites.iter().map(|s| joint.sites[*s].width).sum(),
            above: root.into_iter().chain(above).collect(),
            sites,
        });
    }
    let global = (0..joint.sites.len()).filter(|s| plates.iter().all(|p| !p.sites.contains(s)));
    let global: Vec<usize> = global.collect();
    let globals = coordinates(&global);
    let probes = global
        .iter()
        .flat_map(|s| probes(joint, *s, candidates, seen));
    let probes = probes.collect();
    let kinds = joint.terms.iter().map(|term| &term.kind);
    let terms = seen
        .iter()
        .zip(kinds)
        .map(|(term, kind)| {
            let deepest = order.iter().rposition(|c| term[*c] == Sees::Own);
            // Under an exact integral it does not matter which terms see the root: all but the priors of the globals may.
            let of_global = match kind {
                TermKind::Prior(site) => !root.contains(site),
                TermKind::Observed | TermKind::Divergence | TermKind::Factor => false,
            };
            deepest
                .map(|d| d + below)
                .or((below > 0 && !of_global).then_some(0))
        })
        .collect();
    Forest {
        plates,
        globals,
        probes,
        terms,
        mixes: below > 0,
        made: Arc::default(),
    }
}

/// The coordinates of a site that is not integrated out in sets for [`Forest::probes`].
fn probes(joint: &Joint, site: usize, candidates: &[Candidate], seen: &[Vec<Sees>]) -> Vec<Probe> {
    let site = &joint.sites[site];
    let place = candidates.iter().position(|c| c.plate == site.plate);
    // A plate may cross others and still be seen one element at a time.
    let apart = place.is_some_and(|c| seen.iter().all(|term| term[c] != Sees::Others));
    let (plate, size) = if apart {
        (site.plate, site.len)
    } else {
        (PlateId::TOP, 1)
    };
    let all = site.offset as u32..(site.offset + site.width * site.len) as u32;
    let probe = |first: u32| Probe {
        plate,
        coordinates: (first..first + size as u32).collect(),
    };
    all.step_by(size.max(1)).map(probe).collect()
}

/// What each node sees of each candidate.
struct Dependence<'a> {
    builder: &'a Builder,
    candidates: &'a [Candidate],
    seen: Vec<Vec<Sees>>,
}

impl<'a> Dependence<'a> {
    /// For each term what it sees of each candidate.
    fn of_terms(joint: &'a Joint, candidates: &'a [Candidate]) -> Vec<Vec<Sees>> {
        let last = joint.statements.iter().map(|n| n.index() + 1).max();
        let mut dependence = Dependence {
            builder: &joint.builder,
            candidates,
            seen: Vec::new(),
        };
        for node in 0..last.unwrap_or(0) {
            let sees = (0..candidates.len()).map(|c| dependence.sees(NodeId(node as u32), c));
            let sees = sees.collect();
            dependence.seen.push(sees);
        }
        let of = |node: &NodeId| dependence.seen[node.index()].clone();
        joint.statements.iter().map(of).collect()
    }

    fn sees(&self, id: NodeId, c: usize) -> Sees {
        let (node, plate) = (self.builder.node(id), self.candidates[c].plate);
        let of = |arg: &NodeId| self.seen[arg.index()][c];
        match &node.op {
            Op::Constant(_) | Op::Data(_) => Sees::Nothing,
            Op::Input(_) if node.plate == plate => Sees::Own,
            Op::Input(_) => Sees::Nothing,
            Op::Map(_, args) | Op::Event(_, args) => {
                args.iter().map(of).max().unwrap_or(Sees::Nothing)
            }
            Op::Lift(from, index) => match of(from) {
                Sees::Own if self.stays_in(node.plate, *from, index, plate) => Sees::Own,
                Sees::Own | Sees::Others => Sees::Others,
                Sees::Nothing => Sees::Nothing,
            },
            Op::Reduce(_, from, index) => match of(from) {
                Sees::Own if self.gathers_in(node.plate, *from, index, plate) => Sees::Own,
                Sees::Own | Sees::Others => Sees::Others,
                Sees::Nothing => Sees::Nothing,
            },
        }
    }

    /// Whether every element of `to` takes from an element that lies in the same element of `plate` as itself.
    fn stays_in(&self, to: PlateId, from: NodeId, index: &Index, plate: PlateId) -> bool {
        let source = self.builder.plate_of(from);
        let (Some(index), true) = (index, self.builder.determines(to, plate)) else {
            return false;
        };
        let known = self.builder.above(to, source);
        if known.is_some_and(|above| Arc::ptr_eq(above, index)) {
            return true;
        }
        let len = self.builder.len_of(source);
        let (own, others) = (self.element(to, plate), self.element(source, plate));
        (0..index.len()).all(|i| own(i) == others(index[i] as usize % len))
    }

    /// Whether every element of the reduced plate goes to an element that lies in the same element of `plate`.
    fn gathers_in(&self, to: PlateId, from: NodeId, index: &Index, plate: PlateId) -> bool {
        let source = self.builder.plate_of(from);
        let (Some(index), true) = (index, self.builder.determines(to, plate)) else {
            return false;
        };
        let (own, others) = (self.element(to, plate), self.element(source, plate));
        (0..index.len()).all(|i| others(i) == own(index[i] as usize))
    }

    /// The element of `plate` that an element of `of`, which determines it, lies in.
    fn element(&self, of: PlateId, plate: PlateId) -> impl Fn(usize) -> usize + '_ {
        let above = self.builder.above(of, plate).filter(|_| of != plate);
        move |i| above.map_or(i, |above| above[i] as usize)
    }
}
