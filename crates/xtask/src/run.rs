//! Running commands, and telling how long each took.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command that runs in the repository's root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a step and tells how it went.
pub(crate) fn step(what: &str, mut command: Command) -> Result<(), String> {
    say(&format!("▶ {what}"));
    let began = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("{what}: {:?} does not run: {error}", command.get_program()))?;
    let seconds = began.elapsed().as_secs();
    if status.success() {
        say(&format!("✓ {what} ({seconds} s)"));
        Ok(())
    } else {
        Err(format!("{what}: {status} after {seconds} s"))
    }
}

/// Whether a program answers to `--version`.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[allow(clippy::print_stdout)] // what the tasks say is their output
pub(crate) fn say(line: &str) {
    println!("{line}");
}
