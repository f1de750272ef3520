//! The tape against loops written by hand and against differences.

use hvi::num::Dual;
use hvi::num::Shared;
use hvi::shape::PlateId;
use hvi::tape::Builder;
use hvi::tape::NodeId;
use hvi::tape::Reduce;
use hvi::tape::Tape;
use hvi::tape::elementwise::ADD;
use hvi::tape::elementwise::EXP;
use hvi::tape::elementwise::LOG;
use hvi::tape::elementwise::MUL;
use hvi::tape::elementwise::SELECT;
use hvi::tape::elementwise::SUB;
use hvi::tape::event::EventOp;
use indexmap::IndexMap;
use std::sync::Arc;

/// Groups with rows: a row's group is its number modulo the number of groups.
struct Plates {
    builder: Builder,
    group: PlateId,
    row: PlateId,
}

fn plates(groups: usize, rows: usize) -> Plates {
    let mut builder = Builder::new();
    let group = builder.plate(groups, IndexMap::new());
    let index: Arc<[u32]> = (0..rows).map(|i| (i % groups) as u32).collect();
    let row = builder.plate(rows, IndexMap::from([(group, index)]));
    Plates {
        builder,
        group,
        row,
    }
}

fn column(n: usize) -> Shared {
    (0..n)
        .map(|i| ((i * 37 % 101) as f64 / 50.0) - 1.0)
        .collect()
}

fn point(dim: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.3 + 0.2 * ((k * 7 % 11) as f64 - 5.0) / 5.0)
        .collect()
}

fn gradient(tape: &Tape, z: &[f64]) -> (f64, Vec<f64>) {
    let mut gradient = vec![0.0; tape.dim()];
    let mut workspace = tape.workspace::<f64>();
    let value = tape.gradient(z, &mut workspace, &mut gradient);
    assert_eq!(
        value,
        tape.value(z, &mut workspace),
        "both runs give the same bits"
    );
    (value, gradient)
}

/// Holds the gradient against central differences, and Hessian-vector products against differences of gradients.
fn check(tape: &Tape, z: &[f64]) {
    let (_, by_tape) = gradient(tape, z);
    let h = 1e-5;
    let moved = |k: usize, by: f64| {
        let mut z = z.to_vec();
        z[k] += by;
        z
    };
    for k in 0..z.len() {
        let (up, gradient_up) = gradient(tape, &moved(k, h));
        let (down, gradient_down) = gradient(tape, &moved(k, -h));
        let difference = (up - down) / (2.0 * h);
        assert!(
            (by_tape[k] - difference).abs() <= 1e-6 * (1.0 + difference.abs()),
            "coordinate {k}: {} against {difference}",
            by_tape[k]
        );
        let dual: Vec<Dual> = z
            .iter()
            .enumerate()
            .map(|(j, v)| Dual {
                value: *v,
                tangent: f64::from(j == k),
            })
            .collect();
        let mut column = vec![Dual::default(); z.len()];
        tape.gradient(&dual, &mut tape.workspace(), &mut column);
        for j in 0..z.len() {
            assert!((column[j].value - by_tape[j]).abs() <= 1e-12 * (1.0 + by_tape[j].abs()));
            let difference = (gradient_up[j] - gradient_down[j]) / (2.0 * h);
            assert!(
                (column[j].tangent - difference).abs() <= 1e-5 * (1.0 + difference.abs()),
                "Hessian {j}, {k}: {} against {difference}",
                column[j].tangent
            );
        }
    }
}

fn square(builder: &mut Builder, x: NodeId) -> NodeId {
    builder.map(&MUL, &[x, x])
}

#[test]
fn a_value_is_the_sum_of_its_terms_over_all_elements() {
    let Plates {
        mut builder,
        group,
        row,
    } = plates(7, 1000);
    let mu = builder.input(PlateId::TOP, 1);
    let log_tau = builder.input(PlateId::TOP, 1);
    let alpha = builder.input(group, 1);
    let tau = builder.map(&EXP, &[log_tau]);
    let deviation = builder.map(&SUB, &[alpha, mu]);
    let scaled = builder.map(&MUL, &[deviation, tau]);
    let prior = square(&mut builder, scaled);
    let y = builder.data(row, 1, column(1000));
    let residual = builder.map(&SUB, &[alpha, y]);
    let likelihood = square(&mut builder, residual);
    let tape = builder.tape(&[mu, prior, likelihood], &[]);
    let z = point(9);
    let by_hand: f64 = z[0]
        + (0..7)
            .map(|g| ((z[2 + g] - z[0]) * z[1].exp()).powi(2))
            .sum::<f64>()
        + (0..1000)
            .map(|i| (z[2 + i % 7] - column(1000)[i]).powi(2))
            .sum::<f64>();
    assert!((gradient(&tape, &z).0 - by_hand).abs() <= 1e-12 * by_hand.abs());
    check(&tape, &z);
    let only = tape.restrict(&[false, true, false]);
    assert_eq!(only.terms().len(), 1);
    check(&only, &z);
}

