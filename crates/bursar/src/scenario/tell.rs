//! What a run shows: a line a scenario for people, and for the one they look at a line a step; an object a line for
//! machines.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::book::Scenario;

/// A step of `--json`.
#[derive(Serialize)]
struct StepLine<'a> {
    scenario: &'a str,
    /// 1, 2, 3 …
    step: usize,
    does: &'a str,
    ok: bool,
    detail: &'a str,
}

/// A scenario of `--json`, after its steps.
#[derive(Serialize)]
struct ScenarioLine<'a> {
    scenario: &'a str,
    ok: bool,
    detail: &'a str,
    steps: usize,
    ms: u128,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct EndLine<'a> {
    scenarios: usize,
    failed: &'a [String],
    ok: bool,
    ms: u128,
}

/// Tells of a run.
#[derive(Debug)]
pub(super) struct Teller {
    json: bool,
    /// Whether people see each step.
    steps: bool,
    began: Instant,
}

impl Teller {
    pub(super) fn new(json: bool, steps: bool) -> Self {
        Self { json, steps, began: Instant::now() }
    }

    /// Something to know before the first scenario.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            out(text);
        }
    }

    /// A scenario begins.
    pub(super) fn begin(&self, scenario: &Scenario) {
        if !self.json && self.steps {
            out(&format!("\n{}: {}", scenario.name, scenario.script.title));
            out(&format!("  {}", scenario.script.shows));
        }
    }

    /// A step was done, and came to what the file says or did not.
    pub(super) fn step(&self, scenario: &Scenario, number: usize, outcome: &Result<String, String>) {
        let step = &scenario.script.steps[number - 1];
        let (ok, detail) = said(outcome);
        if self.json {
            line(&StepLine { scenario: scenario.name, step: number, does: &step.text, ok, detail });
        } else if self.steps {
            if let Some(note) = &step.note {
                out(&format!("    {note}"));
            }
            out(&format!("  {} {number}. {}\n       → {detail}", mark(ok), step.text));
        }
    }

    /// A scenario is over.
    pub(super) fn end(&self, scenario: &Scenario, took: Duration, outcome: &Result<String, String>) {
        let ((ok, detail), steps, ms) = (said(outcome), scenario.script.steps.len(), took.as_millis());
        if self.json {
            line(&ScenarioLine { scenario: scenario.name, ok, detail, steps, ms });
        } else if ok {
            out(&format!(
                "{} {:<30} {}  [{steps} steps, {ms} ms]",
                mark(ok),
                scenario.name,
                scenario.script.title
            ));
        } else {
            out(&format!("{} {:<30} {detail}", mark(ok), scenario.name));
        }
    }

    /// The run is over.
    pub(super) fn over(&self, scenarios: usize, failed: &[String]) {
        let took = self.began.elapsed();
        if self.json {
            line(&EndLine { scenarios, failed, ok: failed.is_empty(), ms: took.as_millis() });
        } else {
            let held = scenarios - failed.len();
            out(&format!("\n{held} of {scenarios} scenarios held, in {:.1} s", took.as_secs_f32()));
        }
    }
}

/// The book's contents: names and titles, or all of what they show.
pub(super) fn list(book: &[Scenario], json: bool) {
    #[derive(Serialize)]
    struct Line<'a> {
        scenario: &'a str,
        title: &'a str,
        shows: &'a str,
        steps: usize,
    }
    for Scenario { name, script, .. } in book {
        if json {
            line(&Line {
                scenario: name,
                title: &script.title,
                shows: &script.shows,
                steps: script.steps.len(),
            });
        } else {
            out(&format!("{name:<32} {}", script.title));
        }
    }
    if !json {
        out(&format!(
            "\n{} scenarios. `bursar scenario run NAME` plays one, `run all` all of them.",
            book.len()
        ));
    }
}

/// The file of a scenario.
pub(super) fn show(scenario: &Scenario) {
    out(scenario.text.trim_end());
}

fn said(outcome: &Result<String, String>) -> (bool, &str) {
    match outcome {
        Ok(detail) => (true, detail),
        Err(problem) => (false, problem),
    }
}

const fn mark(ok: bool) -> char {
    if ok { '✓' } else { '✗' }
}

fn line(object: &impl Serialize) {
    out(&serde_json::to_string(object).unwrap_or_default());
}

#[allow(clippy::print_stdout)] // what a run shows is its output
fn out(text: &str) {
    println!("{text}");
}
