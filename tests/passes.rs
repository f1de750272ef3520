//! Every choice of passes gives the same log density, gradient and Hessian-vector product.

mod chain;

use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::joint::TermKind;
use hvi::model::Model;
use hvi::shape::PlateId;
use hvi::typed::ColumnId;
use proptest::prelude::Strategy;
use proptest::prelude::prop_oneof;
use proptest::proptest;
use proptest::strategy::Just;
use proptest::test_runner::Config;
use std::fmt::Write;
use std::sync::Arc;

/// What two choices of passes may differ by, relative to the larger of 1 and what is compared.
const TOLERANCE: f64 = 1e-9;

/// Numbers between −0.6 and 0.6 that differ in every coordinate.
fn point(dim: usize, seed: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.6 * ((((k + 1) * 31 + seed * 13) % 29) as f64 / 14.0 - 1.0))
        .collect()
}

/// The value, the gradient and the Hessian times a direction, one after another.
fn numbers(joint: &Joint, seed: usize) -> Vec<f64> {
    let (z, v) = (point(joint.dim(), seed), point(joint.dim(), seed + 7));
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let (mut gradient, mut product) = (vec![0.0; z.len()], vec![0.0; z.len()]);
    let value = evaluator.gradient(&z, &mut gradient);
    evaluator.hessian_product(&z, &v, &mut product);
    [vec![value], gradient, product].concat()
}

