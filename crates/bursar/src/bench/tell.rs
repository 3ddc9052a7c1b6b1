//! How far a bench is, for who waits: on standard error, so that standard output holds the result alone.

use std::io::Write as _;

use bursar_loadgen::{Goal, Round};

/// One line.
pub(super) fn line(text: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One round of a figure.
pub(super) fn round(goal: Goal, round: Round) {
    let Round { number, of, value, reference } = round;
    let (name, unit) = (goal.name, goal.unit);
    let places = if value.min(reference) < 100.0 { 2 } else { 0 };
    line(&format!(
        "{name}: round {number} of {of}: {value:.places$} {unit} to {reference:.places$}, ratio {:.3}",
        value / reference
    ));
}
