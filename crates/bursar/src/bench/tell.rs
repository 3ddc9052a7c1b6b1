//! How far a bench is, for who waits: on standard error, so that standard output holds the result alone.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

use bursar_loadgen::{Goal, Round};

/// One line, after the seconds since the first one.
pub(super) fn line(text: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let seconds = BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64();
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{seconds:>6.1} s  {text}");
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
