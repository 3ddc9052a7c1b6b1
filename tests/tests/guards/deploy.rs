//! What `deploy/` says, against what the code does. No container engine runs here: these checks find what one would
//! only tell at somebody's first start, and what it would never tell.
//!
//! Each check is a function from what is checked to a list of problems, so that it is itself tested on something broken.

mod compose;
mod dockerfile;
mod metrics;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The five, in the order of their ports.
const SERVICES: [&str; 5] = ["identity", "vault", "ledger", "notifications", "gateway"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below a folder of the repository, as paths from its root.
fn below(folder: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push(path.strip_prefix(root()).expect("it is below the root").display().to_string());
            }
        }
    }
    all.sort();
    all
}

/// The YAML or JSON file as a tree; `Err` says where it does not parse.
fn parse(path: &str, text: &str) -> Result<Value, String> {
    if path.ends_with(".json") {
        serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))
    } else {
        serde_saphyr::from_str(text).map_err(|error| format!("{path}: {error}"))
    }
}

fn tree(path: &str) -> Value {
    parse(path, &text(path)).unwrap_or_else(|error| panic!("{error}"))
}

/// Every YAML and JSON file of `deploy/`, with its path.
fn trees() -> Vec<(String, Value)> {
    let structured =
        |path: &String| path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json");
    below("deploy").into_iter().filter(structured).map(|path| (path.clone(), tree(&path))).collect()
}

/// Calls `found` with every text in the tree and the dotted path to it.
fn walk(at: &str, value: &Value, found: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => found(at, text),
        Value::Array(items) => items.iter().for_each(|item| walk(at, item, found)),
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| walk(&format!("{at}.{key}"), value, found));
        }
        _ => {}
    }
}

/// The texts of a list; none if it is no list.
fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The maximal runs in `text` of characters that `belongs` takes.
fn words(text: &str, belongs: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |character| !belongs(character)).filter(|word| !word.is_empty())
}

/// Whether a text is nothing but a variable that must be set: `${NAME:?…}`.
fn must_be_set(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|inside| {
        inside.split_once(":?").is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
    })
}

/// Secrets that are written down, or have a default: values under a telling name, and passwords in URLs.
fn written_secrets(path: &str, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    walk(path, value, &mut |at, text| {
        let key = at.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let telling = ["password", "secret", "token", "api_key", "private_key", "credential"];
        if telling.iter().any(|word| key.contains(word)) && !text.is_empty() && !must_be_set(text) {
            problems.push(format!("{at} holds a secret: write ${{NAME:?…}}"));
        }
        let in_url = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
        if let Some((_, password)) = in_url.and_then(|user| user.split_once(':'))
            && !must_be_set(password)
        {
            problems.push(format!("{at} holds a URL with a password: write ${{NAME:?…}}"));
        }
    });
    problems
}

/// What is wrong with the name of an image: it must say a version.
fn unpinned(image: &str) -> Option<String> {
    if image.contains("@sha256:") {
        return None;
    }
    // A colon before the last slash belongs to a registry's port.
    let tag = image.rsplit('/').next().unwrap_or(image).split_once(':').map(|(_, tag)| tag);
    match tag {
        None | Some("" | "latest") => Some(format!("the image {image} is not pinned to a version")),
        Some(_) => None,
    }
}

#[test]
fn every_file_parses() {
    let trees = trees();
    assert!(trees.len() >= 8, "there are files to look at: {}", trees.len());
    for (path, tree) in trees {
        assert!(tree.is_object(), "{path} holds nothing");
    }
}

#[test]
fn no_secret_is_written_down() {
    let problems: Vec<String> = trees().iter().flat_map(|(path, tree)| written_secrets(path, tree)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn what_the_readme_names_is_there() {
    let readme = text("deploy/README.md");
    let path_like = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let quoted: Vec<&str> = readme.split('`').skip(1).step_by(2).collect();
    let missing: Vec<&&str> = quoted
        .iter()
        .filter(|word| word.chars().all(path_like) && word.contains('/') && !word.starts_with('/'))
        .filter(|word| !root().join(word).exists() && !root().join("deploy").join(word).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn these_checks_find_what_they_look_for() {
    assert!(parse("a.yaml", "a: [1").is_err());
    assert!(parse("a.json", "{").is_err());
    let secrets = |yaml: &str| written_secrets("a", &parse("a.yaml", yaml).unwrap()).len();
    assert_eq!(secrets("environment: {POSTGRES_PASSWORD: hunter2}"), 1);
    assert_eq!(secrets("environment: {POSTGRES_PASSWORD: '${POSTGRES_PASSWORD:-hunter2}'}"), 1);
    assert_eq!(
        secrets("environment: {POSTGRES_PASSWORD: '${POSTGRES_PASSWORD}'}"),
        1,
        "empty where it is not set"
    );
    assert_eq!(secrets("environment: {POSTGRES_PASSWORD: '${POSTGRES_PASSWORD:?set it}'}"), 0);
    assert_eq!(secrets("url: 'postgres://a:b@c:5432/d'"), 1);
    assert_eq!(secrets("url: 'postgres://a:${P:?set it}@c:5432/d'"), 0);
    assert!(unpinned("grafana/grafana").is_some());
    assert!(unpinned("grafana/grafana:latest").is_some());
    assert!(unpinned("registry:5000/grafana").is_some());
    assert!(unpinned("grafana/grafana:12.0.1").is_none());
}