#[test]
fn aggregates_feed_the_plate_above_and_below() {
    for how in [Reduce::Sum, Reduce::Min, Reduce::Max] {
        let Plates {
            mut builder,
            group,
            row,
        } = plates(3, 50);
        let beta = builder.input(PlateId::TOP, 1);
        let alpha = builder.input(group, 1);
        let x = builder.data(row, 1, column(50));
        let scaled = builder.map(&MUL, &[x, beta]);
        let curved = builder.map(&EXP, &[scaled]);
        let index = builder.above(row, group).cloned();
        let of_group = builder.reduce(how, curved, group, index);
        let of_all = builder.reduce(how, of_group, PlateId::TOP, None);
        let local = builder.map(&MUL, &[of_group, alpha]);
        let residual = builder.map(&SUB, &[curved, local]);
        let row_term = square(&mut builder, residual);
        let total = builder.map(&MUL, &[of_all, beta]);
        let tape = builder.tape(&[row_term, local, total], &[of_group]);
        let z = point(4);
        check(&tape, &z);
        let mut workspace = tape.workspace::<f64>();
        tape.value(&z, &mut workspace);
        for g in 0..3 {
            let of_rows = (g..50).step_by(3).map(|i| (column(50)[i] * z[0]).exp());
            let by_hand = match how {
                Reduce::Sum => of_rows.sum::<f64>(),
                Reduce::Min => of_rows.fold(f64::INFINITY, f64::min),
                Reduce::Max => of_rows.fold(f64::NEG_INFINITY, f64::max),
            };
            assert!((workspace.output(0)[g] - by_hand).abs() <= 1e-12 * by_hand);
        }
    }
}

#[test]
fn narrow_arguments_broadcast_over_wide_ones() {
    let Plates {
        mut builder,
        group,
        row,
    } = plates(4, 21);
    let w = builder.input(group, 3);
    let s = builder.input(PlateId::TOP, 1);
    let x = builder.data(row, 3, column(63));
    let weights = builder.constant(&[1.0, -2.0, 0.5]);
    let product = builder.map(&MUL, &[w, x]);
    let scaled = builder.map(&MUL, &[product, s]);
    let weighted = builder.map(&MUL, &[scaled, weights]);
    let term = builder.map(&EXP, &[weighted]);
    let tape = builder.tape(&[term], &[]);
    let z = point(13);
    let by_hand: f64 = (0..21)
        .flat_map(|i| (0..3).map(move |k| (i, k)))
        .map(|(i, k)| {
            (z[k * 4 + i % 4] * column(63)[k * 21 + i] * z[12] * [1.0, -2.0, 0.5][k]).exp()
        })
        .sum();
    assert!((gradient(&tape, &z).0 - by_hand).abs() <= 1e-12 * by_hand.abs());
    check(&tape, &z);
}

#[test]
fn a_branch_that_is_not_taken_has_no_influence() {
    let Plates {
        mut builder, row, ..
    } = plates(2, 10);
    let beta = builder.input(PlateId::TOP, 1);
    let x = builder.data(row, 1, column(10));
    let zero = builder.number(0.0);
    let ok = builder.map(&hvi::tape::elementwise::LESS, &[zero, x]);
    let log_x = builder.map(&LOG, &[x]);
    let inside = builder.map(&MUL, &[log_x, beta]);
    let both = builder.map(&SELECT, &[ok, inside, beta]);
    let tape = builder.tape(&[both], &[]);
    check(&tape, &[0.7]);
}

