//! A made-up binding, small and valid, with which a model can be lowered before there are data.

use super::BindingReport;
use super::BoundColumn;
use super::BoundPlate;
use super::BoundScaling;
use super::Labels;
use super::Model;
use crate::shape::Dim;
use crate::shape::PlateId;
use crate::typed::Column;
use crate::typed::ColumnId;
use crate::typed::DataKind;
use crate::typed::ExprKind;
use crate::typed::PlateSource;
use crate::typed::Scaling;
use crate::typed::SizeSource;
use crate::typed::Typed;
use indexmap::IndexMap;
use std::sync::Arc;

/// Elements of a plate of rows, columns of a pattern, levels of a category.
const FEW: usize = 3;

/// A model with data of its own making: every plate has two or three elements (a plate of `N` has N), every value is valid for its type, and settings are honoured.
///
/// It serves to say how the terms of a model without data would be computed; the numbers mean nothing.
pub fn sketch(typed: &Arc<Typed>) -> Model {
    let plates = plates(typed);
    let mut model = Model {
        typed: typed.clone(),
        sizes: sizes(typed, &plates),
        plates,
        columns: Vec::new(),
        scalings: Vec::new(),
        report: BindingReport::default(),
    };
    for (c, column) in typed.columns.iter().enumerate() {
        let column = values(&model, ColumnId(c as u32), column);
        model.columns.push(column);
    }
    for expr in &typed.exprs {
        if let ExprKind::Center(column, scaling) = expr.kind {
            let known = model.scalings.iter();
            if !known
                .clone()
                .any(|s| (s.column, s.scaling) == (column, scaling))
            {
                let scaling = unit_scaling(column, scaling, model.column(column).width);
                model.scalings.push(scaling);
            }
        }
    }
    model
}

fn plates(typed: &Typed) -> Vec<BoundPlate> {
    let ids = || (0..typed.plates.len()).map(|p| PlateId(p as u32));
    let len = |plate: PlateId| match typed.plates[plate.index()].source {
        PlateSource::Top => 1,
        PlateSource::Rows(_) => FEW,
        PlateSource::Levels(_) | PlateSource::Union(_) => FEW - 1,
        PlateSource::Count(n) => n,
    };
    // Element `e` lies in element `e` of what it determines, as far as all plates below reach;
    // a plate's reach is at least that of every plate above it, so that maps agree by whatever way.
    let reach = |plate: PlateId| {
        let below = ids().filter(|p| typed.determines(*p, plate));
        below.map(len).min().unwrap_or(1).max(1)
    };
    let bound = |plate: PlateId| {
        let len = len(plate);
        let above: IndexMap<PlateId, Arc<[u32]>> = ids()
            .filter(|p| *p != plate && *p != PlateId::TOP && typed.determines(plate, *p))
            .map(|p| (p, (0..len).map(|e| e.min(reach(p) - 1) as u32).collect()))
            .collect();
        let labels = match typed.plates[plate.index()].source {
            PlateSource::Top => Labels::Texts([String::new()].into()),
            PlateSource::Rows(_)
            | PlateSource::Levels(_)
            | PlateSource::Union(_)
            | PlateSource::Count(_) => Labels::Numbers(len),
        };
        BoundPlate { labels, above }
    };
    ids().map(bound).collect()
}

fn sizes(typed: &Typed, plates: &[BoundPlate]) -> Vec<usize> {
    let mut sizes: Vec<usize> = typed
        .sizes
        .iter()
        .map(|size| match size.source {
            SizeSource::Plate(plate) => plates[plate.index()].len(),
            SizeSource::Columns(_) | SizeSource::Levels(_) => FEW,
        })
        .collect();
    for (id, values) in &typed.given {
        let event = &typed.columns[id.index()].event;
        let others: usize = event
            .iter()
            .map(|dim| match dim {
                Dim::Fixed(n) => *n,
                Dim::Size(size, plus) => match typed.sizes[size.index()].source {
                    SizeSource::Columns(other) if other == *id => 1,
                    SizeSource::Plate(_) | SizeSource::Columns(_) | SizeSource::Levels(_) => {
                        sizes[size.index()].saturating_add_signed(*plus as isize)
                    }
                },
            })
            .product();
        for dim in event {
            if let Dim::Size(size, plus) = dim
                && typed.sizes[size.index()].source == SizeSource::Columns(*id)
            {
                let length = values.len() / others.max(1);
                sizes[size.index()] = length.saturating_add_signed(-plus as isize);
            }
        }
    }
    sizes
}

fn values(model: &Model, id: ColumnId, column: &Column) -> BoundColumn {
    let typed = model.typed();
    let len = model.plate(column.plate).len();
    let width: usize = column.event.iter().map(|dim| model.dim(*dim)).product();
    let levels: usize = match &column.kind {
        DataKind::Category(dim) | DataKind::Ordinal(dim, _) => model.dim(*dim).max(1),
        DataKind::Key(plate) => model.plate(*plate).len().max(1),
        DataKind::Real
        | DataKind::Positive
        | DataKind::Unit
        | DataKind::Count
        | DataKind::Binary => 1,
    };
    let made = |j: usize| match &column.kind {
        DataKind::Real => (j % 5) as f64 * 0.5 - 0.75,
        DataKind::Positive => (j % 5) as f64 * 0.5 + 0.5,
        DataKind::Unit => (j % 3) as f64 * 0.25 + 0.25,
        DataKind::Count | DataKind::Binary => (j % 2) as f64,
        DataKind::Category(_) | DataKind::Ordinal(..) => (j % levels + 1) as f64,
        DataKind::Key(_) => (j % levels) as f64,
    };
    let values = match typed.given.get(&id) {
        Some(given) if given.len() == width => given.clone(),
        Some(_) | None => (0..width)
            .flat_map(|k| (0..len).map(move |i| made(i + k)))
            .collect(),
    };
    let labels = match &column.kind {
        DataKind::Ordinal(_, labels) if !labels.is_empty() => labels.clone(),
        DataKind::Category(_) | DataKind::Ordinal(..) => {
            (1..=levels).map(|k| k.to_string()).collect()
        }
        DataKind::Real
        | DataKind::Positive
        | DataKind::Unit
        | DataKind::Count
        | DataKind::Binary
        | DataKind::Key(_) => Vec::new(),
    };
    BoundColumn {
        values: values.into(),
        width,
        levels: labels,
    }
}

fn unit_scaling(column: ColumnId, scaling: Scaling, width: usize) -> BoundScaling {
    BoundScaling {
        column,
        scaling,
        mean: vec![0.0; width],
        sd: vec![1.0; width],
    }
}
