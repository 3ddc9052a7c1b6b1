//! What the text of the sources may not hold, and where.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file written by hand, in lines: a longer one is two ideas.
const LINES_MAX: usize = 800;

/// A file of a crate: its path below `crates/`, and its text without what stands in comments.
struct Source {
    path: String,
    text: String,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

fn collect(folder: &Path, root: &Path, all: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, root, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let path = path.strip_prefix(root).unwrap().display().to_string();
            all.push(Source { path, text: code.join("\n") });
        }
    }
}

/// The sources under `crates/NAME/src`, for each name.
fn sources(names: &[&str]) -> Vec<Source> {
    let root = crates();
    let mut all = Vec::new();
    for name in names {
        collect(&root.join(name).join("src"), &root, &mut all);
    }
    assert!(all.len() >= names.len(), "there are sources to look at");
    all
}

const SERVICES: [&str; 5] = ["identity", "vault", "ledger", "notifications", "gateway"];

/// Tests beside the code may use what the code may not.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("_tests.rs")
}

/// Files among `sources` that hold one of `words` and are not `allowed`.
fn holders(sources: &[Source], words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    sources
        .iter()
        .filter(|source| !allowed(&source.path) && !is_test(&source.path))
        .flat_map(|source| {
            // Tests in the same file begin with their attribute.
            let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
            words.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", source.path))
        })
        .collect()
}

#[test]
fn no_sql_outside_store() {
    let all = sources(&[
        "bursar",
        "identity",
        "vault",
        "ledger",
        "notifications",
        "gateway",
        "ledger-engine",
        "types",
    ]);
    let words =
        ["sqlx::", ".query(", "INSERT INTO", "SELECT ", "DELETE FROM", "bulk_insert(", "bulk_upsert("];
    let found = holders(&all, &words, |path| path.contains("/store/"));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_tonic_outside_grpc() {
    let found = holders(&sources(&SERVICES), &["tonic::", "tonic_"], |path| {
        path.contains("/grpc/") || path.ends_with("/grpc.rs")
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_float_where_money_is() {
    for name in ["types", "ledger-engine", "ledger"] {
        let root = fs::read_to_string(crates().join(name).join("src/lib.rs")).unwrap();
        assert!(root.contains("clippy::float_arithmetic"), "{name} does not forbid float arithmetic");
    }
    let found = holders(&sources(&["types", "ledger-engine"]), &["f32", "f64"], |_| false);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_engine_reads_no_clock_and_no_randomness_and_does_no_io() {
    let words = [
        "SystemClock",
        "OsEntropy",
        "dyn Clock",
        "dyn Entropy",
        "IdSource",
        "std::time::Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "RandomState",
        "async fn",
        "println!",
    ];
    let found = holders(&sources(&["ledger-engine"]), &words, |_| false);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_clock_the_environment_and_tasks_are_read_and_made_in_one_place() {
    let text = fs::read_to_string(crates().join("../clippy.toml")).unwrap();
    for method in ["std::time::SystemTime::now", "std::env::var", "std::env::vars", "tokio::spawn"] {
        assert!(text.contains(method), "clippy.toml does not forbid {method}");
    }
    let found = holders(&sources(&SERVICES), &["SystemTime::now", "env::var", "tokio::spawn("], |_| false);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_file_holds_two_ideas() {
    let root = crates();
    let mut all = Vec::new();
    collect(&root, &root, &mut all);
    collect(&root.join("../tests"), &root, &mut all);
    let long: Vec<String> = all
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(source, lines)| format!("{}: {lines}", source.path))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_crate_takes_the_workspaces_lints_and_only_its_dependency_table() {
    for entry in fs::read_dir(crates()).unwrap().flatten() {
        let path = entry.path().join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{}", path.display());
        // From the head of a section of dependencies to the head of the next section.
        let sections = text.split("\n[").filter(|section| section.contains("dependencies]"));
        let dependencies = sections.flat_map(|section| section.lines().skip(1));
        for line in dependencies.filter(|line| line.contains('=') && !line.trim_start().starts_with('#')) {
            assert!(line.contains("workspace = true"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let text = fs::read_to_string(crates().join("../Cargo.toml")).unwrap();
    assert!(text.contains("unsafe_code = \"forbid\""));
}
