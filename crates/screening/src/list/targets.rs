//! `targets.simple.csv` of OpenSanctions: a header, multi-valued fields parted by semicolons, quoted where they hold one.

use std::collections::HashMap;
use std::io::BufRead;

use super::entry::{BirthDate, Entry, EntryKind, Strength};
use super::rows::Rows;
use super::{Format, List, ListError, push};

const FILE: &str = "targets.simple.csv";

pub(super) fn load(name: &str, file: impl BufRead) -> Result<List, ListError> {
    let mut rows = Rows::new(FILE, file);
    let mut fields = Vec::new();
    if !rows.next(&mut fields)? {
        return Err(ListError::Empty);
    }
    let columns: HashMap<String, usize> =
        fields.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
    let width = fields.len();
    for wanted in ["id", "schema", "name", "aliases", "birth_date", "countries"] {
        if !columns.contains_key(wanted) {
            return Err(rows.wrong(format!("the header has no column {wanted}")));
        }
    }
    let (mut entries, mut date) = (Vec::new(), None::<String>);
    while rows.next(&mut fields)? {
        if fields.len() != width {
            let what =
                format!("row {} has {} fields where the header has {width}", rows.number(), fields.len());
            return Err(ListError::Cut { file: FILE, what });
        }
        let field =
            |name: &str| columns.get(name).and_then(|at| fields.get(*at)).map_or("", |text| text.trim());
        let id = field("id");
        if id.is_empty() || id.len() > 255 {
            return Err(rows.wrong("the id must be 1 to 255 bytes long"));
        }
        let mut entry = Entry::new(id, kind(field("schema")));
        entry.name(field("name"), Strength::Primary);
        if entry.names.is_empty() {
            return Err(rows.wrong("the entry has no name"));
        }
        for alias in values(field("aliases")) {
            entry.name(&alias, Strength::Alias);
        }
        values(field("birth_date")).iter().for_each(|text| entry.birth(BirthDate::parse(text)));
        values(field("countries")).iter().for_each(|text| entry.country(text));
        values(field("identifiers")).iter().for_each(|text| entry.document(text));
        for text in values(field("program_ids")).iter().chain(&values(field("dataset"))) {
            entry.reason(text);
        }
        let changed = field("last_change");
        if date.as_deref().is_none_or(|date| date < changed) && !changed.is_empty() && changed.len() < 40 {
            date = Some(changed.to_owned());
        }
        push(&mut entries, entry, FILE)?;
    }
    List::of(name, Format::TargetsCsv, rows.finish(), date, entries, FILE)
}

/// What a schema of the FollowTheMoney model is.
pub(super) fn kind(schema: &str) -> EntryKind {
    match schema {
        "Person" => EntryKind::Person,
        "Organization" | "Company" | "PublicBody" => EntryKind::Organization,
        "Vessel" => EntryKind::Vessel,
        "Airplane" => EntryKind::Aircraft,
        _ => EntryKind::Unknown,
    }
}

/// The values of a field: parted by semicolons, quoted like CSV where a value holds one.
fn values(text: &str) -> Vec<String> {
    let (mut all, mut current, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => current.push('"'),
            '"' => quoted = !quoted,
            ';' if !quoted => all.push(std::mem::take(&mut current)),
            c => current.push(c),
        }
    }
    all.push(current);
    all.retain(|text| !text.trim().is_empty());
    all
}
