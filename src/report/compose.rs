//! From a fit and its diagnostics to a report.

use super::ElboReport;
use super::Parameter;
use super::Report;
use super::SamplerReport;
use super::TermReport;
use super::Times;
use super::VERSION;
use super::Verdict;
use super::display;
use super::response::Responding;
use super::steps;
use super::summary::Summary;
use super::summary::summarise;
use crate::diagnostics::Diagnostics;
use crate::diagnostics::Trust;
use crate::elbo::Elbo;
use crate::elbo::ElboKind;
use crate::elbo::How;
use crate::fit::Doubt;
use crate::fit::Fit;
use crate::fit::Outcome;
use crate::guide::Guide;
use crate::joint::Joint;
use crate::joint::Quantity;
use crate::model::Labels;
use crate::model::Model;
use crate::nuts::convergence::Convergence;
use crate::nuts::convergence::convergence;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::tape::Op;
use crate::typed::ColumnSource;
use crate::typed::PlateSource;
use crate::typed::SizeSource;
use indexmap::IndexMap;
use rayon::prelude::*;

/// Numbers held at once while draws are turned into summaries (128 MB).
const HELD: usize = 1 << 24;

/// What a report says of the run besides its result.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model's name.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// Seconds that the steps took.
    pub time: Times,
    /// The largest resident memory in megabytes.
    pub peak_rss_mb: Option<f64>,
    /// The central intervals to report, in percent: 90 gives `q5` and `q95`.
    pub intervals: Vec<f64>,
    /// The names to report; empty: every latent variable, and every definition outside `rows` plates.
    pub names: Vec<String>,
}

/// Composes the report of a fit of this joint density.
pub fn compose(
    joint: &Joint,
    elbo: &Elbo<'_>,
    fit: &Fit,
    diagnostics: &Diagnostics,
    run: Run,
) -> Report {
    let plates = joint.model().typed().plates();
    let named = |id: PlateId| (id != PlateId::TOP).then(|| plates[id.index()].name.clone());
    let terms = elbo.terms.iter().zip(&fit.elbo.terms);
    let bound = ElboReport {
        total: fit.elbo.total,
        mcse: fit.elbo.mcse,
        terms: terms
            .map(|(term, value)| TermReport {
                name: term.name.clone(),
                kind: kind_name(term.kind).to_owned(),
                plate: named(term.plate),
                value: *value,
                how: how_name(term.how).to_owned(),
            })
            .collect(),
        trace: fit.history.clone(),
    };
    let mut report = compose_sampled(joint, elbo.guide, diagnostics, run);
    if diagnostics.sampled.is_none() {
        let settled = fit.doubt != Some(Doubt::Unsettled);
        report.verdict.converged = fit.outcome == Outcome::Converged && settled;
    }
    report.iterates = steps::iterates(joint, fit);
    report.elbo = (diagnostics.sampled.is_none() || bound.total.is_finite()).then_some(bound);
    report
}

/// Composes the report of a sampler's draws; `guide` says which locals are integrated out.
pub fn compose_sampled(
    joint: &Joint,
    guide: &Guide,
    diagnostics: &Diagnostics,
    run: Run,
) -> Report {
    let model = joint.model();
    let plates = model.typed().plates();
    Report {
        version: VERSION,
        seed: run.seed,
        rows: model.report().rows,
        plates: (1..plates.len())
            .map(|i| (plates[i].name.clone(), model.plates()[i].len()))
            .collect(),
        elbo: None,
        sampler: diagnostics.sampled.as_ref().map(|s| SamplerReport {
            method: "nuts".to_owned(),
            chains: s.chains,
            warmup: s.warmup,
            draws: s.draws,
            divergences: s.divergences,
            max_depth: s.deepest,
            e_bfmi: s.e_bfmi,
            r_hat: s.r_hat,
            ess: s.ess,
            gradients: s.gradients,
            instead: s.instead.clone(),
        }),
        verdict: Verdict {
            trust: match diagnostics.trust {
                Trust::Yes => "yes",
                Trust::Caution => "caution",
                Trust::No => "no",
            }
            .to_owned(),
            k_hat: diagnostics.k_hat,
            converged: diagnostics.trust != Trust::No,
            text: diagnostics.text.clone(),
            reason: diagnostics.reason.name().to_owned(),
        },
        against: None,
        response: None,
        iterates: None,
        steps_astray: (diagnostics.astray.as_ref()).map(|found| steps::astray(joint, found)),
        time: run.time,
        peak_rss_mb: run.peak_rss_mb,
        parameters: parameters(joint, guide, diagnostics, &run),
        model: run.model,
    }
}

