//! The book: the scenarios by name, in the binary.

use super::script::Script;
use crate::exit::Exit;

/// Name and text of each, by name. Made by `build.rs` from `scenarios/`.
const BOOK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/book.rs"));

/// What runs all of them.
const ALL: &str = "all";

/// A scenario of the book.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Its file.
    pub(crate) text: &'static str,
    pub(crate) script: Script,
}

/// Every scenario, by name.
pub(crate) fn all() -> Result<Vec<Scenario>, Exit> {
    BOOK.iter().map(|(name, text)| read(name, text)).collect()
}

fn read(name: &'static str, text: &'static str) -> Result<Scenario, Exit> {
    let script = Script::parse(text)
        .map_err(|problem| Exit::software(format!("scenarios/{name}.toml cannot be read: {problem}")))?;
    Ok(Scenario { name, text, script })
}

/// The scenarios with these names, or all of them, in the order they were asked for.
pub(crate) fn named(names: &[String]) -> Result<Vec<Scenario>, Exit> {
    if names.iter().any(|name| name == ALL) {
        return all();
    }
    names
        .iter()
        .map(|name| match BOOK.iter().find(|(known, _)| known == name) {
            Some((name, text)) => read(name, text),
            None => Err(Exit::usage(format!(
                "there is no scenario `{name}`{}; `bursar scenario list` tells all",
                nearest(name).map(|near| format!(", but `{near}`")).unwrap_or_default()
            ))),
        })
        .collect()
}

/// The name that shares most of its words with what was typed.
fn nearest(name: &str) -> Option<&'static str> {
    let words = |text: &str| text.split(['-', '_', ' ']).map(str::to_lowercase).collect::<Vec<_>>();
    let asked = words(name);
    let shared = |known: &str| words(known).iter().filter(|word| asked.contains(word)).count();
    BOOK.iter().map(|(known, _)| *known).max_by_key(|known| shared(known)).filter(|known| shared(known) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read_and_says_what_it_shows() {
        let book = all().unwrap();
        assert!(book.len() >= 40, "{} scenarios", book.len());
        for Scenario { name, script, .. } in &book {
            let proper = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(proper, "{name}: a name is of a-z, 0-9 and hyphen");
            assert!(!script.title.is_empty() && script.shows.len() > 20, "{name} does not say what it shows");
            assert!(!script.steps.is_empty(), "{name} has no steps");
        }
        let titles: std::collections::BTreeSet<_> = book.iter().map(|one| &one.script.title).collect();
        assert_eq!(titles.len(), book.len(), "two have the same title");
    }

    #[test]
    fn a_wrong_name_is_told_with_the_nearest() {
        let line = named(&["freeze-rice".into()]).unwrap_err().line;
        assert!(line.contains("`freeze-rice`") && line.contains("bursar scenario list"), "{line}");
        assert_eq!(named(&["all".into()]).unwrap().len(), BOOK.len());
    }
}