/// Holds every choice of passes against none.
fn all_agree(model: &Arc<Model>) {
    let plain = joint::lower_with(model, Passes::none());
    for seed in 0..2 {
        let expected = numbers(&plain, seed);
        assert!(expected.iter().all(|x| x.is_finite()), "{expected:?}");
        for passes in Passes::subsets() {
            let joint = joint::lower_with(model, passes);
            assert_eq!(joint.passes(), passes);
            let found = numbers(&joint, seed);
            assert_eq!(found.len(), expected.len());
            for (k, (a, b)) in found.iter().zip(&expected).enumerate() {
                assert!(
                    (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
                    "number {k} is {a} with {:?}, {b} without any pass, of\n{}",
                    passes.iter().map(Pass::name).collect::<Vec<_>>(),
                    model.typed().source().text()
                );
            }
        }
    }
}

const NESTED: (&str, &str) = (
    "mu, gamma, beta ~ Normal(0, 2 * 5)
     tau, sigma ~ HalfNormal(1)
     plate county {
       data uranium: real
       alpha ~ Normal(mu + gamma * log(uranium), tau)
       plate house = rows {
         data floor: real
         data log_radon: real
         log_radon ~ StudentT(4, alpha + beta * exp(floor) + log(uranium), sigma) where floor < 2
       }
     }",
    "county,uranium,floor,log_radon\nB,0.5,0,1.2\nA,0.3,1,0.4\nB,0.5,1,0.9\nA,0.3,0,0.8\nC,0.1,2,1.9\n",
);

const CROSSED: (&str, &str) = (
    "plate student { theta ~ Normal(0, 1) }
     plate item { b ~ Normal(0, 2)  ; a ~ LogNormal(0, 0.5) }
     plate response = rows in student, item {
       data y: binary
       y ~ Bernoulli(logit = a * (theta - b))
     }",
    "student,item,y\n10,1,1\n9,1,0\n10,2,yes\n9,2,no\n",
);

const KEYS: (&str, &str) = (
    "scale ~ HalfNormal(1)
     plate player = union(winner, loser) { skill ~ Normal(0, scale) }
     plate game = rows {
       data winner, loser: player
       data stake: positive
       factor log(1 + stake) * log_prob(Bernoulli(logit = skill[winner] - skill[loser]), 1)
     }",
    "winner,loser,stake\nann,bob,1\nbob,cy,2\nann,cy,0.5\n",
);

const AGGREGATES: (&str, &str) = (
    "b ~ Normal(0, 1)
     plate topic = 2 { s ~ Normal(0, 1) }
     plate school {
       data size: real
       e ~ Normal(b * mean(pupil: x * x) + sd(pupil: x), 1)
       plate pupil = rows {
         data x: real
         data y: real
         y ~ Normal(e + sum(topic: s * weight[topic] * x), 1 + log_sum_exp(topic: s)^2)
       }
       weight[topic] ~ Normal(size, 1)
     }",
    "school,size,x,y\na,1,0.5,0.2\nb,2,1.5,0.4\na,1,-0.5,0.9\nb,2,0.25,0.1\n",
);

const VECTORS: (&str, &str) = (
    "const K = 2
     m[K] ~ Normal([1, -1], [2, 3])
     w[3, K] ~ Normal(m, 0.5)
     tau[K] ~ HalfNormal(2)
     L[K, K] ~ LKJCholesky(2)
     plate g {
       u[K] ~ MultiNormal(0, sd = tau, corr_cholesky = L)
       plate obs = rows {
         data k: category(3)
         data x: real[K] = columns(x1, x2)
         data n: count
         n ~ Poisson(log = dot(w[k, :] + u, tanh(x)) + m[2] * u[1])
       }
     }",
    "g,k,x1,x2,n\na,1,0.5,1,0\nb,3,-0.2,2,1\na,2,0.1,-1,3\n",
);

const MIXTURE: (&str, &str) = (
    "p ~ Beta(2, 3)
     low ~ Normal(-1, 1)
     gap ~ HalfNormal(1)
     fn bent(t) = (if t > 0 then exp(-t) * low else t * gap)
     plate obs = rows {
       data x: real
       data y: real
       factor log_mix(p, log_prob(Normal(low, 1), y), log_prob(Normal(low + gap, 0.5), y))
       y ~ Normal(bent(x) + bent(x), 2)
     }",
    "x,y\n0.5,0.2\n-1,0.4\n2,-0.9\n",
);

#[test]
fn any_choice_of_passes_gives_the_same_numbers() {
    for (text, csv) in [
        NESTED, CROSSED, KEYS, AGGREGATES, VECTORS, MIXTURE, UNSORTED,
    ] {
        all_agree(&chain::bound(text, csv, &[]));
    }
}

#[test]
fn lowering_makes_every_pass_unless_told() {
    let (text, csv) = NESTED;
    let all = joint::lower_with(&chain::bound(text, csv, &[]), Passes::all());
    assert_eq!(
        chain::joint(text, csv).density().dump(),
        all.density().dump()
    );
}

/// The nodes of the density whose line in the dump holds `word`.
fn lines(model: &Arc<Model>, passes: Passes, word: &str) -> usize {
    let joint = joint::lower_with(model, passes);
    let dump = joint.density().dump();
    dump.lines().filter(|line| line.contains(word)).count()
}

#[test]
fn folding_works_out_what_depends_on_data_alone() {
    let model = chain::bound(
        "mu ~ Normal(10, 3)
         plate obs = rows { data x: positive; data y: real; y ~ Normal(mu * (x + sin(x)), 1) }",
        "x,y\n1,2\n3,4\n",
        &[],
    );
    let unfolded = Passes::all().without(Pass::Fold);
    let sines = |passes| lines(&model, passes, "= sin ");
    assert_eq!((sines(unfolded), sines(Passes::all())), (1, 0));
    let nodes = |passes| joint::lower_with(&model, passes).density().nodes().len();
    // The column, its sine and their sum are one node.
    assert_eq!(nodes(Passes::all()) + 2, nodes(unfolded));
}

#[test]
fn sharing_makes_equal_nodes_once() {
    let model = chain::bound(
        "mu, nu ~ Normal(0, 1)
         plate obs = rows { data y: real; y ~ Normal(sin(mu + nu) * sin(mu + nu), 1) }",
        "y\n1\n2\n",
        &[],
    );
    let sines = |passes| lines(&model, passes, "= sin ");
    assert_eq!(sines(Passes::all()), 1);
    assert_eq!(sines(Passes::all().without(Pass::Share)), 2);
}

#[test]
fn fusing_names_what_runs_in_a_pass_of_its_own() {
    let model = chain::bound(
        "b, c ~ Normal(0, 1)
         plate obs = rows { data x, y: real; y ~ Normal(b + c * x, 1) }",
        "x,y\n1,2\n3,4\n",
        &[],
    );
    let all = joint::lower_with(&model, Passes::all());
    let plain = joint::lower_with(&model, Passes::all().without(Pass::Fuse));
    assert_eq!(plain.path(), "block tape");
    assert!(
        all.path().starts_with("block tape, `y` as "),
        "{}",
        all.path()
    );
}

/// Three plates, none of which the rows are sorted by, and a definition in the rows.
const UNSORTED: (&str, &str) = (
    "mu ~ Normal(0, 1)
     plate county { a ~ Normal(mu, 1); plate house { h ~ Normal(a, 1) } }
     plate item { b ~ Normal(0, 1) }
     plate obs = rows in house, item {
       data x: real
       data y: positive
       data n: count
       data u: real[2] = columns(x, y)
       e = h + b * x
       v = [e, log(y) + n]
       y ~ Normal(e + level + dot(u, [mu, b]), 1 + spread) where n > 0
     }
     level = mean(county: a)
     spread = mean(obs: x * x * b * b)",
    "county,house,item,x,y,n\nB,1,2,0.5,1.2,1\nA,2,1,1,0.4,2\nB,3,1,0.25,1,3\nA,4,2,-0.5,2,4\n\
     B,3,1,-1,0.1,0\nA,2,2,2,0.3,6\nB,1,1,0.75,0.9,7\nA,2,1,-2,1.9,8\nA,2,1,-1.5,1.5,9\n",
);

#[test]
fn rows_are_sorted_by_the_plates_that_hold_them() {
    let (text, csv) = UNSORTED;
    let model = chain::bound(text, csv, &[]);
    let name = |joint: &Joint, name: &str| {
        let plates = joint.model().typed().plates();
        let found = plates.iter().position(|plate| plate.name == name);
        PlateId(found.expect("a plate of the model") as u32)
    };
    let sorted = joint::lower_with(&model, Passes::all());
    let obs = name(&sorted, "obs");
    // By house, which has most elements and lies in a county, then by item, then as in the file.
    assert_eq!(
        sorted.model().sorted_by(obs),
        [name(&sorted, "house"), name(&sorted, "item")]
    );
    let order: Vec<u32> = sorted.order(obs).expect("sorted").to_vec();
    assert_eq!(order, [6, 0, 1, 7, 8, 5, 2, 4, 3]);
    // What is asked for by row comes in the order of the file.
    let plain = joint::lower_with(&model, Passes::all().without(Pass::Sort));
    assert!(plain.order(obs).is_none());
    let values = |joint: &Joint| -> Vec<Vec<f64>> {
        let tape = joint.requested(|_| true);
        let mut workspace = tape.workspace::<f64>();
        tape.value(&point(joint.dim(), 3), &mut workspace);
        (0..tape.outputs().len())
            .map(|k| workspace.output(k).to_vec())
            .collect()
    };
    let (found, expected) = (values(&sorted), values(&plain));
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [9, 18]);
    for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((a - b).abs() <= TOLERANCE * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn many_rows_are_sorted_like_few() {
    // A plate of two elements holds thousands of rows each, one of 300 holds few.
    let mixed = |i: usize, n: usize| (i * i * 7919 + i * 104_729) % 1_000_003 % n;
    let rows: Vec<[usize; 3]> = (0..6000)
        .map(|i| [1 + mixed(i, 300), 1 + mixed(i + 77, 2), i])
        .collect();
    for (plates, keys) in [("g, h", vec![0, 1]), ("h", vec![1])] {
        let mut csv = String::from("g,h,y,n\n");
        for [g, h, i] in &rows {
            writeln!(csv, "{g},{h},{i}.5,{}", i % 50).expect("a string takes text");
        }
        let text = format!(
            "plate g = 300 {{ a ~ Normal(0, 1) }}
             plate h = 2 {{ b ~ Normal(0, 1) }}
             plate obs = rows in {plates} {{ data y: real; data n: count; z = y + n; y ~ Normal(b, 100) }}"
        );
        let joint = chain::joint(&text, &csv);
        let obs = PlateId(joint.model().plates().len() as u32 - 1);
        let mut expected: Vec<usize> = (0..rows.len()).collect();
        expected.sort_by_key(|i| keys.iter().map(|k| rows[*i][*k]).collect::<Vec<_>>());
        let order = joint.order(obs).expect("sorted");
        assert!(
            order
                .iter()
                .map(|row| *row as usize)
                .eq(expected.iter().copied())
        );
        // Every column has moved with its rows.
        for column in [0, 1] {
            let values = &joint.model().column(ColumnId(column)).values;
            for (value, row) in values.iter().zip(&expected) {
                let of_row = [*row as f64 + 0.5, (row % 50) as f64];
                assert_eq!(*value, of_row[column as usize]);
            }
        }
    }
}

/// Rows of groups of many sizes: shorter and longer than anything that a loop cuts them by.
fn groups_of_sizes(sizes: &[usize]) -> String {
    let mut csv = "group,x,u,y,n,t\n".to_string();
    let rows = (sizes.iter().enumerate()).flat_map(|(group, size)| (0..*size).map(move |_| group));
    for (i, group) in rows.enumerate() {
        let (x, u) = (
            (i * 37 % 101) as f64 / 50.0 - 1.0,
            (i * 53 % 89) as f64 / 44.0 - 1.0,
        );
        let (y, n, t) = (
            usize::from(i * 7 % 11 < 5),
            i * 5 % 7,
            x - 0.3 * u + (i % 13) as f64 / 9.0,
        );
        writeln!(csv, "{group},{x},{u},{y},{n},{t}").expect("a string takes all text");
    }
    csv
}

#[test]
fn runs_of_any_length_give_the_numbers_of_their_operations() {
    let sizes = [
        3000, 1, 40, 999, 1001, 5, 17_000, 64, 65, 63, 1000, 8, 20_000, 31,
    ];
    let csv = groups_of_sizes(&sizes);
    for likelihood in [
        "y ~ Bernoulli(logit = a + b * x + beta * u + gamma * x)",
        "n ~ Poisson(log = a + b * x + beta * u + u)",
        "t ~ Normal(a + b * x + beta * u + 0.5 * u, sigma)",
        "t ~ StudentT(4, a + b * x + beta * u, sigma)",
        "t ~ Normal(a, 0.7)",
        "n ~ NegBinomial(log = beta + gamma * x, shape = sigma)",
    ] {
        let text = format!(
            "beta, gamma ~ Normal(0, 1)
             sigma ~ HalfNormal(1)
             plate group {{
               a, b ~ Normal(0, 1)
               plate obs = rows {{
                 data x, u, t: real
                 data y: binary
                 data n: count
                 {likelihood}
               }}
             }}"
        );
        let model = chain::bound(&text, &csv, &[]);
        let fused = Passes::none().with(Pass::Fuse);
        let [plain, fused] =
            [Passes::none(), fused].map(|passes| numbers(&joint::lower_with(&model, passes), 1));
        for (k, (a, b)) in fused.iter().zip(&plain).enumerate() {
            assert!(
                (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
                "number {k} is {a} and {b} without passes, of {likelihood}"
            );
        }
    }
}

#[test]
fn rows_that_are_sorted_or_told_apart_by_their_number_stay() {
    let order = |text: &str, csv: &str| {
        let joint = chain::joint(text, csv);
        let orders = (1..joint.model().plates().len()).map(|p| joint.order(PlateId(p as u32)));
        orders.flatten().next().map(|order| order.to_vec())
    };
    let rows = "g,y\nb,1\na,2\nb,3\n";
    let with = |inside: &str, outside: &str| {
        format!(
            "{outside}
             plate g {{ m ~ Normal(0, 1); plate obs = rows {{ data y: real; {inside}; y ~ Normal(m, 1) }} }}"
        )
    };
    assert_eq!(order(&with("z = y", ""), rows), Some(vec![1, 0, 2]));
    assert_eq!(order(&with("z = y", ""), "g,y\na,1\na,2\nb,3\n"), None);
    assert_eq!(order(&with("e ~ Normal(y, 1)", ""), rows), None);
    let indexed = "plate g { m ~ Normal(w[1], 1); plate obs = rows { data y: real; y ~ Normal(m + w[obs], 1) } }
                   w[obs] ~ Normal(0, 1)";
    assert_eq!(order(indexed, rows), None);
    // Rows of a table to which those of another point.
    let pointed = "plate g { m ~ Normal(0, 1) }
                   plate school = rows(schools) in g { data size: real; factor m * size }
                   plate obs = rows { data y: real; y ~ Normal(0, 1) }";
    let model = chain::bound(pointed, "y\n1\n2\n", &[("schools", "g,size\nb,1\na,2\n")]);
    let joint = joint::lower(&model);
    assert_eq!(
        joint.order(PlateId(2)).map(|order| order.to_vec()),
        Some(vec![1, 0])
    );
}

#[test]
fn a_sorted_row_is_named_by_its_number_in_the_file() {
    let joint = chain::joint(
        "plate g { m ~ Normal(0, 1); plate obs = rows { data y: real; factor log(m + y) } }",
        "g,y\nb,1\na,2\na,-9\nb,3\n",
    );
    assert!(joint.order(PlateId(2)).is_some());
    let blame = joint.blame(&[0.0, 0.0]).expect("log(-9) is no number");
    assert!(blame.ends_with("at obs 3, g a"), "{blame}");
}

#[test]
fn an_element_of_a_sum_at_the_top_level_is_blamed() {
    let joint = chain::joint(
        "m ~ Normal(0, 1)
         plate obs = rows { data y: real }
         factor 2 + sum(obs: log(m + y))",
        "y\n1\n2\n-9\n3\n",
    );
    let blame = joint.blame(&[0.0]).expect("log(-9) is no number");
    assert!(
        blame.starts_with("log(-9.0000) is NaN") && blame.ends_with("at obs 3"),
        "{blame}"
    );
}

#[test]
fn passes_are_a_set() {
    for pass in Pass::ALL {
        assert!(Passes::all().has(pass) && !Passes::none().has(pass));
        assert!(Passes::none().with(pass).has(pass));
        let others = Passes::all().without(pass);
        assert!(!others.has(pass) && others.iter().count() == Pass::ALL.len() - 1);
    }
    assert_eq!(Passes::subsets().count(), 1 << Pass::ALL.len());
    assert_eq!(Passes::default(), Passes::all());
}

/// Rows in nested groups and crossed items, with columns of few values and of many.
fn groups_and_items(rows: usize) -> String {
    let mut csv = String::from("district,w,school,item,x,b,o,se,y,k,n,t\n");
    for i in 0..rows {
        let (school, item) = (i * 5 % 6, i / 6 % 3);
        let x = ((i * 29 % 97) as f64 - 48.0) / 40.0;
        writeln!(
            csv,
            "{},{},{school},{item},{x},{},{},{},{},{},{},{}",
            school / 2,
            (school / 2) as f64 - 0.7,
            i / 18 % 2,
            (i % 5) as f64 - 2.0,
            0.5 + (i % 3) as f64,
            ((i * 17 % 41) as f64 - 20.0) / 8.0,
            i * 13 % 7 % 2,
            i * 3 % 4,
            1.0 + (i * 19 % 23) as f64 / 4.0,
        )
        .expect("a string takes text");
    }
    csv
}

/// Terms over rows in schools of districts, crossed with items.
fn grouped(statements: &[String]) -> String {
    format!(
        "mu, beta ~ Normal(0, 1)
         sigma ~ HalfNormal(1)
         v[2] ~ Normal([0, 1], 2)
         plate item {{ c ~ Normal(0, 1) }}
         plate district {{
           data w: real
           d ~ Normal(mu, 1)
           plate school {{
             a ~ Normal(d, sigma)
             s ~ Normal(beta, 0.5)
             tau ~ LogNormal(0, 0.3)
             plate obs = rows in school, item {{
               data x, o, y: real
               data se, t: positive
               data b, k: binary
               data n: count
               data u: real[2] = columns(x, b)
               {}
             }}
           }}
         }}",
        statements.join("\n")
    )
}

/// What is said of the terms of a joint over groups and items.
fn said(statement: &str, rows: usize, passes: Passes) -> Vec<String> {
    let text = grouped(&[statement.to_owned()]);
    let model = chain::bound(&text, &groups_and_items(rows), &[]);
    let joint = joint::lower_with(&model, passes);
    let said = joint.density().recognised();
    (said.into_iter())
        .filter(|(term, _)| joint.terms()[*term].kind == TermKind::Observed)
        .map(|(_, text)| text)
        .collect()
}

#[test]
fn normal_terms_of_affine_predictors_run_on_sufficient_statistics() {
    for (statement, what) in [
        ("y ~ Normal(3, sigma)", "240 rows in 1 cell of 1 column"),
        ("y ~ Normal(mu, sigma)", "240 rows in 1 cell of 2 columns"),
        ("y ~ Normal(beta * x, 1)", "240 rows in 1 cell of 2 columns"),
        ("y ~ Normal(a, sigma)", "240 rows in 6 cells of 2 columns"),
        (
            "y ~ Normal(a + d + mu + o, sigma)",
            "240 rows in 6 cells of 2 columns",
        ),
        (
            "y ~ Normal(mu + s * x + beta * b, 0.7)",
            "240 rows in 6 cells of 4 columns",
        ),
        (
            "y ~ Normal(s * x + a * b + beta * o, se)",
            "240 rows in 6 cells of 4 columns",
        ),
        (
            "y ~ Normal(a + s * x + beta * x, tau)",
            "240 rows in 6 cells of 3 columns",
        ),
        (
            "y ~ Normal(mu + x * beta, tau * sigma)",
            "240 rows in 6 cells of 3 columns",
        ),
        (
            "y ~ Normal(beta * x * w + (o - w) / 2 + sum(u * v), sigma)",
            "240 rows in 1 cell of 4 columns",
        ),
        (
            "y ~ Normal(dot(u, [a, mu]), sigma)",
            "240 rows in 6 cells of 3 columns",
        ),
        (
            "y ~ Normal(d + dot(u, v), sigma)",
            "240 rows in 3 cells of 4 columns",
        ),
        (
            "y ~ Normal(dot(u, v) - x, variance = sigma)",
            "240 rows in 1 cell of 3 columns",
        ),
        (
            "y ~ Normal(a + c, sigma)",
            "240 rows in 18 cells of 2 columns",
        ),
        (
            "y ~ Normal(a + b * c, sigma) where b > 0",
            "114 rows in 18 cells of 3 columns",
        ),
        // Schools of other districts have no rows that count.
        (
            "y ~ Normal(a + s * x, tau) where w + 0 * x < 0",
            "80 rows in 6 cells of 3 columns",
        ),
        (
            "y ~ Normal(a + beta * b, se)",
            "240 rows in 6 cells of 3 columns",
        ),
        (
            "t ~ LogNormal(a + 0.5 * s * x, tau)",
            "240 rows in 6 cells of 3 columns",
        ),
    ] {
        let said = said(statement, 240, Passes::all());
        assert_eq!(
            said,
            [format!("sufficient statistics: {what}")],
            "{statement}"
        );
        let text = grouped(&[statement.to_owned()]);
        all_agree(&chain::bound(&text, &groups_and_items(240), &[]));
    }
}

#[test]
fn cells_keep_what_sees_their_own_coefficients() {
    let triangles = |statement: &str| {
        let text = grouped(&[statement.to_owned()]);
        let model = chain::bound(&text, &groups_and_items(240), &[]);
        let dump = joint::lower(&model).density().dump();
        let found = dump.match_indices("SquaredResiduals { rows: ");
        (found.map(|(at, name)| dump[at + name.len()..].chars().next()))
            .map(|rows| rows.and_then(|rows| rows.to_digit(10)))
            .collect::<Option<Vec<u32>>>()
    };
    for (statement, rows) in [
        ("y ~ Normal(a + s * x + beta * o + v[1] * b, sigma)", [3, 2]),
        ("y ~ Normal(mu + s * x + beta * o + v[1] * b, 2)", [4, 1]),
        ("y ~ Normal(a + s * x, se)", [1, 2]),
    ] {
        assert_eq!(triangles(statement), Some(rows.to_vec()), "{statement}");
    }
    for (statement, rows) in [
        // Of an sd that differs nothing can be joined.
        ("y ~ Normal(a + s * x + beta * o, tau)", 4),
        ("y ~ Normal(mu + beta * o, sigma)", 3),
    ] {
        assert_eq!(triangles(statement), Some(vec![rows]), "{statement}");
    }
}

#[test]
fn statistics_of_more_cells_than_a_block_holds_give_the_numbers_of_their_rows() {
    let csv = groups_of_sizes(&[9; 600]);
    let text = "mu, beta ~ Normal(0, 1)
         sigma ~ HalfNormal(1)
         plate group {
           a ~ StudentT(4, mu, 1 + sigma)
           b ~ Normal(0, 1)
           plate obs = rows {
             data x, u, t: real
             t ~ Normal(a + b * x + beta * u, sigma)
           }
         }";
    let model = chain::bound(text, &csv, &[]);
    let all = joint::lower(&model);
    // Nothing of the groups outlives their stage: it runs once.
    let stages: Vec<usize> = all.density().stages().map(|stage| stage.len).collect();
    assert_eq!(stages, [1, 600]);
    let plain = joint::lower_with(&model, Passes::none());
    for (k, (a, b)) in (numbers(&all, 1).iter().zip(&numbers(&plain, 1))).enumerate() {
        assert!(
            (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
            "number {k} is {a} and {b} without passes"
        );
    }
}

#[test]
fn terms_of_identical_rows_run_them_once() {
    for (statement, rows) in [
        ("k ~ Bernoulli(logit = mu)", 1),
        ("k ~ Bernoulli(logit = a + beta * b)", 12),
        ("k ~ Bernoulli(logit = a - c) where o > 0", 18),
        ("n ~ Poisson(log = c + beta * b)", 6),
        ("n ~ Poisson(exp(d))", 3),
        ("k ~ Bernoulli(sigmoid(a))", 6),
        ("n ~ NegBinomial(log = c, 3)", 12),
        ("n ~ Binomial(9, logit = mu)", 4),
        ("t ~ Exponential(exp(mu))", 1),
        ("t ~ Exponential(log_rate = a + c) where o > 0", 18),
        ("o ~ StudentT(4, mu, sigma)", 5),
    ] {
        let said = said(statement, 240, Passes::all());
        let what = format!("run as {rows} row{}", if rows == 1 { "" } else { "s" });
        assert!(
            said[0].starts_with("identical rows: ") && said[0].ends_with(&what),
            "{statement}: {said:?}"
        );
        let text = grouped(&[statement.to_owned()]);
        all_agree(&chain::bound(&text, &groups_and_items(240), &[]));
    }
}

#[test]
fn rows_are_left_as_they_are_where_nothing_is_gained() {
    let rows = Passes::all().without(Pass::Fuse);
    for (statement, n) in [
        ("y ~ Normal(a + s * x, sigma)", 24),
        ("y ~ Normal(exp(a) * c, sigma)", 24),
        ("y ~ Normal(mu, exp(beta * x))", 240),
        ("y ~ Normal(a * s, sigma * x)", 240),
        ("k ~ Bernoulli(logit = a + s * x + c)", 240),
        ("t ~ Gamma(2, exp(mu + beta * x))", 240),
    ] {
        assert_eq!(said(statement, n, rows), [""; 0], "{statement}");
    }
}

#[test]
fn rewritten_terms_keep_their_place_alone_and_together() {
    let statements = [
        "k ~ Bernoulli(logit = a + c)",
        "y ~ Normal(a + s * x, tau)",
        "factor -square(mu * x)",
    ];
    let model = chain::bound(
        &grouped(&statements.map(str::to_owned)),
        &groups_and_items(240),
        &[],
    );
    let (plain, all) = (
        joint::lower_with(&model, Passes::none()),
        joint::lower(&model),
    );
    let z = point(plain.dim(), 1);
    let terms = all.terms().len();
    let mut gradient = vec![0.0; z.len()];
    for alone in 0..terms {
        let keep: Vec<bool> = (0..terms)
            .map(|term| term == alone || term + 1 == terms)
            .collect();
        let (mut a, mut b) = (plain.evaluator(&keep), all.evaluator(&keep));
        a.gradient(&z, &mut gradient);
        b.gradient(&z, &mut gradient);
        assert_eq!(a.terms().len(), b.terms().len());
        for (a, b) in a.terms().iter().zip(b.terms()) {
            assert!(
                (a - b).abs() <= TOLERANCE * a.abs().max(1.0),
                "term {alone}: {b}, not {a}"
            );
        }
    }
}

#[test]
fn what_goes_wrong_is_told_of_the_models_own_rows() {
    let statements = ["y ~ Normal(a + sqrt(mu) * x, sigma)".to_owned()];
    let model = chain::bound(&grouped(&statements), &groups_and_items(240), &[]);
    let (plain, all) = (
        joint::lower_with(&model, Passes::none()),
        joint::lower(&model),
    );
    let z = vec![-1.0; plain.dim()];
    let blame = plain.blame(&z).expect("the root of a negative number");
    assert_eq!(all.blame(&z), Some(blame));
}

/// An expression over the names of a row: latent variables of every plate that it determines, columns and numbers.
fn expression() -> impl Strategy<Value = String> {
    let name = |names: &'static [&'static str]| proptest::sample::select(names);
    let leaf = prop_oneof![
        3 => name(&["mu", "beta", "a", "b"]).prop_map(str::to_owned),
        2 => name(&["x", "c", "w"]).prop_map(str::to_owned),
        1 => name(&["0.5", "2", "-1.5", "pi"]).prop_map(str::to_owned),
        1 => Just("v[1]".to_owned()),
        1 => Just("dot(v, u)".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            3 => (two.clone(), name(&["+", "-", "*"]))
                .prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            2 => (inner.clone(), name(&["tanh", "sigmoid", "softplus", "sin", "atan"]))
                .prop_map(|(a, f)| format!("{f}({a})")),
            1 => two.clone().prop_map(|(a, b)| format!("{a} / (1 + square({b}))")),
            1 => two.clone().prop_map(|(a, b)| format!("(if x > w then {a} else {b})")),
            1 => two.clone().prop_map(|(a, b)| format!("log_sum_exp([{a}, {b}])")),
            1 => inner.prop_map(|a| format!("exp(-square({a}))")),
        ]
    })
}

/// A likelihood for an observed column, with a predictor left open.
fn likelihood() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        [
            "y ~ Normal(#, sigma)",
            "y ~ StudentT(4, #, sigma)",
            "y ~ Normal(#, 0.7) where c > 0",
            "y ~ Laplace(#, 1 + exp(-x))",
            "k ~ Bernoulli(logit = #)",
            "n ~ Poisson(log = tanh(#))",
            "n ~ NegBinomial(log = tanh(#), 3)",
            "n ~ Binomial(9, logit = #)",
            "t ~ LogNormal(#, sigma)",
            "t ~ Exponential(exp(tanh(#)))",
            "t ~ Gamma(2, exp(tanh(#)))",
            "t ~ Gamma(sigma, sigma / exp(tanh(#)))",
            "t ~ Exponential(1 / exp(tanh(#)))",
            "n ~ Poisson(t * exp(tanh(#)))",
            "k ~ Bernoulli(sigmoid(tanh(#)))",
            "k ~ Bernoulli(normal_cdf(tanh(#)))",
            "n ~ Poisson(exp(tanh(#)))",
            "n ~ NegBinomial(exp(tanh(#)), 3)",
            "n ~ Binomial(9, sigmoid(tanh(#)))",
            "factor -square(#)",
        ]
        .as_slice(),
    )
}

