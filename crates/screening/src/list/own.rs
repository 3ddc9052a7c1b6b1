//! An issuer's own list.
//!
//! As CSV: the header `entry_id,name,aliases,birth_date,countries,reason`, several values of a field parted by
//! semicolons, and above it comments `# name:`, `# version:` and, so that a cut file is seen, `# entries:`. As JSON
//! lines: the same fields, `aliases` and `countries` as arrays.

use std::io::BufRead;

use serde::Deserialize;

use super::entry::{BirthDate, Entry, EntryKind, Strength};
use super::rows::Rows;
use super::source::Source;
use super::{Format, List, ListError, push};

const FILE: &str = "the list";
const HEADER: [&str; 6] = ["entry_id", "name", "aliases", "birth_date", "countries", "reason"];

pub(super) fn load_csv(name: &str, file: impl BufRead) -> Result<List, ListError> {
    let mut rows = Rows::new(FILE, file);
    let mut fields = Vec::new();
    let (mut version, mut count, mut headed) = (None, None, false);
    let mut entries = Vec::new();
    while rows.next(&mut fields)? {
        if let Some(comment) = fields.first().and_then(|field| field.strip_prefix('#')) {
            if let Some((key, value)) = comment.split_once(':') {
                match key.trim() {
                    "version" => version = Some(value.trim().chars().take(64).collect::<String>()),
                    "entries" => {
                        let stated: usize =
                            value.trim().parse().map_err(|_| rows.wrong("`# entries:` is no number"))?;
                        count = Some(stated);
                    }
                    _ => {}
                }
            }
            continue;
        }
        if !headed {
            if fields != HEADER {
                return Err(rows.wrong(format!("must be the header {}", HEADER.join(","))));
            }
            headed = true;
            continue;
        }
        let [id, main, aliases, birth, countries, reason] = &fields[..] else {
            let what =
                format!("row {} has {} fields where {} belong", rows.number(), fields.len(), HEADER.len());
            return Err(if fields.len() < HEADER.len() {
                ListError::Cut { file: FILE, what }
            } else {
                rows.wrong(what)
            });
        };
        let line = Line {
            entry_id: id.trim().to_owned(),
            name: main.clone(),
            aliases: aliases.split(';').map(str::to_owned).collect(),
            birth_date: birth.trim().to_owned(),
            countries: countries.split(';').map(str::to_owned).collect(),
            reason: reason.clone(),
        };
        let entry = line.entry().map_err(|what| rows.wrong(what))?;
        push(&mut entries, entry, FILE)?;
    }
    if count.is_some_and(|count| count != entries.len()) {
        let what = format!("it has {} entries where it says {}", entries.len(), count.unwrap_or_default());
        return Err(ListError::Cut { file: FILE, what });
    }
    List::of(name, Format::OwnCsv, rows.finish(), version, entries, FILE)
}

pub(super) fn load_json(name: &str, file: impl BufRead) -> Result<List, ListError> {
    let mut source = Source::new(FILE, file);
    let (mut line, mut row, mut entries) = (Vec::new(), 0, Vec::new());
    loop {
        row += 1;
        if !source.line(&mut line, row)? {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed: Line = serde_json::from_slice(&line).map_err(|error| {
            if error.is_eof() {
                ListError::Cut { file: FILE, what: format!("line {row} ends inside its object") }
            } else {
                ListError::Row { file: FILE, row, what: format!("is no entry: {error}") }
            }
        })?;
        let entry = parsed.entry().map_err(|what| ListError::Row { file: FILE, row, what: what.into() })?;
        push(&mut entries, entry, FILE)?;
    }
    List::of(name, Format::OwnJson, source.finish(), None, entries, FILE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entry_id: String,
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    birth_date: String,
    #[serde(default)]
    countries: Vec<String>,
    #[serde(default)]
    reason: String,
}

impl Line {
    fn entry(self) -> Result<Entry, &'static str> {
        if self.entry_id.is_empty() || self.entry_id.len() > 64 {
            return Err("entry_id must be 1 to 64 bytes long");
        }
        let mut entry = Entry::new(&self.entry_id, EntryKind::Person);
        entry.name(&self.name, Strength::Primary);
        if entry.names.is_empty() {
            return Err("name holds nothing to compare");
        }
        self.aliases.iter().for_each(|text| entry.name(text, Strength::Alias));
        if !self.birth_date.is_empty() {
            let birth =
                BirthDate::parse(&self.birth_date).ok_or("birth_date is neither YYYY nor YYYY-MM-DD")?;
            if self.birth_date.len() > 7 && matches!(birth, BirthDate::Years(..)) {
                return Err("birth_date is no day of the calendar");
            }
            entry.birth(Some(birth));
        }
        self.countries.iter().for_each(|text| entry.country(text));
        entry.reason(&self.reason);
        Ok(entry)
    }
}
