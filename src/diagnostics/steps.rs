//! The verdict in the light of steps: those of the fit, which may not have come to rest, and those that find locals, which may lead astray.

use super::Reason;
use super::Trust;
use super::sampled;
use super::verdict::Verdict;
use crate::fit::AGREE;
use crate::fit::Fit;
use crate::fit::Number;
use crate::fit::Outcome;
use crate::joint::Astray;
use crate::joint::LogDensity;

/// Elements that are named.
const NAMED: usize = 3;

/// The share of elements that are led astray from which on a fit is not to be trusted.
const MANY: f64 = 0.1;

/// What was seen of the last iterates of the fit.
pub(super) fn iterates<D: LogDensity + ?Sized>(
    density: &D,
    fit: &Fit,
    (trust, reason, mut text): Verdict,
) -> Verdict {
    let Some(tail) = fit
        .tail
        .as_ref()
        .filter(|_| fit.outcome == Outcome::Converged)
    else {
        return (trust, reason, text);
    };
    let mut doubts = false;
    let halves = tail.agreement([]);
    if halves.is_poor() {
        doubts = true;
        text.push_str(&format!(
            "; the last steps of the fit still moved {} by {:.1} {} (R-hat of their two halves {:.2}, up to {AGREE} they agree)",
            name(density, halves.worst),
            halves.apart,
            unit(halves.worst),
            halves.r_hat
        ));
    }
    if let Some(restarts) = &fit.restarts {
        let fits = restarts.bounds.len() + 1;
        let (bounds, all) = (restarts.of_bounds, restarts.of_all);
        if bounds.is_poor() {
            doubts = true;
            text.push_str(&format!(
                "; {fits} fits from different starts came to bounds {:.1} nats apart (R-hat {:.2}, up to {AGREE} they agree), and this is the best of them",
                bounds.apart, bounds.r_hat
            ));
        } else if all.is_poor() {
            text.push_str(&format!(
                "; {fits} fits from different starts agree in the bound and not in {} (R-hat {:.2}), as where units of a network may change places",
                name(density, all.worst),
                all.r_hat
            ));
        }
    }
    match (doubts, trust) {
        (true, Trust::Yes) => (Trust::Caution, Reason::NotSettled, text),
        (true | false, _) => (trust, reason, text),
    }
}

/// What was seen of the gradient steps that find locals.
pub(super) fn astray<D: LogDensity + ?Sized>(
    density: &D,
    found: &Astray,
    (trust, reason, text): Verdict,
) -> Verdict {
    if found.worse.is_empty() {
        return (trust, reason, text);
    }
    let text = format!("{}; {text}", in_words(density, found));
    let many = found.worse.len() as f64 > MANY * found.looked as f64;
    match trust {
        Trust::Yes | Trust::Caution if many => (Trust::No, Reason::StepsAstray, text),
        Trust::Yes => (Trust::Caution, Reason::StepsAstray, text),
        Trust::Caution | Trust::No => (trust, reason, text),
    }
}

/// How many elements gradient steps lead astray, and which most.
pub fn in_words<D: LogDensity + ?Sized>(density: &D, found: &Astray) -> String {
    let named = found.worse.iter().take(NAMED).map(|(element, loss)| {
        let element = density.element(found.plate, *element);
        match loss.is_finite() {
            true => format!("{element} by {loss:.2} nats"),
            false => format!("{element} at none that is finite"),
        }
    });
    let named: Vec<String> = named.collect();
    let others = if found.worse.len() > NAMED {
        " and others"
    } else {
        ""
    };
    format!(
        "the gradient steps of {} of {} elements end at a worse bound than they begin at ({}{others}), which a smaller `rate` may mend",
        found.worse.len(),
        found.looked,
        named.join(", ")
    )
}

/// What a number of the guide counts in.
fn unit(number: Number) -> &'static str {
    match number {
        Number::Bound => "nats",
        Number::Mean(_) => "sds",
        Number::Scale(_) => "in its logarithm",
    }
}

/// A number of the guide in words.
pub fn name<D: LogDensity + ?Sized>(density: &D, number: Number) -> String {
    match number {
        Number::Bound => "the bound".to_owned(),
        Number::Mean(r) => format!("`{}`", sampled::name_of(density, r)),
        Number::Scale(r) => format!("the spread of `{}`", sampled::name_of(density, r)),
    }
}
