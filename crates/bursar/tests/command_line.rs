//! The command as a person types it.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

use std::process::{Command, Output};

fn bursar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bursar")).args(arguments).output().unwrap()
}

#[test]
fn help_has_examples_for_every_command() {
    for command in ["demo", "up", "init", "serve", "bench"] {
        let answer = bursar(&[command, "--help"]);
        assert!(answer.status.success());
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(text.contains("Examples:"), "{command}: {text}");
    }
}

#[test]
fn a_command_for_a_platform_that_does_not_run_says_what_to_do() {
    for arguments in [["ledger", "verify"], ["demo", "--attach"]] {
        let answer = bursar(&[&arguments[..], &["--data", "/nonexistent"]].concat());
        assert_eq!(answer.status.code(), Some(69), "{answer:?}");
        let said = String::from_utf8(answer.stderr).unwrap();
        assert!(said.contains("bursar up --data /nonexistent") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_wrong_flag_is_refused() {
    assert_eq!(bursar(&["up", "--prots", "free"]).status.code(), Some(2));
}
