//! The schema goes forward, once, and never back.

use bursar_service::db::{Db, DbError, DbOptions};
use bursar_service::migrate::{self, Migration};
use bursar_testkit::on_both_databases;
use bursar_types::Timestamp;
use futures::future::join_all;

const NOW: Timestamp = Timestamp::from_micros(1);

const FIRST: Migration = Migration {
    version: 1,
    name: "first",
    sql: "CREATE TABLE steps (id TEXT PRIMARY KEY); INSERT INTO steps (id) VALUES ('one');",
};
const SECOND: Migration =
    Migration { version: 2, name: "second", sql: "INSERT INTO steps (id) VALUES ('two');" };

async fn steps(db: &Db) -> i64 {
    db.read(|tx| {
        Box::pin(async move { tx.query("SELECT COUNT(*) AS n FROM steps").fetch_one().await?.get("n") })
    })
    .await
    .map_err(|error: DbError| error)
    .unwrap()
}

on_both_databases! {
    async fn each_runs_once_however_many_processes_start(database: TestDatabase) {
        let processes = (0..6).map(|_| async {
            let db = Db::connect(&DbOptions::new(database.url())).await.unwrap();
            migrate::run(&db, &[FIRST, SECOND], NOW).await.unwrap();
            db
        });
        let dbs = join_all(processes).await;
        assert_eq!(steps(&dbs[0]).await, 2);
        // A second start finds nothing to do; a later release goes on from there.
        migrate::run(&dbs[0], &[FIRST, SECOND], NOW).await.unwrap();
        assert_eq!(steps(&dbs[0]).await, 2);
    }

    async fn a_later_release_goes_on_where_the_last_ended(database: TestDatabase) {
        let db = database.open(&[FIRST]).await;
        assert_eq!(steps(&db).await, 1);
        migrate::run(&db, &[FIRST, SECOND], NOW).await.unwrap();
        assert_eq!(steps(&db).await, 2);
    }

    async fn a_database_of_a_newer_release_is_refused_untouched(database: TestDatabase) {
        let db = database.open(&[FIRST, SECOND]).await;
        let error = migrate::run(&db, &[FIRST], NOW).await.unwrap_err();
        assert!(matches!(error, DbError::NewerSchema { module: "service", found: 2, known: 1 }), "{error}");
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("newer release") && !error.to_string().contains('\n'), "{error}");
        assert_eq!(steps(&db).await, 2);
    }

    async fn a_changed_text_is_refused(database: TestDatabase) {
        let db = database.open(&[FIRST]).await;
        let changed = Migration { sql: "CREATE TABLE steps (id TEXT PRIMARY KEY);", ..FIRST };
        let error = migrate::run(&db, &[changed, SECOND], NOW).await.unwrap_err();
        assert!(matches!(error, DbError::MigrationChanged { version: 1, .. }), "{error}");
        assert_eq!(steps(&db).await, 1);
    }

    async fn a_migration_that_fails_leaves_nothing_of_itself(database: TestDatabase) {
        let db = database.open(&[FIRST]).await;
        let broken = Migration { sql: "INSERT INTO steps (id) VALUES ('half'); NOT EVEN SQL;", ..SECOND };
        let error = migrate::run(&db, &[FIRST, broken], NOW).await.unwrap_err();
        assert!(matches!(error, DbError::MigrationWrong { version: 2, .. }), "{error}");
        assert_eq!(steps(&db).await, 1);
        migrate::run(&db, &[FIRST, SECOND], NOW).await.unwrap();
        assert_eq!(steps(&db).await, 2);
    }
}
