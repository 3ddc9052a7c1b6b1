//! The consolidated list of the UN Security Council: XML, walked once, nothing expanded or fetched.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

use super::entry::{BirthDate, Entry, EntryKind, Gender, Strength};
use super::source::Source;
use super::{Format, List, ListError, push};

const FILE: &str = "the consolidated list";

/// Deepest nesting: the list has five levels.
const DEPTH_MAX: usize = 16;

/// Longest text of an element in bytes: comments run to a few thousand.
const TEXT_MAX: usize = 64 * 1024;

pub(super) fn load(name: &str, file: impl BufRead) -> Result<List, ListError> {
    let mut reader = Reader::from_reader(Source::new(FILE, file));
    reader.config_mut().check_end_names = true;
    let (mut buffer, mut path, mut text): (Vec<u8>, Vec<String>, String) =
        (Vec::new(), Vec::new(), String::new());
    let (mut entries, mut part, mut date, mut ended) = (Vec::new(), Part::default(), None, false);
    let mut row = 0;
    loop {
        buffer.clear();
        reader.get_mut().next_row();
        let at = reader.buffer_position();
        let wrong = |row: u64, what: String| ListError::Row { file: FILE, row, what };
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(quick_xml::Error::Io(error)) => {
                return Err(ListError::Unreadable {
                    file: FILE,
                    error: std::io::Error::new(error.kind(), error.to_string()),
                });
            }
            Err(error) => {
                return Err(ListError::Cut {
                    file: FILE,
                    what: format!("byte {at}, after entry {row}: not well-formed: {error}"),
                });
            }
        };
        match event {
            Event::Start(ref start) => {
                if path.len() >= DEPTH_MAX {
                    return Err(wrong(row, format!("elements are nested more than {DEPTH_MAX} deep")));
                }
                let element = local(start.name().as_ref());
                if path.is_empty() {
                    if element != "CONSOLIDATED_LIST" || ended {
                        return Err(wrong(row, "the root must be one CONSOLIDATED_LIST".into()));
                    }
                    date = start
                        .attributes()
                        .flatten()
                        .find(|attribute| local(attribute.key.as_ref()) == "dateGenerated")
                        .map(|attribute| shown(&attribute.value));
                }
                path.push(element);
                text.clear();
            }
            Event::End(_) => {
                let element = path.pop().unwrap_or_default();
                part.take(&element, path.last().map_or("", String::as_str), text.trim());
                text.clear();
                if matches!((element.as_str(), path.len()), ("INDIVIDUAL" | "ENTITY", 2)) {
                    row += 1;
                    let kind =
                        if element == "INDIVIDUAL" { EntryKind::Person } else { EntryKind::Organization };
                    let entry =
                        std::mem::take(&mut part).entry(kind).map_err(|what| wrong(row, what.into()))?;
                    push(&mut entries, entry, FILE)?;
                }
                ended |= path.is_empty();
            }
            Event::Text(piece) => add(&mut text, &piece.xml10_content()).map_err(|what| wrong(row, what))?,
            Event::CData(piece) => add(&mut text, &piece.xml10_content()).map_err(|what| wrong(row, what))?,
            Event::GeneralRef(reference) => {
                let piece = match reference.resolve_char_ref() {
                    Ok(Some(c)) => c.to_string(),
                    _ => resolve_xml_entity(&reference)
                        .map(str::to_owned)
                        .ok_or_else(|| wrong(row, "an entity that is not one of XML's own".into()))?,
                };
                add(&mut text, &piece).map_err(|what| wrong(row, what))?;
            }
            Event::DocType(_) => return Err(wrong(row, "document type definitions are not taken".into())),
            Event::Eof => break,
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    if !ended {
        let what = format!("it ends inside {} after {row} entries", path.join("/"));
        return Err(ListError::Cut { file: FILE, what });
    }
    let hash = reader.into_inner().finish();
    List::of(name, Format::UnXml, hash, date, entries, FILE)
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

fn shown(value: &str) -> String {
    value.chars().take(40).collect()
}

fn add(text: &mut String, piece: &str) -> Result<(), String> {
    if text.len() + piece.len() > TEXT_MAX {
        return Err(format!("the text of one element is longer than {TEXT_MAX} bytes"));
    }
    text.push_str(piece);
    Ok(())
}

/// What was read of the entry that is open.
#[derive(Default)]
struct Part {
    id: String,
    names: [String; 4],
    original: Option<String>,
    aliases: Vec<(String, String)>,
    alias_quality: String,
    births: Vec<BirthDate>,
    years: (Option<i16>, Option<i16>),
    countries: Vec<String>,
    gender: Option<Gender>,
    documents: Vec<String>,
    reasons: Vec<String>,
}

impl Part {
    fn take(&mut self, element: &str, parent: &str, text: &str) {
        let owned = || text.to_owned();
        match (element, parent) {
            ("DATAID", _) => self.id = owned(),
            ("FIRST_NAME", _) => self.names[0] = owned(),
            ("SECOND_NAME", _) => self.names[1] = owned(),
            ("THIRD_NAME", _) => self.names[2] = owned(),
            ("FOURTH_NAME", _) => self.names[3] = owned(),
            ("NAME_ORIGINAL_SCRIPT", _) if !text.is_empty() => self.original = Some(owned()),
            ("QUALITY", _) => self.alias_quality = owned(),
            ("ALIAS_NAME", _) => {
                let quality = std::mem::take(&mut self.alias_quality);
                if !text.is_empty() && self.aliases.len() < super::entry::NAMES_MAX {
                    self.aliases.push((owned(), quality));
                }
            }
            ("DATE" | "YEAR", "INDIVIDUAL_DATE_OF_BIRTH") => self.births.extend(BirthDate::parse(text)),
            ("FROM_YEAR", _) => self.years.0 = text.parse().ok(),
            ("TO_YEAR", _) => self.years.1 = text.parse().ok(),
            ("INDIVIDUAL_DATE_OF_BIRTH", _) => {
                if let (Some(from), Some(to)) = std::mem::take(&mut self.years) {
                    self.births.push(BirthDate::Years(from, to));
                }
            }
            ("VALUE", "NATIONALITY") | ("COUNTRY", "INDIVIDUAL_ADDRESS" | "ENTITY_ADDRESS") => {
                self.countries.push(owned());
            }
            ("GENDER", _) => self.gender = Gender::parse(text),
            ("NUMBER", "INDIVIDUAL_DOCUMENT") => self.documents.push(owned()),
            ("UN_LIST_TYPE", _) if !text.is_empty() => self.reasons.push(owned()),
            _ => {}
        }
    }

    fn entry(self, kind: EntryKind) -> Result<Entry, &'static str> {
        if self.id.is_empty() || self.id.len() > 64 {
            return Err("the entry has no DATAID");
        }
        let mut entry = Entry::new(&self.id, kind);
        let parts: Vec<&str> =
            self.names.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        entry.name(&parts.join(" "), Strength::Primary);
        if entry.names.is_empty() {
            return Err("the entry has no name");
        }
        if let Some(text) = &self.original {
            entry.name(text, Strength::Primary);
        }
        for (text, quality) in &self.aliases {
            let strength = if quality.eq_ignore_ascii_case("low") { Strength::Weak } else { Strength::Alias };
            // Several aliases stand in one element at times.
            for text in text.split(';') {
                entry.name(text, strength);
            }
        }
        self.births.iter().take(20).for_each(|birth| entry.birth(Some(*birth)));
        self.countries.iter().for_each(|text| entry.country(text));
        self.documents.iter().take(50).for_each(|text| entry.document(text));
        self.reasons.iter().for_each(|text| entry.reason(text));
        entry.gender = self.gender;
        Ok(entry)
    }
}
