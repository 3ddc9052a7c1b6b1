//! The compose files, and who listens where.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{SERVICES, dockerfile, list, root, settings, text, tree, trees, unpinned, walk, words};

const FILES: [&str; 2] = ["deploy/compose.yaml", "deploy/compose.observability.yaml"];

/// Ports of what is not ours, as their makers document them.
const PORTS: [(&str, &[u16]); 5] = [
    ("postgres", &[5432]),
    ("collector", &[4317]),
    ("tempo", &[3200, 4317]),
    ("prometheus", &[9090]),
    ("grafana", &[3000]),
];

/// The services of the files, a later file's keys over an earlier's.
fn merged(files: &[Value]) -> BTreeMap<String, Map<String, Value>> {
    let mut all: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let services = files.iter().filter_map(|file| file["services"].as_object()).flatten();
    for (name, service) in services {
        let service = service.as_object().unwrap_or_else(|| panic!("{name} is no service")).clone();
        all.entry(name.clone()).or_default().extend(service);
    }
    all
}

fn services() -> BTreeMap<String, Map<String, Value>> {
    merged(&FILES.map(tree))
}

fn field<'a>(service: &'a Map<String, Value>, name: &str) -> &'a Value {
    service.get(name).unwrap_or(&Value::Null)
}

fn allowed_ports(host: &str) -> Option<Vec<u16>> {
    let others = PORTS.iter().find(|(name, _)| *name == host).map(|(_, ports)| ports.to_vec());
    others.or_else(|| settings::ports().get(host).cloned())
}

/// What is wrong with how a service is confined, published, configured or probed.
fn problems(name: &str, service: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{name}: {what}"));
        }
    };
    must(field(service, "read_only") == &Value::Bool(true), "its file system is not read-only");
    must(list(field(service, "cap_drop")) == ["ALL"], "it keeps capabilities");
    must(list(field(service, "security_opt")).contains(&"no-new-privileges:true"), "it may gain privileges");
    must(field(service, "privileged").is_null(), "it is privileged");
    let image = field(service, "image").as_str().unwrap_or_default();
    must(unpinned(image).is_none(), "its image has no version");
    for port in list(field(service, "ports")) {
        let parts: Vec<&str> = port.split(':').collect();
        must(parts.first() == Some(&"127.0.0.1") && parts.len() == 3, "it publishes a port to the world");
        let inner = parts.last().and_then(|port| port.parse().ok());
        let known = allowed_ports(name).unwrap_or_default();
        must(
            inner.is_some_and(|port| known.contains(&port)),
            &format!("{port} is none of its ports {known:?}"),
        );
    }
    if let Some(environment) = field(service, "environment").as_object() {
        for variable in environment.keys().filter(|variable| variable.starts_with("BURSAR_")) {
            let known = settings::known_variable(
                variable,
                SERVICES.iter().filter(|s| **s == name).copied().collect::<Vec<_>>().as_slice(),
            );
            must(known, &format!("nothing reads {variable} there"));
        }
    }
    if SERVICES.contains(&name) {
        let program = format!("/usr/local/bin/bursar-{name}");
        let config = format!("/bursar/config/{name}.toml");
        let test = list(&field(service, "healthcheck")["test"]);
        must(
            test == ["CMD", &program, "--config", &config, "--probe"],
            "it is not probed by its own program",
        );
        must(field(service, "user").as_str().is_some_and(|user| !user.starts_with('0')), "it has no user");
        let starts = &field(service, "depends_on")["init"]["condition"];
        must(starts == "service_completed_successfully", "it does not wait for what init makes");
    }
    found
}

/// Paths that are named and are not in the repository: mounts, builds, and files that a command names inside a mount.
fn missing_paths(name: &str, service: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let mut mounts = Vec::new();
    for mount in list(field(service, "volumes")) {
        let parts: Vec<&str> = mount.split(':').collect();
        if let [host, inner, ..] = parts.as_slice()
            && let Some(path) = host.strip_prefix("./")
        {
            mounts.push((root().join("deploy").join(path), (*inner).to_owned()));
        }
    }
    for (path, _) in mounts.iter().filter(|(path, _)| !path.exists()) {
        found.push(format!("{name} mounts {}, which is not there", path.display()));
    }
    for argument in list(field(service, "command")) {
        let Some(path) =
            argument.split_once('=').map(|(_, path)| path).filter(|path| path.starts_with("/etc/"))
        else {
            continue;
        };
        let there = mounts.iter().any(|(host, inner)| {
            path == inner && host.is_file()
                || path.strip_prefix(&format!("{inner}/")).is_some_and(|rest| host.join(rest).is_file())
        });
        if !there {
            found.push(format!("{name} is told of {path}, which no mount brings"));
        }
    }
    let build = field(service, "build");
    if !build.is_null() {
        let context = root().join("deploy").join(build["context"].as_str().unwrap_or_default());
        if !context.join(build["dockerfile"].as_str().unwrap_or_default()).is_file() {
            found.push(format!("{name} is built from a file that is not there"));
        }
        let target = build["target"].as_str().unwrap_or_default();
        let own = if SERVICES.contains(&name) { format!("bursar-{name}") } else { "bursar".to_owned() };
        if target != own || !dockerfile::targets().contains(target) {
            found.push(format!("{name} is built from the stage {target:?}"));
        }
    }
    found
}

