//! Wrong passwords in a row, by phone.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;

use crate::keys::MAC_LENGTH;

/// How a phone's logins went lately.
pub struct Guard {
    /// Tries since the last right one.
    pub failures: i64,
    /// Until when none is judged.
    pub locked_until: Timestamp,
    /// Time of the last try.
    pub changed_at: Timestamp,
}

/// The guard of a phone, held until the transaction ends: tries of one phone are counted one after the other.
///
/// # Errors
/// What the database refused.
pub async fn lock(tx: &mut Tx<'_>, phone_index: [u8; MAC_LENGTH], now: Timestamp) -> Result<Guard, DbError> {
    tx.query(
        "INSERT INTO login_guards (phone_index, failures, locked_until, changed_at) VALUES ($1, 0, 0, $2)
         ON CONFLICT DO NOTHING",
    )
    .bind(phone_index)
    .bind(now)
    .execute()
    .await?;
    let row = tx
        .query(
            "UPDATE login_guards SET changed_at = changed_at WHERE phone_index = $1
             RETURNING failures, locked_until, changed_at",
        )
        .bind(phone_index)
        .fetch_one()
        .await?;
    Ok(Guard {
        failures: row.get("failures")?,
        locked_until: row.get("locked_until")?,
        changed_at: row.get("changed_at")?,
    })
}

/// Keeps the guard of a phone.
///
/// # Errors
/// What the database refused.
pub async fn set(tx: &mut Tx<'_>, phone_index: [u8; MAC_LENGTH], guard: &Guard) -> Result<(), DbError> {
    tx.query(
        "UPDATE login_guards SET failures = $2, locked_until = $3, changed_at = $4 WHERE phone_index = $1",
    )
    .bind(phone_index)
    .bind(guard.failures)
    .bind(guard.locked_until)
    .bind(guard.changed_at)
    .execute()
    .await
    .map(drop)
}

/// Forgets what went wrong, after a right password.
///
/// # Errors
/// What the database refused.
pub async fn clear(tx: &mut Tx<'_>, phone_index: [u8; MAC_LENGTH]) -> Result<(), DbError> {
    tx.query("UPDATE login_guards SET failures = 0, locked_until = 0 WHERE phone_index = $1")
        .bind(phone_index)
        .execute()
        .await
        .map(drop)
}

/// Removes guards that were not touched since `before`.
///
/// # Errors
/// What the database refused.
pub async fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.query("DELETE FROM login_guards WHERE changed_at < $1").bind(before).execute().await
}
