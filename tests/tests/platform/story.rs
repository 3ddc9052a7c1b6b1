//! `bursar demo --json` as a test sees it.

use std::path::Path;
use std::process::ExitStatus;

use bursar_testkit::{Databases, bursar};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// A demo that plays.
pub(crate) struct Demo {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    /// The steps so far.
    pub(crate) steps: Vec<Value>,
}

impl Demo {
    /// A demo of its own platform in `data`.
    pub(crate) fn start(data: &Path, databases: &Databases, more: &[&str]) -> Self {
        let mut command = bursar(["demo", "--json", "--data"]);
        command.arg(data).args(databases.flags()).args(more);
        Self::run(command)
    }

    /// A demo against the platform that serves in `data`.
    pub(crate) fn attach(data: &Path, more: &[&str]) -> Self {
        let mut command = bursar(["demo", "--json", "--attach", "--data"]);
        command.arg(data).args(more);
        Self::run(command)
    }

    fn run(mut command: tokio::process::Command) -> Self {
        let mut child = command.spawn().expect("the demo can be started");
        let stdout = child.stdout.take().expect("the output is piped");
        Self { child, output: BufReader::new(stdout).lines(), steps: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the demo runs")
    }

    /// The next step's line; `None` at the end. Panics at a step that did not hold.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = self.output.next_line().await.expect("the output can be read")?;
        let step: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(step["ok"], true, "{line}");
        self.steps.push(step.clone());
        Some(step)
    }

    /// Plays to the end.
    pub(crate) async fn finish(mut self) -> (ExitStatus, Vec<Value>) {
        while self.next().await.is_some() {}
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).await.expect("errors can be read");
        }
        let status = self.child.wait().await.expect("its end can be seen");
        assert!(status.success(), "{status}: {said}");
        (status, self.steps)
    }
}

/// The names of the steps, in order.
pub(crate) fn names(steps: &[Value]) -> Vec<&str> {
    steps.iter().filter_map(|step| step["step"].as_str()).collect()
}
