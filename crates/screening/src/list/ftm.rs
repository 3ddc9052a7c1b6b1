//! Entities of the FollowTheMoney model, one JSON object a line, as OpenSanctions publishes them.

use std::io::BufRead;

use serde::Deserialize;

use super::entry::{BirthDate, Entry, EntryKind, Gender, Strength};
use super::source::Source;
use super::targets::kind;
use super::{Format, List, ListError, push};

const FILE: &str = "the entities";

/// Schemas that are no one who could be screened: addresses, documents, relations.
const OTHERS: [&str; 14] = [
    "Address",
    "Identification",
    "Passport",
    "Ownership",
    "Directorship",
    "Family",
    "Associate",
    "Sanction",
    "Occupancy",
    "Position",
    "UnknownLink",
    "Membership",
    "Employment",
    "Representation",
];

#[derive(Deserialize)]
struct Line {
    id: String,
    schema: String,
    #[serde(default)]
    caption: String,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    referents: Vec<String>,
    #[serde(default)]
    last_change: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    name: Vec<String>,
    alias: Vec<String>,
    previous_name: Vec<String>,
    weak_alias: Vec<String>,
    birth_date: Vec<String>,
    nationality: Vec<String>,
    citizenship: Vec<String>,
    country: Vec<String>,
    jurisdiction: Vec<String>,
    gender: Vec<String>,
    id_number: Vec<String>,
    passport_number: Vec<String>,
    tax_number: Vec<String>,
    registration_number: Vec<String>,
    topics: Vec<String>,
    program_id: Vec<String>,
}

pub(super) fn load(name: &str, file: impl BufRead) -> Result<List, ListError> {
    let mut source = Source::new(FILE, file);
    let (mut line, mut row, mut entries, mut date) = (Vec::new(), 0, Vec::new(), None::<String>);
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
                ListError::Row { file: FILE, row, what: format!("is no entity: {error}") }
            }
        })?;
        if OTHERS.contains(&parsed.schema.as_str()) {
            continue;
        }
        if let Some(changed) = parsed.last_change.as_deref().filter(|text| text.len() < 40)
            && date.as_deref().is_none_or(|date| date < changed)
        {
            date = Some(changed.to_owned());
        }
        if let Some(entry) =
            entry(parsed).map_err(|what| ListError::Row { file: FILE, row, what: what.into() })?
        {
            push(&mut entries, entry, FILE)?;
        }
    }
    List::of(name, Format::FtmJson, source.finish(), date, entries, FILE)
}

/// `None` for what has no name at all: a relation in a schema this does not know.
fn entry(line: Line) -> Result<Option<Entry>, &'static str> {
    if line.id.is_empty() || line.id.len() > 255 {
        return Err("the id must be 1 to 255 bytes long");
    }
    let mut entry = Entry::new(&line.id, kind(&line.schema));
    let of = line.properties;
    for text in of.name.iter().chain(std::iter::once(&line.caption)) {
        entry.name(text, Strength::Primary);
    }
    for text in of.alias.iter().chain(&of.previous_name) {
        entry.name(text, Strength::Alias);
    }
    of.weak_alias.iter().for_each(|text| entry.name(text, Strength::Weak));
    if entry.names.is_empty() {
        return if entry.kind == EntryKind::Unknown { Ok(None) } else { Err("the entity has no name") };
    }
    of.birth_date.iter().for_each(|text| entry.birth(BirthDate::parse(text)));
    for text in of.nationality.iter().chain(&of.citizenship).chain(&of.country).chain(&of.jurisdiction) {
        entry.country(text);
    }
    for text in
        of.id_number.iter().chain(&of.passport_number).chain(&of.tax_number).chain(&of.registration_number)
    {
        entry.document(text);
    }
    of.topics.iter().chain(&of.program_id).for_each(|text| entry.reason(text));
    entry.gender = of.gender.iter().find_map(|text| Gender::parse(text));
    entry.referents = line.referents.into_iter().filter(|id| *id != line.id).map(Into::into).collect();
    Ok(Some(entry))
}
