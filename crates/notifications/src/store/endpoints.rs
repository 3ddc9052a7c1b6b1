//! Webhook endpoints.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::WebhookEndpointId;

use crate::webhooks::filter::{Filter, Pattern};
use crate::webhooks::target::Target;

/// An endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: WebhookEndpointId,
    pub(crate) target: Target,
    /// As its owner wrote them.
    pub(crate) event_types: Vec<String>,
    pub(crate) merchant_id: String,
    pub(crate) disabled: bool,
    pub(crate) create_time: Timestamp,
}

/// Stores an endpoint; `secret` is sealed.
pub(crate) async fn insert(tx: &mut Tx<'_>, endpoint: &Endpoint, secret: &[u8]) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO webhook_endpoints
             (webhook_endpoint_id, url, event_types, merchant_id, secret, state, create_time)
         VALUES ($1, $2, $3, $4, $5, 'active', $6)",
    )
    .bind_id(endpoint.id)
    .bind(endpoint.target.as_str())
    .bind(endpoint.event_types.join(" "))
    .bind(&endpoint.merchant_id)
    .bind(secret)
    .bind(endpoint.create_time)
    .execute()
    .await?;
    Ok(())
}

/// How many endpoints there are.
pub(crate) async fn count(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.query("SELECT COUNT(*) AS endpoints FROM webhook_endpoints WHERE state <> 'deleted'")
        .fetch_one()
        .await?
        .get("endpoints")
}

/// The endpoint and its sealed secret.
pub(crate) async fn get(
    tx: &mut Tx<'_>,
    id: WebhookEndpointId,
) -> Result<Option<(Endpoint, Vec<u8>)>, DbError> {
    let row = tx
        .query(
            "SELECT webhook_endpoint_id, url, event_types, merchant_id, secret, state, create_time
             FROM webhook_endpoints WHERE webhook_endpoint_id = $1 AND state <> 'deleted'",
        )
        .bind_id(id)
        .fetch_optional()
        .await?;
    row.map(|row| Ok((endpoint(&row)?, row.get("secret")?))).transpose()
}

/// Endpoints by id, after `after`.
pub(crate) async fn list(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<Endpoint>, DbError> {
    let rows = tx
        .query(
            "SELECT webhook_endpoint_id, url, event_types, merchant_id, state, create_time FROM webhook_endpoints
             WHERE webhook_endpoint_id > $1 AND state <> 'deleted' ORDER BY webhook_endpoint_id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(endpoint).collect()
}

/// What each active endpoint asked for.
pub(crate) async fn filters(tx: &mut Tx<'_>) -> Result<Vec<(WebhookEndpointId, Filter)>, DbError> {
    let rows = tx
        .query(
            "SELECT webhook_endpoint_id, event_types, merchant_id FROM webhook_endpoints WHERE state = 'active'",
        )
        .fetch_all()
        .await?;
    let filters = rows.iter().map(|row| {
        let patterns = row.get::<String>("event_types")?;
        let patterns: Result<Vec<Pattern>, _> = patterns.split(' ').map(str::parse).collect();
        let patterns = patterns
            .map_err(|error| DbError::Column { column: "event_types".into(), what: error.to_string() })?;
        Ok((row.id("webhook_endpoint_id")?, Filter { patterns, merchant_id: row.get("merchant_id")? }))
    });
    filters.collect()
}

/// Removes an endpoint with its secret and what waits for it; false if there is none. What was delivered stays in
/// the log.
pub(crate) async fn delete(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<bool, DbError> {
    let deleted = tx
        .query(
            "UPDATE webhook_endpoints SET state = 'deleted', secret = $2
             WHERE webhook_endpoint_id = $1 AND state <> 'deleted'",
        )
        .bind_id(id)
        .bind(Vec::new())
        .execute()
        .await?;
    tx.query("DELETE FROM webhook_deliveries WHERE webhook_endpoint_id = $1 AND state = 'pending'")
        .bind_id(id)
        .execute()
        .await?;
    Ok(deleted == 1)
}

/// Disables an endpoint, and gives up what waits for it.
pub(crate) async fn disable(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<(), DbError> {
    tx.query(
        "UPDATE webhook_endpoints SET state = 'disabled' WHERE webhook_endpoint_id = $1 AND state = 'active'",
    )
    .bind_id(id)
    .execute()
    .await?;
    tx.query(
        "UPDATE webhook_deliveries SET state = 'dead', next_attempt = NULL
         WHERE webhook_endpoint_id = $1 AND state = 'pending'",
    )
    .bind_id(id)
    .execute()
    .await?;
    Ok(())
}

fn endpoint(row: &Row) -> Result<Endpoint, DbError> {
    Ok(Endpoint {
        id: row.id("webhook_endpoint_id")?,
        target: row.parse("url")?,
        event_types: row.get::<String>("event_types")?.split(' ').map(str::to_owned).collect(),
        merchant_id: row.get("merchant_id")?,
        disabled: row.get::<String>("state")? == "disabled",
        create_time: row.get("create_time")?,
    })
}
