//! A report as text: what was read, the verdict, the posterior, and the bound by terms.

use super::ElboReport;
use super::Parameter;
use super::Report;
use super::SamplerReport;
use super::TermReport;
use super::against;
use super::response;
use super::table::Align;
use super::table::decimals_for;
use super::table::fixed;
use super::table::lay_out;
use crate::model::BindingReport;
use crate::model::PlateReport;
use indexmap::IndexMap;

/// Whether escape sequences colour the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// As on a terminal.
    Color,
    /// Plain text.
    Plain,
}

/// A role that is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A heading.
    Heading,
    /// Less important than the rest.
    Faint,
    /// Good news.
    Good,
    /// To be read with care.
    Careful,
    /// Bad news.
    Bad,
}

impl Paint {
    /// `text` in the colour of its role.
    pub fn paint(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Heading => "1",
            Role::Faint => "2",
            Role::Good => "1;32",
            Role::Careful => "1;33",
            Role::Bad => "1;31",
        };
        match self {
            Paint::Color => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Paint::Plain => text.to_owned(),
        }
    }
}

/// Which parameters are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Those of the top level.
    TopLevel,
    /// All of them.
    All,
}

/// A count with its noun.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Digits in groups of three from 10 000 on.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What was read: the first lines of a fit.
pub fn binding(model: &str, data: Option<&str>, report: &BindingReport, paint: Paint) -> String {
    let mut out = paint.paint(Role::Heading, model);
    out.push_str(&match data {
        Some(file) => format!(": {} in {file}\n", count(report.rows, "row", "rows")),
        None => ": no data file\n".to_owned(),
    });
    let rows: Vec<Vec<String>> = report.plates.iter().map(plate_cells).collect();
    for line in lay_out(&rows, &[Align::Left, Align::Point, Align::Left]) {
        out.push_str(&format!("  {line}\n"));
    }
    for (name, counting, all) in &report.conditions {
        out.push_str(&format!(
            "  {name}: {} of {} elements count, `where` leaves out {}\n",
            grouped(*counting),
            grouped(*all),
            grouped(all.saturating_sub(*counting))
        ));
    }
    if !report.unused.is_empty() {
        let names = report.unused.join(", ");
        out.push_str(&paint.paint(Role::Faint, &format!("  columns not used: {names}")));
        out.push('\n');
    }
    out
}

fn plate_cells(plate: &PlateReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(((smallest, small), (largest, large))) = &plate.rows {
        notes.push(if smallest == largest {
            format!("{} each", count(*smallest, "row", "rows"))
        } else {
            format!(
                "from {} ({small}) to {} ({large})",
                count(*smallest, "row", "rows"),
                grouped(*largest)
            )
        });
    }
    if plate.empty > 0 {
        notes.push(format!("{} without rows", grouped(plate.empty)));
    }
    vec![plate.name.clone(), grouped(plate.len), notes.join(", ")]
}

/// The verdict, the posterior and the bound.
pub fn render(report: &Report, shown: Shown, paint: Paint) -> String {
    let mut out = verdict(report, paint);
    out.push('\n');
    out.push_str(&posterior(report, shown, paint));
    match (&report.sampler, &report.elbo) {
        (Some(sampler), _) => {
            let line = paint.paint(Role::Faint, &chains(sampler));
            out.push_str(&format!("\n{line}\n"));
        }
        (None, Some(elbo)) => {
            out.push('\n');
            out.push_str(&bound(elbo, paint));
        }
        (None, None) => {}
    }
    if let Some(against) = &report.against {
        out.push('\n');
        out.push_str(&against::render(report, against, shown, paint));
    }
    if let Some(responding) = &report.response {
        out.push('\n');
        out.push_str(&response::render(responding, paint));
    }
    out
}

/// How draws were made, in one line.
fn chains(sampler: &SamplerReport) -> String {
    format!(
        "NUTS: {} of {} after {} of warm-up, {}, {} of the largest depth, E-BFMI {} at least, {}",
        count(sampler.chains, "chain", "chains"),
        count(sampler.draws, "draw", "draws"),
        grouped(sampler.warmup),
        count(sampler.divergences, "divergence", "divergences"),
        count(sampler.max_depth, "tree", "trees"),
        fixed(sampler.e_bfmi, 2),
        count(sampler.gradients, "gradient", "gradients"),
    )
}

