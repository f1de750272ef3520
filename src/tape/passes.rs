//! The rewritings that make a log density cheaper to run; each is exact and can be switched off.

/// A rewriting: it changes what a run costs, and its numbers by rounding alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pass {
    /// Sorted rows: the rows of a table stand in the order of the plates that hold them.
    Sort,
    /// Data folding: what depends on data and constants alone is worked out once.
    Fold,
    /// Common subexpressions: equal nodes are made once.
    Share,
    /// Fused forms: a density of an affine predictor runs in one pass over its columns.
    Fuse,
    /// Sufficient statistics: rows are summed up before the run, where a term depends on sums of them alone.
    Collapse,
    /// Identical rows: rows that are the same in everything that a term reads are run once.
    Merge,
}

impl Pass {
    /// All of them.
    pub const ALL: [Pass; 6] = [
        Pass::Sort,
        Pass::Fold,
        Pass::Share,
        Pass::Fuse,
        Pass::Collapse,
        Pass::Merge,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Sort => "sorted rows",
            Pass::Fold => "data folding",
            Pass::Share => "common subexpressions",
            Pass::Fuse => "fused forms",
            Pass::Collapse => "sufficient statistics",
            Pass::Merge => "identical rows",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The passes that are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passes(u8);

impl Default for Passes {
    fn default() -> Passes {
        Passes::all()
    }
}

impl Passes {
    /// Every pass.
    pub fn all() -> Passes {
        Pass::ALL.into_iter().fold(Passes::none(), Passes::with)
    }

    /// No pass: what the model says, operation by operation.
    pub fn none() -> Passes {
        Passes(0)
    }

    /// These and another.
    #[must_use]
    pub fn with(self, pass: Pass) -> Passes {
        Passes(self.0 | pass.bit())
    }

    /// These without one.
    #[must_use]
    pub fn without(self, pass: Pass) -> Passes {
        Passes(self.0 & !pass.bit())
    }

    /// Whether a pass is made.
    pub fn has(self, pass: Pass) -> bool {
        self.0 & pass.bit() != 0
    }

    /// The passes that are made, in the order of [`Pass::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Pass> {
        Pass::ALL.into_iter().filter(move |pass| self.has(*pass))
    }

    /// Every choice of passes, from none to all.
    pub fn subsets() -> impl Iterator<Item = Passes> {
        (0..=Passes::all().0).map(Passes)
    }
}
