//! Webhook endpoints.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::WebhookEndpointId;

use super::{dispatch, secrets};
use crate::webhooks::filter::{Filter, Pattern};
use crate::webhooks::signature::Scheme;
use crate::webhooks::target::Target;

/// Why an endpoint gets nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disabled {
    /// It answered 410.
    Gone,
    /// Nothing but failures came back for too long.
    Failing,
}

impl Disabled {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// An endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: WebhookEndpointId,
    pub(crate) target: Target,
    /// As its owner wrote them.
    pub(crate) event_types: Vec<String>,
    pub(crate) merchant_id: String,
    pub(crate) ordered: bool,
    /// 0: no bound of its own.
    pub(crate) rate_per_second: i64,
    /// 0: as configured.
    pub(crate) concurrency: i64,
    /// Empty: it is not disabled.
    pub(crate) disable_reason: String,
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) create_time: Timestamp,
    pub(crate) schemes: Vec<Scheme>,
}

impl Endpoint {
    pub(crate) fn disabled(&self) -> bool {
        !self.disable_reason.is_empty()
    }

    /// What it asked for.
    pub(crate) fn filter(&self) -> Result<Filter, DbError> {
        let patterns: Result<Vec<Pattern>, _> = self.event_types.iter().map(|text| text.parse()).collect();
        let patterns = patterns
            .map_err(|error| DbError::Column { column: "event_types".into(), what: error.to_string() })?;
        Ok(Filter { patterns, merchant_id: self.merchant_id.clone() })
    }
}

const COLUMNS: &str =
    "webhook_endpoint_id, url, event_types, merchant_id, ordered, rate_per_second, concurrency,
                       disable_reason, failing_since, create_time";

/// Stores an endpoint.
pub(crate) async fn insert(tx: &mut Tx<'_>, endpoint: &Endpoint) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO webhook_endpoints
             (webhook_endpoint_id, url, event_types, merchant_id, secret, state, create_time, ordered,
              rate_per_second, concurrency)
         VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9)",
    )
    .bind_id(endpoint.id)
    .bind(endpoint.target.as_str())
    .bind(endpoint.event_types.join(" "))
    .bind(&endpoint.merchant_id)
    .bind(Vec::new())
    .bind(endpoint.create_time)
    .bind(endpoint.ordered)
    .bind(endpoint.rate_per_second)
    .bind(endpoint.concurrency)
    .execute()
    .await?;
    dispatch::changed(tx).await
}

/// How many endpoints there are.
pub(crate) async fn count(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.query("SELECT COUNT(*) AS endpoints FROM webhook_endpoints WHERE state <> 'deleted'")
        .fetch_one()
        .await?
        .get("endpoints")
}

/// The endpoint.
pub(crate) async fn get(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<Option<Endpoint>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints WHERE webhook_endpoint_id = $1 AND state <> 'deleted'"
    );
    let row = tx.query(bursar_service::db::AssertSqlSafe(sql)).bind_id(id).fetch_optional().await?;
    let Some(mut endpoint) = row.as_ref().map(endpoint).transpose()? else { return Ok(None) };
    endpoint.schemes = secrets::schemes(tx, id).await?;
    Ok(Some(endpoint))
}

/// Endpoints by id, after `after`.
pub(crate) async fn list(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<Endpoint>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints
         WHERE webhook_endpoint_id > $1 AND state <> 'deleted' ORDER BY webhook_endpoint_id LIMIT $2"
    );
    let rows = tx.query(bursar_service::db::AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all().await?;
    let mut endpoints: Vec<Endpoint> = rows.iter().map(endpoint).collect::<Result<_, _>>()?;
    for endpoint in &mut endpoints {
        endpoint.schemes = secrets::schemes(tx, endpoint.id).await?;
    }
    Ok(endpoints)
}

