//! What came of attempts: many in a few statements, for there are as many of them as there are deliveries.

use bursar_service::db::{Cell, DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, TypedId as _, WebhookEndpointId};

use super::deliveries::{DeliveryState, Due};

/// An attempt that came to its end.
#[derive(Clone, Debug)]
pub(crate) struct Attempted {
    pub(crate) endpoint_id: WebhookEndpointId,
    pub(crate) due: Due,
    pub(crate) start: Timestamp,
    pub(crate) duration_micros: i64,
    /// HTTP status; 0: none came.
    pub(crate) status: i64,
    /// Why none came; empty: one did.
    pub(crate) problem: String,
    /// The first 4 KiB of the response.
    pub(crate) response: Vec<u8>,
    pub(crate) fate: Fate,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Again(Timestamp),
    Dead,
}

impl Attempted {
    /// Its number, from 1.
    pub(crate) fn number(&self) -> i64 {
        self.due.attempts + 1
    }
}

/// One line of the log.
pub(crate) struct Logged {
    pub(crate) attempt: i64,
    pub(crate) start: Timestamp,
    pub(crate) duration_micros: i64,
    pub(crate) status: i64,
    pub(crate) problem: String,
    pub(crate) response: Vec<u8>,
}

/// Notes what becomes of deliveries, each at most once among `attempts`, and writes the log.
///
/// An outcome of an older attempt must not undo what a later one, or a retry, is about to do, but a success counts
/// whenever it comes. The row of a delivery that was removed meanwhile comes again, at its end.
pub(crate) async fn record(tx: &mut Tx<'_>, attempts: &[Attempted]) -> Result<(), DbError> {
    let columns = [
        "webhook_endpoint_id",
        "delivery_id",
        "event_id",
        "event_type",
        "audience",
        "state",
        "attempts",
        "schedule_start",
        "last_status",
        "next_attempt",
        "create_time",
        "last_time",
        "last_micros",
        "last_problem",
        "last_response",
    ];
    let changed = "ON CONFLICT (webhook_endpoint_id, delivery_id) DO UPDATE
         SET state = excluded.state, attempts = excluded.attempts, last_status = excluded.last_status,
             next_attempt = excluded.next_attempt, last_time = excluded.last_time, last_micros = excluded.last_micros,
             last_problem = excluded.last_problem, last_response = excluded.last_response
         WHERE webhook_deliveries.state = 'pending'
           AND (excluded.state = 'delivered'
                OR (webhook_deliveries.attempts = excluded.attempts - 1
                    AND webhook_deliveries.schedule_start = excluded.schedule_start))";
    let rows = attempts.iter().map(delivery_row).collect();
    tx.bulk_upsert("webhook_deliveries", columns, rows, changed).await?;
    // A first attempt that succeeded, the usual case, is told by the delivery's own row.
    let logged = attempts.iter().filter(|it| it.fate != Fate::Delivered || it.number() > 1);
    let rows: Vec<_> = logged.map(log_row).collect();
    let columns = [
        "webhook_endpoint_id",
        "delivery_id",
        "attempt",
        "start_time",
        "duration_micros",
        "status",
        "problem",
        "response",
    ];
    let existing = "ON CONFLICT (webhook_endpoint_id, delivery_id, attempt) DO NOTHING";
    tx.bulk_upsert("webhook_attempts", columns, rows, existing).await.map(drop)
}

fn delivery_row(it: &Attempted) -> [Cell; 15] {
    let (state, next) = match it.fate {
        Fate::Delivered => (DeliveryState::Delivered, None),
        Fate::Again(then) => (DeliveryState::Pending, Some(then)),
        Fate::Dead => (DeliveryState::Dead, None),
    };
    [
        it.endpoint_id.text().into(),
        it.due.id.text().into(),
        it.due.event_id.as_str().into(),
        it.due.event_type.as_str().into(),
        it.due.audience.as_str().into(),
        state.as_str().into(),
        it.number().into(),
        it.due.schedule_start.into(),
        it.status.into(),
        next.into(),
        it.due.create_time.into(),
        it.start.into(),
        it.duration_micros.into(),
        it.problem.as_str().into(),
        it.response.as_slice().into(),
    ]
}

fn log_row(it: &Attempted) -> [Cell; 8] {
    [
        it.endpoint_id.text().into(),
        it.due.id.text().into(),
        it.number().into(),
        it.start.into(),
        it.duration_micros.into(),
        it.status.into(),
        it.problem.as_str().into(),
        it.response.as_slice().into(),
    ]
}

/// The log of a delivery, oldest first: its newest `limit` attempts.
pub(crate) async fn log(
    tx: &mut Tx<'_>,
    endpoint_id: WebhookEndpointId,
    id: DeliveryId,
    limit: i64,
) -> Result<Vec<Logged>, DbError> {
    let rows = tx
        .query(
            "SELECT attempt, start_time, duration_micros, status, problem, response FROM webhook_attempts
             WHERE webhook_endpoint_id = $1 AND delivery_id = $2 ORDER BY attempt DESC LIMIT $3",
        )
        .bind_id(endpoint_id)
        .bind_id(id)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut log: Vec<Logged> = rows.iter().map(logged).collect::<Result<_, DbError>>()?;
    log.reverse();
    if log.is_empty() {
        let row = tx
            .query(
                "SELECT attempts AS attempt, last_time AS start_time, last_micros AS duration_micros,
                     last_status AS status, last_problem AS problem, last_response AS response
                 FROM webhook_deliveries
                 WHERE webhook_endpoint_id = $1 AND delivery_id = $2 AND last_time IS NOT NULL",
            )
            .bind_id(endpoint_id)
            .bind_id(id)
            .fetch_optional()
            .await?;
        log.extend(row.as_ref().map(logged).transpose()?);
    }
    Ok(log)
}

fn logged(row: &Row) -> Result<Logged, DbError> {
    Ok(Logged {
        attempt: row.get("attempt")?,
        start: row.get("start_time")?,
        duration_micros: row.get("duration_micros")?,
        status: row.get("status")?,
        problem: row.get("problem")?,
        response: row.get::<Option<Vec<u8>>>("response")?.unwrap_or_default(),
    })
}
