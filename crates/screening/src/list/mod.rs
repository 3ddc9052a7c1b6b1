//! Lists of people and organisations, whatever form they were published in.
//!
//! A list is taken whole or not at all: a file that is cut, garbled, empty or holds a row no person could have is refused
//! with the place where it went wrong, since half a list would say "no hit" of everyone in the other half. What a loader
//! cannot see, a list that was cut between two rows, [`Watch::accepts`] sees by comparing with the last good one.

mod entry;
mod ftm;
mod ofac;
mod own;
mod rows;
mod source;
mod targets;
mod un;
mod watch;

use std::io::BufRead;

pub(crate) use entry::document_number;
pub use entry::{BirthDate, Country, Entry, EntryKind, Gender, ListedName, Strength};
pub use rows::Rows;
pub use source::{ROW_BYTES_MAX, TOTAL_BYTES_MAX};
pub use watch::{Change, Changes, Shrunken, Watch};

/// Most entries of a list.
pub const ENTRIES_MAX: usize = 4_000_000;

/// The form a list is published in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// OFAC's Specially Designated Nationals as a set of CSV files: `sdn.csv`, `alt.csv`, `add.csv`.
    OfacCsv,
    /// The consolidated list of the UN Security Council in XML.
    UnXml,
    /// `targets.simple.csv` of OpenSanctions.
    TargetsCsv,
    /// Entities of the FollowTheMoney model, one JSON object a line.
    FtmJson,
    /// An issuer's own list as CSV: `entry_id,name,aliases,birth_date,countries,reason`.
    OwnCsv,
    /// The same, one JSON object a line.
    OwnJson,
}

impl Format {
    /// The format of a file, from its name and its first bytes; `None` for one that could be anything.
    pub fn guess(file_name: &str, head: &[u8]) -> Option<Self> {
        let name = file_name.to_ascii_lowercase();
        let head = String::from_utf8_lossy(&head[..head.len().min(4_096)]);
        let first =
            head.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or_default();
        if name == "sdn.csv" {
            Some(Self::OfacCsv)
        } else if head.contains("<CONSOLIDATED_LIST") {
            Some(Self::UnXml)
        } else if first.starts_with('{') {
            Some(if first.contains("\"schema\"") { Self::FtmJson } else { Self::OwnJson })
        } else if first.starts_with("entry_id,") {
            Some(Self::OwnCsv)
        } else if first.contains("schema") && first.contains("aliases") {
            Some(Self::TargetsCsv)
        } else {
            None
        }
    }
}

/// Which bytes and when: two lists with the same hash are the same list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// SHA-256 of all its files, lower-case hex.
    pub hash: String,
    /// When it was published, as far as the list says so itself: `YYYY-MM-DD` or a time.
    pub date: Option<String>,
    /// Its entries.
    pub entries: usize,
}

/// A list that was read whole.
#[derive(Clone, Debug)]
pub struct List {
    /// Its name, for people and for the record.
    pub name: String,
    /// The form it came in.
    pub format: Format,
    /// Which one it is.
    pub version: Version,
    /// Its entries, never none, no id twice.
    pub entries: Vec<Entry>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It has no entries.
    #[error("the list is empty")]
    Empty,
    /// It ends where it should go on.
    #[error("{file} is cut short: {what}")]
    Cut {
        /// Which file of the set.
        file: &'static str,
        /// What was open where it ended.
        what: String,
    },
    /// A row is wrong.
    #[error("{file}, row {row}: {what}")]
    Row {
        /// Which file of the set.
        file: &'static str,
        /// Number of the row or line, from 1.
        row: u64,
        /// What is wrong.
        what: String,
    },
    /// It is larger than any list.
    #[error("{file} is larger than a list can be: {what}")]
    TooLarge {
        /// Which file of the set.
        file: &'static str,
        /// Which bound it breaks.
        what: String,
    },
    /// It cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// Which file of the set.
        file: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// Files of a set that do not belong together.
    #[error("the files of the set do not belong together: {what}")]
    Mismatched {
        /// What tells so.
        what: String,
    },
}

impl List {
    /// OFAC's list from its files: entries, other names, addresses (for countries) and what did not fit into remarks.
    ///
    /// # Errors
    /// [`ListError`] for the first thing that is wrong.
    pub fn ofac(
        name: &str,
        entries: impl BufRead,
        names: impl BufRead,
        addresses: Option<impl BufRead>,
        comments: Option<impl BufRead>,
    ) -> Result<Self, ListError> {
        ofac::load(name, entries, names, addresses, comments)
    }

    /// A list that is one file of the format.
    ///
    /// # Errors
    /// [`ListError`] for the first thing that is wrong; [`Format::OfacCsv`] is a set of files and refused here.
    pub fn read(name: &str, format: Format, file: impl BufRead) -> Result<Self, ListError> {
        match format {
            Format::OfacCsv => Err(ListError::Mismatched { what: "this format is a set of files".into() }),
            Format::UnXml => un::load(name, file),
            Format::TargetsCsv => targets::load(name, file),
            Format::FtmJson => ftm::load(name, file),
            Format::OwnCsv => own::load_csv(name, file),
            Format::OwnJson => own::load_json(name, file),
        }
    }

    /// A list of entries that were read; refuses none, too many and ids that stand twice.
    fn of(
        name: &str,
        format: Format,
        hash: String,
        date: Option<String>,
        entries: Vec<Entry>,
        file: &'static str,
    ) -> Result<Self, ListError> {
        if entries.is_empty() {
            return Err(ListError::Empty);
        }
        let mut ids = std::collections::HashSet::with_capacity(entries.len());
        for (row, entry) in (1..).zip(&entries) {
            if !ids.insert(&*entry.id) {
                return Err(ListError::Row {
                    file,
                    row,
                    what: format!("the id {} stands on the list twice", entry.id),
                });
            }
        }
        drop(ids);
        let version = Version { hash, date, entries: entries.len() };
        Ok(Self { name: name.to_owned(), format, version, entries })
    }
}

/// Adds an entry, within the bound.
fn push(entries: &mut Vec<Entry>, entry: Entry, file: &'static str) -> Result<(), ListError> {
    if entries.len() >= ENTRIES_MAX {
        return Err(ListError::TooLarge { file, what: format!("more than {ENTRIES_MAX} entries") });
    }
    entries.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests;