/// Every `host:port` in the text whose host is a service of ours and whose port is none of its.
fn wrong_addresses(hosts: &BTreeSet<String>, text: &str) -> Vec<String> {
    words(text, |c| c.is_ascii_alphanumeric() || c == '-' || c == ':' || c == '.')
        .filter_map(|word| word.rsplit_once(':'))
        .filter(|(host, _)| hosts.contains(*host))
        .filter_map(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .filter(|(host, port)| !allowed_ports(host).unwrap_or_default().contains(port))
        .map(|(host, port)| format!("{host} does not listen on {port}"))
        .collect()
}

#[test]
fn every_service_is_confined_pinned_and_probed() {
    let all = services();
    let names: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    assert!(SERVICES.iter().all(|service| names.contains(service)), "{names:?}");
    let problems: Vec<String> = all.iter().flat_map(|(name, service)| problems(name, service)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_path_in_the_compose_files_exists() {
    let problems: Vec<String> =
        services().iter().flat_map(|(name, service)| missing_paths(name, service)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_address_is_one_where_somebody_listens() {
    let hosts: BTreeSet<String> = services().into_keys().collect();
    let (mut problems, mut seen) = (Vec::new(), 0);
    for (path, tree) in trees() {
        walk(&path, &tree, &mut |at, text| {
            seen += usize::from(hosts.iter().any(|host| text.contains(&format!("{host}:"))));
            problems
                .extend(wrong_addresses(&hosts, text).into_iter().map(|problem| format!("{at}: {problem}")));
        });
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(seen >= 10, "addresses are found: {seen}");
}

#[test]
fn prometheus_reads_the_admin_port_of_each_service() {
    let config = tree("deploy/prometheus/prometheus.yaml");
    let scraped: BTreeMap<String, String> = config["scrape_configs"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|job| job["static_configs"].as_array().into_iter().flatten())
        .map(|group| {
            (
                list(&group["targets"]).join(","),
                group["labels"]["service"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let expected: BTreeMap<String, String> = settings::ports()
        .iter()
        .map(|(name, ports)| (format!("{name}:{}", ports[1]), (*name).to_owned()))
        .collect();
    assert_eq!(scraped, expected);
    for file in list(&config["rule_files"]) {
        assert!(root().join("deploy/prometheus").join(file).is_file(), "{file}");
    }
}

#[test]
fn grafana_finds_its_dashboards() {
    let provider = tree("deploy/grafana/provisioning/dashboards/bursar.yaml");
    let path = provider["providers"][0]["options"]["path"].as_str().unwrap_or_default().to_owned();
    let services = services();
    let mounted = list(field(&services["grafana"], "volumes"))
        .contains(&format!("./grafana/dashboards:{path}:ro").as_str());
    assert!(mounted, "{path} is not where the dashboards are mounted");
}

#[test]
fn these_checks_find_what_they_look_for() {
    let good = FILES.map(text);
    let breaks = [
        ("read_only: true", "read_only: false"),
        ("cap_drop: [ALL]", "cap_drop: []"),
        ("no-new-privileges:true", "no-new-privileges:false"),
        ("postgres:17-trixie", "postgres"),
        ("127.0.0.1:8583:8583", "8583:8583"),
        ("127.0.0.1:8583:8583", "127.0.0.1:8583:8584"),
        ("/bursar/config/ledger.toml, --probe", "/bursar/config/ledger.toml"),
        ("bursar-vault, --config", "bursar-ledger, --config"),
        ("service_completed_successfully", "service_started"),
        ("BURSAR_DATABASE_URL:", "BURSAR_DATABASE_URI:"),
        ("target: bursar-vault", "target: bursar-ledger"),
        ("dockerfile: deploy/Dockerfile", "dockerfile: Dockerfile"),
        ("BURSAR_TELEMETRY__LOG:", "BURSAR_TELEMETRY__FORMAT:"),
        ("./otel/collector.yaml:", "./otel/collect.yaml:"),
        ("--config=/etc/otel/collector.yaml", "--config=/etc/otelcol/collector.yaml"),
        ("--config.file=/etc/prometheus/prometheus.yaml", "--config.file=/etc/prometheus/prometheus.yml"),
    ];
    for (from, to) in breaks {
        let broken: Vec<Value> =
            good.iter().map(|text| super::parse("x.yaml", &text.replacen(from, to, 1)).unwrap()).collect();
        assert!(good.iter().any(|text| text.contains(from)), "{from} is in the compose files");
        let found = merged(&broken).iter().any(|(name, service)| {
            !problems(name, service).is_empty() || !missing_paths(name, service).is_empty()
        });
        assert!(found, "{from} → {to} is not found");
    }
    let hosts = BTreeSet::from(["ledger".to_owned(), "tempo".to_owned()]);
    assert_eq!(wrong_addresses(&hosts, "https://ledger:7103 and http://tempo:3200/x").len(), 0);
    assert_eq!(wrong_addresses(&hosts, "https://ledger:7102 and http://tempo:4318/x, elsewhere:1").len(), 2);
}
