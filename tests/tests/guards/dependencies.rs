//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The direct dependencies of each crate of the workspace, tests' and build scripts' left out.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata works");
    metadata
        .packages
        .iter()
        .map(|package| {
            let direct = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), direct)
        })
        .collect()
}

fn dependents<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, of: &str) -> BTreeSet<&'a str> {
    graph.iter().filter(|(_, direct)| direct.contains(of)).map(|(name, _)| name.as_str()).collect()
}

const SERVICES: [&str; 5] =
    ["bursar-identity", "bursar-vault", "bursar-ledger", "bursar-notifications", "bursar-gateway"];

#[test]
fn nothing_but_vault_and_gateway_links_card_data() {
    assert_eq!(dependents(&graph(), "bursar-card-data"), BTreeSet::from(["bursar-gateway", "bursar-vault"]));
}

#[test]
fn the_ledger_engine_has_no_way_to_do_anything_but_decide() {
    let graph = graph();
    let allowed = BTreeSet::from(["bursar-types".to_owned(), "thiserror".to_owned()]);
    let direct = &graph["bursar-ledger-engine"];
    assert!(direct.is_subset(&allowed), "{direct:?}");
}

#[test]
fn no_service_links_another() {
    let graph = graph();
    for service in SERVICES {
        for other in SERVICES {
            assert!(!graph[service].contains(other), "{service} links {other}");
        }
        assert!(graph[service].contains("bursar-service"), "{service} stands on the chassis");
    }
    // Only the command that starts them knows them all.
    for service in SERVICES {
        assert_eq!(dependents(&graph, service), BTreeSet::from(["bursar"]), "{service}");
    }
}

#[test]
fn the_shared_vocabulary_and_the_codec_stand_alone() {
    let graph = graph();
    for name in [
        "bursar-types",
        "bursar-iso8583",
        "bursar-iso20022",
        "bursar-card-data",
        "bursar-transparency",
        "bursar-screening",
    ] {
        let io = ["tokio", "sqlx", "tonic", "hyper", "axum", "bursar-service", "bursar-proto"];
        for forbidden in io {
            assert!(!graph[name].contains(forbidden), "{name} depends on {forbidden}");
        }
    }
}

#[test]
fn there_are_few_crates_and_the_map_names_each() {
    let graph = graph();
    let crates: Vec<&String> = graph.keys().filter(|name| *name != "bursar-tests").collect();
    // Nobody who reads the product's code has to know its tasks.
    let product = crates.iter().filter(|name| **name != "xtask").count();
    assert!(product <= 18, "{crates:?}");
    let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).unwrap();
    for name in crates {
        let folder = name.strip_prefix("bursar-").unwrap_or(name);
        assert!(map.contains(&format!("`{folder}`")), "ARCHITECTURE.md does not name `{folder}`");
    }
}
