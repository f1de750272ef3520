//! From a table of 100,000 rows to a log density: binding, then lowering. A millisecond is 10 ns a row, and the items of the throughput are rows.

mod workload;

use divan::Bencher;
use divan::counter::ItemsCount;
use hvi::joint;
use hvi::model;
use workload::ROWS;
use workload::WORKLOADS;
use workload::Workload;

fn main() {
    divan::main();
}

#[divan::bench(args = WORKLOADS, sample_size = 1, sample_count = 20)]
fn bind(bencher: Bencher<'_, '_>, workload: &Workload) {
    let (typed, tables) = (workload.typed(), workload.tables());
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| model::bind(&typed, &tables));
}

#[divan::bench(args = WORKLOADS, sample_size = 1, sample_count = 20)]
fn lower(bencher: Bencher<'_, '_>, workload: &Workload) {
    let model = workload.bound();
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| joint::lower(&model));
}