fn model_of(parts: &[(&str, String)]) -> String {
    let mut text = "mu, beta ~ Normal(0, 1)\nsigma ~ HalfNormal(1)\nv[2] ~ Normal([0, 1], 2)\n\
                    plate group {\n data w: real\n a ~ Normal(mu + beta * w, sigma)\n}\n\
                    plate item { b ~ Normal(0, 1) }\n\
                    plate obs = rows in group, item {\n data x, c, y: real\n data k: binary\n data n: count\n \
                    data t: positive\n data u: real[2] = columns(x, c)\n"
        .to_owned();
    // A column is observed once; what is drawn again is dropped.
    let mut seen = Vec::new();
    for (form, predictor) in parts {
        let name = form.split(' ').next().unwrap_or_default();
        if name == "factor" || !seen.contains(&name) {
            seen.push(name);
            writeln!(text, " {}", form.replace('#', predictor)).expect("a string takes text");
        }
    }
    text + "}\n"
}

/// A summand of a predictor over groups and items.
fn summand() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        [
            "mu",
            "a",
            "d",
            "c",
            "o",
            "-1.5",
            "2 * a",
            "beta * b",
            "s * b",
            "b * c",
            "beta * x",
            "x * s",
            "dot(u, v)",
            "dot(v, [1, b])",
            "(o - a) * 0.5",
            "(1 - b) * (mu + c)",
            "x * b",
            "tanh(d)",
            "w * beta * x",
            "w + o",
            "(x - mu) / 3",
            "dot(u, [a, mu])",
            "sum(u * v)",
        ]
        .as_slice(),
    )
}

