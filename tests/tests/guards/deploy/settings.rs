//! What the code knows: settings, variables and ports.

use std::collections::{BTreeMap, BTreeSet};

use super::{SERVICES, below, root, text, words};

/// `section.key` of every setting in a commented default configuration, those without a default too.
fn settings_of(defaults: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut all = BTreeSet::new();
    for line in defaults.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            all.insert(format!("{section}.{key}"));
        }
    }
    all
}

/// The settings a service has: the shared ones and its own.
pub(super) fn settings(service: &str) -> BTreeSet<String> {
    let of = |name: &str| {
        let paths = [format!("crates/{name}/default.toml"), format!("crates/{name}/src/default.toml")];
        let path = paths.iter().find(|path| root().join(path).exists());
        settings_of(&text(path.unwrap_or_else(|| panic!("{name} has no default.toml"))))
    };
    let mut all = of("service");
    all.extend(of(service));
    all
}

/// The variables that the `bursar` command itself reads.
fn command_variables() -> BTreeSet<String> {
    let sources = below("crates/bursar/src").into_iter().filter(|path| path.ends_with(".rs"));
    let texts: Vec<String> = sources.map(|path| text(&path)).collect();
    let named = texts.iter().flat_map(|text| text.split("env = \"").skip(1));
    named.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Whether the variable sets something: of the command's, or of any of these services'.
pub(super) fn known_variable(name: &str, services: &[&str]) -> bool {
    let Some(setting) = name.strip_prefix("BURSAR_").filter(|rest| rest.contains("__")) else {
        return command_variables().contains(name);
    };
    let setting = setting.replace("__", ".").to_ascii_lowercase();
    services.iter().any(|service| settings(service).contains(&setting))
}

/// The variables of ours that a text names.
fn variables(text: &str) -> BTreeSet<&str> {
    words(text, |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        .filter(|word| word.starts_with("BURSAR_") && !word.ends_with('_'))
        .collect()
}

/// The documented ports of each service, gRPC and admin first.
pub(super) fn ports() -> BTreeMap<&'static str, Vec<u16>> {
    let source = text("crates/bursar/src/platform/ports.rs");
    let body = source.split("fn documented").nth(1).expect("ports.rs has the documented ports");
    let numbers = |field: &str| -> Vec<u16> {
        let rest = body.split(&format!("{field}: ")).nth(1).unwrap_or_else(|| panic!("no ports of {field}"));
        let end = if rest.starts_with('[') { ']' } else { ',' };
        let value = rest.split(end).next().unwrap_or_default();
        words(value, |c| c.is_ascii_digit())
            .map(|digits| digits.parse().expect("a port is a number of 16 bits"))
            .collect()
    };
    let (grpc, admin) = (numbers("grpc"), numbers("admin"));
    assert_eq!(
        (grpc.len(), admin.len()),
        (SERVICES.len(), SERVICES.len()),
        "ports.rs is read as it is meant"
    );
    let mut all: BTreeMap<_, _> =
        SERVICES.iter().zip(grpc.iter().zip(admin)).map(|(name, (g, a))| (*name, vec![*g, a])).collect();
    let gateway = all.get_mut("gateway").expect("the gateway is one of the five");
    gateway.extend(numbers("iso8583"));
    gateway.extend(numbers("http"));
    all
}

#[test]
fn every_variable_named_in_deploy_sets_something() {
    for path in below("deploy").into_iter().filter(|path| !path.contains("/examples/")) {
        for name in variables(&text(&path)) {
            assert!(known_variable(name, &SERVICES), "{path} names {name}, which nothing reads");
        }
    }
}

/// A key that no default.toml has would stop the service at its start.
#[test]
fn every_setting_that_the_command_writes_is_one() {
    let source = text("crates/bursar/src/platform/files.rs");
    let calls: Vec<Vec<&str>> = source
        .split("set(&mut file, ")
        .skip(1)
        .map(|rest| rest.split(", ").take(2).collect())
        .filter(|names: &Vec<&str>| names.iter().all(|name| name.starts_with('"')))
        .collect();
    assert!(calls.len() >= 8, "files.rs is read as it is meant: {calls:?}");
    for call in calls {
        let setting = call.iter().map(|name| name.trim_matches('"')).collect::<Vec<_>>().join(".");
        let known = SERVICES.iter().any(|service| settings(service).contains(&setting));
        assert!(known, "files.rs writes {setting}, which no default.toml has");
    }
}

#[test]
fn these_checks_find_what_they_look_for() {
    let found =
        settings_of("# Prose about url = { x }\n[a]\n# Longest wait.\nb = 1\n# c = \"x\"\n[d]\ne_f = true\n");
    assert_eq!(found, ["a.b", "a.c", "d.e_f"].map(str::to_owned).into());
    assert!(known_variable("BURSAR_TELEMETRY__LOG", &["ledger"]));
    assert!(known_variable("BURSAR_WRITER__QUEUE_MAX", &["ledger"]));
    assert!(!known_variable("BURSAR_WRITER__QUEUE_MAX", &["vault"]));
    assert!(!known_variable("BURSAR_TELEMETRY__LOGS", &SERVICES));
    assert!(known_variable("BURSAR_DATABASE_URL", &[]));
    assert!(!known_variable("BURSAR_DATABASE_URI", &[]));
    assert_eq!(
        variables("x: BURSAR_A__B, BURSAR_C and BURSAR_<SECTION>"),
        ["BURSAR_A__B", "BURSAR_C"].into()
    );
    assert_eq!(ports()["ledger"], [7103, 7203]);
    assert_eq!(ports()["gateway"], [7105, 7205, 8583, 8080]);
}
