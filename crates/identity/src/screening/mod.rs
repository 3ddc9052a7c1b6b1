//! Sanctions and PEP screening: a list, a scorer that explains itself, and the rule that a list which cannot be used
//! never means "no hit".

mod list;
mod normalise;
mod score;

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use list::{ListError, WatchList};
pub use normalise::Name;
pub use score::PERFECT;

/// The made-up list that ships with the crate.
const SAMPLE: &str = include_str!("../../data/watchlist.csv");

/// Name and version of the scorer, kept with each run: the same names may score otherwise in a later one.
pub const ALGORITHM: &str = "tokens-1";

/// Most hits that are kept of one run, best first: who meets more entries than that has met the threshold, not people.
const HITS_MAX: usize = 50;

/// `[screening]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScreeningConfig {
    /// The list; absent: the made-up one that ships with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_file: Option<std::path::PathBuf>,
    /// Least score of a hit, in basis points.
    pub threshold_bps: i32,
}

/// An entry that is like the applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Id of the entry on its list.
    pub entry_id: String,
    /// The entry's name that met best.
    pub entry_name: String,
    /// Basis points: 10000 is perfect.
    pub score_bps: i32,
    /// Which parts met and how. Holds words of the applicant's name: stored sealed.
    pub explanation: String,
}

/// What a screening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// It ran over a list.
    Run {
        /// Name of the list.
        list: String,
        /// Version of the list.
        version: String,
        /// Entries that were compared.
        entries: usize,
        /// Entries at or above the threshold, best first.
        hits: Vec<Hit>,
    },
    /// There is no list to run over: a person must look.
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// Screens names against the list that was loaded at start.
#[derive(Clone, Debug)]
pub struct Screener {
    list: Arc<Result<WatchList, String>>,
    threshold_bps: i32,
}

impl Screener {
    /// A screener over the configured list. A list that cannot be used is no reason not to start: the platform goes
    /// on, and everyone is looked at by a person until it is mended.
    pub fn load(config: &ScreeningConfig) -> Self {
        let list = match &config.list_file {
            None => WatchList::parse(SAMPLE).map_err(|error| error.to_string()),
            Some(path) => {
                read(path).and_then(|text| WatchList::parse(&text).map_err(|error| error.to_string()))
            }
        };
        match &list {
            Ok(list) => {
                tracing::info!(list = %list.name, version = %list.version, entries = list.entries.len(), "watch list loaded");
            }
            Err(reason) => {
                tracing::error!(reason, "no watch list: every application goes to review unscreened");
            }
        }
        Self { list: Arc::new(list), threshold_bps: config.threshold_bps }
    }

    /// Least score of a hit, in basis points.
    pub const fn threshold_bps(&self) -> i32 {
        self.threshold_bps
    }

    /// Compares a name and birth date with every entry. Pure work of microseconds for each entry.
    pub fn screen(&self, full_name: &str, birth_date: Date) -> Screened {
        let list = match &*self.list {
            Ok(list) => list,
            Err(reason) => return Screened::Unavailable { reason: reason.clone() },
        };
        let name = Name::of(full_name);
        if name.is_empty() {
            return Screened::Unavailable { reason: "the name holds nothing that could be compared".into() };
        }
        let born = Some(list::BirthDate::Day(birth_date));
        let mut hits: Vec<Hit> = Vec::new();
        for entry in &list.entries {
            let Some(score) = score::score(&name, born, entry) else { continue };
            if score.bps >= self.threshold_bps {
                hits.push(Hit {
                    entry_id: entry.entry_id.clone(),
                    entry_name: score.matched_name,
                    score_bps: score.bps,
                    explanation: format!("{} ({})", score.explanation, entry.reason),
                });
            }
        }
        hits.sort_by(|a, b| b.score_bps.cmp(&a.score_bps).then_with(|| a.entry_id.cmp(&b.entry_id)));
        hits.truncate(HITS_MAX);
        Screened::Run {
            list: list.name.clone(),
            version: list.version.clone(),
            entries: list.entries.len(),
            hits,
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?.len();
    if size > list::FILE_BYTES_MAX {
        return Err(format!("{shown} is larger than {} bytes", list::FILE_BYTES_MAX));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn screener() -> Screener {
        Screener::load(&ScreeningConfig { list_file: None, threshold_bps: 8_500 })
    }

    fn hits(name: &str, born: Date) -> Vec<Hit> {
        match screener().screen(name, born) {
            Screened::Run { hits, .. } => hits,
            Screened::Unavailable { reason } => panic!("{reason}"),
        }
    }

    #[test]
    fn listed_people_are_found_in_either_script_and_explained() {
        let found = hits("欧阳朔寒", date(1971, 10, 1));
        assert_eq!((found[0].entry_id.as_str(), found[0].score_bps), ("S037", PERFECT));
        assert!(found[0].explanation.contains("birth dates agree"), "{}", found[0].explanation);
        assert_eq!(hits("Ouyang Shuohan", date(1971, 10, 1))[0].entry_id, "S037");
        assert_eq!(hits("SHUOHAN OUYANG", date(1971, 10, 1))[0].entry_id, "S037");
        assert_eq!(hits("Jose Ramon Quintalvera", date(1960, 3, 19))[0].score_bps, PERFECT);
        let misspelt = hits("Hamdan Ziyad al-Moruni", date(1969, 11, 25));
        assert!(misspelt[0].explanation.contains("moruni ~ morruni"), "{misspelt:?}");
    }

    #[test]
    fn a_birth_year_that_contradicts_takes_weight_away() {
        assert!(hits("Anselm Terzhan", date(1961, 4, 12))[0].score_bps >= 9_000);
        assert!(hits("Anselm Radovic Terzan", date(2001, 4, 12)).is_empty());
    }

    #[test]
    fn ordinary_people_are_no_hits() {
        let people = [
            "王小明",
            "李娜",
            "张伟",
            "刘洋",
            "陈静",
            "欧阳娜娜",
            "上官婉儿",
            "John Smith",
            "Maria Garcia",
            "Anna Müller",
            "Kim Min-jun",
            "Nguyen Van An",
            "Wei Zhang",
            "Ouyang Na",
            "Ivan Petrov",
            "Fatima Zahra",
            "Sergei Ivanov",
            "José García",
            "Thomas Müller",
            "Boris Becker",
        ];
        for name in people {
            assert_eq!(hits(name, date(1985, 5, 5)), [], "{name}");
        }
    }

    #[test]
    fn each_listed_name_and_alias_finds_its_entry() {
        let list = WatchList::parse(SAMPLE).unwrap();
        assert!(list.entries.len() >= 60);
        for entry in &list.entries {
            for name in &entry.names {
                let born = match entry.birth_date {
                    Some(list::BirthDate::Day(day)) => day,
                    Some(list::BirthDate::Year(year)) => date(year, 6, 15),
                    None => panic!("{} has no birth date", entry.entry_id),
                };
                let found = hits(&name.text, born);
                assert!(found.iter().any(|hit| hit.entry_id == entry.entry_id), "{}: {found:?}", name.text);
            }
        }
    }

    #[test]
    fn no_list_is_never_no_hit() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.csv");
        std::fs::write(&empty, "").unwrap();
        for path in [folder.path().join("absent.csv"), empty] {
            let screener = Screener::load(&ScreeningConfig { list_file: Some(path), threshold_bps: 8_500 });
            assert!(matches!(screener.screen("王小明", date(1985, 5, 5)), Screened::Unavailable { .. }));
        }
    }
}
