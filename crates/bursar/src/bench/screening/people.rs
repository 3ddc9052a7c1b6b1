//! People screened against lists: how many of those who are listed are found, and how many others are flagged.

use std::path::Path;
use std::sync::Arc;

use bursar_screening::{BirthDate, Country, Index, List, Person, Policy, Rows};
use serde::Serialize;

use super::super::say;
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer {
    bench: &'static str,
    threshold_bps: u16,
    entries: usize,
    listed: u32,
    found: u32,
    recall: f64,
    ordinary: u32,
    flagged: u32,
}

/// Screens the people of a file and prints what came of it.
pub(super) fn judge(file: &Path, lists: Vec<Arc<List>>, policy: Policy, json: bool) -> Result<(), Exit> {
    let wrong = |what: String| Exit::usage(format!("--people {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let mut rows = Rows::new("the people", text.as_bytes());
    let mut fields = Vec::new();
    rows.next(&mut fields).map_err(|error| wrong(error.to_string()))?;
    let header = fields.clone();
    let column = |name: &str| header.iter().position(|field| field.trim() == name);
    let name_at = column("name").ok_or_else(|| wrong("the header has no column name".into()))?;
    let (birth_at, country_at, entry_at) = (column("birth_date"), column("country"), column("entry_id"));
    let index = Index::of(lists);
    let mut searcher = index.searcher();
    let (mut listed, mut found, mut ordinary, mut flagged) = (0, 0, 0, 0);
    while rows.next(&mut fields).map_err(|error| wrong(error.to_string()))? {
        let field = |at: Option<usize>| at.and_then(|at| fields.get(at)).map_or("", |field| field.trim());
        let mut person = Person::named(field(Some(name_at))).from(Country::parse(field(country_at)));
        if let Some(BirthDate::Day(day)) = BirthDate::parse(field(birth_at)) {
            person = person.born(day);
        }
        let hits = searcher.screen(&person, &policy).hits;
        let wanted = field(entry_at);
        let best = hits
            .first()
            .map(|hit| format!("{} {} {} bps: {}", hit.entry_id, hit.entry_name, hit.bps, hit.explanation));
        if wanted.is_empty() {
            ordinary += 1;
            flagged += u32::from(!hits.is_empty());
            if let Some(best) = best.filter(|_| !json) {
                say(&format!("flagged  {} | {best}", field(Some(name_at))));
            }
        } else {
            listed += 1;
            let is_found =
                hits.iter().any(|hit| hit.entry_id == wanted || is_former_id(&index, hit.place, wanted));
            found += u32::from(is_found);
            if !is_found && !json {
                say(&format!("missed   {} | {wanted}", field(Some(name_at))));
            }
        }
    }
    let recall = if listed == 0 { 0.0 } else { f64::from(found) / f64::from(listed) };
    let threshold_bps = policy.threshold_bps;
    let answer = Answer {
        bench: "screening_people",
        threshold_bps,
        entries: index.entries(),
        listed,
        found,
        recall,
        ordinary,
        flagged,
    };
    if json {
        say(&serde_json::to_string(&answer).map_err(|error| Exit::software(error.to_string()))?);
    } else {
        say(&format!(
            "{found} of {listed} listed people found ({recall:.4}), {flagged} of {ordinary} others flagged, at {threshold_bps} bps"
        ));
    }
    Ok(())
}

fn is_former_id(index: &Index, place: u32, id: &str) -> bool {
    index.entry(place).is_some_and(|(_, entry)| entry.referents.iter().any(|former| **former == *id))
}