/// A likelihood over groups and items, with a predictor left open.
fn grouped_likelihood() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(
        [
            "y ~ Normal(#, sigma)",
            "y ~ Normal(#, tau)",
            "y ~ Normal(#, sigma * tau)",
            "y ~ Normal(#, se)",
            "y ~ Normal(#, 0.7) where b > 0",
            "y ~ Normal(#, precision = tau)",
            "t ~ LogNormal(#, sigma)",
            "k ~ Bernoulli(logit = #)",
            "k ~ Bernoulli(logit = #) where o < 1",
            "n ~ Poisson(log = 0.3 * (#))",
            "n ~ Poisson(exp(tanh(#)))",
            "n ~ Poisson(se * exp(0.3 * (#)))",
            "n ~ NegBinomial(log = tanh(#), 3)",
            "n ~ Binomial(9, logit = #)",
            "t ~ Gamma(tau, tau / exp(0.3 * (#)))",
            "t ~ Exponential(exp(-0.3 * (#))) where b > 0",
            "o ~ StudentT(4, #, sigma)",
        ]
        .as_slice(),
    )
}

const ROWS: &str = "group,item,w,x,c,y,k,n,t\n\
    a,1,0.5,0.3,1,0.7,1,2,0.4\n\
    b,1,-1,-0.6,0,1.1,0,0,1.5\n\
    a,2,0.5,1.2,1,-0.4,1,1,2.5\n\
    c,2,0.1,-1.1,0,0.2,0,5,0.9\n\
    b,3,-1,0.8,1,-1.3,1,3,1.1\n";

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn random_models_keep_their_numbers_under_any_choice_of_passes(
        parts in proptest::collection::vec((likelihood(), expression()), 1..4)
    ) {
        all_agree(&chain::bound(&model_of(&parts), ROWS, &[]));
    }

    #[test]
    fn random_models_of_groups_keep_their_numbers_under_any_choice_of_passes(
        (form, summands) in (grouped_likelihood(), proptest::collection::vec(summand(), 1..5))
    ) {
        let statement = form.replace('#', &summands.join(" + "));
        all_agree(&chain::bound(&grouped(&[statement]), &groups_and_items(150), &[]));
    }
}

