//! Models with data made for them, for benchmarks: the same bits in every run.

use hvi::ast;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::model;
use hvi::model::Model;
use hvi::num::rng;
use hvi::num::rng::Rng;
use hvi::source::Source;
use hvi::typed;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use rand::RngExt;
use rand_distr::Distribution;
use rand_distr::Poisson;
use rand_distr::StandardNormal;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

/// Rows of every table.
pub const ROWS: usize = 100_000;
/// Groups, or students.
const GROUPS: usize = 1000;
/// Items that students answer.
const ITEMS: usize = 200;

/// A model of `benches/models`, with its data.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The file's name, without `.hvi`.
    pub name: &'static str,
    text: &'static str,
    data: Data,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug)]
enum Data {
    /// Groups in order, four covariates and an outcome.
    Groups(Outcome),
    /// Students in order, items at random, and whether the answer is right.
    Answers,
    /// A measurement and its error.
    Measurements,
}

/// How a row comes about from its predictor.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Real,
    Binary,
    Count,
}

macro_rules! workloads {
    ($($name:literal of $data:expr;)*) => {
        /// Every model.
        pub const WORKLOADS: &[Workload] = &[$(Workload {
            name: $name,
            text: include_str!(concat!("../models/", $name, ".hvi")),
            data: $data,
        },)*];
    };
}

workloads! {
    "logistic" of Data::Groups(Outcome::Binary);
    "poisson" of Data::Groups(Outcome::Count);
    "gaussian" of Data::Groups(Outcome::Real);
    "irt" of Data::Answers;
    "vectors" of Data::Groups(Outcome::Binary);
    "correlated" of Data::Groups(Outcome::Real);
    "schools" of Data::Measurements;
    "curve" of Data::Groups(Outcome::Real);
    "mixture" of Data::Groups(Outcome::Real);
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Workload {
    /// The checked model.
    pub fn typed(&self) -> Arc<Typed> {
        let source = Source::new(self.name, self.text);
        let tree = ast::parse(&source).expect("a model of the benchmarks parses");
        let (typed, _) = typed::check(&source, &tree, &Overrides::default())
            .expect("a model of the benchmarks is right");
        Arc::new(typed)
    }

    /// Its data.
    pub fn tables(&self) -> Tables {
        let text = self.csv(&mut rng::stream(7));
        Tables::new(Table::parse("data.csv", &text).expect("a table of the benchmarks is right"))
    }

    /// The model with its data.
    pub fn bound(&self) -> Arc<Model> {
        let (model, _) =
            model::bind(&self.typed(), &self.tables()).expect("the data fit the model");
        Arc::new(model)
    }

    fn csv(&self, rng: &mut Rng) -> String {
        let mut out = String::new();
        let mut line = |cells: &dyn fmt::Display| {
            writeln!(out, "{cells}").expect("a string takes text");
        };
        match self.data {
            Data::Groups(outcome) => {
                line(&"group,x1,x2,x3,x4,y");
                let effects: Vec<[f64; 2]> =
                    (0..GROUPS).map(|_| [normal(rng), normal(rng)]).collect();
                for i in 0..ROWS {
                    let g = i * GROUPS / ROWS;
                    let x = [(); 4].map(|()| normal(rng));
                    let [level, slope] = effects[g];
                    let eta = 0.3 * level + (0.4 + 0.2 * slope) * x[0] + 0.3 * x[1] - 0.2 * x[2];
                    let y = outcome.draw(eta, rng);
                    let [x1, x2, x3, x4] = x;
                    line(&format_args!("{g},{x1:.5},{x2:.5},{x3:.5},{x4:.5},{y:.5}"));
                }
            }
            Data::Answers => {
                line(&"student,item,y");
                let able: Vec<f64> = (0..GROUPS).map(|_| normal(rng)).collect();
                let hard: Vec<f64> = (0..ITEMS).map(|_| normal(rng)).collect();
                for i in 0..ROWS {
                    let (student, item) = (i * GROUPS / ROWS, rng.random_range(0..ITEMS));
                    let y = Outcome::Binary.draw(able[student] - hard[item], rng);
                    line(&format_args!("{student},{item},{y}"));
                }
            }
            Data::Measurements => {
                line(&"error,y");
                for _ in 0..ROWS {
                    let error = 0.5 + rng.random::<f64>();
                    let y = normal(rng) + error * normal(rng);
                    line(&format_args!("{error:.5},{y:.5}"));
                }
            }
        }
        out
    }
}

impl Outcome {
    fn draw(self, eta: f64, rng: &mut Rng) -> f64 {
        match self {
            Outcome::Real => eta + normal(rng),
            Outcome::Binary => {
                f64::from(u8::from(rng.random::<f64>() < 1.0 / (1.0 + (-eta).exp())))
            }
            Outcome::Count => Poisson::new(eta.exp())
                .expect("a rate is positive")
                .sample(rng),
        }
    }
}

fn normal(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}
