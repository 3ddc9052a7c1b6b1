//! Wrapped keys.

use bursar_service::db::{DbError, Row, Tx};

use super::damaged;
use crate::keys::{KeyState, Purpose, StoredKey};

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

/// Makes the primary key of `purpose` one that opens only.
pub(crate) async fn demote(tx: &mut Tx<'_>, purpose: Purpose) -> Result<(), DbError> {
    tx.query("UPDATE vault_key SET state = $2 WHERE purpose = $1 AND scope = '' AND state = $3")
        .bind(purpose.as_str())
        .bind(KeyState::Active.as_str())
        .bind(KeyState::Primary.as_str())
        .execute()
        .await
        .map(drop)
}

/// Destroys a key: its row stays, to say that there was one, without its bytes.
pub(crate) async fn destroy(tx: &mut Tx<'_>, purpose: Purpose, version: u32) -> Result<(), DbError> {
    tx.query(
        "UPDATE vault_key SET state = $3, wrapped = $4, check_value = $4
         WHERE purpose = $1 AND scope = '' AND version = $2",
    )
    .bind(purpose.as_str())
    .bind(i64::from(version))
    .bind(KeyState::Retired.as_str())
    .bind(Vec::new())
    .execute()
    .await
    .map(drop)
}

/// Writes a key that was wrapped by another root.
pub(crate) async fn replace_wrapped(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), DbError> {
    tx.query("UPDATE vault_key SET wrapped = $4 WHERE purpose = $1 AND scope = $2 AND version = $3")
        .bind(key.purpose.as_str())
        .bind(&key.scope)
        .bind(i64::from(key.version))
        .bind(&key.wrapped)
        .execute()
        .await
        .map(drop)
}

/// Among how many custodians the root key is split; 0: none.
pub(crate) async fn shares(tx: &mut Tx<'_>) -> Result<u8, DbError> {
    let shares: i64 =
        tx.query("SELECT shares FROM audit_head WHERE id = 1").fetch_one().await?.get("shares")?;
    u8::try_from(shares).map_err(|_| damaged("shares", "not a number of custodians"))
}

/// Notes among how many custodians it is split.
pub(crate) async fn set_shares(tx: &mut Tx<'_>, shares: u8) -> Result<(), DbError> {
    tx.query("UPDATE audit_head SET shares = $1 WHERE id = 1")
        .bind(i64::from(shares))
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