/// The verdict in one line.
pub fn verdict(report: &Report, paint: Paint) -> String {
    let (role, word) = match report.verdict.trust.as_str() {
        "yes" => (Role::Good, "trust"),
        "caution" => (Role::Careful, "caution"),
        _ => (Role::Bad, "do not trust"),
    };
    let text = &report.verdict.text;
    format!("{}: {text}\n", paint.paint(role, word))
}

fn posterior(report: &Report, shown: Shown, paint: Paint) -> String {
    let (listed, hidden): (Vec<&Parameter>, Vec<&Parameter>) = report
        .parameters
        .iter()
        .partition(|p| shown == Shown::All || !is_in_plate(report, p));
    let mut out = String::new();
    let quantiles: Vec<String> = report
        .parameters
        .first()
        .map_or(Vec::new(), |p| p.quantiles.keys().cloned().collect());
    if !listed.is_empty() {
        let mut heading = vec![String::new(), "mean".to_owned(), "sd".to_owned()];
        heading.extend(quantiles);
        heading.extend(match report.sampler {
            Some(_) => ["mcse", "ess", "ess_tail", "r_hat"]
                .map(str::to_owned)
                .to_vec(),
            None => ["mcse", "ess", "k_hat"].map(str::to_owned).to_vec(),
        });
        let mut aligns = vec![Align::Point; heading.len()];
        aligns[0] = Align::Left;
        let mut rows = vec![heading];
        rows.extend(listed.iter().map(|p| cells(p)));
        for (i, line) in lay_out(&rows, &aligns).into_iter().enumerate() {
            out.push_str(&if i == 0 {
                paint.paint(Role::Heading, &line)
            } else {
                line
            });
            out.push('\n');
        }
    }
    if !hidden.is_empty() {
        let mut by_name: IndexMap<&str, usize> = IndexMap::new();
        for parameter in &hidden {
            *by_name.entry(&parameter.name).or_default() += 1;
        }
        let counts: Vec<String> = by_name
            .iter()
            .map(|(name, n)| format!("{name} {}", grouped(*n)))
            .collect();
        let line = format!(
            "{} not shown ({}): list them with --all",
            count(hidden.len(), "group effect", "group effects"),
            counts.join(", ")
        );
        out.push_str(&paint.paint(Role::Faint, &line));
        out.push('\n');
    }
    out
}

/// Whether it belongs to an element of a plate (rather than to the top level with a labelled shape).
pub(super) fn is_in_plate(report: &Report, parameter: &Parameter) -> bool {
    parameter
        .label
        .keys()
        .next()
        .is_some_and(|name| report.plates.contains_key(name))
}

/// One row: decimals as far as the Monte Carlo error lets them mean something, at least two digits of the sd.
fn cells(parameter: &Parameter) -> Vec<String> {
    let spreads = parameter.sd > 1e-12 * parameter.mean.abs();
    let decimals = if spreads || parameter.mean.fract() == 0.0 {
        decimals_for(parameter.sd, 2).max(decimals_for(parameter.mcse, 1).min(6))
    } else {
        // A point has no error to round it by.
        decimals_for(parameter.mean, 4).min(6)
    };
    let mut row = vec![parameter.display(), fixed(parameter.mean, decimals)];
    row.push(fixed(parameter.sd, decimals));
    row.extend(parameter.quantiles.values().map(|q| fixed(*q, decimals)));
    row.push(fixed(parameter.mcse, decimals_for(parameter.mcse, 2)));
    row.push(fixed(parameter.ess, 0));
    match (parameter.ess_tail, parameter.r_hat) {
        (Some(tail), Some(r_hat)) => row.extend([fixed(tail, 0), fixed(r_hat, 3)]),
        (Some(_) | None, _) => row.push(fixed(parameter.k_hat, 2)),
    }
    row
}

fn bound(elbo: &ElboReport, paint: Paint) -> String {
    let decimals = decimals_for(elbo.mcse, 1).clamp(2, 4);
    let mut rows: Vec<Vec<String>> = elbo
        .terms
        .iter()
        .map(|term| term_cells(term, decimals))
        .collect();
    rows.push(vec![
        "ELBO".to_owned(),
        String::new(),
        String::new(),
        fixed(elbo.total, decimals),
        format!(
            "nats, Monte Carlo error {}",
            fixed(elbo.mcse, decimals_for(elbo.mcse, 1))
        ),
    ]);
    let aligns = [
        Align::Left,
        Align::Left,
        Align::Left,
        Align::Point,
        Align::Left,
    ];
    let mut out = paint.paint(Role::Heading, "evidence lower bound, in nats");
    out.push('\n');
    for line in lay_out(&rows, &aligns) {
        out.push_str(&format!("  {line}\n"));
    }
    out
}

