//! Webhook deliveries: what waits, what is under way, what came of it.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, WebhookEndpointId};

use crate::webhooks::filter::Audience;

/// A delivery, for its owner to look at.
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: i64,
    pub(crate) last_status: i64,
    pub(crate) next_attempt: Option<Timestamp>,
}

/// State of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    Pending,
    Delivered,
    Dead,
}

impl std::str::FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "delivered" => Ok(Self::Delivered),
            "dead" => Ok(Self::Dead),
            other => Err(format!("`{other}` is no state of a delivery")),
        }
    }
}

/// A delivery that was claimed for an attempt.
pub(crate) struct ClaimedDelivery {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: String,
    pub(crate) attempt: i64,
    pub(crate) body: Vec<u8>,
}

/// Keeps what is said about an event, unless it is kept already.
pub(crate) async fn insert_body(
    tx: &mut Tx<'_>,
    event_id: &str,
    audience: Audience,
    body: &[u8],
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO webhook_bodies (event_id, audience, body, create_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (event_id, audience) DO NOTHING",
    )
    .bind(event_id)
    .bind(audience.as_str())
    .bind(body)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// A delivery about to be stored.
pub(crate) struct NewDelivery<'a> {
    pub(crate) id: DeliveryId,
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) event_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) audience: Audience,
}

/// Makes a delivery due at once, unless this endpoint has one of this event.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    delivery: &NewDelivery<'_>,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO webhook_deliveries
             (webhook_endpoint_id, delivery_id, event_id, event_type, audience, state, attempts, last_status,
              next_attempt, create_time)
         VALUES ($1, $2, $3, $4, $5, 'pending', 0, 0, $6, $6) ON CONFLICT (webhook_endpoint_id, event_id) DO NOTHING",
    )
    .bind_id(delivery.endpoint_id)
    .bind_id(delivery.id)
    .bind(delivery.event_id)
    .bind(delivery.event_type)
    .bind(delivery.audience.as_str())
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// The active endpoints that something waits for, and when the first of it is due. One look into an index for each
/// endpoint, however much waits.
pub(crate) async fn lanes(tx: &mut Tx<'_>) -> Result<Vec<(WebhookEndpointId, Timestamp)>, DbError> {
    let rows = tx
        .query(
            "SELECT e.webhook_endpoint_id,
                 (SELECT MIN(d.next_attempt) FROM webhook_deliveries d
                  WHERE d.webhook_endpoint_id = e.webhook_endpoint_id AND d.state = 'pending') AS due
             FROM webhook_endpoints e WHERE e.state = 'active' ORDER BY e.webhook_endpoint_id",
        )
        .fetch_all()
        .await?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(due) = row.get::<Option<Timestamp>>("due")? {
            lanes.push((row.id("webhook_endpoint_id")?, due));
        }
    }
    Ok(lanes)
}

/// Claims up to `limit` due deliveries of an endpoint until `lease_end`: nobody else tries them before that. The
/// attempt counts from here on, so that one that kills the process is not tried for ever.
pub(crate) async fn claim(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    now: Timestamp,
    lease_end: Timestamp,
    limit: i64,
) -> Result<Vec<ClaimedDelivery>, DbError> {
    let endpoint = endpoint_id.to_string();
    let rows = tx
        .query(
            "UPDATE webhook_deliveries SET next_attempt = $3, attempts = attempts + 1
             WHERE webhook_endpoint_id = $1 AND state = 'pending' AND next_attempt <= $2 AND delivery_id IN (
                 SELECT delivery_id FROM webhook_deliveries
                 WHERE webhook_endpoint_id = $1 AND state = 'pending' AND next_attempt <= $2
                 ORDER BY next_attempt, delivery_id LIMIT $4)
             RETURNING delivery_id, event_id, audience, attempts",
        )
        .bind(&endpoint)
        .bind(now)
        .bind(lease_end)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let event_id: String = row.get("event_id")?;
        let body = tx
            .query("SELECT body FROM webhook_bodies WHERE event_id = $1 AND audience = $2")
            .bind(&event_id)
            .bind(row.get::<String>("audience")?)
            .fetch_one()
            .await?
            .get("body")?;
        claimed.push(ClaimedDelivery {
            id: row.id("delivery_id")?,
            event_id,
            attempt: row.get("attempts")?,
            body,
        });
    }
    claimed.sort_unstable_by_key(|delivery| delivery.id);
    Ok(claimed)
}

