//! Ranges: between which numbers an expression certainly lies.
//!
//! A range is sound (no value lies outside it) and as narrow as one pass over an expression makes it.

use crate::tape::elementwise::Domain;

/// An interval, whose ends may belong to it or not; the infinities never do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Range {
    low: End,
    high: End,
    /// Whether it holds whole numbers only.
    whole: bool,
}

/// One end of an interval.
#[derive(Clone, Copy, PartialEq, Debug)]
struct End {
    at: f64,
    /// Whether the end itself is in the interval.
    closed: bool,
}

impl End {
    fn closed(at: f64) -> End {
        End { at, closed: true }
    }

    fn open(at: f64) -> End {
        End { at, closed: false }
    }

    fn plus(self, other: End) -> End {
        End {
            at: self.at + other.at,
            closed: self.closed && other.closed,
        }
    }

    fn negated(self) -> End {
        End {
            at: -self.at,
            closed: self.closed,
        }
    }

    /// The product of two ends; zero times an infinite end is zero.
    fn times(self, other: End) -> End {
        let zero = |e: End| e.at == 0.0;
        if zero(self) || zero(other) {
            let reached = (zero(self) && self.closed) || (zero(other) && other.closed);
            return End {
                at: 0.0,
                closed: reached,
            };
        }
        End {
            at: self.at * other.at,
            closed: self.closed && other.closed,
        }
    }

    fn inverse(self) -> End {
        if self.at == 0.0 {
            return End::open(f64::INFINITY);
        }
        End {
            at: 1.0 / self.at,
            closed: self.closed,
        }
    }

    fn lower(self, other: End) -> End {
        if self.at < other.at || (self.at == other.at && self.closed) {
            self
        } else {
            other
        }
    }

    fn upper(self, other: End) -> End {
        self.negated().lower(other.negated()).negated()
    }
}

/// How a range stands to a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// Every number of the range lies in the domain.
    Inside,
    /// Only numbers at the domain's edge may lie outside.
    Edge,
    /// Some numbers of the range lie outside.
    Partly,
    /// No number of the range lies inside.
    Outside,
}

impl Range {
    /// Every number.
    pub(super) const REAL: Range = Range {
        low: End {
            at: f64::NEG_INFINITY,
            closed: false,
        },
        high: End {
            at: f64::INFINITY,
            closed: false,
        },
        whole: false,
    };

    /// From `low` to `high`, both included.
    pub(super) fn closed(low: f64, high: f64) -> Range {
        Range {
            low: End::closed(low),
            high: End::closed(high),
            whole: false,
        }
    }

    /// Between `low` and `high`, neither included.
    pub(super) fn open(low: f64, high: f64) -> Range {
        Range {
            low: End::open(low),
            high: End::open(high),
            whole: false,
        }
    }

    /// From `low` upwards, `low` included.
    pub(super) fn from(low: f64) -> Range {
        Range {
            low: End::closed(low),
            high: End::open(f64::INFINITY),
            whole: false,
        }
    }

    /// The same interval, of whole numbers.
    pub(super) fn whole(mut self) -> Range {
        self.whole = true;
        self
    }

    /// The narrowest range of some numbers.
    pub(super) fn of(values: &[f64]) -> Range {
        if values.is_empty() || values.iter().any(|x| x.is_nan()) {
            return Range::REAL;
        }
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Range {
            whole: values.iter().all(|x| x.fract() == 0.0),
            ..Range::closed(low, high)
        }
    }

    /// The numbers of a domain.
    pub(super) fn domain(domain: Domain) -> Range {
        match domain {
            Domain::Real => Range::REAL,
            Domain::Positive => Range::open(0.0, f64::INFINITY),
            Domain::NonNegative => Range::from(0.0),
            Domain::Unit => Range::closed(0.0, 1.0),
            Domain::Count => Range::from(0.0).whole(),
            Domain::Binary => Range::closed(0.0, 1.0).whole(),
            Domain::Index => Range::from(1.0).whole(),
            Domain::NonPositive => Range::from(0.0).negated(),
            Domain::SignedUnit => Range::closed(-1.0, 1.0),
        }
    }

    /// Its ends.
    pub(super) fn ends(self) -> (f64, f64) {
        (self.low.at, self.high.at)
    }

    /// The smallest range that holds both.
    pub(super) fn hull(self, other: Range) -> Range {
        Range {
            low: self.low.lower(other.low),
            high: self.high.upper(other.high),
            whole: self.whole && other.whole,
        }
    }

    /// Sums.
    pub(super) fn plus(self, other: Range) -> Range {
        Range {
            low: self.low.plus(other.low),
            high: self.high.plus(other.high),
            whole: self.whole && other.whole,
        }
    }

    /// The numbers with the other sign.
    pub(super) fn negated(self) -> Range {
        Range {
            low: self.high.negated(),
            high: self.low.negated(),
            whole: self.whole,
        }
    }

    /// Products.
    pub(super) fn times(self, other: Range) -> Range {
        let corners = [
            self.low.times(other.low),
            self.low.times(other.high),
            self.high.times(other.low),
            self.high.times(other.high),
        ];
        Range {
            low: corners.into_iter().fold(corners[0], End::lower),
            high: corners.into_iter().fold(corners[0], End::upper),
            whole: self.whole && other.whole,
        }
    }