#[test]
fn a_number_that_goes_wrong_is_traced_to_its_row() {
    let Plates {
        mut builder,
        group,
        row,
    } = plates(2, 600);
    let alpha = builder.input(group, 1);
    let x = builder.data(
        row,
        1,
        (0..600)
            .map(|i| if i == 433 { -5.0 } else { 2.0 })
            .collect(),
    );
    let sum = builder.map(&ADD, &[alpha, x]);
    let log = builder.map(&LOG, &[sum]);
    let term = builder.map(&MUL, &[log, alpha]);
    let tape = builder.tape(&[term], &[]);
    assert_eq!(tape.blame(&[1.0, 6.0]), None);
    let blame = tape.blame(&[1.0, 1.0]).expect("a number goes wrong");
    assert_eq!((blame.element, blame.plate), (433, row));
    assert_eq!(blame.text, "log(-4.0000)");
}

/// A tape with everything that chunks share: sums and extremes by group in order and out of order, lifts of each kind, rows' own inputs.
fn shared(rows: usize) -> Tape {
    let mut builder = Builder::new();
    let [sorted, mixed] = [40, 30].map(|len| builder.plate(len, IndexMap::new()));
    let in_order: Arc<[u32]> = (0..rows).map(|i| (i * 40 / rows) as u32).collect();
    let at_random: Arc<[u32]> = (0..rows).map(|i| (i * 7919 % 30) as u32).collect();
    let above = IndexMap::from([(sorted, in_order), (mixed, at_random)]);
    let row = builder.plate(rows, above);
    let beta = builder.input(PlateId::TOP, 1);
    let (alpha, gamma) = (builder.input(sorted, 2), builder.input(mixed, 1));
    let own = builder.input(row, 1);
    let x = builder.data(row, 1, column(rows));
    let scaled = builder.map(&MUL, &[x, beta]);
    let moved = builder.map(&ADD, &[alpha, scaled]);
    let level = builder.map(&SUB, &[moved, gamma]);
    let error = builder.map(&SUB, &[level, own]);
    let term = square(&mut builder, error);
    let curved = builder.map(&EXP, &[scaled]);
    let product = builder.map(&MUL, &[curved, gamma]);
    let mut terms = vec![term];
    for (plate, how) in [
        (sorted, Reduce::Sum),
        (mixed, Reduce::Sum),
        (mixed, Reduce::Min),
        (sorted, Reduce::Max),
    ] {
        let index = builder.above(row, plate).cloned();
        let reduced = builder.reduce(how, product, plate, index);
        let term = square(&mut builder, reduced);
        terms.push(term);
        let back = builder.lift(reduced, row);
        let term = builder.map(&MUL, &[back, x]);
        terms.push(term);
    }
    builder.tape(&terms, &[product])
}

#[test]
fn sums_of_many_blocks_are_derived_right() {
    let tape = shared(300);
    check(&tape, &point(tape.dim()));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let tape = shared(100_000);
    let z = point(tape.dim());
    let runs: Vec<(f64, Vec<f64>)> = [1, 2, 3, 8]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads can be made");
            pool.install(|| gradient(&tape, &z))
        })
        .collect();
    assert!(runs[0].0.is_finite());
    for run in &runs[1..] {
        assert_eq!(run.0.to_bits(), runs[0].0.to_bits());
        let equal = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
        assert!(run.1.iter().zip(&runs[0].1).all(equal));
    }
}

#[test]
fn many_vectors_at_once_give_the_bits_of_one_by_one() {
    let tape = shared(20_000);
    let zs: Vec<Vec<f64>> = (0..3)
        .map(|draw| {
            let moved = |v: f64| v + 0.1 * f64::from(draw);
            point(tape.dim()).into_iter().map(moved).collect()
        })
        .collect();
    let (mut values, mut gradients) = ([0.0; 3], vec![0.0; 3 * tape.dim()]);
    let mut workspace = tape.workspace_of::<f64>(3);
    for _ in 0..2 {
        tape.gradients(&zs.concat(), &mut workspace, &mut values, &mut gradients);
        let apart = gradients.chunks_exact(tape.dim());
        for ((z, value), by_tape) in zs.iter().zip(values).zip(apart) {
            assert_eq!((value, by_tape.to_vec()), gradient(&tape, z));
        }
    }
}

