//! A fit and a sampler side by side: how far the fit is off, in the sampler's posterior sds.

use super::Report;
use super::Verdict;
use super::display;
use super::number;
use super::table::Align;
use super::table::decimals_for;
use super::table::fixed;
use super::table::lay_out;
use super::text::Paint;
use super::text::Role;
use super::text::Shown;
use super::text::is_in_plate;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::Serialize;

/// Differences of a mean in sds, and of the logarithm of an sd, up to which two summaries agree.
const AGREE: (f64, f64) = (0.15, 0.15);
/// The same, up to which they nearly agree.
const NEAR: (f64, f64) = (0.5, 0.4);

/// A fit against a sampler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// `nuts`.
    pub method: String,
    /// Whether the sampler's draws may be trusted.
    pub verdict: Verdict,
    /// `yes`, `nearly` or `no`; `unknown` where the sampler's draws are not to be trusted.
    pub agree: String,
    /// The judgement in plain words.
    pub text: String,
    /// Seconds that sampling took.
    pub time: f64,
    /// Number by number, as the parameters of the fit.
    pub parameters: Vec<Difference>,
}

/// One number by both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The variable's name.
    pub name: String,
    /// As in the fit.
    pub index: Vec<usize>,
    /// As in the fit.
    pub label: IndexMap<String, String>,
    /// The sampler's posterior mean.
    #[serde(deserialize_with = "number")]
    pub mean: f64,
    /// The sampler's posterior sd.
    #[serde(deserialize_with = "number")]
    pub sd: f64,
    /// The fit's mean minus that, in its sds; 0 where both are the same number.
    #[serde(deserialize_with = "number")]
    pub z: f64,
    /// The fit's sd over that; 1 where neither varies.
    #[serde(deserialize_with = "number")]
    pub sd_ratio: f64,
}

/// Holds a fit against the sampled posterior of the same model.
pub fn against(fit: &Report, sampled: &Report) -> Against {
    let parameters: Vec<Difference> = (fit.parameters.iter().zip(&sampled.parameters))
        .map(|(f, s)| {
            let constant = f.sd <= 0.0 && s.sd <= 0.0 && f.mean == s.mean;
            Difference {
                name: s.name.clone(),
                index: s.index.clone(),
                label: s.label.clone(),
                mean: s.mean,
                sd: s.sd,
                z: if constant {
                    0.0
                } else {
                    (f.mean - s.mean) / s.sd
                },
                sd_ratio: if constant { 1.0 } else { f.sd / s.sd },
            }
        })
        .collect();
    let (agree, text) = judged(&parameters, &sampled.verdict);
    Against {
        method: "nuts".to_owned(),
        verdict: sampled.verdict.clone(),
        agree: agree.to_owned(),
        text,
        time: sampled.time.fit,
        parameters,
    }
}

fn judged(parameters: &[Difference], sampled: &Verdict) -> (&'static str, String) {
    if sampled.trust == "no" {
        let text = format!("NUTS cannot judge this fit: {}", sampled.text);
        return ("unknown", text);
    }
    // What is not a number is worse than any.
    let worse = |x: f64| if x.is_nan() { f64::INFINITY } else { x.abs() };
    let farthest = |of: &dyn Fn(&Difference) -> f64| {
        let worst = parameters
            .iter()
            .max_by(|a, b| worse(of(a)).total_cmp(&worse(of(b))));
        worst.map(|d| (worse(of(d)), d))
    };
    let shift = farthest(&|d| d.z);
    let spread = farthest(&|d| d.sd_ratio.ln());
    let (Some((z, moved)), Some((ratio, scaled))) = (shift, spread) else {
        return ("yes", "there is nothing to compare".to_owned());
    };
    let within = |limits: (f64, f64)| z <= limits.0 && ratio <= limits.1;
    let name = |d: &Difference| display(&d.name, &d.index, &d.label);
    let most = format!(
        "the mean of `{}` differs most, by {} sds, and the sd of `{}`, by the factor {}",
        name(moved),
        fixed(moved.z, 2),
        name(scaled),
        fixed(scaled.sd_ratio, 2)
    );
    let (agree, words) = if within(AGREE) {
        ("yes", "the fit and NUTS agree")
    } else if within(NEAR) {
        ("nearly", "the fit and NUTS nearly agree")
    } else {
        (
            "no",
            "the fit and NUTS do not agree, and NUTS is to be believed",
        )
    };
    (agree, format!("{words}: {most}"))
}

/// Both side by side, and the judgement.
pub fn render(fit: &Report, against: &Against, shown: Shown, paint: Paint) -> String {
    let heading = ["", "mean", "sd", "NUTS mean", "NUTS sd", "z", "sd ratio"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let pairs = fit.parameters.iter().zip(&against.parameters);
    for (f, d) in pairs.filter(|(f, _)| shown == Shown::All || !is_in_plate(fit, f)) {
        let decimals = decimals_for(d.sd, 2);
        rows.push(vec![
            f.display(),
            fixed(f.mean, decimals),
            fixed(f.sd, decimals),
            fixed(d.mean, decimals),
            fixed(d.sd, decimals),
            fixed(d.z, 2),
            fixed(d.sd_ratio, 2),
        ]);
    }
    let mut aligns = [Align::Point; 7];
    aligns[0] = Align::Left;
    let mut out = paint.paint(Role::Heading, "against NUTS");
    out.push('\n');
    for line in lay_out(&rows, &aligns) {
        out.push_str(&format!("  {line}\n"));
    }
    out.push_str(&format!("{}\n", against.text));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(z: f64, sd_ratio: f64) -> Difference {
        Difference {
            name: "mu".to_owned(),
            index: vec![],
            label: IndexMap::new(),
            mean: 0.0,
            sd: 1.0,
            z,
            sd_ratio,
        }
    }

    #[test]
    fn the_judgement_is_that_of_the_worst_number() {
        let verdict = |trust: &str| Verdict {
            trust: trust.to_owned(),
            k_hat: f64::NAN,
            converged: true,
            text: "4 chains".to_owned(),
            reason: String::new(),
        };
        let of = |z, ratio| {
            judged(
                &[difference(0.0, 1.0), difference(z, ratio)],
                &verdict("yes"),
            )
            .0
        };
        assert_eq!(of(0.1, 1.1), "yes");
        assert_eq!(of(-0.3, 1.1), "nearly");
        assert_eq!(of(0.1, 0.75), "nearly");
        assert_eq!(of(0.1, 0.5), "no");
        assert_eq!(of(f64::NAN, 1.0), "no");
        assert_eq!(judged(&[difference(0.0, 1.0)], &verdict("no")).0, "unknown");
    }
}
