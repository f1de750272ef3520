//! The fit folder: what later commands need of a fit, without its training rows.
//!
//! It is written beside its place and renamed, so that a killed run leaves an older fit whole.

use super::Report;
use super::VERSION;
use crate::fit::Fit;
use crate::guide::Guide;
use crate::joint::Joint;
use crate::model::Labels;
use crate::shape::PlateId;
use crate::typed::ColumnId;
use crate::typed::Order;
use crate::typed::Rate;
use crate::typed::Scaling;
use serde_json::Value;
use serde_json::json;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// What a fit folder holds, by file name.
#[derive(Clone, Debug)]
pub struct Folder {
    files: Vec<(&'static str, Vec<u8>)>,
}

/// Puts together the folder of a fit.
pub fn compose(report: &Report, joint: &Joint, guide: &Guide, fit: &Fit) -> io::Result<Folder> {
    let folder = compose_report(report, joint)?;
    let guide = pretty(&guide_json(joint, guide, fit))?;
    Ok(folder.with("guide.json", guide))
}

/// Puts together the folder of a sampler's draws, which stand chain after chain in the columns of `draws`.
pub fn compose_draws(
    report: &Report,
    joint: &Joint,
    draws: &[(String, Vec<f64>)],
) -> io::Result<Folder> {
    let folder = compose_report(report, joint)?;
    Ok(folder.with("draws.csv", draws_csv(report, draws)?))
}

fn pretty(value: &Value) -> io::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Puts together what the folders of all fits hold.
pub fn compose_report(report: &Report, joint: &Joint) -> io::Result<Folder> {
    let model = joint.model().typed().source().text().to_owned();
    let folder = Folder { files: Vec::new() };
    Ok(folder
        .with("version", format!("{VERSION}\n"))
        .with("model.hvi", model)
        .with(
            "fit.json",
            format!("{}\n", serde_json::to_string_pretty(report)?),
        )
        .with("summary.csv", summary(report)?)
        .with("levels.json", pretty(&levels_json(joint))?))
}

impl Folder {
    /// Adds a file.
    #[must_use]
    pub fn with(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Folder {
        self.files.push((name, content.into()));
        self
    }

    /// Writes it to `path`, in place of an older fit if there is one.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = sibling(path, "new");
        let old = sibling(path, "old");
        for stale in [&new, &old] {
            if stale.exists() {
                fs::remove_dir_all(stale)?;
            }
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::create_dir(&new)?;
        for (name, content) in &self.files {
            fs::write(new.join(name), content)?;
        }
        if path.exists() {
            fs::rename(path, &old)?;
            fs::rename(&new, path)?;
            fs::remove_dir_all(&old)
        } else {
            fs::rename(&new, path)
        }
    }
}

/// Whether a fit may be written to `path`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Nothing is there.
    Free,
    /// A fit is there.
    Fit,
    /// Something else is there.
    Other,
}

/// What is at `path`.
pub fn place(path: &Path) -> Place {
    if !path.exists() {
        Place::Free
    } else if path.join("version").is_file() && path.join("fit.json").is_file() {
        Place::Fit
    } else {
        Place::Other
    }
}

/// Reads a file of a stored fit.
pub fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, String> {
    fs::read(path.join(name))
        .map_err(|e| format!("`{name}` in `{}` cannot be read: {e}", path.display()))
}

/// Reads the report of a stored fit.
pub fn read(path: &Path) -> Result<Report, String> {
    let shown = path.display();
    if place(path) != Place::Fit {
        return Err(format!("`{shown}` is not a fit folder"));
    }
    let version = read_file(path, "version")?;
    let version = String::from_utf8_lossy(&version);
    if version.trim() != VERSION.to_string() {
        return Err(format!(
            "`{shown}` is a fit folder of version {}, this program reads version {VERSION}",
            version.trim()
        ));
    }
    serde_json::from_slice(&read_file(path, "fit.json")?)
        .map_err(|e| format!("`fit.json` in `{shown}` is damaged: {e}"))
}

fn sibling(path: &Path, word: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or(path.as_os_str()));
    name.push(format!(".{word}"));
    path.with_file_name(name)
}

