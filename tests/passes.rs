//! Every choice of passes gives the same log density, gradient and Hessian-vector product.

mod chain;

use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::model::Model;
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
    for (text, csv) in [NESTED, CROSSED, KEYS, AGGREGATES, VECTORS, MIXTURE] {
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
}