fn term_cells(term: &TermReport, decimals: usize) -> Vec<String> {
    let (sign, kind) = match (term.kind.as_str(), &term.plate) {
        ("kl", None) => (-1.0, "- global KL"),
        ("kl", Some(_)) => (-1.0, "- local KL"),
        (kind, _) => (
            1.0,
            if kind == "factor" {
                "+ factor"
            } else {
                "+ reconstruction"
            },
        ),
    };
    // The KL stands with the sign that it has in the sum, so that the column adds up.
    vec![
        kind.to_owned(),
        term.name.clone(),
        term.plate
            .as_ref()
            .map_or(String::new(), |p| format!("over {p}")),
        fixed(sign * term.value, decimals),
        term.how.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Times;
    use crate::report::Verdict;

    fn report() -> Report {
        let parameter = |name: &str, index: Vec<usize>, label: &[(&str, &str)]| Parameter {
            name: name.to_owned(),
            index,
            label: label
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            mean: 1.464_652,
            sd: 0.039_123,
            quantiles: IndexMap::from([
                ("q5".to_owned(), 1.401_61),
                ("median".to_owned(), 1.463_98),
                ("q95".to_owned(), 1.529_96),
            ]),
            mcse: 0.001_22,
            ess: 1024.0,
            k_hat: 0.31,
            ess_tail: None,
            r_hat: None,
        };
        let term = |name: &str, kind: &str, plate: Option<&str>, value: f64| TermReport {
            name: name.to_owned(),
            kind: kind.to_owned(),
            plate: plate.map(str::to_owned),
            value,
            how: "closed form".to_owned(),
        };
        Report {
            version: 1,
            model: "radon".to_owned(),
            seed: 1,
            rows: 919,
            plates: IndexMap::from([("county".to_owned(), 85)]),
            elbo: Some(ElboReport {
                total: -1061.9,
                mcse: 0.02,
                terms: vec![
                    term("mu", "kl", None, 6.4),
                    term("alpha", "kl", Some("county"), 12.3),
                    term("log_radon", "reconstruction", Some("house"), -1043.2),
                ],
                trace: Vec::new(),
            }),
            sampler: None,
            verdict: Verdict {
                trust: "yes".to_owned(),
                k_hat: 0.31,
                converged: true,
                text: "the approximation matches the posterior".to_owned(),
                reason: "close".to_owned(),
            },
            against: None,
            response: None,
            iterates: None,
            steps_astray: None,
            time: Times::default(),
            peak_rss_mb: Some(12.0),
            parameters: vec![
                parameter("mu", vec![], &[]),
                parameter("alpha", vec![1], &[("county", "AITKIN")]),
            ],
        }
    }

    #[test]
    fn a_report_reads_at_a_glance() {
        insta::assert_snapshot!(render(&report(), Shown::TopLevel, Paint::Plain), @r"
        trust: the approximation matches the posterior

             mean     sd     q5  median    q95    mcse   ess  k_hat
        mu  1.465  0.039  1.402   1.464  1.530  0.0012  1024   0.31
        1 group effect not shown (alpha 1): list them with --all

        evidence lower bound, in nats
          - global KL       mu                         -6.40  closed form
          - local KL        alpha      over county    -12.30  closed form
          + reconstruction  log_radon  over house   -1043.20  closed form
          ELBO                                      -1061.90  nats, Monte Carlo error 0.02
        ");
    }

    #[test]
    fn all_lists_the_groups_by_label() {
        let text = posterior(&report(), Shown::All, Paint::Plain);
        assert!(text.contains("alpha[county=AITKIN]"), "{text}");
        assert!(!text.contains("--all"), "{text}");
    }

    #[test]
    fn json_reads_back_as_written() {
        let report = report();
        let json = serde_json::to_string(&report).expect("a report is plain data");
        let back: Report = serde_json::from_str(&json).expect("it reads its own JSON");
        assert_eq!(back, report);
    }

    #[test]
    fn numbers_that_are_not_finite_are_null_in_json() {
        let mut report = report();
        report.elbo.as_mut().expect("a bound").total = f64::NAN;
        let json = serde_json::to_string(&report).expect("a report is plain data");
        assert!(json.contains("\"total\":null"));
        let back: Report = serde_json::from_str(&json).expect("null is read as NaN");
        assert!(back.elbo.expect("a bound").total.is_nan());
    }
}
