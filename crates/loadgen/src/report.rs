//! Figures as one JSON object for machines and as a table for people.

use std::fmt::Write as _;

use serde::Serialize;

use crate::figure::Figure;

#[derive(Serialize)]
struct Answer<'a> {
    bench: &'a str,
    database: &'a str,
    figures: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    reference: f64,
    ratio: f64,
    bar: String,
    holds: bool,
}

/// One line: `{"bench":"ledger","database":"sqlite","figures":[{"name":…,"value":…,"unit":…,"reference":…,"ratio":…,
/// "bar":…,"holds":…},…]}`.
pub fn json(bench: &str, database: &str, figures: &[Figure]) -> String {
    let figures = figures
        .iter()
        .map(|figure| Line {
            name: figure.goal.name,
            value: figure.value,
            unit: figure.goal.unit,
            reference: figure.reference,
            ratio: figure.ratio(),
            bar: figure.goal.bar.to_string(),
            holds: figure.holds(),
        })
        .collect();
    // Strings and floats: nothing in it can fail to be written.
    serde_json::to_string(&Answer { bench, database, figures }).unwrap_or_default()
}

/// A table: a line a figure, the notes below.
pub fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<13} {:>12} {:>12} {:<4} {:>8} {:>8} {:>8}   {:<7} {:>6}\n",
        "figure", "value", "reference", "unit", "ratio", "min", "max", "bar", "aim"
    );
    for figure in figures {
        let verdict = if figure.holds() { "holds" } else { "DOES NOT HOLD" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<13} {:>12} {:>12} {:<4} {:>8} {:>8} {:>8}   {:<7} {:>6}   {verdict}",
            figure.goal.name,
            grouped(figure.value),
            grouped(figure.reference),
            figure.goal.unit,
            short(figure.ratio()),
            short(figure.least),
            short(figure.most),
            figure.goal.bar.to_string(),
            short(figure.goal.aim),
        );
    }
    for figure in figures.iter().filter(|figure| !figure.note.is_empty()) {
        let _ = writeln!(text, "{}: {}", figure.goal.name, figure.note);
    }
    text
}

/// A ratio with three digits that say something.
pub(crate) fn short(ratio: f64) -> String {
    match ratio.abs() {
        size if size >= 100.0 => format!("{ratio:.0}"),
        size if size >= 10.0 => format!("{ratio:.1}"),
        size if size >= 1.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.3}"),
    }
}

/// Thousands apart where the number is large: `123 456`, else with three digits that say something.
pub(crate) fn grouped(value: f64) -> String {
    if value.abs() < 1_000.0 {
        return short(value);
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Bar, Goal};

    pub(crate) fn figure() -> Figure {
        let goal = Goal { name: "unary_256", unit: "1/s", bar: Bar::AtLeast(0.65), aim: 0.95 };
        let note = "two connections".to_owned();
        Figure { goal, value: 12_000.0, reference: 16_000.0, least: 0.7, most: 0.8, note }
    }

    #[test]
    fn the_json_line_is_the_contracts() {
        let wanted = concat!(
            r#"{"bench":"ledger","database":"sqlite","figures":[{"name":"unary_256","value":12000.0,"unit":"1/s","#,
            r#""reference":16000.0,"ratio":0.75,"bar":">=0.65","holds":true}]}"#
        );
        assert_eq!(json("ledger", "sqlite", &[figure()]), wanted);
    }

    #[test]
    fn the_table_tells_each_figure_and_its_note() {
        let text = table(&[figure()]);
        let line = text.lines().nth(1).unwrap();
        for wanted in ["unary_256", "12 000", "16 000", "0.750", "0.700", "0.800", ">=0.65", "0.950", "holds"]
        {
            assert!(line.contains(wanted), "{wanted} is not in {line}");
        }
        assert!(text.ends_with("unary_256: two connections\n"), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [grouped(1_234_567.8), grouped(999.4), grouped(12.34), grouped(0.0567)],
            ["1 234 568", "999", "12.3", "0.057"]
        );
    }
}