/// An attempt that came to its end.
pub(crate) struct AttemptRecord<'a> {
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) delivery_id: DeliveryId,
    pub(crate) attempt: i64,
    pub(crate) start: Timestamp,
    pub(crate) duration_micros: i64,
    /// HTTP status; 0: none came.
    pub(crate) status: i64,
    /// What went wrong; empty: nothing.
    pub(crate) problem: &'a str,
    pub(crate) response: &'a [u8],
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Again(Timestamp),
    Dead,
}

/// Writes an attempt into the log and notes what becomes of its delivery; false if that had an end before, or is gone.
pub(crate) async fn record(
    tx: &mut Tx<'_>,
    attempt: &AttemptRecord<'_>,
    fate: Fate,
) -> Result<bool, DbError> {
    let (state, next) = match fate {
        Fate::Delivered => ("delivered", None),
        Fate::Again(then) => ("pending", Some(then)),
        Fate::Dead => ("dead", None),
    };
    // An outcome of an older attempt (its lease had ended) must not undo what a later one is about to do, but a
    // success counts whenever it comes.
    let settled = tx
        .query(
            "UPDATE webhook_deliveries SET state = $3, next_attempt = $4, last_status = $5
             WHERE webhook_endpoint_id = $1 AND delivery_id = $2 AND state = 'pending'
               AND (attempts = $6 OR $3 = 'delivered')",
        )
        .bind_id(attempt.endpoint_id)
        .bind_id(attempt.delivery_id)
        .bind(state)
        .bind(next)
        .bind(attempt.status)
        .bind(attempt.attempt)
        .execute()
        .await?;
    tx.query(
        "INSERT INTO webhook_attempts
             (webhook_endpoint_id, delivery_id, attempt, start_time, duration_micros, status, problem, response)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (webhook_endpoint_id, delivery_id, attempt) DO NOTHING",
    )
    .bind_id(attempt.endpoint_id)
    .bind_id(attempt.delivery_id)
    .bind(attempt.attempt)
    .bind(attempt.start)
    .bind(attempt.duration_micros)
    .bind(attempt.status)
    .bind(attempt.problem)
    .bind(attempt.response)
    .execute()
    .await?;
    Ok(settled == 1)
}

/// Deliveries of an endpoint, newest first, from below the delivery `before` (empty: from the newest).
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    before: &str,
    limit: i64,
) -> Result<Vec<Delivery>, DbError> {
    let rows = tx
        .query(
            "SELECT webhook_endpoint_id, delivery_id, event_id, event_type, state, attempts, last_status, next_attempt
             FROM webhook_deliveries WHERE webhook_endpoint_id = $1 AND ($2 = '' OR delivery_id < $2)
             ORDER BY delivery_id DESC LIMIT $3",
        )
        .bind_id(endpoint_id)
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(delivery).collect()
}

fn delivery(row: &Row) -> Result<Delivery, DbError> {
    Ok(Delivery {
        id: row.id("delivery_id")?,
        endpoint_id: row.id("webhook_endpoint_id")?,
        event_id: row.get("event_id")?,
        event_type: row.get("event_type")?,
        state: row.parse("state")?,
        attempts: row.get("attempts")?,
        last_status: row.get("last_status")?,
        next_attempt: row.get("next_attempt")?,
    })
}

/// The log of an endpoint's attempts, oldest first: attempt, status, problem, bytes of the response.
#[cfg(test)]
pub(crate) async fn log(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
) -> Result<Vec<(i64, i64, String, Vec<u8>)>, DbError> {
    let rows = tx
        .query(
            "SELECT attempt, status, problem, response FROM webhook_attempts
             WHERE webhook_endpoint_id = $1 ORDER BY delivery_id, attempt",
        )
        .bind_id(endpoint_id)
        .fetch_all()
        .await?;
    let log = rows
        .iter()
        .map(|row| Ok((row.get("attempt")?, row.get("status")?, row.get("problem")?, row.get("response")?)));
    log.collect()
}
