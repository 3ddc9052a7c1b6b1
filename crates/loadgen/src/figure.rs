//! One measured figure and what was asked of it.

use std::fmt;

use crate::rounds::Pairs;

/// What the ratio of value and reference must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// At least so much: more is better.
    AtLeast(f64),
    /// At most so much: less is better.
    AtMost(f64),
}

impl Bar {
    /// The number in it.
    pub const fn limit(self) -> f64 {
        match self {
            Self::AtLeast(limit) | Self::AtMost(limit) => limit,
        }
    }

    /// Whether `ratio` reaches it.
    pub fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(limit) => ratio >= limit,
            // Nothing measured is no ratio.
            Self::AtMost(limit) => ratio > 0.0 && ratio <= limit,
        }
    }

    /// How many times better than asked for `ratio` is: 1 is just enough.
    pub fn margin(self, ratio: f64) -> f64 {
        match self {
            Self::AtLeast(limit) => ratio / limit,
            Self::AtMost(limit) => limit / ratio,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, ">={limit}"),
            Self::AtMost(limit) => write!(f, "<={limit}"),
        }
    }
}

/// What a figure is called, and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Name: `unary_256`.
    pub name: &'static str,
    /// Unit of value and reference: `1/s`.
    pub unit: &'static str,
    /// What the ratio must be.
    pub bar: Bar,
    /// What we want it to be.
    pub aim: f64,
}

/// A measured figure. Its ratio is value ÷ reference, for times too.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What is asked of it.
    pub goal: Goal,
    /// Ours: the median of the rounds.
    pub value: f64,
    /// The reference's: the median of the rounds.
    pub reference: f64,
    /// Smallest ratio of a round.
    pub least: f64,
    /// Largest ratio of a round.
    pub most: f64,
    /// What must be said about it, such as a size that was chosen; may be empty.
    pub note: String,
}

impl Figure {
    /// The figure that the rounds make.
    pub fn of(goal: Goal, pairs: &Pairs) -> Self {
        Self {
            goal,
            value: pairs.values.median(),
            reference: pairs.references.median(),
            least: pairs.ratios.least(),
            most: pairs.ratios.most(),
            note: String::new(),
        }
    }

    /// With something to be said about it.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Value ÷ reference; 0 where the reference is.
    pub fn ratio(&self) -> f64 {
        if self.reference == 0.0 { 0.0 } else { self.value / self.reference }
    }

    /// Whether the ratio reaches its bar.
    pub fn holds(&self) -> bool {
        self.goal.bar.holds(self.ratio())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_hold_and_read_as_in_the_table() {
        assert_eq!(Bar::AtLeast(0.65).to_string(), ">=0.65");
        assert_eq!(Bar::AtMost(6.0).to_string(), "<=6");
        assert!(Bar::AtLeast(0.65).holds(0.65) && !Bar::AtLeast(0.65).holds(0.64));
        assert!(Bar::AtMost(6.0).holds(6.0) && !Bar::AtMost(6.0).holds(6.1) && !Bar::AtMost(6.0).holds(0.0));
        assert!(!Bar::AtLeast(0.65).holds(f64::NAN) && !Bar::AtMost(6.0).holds(f64::NAN));
        assert_eq!(Bar::AtLeast(0.5).margin(1.0), 2.0);
        assert_eq!(Bar::AtMost(6.0).margin(3.0), 2.0);
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let mut pairs = Pairs::default();
        for (value, reference) in [(10.0, 20.0), (30.0, 30.0), (20.0, 40.0)] {
            pairs.push(value, reference);
        }
        let goal = Goal { name: "x", unit: "1/s", bar: Bar::AtLeast(0.6), aim: 1.0 };
        let figure = Figure::of(goal, &pairs);
        assert_eq!((figure.value, figure.reference), (20.0, 30.0));
        assert_eq!((figure.least, figure.most), (0.5, 1.0));
        assert!(figure.holds());
    }
}
