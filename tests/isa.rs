//! Every instruction set gives the same numbers: value, gradient and Hessian products of models, each set in a process of its own.

mod chain;

use hvi::joint::LogDensity;
use hvi::num::simd;
use hvi::num::simd::Isa;
use std::path::Path;
use std::process::Command;

/// What sets may differ by from the widest, relative to the larger of 1 and the number.
const TOLERANCE: f64 = 1e-12;

/// Rows of every likelihood that has a kernel of its own.
const FAMILIES: (&str, &str) = (
    "mu, beta ~ Normal(0, 1)
     sigma ~ Gamma(2, 1)
     p ~ Beta(2, 3)
     w[3] ~ Dirichlet([1, 2, 3])
     plate g {
       a ~ Normal(mu, sigma)
       plate obs = rows {
         data x, y: real
         data t, s, r, c: positive
         data n, m, o: count
         data k, l: binary
         eta = a + beta * x
         y ~ StudentT(4, eta, sigma)
         t ~ LogNormal(eta, sigma)
         s ~ Gamma(2, exp(eta))
         r ~ Weibull(1 + sigma, exp(eta))
         c ~ InverseGamma(2, exp(eta))
         n ~ Poisson(log = eta)
         m ~ NegBinomial(log = eta, 3)
         o ~ Binomial(9, logit = tanh(eta) + log_mix(p, a, beta))
         k ~ Bernoulli(logit = eta)
         l ~ Bernoulli(0.5 * normal_cdf(eta) + 0.5 * w[2])
         factor log_sum_exp([sin(eta), cos(a * x), softplus(x)]) + log_prob(Laplace(eta, 1), y)
       }
     }",
    "g,x,y,t,s,r,c,n,m,o,k,l\nb,0.3,1.2,0.5,1.5,0.7,0.4,3,0,4,1,0\na,-1.3,0.2,2.5,0.1,1.7,1.4,0,2,9,0,1\n\
     b,2.1,-3.5,0.1,0.9,0.2,3.4,41,7,0,1,1\na,0.01,0.9,1.1,2.2,0.3,0.8,1,1,5,0,0\n",
);

/// Models with data: the examples and the families.
fn models() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let read = |path: &Path| std::fs::read_to_string(path).expect("an example's file");
    let mut models: Vec<(String, String, String)> = std::fs::read_dir(root)
        .expect("there are examples")
        .map(|entry| entry.expect("an entry of a folder").path())
        .filter(|path| path.join("model.hvi").is_file())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into();
            let (model, data) = (path.join("model.hvi"), path.join("data.csv"));
            (name, read(&model), read(&data))
        })
        .collect();
    models.sort();
    let (model, data) = FAMILIES;
    models.push(("families".to_owned(), model.to_owned(), data.to_owned()));
    models
}

/// Numbers between −0.5 and 0.5 that differ in every coordinate.
fn point(dim: usize, seed: usize) -> Vec<f64> {
    (0..dim)
        .map(|k| ((k * 37 + seed * 11) % 41) as f64 / 41.0 - 0.5)
        .collect()
}

/// Prints every number as its bits, one a line, after the set in force.
#[test]
#[expect(clippy::print_stdout, reason = "the next test reads it")]
fn numbers_of_models() {
    println!("in force: {}", simd::in_force());
    for (name, model, data) in models() {
        let joint = chain::joint(&model, &data);
        let mut evaluator = joint.evaluator(&vec![true; joint.terms().len()]);
        let (z, v) = (point(joint.dim(), 1), point(joint.dim(), 2));
        let (mut gradient, mut product) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        let value = evaluator.gradient(&z, &mut gradient);
        assert!(value.is_finite(), "{name}: {value}");
        println!("number {name} value {}", value.to_bits());
        evaluator.hessian_product(&z, &v, &mut product);
        for (what, numbers) in [("gradient", &gradient), ("product", &product)] {
            for (k, number) in numbers.iter().enumerate() {
                println!("number {name} {what}[{k}] {}", number.to_bits());
            }
        }
    }
}

/// The numbers of [`numbers_of_models`], computed with an instruction set.
fn numbers(isa: Isa) -> Vec<(String, f64)> {
    let this = std::env::current_exe().expect("this test's own program");
    let output = Command::new(this)
        .args(["--exact", "numbers_of_models", "--nocapture"])
        .env(simd::VARIABLE, isa.name())
        .output()
        .expect("the test runs itself");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("in force: {isa}\n")), "{text}");
    let lines = text.lines().filter_map(|line| line.strip_prefix("number "));
    lines
        .map(|line| {
            let (name, bits) = line.rsplit_once(' ').expect("a name and a number");
            let bits = bits.parse().expect("the bits of a number");
            (name.to_owned(), f64::from_bits(bits))
        })
        .collect()
}

#[test]
fn every_instruction_set_gives_the_same_numbers() {
    let best = Isa::best();
    let expected = numbers(best);
    assert!(expected.len() > 100, "{}", expected.len());
    for isa in Isa::ALL.into_iter().filter(|isa| isa.available()) {
        let found = numbers(isa);
        assert_eq!(found.len(), expected.len());
        for ((name, a), (_, b)) in found.iter().zip(&expected) {
            assert!(a.is_finite(), "{name} is {a} with {isa}");
            let close = if isa == Isa::Portable {
                (a - b).abs() <= TOLERANCE * b.abs().max(1.0)
            } else {
                a.to_bits() == b.to_bits()
            };
            assert!(close, "{name} is {a:e} with {isa}, {b:e} with {best}");
        }
    }
}

#[test]
fn the_environment_says_what_is_in_force() {
    match simd::asked() {
        Ok(Some(isa)) => assert_eq!(simd::in_force(), isa, "this processor lacks it"),
        Ok(None) => assert_eq!(simd::in_force(), Isa::best()),
        Err(why) => panic!("{why}"),
    }
}
