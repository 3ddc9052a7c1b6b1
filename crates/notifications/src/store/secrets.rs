//! What endpoints' messages are signed with, sealed.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::WebhookEndpointId;

use crate::webhooks::signature::Scheme;

/// A stored key.
pub(crate) struct StoredSecret {
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) scheme: Scheme,
    pub(crate) secret: Vec<u8>,
    /// When it ends; none: when it is rotated.
    pub(crate) end_time: Option<Timestamp>,
}

/// Stores a key of an endpoint after those it has. Its number.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    scheme: Scheme,
    sealed: &[u8],
) -> Result<i64, DbError> {
    tx.query(
        "INSERT INTO webhook_secrets (webhook_endpoint_id, number, scheme, secret)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3 FROM webhook_secrets WHERE webhook_endpoint_id = $1
         RETURNING number",
    )
    .bind_id(endpoint_id)
    .bind(scheme.as_str())
    .bind(sealed)
    .fetch_one()
    .await?
    .get("number")
}

/// Lets the keys of an endpoint that have no end yet end then.
pub(crate) async fn end(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    end_time: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "UPDATE webhook_secrets SET end_time = $2
         WHERE webhook_endpoint_id = $1 AND (end_time IS NULL OR end_time > $2)",
    )
    .bind_id(endpoint_id)
    .bind(end_time)
    .execute()
    .await
    .map(drop)
}

/// Removes the keys of an endpoint that ended before `now`.
pub(crate) async fn remove_ended(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query("DELETE FROM webhook_secrets WHERE webhook_endpoint_id = $1 AND end_time <= $2")
        .bind_id(endpoint_id)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Removes all keys of an endpoint.
pub(crate) async fn remove(tx: &mut Tx<'_>, endpoint_id: WebhookEndpointId) -> Result<(), DbError> {
    tx.query("DELETE FROM webhook_secrets WHERE webhook_endpoint_id = $1")
        .bind_id(endpoint_id)
        .execute()
        .await
        .map(drop)
}

/// The keys of an endpoint from number `from` to number `to`, oldest first.
pub(crate) async fn between(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    from: i64,
    to: i64,
) -> Result<Vec<StoredSecret>, DbError> {
    let rows = tx
        .query(
            "SELECT webhook_endpoint_id, scheme, secret, end_time FROM webhook_secrets
             WHERE webhook_endpoint_id = $1 AND number >= $2 AND number <= $3 ORDER BY number",
        )
        .bind_id(endpoint_id)
        .bind(from)
        .bind(to)
        .fetch_all()
        .await?;
    rows.iter().map(stored).collect()
}

/// The keys of all endpoints, newest first, so that a receiver that looks at one signature only sees the newest.
pub(crate) async fn all(tx: &mut Tx<'_>) -> Result<Vec<StoredSecret>, DbError> {
    let rows = tx
        .query(
            "SELECT webhook_endpoint_id, scheme, secret, end_time FROM webhook_secrets
             ORDER BY webhook_endpoint_id, number DESC",
        )
        .fetch_all()
        .await?;
    rows.iter().map(stored).collect()
}

/// The schemes of an endpoint's keys that have no end.
pub(crate) async fn schemes(tx: &mut Tx<'_>, endpoint_id: WebhookEndpointId) -> Result<Vec<Scheme>, DbError> {
    let rows = tx
        .query(
            "SELECT DISTINCT scheme FROM webhook_secrets
             WHERE webhook_endpoint_id = $1 AND end_time IS NULL ORDER BY scheme",
        )
        .bind_id(endpoint_id)
        .fetch_all()
        .await?;
    rows.iter().map(|row| row.parse("scheme")).collect()
}

fn stored(row: &Row) -> Result<StoredSecret, DbError> {
    Ok(StoredSecret {
        endpoint_id: row.id("webhook_endpoint_id")?,
        scheme: row.parse("scheme")?,
        secret: row.get("secret")?,
        end_time: row.get("end_time")?,
    })
}
