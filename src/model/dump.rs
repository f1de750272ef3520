//! A bound model as short text, by names and labels.

use super::Model;
use crate::shape::PlateId;
use std::fmt::Write;

/// How many labels or values of a list are shown.
const SHOWN: usize = 6;

/// The plates with their labels and the plates that hold them, the columns with first values and ranges, the scalings.
pub fn dump(model: &Model) -> String {
    let mut out = String::new();
    let typed = model.typed();
    let mut line = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{text}");
    };
    let name = |plate: PlateId| typed.plates()[plate.index()].name.clone();
    for (p, plate) in model.plates().iter().enumerate().skip(1) {
        let labels = (0..plate.len()).map(|i| plate.labels.get(i));
        line(format!(
            "plate {} [{}]: {}",
            name(PlateId(p as u32)),
            plate.len(),
            first(labels)
        ));
        for (above, map) in &plate.above {
            let held = &model.plate(*above).labels;
            let labels = map.iter().map(|e| held.get(*e as usize));
            line(format!("  in {}: {}", name(*above), first(labels)));
        }
    }
    for (size, value) in typed.sizes().iter().zip(&model.sizes) {
        let of_plate = matches!(size.source, crate::typed::SizeSource::Plate(_));
        if !of_plate {
            line(format!("size {} = {value}", size.name));
        }
    }
    for (column, bound) in typed.columns().iter().zip(&model.columns) {
        let place = match column.plate {
            PlateId::TOP => String::new(),
            plate => format!(" in {}", name(plate)),
        };
        let shape = if column.event.is_empty() {
            String::new()
        } else {
            let dims: Vec<String> = column
                .event
                .iter()
                .map(|d| model.dim(*d).to_string())
                .collect();
            format!("[{}]", dims.join(", "))
        };
        let (low, high) = range(&bound.values);
        line(format!(
            "data {}{shape}{place}: {} ({low} to {high})",
            column.name,
            first(bound.values.iter())
        ));
        if !bound.levels.is_empty() {
            line(format!("  levels: {}", first(bound.levels.iter())));
        }
    }
    for scaling in model.scalings() {
        let column = &typed.columns()[scaling.column.index()].name;
        line(format!(
            "scale {column}: mean {}, sd {}",
            first(scaling.mean.iter().map(|m| format!("{m:.6}"))),
            first(scaling.sd.iter().map(|s| format!("{s:.6}")))
        ));
    }
    out
}

fn first(items: impl ExactSizeIterator<Item = impl ToString>) -> String {
    let len = items.len();
    let shown: Vec<String> = items.take(SHOWN).map(|i| i.to_string()).collect();
    let dots = if len > SHOWN { " …" } else { "" };
    format!("{}{dots}", shown.join(" "))
}

fn range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(*v), high.max(*v))
        })
}
