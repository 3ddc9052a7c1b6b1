//! How a person and an entry of a list meet: names first, then what else is known; with the reasons for each figure.

mod edit;
mod evidence;
mod explain;
mod name;
mod word;

pub(crate) use evidence::{BOOST_MAX, weigh};
pub use evidence::{Evidence, Facts};
pub(crate) use explain::explain;
pub use explain::{Explanation, Met};
pub(crate) use name::{ASKED_EXTRA, LISTED_EXTRA, Outcome, compare, compare_tokens};
pub use word::How;
pub(crate) use word::{meet, meet_joined};

use crate::list::Strength;
use crate::text::Name;

/// Taken away from a match on an alias that the list itself calls weak, and more where it is a single word.
const WEAK: u16 = 300;
const WEAK_ALONE: u16 = 1_500;

/// How alike two names are, in basis points: 10000 is the same. The order of the two matters little: a word that only
/// the first one has counts more against the match than one that only the second has.
pub fn compare_names(asked: &Name, listed: &Name) -> u16 {
    let mut best = 0;
    for asked in asked.forms() {
        for listed in listed.forms() {
            best = best.max(compare(asked, listed).bps);
        }
    }
    best
}

/// The same with the reasons of the best reading.
pub fn explain_names(asked: &Name, listed: &Name) -> Explanation {
    let mut best: Option<(Outcome, _, _)> = None;
    for a in asked.forms() {
        for b in listed.forms() {
            let outcome = compare(a, b);
            if best.as_ref().is_none_or(|(known, ..)| known.bps < outcome.bps) {
                best = Some((outcome, a, b));
            }
        }
    }
    best.map_or_else(Explanation::default, |(outcome, asked, listed)| {
        let listed: Vec<_> = listed.tokens.iter().map(Some).collect();
        explain(&outcome, &asked.tokens, &listed)
    })
}

/// The score of a match on a name of this strength.
pub(crate) const fn of_strength(bps: u16, strength: Strength, words: usize) -> u16 {
    match strength {
        Strength::Weak if words < 2 => bps.saturating_sub(WEAK_ALONE),
        Strength::Weak => bps.saturating_sub(WEAK),
        Strength::Alias | Strength::Primary => bps,
    }
}

#[cfg(test)]
mod tests;
