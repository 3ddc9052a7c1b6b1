//! Webhook deliveries: making them, taking what is due, looking at them. What came of attempts is in `attempts`.

use bursar_service::db::{Cell, DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, TypedId as _, WebhookEndpointId};
use bytes::Bytes;

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
    Held,
    Delivered,
    Dead,
}

impl DeliveryState {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "held" => Ok(Self::Held),
            "delivered" => Ok(Self::Delivered),
            "dead" => Ok(Self::Dead),
            other => Err(format!("`{other}` is no state of a delivery")),
        }
    }
}

/// A delivery that is due, with what is sent.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: DeliveryId,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) audience: String,
    /// Attempts made before.
    pub(crate) attempts: i64,
    /// Attempts made before the schedule began.
    pub(crate) schedule_start: i64,
    pub(crate) create_time: Timestamp,
    pub(crate) body: Bytes,
}

/// What is said about an event to one audience.
pub(crate) struct NewBody<'a> {
    pub(crate) event_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) audience: Audience,
    pub(crate) merchant_id: &'a str,
    /// Where it happened and to what: the order of one subject's events is that of their versions.
    pub(crate) subject: &'a str,
    pub(crate) subject_version: i64,
    pub(crate) body: Vec<u8>,
}

/// Keeps what is said about an event, unless it is kept already.
pub(crate) async fn insert_bodies(
    tx: &mut Tx<'_>,
    bodies: Vec<NewBody<'_>>,
    now: Timestamp,
) -> Result<(), DbError> {
    let rows = bodies.into_iter().map(|new| {
        [
            new.event_id.into(),
            new.audience.as_str().into(),
            new.body.into(),
            now.into(),
            new.event_type.into(),
            new.merchant_id.into(),
            new.subject.into(),
            new.subject_version.into(),
        ]
    });
    let columns = [
        "event_id",
        "audience",
        "body",
        "create_time",
        "event_type",
        "merchant_id",
        "subject",
        "subject_version",
    ];
    tx.bulk_upsert("webhook_bodies", columns, rows.collect(), "ON CONFLICT (event_id, audience) DO NOTHING")
        .await
        .map(drop)
}

/// A delivery about to be stored.
pub(crate) struct NewDelivery<'a> {
    pub(crate) id: DeliveryId,
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) event_id: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) audience: Audience,
    /// Whether it is kept for later, for its endpoint is disabled.
    pub(crate) held: bool,
    /// The subject and its version, where their order is kept.
    pub(crate) subject: Option<(&'a str, i64)>,
}

/// Makes deliveries due at once, but for those that exist. How many were made.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    deliveries: &[NewDelivery<'_>],
    now: Timestamp,
) -> Result<u64, DbError> {
    let rows: Vec<[Cell; 12]> = deliveries
        .iter()
        .map(|new| {
            let state = if new.held { DeliveryState::Held } else { DeliveryState::Pending };
            [
                new.endpoint_id.text().into(),
                new.id.text().into(),
                new.event_id.into(),
                new.event_type.into(),
                new.audience.as_str().into(),
                state.as_str().into(),
                0_i64.into(),
                0_i64.into(),
                Some(now).filter(|_| !new.held).into(),
                now.into(),
                new.subject.map(|(subject, _)| subject.to_owned()).into(),
                new.subject.map_or(0, |(_, version)| version).into(),
            ]
        })
        .collect();
    let columns = [
        "webhook_endpoint_id",
        "delivery_id",
        "event_id",
        "event_type",
        "audience",
        "state",
        "attempts",
        "last_status",
        "next_attempt",
        "create_time",
        "subject",
        "subject_version",
    ];
    let existing = "ON CONFLICT (webhook_endpoint_id, delivery_id) DO NOTHING";
    tx.bulk_upsert("webhook_deliveries", columns, rows, existing).await
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

/// Up to `limit` deliveries of an endpoint that are due, the first due first. If the endpoint is `ordered`, of each
/// subject only the first that waits, whether it is due or not.
pub(crate) async fn due(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    ordered: bool,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Due>, DbError> {
    let query = if ordered {
        tx.query(
            "SELECT d.delivery_id, d.event_id, d.event_type, d.audience, d.attempts, d.schedule_start, d.create_time, b.body
             FROM webhook_deliveries d
             JOIN webhook_bodies b ON b.event_id = d.event_id AND b.audience = d.audience
             WHERE d.webhook_endpoint_id = $1 AND d.state = 'pending' AND d.next_attempt <= $2
               AND (d.subject IS NULL OR NOT EXISTS (
                   SELECT 1 FROM webhook_deliveries earlier
                   WHERE earlier.webhook_endpoint_id = $1 AND earlier.state = 'pending' AND earlier.subject IS NOT NULL
                     AND earlier.subject = d.subject AND earlier.subject_version < d.subject_version))
             ORDER BY d.next_attempt, d.delivery_id LIMIT $3",
        )
    } else {
        tx.query(
            "SELECT d.delivery_id, d.event_id, d.event_type, d.audience, d.attempts, d.schedule_start, d.create_time, b.body
             FROM webhook_deliveries d
             JOIN webhook_bodies b ON b.event_id = d.event_id AND b.audience = d.audience
             WHERE d.webhook_endpoint_id = $1 AND d.state = 'pending' AND d.next_attempt <= $2
             ORDER BY d.next_attempt, d.delivery_id LIMIT $3",
        )
    };
    let rows = query.bind_id(endpoint_id).bind(now).bind(limit).fetch_all().await?;
    let due = rows.iter().map(|row| {
        Ok(Due {
            id: row.id("delivery_id")?,
            event_id: row.get("event_id")?,
            event_type: row.get("event_type")?,
            audience: row.get("audience")?,
            attempts: row.get("attempts")?,
            schedule_start: row.get("schedule_start")?,
            create_time: row.get("create_time")?,
            body: Bytes::from(row.get::<Vec<u8>>("body")?),
        })
    });
    due.collect()
}

const DELIVERY: &str =
    "webhook_endpoint_id, delivery_id, event_id, event_type, state, attempts, last_status, next_attempt";

/// Deliveries of an endpoint, newest first, from below the delivery `before` (empty: from the newest); of one state if
/// there is one given.
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    state: Option<DeliveryState>,
    before: &str,
    limit: i64,
) -> Result<Vec<Delivery>, DbError> {
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries
         WHERE webhook_endpoint_id = $1 AND ($2 = '' OR delivery_id < $2) AND ($4 = '' OR state = $4)
         ORDER BY delivery_id DESC LIMIT $3"
    );
    let rows = tx
        .query(bursar_service::db::AssertSqlSafe(sql))
        .bind_id(endpoint_id)
        .bind(before)
        .bind(limit)
        .bind(state.map_or("", DeliveryState::as_str))
        .fetch_all()
        .await?;
    rows.iter().map(delivery).collect()
}