#[test]
fn what_passes_did_is_named() {
    let (text, csv) = UNSORTED;
    let model = chain::bound(text, csv, &[]);
    let made = |passes| joint::lower_with(&model, passes).rewritings();
    let named = |passes, name: &str| {
        let mut found = made(passes).into_iter().filter(|(n, _)| n == name);
        found.next().map(|(_, what)| what)
    };
    assert_eq!(
        named(Passes::all(), Pass::Sort.name()).as_deref(),
        Some("those of `obs` by `house`, then `item`")
    );
    for pass in [Pass::Sort, Pass::Fold, Pass::Share] {
        assert!(named(Passes::all(), pass.name()).is_some(), "{pass:?}");
        assert!(named(Passes::all().without(pass), pass.name()).is_none());
    }
    // The mean over rows and the levels of houses are the same in many rows.
    assert!(named(Passes::none(), "hoisting").is_some());
    let names: Vec<String> = made(Passes::none()).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["hoisting"]);
}

#[test]
fn a_link_that_is_written_out_is_fused_like_its_form() {
    let forms = [
        ("n ~ Poisson(exp(#))", "n ~ Poisson(log = #)"),
        ("n ~ NegBinomial(exp(#), 3)", "n ~ NegBinomial(log = #, 3)"),
        ("k ~ Bernoulli(sigmoid(#))", "k ~ Bernoulli(logit = #)"),
        ("k ~ Bernoulli(normal_cdf(#))", "k ~ Bernoulli(probit = #)"),
        ("n ~ Binomial(9, sigmoid(#))", "n ~ Binomial(9, logit = #)"),
        ("t ~ Exponential(exp(#))", "t ~ Exponential(log_rate = #)"),
        ("t ~ Gamma(2, exp(#))", "t ~ Gamma(2, log_rate = #)"),
    ];
    for (written, form) in forms {
        let of = |statement: &str| {
            let text = model_of(&[(statement, "a + beta * x".to_owned())]);
            let model = chain::bound(&text, ROWS, &[]);
            all_agree(&model);
            joint::lower(&model)
        };
        let (written, form) = (of(written), of(form));
        assert_eq!(written.density().dump(), form.density().dump());
        assert!(form.path().contains("affine predictor"), "{}", form.path());
        assert_eq!(written.path(), form.path());
    }
}

