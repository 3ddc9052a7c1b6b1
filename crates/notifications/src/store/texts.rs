//! Text messages on their way.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, MessageId};

use super::messages::facts_from_text;
use crate::people::facts::Facts;
use crate::people::locale::Locale;

/// A text message that was claimed for an attempt.
pub(crate) struct ClaimedText {
    pub(crate) customer_id: CustomerId,
    pub(crate) message_id: MessageId,
    pub(crate) attempts: i64,
    pub(crate) event_type: String,
    pub(crate) template: String,
    pub(crate) facts: Facts,
    /// Sealed.
    pub(crate) phone: Vec<u8>,
    pub(crate) locale: Locale,
}

/// Puts a text message on its way: due at once, or waiting for the recipient to become known.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
    recipient_known: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO text_messages (customer_id, message_id, state, attempts, next_attempt, create_time)
         VALUES ($1, $2, $3, 0, $4, $4)",
    )
    .bind_id(customer_id)
    .bind_id(message_id)
    .bind(if recipient_known { "due" } else { "waiting" })
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Makes what waited for this recipient due; what is older than `oldest` is dead instead. How many are due.
pub(crate) async fn release(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    oldest: Timestamp,
    now: Timestamp,
) -> Result<u64, DbError> {
    tx.query(
        "UPDATE text_messages SET state = 'dead', problem = 'the recipient became known too late'
         WHERE customer_id = $1 AND state = 'waiting' AND create_time < $2",
    )
    .bind_id(customer_id)
    .bind(oldest)
    .execute()
    .await?;
    tx.query(
        "UPDATE text_messages SET state = 'due', next_attempt = $2 WHERE customer_id = $1 AND state = 'waiting'",
    )
    .bind_id(customer_id)
    .bind(now)
    .execute()
    .await
}

/// Claims up to `limit` due messages until `lease_end`: nobody else tries them before that.
pub(crate) async fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease_end: Timestamp,
    limit: i64,
) -> Result<Vec<ClaimedText>, DbError> {
    let rows = tx
        .query(
            "UPDATE text_messages SET next_attempt = $2, attempts = attempts + 1
             WHERE state = 'due' AND next_attempt <= $1 AND message_id IN (
                 SELECT message_id FROM text_messages WHERE state = 'due' AND next_attempt <= $1
                 ORDER BY next_attempt LIMIT $3)
             RETURNING customer_id, message_id, attempts",
        )
        .bind(now)
        .bind(lease_end)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let (customer_id, message_id) = (row.id("customer_id")?, row.id("message_id")?);
        let attempts = row.get("attempts")?;
        claimed.push(load(tx, customer_id, message_id, attempts).await?);
    }
    Ok(claimed)
}

async fn load(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
    attempts: i64,
) -> Result<ClaimedText, DbError> {
    // Recipients are never removed, so what is due has one.
    let row = tx
        .query(
            "SELECT m.event_type, m.template, m.facts, r.phone, r.locale
             FROM messages m JOIN recipients r ON r.customer_id = m.customer_id
             WHERE m.customer_id = $1 AND m.message_id = $2",
        )
        .bind_id(customer_id)
        .bind_id(message_id)
        .fetch_one()
        .await?;
    Ok(ClaimedText {
        customer_id,
        message_id,
        attempts,
        event_type: row.get("event_type")?,
        template: row.get("template")?,
        facts: facts_from_text(&row.get::<String>("facts")?)?,
        phone: row.get("phone")?,
        locale: row.parse("locale")?,
    })
}

/// The moment the next message is due; `None`: none is on its way.
pub(crate) async fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, DbError> {
    tx.query("SELECT MIN(next_attempt) AS due FROM text_messages WHERE state = 'due'")
        .fetch_one()
        .await?
        .get("due")
}

/// What became of an attempt.
pub(crate) enum TextOutcome {
    /// The provider took it.
    Sent,
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up.
    Dead,
}

/// Notes what became of an attempt; false if it had an end before.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
    outcome: &TextOutcome,
    problem: Option<&String>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let (state, next_attempt) = match outcome {
        TextOutcome::Sent => ("sent", now),
        TextOutcome::Again(then) => ("due", *then),
        TextOutcome::Dead => ("dead", now),
    };
    let settled = tx
        .query(
            "UPDATE text_messages SET state = $3, next_attempt = $4, problem = $5
             WHERE customer_id = $1 AND message_id = $2 AND state = 'due'",
        )
        .bind_id(customer_id)
        .bind_id(message_id)
        .bind(state)
        .bind(next_attempt)
        .bind(problem.cloned())
        .execute()
        .await?;
    Ok(settled == 1)
}