/// What reports call a kind of term.
pub fn kind_name(kind: ElboKind) -> &'static str {
    match kind {
        ElboKind::Reconstruction => "reconstruction",
        ElboKind::LocalKl | ElboKind::GlobalKl => "kl",
        ElboKind::Factor => "factor",
    }
}

/// What reports call a way to compute an expectation.
pub fn how_name(how: How) -> &'static str {
    match how {
        How::ClosedForm => "closed form",
        How::Quadrature => "quadrature",
        How::Integral => "exact integral",
        How::Nodes => "adaptive quadrature",
        How::Draws => "draws",
        How::Steps => "gradient steps",
        How::Point => "at a point",
    }
}

/// The quantiles of central intervals in percent, with their names: `q5`, `median`, `q95` for 90; each as a probability, ascending.
pub fn quantiles(intervals: &[f64]) -> Vec<(String, f64)> {
    let mut percents: Vec<f64> = intervals
        .iter()
        .flat_map(|i| [50.0 - i / 2.0, 50.0 + i / 2.0])
        .chain([50.0])
        .map(|percent| (percent * 1e6).round() / 1e6)
        .collect();
    percents.sort_by(f64::total_cmp);
    percents.dedup();
    percents
        .into_iter()
        .map(|percent| {
            let name = if percent == 50.0 {
                "median".to_owned()
            } else {
                format!("q{percent}")
            };
            (name, percent / 100.0)
        })
        .collect()
}

/// What is reported: each quantity by its place, with the place of a number in its output.
fn slots(joint: &Joint, names: &[String]) -> Vec<(usize, usize)> {
    joint
        .quantities()
        .iter()
        .enumerate()
        .filter(|(_, quantity)| is_reported(joint.model(), quantity, names))
        .flat_map(|(k, quantity)| in_order(quantity).map(move |place| (k, place)))
        .collect()
}

/// The reported numbers at draws of all unconstrained coordinates: one column for each.
fn columns(joint: &Joint, draws: &[Vec<f64>], slots: &[(usize, usize)]) -> Vec<Vec<f64>> {
    let mut wanted = vec![false; joint.quantities().len()];
    slots.iter().for_each(|(k, _)| wanted[*k] = true);
    let natural = joint.natural().restrict_outputs(&wanted);
    let kept_of = |k: usize| wanted[..k].iter().filter(|wanted| **wanted).count();
    let slots: Vec<(usize, usize)> = slots.iter().map(|(k, p)| (kept_of(*k), *p)).collect();
    // By parts of the draws: in each the numbers of a slot at all its draws, then those of the next.
    let parts: Vec<Vec<f64>> = draws
        .par_chunks(AT_ONCE)
        .map_init(
            || natural.workspace::<f64>(),
            |workspace, draws| {
                let mut part = vec![0.0; draws.len() * slots.len()];
                for (n, draw) in draws.iter().enumerate() {
                    natural.value(draw, workspace);
                    let column = part.iter_mut().skip(n).step_by(draws.len());
                    for (out, (k, place)) in column.zip(&slots) {
                        *out = workspace.output(*k)[*place];
                    }
                }
                part
            },
        )
        .collect();
    let column = |slot: usize| {
        let of = |part: &Vec<f64>| {
            let len = part.len() / slots.len();
            part[slot * len..(slot + 1) * len].to_vec()
        };
        parts.iter().flat_map(of).collect()
    };
    (0..slots.len()).into_par_iter().map(column).collect()
}

/// Draws whose numbers are taken together.
const AT_ONCE: usize = 64;

/// The draws of what is reported, on the natural scale: names with labels, and a column for each.
pub fn draws(
    joint: &Joint,
    diagnostics: &Diagnostics,
    names: &[String],
) -> Vec<(String, Vec<f64>)> {
    let slots = slots(joint, names);
    let columns = columns(joint, &diagnostics.draws, &slots);
    (slots.iter().zip(columns))
        .map(|((k, place), column)| {
            let quantity = &joint.quantities()[*k];
            let (index, label) = place_of(joint.model(), quantity, *place);
            (display(&quantity.name, &index, &label), column)
        })
        .collect()
}