#[test]
fn exponentials_in_products_and_quotients_are_fused() {
    for (statement, form) in [
        ("t ~ Exponential(exp(-(#)))", "exponential_log_log_density"),
        ("t ~ Exponential(1 / exp(#))", "exponential_log_log_density"),
        ("t ~ Gamma(2, 2 / exp(#))", "gamma_log_log_density"),
        ("t ~ Gamma(sigma, sigma / exp(#))", "gamma_log_log_density"),
        ("n ~ Poisson(t * exp(#))", "poisson_log_log_density"),
        (
            "n ~ NegBinomial(t * 2 * exp(#) / exp(b), sigma)",
            "neg_binomial_log_log_density",
        ),
    ] {
        let text = model_of(&[(statement, "a + beta * x".to_owned())]);
        let model = chain::bound(&text, ROWS, &[]);
        all_agree(&model);
        let path = joint::lower(&model).path();
        let expected = format!("{form} of an affine predictor");
        assert!(path.contains(&expected), "{statement}: {path}");
    }
    // An exposure of 0 has no logarithm: the statement stays as it is.
    let text = model_of(&[("n ~ Poisson((c + 0) * exp(#))", "a".to_owned())]);
    let path = joint::lower(&chain::bound(&text, ROWS, &[])).path();
    assert!(!path.contains("poisson_log_log_density"), "{path}");
}
