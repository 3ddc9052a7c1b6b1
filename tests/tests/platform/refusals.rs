//! What cannot start says why in one line, and ends with the exit code that tells whose turn it is.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bursar_testkit::{Databases, bursar};

/// Runs `bursar` and gives its exit code and what it said on standard error.
async fn run<S: AsRef<std::ffi::OsStr>>(arguments: Vec<S>) -> (i32, String) {
    let output = bursar(arguments).output().await.unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn one_line(said: &str, words: &[&str]) {
    assert_eq!(said.trim_end().lines().count(), 1, "one line: {said:?}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

fn up(data: &Path) -> Vec<String> {
    ["up", "--ports", "free", "--data"]
        .map(str::to_owned)
        .into_iter()
        .chain([data.display().to_string()])
        .collect()
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Somebody else may hold it already: then it is in use as well.
    let _held = TcpListener::bind(("127.0.0.1", 8583));
    let (code, said) = run(vec!["up".into(), "--data".into(), folder.path().display().to_string()]).await;
    assert_eq!(code, 69, "{said}");
    one_line(&said, &["port 8583", "--ports free"]);
}

#[tokio::test]
async fn a_folder_that_is_a_file_or_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let (code, said) = run(up(&file)).await;
    assert_eq!(code, 64, "{said}");
    one_line(&said, &["a-file", "--data"]);

    let platform = bursar_testkit::Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    let (code, said) = run(up(folder.path())).await;
    assert_eq!(code, 69, "{said}");
    one_line(&said, &["another platform", "--data"]);
    assert!(platform.stop().await.success());
}

#[tokio::test]
async fn databases_that_cannot_be_used_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let with = |url: &str| {
        let mut arguments = up(folder.path());
        arguments.extend(["--database-url".to_owned(), url.to_owned()]);
        arguments
    };
    let (code, said) = run(with("postgres://nobody:secret-word@127.0.0.1:1/postgres")).await;
    assert_eq!(code, 69, "{said}");
    one_line(&said, &["PostgreSQL cannot be reached", "--database-url"]);
    assert!(!said.contains("secret-word"));

    let Databases::Postgres { url, .. } = Databases::private_postgres().await else {
        panic!("not PostgreSQL")
    };
    let (before, after) = url.split_once('@').unwrap();
    let (role, _) = before.rsplit_once(':').unwrap();
    let (code, said) = run(with(&format!("{role}:wrong-word@{after}"))).await;
    assert_eq!(code, 64, "{said}");
    one_line(&said, &["refuses the role or its password", "--database-url"]);
    assert!(!said.contains("wrong-word"));

    let (code, said) = run(with("not an address")).await;
    assert_eq!(code, 64, "{said}");
    one_line(&said, &["--database-url"]);
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let platform = bursar_testkit::Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    assert!(platform.stop().await.success());
    let url = format!("sqlite://{}", folder.path().join("db/gateway.sqlite").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query(
        "INSERT INTO bursar_schema_history (module, version, name, digest, applied_at)
         VALUES ('service', 9999, 'from the future', x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let (code, said) = run(up(folder.path())).await;
    assert_eq!(code, 64, "{said}");
    one_line(&said, &["gateway", "newer release"]);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_before_a_port_opens() {
    let folder = tempfile::tempdir().unwrap();
    let platform = bursar_testkit::Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    assert!(platform.stop().await.success());
    let good = std::fs::read_to_string(folder.path().join("config/ledger.toml")).unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, good.replace("grpc_listen", "grpc_listne")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = run(vec!["serve", "ledger", "--config", path.to_str().unwrap()]).await;
    assert_eq!(code, 64, "{said}");
    one_line(&said, &["grpc_listne", "mine.toml"]);

    std::fs::write(&path, &good).unwrap();
    let checked = bursar(["serve", "ledger", "--check-config", "--config", path.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert!(checked.status.success());
    let shown = String::from_utf8(checked.stdout).unwrap();
    assert!(
        shown.contains("grpc_listen") && shown.contains("<hidden>") && !shown.contains("sqlite://"),
        "{shown}"
    );
}
