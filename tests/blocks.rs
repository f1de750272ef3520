//! The second derivatives of all elements of a plate come out of one Hessian product for each of their coordinates, as dense differences
//! of gradients say.

mod chain;

use hvi::joint;
use hvi::joint::Joint;
use hvi::joint::LogDensity;
use hvi::joint::Pass;
use hvi::joint::Passes;
use hvi::shape::PlateId;
use std::fmt::Write;

/// What the groups of rows are like.
const GROUPS: &str = "mu, beta ~ Normal(0, 1)
     sigma ~ HalfNormal(1)
     plate g { a ~ Normal(mu, 1); s ~ Normal(beta, sigma) }";

const STATEMENTS: [&str; 10] = [
    "k ~ Bernoulli(logit = a + s * x + beta * z)",
    "y ~ Normal(a + s * x + beta * z, sigma)",
    "n ~ Poisson(log = 0.3 * a + s * x) where z < 1",
    "t ~ Gamma(2, 2 / exp(a + s * x))",
    "factor w * log_prob(Bernoulli(logit = a + s * x), k)",
    "y ~ StudentT(4, a * s + beta, sigma)",
    "n ~ NegBinomial(log = 0.3 * a + s * x + beta * z, sigma)",
    "y ~ StudentT(4, a + s * x + beta * z, sigma)",
    "n ~ Poisson(log = 0.3 * a + s * x + w)",
    "y ~ Normal(a + s * x + s * z + mu * z + beta * w + mu * t + beta * t * x + mu * x * z + beta * w * z + w, sigma)",
];

/// Rows of six groups, in order or in none, that lie in two regions and are crossed with four items.
fn table(sorted: bool) -> String {
    let mut csv = String::from("r,g,i,x,z,w,y,k,n,t\n");
    for row in 0..90_usize {
        let mixed = |n: usize| (row * row * 31 + row * 17 + 5) % 1013 % n;
        let group = if sorted { row / 15 } else { mixed(6) };
        let x = mixed(97) as f64 / 50.0 - 1.0;
        let (z, w, y) = (mixed(3), mixed(5) as f64 / 2.0, x + mixed(11) as f64 / 9.0);
        let (item, k, n) = (mixed(4) + 1, mixed(2), mixed(7));
        writeln!(
            csv,
            "r{},g{group},{item},{x},{z},{w},{y},{k},{n},{}",
            group % 2,
            0.1 + y * y
        )
        .expect("a string takes text");
    }
    csv
}

const COLUMNS: &str = "data x, z, w, y: real; data k: binary; data n: count; data t: positive";

fn point(dim: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| 0.5 * (((k * 31 + 7) % 29) as f64 / 14.0 - 1.0))
        .collect()
}

/// The Hessian, by central differences of gradients, column by column.
fn hessian(joint: &Joint, z: &[f64]) -> Vec<Vec<f64>> {
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let step = 1e-5;
    let mut gradient = |k: usize, by: f64| {
        let (mut at, mut gradient) = (z.to_vec(), vec![0.0; z.len()]);
        at[k] += by;
        evaluator.gradient(&at, &mut gradient);
        gradient
    };
    (0..z.len())
        .map(|k| {
            let (above, below) = (gradient(k, step), gradient(k, -step));
            let differences = above.iter().zip(&below);
            differences.map(|(a, b)| (a - b) / (2.0 * step)).collect()
        })
        .collect()
}

/// Holds the blocks of each plate against the dense Hessian: of an element's coordinates, and with the top level.
fn blocks_agree(text: &str, csv: &str, passes: Passes) {
    let joint = joint::lower_with(&chain::bound(text, csv, &[]), passes);
    // What the model says is differenced without any pass.
    let plain = joint::lower_with(&chain::bound(text, csv, &[]), Passes::none());
    let z = point(joint.dim());
    let dense = hessian(&plain, &z);
    let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
    let mut product = vec![0.0; z.len()];
    let mut checked = 0;
    for site in joint.sites() {
        for k in 0..site.width {
            let first = site.offset + k * site.len;
            let mut direction = vec![0.0; z.len()];
            direction[first..first + site.len].fill(1.0);
            evaluator.hessian_product(&z, &direction, &mut product);
            for other in joint.sites().iter().filter(|o| o.plate == site.plate) {
                for (l, i) in (0..other.width).flat_map(|l| (0..other.len).map(move |i| (l, i))) {
                    let row = other.offset + l * other.len + i;
                    let (found, expected) = (product[row], dense[first + i][row]);
                    let scale = expected.abs().max(1.0);
                    assert!(
                        (found - expected).abs() <= 1e-6 * scale,
                        "{} by {}, element {i}: {found}, not {expected}, of\n{text}",
                        other.name,
                        site.name
                    );
                    checked += 1;
                }
            }
            // A coordinate of the top level has its block with every element at once.
            if site.plate == PlateId::TOP {
                for (found, expected) in product.iter().zip(&dense[first]) {
                    assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0));
                }
            }
        }
    }
    assert!(checked > 9, "some blocks were looked at");
}

#[test]
fn blocks_of_groups_are_those_of_the_dense_hessian() {
    for statement in STATEMENTS {
        let text = format!(
            "{}\n plate row = rows {{ {COLUMNS}; {statement} }} }}",
            GROUPS.trim_end_matches('}')
        );
        for (sorted, passes) in [
            (true, Passes::all()),
            (false, Passes::all()),
            (false, Passes::all().without(Pass::Sort)),
            (
                true,
                Passes::all().without(Pass::Collapse).without(Pass::Merge),
            ),
            (false, Passes::none()),
        ] {
            blocks_agree(&text, &table(sorted), passes);
        }
    }
}

#[test]
fn blocks_of_nested_and_crossed_plates_are_those_of_the_dense_hessian() {
    for statement in [
        "k ~ Bernoulli(logit = a + s * x + b)",
        "y ~ Normal(a + c * b, sigma)",
        "k ~ Bernoulli(logit = s * (a - b))",
        "n ~ NegBinomial(log = 0.2 * (a + c) + b, 3)",
    ] {
        let text = format!(
            "mu ~ Normal(0, 1)
             sigma ~ HalfNormal(1)
             plate i {{ b ~ Normal(mu, 1) }}
             plate r {{
               c ~ Normal(mu, 1)
               plate g {{ s ~ Normal(0, sigma); a ~ Normal(c + 0.1 * s, 1) }}
             }}
             plate row = rows in g, i {{ {COLUMNS}; {statement} }}"
        );
        for sorted in [true, false] {
            blocks_agree(&text, &table(sorted), Passes::all());
        }
    }
}

#[test]
fn blocks_of_merged_rows_are_those_of_the_dense_hessian() {
    let text = format!(
        "{}\n plate row = rows {{ {COLUMNS}; k ~ Bernoulli(logit = a + s * z); n ~ Poisson(exp(0.2 * a - beta * z)) }} }}",
        GROUPS.trim_end_matches('}')
    );
    let path = chain::joint(&text, &table(true)).path();
    assert!(path.matches("identical rows").count() == 2, "{path}");
    for passes in [Passes::all(), Passes::none()] {
        blocks_agree(&text, &table(true), passes);
    }
}
