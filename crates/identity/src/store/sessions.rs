//! Sessions and their refresh tokens, which are kept as hashes only.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, SessionId};

/// Bytes of a token's hash: SHA-256 of 32 random bytes, which nobody can try out.
pub const HASH_LENGTH: usize = 32;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Id.
    pub session_id: SessionId,
    /// Whose.
    pub customer_id: CustomerId,
    /// When the customer last showed a second factor in it.
    pub second_factor_at: Option<Timestamp>,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Whether it was ended.
    pub closed: bool,
}

impl Session {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            session_id: row.id("session_id")?,
            customer_id: row.id("customer_id")?,
            second_factor_at: row.get("second_factor_at")?,
            expires_at: row.get("expires_at")?,
            closed: row.get::<Option<i64>>("closed_at")?.is_some(),
        })
    }
}

/// Keeps a new session.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, session: &Session, now: Timestamp) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO sessions (session_id, customer_id, opened_at, second_factor_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind_id(session.session_id)
    .bind_id(session.customer_id)
    .bind(now)
    .bind(session.second_factor_at)
    .bind(session.expires_at)
    .execute()
    .await
    .map(drop)
}

/// The session.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, session: SessionId) -> Result<Option<Session>, DbError> {
    let row = tx
        .query(
            "SELECT session_id, customer_id, second_factor_at, expires_at, closed_at FROM sessions
             WHERE session_id = $1",
        )
        .bind_id(session)
        .fetch_optional()
        .await?;
    row.as_ref().map(Session::of).transpose()
}

/// Ends a session; false if it was ended before.
///
/// # Errors
/// What the database refused.
pub async fn close(
    tx: &mut Tx<'_>,
    session: SessionId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let closed = tx
        .query("UPDATE sessions SET closed_at = $2, close_reason = $3 WHERE session_id = $1 AND closed_at IS NULL")
        .bind_id(session)
        .bind(now)
        .bind(reason)
        .execute()
        .await?;
    Ok(closed == 1)
}

/// Notes a second factor.
///
/// # Errors
/// What the database refused.
pub async fn set_second_factor(tx: &mut Tx<'_>, session: SessionId, at: Timestamp) -> Result<(), DbError> {
    tx.query("UPDATE sessions SET second_factor_at = $2 WHERE session_id = $1")
        .bind_id(session)
        .bind(at)
        .execute()
        .await
        .map(drop)
}

/// Open sessions past their end.
///
/// # Errors
/// What the database refused.
pub async fn expired(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<Session>, DbError> {
    let rows = tx
        .query(
            "SELECT session_id, customer_id, second_factor_at, expires_at, closed_at FROM sessions
             WHERE closed_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(Session::of).collect()
}

/// Keeps a new refresh token.
///
/// # Errors
/// What the database refused.
pub async fn insert_token(
    tx: &mut Tx<'_>,
    hash: [u8; HASH_LENGTH],
    session: SessionId,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    tx.query("INSERT INTO refresh_tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind_id(session)
        .bind(expires_at)
        .execute()
        .await
        .map(drop)
}

/// A refresh token as it stands.
pub struct Token {
    /// Its session.
    pub session_id: SessionId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was used.
    pub used: bool,
}

/// The refresh token with this hash.
///
/// # Errors
/// What the database refused.
pub async fn token(tx: &mut Tx<'_>, hash: [u8; HASH_LENGTH]) -> Result<Option<Token>, DbError> {
    let row = tx
        .query("SELECT session_id, expires_at, used_at FROM refresh_tokens WHERE token_hash = $1")
        .bind(hash)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Token {
        session_id: row.id("session_id")?,
        expires_at: row.get("expires_at")?,
        used: row.get::<Option<i64>>("used_at")?.is_some(),
    }))
}

/// Uses a refresh token, once: false if it was used before.
///
/// # Errors
/// What the database refused.
pub async fn use_token(tx: &mut Tx<'_>, hash: [u8; HASH_LENGTH], now: Timestamp) -> Result<bool, DbError> {
    let used = tx
        .query("UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL")
        .bind(hash)
        .bind(now)
        .execute()
        .await?;
    Ok(used == 1)
}

/// Removes refresh tokens that ended before `before`.
///
/// # Errors
/// What the database refused.
pub async fn purge_tokens(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.query("DELETE FROM refresh_tokens WHERE expires_at < $1").bind(before).execute().await
}
