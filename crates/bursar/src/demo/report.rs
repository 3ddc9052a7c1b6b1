//! What the demo shows: a line a step for people, an object a line for machines, and a sign of life in between.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(100);

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    step: &'a str,
    ok: bool,
    detail: &'a str,
}

/// Prints the steps as they happen.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    step: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
    steps: u32,
    start: Instant,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let now = Instant::now();
        Self { json, step: "platform", began: now, bar: None, steps: 0, start: now }
    }

    /// The step that is under way, or was last.
    pub(super) fn step(&self) -> &'static str {
        self.step
    }

    pub(super) fn title(&self, text: &str) {
        if !self.json {
            out(text);
        }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, step: &'static str, doing: &str) {
        self.step = step;
        self.began = Instant::now();
        self.steps += 1;
        if !self.json && std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("   {spinner} {prefix}: {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_prefix(step);
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar);
        }
    }

    /// What the step is at.
    pub(super) fn progress(&self, doing: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(doing.to_owned());
        }
    }

    /// The step held.
    pub(super) fn held(&mut self, detail: &str) {
        self.line(true, detail);
    }

    /// The step did not hold.
    pub(super) fn failed(&mut self, detail: &str) {
        self.line(false, detail);
    }

    /// Something to know that is no step.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            out(&format!("   {text}"));
        }
    }

    /// All is played.
    pub(super) fn end(&self, text: &str) {
        if !self.json {
            out(&format!("{} steps in {:.1} s: {text}", self.steps, self.start.elapsed().as_secs_f32()));
        }
    }

    fn line(&mut self, ok: bool, detail: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.json {
            let line = Line { step: self.step, ok, detail };
            out(&serde_json::to_string(&line).unwrap_or_default());
        } else {
            let mark = if ok { '✓' } else { '✗' };
            out(&format!("{mark} {:<14} {detail}  [{} ms]", self.step, self.began.elapsed().as_millis()));
        }
    }
}

#[allow(clippy::print_stdout)] // what the demo shows is its output
fn out(line: &str) {
    println!("{line}");
}
