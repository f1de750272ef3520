//! One evaluation of log densities over 100,000 rows: a millisecond is 10 ns a row, and the items of the throughput are rows.

mod workload;

use divan::Bencher;
use divan::counter::ItemsCount;
use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
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
