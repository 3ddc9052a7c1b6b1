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
fn receipts_and_checkpoints_have_help_and_errors_that_say_what_to_do() {
    for command in ["receipt", "checkpoint", "check"] {
        let answer = bursar(&["ledger", command, "--help"]);
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(answer.status.success() && text.contains("Examples:"), "{command}: {text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (empty, junk) = (file("empty.json", "{}"), file("ca.pem", "x"));
    let away = ["--data", "/nonexistent"];
    for (arguments, code, hint) in [
        (vec!["receipt", "tran_1", away[0], away[1]], 64, "is no transfer's id"),
        (
            vec!["receipt", "tran_00000000000000000000000001", away[0], away[1]],
            69,
            "bursar up --data /nonexistent",
        ),
        (vec!["checkpoint", away[0], away[1]], 69, "bursar up --data /nonexistent"),
        (vec!["checkpoint", "--since", &empty, away[0], away[1]], 64, "bursar ledger checkpoint"),
        (vec!["check", "/nonexistent", "--ca", &junk], 64, "--ca"),
        (vec!["check", &empty, "--ca", "/nonexistent"], 64, "DATA/tls/ca.pem"),
    ] {
        let answer = bursar(&[&["ledger"], &arguments[..]].concat());
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(hint) && said.lines().count() == 1, "{arguments:?}: {said}");
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
