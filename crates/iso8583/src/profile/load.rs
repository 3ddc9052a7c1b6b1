//! From TOML to one table: ancestors first, each descendant laid over them.

use toml::{Table, Value};

use super::raw::RawProfile;
use crate::error::ProfileError;

/// A profile may have this many ancestors: standard, network, partner, country, and one to spare.
pub const MAX_ANCESTORS: usize = 5;

/// The text of a profile is no longer than this, in bytes: the largest of ours is a tenth of it.
const MAX_TEXT: usize = 256 * 1024;

/// The profiles that are built in.
const BUILTIN: [(&str, &str); 5] = [
    ("iso87-ascii", include_str!("../../profiles/iso87-ascii.toml")),
    ("iso87-hexbitmap", include_str!("../../profiles/iso87-hexbitmap.toml")),
    ("iso87-bcd", include_str!("../../profiles/iso87-bcd.toml")),
    ("iso87-ebcdic", include_str!("../../profiles/iso87-ebcdic.toml")),
    ("iso93", include_str!("../../profiles/iso93.toml")),
];

/// The names of the profiles that are built in.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The text of a profile that is built in.
pub fn builtin_text(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(have, _)| *have == name).map(|(_, text)| *text)
}

/// Reads a profile and its ancestors. Built-in names come first: nobody redefines the standard under its own name.
pub(crate) fn load(
    text: &str,
    resolver: &dyn Fn(&str) -> Option<String>,
) -> Result<RawProfile, ProfileError> {
    let mut table = parse(text, "")?;
    let name = string(&table, "name").unwrap_or_default();
    let mut next = string(&table, "extends");
    for _ in 0..MAX_ANCESTORS {
        let Some(parent) = next.take() else { break };
        let text = match builtin_text(&parent) {
            Some(text) => text.to_owned(),
            None => resolver(&parent).ok_or_else(|| ProfileError::Unknown(parent.clone()))?,
        };
        let mut below = parse(&text, &parent)?;
        next = string(&below, "extends");
        overlay(&mut below, table);
        table = below;
    }
    if next.is_some() {
        return Err(ProfileError::TooDeep(name));
    }
    Value::Table(table)
        .try_into()
        .map_err(|e: toml::de::Error| ProfileError::Syntax { profile: name, message: e.to_string() })
}

fn parse(text: &str, name: &str) -> Result<Table, ProfileError> {
    let syntax = |message: String| ProfileError::Syntax { profile: name.to_owned(), message };
    if text.len() > MAX_TEXT {
        return Err(syntax(format!("longer than {MAX_TEXT} bytes")));
    }
    text.parse::<Table>().map_err(|e| syntax(e.to_string()))
}

fn string(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Lays `over` over `under`: tables key by key, all else as a whole. Framings and subfields are wholes, too: a mixture
/// of two would be neither partner's.
fn overlay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if key != "framing" && key != "subfields" => {
                overlay(below, above);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}
