//! The private PostgreSQL itself.
#![allow(clippy::unwrap_used)] // a test

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bursar_service::db::{Db, DbOptions};
use bursar_testkit::{Postgres, TestDatabase, both_databases};

async fn answer(db: &Db) -> i64 {
    db.read(|tx| {
        Box::pin(async move {
            tx.query("SELECT CAST($1 AS BIGINT) AS n").bind(42_i64).fetch_one().await?.get::<i64>("n")
        })
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_empty_distinct_and_reachable_both_ways() {
    let postgres = Postgres::private();
    let mut urls = HashSet::new();
    for _ in 0..3 {
        let url = postgres.create_database().await;
        let db = Db::connect(&DbOptions::new(&url)).await.unwrap();
        assert_eq!(answer(&db).await, 42);
        assert!(urls.insert(url));
    }
    let url = postgres.create_database_over_tcp().await;
    assert_eq!(answer(&Db::connect(&DbOptions::new(url)).await.unwrap()).await, 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_server_stops_and_starts_again_with_its_data() {
    let postgres = Postgres::exclusive();
    let url = postgres.create_database().await;
    let options = DbOptions::new(url);
    assert_eq!(answer(&Db::connect(&options).await.unwrap()).await, 42);
    postgres.stop();
    assert_eq!(Db::connect(&options).await.unwrap_err().exit_code(), 69);
    postgres.start();
    assert_eq!(answer(&Db::connect(&options).await.unwrap()).await, 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_to_measure_on_is_durable() {
    let postgres = Postgres::for_measuring();
    postgres.ready().await;
    let db = Db::connect(&DbOptions::new(postgres.superuser_url())).await.unwrap();
    for (setting, wanted) in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")] {
        let shown = db.read(|tx| {
            Box::pin(async move {
                let query = tx.query("SELECT current_setting($1) AS value").bind(setting);
                query.fetch_one().await?.get::<String>("value")
            })
        });
        assert_eq!(shown.await.unwrap(), wanted, "{setting}");
    }
}

#[tokio::test]
async fn a_test_runs_on_both() {
    let names = std::sync::Mutex::new(Vec::new());
    both_databases(async |database: TestDatabase| {
        assert_eq!(answer(&database.open(&[]).await).await, 42);
        names.lock().unwrap().push(database.name());
    })
    .await;
    assert_eq!(*names.lock().unwrap(), ["sqlite", "postgres"]);
}

/// Not a test: what `a_process_that_is_killed_leaves_no_server` starts and kills.
#[tokio::test]
#[ignore = "holds a server for ever"]
async fn holds_a_server() {
    let postgres = Postgres::exclusive();
    println!("\nholding {}", postgres.create_database().await);
    std::future::pending::<()>().await;
}

#[test]
fn a_process_that_is_killed_leaves_no_server() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["holds_a_server", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.into_iter().find(|line| line.starts_with("holding ")).unwrap();
    let directory = Path::new(url.split_once("?host=").unwrap().1).to_owned();
    let pid = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
    let server = Path::new("/proc").join(pid.lines().next().unwrap());
    assert!(server.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while server.exists() || directory.exists() {
        assert!(Instant::now() < until, "{} is left behind", directory.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}