/// One delivery.
pub(crate) async fn get(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    id: DeliveryId,
) -> Result<Option<Delivery>, DbError> {
    let sql = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_endpoint_id = $1 AND delivery_id = $2"
    );
    let row = tx
        .query(bursar_service::db::AssertSqlSafe(sql))
        .bind_id(endpoint_id)
        .bind_id(id)
        .fetch_optional()
        .await?;
    row.as_ref().map(delivery).transpose()
}

/// Makes a delivery that was not taken due at once, at the beginning of its schedule; false if it was taken.
pub(crate) async fn retry(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    id: DeliveryId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let due = tx
        .query(
            "UPDATE webhook_deliveries SET state = 'pending', next_attempt = $3, schedule_start = attempts
             WHERE webhook_endpoint_id = $1 AND delivery_id = $2 AND state <> 'delivered'",
        )
        .bind_id(endpoint_id)
        .bind_id(id)
        .bind(now)
        .execute()
        .await?;
    Ok(due == 1)
}

/// As [`retry`], for all of an endpoint that is held or dead and was made at or after `since`. How many.
pub(crate) async fn recover(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, DbError> {
    tx.query(
        "UPDATE webhook_deliveries SET state = 'pending', next_attempt = $3, schedule_start = attempts
         WHERE webhook_endpoint_id = $1 AND (state = 'held' OR state = 'dead') AND create_time >= $2",
    )
    .bind_id(endpoint_id)
    .bind(since)
    .bind(now)
    .execute()
    .await
}

/// A kept body, without what it says.
pub(crate) struct Kept {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) merchant_id: String,
    pub(crate) subject: String,
    pub(crate) subject_version: i64,
    pub(crate) create_time: Timestamp,
}

/// Bodies for `audience` that came in from `after` (not included) until `until` (not included), oldest first.
pub(crate) async fn kept(
    tx: &mut Tx<'_>,
    audience: Audience,
    after: (Timestamp, &str),
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Kept>, DbError> {
    let rows = tx
        .query(
            "SELECT event_id, event_type, merchant_id, subject, subject_version, create_time FROM webhook_bodies
             WHERE audience = $1 AND create_time >= $2 AND (create_time > $2 OR event_id > $3) AND create_time < $4
             ORDER BY create_time, event_id LIMIT $5",
        )
        .bind(audience.as_str())
        .bind(after.0)
        .bind(after.1)
        .bind(until)
        .bind(limit)
        .fetch_all()
        .await?;
    let kept = rows.iter().map(|row| {
        Ok(Kept {
            event_id: row.get("event_id")?,
            event_type: row.get("event_type")?,
            merchant_id: row.get("merchant_id")?,
            subject: row.get("subject")?,
            subject_version: row.get("subject_version")?,
            create_time: row.get("create_time")?,
        })
    });
    kept.collect()
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
