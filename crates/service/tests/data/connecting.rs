//! One line that says what and what to do, and the exit code that goes with it.

use std::time::Duration;

use bursar_service::db::{Db, DbError, DbOptions};
use bursar_testkit::Postgres;

async fn refused(url: &str) -> DbError {
    let options = DbOptions { acquire_max: Duration::from_secs(3), ..DbOptions::new(url) };
    let error = Db::connect(&options).await.expect_err(url);
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(!text.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    error
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_credentials() {
    let url = Postgres::private().create_database_over_tcp().await;
    let (head, tail) = url.rsplit_once('@').unwrap();
    let (head, _) = head.rsplit_once(':').unwrap();
    let error = refused(&format!("{head}:hunter2@{tail}")).await;
    assert!(matches!(error, DbError::Credentials { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 69);

    let (server, _) = url.rsplit_once('/').unwrap();
    let error = refused(&format!("{server}/no_such_database")).await;
    assert!(matches!(error, DbError::Credentials { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 69);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(&format!("postgres://u:hunter2@127.0.0.1:{port}/d")).await;
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 69);
    // One who accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refused(&format!("postgres://u:hunter2@127.0.0.1:{port}/d")).await;
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_and_a_file_that_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(&format!("sqlite://{}/nope/x.db", directory.path().display())).await;
    assert!(matches!(error, DbError::Url { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 64);

    let path = directory.path().join("x.db");
    std::fs::write(&path, "this is no database at all, but it is long enough to have a header".repeat(100))
        .unwrap();
    let error = refused(&format!("sqlite://{}", path.display())).await;
    assert!(matches!(error, DbError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_sqlite_file_is_its_owners_alone_and_durable() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let db = Db::connect(&DbOptions::new(format!("sqlite://{}", path.display()))).await.unwrap();
    let settings = db
        .write(|tx| {
            Box::pin(async move {
                let mode =
                    tx.query("PRAGMA journal_mode").fetch_one().await?.get::<String>("journal_mode")?;
                let sync = tx.query("PRAGMA synchronous").fetch_one().await?.get::<i64>("synchronous")?;
                let keys = tx.query("PRAGMA foreign_keys").fetch_one().await?.get::<i64>("foreign_keys")?;
                Ok::<_, DbError>((mode, sync, keys))
            })
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2, 1));
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}