/// All endpoints that are not deleted, without their schemes.
pub(crate) async fn all(tx: &mut Tx<'_>) -> Result<Vec<Endpoint>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE state <> 'deleted'");
    let rows = tx.query(bursar_service::db::AssertSqlSafe(sql)).fetch_all().await?;
    rows.iter().map(endpoint).collect()
}

/// Removes an endpoint with its keys and what waits for it; false if there is none. What was delivered stays in the
/// log.
pub(crate) async fn delete(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<bool, DbError> {
    let deleted = tx
        .query(
            "UPDATE webhook_endpoints SET state = 'deleted'
             WHERE webhook_endpoint_id = $1 AND state <> 'deleted'",
        )
        .bind_id(id)
        .execute()
        .await?;
    secrets::remove(tx, id).await?;
    for state in ["pending", "held"] {
        tx.query("DELETE FROM webhook_deliveries WHERE webhook_endpoint_id = $1 AND state = $2")
            .bind_id(id)
            .bind(state)
            .execute()
            .await?;
    }
    dispatch::changed(tx).await?;
    Ok(deleted == 1)
}

/// Disables an endpoint, and holds what waits for it; false if it was not active.
pub(crate) async fn disable(
    tx: &mut Tx<'_>,
    id: WebhookEndpointId,
    reason: Disabled,
) -> Result<bool, DbError> {
    let disabled = tx
        .query(
            "UPDATE webhook_endpoints SET state = 'disabled', disable_reason = $2
             WHERE webhook_endpoint_id = $1 AND state = 'active'",
        )
        .bind_id(id)
        .bind(reason.as_str())
        .execute()
        .await?;
    tx.query(
        "UPDATE webhook_deliveries SET state = 'held', next_attempt = NULL
         WHERE webhook_endpoint_id = $1 AND state = 'pending'",
    )
    .bind_id(id)
    .execute()
    .await?;
    dispatch::changed(tx).await?;
    Ok(disabled == 1)
}

/// Enables a disabled endpoint; false if it is not disabled.
pub(crate) async fn enable(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<bool, DbError> {
    let enabled = tx
        .query(
            "UPDATE webhook_endpoints SET state = 'active', disable_reason = '', failing_since = NULL, warnings = 0
             WHERE webhook_endpoint_id = $1 AND state = 'disabled'",
        )
        .bind_id(id)
        .execute()
        .await?;
    dispatch::changed(tx).await?;
    Ok(enabled == 1)
}

/// Notes since when nothing but failures came; none: something succeeded.
pub(crate) async fn set_failing(
    tx: &mut Tx<'_>,
    id: WebhookEndpointId,
    since: Option<Timestamp>,
) -> Result<(), DbError> {
    tx.query("UPDATE webhook_endpoints SET failing_since = $2, warnings = 0 WHERE webhook_endpoint_id = $1")
        .bind_id(id)
        .bind(since)
        .execute()
        .await
        .map(drop)
}

/// Notes that warning number `number` was given; false if it was before.
pub(crate) async fn warned(tx: &mut Tx<'_>, id: WebhookEndpointId, number: i64) -> Result<bool, DbError> {
    let noted = tx
        .query("UPDATE webhook_endpoints SET warnings = $2 WHERE webhook_endpoint_id = $1 AND warnings < $2")
        .bind_id(id)
        .bind(number)
        .execute()
        .await?;
    Ok(noted == 1)
}

fn endpoint(row: &Row) -> Result<Endpoint, DbError> {
    Ok(Endpoint {
        id: row.id("webhook_endpoint_id")?,
        target: row.parse("url")?,
        event_types: row.get::<String>("event_types")?.split(' ').map(str::to_owned).collect(),
        merchant_id: row.get("merchant_id")?,
        ordered: row.get("ordered")?,
        rate_per_second: row.get("rate_per_second")?,
        concurrency: row.get("concurrency")?,
        disable_reason: row.get("disable_reason")?,
        failing_since: row.get("failing_since")?,
        create_time: row.get("create_time")?,
        schemes: Vec::new(),
    })
}
