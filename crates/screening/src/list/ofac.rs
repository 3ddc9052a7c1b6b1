//! OFAC's Specially Designated Nationals as CSV: no header, `-0-` for nothing, dates of birth and numbers in remarks.

use std::collections::HashMap;
use std::io::BufRead;

use jiff::civil::Date;

use super::entry::{BirthDate, Entry, EntryKind, Gender, Strength};
use super::rows::Rows;
use super::source::combined;
use super::{Format, List, ListError, push};

const ENTRY_FIELDS: usize = 12;
const NAME_FIELDS: usize = 5;
const ADDRESS_FIELDS: usize = 6;

/// Names of entries that are not there, of all names, in hundredths: more, and the files are not of one set.
const ORPHANS_MAX: usize = 60;

pub(super) fn load(
    name: &str,
    entries: impl BufRead,
    names: impl BufRead,
    addresses: Option<impl BufRead>,
    comments: Option<impl BufRead>,
) -> Result<List, ListError> {
    let mut hashes = Vec::new();
    let mut all = Vec::new();
    let mut by_number: HashMap<Box<str>, usize> = HashMap::new();
    let mut rows = Rows::new("sdn.csv", entries);
    let mut fields = Vec::new();
    while rows.next(&mut fields)? {
        let entry = entry(&rows, &fields)?;
        by_number.insert(entry.id.clone(), all.len());
        push(&mut all, entry, "sdn.csv")?;
    }
    hashes.push(rows.finish());
    let mut rows = Rows::new("alt.csv", names);
    let (mut count, mut orphans) = (0_usize, 0_usize);
    while rows.next(&mut fields)? {
        let [number, _, kind, alias, remarks] = exactly::<NAME_FIELDS, _>(&rows, &fields)?;
        count += 1;
        let Some(entry) = by_number.get(number.trim()).and_then(|at| all.get_mut(*at)) else {
            orphans += 1;
            continue;
        };
        if !matches!(kind.trim(), "aka" | "fka" | "nka") {
            return Err(rows.wrong("the third field must be aka, fka or nka"));
        }
        let weak = remarks.to_ascii_lowercase().contains("weak");
        entry.name(alias, if weak { Strength::Weak } else { Strength::Alias });
    }
    if orphans * 100 > count * ORPHANS_MAX {
        return Err(ListError::Mismatched {
            what: format!("{orphans} of {count} names in alt.csv belong to no entry of sdn.csv"),
        });
    }
    hashes.push(rows.finish());
    if let Some(addresses) = addresses {
        let mut rows = Rows::new("add.csv", addresses);
        while rows.next(&mut fields)? {
            let [number, _, _, _, country, _] = exactly::<ADDRESS_FIELDS, _>(&rows, &fields)?;
            if let Some(entry) = by_number.get(number.trim()).and_then(|at| all.get_mut(*at)) {
                entry.country(country);
            }
        }
        hashes.push(rows.finish());
    }
    if let Some(comments) = comments {
        let mut rows = Rows::new("sdn_comments.csv", comments);
        while rows.next(&mut fields)? {
            let [number, text] = exactly::<2, _>(&rows, &fields)?;
            if let Some(entry) = by_number.get(number.trim()).and_then(|at| all.get_mut(*at)) {
                remarks(entry, text);
            }
        }
        hashes.push(rows.finish());
    }
    List::of(name, Format::OfacCsv, combined(&hashes), None, all, "sdn.csv")
}

fn exactly<'a, const N: usize, R: BufRead>(
    rows: &Rows<R>,
    fields: &'a [String],
) -> Result<[&'a String; N], ListError> {
    let fields: Vec<&String> = fields.iter().collect();
    let count = fields.len();
    fields.try_into().map_err(|_| {
        let what = format!("has {count} fields where {N} belong");
        if count < N {
            ListError::Cut { file: rows.file(), what: format!("row {} {what}", rows.number()) }
        } else {
            rows.wrong(what)
        }
    })
}

fn entry<R: BufRead>(rows: &Rows<R>, fields: &[String]) -> Result<Entry, ListError> {
    let fields: [&String; ENTRY_FIELDS] = exactly(rows, fields)?;
    let [number, name, kind, programmes, ..] = fields;
    let number = number.trim();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(rows.wrong("the first field must be the entry's number"));
    }
    let kind = match kind.trim() {
        "individual" => EntryKind::Person,
        "vessel" => EntryKind::Vessel,
        "aircraft" => EntryKind::Aircraft,
        "-0-" | "" | "entity" => EntryKind::Organization,
        _ => return Err(rows.wrong("the third field must be individual, vessel, aircraft or -0-")),
    };
    let mut entry = Entry::new(number, kind);
    entry.name(name, Strength::Primary);
    if entry.names.is_empty() {
        return Err(rows.wrong("the entry has no name"));
    }
    for programme in programmes.split("] [").filter(|text| text.trim() != "-0-") {
        entry.reason(programme.trim_matches(['[', ']', ' ']));
    }
    remarks(&mut entry, fields[ENTRY_FIELDS - 1]);
    Ok(entry)
}

/// What remarks say of a person: `DOB 10 Dec 1948; nationality Iraq; Gender Male; a.k.a. 'X'; Passport A123 (Iraq).`
fn remarks(entry: &mut Entry, text: &str) {
    for remark in text.trim().trim_end_matches('.').split(';') {
        let remark = remark.trim();
        let bare = remark.strip_prefix("alt. ").unwrap_or(remark);
        if let Some(date) = bare.strip_prefix("DOB ") {
            entry.birth(birth(date));
        } else if let Some(country) =
            bare.strip_prefix("nationality ").or_else(|| bare.strip_prefix("citizen "))
        {
            entry.country(country);
        } else if let Some(gender) = bare.strip_prefix("Gender ") {
            entry.gender = Gender::parse(gender);
        } else if let Some(alias) = bare.strip_prefix("a.k.a. ").or_else(|| bare.strip_prefix("f.k.a. ")) {
            // In quotes: a weak alias, by the Treasury's own word.
            entry.name(alias.trim_matches(['\'', '"', '.', ' ']), Strength::Weak);
        } else if let Some(number) =
            ["Passport ", "National ID No. ", "Identification Number ", "Tax ID No. ", "SSN ", "Cedula No. "]
                .iter()
                .find_map(|label| bare.strip_prefix(label))
        {
            entry.document(number.split(" (").next().unwrap_or(number));
        }
    }
}

/// `10 Dec 1948`, `Dec 1948`, `1948`, `circa 1948`, `1948 to 1950`.
fn birth(text: &str) -> Option<BirthDate> {
    let text = text.trim().trim_start_matches("circa ").trim();
    if let Some((from, to)) = text.split_once(" to ") {
        return Some(BirthDate::Years(birth(from)?.years().0, birth(to)?.years().1));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let year = |word: &str| word.parse::<i16>().ok().filter(|year| (1850..=2100).contains(year));
    match words[..] {
        [day, month, last] => {
            let date = Date::new(year(last)?, month_number(month)?, day.parse().ok()?).ok()?;
            Some(BirthDate::Day(date))
        }
        [_, last] | [last] => year(last).map(|year| BirthDate::Years(year, year)),
        _ => None,
    }
}

fn month_number(text: &str) -> Option<i8> {
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = text.get(..3)?.to_ascii_lowercase();
    let at = months.iter().position(|month| *month == text)?;
    i8::try_from(at + 1).ok()
}
