//! The later stages as text, with names instead of ids.

use super::how_name;
use super::kind_name;
use super::table::Align;
use super::table::lay_out;
use crate::elbo::Elbo;
use crate::guide::Guide;
use crate::joint::Joint;
use crate::joint::TermForm;
use crate::joint::TermKind;
use crate::shape::PlateId;

/// What the passes did, then the program of the log density: one line per node.
pub fn tape(joint: &Joint) -> String {
    let mut out = String::from("passes\n");
    for (name, what) in joint.rewritings() {
        out.push_str(&format!("  {name}: {what}\n"));
    }
    out.push_str("nodes\n");
    out + &joint.density().dump()
}

/// The sites, the terms and what is reported.
pub fn joint(joint: &Joint) -> String {
    let mut out = format!("sites: {} unconstrained coordinates\n", joint.dim());
    let sites = joint.sites().iter().map(|site| {
        let above = site
            .above
            .iter()
            .map(|a| joint.sites()[a.site].name.as_str());
        vec![
            site.name.clone(),
            plate(joint, site.plate),
            format!("{} x {}", site.width, site.len),
            format!("from {}", site.offset),
            list("below ", above),
        ]
    });
    out.push_str(&rows(sites));
    out.push_str("terms\n");
    let terms = joint.terms().iter().map(|term| {
        let kind = match term.kind {
            TermKind::Observed => "observed",
            TermKind::Prior(_) => "prior",
            TermKind::Divergence => "divergence",
            TermKind::Factor => "factor",
        };
        let form = match &term.form {
            TermForm::General => "general".to_owned(),
            TermForm::Steps => "gradient steps".to_owned(),
            TermForm::Univariate => "univariate".to_owned(),
            TermForm::Gaussian(form) => format!("{:?} form, {} rows", form.form, form.rows),
        };
        vec![
            term.name.clone(),
            plate(joint, term.plate),
            kind.to_owned(),
            form,
        ]
    });
    out.push_str(&rows(terms));
    out.push_str("quantities\n");
    let quantities = joint.quantities().iter().map(|quantity| {
        vec![
            quantity.name.clone(),
            plate(joint, quantity.plate),
            format!("{} x {:?}", quantity.len, quantity.event),
            if quantity.latent { "latent" } else { "defined" }.to_owned(),
        ]
    });
    out.push_str(&rows(quantities));
    out
}

/// The factors of a guide, one line each.
pub fn guide(joint: &Joint, guide: &Guide) -> String {
    rows(guide.factors().iter().map(|factor| {
        let site = &joint.sites()[factor.site];
        let given = factor.given.iter().map(|k| joint.sites()[*k].name.as_str());
        vec![
            format!("q({}{})", site.name, list(" | ", given)),
            plate(joint, site.plate),
            factor.family.name().to_owned(),
            format!("{} parameters", factor.params),
        ]
    }))
}

/// The terms of a bound on this joint density, one line each.
pub fn elbo(joint: &Joint, elbo: &Elbo<'_>) -> String {
    rows(elbo.terms.iter().map(|term| {
        vec![
            kind_name(term.kind).to_owned(),
            term.name.clone(),
            plate(joint, term.plate),
            how_name(term.how).to_owned(),
        ]
    }))
}

fn plate(joint: &Joint, id: PlateId) -> String {
    if id == PlateId::TOP {
        return "top".to_owned();
    }
    joint.model().typed().plates()[id.index()].name.clone()
}

fn list<'a>(before: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("{before}{}", names.join(", "))
    }
}

fn rows(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    lay_out(&rows, &vec![Align::Left; columns])
        .into_iter()
        .map(|line| format!("  {line}\n"))
        .collect()
}
