//! What needs only Rust and PostgreSQL.

use std::process::Command;

use crate::install;
use crate::run::{command, exists, step};

/// Formatting and lints.
pub(crate) fn lint() -> Result<(), String> {
    step("formatting", command("cargo", &["fmt", "--all", "--check"]))?;
    step(
        "lints",
        command("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]),
    )
}

/// Everything a newcomer can run.
pub(crate) fn all() -> Result<(), String> {
    install::postgres()?;
    lint()?;
    // Builds the bursar binary too, which the journeys start as real processes: crates/bursar has tests of its own.
    step("tests on both databases, journeys in real processes", runner())?;
    step("examples in the documentation", command("cargo", &["test", "--workspace", "--doc", "--quiet"]))
}

/// nextest where it is installed: each test is a process of its own there. Else cargo's own runner, which is slower.
fn runner() -> Command {
    if exists("cargo-nextest") {
        command("cargo", &["nextest", "run", "--workspace"])
    } else {
        command("cargo", &["test", "--workspace", "--lib", "--bins", "--tests"])
    }
}
