//! Why a score is what it is.

use serde::{Deserialize, Serialize};

use super::name::Outcome;
use super::word::How;
use crate::text::Token;

/// Words that met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The words of the person's name, in Latin letters.
    pub asked: String,
    /// Those of the listed name.
    pub listed: String,
    /// How they met.
    pub how: How,
    /// How alike they are, in basis points.
    pub bps: u16,
}

/// Which words met and which stayed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The score of the names alone, in basis points.
    pub bps: u16,
    /// What met, in the order of the person's name.
    pub met: Vec<Met>,
    /// Words that only the person's name has.
    pub asked_over: Vec<String>,
    /// Words that only the listed name has.
    pub listed_over: Vec<String>,
}

/// The reasons of an outcome.
pub(crate) fn explain(outcome: &Outcome, asked: &[Token], listed: &[Option<&Token>]) -> Explanation {
    let mut pairs = outcome.pairs().to_vec();
    pairs.sort_by_key(|pair| pair.asked);
    let (mut asked_met, mut listed_met) = (vec![false; asked.len()], vec![false; listed.len()]);
    let mut explanation = Explanation { bps: outcome.bps, ..Explanation::default() };
    for pair in pairs {
        let (asked_at, listed_at) = (usize::from(pair.asked), usize::from(pair.listed));
        let asked_span = asked_at..(asked_at + usize::from(pair.spans.0)).min(asked.len());
        let listed_span = listed_at..(listed_at + usize::from(pair.spans.1)).min(listed.len());
        asked_span.clone().for_each(|at| asked_met[at] = true);
        listed_span.clone().for_each(|at| listed_met[at] = true);
        let words =
            |tokens: Vec<&Token>| tokens.iter().map(|token| token.text()).collect::<Vec<_>>().join(" ");
        explanation.met.push(Met {
            asked: words(asked[asked_span].iter().collect()),
            listed: words(listed[listed_span].iter().flatten().copied().collect()),
            how: pair.meeting.how,
            bps: pair.meeting.bps,
        });
    }
    let over = |met: &[bool], text: &dyn Fn(usize) -> Option<String>| {
        met.iter().enumerate().filter(|(_, met)| !**met).filter_map(|(at, _)| text(at)).collect()
    };
    explanation.asked_over = over(&asked_met, &|at| Some(asked[at].text().to_owned()));
    explanation.listed_over = over(&listed_met, &|at| listed[at].map(|token| token.text().to_owned()));
    explanation
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> = self
            .met
            .iter()
            .map(|met| match met.how {
                How::Exact => format!("{} = {}", met.asked, met.listed),
                How::Spelling => format!("{} is spelt {}", met.asked, met.listed),
                How::Fuzzy => format!("{} ~ {} ({} bps)", met.asked, met.listed, met.bps),
                How::Transliterated => {
                    format!("{} is {} in another script ({} bps)", met.asked, met.listed, met.bps)
                }
                How::Initial => format!("{} and {}: initial", met.asked, met.listed),
                How::Diminutive => format!("{} and {}: forms of one given name", met.asked, met.listed),
                How::Variant => format!("{} and {}: one name in two languages", met.asked, met.listed),
                How::Joined => format!("{} = {}, cut otherwise", met.asked, met.listed),
            })
            .collect();
        if !self.asked_over.is_empty() {
            parts.push(format!("only in the name: {}", self.asked_over.join(" ")));
        }
        if !self.listed_over.is_empty() {
            parts.push(format!("only on the list: {}", self.listed_over.join(" ")));
        }
        f.write_str(&parts.join(", "))
    }
}
