//! Lists in memory, and the search for who is like a person.
//!
//! Every distinct word of the lists is kept once, with the names it stands in. A search looks up the words that sound
//! like the person's, drops at once what cannot reach the threshold with the words it shares, and scores the rest with the
//! scorer itself: the index decides who is compared, never how.

mod build;
mod key;
mod search;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use search::Searcher;

use crate::list::{BirthDate, Country, Entry, EntryKind, Gender, List};
use crate::score::{Evidence, Explanation, Facts};
use crate::text::{Name, Token};
use key::Keys;

/// A person to screen.
#[derive(Clone, Debug)]
pub struct Person {
    pub(crate) names: Vec<Name>,
    pub(crate) facts: Facts,
}

impl Person {
    /// A person of whom only a name is known.
    pub fn named(name: &str) -> Self {
        Self { names: vec![Name::of(name)], facts: Facts::default() }
    }

    /// Also known by this name: in another script, or before marriage.
    #[must_use]
    pub fn or_named(mut self, name: &str) -> Self {
        self.names.push(Name::of(name));
        self
    }

    /// Born on this day.
    #[must_use]
    pub const fn born(mut self, date: Date) -> Self {
        self.facts.birth = Some(BirthDate::Day(date));
        self
    }

    /// Of this country.
    #[must_use]
    pub fn from(mut self, country: Option<Country>) -> Self {
        self.facts.countries.extend(country);
        self
    }

    /// Of this gender.
    #[must_use]
    pub const fn of(mut self, gender: Option<Gender>) -> Self {
        self.facts.gender = gender;
        self
    }

    /// With a document of this number.
    #[must_use]
    pub fn with_document(mut self, number: &str) -> Self {
        self.facts.documents.push(number.to_owned());
        self
    }

    /// The names, as they are compared.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether a search says anything of this person: a name must hold letters, and not be longer than what is compared.
    pub fn is_comparable(&self) -> bool {
        !self.names.is_empty() && self.names.iter().all(|name| !name.is_empty() && !name.is_cut())
    }
}

/// What counts as a hit.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Least score of a hit, in basis points.
    pub threshold_bps: u16,
    /// Most hits that are told, best first.
    pub hits_max: usize,
    /// Whether organisations, ships and aircraft are compared too.
    pub everything: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { threshold_bps: crate::THRESHOLD_DEFAULT, hits_max: 50, everything: false }
    }
}

/// An entry that is like the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Name of its list.
    pub list: String,
    /// Its id there.
    pub entry_id: String,
    /// The name of it that met best.
    pub entry_name: String,
    /// The score with all evidence, in basis points.
    pub bps: u16,
    /// Which words met and how.
    pub explanation: Explanation,
    /// What else speaks for or against it.
    pub evidence: Vec<Evidence>,
    /// Place of the entry in the index: see [`Index::entry`].
    #[serde(skip)]
    pub place: u32,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Entries at or above the threshold, best first.
    pub hits: Vec<Hit>,
    /// How many entries stand on the lists that were searched.
    pub entries: usize,
    /// How many names were scored.
    pub scored: usize,
}

/// One reading of one name of an entry.
#[derive(Clone, Copy)]
struct Row {
    entry: u32,
    name: u16,
    tokens: u8,
    /// Whether it is a person's, or may be.
    person: bool,
    /// Weight of its words, in hundredths of a name.
    weight: u16,
    first: u32,
}

/// Lists, ready to be searched.
pub struct Index {
    lists: Vec<Arc<List>>,
    /// Entries before each list.
    offsets: Vec<u32>,
    tokens: Vec<Token>,
    rows: Vec<Row>,
    /// Tokens of the rows, one after the other.
    row_tokens: Vec<u32>,
    /// Where the rows of each token begin in `postings`.
    posting_starts: Vec<u32>,
    postings: Vec<u32>,
    keys: Keys,
    /// Neighbouring words written in one: key and row, sorted.
    joined: Vec<(u32, u32)>,
    /// Tokens of each group of given names.
    groups: HashMap<u16, Vec<u32>>,
    /// Tokens that are initials, by letter.
    initials: HashMap<u8, Vec<u32>>,
    documents: HashMap<Box<str>, Vec<u32>>,
}

impl Index {
    /// An index of lists.
    pub fn of(lists: impl IntoIterator<Item = Arc<List>>) -> Self {
        build::index(lists.into_iter().collect(), None)
    }

    /// An index of some entries of one list, by their places there: what a new version changed.
    pub fn of_places(list: Arc<List>, places: &[usize]) -> Self {
        build::index(vec![list], Some(places))
    }

    /// The lists.
    pub fn lists(&self) -> &[Arc<List>] {
        &self.lists
    }

    /// How many entries stand on them.
    pub fn entries(&self) -> usize {
        self.lists.iter().map(|list| list.entries.len()).sum()
    }

    /// How many names, each in each of its readings.
    pub fn names(&self) -> usize {
        self.rows.len()
    }

    /// The entry at a hit's place, with its list.
    pub fn entry(&self, place: u32) -> Option<(&List, &Entry)> {
        let at = self.offsets.partition_point(|offset| *offset <= place).checked_sub(1)?;
        let list = self.lists.get(at)?;
        let entry = list.entries.get(usize::try_from(place - self.offsets[at]).ok()?)?;
        Some((list, entry))
    }

    /// Who is like the person. For many searches one after the other, [`Index::searcher`] is faster.
    pub fn screen(&self, person: &Person, policy: &Policy) -> Finding {
        self.searcher().screen(person, policy)
    }

    /// A searcher with memory of its own, for one thread.
    pub fn searcher(&self) -> Searcher<'_> {
        Searcher::new(self)
    }

    fn is_searched(entry: &Entry, policy: &Policy) -> bool {
        policy.everything || matches!(entry.kind, EntryKind::Person | EntryKind::Unknown)
    }

    fn row_tokens(&self, row: &Row) -> &[u32] {
        let first = row.first as usize;
        &self.row_tokens[first..first + usize::from(row.tokens)]
    }

    fn postings(&self, token: u32) -> &[u32] {
        let at = token as usize;
        &self.postings[self.posting_starts[at] as usize..self.posting_starts[at + 1] as usize]
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Index({} lists, {} entries, {} names, {} words)",
            self.lists.len(),
            self.entries(),
            self.rows.len(),
            self.tokens.len()
        )
    }
}

#[cfg(test)]
mod tests;
