//! Labelled pairs of names: how many true ones are found, and how many false ones with them.

use std::collections::BTreeMap;
use std::path::Path;

use bursar_screening::{Name, Policy, Rows, compare_names, explain_names};
use serde::{Deserialize, Serialize};

use super::super::say;
use crate::exit::Exit;

/// Names that are or are not one person's.
#[derive(Debug, Deserialize)]
struct Pair {
    query: String,
    names: Vec<String>,
    #[serde(rename = "match")]
    matches: bool,
    #[serde(default)]
    script: String,
    #[serde(default)]
    kind: String,
}

/// What came of some of the pairs.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    pairs: u32,
    true_positives: u32,
    false_positives: u32,
    false_negatives: u32,
    true_negatives: u32,
}

impl Counts {
    fn add(&mut self, matches: bool, hit: bool) {
        self.pairs += 1;
        let count = match (matches, hit) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        };
        *count += 1;
    }

    fn precision(self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    fn recall(self) -> f64 {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    fn f1(self) -> f64 {
        share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

#[derive(Serialize)]
struct Group {
    group: String,
    precision: f64,
    recall: f64,
    f1: f64,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct Miss<'a> {
    name1: &'a str,
    name2: &'a str,
    #[serde(rename = "match")]
    matches: bool,
    score_bps: u16,
}

#[derive(Serialize)]
struct Answer<'a> {
    bench: &'static str,
    threshold_bps: u16,
    algorithm: &'static str,
    precision: f64,
    recall: f64,
    f1: f64,
    #[serde(flatten)]
    counts: Counts,
    groups: Vec<Group>,
    misses: Vec<Miss<'a>>,
}

/// Judges the pairs of a file and prints what came of them.
pub(super) fn judge(file: &Path, policy: Policy, json: bool) -> Result<(), Exit> {
    let wrong = |what: String| Exit::usage(format!("--pairs {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let pairs = read(&text).map_err(wrong)?;
    if pairs.is_empty() {
        return Err(wrong("has no pairs".into()));
    }
    let mut all = Counts::default();
    let mut groups: BTreeMap<String, Counts> = BTreeMap::new();
    let mut misses = Vec::new();
    for pair in &pairs {
        let asked = Name::of(&pair.query);
        let best = pair
            .names
            .iter()
            .map(|name| (compare_names(&asked, &Name::of(name)), name))
            .max_by_key(|(bps, _)| *bps);
        let Some((bps, name)) = best else { continue };
        let hit = bps >= policy.threshold_bps;
        all.add(pair.matches, hit);
        let group = [pair.script.as_str(), pair.kind.as_str()].join(" ").trim().to_owned();
        if !group.is_empty() {
            groups.entry(group).or_default().add(pair.matches, hit);
        }
        if hit != pair.matches {
            misses.push(Miss { name1: &pair.query, name2: name, matches: pair.matches, score_bps: bps });
        }
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|(group, counts)| Group {
            group,
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            counts,
        })
        .collect();
    let answer = Answer {
        bench: "screening_pairs",
        threshold_bps: policy.threshold_bps,
        algorithm: bursar_screening::ALGORITHM,
        precision: all.precision(),
        recall: all.recall(),
        f1: all.f1(),
        counts: all,
        groups,
        misses,
    };
    if json {
        say(&serde_json::to_string(&answer).map_err(|error| Exit::software(error.to_string()))?);
    } else {
        tell(&answer);
    }
    Ok(())
}

fn tell(answer: &Answer<'_>) {
    for miss in &answer.misses {
        let why = explain_names(&Name::of(miss.name1), &Name::of(miss.name2));
        let what = if miss.matches { "missed " } else { "flagged" };
        say(&format!("{what} {:>5}  {} | {}  ({why})", miss.score_bps, miss.name1, miss.name2));
    }
    for Group { group, precision, recall, f1, counts } in &answer.groups {
        let flagged = counts.true_positives + counts.false_positives;
        say(&format!(
            "{group:<16} {:>5} pairs  {flagged:>5} hits  precision {precision:.3}  recall {recall:.3}  F1 {f1:.3}",
            counts.pairs
        ));
    }
    say(&format!(
        "{} pairs at {} bps: precision {:.3}, recall {:.3}, F1 {:.3} ({} found, {} missed, {} flagged, {} passed)",
        answer.counts.pairs,
        answer.threshold_bps,
        answer.precision,
        answer.recall,
        answer.f1,
        answer.counts.true_positives,
        answer.counts.false_negatives,
        answer.counts.false_positives,
        answer.counts.true_negatives
    ));
}

fn read(text: &str) -> Result<Vec<Pair>, String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.trim_start().starts_with('{') {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        return lines.map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect();
    }
    let mut rows = Rows::new("the pairs", text.as_bytes());
    let (mut fields, mut columns, mut pairs) = (Vec::new(), None, Vec::new());
    while rows.next(&mut fields).map_err(|error| error.to_string())? {
        if fields.first().is_some_and(|field| field.starts_with('#')) {
            continue;
        }
        let known = match columns {
            Some(known) => known,
            None => {
                let (found, is_header) = Columns::of(&fields);
                columns = Some(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        let field = |at: usize| fields.get(at).map(|field| field.trim().to_owned());
        let (Some(query), Some(name)) = (field(known.one), field(known.other)) else {
            return Err(format!("row {} has too few fields", rows.number()));
        };
        let matches = known.matches.and_then(field).is_none_or(|text| is_yes(&text));
        let kind = known.kind.and_then(field).unwrap_or_default();
        pairs.push(Pair { query, names: vec![name], matches, script: String::new(), kind });
    }
    Ok(pairs)
}

/// A label; a number is a least score, which only pairs that match have.
fn is_yes(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.parse::<f64>().map_or_else(
        |_| matches!(text.as_str(), "true" | "yes" | "y" | "t" | "match" | "positive" | "same"),
        |number| number > 0.0,
    )
}

#[derive(Clone, Copy)]
struct Columns {
    one: usize,
    other: usize,
    matches: Option<usize>,
    kind: Option<usize>,
}

impl Columns {
    /// From a header; without one the first three columns are the two names and the label.
    fn of(fields: &[String]) -> (Self, bool) {
        let at = |names: &[&str]| {
            fields.iter().position(|field| {
                names.contains(&field.trim().to_ascii_lowercase().replace(' ', "_").as_str())
            })
        };
        let one = at(&["name1", "name_1", "name_a", "left", "left_name", "query", "query_name", "a"]);
        let other = at(&[
            "name2",
            "name_2",
            "name_b",
            "right",
            "right_name",
            "expected_match",
            "result",
            "result_name",
            "candidate",
            "b",
        ]);
        let matches = at(&["match", "is_match", "matches", "label", "judgement", "expected", "is_same"]);
        let kind = at(&["schema", "kind", "group", "category", "type"]);
        match (one, other) {
            (Some(one), Some(other)) => (Self { one, other, matches, kind }, true),
            _ => (Self { one: 0, other: 1, matches: Some(2), kind: None }, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_in_each_form() {
        let csv = read("name1,name2,match\nA B,\"B, A\",1\nC D,E F,false\n").unwrap();
        assert_eq!(csv.iter().map(|pair| pair.matches).collect::<Vec<_>>(), [true, false]);
        assert_eq!(csv[0].names, ["B, A"]);
        let bare = read("# Format\nA B,B A,0.9,why\n").unwrap();
        assert!(bare[0].matches && bare[0].query == "A B");
        let other = read("id,schema,name_1,name_2,is_match\n1,Person,A B,C D,0\n").unwrap();
        assert_eq!(
            (other[0].matches, other[0].kind.as_str(), other[0].query.as_str()),
            (false, "Person", "A B")
        );
        let json = read(
            "{\"script\":\"HAN\",\"query\":\"x\",\"names\":[\"y\",\"z\"],\"match\":true,\"kind\":\"pos\"}\n",
        )
        .unwrap();
        assert_eq!((json[0].names.len(), json[0].script.as_str()), (2, "HAN"));
        assert!(read("{\"query\":1}").is_err());
    }

    #[test]
    fn counts_make_the_usual_measures() {
        let mut counts = Counts::default();
        for (matches, hit) in [(true, true), (true, true), (true, false), (false, true), (false, false)] {
            counts.add(matches, hit);
        }
        assert!((counts.precision() - 2.0 / 3.0).abs() < 1e-9 && (counts.recall() - 2.0 / 3.0).abs() < 1e-9);
        assert!((counts.f1() - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(Counts::default().f1(), 0.0);
    }
}