/// Runs the draws through the outputs of [`Joint::natural`] and summarises each number.
fn parameters(
    joint: &Joint,
    guide: &Guide,
    diagnostics: &Diagnostics,
    run: &Run,
) -> Vec<Parameter> {
    let quantiles = quantiles(&run.intervals);
    let probabilities: Vec<f64> = quantiles.iter().map(|(_, p)| *p).collect();
    let mut out = Vec::new();
    if diagnostics.draws.is_empty() {
        return out;
    }
    let weights: Vec<f64> = diagnostics.log_weights.iter().map(|w| w.exp()).collect();
    let even = vec![1.0 / diagnostics.globals.len().max(1) as f64; diagnostics.globals.len()];
    let chains = diagnostics.sampled.as_ref().map(|s| s.chains);
    let integrated = |s: usize| guide.integrated().is_some_and(|i| i.forest.holds(s));
    let local = depending(joint, integrated);
    let slots = slots(joint, &run.names);
    let mut rest = slots.as_slice();
    while let Some((first, _)) = rest.first() {
        // Quantities of the globals alone are summarised over draws of their own.
        let own = !diagnostics.globals.is_empty() && !local[*first];
        let (draws, weights) = match own {
            true => (&diagnostics.globals, &even),
            false => (&diagnostics.draws, &weights),
        };
        let alike = (rest.iter())
            .take_while(|(k, _)| diagnostics.globals.is_empty() || local[*k] != own)
            .count();
        let (slots, after) = rest.split_at(alike.min((HELD / draws.len()).max(1)));
        rest = after;
        let found: Vec<(Summary, Option<Convergence>)> = columns(joint, draws, slots)
            .into_par_iter()
            .map(|column| {
                let summary = summarise(&column, weights, &probabilities);
                (summary, chains.map(|chains| convergence(&column, chains)))
            })
            .collect();
        for ((summary, convergence), (k, place)) in found.into_iter().zip(slots) {
            let quantity = &joint.quantities()[*k];
            let (index, label) = place_of(joint.model(), quantity, *place);
            let names = quantiles.iter().map(|(name, _)| name.clone());
            out.push(Parameter {
                name: quantity.name.clone(),
                index,
                label,
                mean: summary.mean,
                sd: summary.sd,
                quantiles: names.zip(summary.quantiles).collect(),
                mcse: convergence.map_or(summary.mcse, |c| c.mcse),
                ess: convergence.map_or(summary.ess, |c| c.ess_bulk),
                k_hat: diagnostics.k_hat,
                ess_tail: convergence.map(|c| c.ess_tail),
                r_hat: convergence.map(|c| c.r_hat),
            });
        }
    }
    out
}

/// The sds of what depends on the globals alone, at draws of these by linear response; `report` is of the same run.
pub fn responding(
    joint: &Joint,
    draws: &[Vec<f64>],
    report: &Report,
    names: &[String],
) -> Vec<Responding> {
    let local = depending(joint, |s| joint.sites()[s].plate != PlateId::TOP);
    let (slots, fitted): (Vec<(usize, usize)>, Vec<&Parameter>) = (slots(joint, names).into_iter())
        .zip(&report.parameters)
        .filter(|((k, _), _)| !local[*k])
        .unzip();
    let even = vec![1.0 / draws.len() as f64; draws.len()];
    (columns(joint, draws, &slots).iter().zip(fitted))
        .map(|(column, fitted)| Responding {
            name: fitted.name.clone(),
            index: fitted.index.clone(),
            label: fitted.label.clone(),
            guide_sd: fitted.sd,
            sd: summarise(column, &even, &[]).sd,
        })
        .collect()
}

