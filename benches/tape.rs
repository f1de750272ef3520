//! One evaluation of log densities over 100,000 rows: a millisecond is 10 ns a row, and the items of the throughput are rows.

mod by_hand;
mod workload;

use by_hand::Rows;
use divan::Bencher;
use divan::counter::ItemsCount;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use workload::ROWS;
use workload::WORKLOADS;
use workload::Workload;

fn main() {
    divan::main();
}

/// A point near that from which a fit starts.
fn point(joint: &Joint) -> Vec<f64> {
    (joint.sites().iter())
        .flat_map(|site| &site.start)
        .enumerate()
        .map(|(k, start)| start + 0.01 * ((k * 37 % 19) as f64 - 9.0))
        .collect()
}

#[divan::bench(args = WORKLOADS, sample_size = 1, min_time = 1)]
fn gradient(bencher: Bencher<'_, '_>, workload: &Workload) {
    let joint = joint::lower(&workload.bound());
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let (z, mut gradient) = (point(&joint), vec![0.0; joint.dim()]);
    assert!(evaluator.gradient(&z, &mut gradient).is_finite());
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| evaluator.gradient(&z, &mut gradient));
}

/// The same by a loop written by hand, after it was held against the tape.
#[divan::bench(args = WORKLOADS.iter().filter(|w| by_hand::of(w.name).is_some()), sample_size = 1, min_time = 1)]
fn gradient_by_hand(bencher: Bencher<'_, '_>, workload: &Workload) {
    let joint = joint::lower(&workload.bound());
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let (z, mut gradient) = (point(&joint), vec![0.0; joint.dim()]);
    let value = evaluator.gradient(&z, &mut gradient);
    let by_hand = by_hand::of(workload.name).expect("the workload has a loop");
    let (rows, mut own) = (Rows::of(&workload.tables()), vec![0.0; z.len()]);
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-8 * b.abs().max(1.0);
    assert!(close(by_hand(&rows, &z, &mut own), value));
    assert!(own.iter().zip(&gradient).all(|(a, b)| close(*a, *b)));
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| by_hand(&rows, &z, &mut own));
}

/// Value and gradient of the logistic model at several vectors of parameters in one pass; rows are counted once for each.
#[divan::bench(args = [1, 8, 32], consts = [true, false], sample_size = 1, min_time = 1)]
fn gradients_at_many<const FUSED: bool>(bencher: Bencher<'_, '_>, draws: usize) {
    let passes = if FUSED {
        Passes::all()
    } else {
        Passes::all().without(Pass::Fuse).without(Pass::Collapse)
    };
    let joint = joint::lower_with(&WORKLOADS[0].bound(), passes);
    let tape = joint.density();
    let z = point(&joint);
    let zs: Vec<f64> = (0..draws)
        .flat_map(|draw| z.iter().map(move |z| z + 1e-3 * draw as f64))
        .collect();
    let mut workspace = tape.workspace_of::<f64>(draws);
    let (mut values, mut gradients) = (vec![0.0; draws], vec![0.0; zs.len()]);
    bencher
        .counter(ItemsCount::new(ROWS * draws))
        .bench_local(|| tape.gradients(&zs, &mut workspace, &mut values, &mut gradients));
}

#[divan::bench(args = WORKLOADS, sample_size = 1, min_time = 1)]
fn value(bencher: Bencher<'_, '_>, workload: &Workload) {
    let joint = joint::lower(&workload.bound());
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let z = point(&joint);
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| evaluator.value(&z));
}

#[divan::bench(args = WORKLOADS, sample_size = 1, min_time = 1)]
fn hessian_product(bencher: Bencher<'_, '_>, workload: &Workload) {
    let joint = joint::lower(&workload.bound());
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let (z, v, mut product) = (
        point(&joint),
        vec![1.0; joint.dim()],
        vec![0.0; joint.dim()],
    );
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| evaluator.hessian_product(&z, &v, &mut product));
}
