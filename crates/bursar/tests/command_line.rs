//! The command as a person types it.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

use std::process::{Command, Output};

fn bursar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bursar")).args(arguments).output().unwrap()
}

#[test]
fn help_has_examples_for_every_command() {
    for command in ["demo", "scenario", "clock", "up", "init", "serve", "bench"] {
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

/// Runs the command with bytes on its standard input.
fn bursar_with(arguments: &[&str], input: &[u8]) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_bursar"))
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_message_is_made_and_shown_again_without_its_secrets() {
    let values = br#"{"2": "4111111111111111", "14": "2912", "48.92": "737", "52": "0123456789abcdef"}"#;
    for (profile, form) in [("iso87-ascii", "hex"), ("iso87-bcd", "base64"), ("iso87-ebcdic", "bytes")] {
        let layout = ["--profile", profile, "--framed", "--form", form, "--file", "-"];
        let made = bursar_with(
            &[&["iso8583", "encode", "--mti", "0100", "4=000000001250", "49=156"], &layout[..]].concat(),
            values,
        );
        assert!(made.status.success(), "{made:?}");
        let shown = bursar_with(&[&["iso8583", "decode"], &layout[..]].concat(), &made.stdout);
        assert!(shown.status.success(), "{shown:?}");
        let text = String::from_utf8(shown.stdout).unwrap();
        for wanted in ["0100", "Amount, transaction", "000000001250", "411111******1111", "48.92"] {
            assert!(text.contains(wanted), "{profile}: {wanted} is not in\n{text}");
        }
        for secret in ["4111111111111111", "2912", "737", "0123456789", "456789AB"] {
            assert!(!text.contains(secret), "{profile}: {secret} is in\n{text}");
        }
    }
}

#[test]
fn of_a_damaged_message_what_could_be_read_is_shown_with_the_place_of_the_fault() {
    let answer =
        bursar(&["iso8583", "decode", "3038303082200000000000000400000000000000 31313236313033303030 3030"]);
    assert_eq!(answer.status.code(), Some(70), "{answer:?}");
    let (shown, said) =
        (String::from_utf8(answer.stdout).unwrap(), String::from_utf8(answer.stderr).unwrap());
    assert!(shown.contains("1126103000"), "{shown}");
    assert!(said.contains("field 11") && said.lines().count() == 1, "{said}");
}

#[test]
fn what_cannot_be_a_message_is_refused_with_what_would_be_right() {
    for (arguments, hint) in [
        (vec!["decode", "xyz"], "--form"),
        (vec!["decode", "30", "--profile", "iso2003"], "iso87-ascii"),
        (vec!["decode", "--file", "/nonexistent"], "/nonexistent"),
        (vec!["encode", "--mti", "01"], "four digits"),
        (vec!["encode", "--mti", "0100", "2"], "FIELD=VALUE"),
        (vec!["encode", "--mti", "0100", "300=1"], "no field"),
        (vec!["encode", "--mti", "0100", "3=abcdef"], "field 3"),
        (vec!["encode", "--mti", "0100", "52=xy"], "hexadecimal"),
    ] {
        let answer = bursar(&[&["iso8583"], &arguments[..]].concat());
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(hint) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[test]
fn scenarios_are_listed_shown_and_found_by_their_names() {
    let answer = bursar(&["scenario", "list", "--json"]);
    let lines = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.status.success() && lines.lines().count() >= 40, "{lines}");
    assert!(lines.lines().all(|line| line.starts_with('{') && line.contains("\"title\"")), "{lines}");
    let answer = bursar(&["scenario", "show", "approve-and-clear"]);
    let file = String::from_utf8(answer.stdout).unwrap();
    let there = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/approve-and-clear.toml");
    assert_eq!(file, std::fs::read_to_string(there).unwrap());
    for (arguments, code, hint) in [
        (vec!["scenario", "run", "approve-clear"], 64, "approve-and-clear"),
        (vec!["scenario", "show", "nothing-like-it-at-all"], 64, "bursar scenario list"),
        (vec!["scenario", "run"], 2, "NAME"),
        (vec!["clock", "--advance", "8 days"], 64, "8d"),
        (vec!["clock", "--data", "/nonexistent"], 69, "bursar up --data /nonexistent"),
    ] {
        let answer = bursar(&arguments);
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
}

#[test]
fn the_sandbox_is_played_where_one_runs_and_tells_what_is_wrong_before() {
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("card.json");
    std::fs::write(&card, r#"{"pan": "4111111111111111"}"#).unwrap();
    let card = card.display().to_string();
    let away = ["--data", "/nonexistent"];
    for (arguments, code, hint) in [
        (vec!["purchase", "12.50", "--card", &card], 69, "bursar up --data /nonexistent"),
        (vec!["purchase", "12.505", "--card", &card], 64, "no amount of CNY"),
        (vec!["purchase", "12.50", "--card", "/nonexistent"], 64, "--card"),
        (vec!["reverse", "1", "--card", &card, "--network", "1/2"], 64, "ACQUIRER/STAN/RRN/TIME"),
        (vec!["top-up", "5", "--reference", "RF18", "--currency", "XXQ"], 64, "unknown asset"),
    ] {
        let answer = bursar(&[&["sandbox"], &arguments[..], &away].concat());
        let said = String::from_utf8(answer.stderr).unwrap();
        assert_eq!(answer.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(hint) && said.lines().count() == 1, "{arguments:?}: {said}");
        assert!(!said.contains("4111111111111111"));
    }
}
