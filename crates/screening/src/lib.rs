//! Sanctions screening as a library: who is on a list, however the name is written.
//!
//! - [`List`] reads what OFAC, the UN, OpenSanctions and an issuer publish: whole or not at all.
//! - [`Name`] brings a name of any script into comparable form; [`compare_names`] says how alike two are, and
//!   [`explain_names`] why.
//! - [`Index`] holds lists and finds who is like a person in microseconds; each [`Hit`] explains itself.
//!
//! Scores are basis points, thresholds are the caller's policy, and [`ALGORITHM`] goes with each finding: the same names
//! may score otherwise in a later version. Nothing here does I/O but reading the bytes it is given, knows the time, or
//! panics on any input; everything is bounded.
//!
//! ```
//! use bursar_screening::{Format, Index, List, Person, Policy};
//!
//! let csv = "entry_id,name,aliases,birth_date,countries,reason\nA1,Anselm Terzhan,Ансельм Тержан,1961-04-12,,sanctions\n";
//! let list = List::read("own", Format::OwnCsv, csv.as_bytes())?;
//! let index = Index::of([list.into()]);
//! let found = index.screen(&Person::named("TERZHAN, Anzelm"), &Policy::default());
//! assert_eq!(found.hits[0].entry_id, "A1");
//! println!("{}", found.hits[0].explanation);
//! # Ok::<(), bursar_screening::ListError>(())
//! ```
#![forbid(unsafe_code)]

mod index;
mod list;
mod score;
mod text;

pub use index::{Finding, Hit, Index, Person, Policy, Searcher};
pub use list::{
    BirthDate, Change, Changes, Country, ENTRIES_MAX, Entry, EntryKind, Format, Gender, List, ListError,
    ListedName, ROW_BYTES_MAX, Rows, Shrunken, Strength, TOTAL_BYTES_MAX, Version, Watch,
};
pub use score::{Evidence, Explanation, Facts, How, Met, compare_names, explain_names};
pub use text::{CHARS_MAX, FORMS_MAX, Form, Kind, Name, Script, TOKENS_MAX, Token};

/// Basis points of a perfect match.
pub const PERFECT: u16 = 10_000;

/// Least score of a hit where a policy says nothing else, in basis points: chosen on labelled names so that true ones are
/// found and ordinary people are not.
pub const THRESHOLD_DEFAULT: u16 = 7_700;

/// Name and version of the scorer and its tables: goes with each finding that is kept.
pub const ALGORITHM: &str = "names-1";
