//! The fit of the family `laplace`: Newton's method to the mode of the joint density, and the Gaussian of its curvature there.
//!
//! A hierarchical density need not have a mode: where groups may all be equal it rises without end as their spread goes to zero. Then the
//! search ends nowhere, and the fit says so.

use super::Doubt;
use super::Ending;
use super::Run;
use super::start::Curvature;
use super::start::Start;

/// Newton steps at most.
const STEPS: usize = 200;
/// The mode is reached when a full step would gain no more than this, in nats.
const GAIN: f64 = 1e-9;
/// Near a mode each step gains less than this share of what the one before gained: Newton's method squares its error. Where a density
/// rises without end ever more slowly the gains fall by the same factor each time.
const SHARE: f64 = 0.1;
/// Halvings of a step at most.
const HALVINGS: i32 = 40;

/// Climbs to the mode. Gives the Gaussian around where it ended, how that was, and what speaks against it.
pub(super) fn maximise(run: &mut Run<'_, '_>) -> (Start, Ending, Option<Doubt>) {
    let elbo = run.elbo;
    let sites = elbo.joint.sites().iter();
    let mut mean: Vec<f64> = sites.flat_map(|s| s.start.iter().copied()).collect();
    let mut curvature = Curvature::new(elbo);
    let (mut value, mut gradient) = curvature.gradient(&mean);
    let mut ending = Ending::Spent;
    let (mut before, mut slow) = (f64::INFINITY, false);
    if !value.is_finite() {
        ending = Ending::NotFinite(mean.clone());
    }
    for _ in 0..STEPS {
        if !value.is_finite() {
            break;
        }
        let newton = curvature.newton(&mean, &gradient);
        let gain: f64 = newton.iter().zip(&gradient).map(|(s, g)| s * g).sum();
        slow = gain > SHARE * before;
        before = gain;
        if gain < GAIN {
            ending = Ending::Converged;
            break;
        }
        let step = (0..HALVINGS).find_map(|halvings| {
            let t = 0.5_f64.powi(halvings);
            let steps = mean.iter().zip(&newton);
            let to: Vec<f64> = steps.map(|(m, s)| m + t * s).collect();
            let (there, slope) = curvature.gradient(&to);
            (there > value).then_some((to, there, slope))
        });
        // No step goes up although one should: the limit of precision.
        let Some(found) = step else {
            (ending, slow) = (Ending::Converged, false);
            break;
        };
        (mean, value, gradient) = found;
        if !run.tell(value) {
            ending = Ending::Interrupted;
            break;
        }
        if run.left() == 0 {
            break;
        }
    }
    let (start, curved) = curvature.start(&mean);
    let doubt = match ending {
        Ending::Spent => Some(Doubt::NoMode(mean)),
        Ending::Converged if !curved || slow => Some(Doubt::NoMode(mean)),
        Ending::Converged | Ending::Interrupted | Ending::NotFinite(_) => None,
    };
    // A search that went nowhere has been given up, whatever steps are left.
    let ending = match (ending, &doubt) {
        (Ending::Spent, Some(_)) if run.left() > 0 => Ending::Converged,
        (ending, _) => ending,
    };
    (start, ending, doubt)
}
