//! Wrapped keys.

use bursar_service::db::{DbError, Row, Tx};

use super::damaged;
use crate::keys::{Purpose, StoredKey};

const COLUMNS: &str = "purpose, scope, version, state, wrapped, check_value, created_at";

/// Keys that one start can load: KEKs and pairs of ranges, a few a year.
const KEYS_MAX: i64 = 100_000;

/// All keys.
pub(crate) async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredKey>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM vault_key ORDER BY purpose, scope, version LIMIT $1");
    let rows = tx.query(bursar_service::db::AssertSqlSafe(sql)).bind(KEYS_MAX).fetch_all().await?;
    rows.iter().map(read).collect()
}

/// The key of `purpose`, `scope` and `version`.
pub(crate) async fn find(
    tx: &mut Tx<'_>,
    purpose: Purpose,
    scope: &str,
    version: u32,
) -> Result<Option<StoredKey>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM vault_key WHERE purpose = $1 AND scope = $2 AND version = $3");
    let row = tx
        .query(bursar_service::db::AssertSqlSafe(sql))
        .bind(purpose.as_str())
        .bind(scope)
        .bind(i64::from(version))
        .fetch_optional()
        .await?;
    row.as_ref().map(read).transpose()
}

/// Adds a key.
pub(crate) async fn insert(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO vault_key (purpose, scope, version, state, wrapped, check_value, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.purpose.as_str())
    .bind(&key.scope)
    .bind(i64::from(key.version))
    .bind(key.state.as_str())
    .bind(&key.wrapped)
    .bind(&key.check_value)
    .bind(key.created_at)
    .execute()
    .await
    .map(drop)
}

fn read(row: &Row) -> Result<StoredKey, DbError> {
    let version: i64 = row.get("version")?;
    Ok(StoredKey {
        purpose: row.parse("purpose")?,
        scope: row.get("scope")?,
        version: u32::try_from(version).map_err(|_| damaged("version", "not a key version"))?,
        state: row.parse("state")?,
        wrapped: row.get("wrapped")?,
        check_value: row.get("check_value")?,
        created_at: row.get("created_at")?,
    })
}
