//! Why a fit may be trusted or not, in one word for programs.

/// The reason of a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// There is nothing to estimate.
    Empty,
    /// The guide matches the posterior.
    Close,
    /// The guide does not, and weighted draws make up for it.
    Weighted,
    /// They make up for it in part.
    PartlyWeighted,
    /// Each coordinate is near, all together cannot be vouched for.
    NearInEach,
    /// Some local integrals are inaccurate.
    RoughIntegrals,
    /// The guide is not of the posterior's shape.
    Misfit,
    /// Another start leads to another mode.
    OtherMode,
    /// No mode was found: the density may not be a proper one.
    NoMode,
    /// Something is estimated as a point.
    Point,
    /// The steps of the fit towards its optimum did not settle.
    NotSettled,
    /// Gradient steps that find locals make some of them worse.
    StepsAstray,
    /// The fit spent its iterations.
    NotConverged,
    /// The caller stopped it.
    Interrupted,
    /// Numbers went wrong.
    Broken,
    /// Draws of a sampler whose chains agree.
    ChainsAgree,
    /// Its chains do not agree.
    ChainsDisagree,
    /// They may agree, but their draws are too few to tell.
    FewDraws,
    /// Some trajectories diverged, or could not cover the energies: parts of the posterior may be missing.
    Divergences,
    /// Trajectories ended before they turned: draws are slow, not wrong.
    DeepTrees,
    /// The sampler found no place to start from.
    NoStart,
    /// The sampler spent its gradients.
    SamplerSpent,
}

impl Reason {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Empty => "empty",
            Reason::Close => "close",
            Reason::Weighted => "weighted",
            Reason::PartlyWeighted => "partly_weighted",
            Reason::NearInEach => "near_in_each",
            Reason::RoughIntegrals => "rough_integrals",
            Reason::Misfit => "misfit",
            Reason::OtherMode => "other_mode",
            Reason::NoMode => "no_mode",
            Reason::Point => "point",
            Reason::NotSettled => "not_settled",
            Reason::StepsAstray => "steps_astray",
            Reason::NotConverged => "not_converged",
            Reason::Interrupted => "interrupted",
            Reason::Broken => "broken",
            Reason::ChainsAgree => "chains_agree",
            Reason::ChainsDisagree => "chains_disagree",
            Reason::FewDraws => "few_draws",
            Reason::Divergences => "divergences",
            Reason::DeepTrees => "deep_trees",
            Reason::NoStart => "no_start",
            Reason::SamplerSpent => "sampler_spent",
        }
    }
}