/// The parameters in full precision.
fn summary(report: &Report) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let quantiles = report.parameters.first().map_or(Vec::new(), |p| {
        p.quantiles.keys().map(String::as_str).collect()
    });
    let mut heading = vec!["variable", "mean", "sd"];
    heading.extend(quantiles);
    heading.extend(["mcse", "ess"]);
    heading.extend(match report.sampler {
        Some(_) => ["ess_tail", "r_hat"].as_slice(),
        None => &["k_hat"],
    });
    writer.write_record(heading)?;
    for p in &report.parameters {
        let mut numbers = vec![p.mean, p.sd];
        numbers.extend(p.quantiles.values());
        numbers.extend([p.mcse, p.ess]);
        match (p.ess_tail, p.r_hat) {
            (Some(tail), Some(r_hat)) => numbers.extend([tail, r_hat]),
            (Some(_) | None, _) => numbers.push(p.k_hat),
        }
        let numbers = numbers.iter().map(f64::to_string);
        writer.write_record(std::iter::once(p.display()).chain(numbers))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Draws in full precision, with the chain and the draw that they belong to, from 1.
fn draws_csv(report: &Report, draws: &[(String, Vec<f64>)]) -> io::Result<String> {
    let chains = report.sampler.as_ref().map_or(1, |s| s.chains);
    let count = draws.first().map_or(0, |(_, column)| column.len());
    let each = (count / chains.max(1)).max(1);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = draws.iter().map(|(name, _)| name.as_str());
    writer.write_record(["chain", "draw"].into_iter().chain(names))?;
    for i in 0..count {
        let place = [i / each + 1, i % each + 1].map(|k| k.to_string());
        let numbers = draws.iter().map(|(_, column)| column[i].to_string());
        writer.write_record(place.into_iter().chain(numbers))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The Gaussian q over the unconstrained coordinates, z = mean + S ε: its factors, its mean, and each row of S as columns and values.
fn guide_json(joint: &Joint, guide: &Guide, fit: &Fit) -> Value {
    let site = |k: usize| joint.sites()[k].name.clone();
    let factors: Vec<Value> = guide
        .factors()
        .iter()
        .map(|factor| {
            let place = &joint.sites()[factor.site];
            json!({
                "site": place.name,
                "plate": joint.model().typed().plates()[place.plate.index()].name,
                "offset": place.offset,
                "len": place.len,
                "width": place.width,
                "family": factor.family.name(),
                "given": factor.given.iter().map(|k| site(*k)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let q = guide.gaussian(&fit.params);
    let pattern = guide.pattern();
    let rows: Vec<Value> = (0..guide.dim())
        .map(|r| json!([pattern.columns(r), &q.scale[pattern.row(r)]]))
        .collect();
    let mut stored =
        json!({ "version": VERSION, "factors": factors, "mean": q.mean, "scale": rows });
    let typed = joint.model().typed();
    if let Some(rule) = typed.amortized() {
        stored["amortized"] = json!({
            "plate": typed.plates()[rule.plate.index()].name,
            "steps": rule.steps,
            "rate": match &rule.rate {
                Rate::Given(rate) => json!(rate),
                Rate::Learned(rates) => {
                    json!(rates.iter().map(|(_, rate)| &typed.latents()[rate.index()].name).collect::<Vec<_>>())
                }
            },
            "order": match rule.order {
                Order::First => 1,
                Order::Second => 2,
            },
            "support": rule.support.map(|id| typed.columns()[id.index()].name.clone()),
        });
    }
    stored
}

/// The labels of plates and levels, and what `center` and `standardize` learned.
fn levels_json(joint: &Joint) -> Value {
    let model = joint.model();
    let typed = model.typed();
    let mut plates = serde_json::Map::new();
    for (plate, bound) in typed.plates().iter().zip(model.plates()).skip(1) {
        let value = match &bound.labels {
            Labels::Numbers(_) | Labels::Rows(_) => json!({ "size": bound.len() }),
            Labels::Texts(labels) => {
                let above: serde_json::Map<String, Value> = bound
                    .above
                    .iter()
                    .filter(|(id, _)| **id != PlateId::TOP)
                    .map(|(id, map)| (typed.plates()[id.index()].name.clone(), json!(&map[..])))
                    .collect();
                json!({ "labels": labels[..], "above": above })
            }
        };
        plates.insert(plate.name.clone(), value);
    }
    let columns: serde_json::Map<String, Value> = typed
        .columns()
        .iter()
        .enumerate()
        .filter_map(|(i, column)| {
            let id = ColumnId(u32::try_from(i).ok()?);
            let levels = &model.column(id).levels;
            (!levels.is_empty()).then(|| (column.name.clone(), json!(levels)))
        })
        .collect();
    let scalings: Vec<Value> = model
        .scalings()
        .iter()
        .map(|s| {
            json!({
                "column": typed.columns()[s.column.index()].name,
                "scaling": match s.scaling {
                    Scaling::Center => "center",
                    Scaling::Standardize => "standardize",
                },
                "mean": s.mean,
                "sd": s.sd,
            })
        })
        .collect();
    json!({ "version": VERSION, "plates": plates, "columns": columns, "scalings": scalings })
}
