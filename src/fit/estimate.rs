//! The gradient that stochastic steps follow: sticking-the-landing over fresh draws, of all data or of a mini-batch.
//!
//! All terms are taken over the draws, also those with a closed form, because here they must cancel: the estimator
//! E[∇_path (log p(z) − log q(z))], with q's own parameters held fixed in log q (Roeder, Wu & Duvenaud 2017), has no variance at all where q
//! is right, draw by draw, as long as log p is whole.
//!
//! Of a mini-batch B of the M elements of a plate log p and log q both have what lies in the elements of B, M/|B| times, and what lies
//! outside of the plate, once: over all batches of a pass their mean is the gradient of all elements, draw by draw.

use super::AnyElbo;
use super::whitened::Whitened;
use crate::guide::Gaussian;
use crate::guide::Guide;
use crate::guide::noise::Noise;
use crate::joint::Evaluator;

/// The estimator with its memory.
pub(super) struct Estimate<'a> {
    view: &'a Whitened<'a>,
    guide: &'a Guide,
    evaluator: Box<dyn Evaluator + 'a>,
    z: Vec<f64>,
    slope: Vec<f64>,
}

impl<'a> Estimate<'a> {
    /// That of an ELBO, in the parameters of a view.
    pub fn new(elbo: &AnyElbo<'a>, view: &'a Whitened<'a>) -> Estimate<'a> {
        let dim = elbo.guide.dim();
        let all = vec![true; elbo.terms.len()];
        Estimate {
            view,
            guide: elbo.guide,
            evaluator: elbo.joint.evaluator(&all),
            z: vec![0.0; dim],
            slope: vec![0.0; dim],
        }
    }

    /// From now on these elements stand for all; `number` is that of the step.
    pub fn batch(&mut self, elements: &[u32], number: u32) {
        let seed = u64::from(number) + 1;
        self.evaluator.batch(Some((elements, seed)));
    }

    /// The last point that was looked at.
    pub fn point(&self) -> &[f64] {
        &self.z
    }

    /// The mean of log p − log q over the draws, and its path gradient in `x`.
    pub fn evaluate(&mut self, x: &[f64], noise: &Noise, out: &mut [f64]) -> f64 {
        let guide = self.guide;
        let q = self.view.gaussian(x);
        let weight = 1.0 / noise.count() as f64;
        let mut value = 0.0;
        let mut gradient = Gaussian {
            mean: vec![0.0; guide.dim()],
            scale: vec![0.0; guide.pattern().len()],
        };
        for epsilon in noise.draws() {
            guide.draw(&q, epsilon, &mut self.z);
            let log_p = self.evaluator.gradient(&self.z, &mut self.slope);
            let weights = self.evaluator.weights();
            value += weight * (log_p - guide.log_density(&q, epsilon, weights));
            if !value.is_finite() {
                return value;
            }
            // −∇ log q(z) = S⁻ᵀ ε, where each row counts as often as what it is of.
            let mut score = epsilon.to_vec();
            if let Some(weights) = weights {
                score.iter_mut().zip(weights).for_each(|(s, w)| *s *= w);
            }
            guide.pattern().solve_transposed(&q.scale, &mut score);
            for (r, slope) in self.slope.iter_mut().enumerate() {
                if guide.pattern().spreads(r) {
                    *slope += score[r];
                }
                gradient.mean[r] += weight * *slope;
            }
            (guide.pattern()).add_outer(weight, &self.slope, epsilon, &mut gradient.scale);
        }
        self.view.pull(x, &gradient, out);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::Estimate;
    use crate::ast;
    use crate::data::Table;
    use crate::data::Tables;
    use crate::elbo::compose;
    use crate::fit::whitened::Whitened;
    use crate::guide::Gaussian;
    use crate::guide::GuideSpec;
    use crate::guide::derive;
    use crate::guide::noise::Noise;
    use crate::joint;
    use crate::joint::Joint;
    use crate::model;
    use crate::shape::PlateId;
    use crate::source::Source;
    use crate::typed;
    use crate::typed::GuideFamily;
    use crate::typed::Overrides;
    use proptest::prelude::ProptestConfig;
    use proptest::prelude::prop;
    use proptest::proptest;
    use std::fmt::Write;
    use std::sync::Arc;

    const NESTED: &str = "mu ~ Normal(0, 2)
tau, sigma ~ HalfNormal(1)
plate school {
  data funds: real
  a ~ Normal(mu * funds, tau)
  plate class = levels(school, class) {
    b[2] ~ Normal(a, 0.5)
    plate pupil = rows {
      data x, y: real
      y ~ Normal(b[1] + b[2] * exp(mu * x), sigma)
    }
  }
}
";
    const CROSSED: &str = "tau ~ HalfNormal(1)
plate school { a ~ Normal(0, tau) }
plate class { b ~ Normal(0, 2); c ~ LogNormal(0, tau) }
plate pupil = rows in school, class {
  data x, y: real
  y ~ StudentT(4, c * (a - b) * x, 1)
}
";
    const FAMILIES: [GuideFamily; 5] = [
        GuideFamily::MeanField,
        GuideFamily::Structured,
        GuideFamily::FullRank,
        GuideFamily::LowRank(2),
        GuideFamily::Point,
    ];

    fn joint(text: &str, csv: &str) -> Joint {
        let source = Source::new("test.hvi", text);
        let tree = ast::parse(&source).expect("the text parses");
        let (typed, _) = typed::check(&source, &tree, &Overrides::new()).expect("a right model");
        let tables = Tables::new(Table::parse("rows.csv", csv).expect("a table"));
        let (model, _) = model::bind(&Arc::new(typed), &tables).expect("the data fit");
        joint::lower(&Arc::new(model))
    }

    /// Schools, classes and pupils, and in which school and class each pupil is.
    fn table(schools: usize, classes: usize, pupils: &[(usize, usize)]) -> String {
        let everyone = (0..schools.max(classes)).map(|k| (k, k));
        let mut csv = "school,class,funds,x,y\n".to_owned();
        for (k, (s, c)) in everyone.chain(pupils.iter().copied()).enumerate() {
            let (s, c) = (s % schools, c % classes);
            let (x, y) = ((0.7 * k as f64).sin(), (1.3 * k as f64).cos());
            writeln!(csv, "s{s},c{c},{},{x},{y}", 0.5 + s as f64).expect("text");
        }
        csv
    }

    /// Holds the mean over the mini-batches of a pass against all elements of each plate, for each family of guides.
    fn the_mean_over_batches_is_the_whole(text: &str, csv: &str, shuffle: usize) {
        for plate in ["school", "class", "pupil"] {
            let joint = joint(text, csv);
            let plates = joint.model().typed().plates();
            let plate = plates.iter().position(|p| p.name == plate);
            let plate = PlateId(plate.expect("a plate of the model") as u32);
            let count = joint.model().plate(plate).len();
            let joint = joint::batched(joint, plate).expect("elements that can be taken apart");
            let step = (1 + shuffle % count..).find(|step| gcd(*step, count) == 1);
            let order = (0..count).map(|k| (k * step.unwrap_or(1) % count) as u32);
            let order: Vec<u32> = order.collect();
            for family in FAMILIES {
                let spec = GuideSpec {
                    default: Some(family),
                };
                let guide = derive(&joint, &spec).expect("a guide");
                let noise = match guide.pattern().is_empty() {
                    true => Noise::none(guide.dim()),
                    false => Noise::paired(&guide, 1, 3),
                };
                let base = Gaussian {
                    mean: vec![0.1; guide.dim()],
                    scale: guide.pattern().identity(),
                };
                let view = Whitened::scaled(&guide, base, &vec![0.3; guide.dim()]);
                let x: Vec<f64> = (0..view.len())
                    .map(|k| 0.3 * (1.7 * k as f64).sin())
                    .collect();
                let elbo = compose(&joint, &guide);
                let mut estimate = Estimate::new(&elbo.erased(), &view);
                let mut whole = vec![0.0; x.len()];
                let value = estimate.evaluate(&x, &noise, &mut whole);
                for size in (1..=count).filter(|size| count.is_multiple_of(*size)) {
                    let share = size as f64 / count as f64;
                    let (mut mean, mut sum) = (0.0, vec![0.0; x.len()]);
                    let mut gradient = vec![0.0; x.len()];
                    for batch in order.chunks(size) {
                        estimate.batch(batch, 0);
                        mean += share * estimate.evaluate(&x, &noise, &mut gradient);
                        for (sum, g) in sum.iter_mut().zip(&gradient) {
                            *sum += share * g;
                        }
                    }
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1.0);
                    assert!(near(mean, value), "{family:?}: {mean} is not {value}");
                    for (k, (a, b)) in sum.iter().zip(&whole).enumerate() {
                        assert!(
                            near(*a, *b),
                            "{family:?}, batches of {size}, parameter {k}: {a} is not {b}"
                        );
                    }
                }
            }
        }
    }

    fn gcd(a: usize, b: usize) -> usize {
        match b {
            0 => a,
            b => gcd(b, a % b),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn batches_of_nested_and_crossed_plates_add_up(
            schools in 1usize..5,
            classes in 1usize..5,
            pupils in prop::collection::vec((0usize..9, 0usize..9), 0..12),
            shuffle in 0usize..50,
        ) {
            let csv = table(schools, classes, &pupils);
            the_mean_over_batches_is_the_whole(NESTED, &csv, shuffle);
            the_mean_over_batches_is_the_whole(CROSSED, &csv, shuffle);
        }
    }
}
