use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bursar_service::config::{ConfigError, LoadOptions, Loaded, Secret, load};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Own {
    program: Program,
}

#[derive(Debug, Serialize, Deserialize)]
struct Program {
    name: String,
    shards: u32,
    tags: Vec<String>,
    pepper: Option<Secret>,
}

const DEFAULTS: &str = r#"
[service]
grpc_listen = "127.0.0.1:7103"
[tls]
ca = "ca.pem"
cert = "ledger.pem"
key = "ledger.key"
[database]
url = "sqlite://ledger.db"
[program]
name = "main"
shards = 1
tags = []
"#;

fn options(file: Option<&Path>, variables: &[(&str, &str)], sets: &[&str]) -> LoadOptions {
    LoadOptions {
        file: file.map(Path::to_owned),
        sets: sets.iter().map(ToString::to_string).collect(),
        variables: variables.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect(),
    }
}

fn read(options: &LoadOptions) -> Result<Loaded<Own>, ConfigError> {
    load(DEFAULTS, options)
}

fn write(folder: &Path, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn each_layer_lies_over_the_one_below() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "l.toml", "[program]\nname = \"file\"\nshards = 2\n", 0o644);
    let variables = [("BURSAR_PROGRAM__SHARDS", "3"), ("BURSAR_PROGRAM__NAME", "variable"), ("PATH", "/bin")];
    let name = |options: &LoadOptions| {
        let own = read(options).unwrap().config.program;
        (own.name, own.shards)
    };
    assert_eq!(name(&options(None, &[], &[])), ("main".into(), 1));
    assert_eq!(name(&options(Some(&file), &[], &[])), ("file".into(), 2));
    assert_eq!(name(&options(Some(&file), &variables, &[])), ("variable".into(), 3));
    let all = options(Some(&file), &variables, &["program.name=flag", "program.tags=[\"a\", \"b\"]"]);
    assert_eq!(name(&all), ("flag".into(), 3));
    let loaded = read(&all).unwrap();
    assert_eq!(loaded.config.program.tags, ["a", "b"]);
    // The shared sections come from the chassis' own defaults where the service has none.
    assert_eq!(loaded.common.service.max_concurrent_calls, 1024);
    assert_eq!(loaded.common.service.grpc_listen.port(), 7103);
}

#[test]
fn what_is_wrong_is_named_with_its_key_and_where_it_stands_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "bad.toml", "[program]\nshard = 2\n", 0o644);
    let broken = write(folder.path(), "broken.toml", "[program]\nname = \"secret-text\n", 0o644);
    let typed = write(folder.path(), "typed.toml", "[service]\nsandbox = \"yes\"\n", 0o644);
    let cases: [(LoadOptions, &[&str]); 12] = [
        (options(Some(&file), &[], &[]), &["bad.toml", "program.shard", "shards"]),
        (options(Some(&broken), &[], &[]), &["broken.toml", "line 2"]),
        (options(Some(&typed), &[], &[]), &["typed.toml", "service.sandbox"]),
        (options(Some(Path::new("/nonexistent.toml")), &[], &[]), &["/nonexistent.toml"]),
        (options(None, &[("BURSAR_PROGRAM__SHARD", "2")], &[]), &["BURSAR_PROGRAM__SHARD", "program.shard"]),
        (options(None, &[("BURSAR_PROGRAMME__NAME", "x")], &[]), &["BURSAR_PROGRAMME__NAME", "programme"]),
        (
            options(None, &[("BURSAR_PROGRAM__SHARDS", "many")], &[]),
            &["BURSAR_PROGRAM__SHARDS", "whole number"],
        ),
        (options(None, &[], &["program.colour=red"]), &["--set", "program.colour"]),
        (options(None, &[], &["nonsense"]), &["section.key=value"]),
        (options(None, &[], &["service.max_concurrent_calls=0"]), &["service.max_concurrent_calls", "1 to"]),
        (options(None, &[], &["peers.vault=127.0.0.1:1"]), &["peers.vault", "https://"]),
        (options(None, &[], &["service.grpc_listen=here"]), &["service.grpc_listen"]),
    ];
    for (options, wanted) in cases {
        let error = read(&options).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        assert!(!error.contains("secret-text"), "{error}");
        for text in wanted {
            assert!(error.contains(text), "`{text}` is not in: {error}");
        }
    }
}

#[test]
fn another_services_section_in_the_environment_is_no_mistake() {
    assert!(read(&options(None, &[("BURSAR_VAULT__PEPPER", "x"), ("BURSAR_HOME", "y")], &[])).is_ok());
}

#[test]
fn secrets_are_read_from_private_files_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "pepper", "from-a-file\n", 0o600);
    let open = write(folder.path(), "open", "from-a-file\n", 0o644);
    let set = |path: &Path| format!("program.pepper.file={}", path.display());

    let direct =
        options(None, &[], &["program.pepper=in-the-open", "database.url=postgres://u:hunter2@h:1/d"]);
    let loaded = read(&direct).unwrap();
    assert_eq!(loaded.config.program.pepper.as_ref().unwrap().expose(), "in-the-open");
    assert_eq!(loaded.common.database.url.expose(), "postgres://u:hunter2@h:1/d");
    for shown in [loaded.shown.clone(), format!("{loaded:?}")] {
        assert!(!shown.contains("in-the-open") && !shown.contains("hunter2"), "{shown}");
    }
    assert!(loaded.shown.contains("pepper = \"<hidden>\""), "{}", loaded.shown);
    assert!(loaded.shown.contains("max_concurrent_calls = 1024"), "{}", loaded.shown);

    let loaded = read(&options(None, &[], &[&set(&file)])).unwrap();
    assert_eq!(loaded.config.program.pepper.unwrap().expose(), "from-a-file");
    let error = read(&options(None, &[], &[&set(&open)])).unwrap_err().to_string();
    assert!(error.contains("mode 0644") && error.contains("chmod 600"), "{error}");
    let error = read(&options(None, &[], &[&set(folder.path())])).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}