    /// Quotients.
    pub(super) fn over(self, other: Range) -> Range {
        let one_sign = other.low.at >= 0.0 || other.high.at <= 0.0;
        if !one_sign {
            return Range::REAL;
        }
        let inverse = if other.low.at >= 0.0 {
            Range {
                low: other.high.inverse(),
                high: other.low.inverse(),
                whole: false,
            }
        } else {
            return self.negated().over(other.negated());
        };
        Range {
            whole: false,
            ..self.times(inverse)
        }
    }

    /// Powers; `even` when the exponent is known to be an even whole number.
    pub(super) fn power(self, exponent: Range) -> Range {
        let (low, high) = exponent.ends();
        if self.low.at > 0.0 || (self.low.at == 0.0 && !self.low.closed) {
            return Range::open(0.0, f64::INFINITY);
        }
        let even = exponent.whole && low == high && low % 2.0 == 0.0;
        if self.low.at == 0.0 || even {
            return Range {
                whole: self.whole && exponent.whole && low >= 0.0,
                ..Range::from(0.0)
            };
        }
        Range {
            whole: self.whole && exponent.whole && low >= 0.0,
            ..Range::REAL
        }
    }

    /// The sum of any number of its numbers, at least one.
    pub(super) fn summed(self) -> Range {
        Range {
            low: if self.low.at >= 0.0 {
                self.low
            } else {
                Range::REAL.low
            },
            high: if self.high.at <= 0.0 {
                self.high
            } else {
                Range::REAL.high
            },
            whole: self.whole,
        }
    }

    /// The mean of any of its numbers.
    pub(super) fn averaged(mut self) -> Range {
        self.whole = false;
        self
    }

    /// How it stands to a domain.
    pub(super) fn fit(self, domain: Domain) -> Fit {
        self.fit_in(Range::domain(domain))
    }

    /// How it stands to another range.
    pub(super) fn fit_in(self, other: Range) -> Fit {
        let above = |a: End, b: End| a.at > b.at || (a.at == b.at && (b.closed || !a.closed));
        let (low, high) = (self.low, self.high);
        let disjoint = |low: End, high: End| {
            low.at > high.at || (low.at == high.at && !(low.closed && high.closed))
        };
        let single_fraction = low.at == high.at && low.at.fract() != 0.0;
        if disjoint(low, other.high)
            || disjoint(other.low, high)
            || (other.whole && single_fraction)
        {
            return Fit::Outside;
        }
        if other.whole && !self.whole {
            return Fit::Partly;
        }
        let inside = above(low, other.low) && above(high.negated(), other.high.negated());
        if inside {
            Fit::Inside
        } else if low.at >= other.low.at && high.at <= other.high.at {
            Fit::Edge
        } else {
            Fit::Partly
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positive() -> Range {
        Range::domain(Domain::Positive)
    }

    #[test]
    fn products_and_sums_of_positives_are_positive() {
        for range in [
            positive().times(positive()),
            positive().plus(positive()),
            positive().over(positive()),
            positive().plus(Range::from(0.0)),
            positive().power(Range::REAL),
        ] {
            assert_eq!(range.fit(Domain::Positive), Fit::Inside, "{range:?}");
        }
    }

    #[test]
    fn squares_touch_zero_only_at_the_edge() {
        let square = Range::REAL.power(Range::of(&[2.0]));
        assert_eq!(square.fit(Domain::Positive), Fit::Edge);
        assert_eq!(square.fit(Domain::NonNegative), Fit::Inside);
        assert_eq!(square.negated().fit(Domain::Positive), Fit::Outside);
    }

    #[test]
    fn differences_may_leave() {
        let difference = positive().plus(positive().negated());
        assert_eq!(difference.fit(Domain::Positive), Fit::Partly);
        assert_eq!(Range::REAL.over(Range::REAL).fit(Domain::Unit), Fit::Partly);
    }

    #[test]
    fn whole_numbers_are_told_from_fractions() {
        assert_eq!(Range::of(&[2.0]).fit(Domain::Count), Fit::Inside);
        assert_eq!(Range::of(&[2.5]).fit(Domain::Count), Fit::Outside);
        assert_eq!(Range::REAL.fit(Domain::Count), Fit::Partly);
    }

    #[test]
    fn a_range_holds_the_values_of_its_arithmetic() {
        let points = [-3.0, -1.0, 0.0, 0.5, 2.0];
        for (i, a) in points.iter().enumerate() {
            for b in &points[i..] {
                for (j, c) in points.iter().enumerate() {
                    for d in &points[j..] {
                        let (x, y) = (Range::closed(*a, *b), Range::closed(*c, *d));
                        for (p, q) in [(a, c), (a, d), (b, c), (b, d)] {
                            let holds = |r: Range, v: f64| {
                                let (low, high) = r.ends();
                                v.is_nan() || (low <= v && v <= high)
                            };
                            assert!(holds(x.plus(y), p + q));
                            assert!(holds(x.times(y), p * q));
                            assert!(q == &0.0 || holds(x.over(y), p / q), "{x:?} / {y:?}");
                        }
                    }
                }
            }
        }
    }
}
