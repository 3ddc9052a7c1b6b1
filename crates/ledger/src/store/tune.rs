//! What makes a database faster and changes nothing else: tried at a start, and done without where it is refused.

use bursar_service::db::{AssertSqlSafe, Db, DbError, Dialect, Isolation};

/// Columns whose values are large and already dense: compressing them costs more than everything else that is done to
/// them (some 100 MB/s on a core), and saves a third.
const DENSE: &[(&str, &str)] = &[("journal", "entry"), ("checkpoint_part", "body")];

/// Tells PostgreSQL not to compress dense columns. Engines that speak its protocol may not know the statement.
pub(crate) async fn tune(db: &Db) {
    if db.dialect() != Dialect::Postgres {
        return;
    }
    for (table, column) in DENSE {
        match store_as_it_is(db, table, column).await {
            Ok(true) => tracing::info!(table, column, "stored without compression from now on"),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, table, column, "the storage of a column is left as it is"),
        }
    }
}

async fn store_as_it_is(db: &Db, table: &'static str, column: &'static str) -> Result<bool, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            let set = tx
                .query(
                    "SELECT 1 AS one FROM pg_attribute WHERE attrelid = CAST($1 AS regclass) AND attname = $2
                     AND attstorage = 'e'",
                )
                .bind(table)
                .bind(column)
                .fetch_optional()
                .await?;
            if set.is_some() {
                return Ok(false);
            }
            // A backup may hold the table for hours: everyone else would wait behind us.
            tx.query("SET LOCAL lock_timeout = '500ms'").execute().await?;
            let sql = format!("ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL");
            tx.query(AssertSqlSafe(sql)).execute().await?;
            Ok(true)
        })
    })
    .await
}