/// Two layers, the weights of the first those of a group and of the second those of all, over 12 rows of each of 5 groups: in order, so that
/// a matrix is shared by a run of rows, or a row of each group in turn.
fn layers(in_order: bool) -> Tape {
    let mut builder = Builder::new();
    let group = builder.plate(5, IndexMap::new());
    let of_row = |i: usize| match in_order {
        true => (i / 12, i % 12),
        false => (i % 5, i / 5),
    };
    let index: Arc<[u32]> = (0..60).map(|i| of_row(i).0 as u32).collect();
    let row = builder.plate(60, IndexMap::from([(group, index)]));
    let product = |rows, inner| EventOp::Product {
        rows,
        inner,
        columns: 1,
    };
    let first = builder.input(group, 6 * 3);
    let second = builder.input(PlateId::TOP, 5 * 6);
    let numbers = (0..3 * 60).map(|at| {
        let (group, number) = of_row(at % 60);
        (1.3 * (at / 60) as f64 + 2.1 * group as f64 + 0.7 * number as f64).sin()
    });
    let x = builder.data(row, 3, numbers.collect());
    let sums = builder.event(product(6, 3), &[first, x]);
    let curved = builder.map(&EXP, &[sums]);
    let more = builder.event(product(5, 6), &[second, curved]);
    let total = builder.event(EventOp::Sum, &[more]);
    let term = square(&mut builder, total);
    builder.tape(&[term], &[])
}

#[test]
fn matrices_that_rows_share_are_derived_right_in_any_order_of_the_rows() {
    let tapes = [true, false].map(layers);
    let z = point(tapes[0].dim());
    let [(value, slope), (other, other_slope)] = [0, 1].map(|k| {
        check(&tapes[k], &z);
        gradient(&tapes[k], &z)
    });
    assert!((value - other).abs() <= 1e-13 * value.abs());
    for (a, b) in slope.iter().zip(&other_slope) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{a} is not {b}");
    }
}

#[test]
fn weighted_outputs_are_derived_from_the_weights_back() {
    let Plates {
        mut builder,
        group,
        row,
    } = plates(4, 40);
    let beta = builder.input(PlateId::TOP, 1);
    let alpha = builder.input(group, 1);
    let x = builder.data(row, 1, column(40));
    let scaled = builder.map(&MUL, &[x, beta]);
    let moved = builder.map(&ADD, &[alpha, scaled]);
    let curved = builder.map(&EXP, &[moved]);
    let index = builder.above(row, group).cloned();
    let of_group = builder.reduce(Reduce::Sum, curved, group, index);
    let log = builder.map(&LOG, &[of_group]);
    let tape = builder.tape(&[curved], &[curved, log, alpha]);
    let z = point(5);
    let mut workspace = tape.workspace::<f64>();
    // The weights are known only from the outputs.
    let weigh = |outputs: [&[f64]; 3]| {
        outputs.map(|output| {
            output
                .iter()
                .map(|y| 1.0 / (1.0 + y * y))
                .collect::<Vec<_>>()
        })
    };
    tape.value(&z, &mut workspace);
    let weights = weigh([0, 1, 2].map(|k| workspace.output(k)));
    let mut found = vec![0.0; 5];
    let slices: Vec<&[f64]> = weights.iter().map(Vec::as_slice).collect();
    tape.pull(&z, &slices, &mut workspace, &mut found);
    let mut weighted = |z: &[f64]| -> f64 {
        tape.value(z, &mut workspace);
        (0..3)
            .flat_map(|k| workspace.output(k).iter().zip(&weights[k]))
            .map(|(y, weight)| y * weight)
            .sum()
    };
    for k in 0..5 {
        let h = 1e-5;
        let mut at = |by: f64| {
            let mut z = z.clone();
            z[k] += by;
            weighted(&z)
        };
        let difference = (at(h) - at(-h)) / (2.0 * h);
        assert!((found[k] - difference).abs() <= 1e-7 * (1.0 + difference.abs()));
    }
}

#[test]
fn a_product_that_runs_with_a_sum_is_blamed_itself() {
    let Plates {
        mut builder,
        group,
        row,
    } = plates(2, 10);
    let alpha = builder.input(group, 1);
    let x = builder.data(row, 1, (0..10).map(f64::from).collect());
    let product = builder.map(&MUL, &[alpha, x]);
    let term = builder.map(&ADD, &[product, alpha]);
    let tape = builder.tape(&[term], &[]);
    assert_eq!(tape.blame(&[1.0, 1e307]), None);
    let blame = tape.blame(&[1.0, 4e307]).expect("a product overflows");
    assert!(blame.text.starts_with("mul("), "{}", blame.text);
    assert_eq!(blame.element, 5);
}
