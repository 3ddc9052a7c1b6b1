//! A watch list in our own form: comma-separated, with `# name:` and `# version:` in the comments above its header.

use std::fmt;

use jiff::civil::Date;

use super::normalise::Name;

/// The columns, in their order.
const HEADER: &str = "entry_id,name,aliases,birth_date,countries,reason";

/// Columns of a row.
const COLUMNS: usize = 6;

/// Most entries of a list in this form.
const ENTRIES_MAX: usize = 100_000;

/// Most bytes of a line: a row that is longer is not a person.
const LINE_BYTES_MAX: usize = 4_096;

/// Most aliases of an entry.
const ALIASES_MAX: usize = 64;

/// Largest list file.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A date of birth as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthDate {
    /// To the day.
    Day(Date),
    /// To the year.
    Year(i16),
}

impl BirthDate {
    /// The year.
    pub fn year(self) -> i16 {
        match self {
            Self::Day(date) => date.year(),
            Self::Year(year) => year,
        }
    }
}

/// A name of an entry.
#[derive(Clone, Debug)]
pub struct ListedName {
    /// As it stands on the list.
    pub text: String,
    /// As it is compared.
    pub normal: Name,
}

/// A person on the list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Id on this list.
    pub entry_id: String,
    /// The name, then the aliases.
    pub names: Vec<ListedName>,
    /// Date of birth, if known.
    pub birth_date: Option<BirthDate>,
    /// Why the person is on it: `sanctions`, `pep`.
    pub reason: String,
}

/// A list that was read whole.
#[derive(Clone)]
pub struct WatchList {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its entries; never none.
    pub entries: Vec<Entry>,
}

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It has no entries.
    #[error("the list is empty")]
    Empty,
    /// A line is wrong; lists are taken whole or not at all.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// It does not tell its name or version above the header.
    #[error("`# name:` or `# version:` is missing above the header")]
    Unnamed,
}

impl WatchList {
    /// The list written in `text`.
    ///
    /// # Errors
    /// [`ListError`] for the first line that is wrong: a list that is cut or garbled must not serve in part.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let (mut name, mut version) = (None, None);
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut header_seen = false;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what| ListError::Line { line: index + 1, what };
            if line.len() > LINE_BYTES_MAX {
                return Err(wrong("longer than a row can be"));
            }
            if let Some(comment) = line.strip_prefix('#') {
                name = name.or_else(|| value_of(comment, "name:"));
                version = version.or_else(|| value_of(comment, "version:"));
            } else if !header_seen {
                if line != HEADER {
                    return Err(wrong(
                        "must be the header entry_id,name,aliases,birth_date,countries,reason",
                    ));
                }
                header_seen = true;
            } else if !line.trim().is_empty() {
                let entry = Entry::parse(line).map_err(wrong)?;
                if !seen.insert(entry.entry_id.clone()) {
                    return Err(wrong("this entry_id stands on the list twice"));
                }
                if entries.len() >= ENTRIES_MAX {
                    return Err(wrong("more entries than a list in this form may have"));
                }
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(ListError::Empty);
        }
        let (name, version) = name.zip(version).ok_or(ListError::Unnamed)?;
        Ok(Self { name, version, entries })
    }
}

impl fmt::Debug for WatchList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WatchList({} {}, {} entries)", self.name, self.version, self.entries.len())
    }
}

fn value_of(comment: &str, key: &str) -> Option<String> {
    comment.trim().strip_prefix(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

impl Entry {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [entry_id, name, aliases, birth_date, _countries, reason] = fields[..] else {
            debug_assert_ne!(fields.len(), COLUMNS);
            return Err("must have six fields; commas inside a field are not part of this form");
        };
        if entry_id.is_empty() || entry_id.len() > 64 {
            return Err("entry_id must be 1 to 64 characters long");
        }
        let listed = |text: &str| ListedName { text: text.to_owned(), normal: Name::of(text) };
        let mut names = vec![listed(name)];
        if names[0].normal.is_empty() {
            return Err("name holds nothing to compare");
        }
        names.extend(aliases.split(';').map(str::trim).map(listed).filter(|name| !name.normal.is_empty()));
        if names.len() > ALIASES_MAX {
            return Err("more aliases than an entry may have");
        }
        let birth_date = match birth_date {
            "" => None,
            year if year.len() == 4 => {
                Some(BirthDate::Year(year.parse().map_err(|_| "birth_date is no year")?))
            }
            day => {
                Some(BirthDate::Day(day.parse().map_err(|_| "birth_date is neither YYYY nor YYYY-MM-DD")?))
            }
        };
        Ok(Self { entry_id: entry_id.to_owned(), names, birth_date, reason: reason.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# name: own\n# version: 1\nentry_id,name,aliases,birth_date,countries,reason\n";

    #[test]
    fn a_good_list_is_read_whole() {
        let list = WatchList::parse(&format!(
            "{HEAD}A1,Anselm Terzhan,A. Terzhan;X,1961-04-12,ZZ,sanctions\nA2,欧阳朔寒,,1971,,pep\n"
        ))
        .unwrap();
        assert_eq!((list.name.as_str(), list.version.as_str(), list.entries.len()), ("own", "1", 2));
        assert_eq!(list.entries[0].names.len(), 3);
        assert_eq!(list.entries[1].birth_date, Some(BirthDate::Year(1971)));
    }

    #[test]
    fn a_bad_list_is_refused_whole_with_its_line() {
        let cases = [
            ("", ListError::Empty),
            (HEAD, ListError::Empty),
            (
                "x\n",
                ListError::Line {
                    line: 1,
                    what: "must be the header entry_id,name,aliases,birth_date,countries,reason",
                },
            ),
        ];
        for (text, error) in cases {
            assert_eq!(WatchList::parse(text).unwrap_err(), error, "{text}");
        }
        for row in ["A1,Name", "A1,---,,,,x", ",Name,,,,x", "A1,Name,,1961-13-01,,x", "A1,Name,,19x1,,x"] {
            let error = WatchList::parse(&format!("{HEAD}A0,Good Name,,,,x\n{row}\n")).unwrap_err();
            assert!(matches!(error, ListError::Line { line: 5, .. }), "{row}: {error}");
        }
        let twice = WatchList::parse(&format!("{HEAD}A1,Name,,,,x\nA1,Other,,,,x\n")).unwrap_err();
        assert!(matches!(twice, ListError::Line { line: 5, .. }));
        assert_eq!(
            WatchList::parse("entry_id,name,aliases,birth_date,countries,reason\nA1,Name,,,,x\n")
                .unwrap_err(),
            ListError::Unnamed
        );
        let long = format!("{HEAD}A1,{},,,,x\n", "x".repeat(5_000));
        assert!(matches!(WatchList::parse(&long), Err(ListError::Line { line: 4, .. })));
    }
}
