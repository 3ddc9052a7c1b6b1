//! Who stands on a list.

use jiff::civil::Date;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::source::hex;

/// Most names of an entry; further ones make it no entry.
pub(super) const NAMES_MAX: usize = 1_000;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A human being.
    Person,
    /// A company, a group, a body.
    Organization,
    /// A ship.
    Vessel,
    /// An aircraft.
    Aircraft,
    /// The list does not say.
    Unknown,
}

/// How much an alias is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// The list itself calls it weak or of low quality: common, short, or doubtful.
    Weak,
    /// Another name.
    Alias,
    /// The entry's own name.
    Primary,
}

/// A name of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedName {
    /// As it stands on the list.
    pub text: Box<str>,
    /// What it is worth.
    pub strength: Strength,
}

/// A date of birth as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthDate {
    /// To the day.
    Day(Date),
    /// To the year, or within these years.
    Years(i16, i16),
}

impl BirthDate {
    /// From `YYYY`, `YYYY-MM`, `YYYY-MM-DD`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(date) = text.get(..10).unwrap_or(text).parse::<Date>() {
            return Some(Self::Day(date));
        }
        let year: i16 = text.get(..4)?.parse().ok()?;
        let rest = text.get(4..)?;
        let plausible = (1850..=2100).contains(&year) && (rest.is_empty() || rest.starts_with('-'));
        plausible.then_some(Self::Years(year, year))
    }

    /// The first and the last year it can be.
    pub fn years(self) -> (i16, i16) {
        match self {
            Self::Day(date) => (date.year(), date.year()),
            Self::Years(from, to) => (from.min(to), from.max(to)),
        }
    }
}

/// A country by its two letters (ISO 3166-1), lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// From two letters, three letters or a name that lists use.
    pub fn parse(text: &str) -> Option<Self> {
        use std::collections::HashMap;
        use std::sync::LazyLock;
        static COUNTRIES: LazyLock<HashMap<&'static str, Country>> = LazyLock::new(|| {
            let lines =
                include_str!("../../data/countries.txt").lines().filter(|line| !line.starts_with('#'));
            lines
                .filter_map(|line| {
                    let code: [u8; 2] = line.get(..2)?.as_bytes().try_into().ok()?;
                    Some(line.split('|').map(move |name| (name, Country(code))))
                })
                .flatten()
                .collect()
        });
        if text.len() > 100 {
            return None;
        }
        let text = text.trim().to_lowercase();
        let without = text.split(" (").next().unwrap_or(&text);
        COUNTRIES.get(text.as_str()).or_else(|| COUNTRIES.get(without)).copied()
    }

    /// Its two letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl std::fmt::Debug for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

/// Sex or gender as lists state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
}

impl Gender {
    /// From what lists write; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "male" | "m" => Some(Self::Male),
            "female" | "f" => Some(Self::Female),
            _ => None,
        }
    }
}

/// A person or organisation on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id on the list.
    pub id: Box<str>,
    /// Ids it had before entries were merged.
    pub referents: Vec<Box<str>>,
    /// What it is.
    pub kind: EntryKind,
    /// Its names, the primary one first; at least one.
    pub names: Vec<ListedName>,
    /// Dates of birth; several where the list does not know which.
    pub births: Vec<BirthDate>,
    /// Nationalities and countries.
    pub countries: Vec<Country>,
    /// Gender, if stated.
    pub gender: Option<Gender>,
    /// Numbers of documents, letters and digits only, upper case.
    pub documents: Vec<Box<str>>,
    /// Why it is listed: programme, topic.
    pub reasons: Vec<Box<str>>,
}

impl Entry {
    pub(super) fn new(id: &str, kind: EntryKind) -> Self {
        Self {
            id: id.into(),
            referents: Vec::new(),
            kind,
            names: Vec::new(),
            births: Vec::new(),
            countries: Vec::new(),
            gender: None,
            documents: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Adds a name that has letters and is not there yet.
    pub(super) fn name(&mut self, text: &str, strength: Strength) {
        let text = text.trim();
        let letters = text.chars().take(crate::CHARS_MAX).any(char::is_alphanumeric);
        if letters && self.names.len() < NAMES_MAX && !self.names.iter().any(|name| &*name.text == text) {
            self.names.push(ListedName { text: text.into(), strength });
        }
    }

    pub(super) fn country(&mut self, text: &str) {
        if let Some(country) = Country::parse(text).filter(|country| !self.countries.contains(country)) {
            self.countries.push(country);
        }
    }

    pub(super) fn birth(&mut self, birth: Option<BirthDate>) {
        if let Some(birth) = birth.filter(|birth| !self.births.contains(birth)) {
            self.births.push(birth);
        }
    }

    pub(super) fn document(&mut self, text: &str) {
        if let Some(number) = document_number(text).filter(|number| !self.documents.contains(number)) {
            self.documents.push(number);
        }
    }

    pub(super) fn reason(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() && text.len() <= 200 && !self.reasons.iter().any(|reason| &**reason == text) {
            self.reasons.push(text.into());
        }
    }

    /// Hash of all that a match rests on, lower-case hex: another hash is another person to compare with.
    pub fn content_hash(&self) -> String {
        let mut context = Context::new(&SHA256);
        let mut part = |text: &str| {
            context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(text.as_bytes());
        };
        part(&format!("{:?} {:?} {:?} {:?}", self.kind, self.births, self.countries, self.gender));
        for name in &self.names {
            part(&name.text);
            part(&format!("{:?}", name.strength));
        }
        for text in self.documents.iter().chain(&self.reasons) {
            part(text);
        }
        hex(context.finish().as_ref())
    }
}

/// A document's number in comparable form; `None` where it is too short to tell people apart.
pub(crate) fn document_number(text: &str) -> Option<Box<str>> {
    let number: String =
        text.chars().take(200).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    ((5..=40).contains(&number.len()) && digits >= 4).then(|| number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_countries_and_numbers_are_read_as_lists_write_them() {
        assert_eq!(BirthDate::parse("1971"), Some(BirthDate::Years(1971, 1971)));
        assert_eq!(BirthDate::parse("1971-03"), Some(BirthDate::Years(1971, 1971)));
        assert!(matches!(BirthDate::parse("1971-03-04"), Some(BirthDate::Day(_))));
        for wrong in ["", "19x1", "1971-13-99x", "99999"] {
            assert!(!matches!(BirthDate::parse(wrong), Some(BirthDate::Day(_))), "{wrong}");
        }
        for text in ["IR", "irn", "Iran", "Iran (Islamic Republic of)"] {
            assert_eq!(
                Country::parse(text).map(|country| country.code().to_owned()),
                Some("ir".into()),
                "{text}"
            );
        }
        assert_eq!(Country::parse("Atlantis"), None);
        assert_eq!(document_number("A 123-456"), Some("A123456".into()));
        assert_eq!(document_number("12"), None);
    }

    #[test]
    fn the_hash_tells_what_changed() {
        let mut entry = Entry::new("1", EntryKind::Person);
        entry.name("Anselm Terzhan", Strength::Primary);
        let before = entry.content_hash();
        assert_eq!(before, entry.clone().content_hash());
        entry.birth(BirthDate::parse("1961"));
        assert_ne!(before, entry.content_hash());
    }
}