/// For each quantity whether it depends on one of some sites, given by their places.
fn depending(joint: &Joint, holds: impl Fn(usize) -> bool) -> Vec<bool> {
    let sites = joint.sites().iter().enumerate();
    let held: Vec<usize> = sites
        .filter(|(s, _)| holds(*s))
        .map(|(_, site)| site.offset)
        .collect();
    let natural = joint.natural();
    let mut local: Vec<bool> = Vec::with_capacity(natural.nodes().len());
    for node in natural.nodes() {
        let own = match node.op {
            Op::Input(offset) => held.contains(&offset),
            Op::Constant(_)
            | Op::Data(_)
            | Op::Map(..)
            | Op::Event(..)
            | Op::Lift(..)
            | Op::Reduce(..) => node.op.args().iter().any(|arg| local[arg.index()]),
        };
        local.push(own);
    }
    natural.outputs().iter().map(|o| local[o.index()]).collect()
}

fn is_reported(model: &Model, quantity: &Quantity, names: &[String]) -> bool {
    if !names.is_empty() {
        return names.contains(&quantity.name);
    }
    let plate = &model.typed().plates()[quantity.plate.index()];
    quantity.latent || !matches!(plate.source, PlateSource::Rows(_))
}

/// The places of a quantity's numbers in its output, element by element and row-major within each.
fn in_order(quantity: &Quantity) -> impl Iterator<Item = usize> + use<> {
    let (len, width) = (quantity.len, quantity.event.iter().product::<usize>());
    (0..len).flat_map(move |element| (0..width).map(move |k| k * len + element))
}

/// The index, from 1, and the labels of the number at `place` of a quantity's output.
fn place_of(
    model: &Model,
    quantity: &Quantity,
    place: usize,
) -> (Vec<usize>, IndexMap<String, String>) {
    let (component, element) = (place / quantity.len, place % quantity.len);
    let mut index = Vec::new();
    let mut rest = component;
    for size in quantity.event.iter().rev() {
        index.insert(0, rest % size + 1);
        rest /= size;
    }
    let mut labels = IndexMap::new();
    if quantity.plate != PlateId::TOP {
        index.insert(0, element + 1);
        let plate = &model.typed().plates()[quantity.plate.index()];
        let label = model.plate(quantity.plate).labels.get(element);
        labels.insert(plate.name.clone(), label);
    }
    let depth = labels.len();
    for (position, dim) in event_of(model, &quantity.name).into_iter().enumerate() {
        let label = index
            .get(depth + position)
            .and_then(|i| dim_label(model, dim, i - 1));
        match label {
            Some((name, label)) if !labels.contains_key(&name) => labels.insert(name, label),
            Some(_) | None => break,
        };
    }
    (index, labels)
}

fn event_of(model: &Model, name: &str) -> Vec<Dim> {
    let typed = model.typed();
    let latent = typed.latents().iter().find(|l| l.name == name);
    let defined = || typed.definitions().iter().find(|d| d.name == name);
    match latent {
        Some(latent) => latent.event.to_vec(),
        None => defined().map_or(Vec::new(), |d| typed.expr(d.value).event.to_vec()),
    }
}

/// What the elements of a dimension are called, and the label of this one, when they have labels.
fn dim_label(model: &Model, dim: Dim, element: usize) -> Option<(String, String)> {
    let Dim::Size(size, 0) = dim else { return None };
    match model.typed().sizes()[size.index()].source {
        SizeSource::Plate(plate) => {
            let labels: &Labels = &model.plate(plate).labels;
            let name = model.typed().plates()[plate.index()].name.clone();
            (element < labels.len()).then(|| (name, labels.get(element)))
        }
        SizeSource::Levels(column) => {
            let label = model.column(column).levels.get(element)?.clone();
            Some((model.typed().columns()[column.index()].name.clone(), label))
        }
        SizeSource::Columns(column) => {
            let column = &model.typed().columns()[column.index()];
            match &column.from {
                ColumnSource::Many(names) => {
                    Some((column.name.clone(), names.get(element)?.clone()))
                }
                ColumnSource::Named(_) | ColumnSource::Pattern(_) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_name_their_quantiles() {
        let names: Vec<String> = quantiles(&[90.0, 95.0]).into_iter().map(|q| q.0).collect();
        assert_eq!(names, ["q2.5", "q5", "median", "q95", "q97.5"]);
    }

    #[test]
    fn numbers_are_listed_element_by_element() {
        let quantity = Quantity {
            name: "b".to_owned(),
            plate: PlateId(1),
            len: 3,
            event: vec![2],
            latent: true,
        };
        assert_eq!(in_order(&quantity).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
    }
}
