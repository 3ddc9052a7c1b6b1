//! Everything a database holds, for tests that look for what must not be in it.

use bursar_service::db::{Db, Dialect};
use bursar_testkit::TestDatabase;

/// Everything in the database: the bytes of SQLite's files, or all rows of PostgreSQL as XML with bytes in hex.
pub(crate) async fn dump(db: &Db, database: &TestDatabase) -> Vec<u8> {
    match db.dialect() {
        Dialect::Sqlite => {
            let path = database.url().trim_start_matches("sqlite://");
            let read = |suffix: &str| std::fs::read(format!("{path}{suffix}")).unwrap_or_default();
            [read(""), read("-wal")].concat()
        }
        Dialect::Postgres => {
            let rows = db.read(|tx| {
                Box::pin(async move {
                    tx.query("SET LOCAL xmlbinary = 'hex'").execute().await?;
                    tx.query("SELECT CAST(database_to_xml(true, false, '') AS TEXT) AS everything")
                        .fetch_one()
                        .await?
                        .get::<String>("everything")
                })
            });
            rows.await.unwrap().into_bytes()
        }
    }
}

/// Whether `dump` holds `text`, as it is or as hex of its bytes.
pub(crate) fn holds(dump: &[u8], text: &str) -> bool {
    let hex = data_encoding::HEXLOWER.encode(text.as_bytes());
    let upper = hex.to_uppercase();
    [text, &hex, &upper].iter().any(|form| dump.windows(form.len()).any(|bytes| bytes == form.as_bytes()))
}
