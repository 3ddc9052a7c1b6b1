//! Messages on their way by text message and e-mail.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, MessageId};

use super::messages::facts_from_text;
use crate::people::decision::Channel;
use crate::people::facts::Facts;
use crate::people::locale::Locale;

/// What state a sending begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// When the recipient becomes known.
    Waiting,
    /// Then.
    Due(Timestamp),
    /// When the one before it dies.
    Spare,
    /// Then, with others.
    Digest(Timestamp),
}

/// A sending about to be stored.
pub(crate) struct NewSending {
    pub(crate) channel: Channel,
    /// Sealed; none: the recipient's at the moment of sending.
    pub(crate) address: Option<Vec<u8>>,
    pub(crate) begin: Begin,
}

/// A sending that was claimed for an attempt.
pub(crate) struct Claimed {
    pub(crate) customer_id: CustomerId,
    pub(crate) message_id: MessageId,
    pub(crate) number: i64,
    pub(crate) channel: Channel,
    pub(crate) attempts: i64,
    pub(crate) event_type: String,
    pub(crate) template: String,
    pub(crate) facts: Facts,
    /// Sealed; none: the recipient has none of this kind any more.
    pub(crate) address: Option<Vec<u8>>,
    pub(crate) locale: Locale,
    /// What it tells of, if it is a digest.
    pub(crate) digest: Vec<(String, Facts)>,
}

/// Puts a message on its ways.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
    sendings: &[NewSending],
    now: Timestamp,
) -> Result<(), DbError> {
    for (number, new) in (1_i64..).zip(sendings) {
        let (state, next_attempt) = match new.begin {
            Begin::Waiting => ("waiting", now),
            Begin::Due(then) => ("due", then),
            Begin::Spare => ("spare", now),
            Begin::Digest(then) => ("digest", then),
        };
        tx.query(
            "INSERT INTO sendings
                 (customer_id, message_id, number, channel, address, state, attempts, next_attempt, create_time)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)",
        )
        .bind_id(customer_id)
        .bind_id(message_id)
        .bind(number)
        .bind(new.channel.as_str())
        .bind(new.address.clone())
        .bind(state)
        .bind(next_attempt)
        .bind(now)
        .execute()
        .await?;
    }
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
        "UPDATE sendings SET state = 'dead', problem = 'the recipient became known too late'
         WHERE customer_id = $1 AND state = 'waiting' AND create_time < $2",
    )
    .bind_id(customer_id)
    .bind(oldest)
    .execute()
    .await?;
    tx.query(
        "UPDATE sendings SET state = 'due', next_attempt = $2 WHERE customer_id = $1 AND state = 'waiting'",
    )
    .bind_id(customer_id)
    .bind(now)
    .execute()
    .await
}

/// Folds the digests that are due into one sending each: the first of them carries the others. How many digests.
pub(crate) async fn fold_digests(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<usize, DbError> {
    let rows = tx
        .query(
            "SELECT customer_id, channel, MIN(message_id) AS first FROM sendings
             WHERE state = 'digest' AND next_attempt <= $1 GROUP BY customer_id, channel ORDER BY 1, 2 LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    for row in &rows {
        let (customer_id, channel): (String, String) = (row.get("customer_id")?, row.get("channel")?);
        let first: String = row.get("first")?;
        tx.query(
            "UPDATE sendings SET digest_of = $3, state = CASE WHEN message_id = $3 THEN 'due' ELSE 'folded' END
             WHERE customer_id = $1 AND channel = $2 AND state = 'digest' AND next_attempt <= $4",
        )
        .bind(&customer_id)
        .bind(&channel)
        .bind(&first)
        .bind(now)
        .execute()
        .await?;
    }
    Ok(rows.len())
}

/// Claims up to `limit` due sendings until `lease_end`: nobody else tries them before that.
pub(crate) async fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease_end: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, DbError> {
    let rows = tx
        .query(
            "UPDATE sendings SET next_attempt = $2, attempts = attempts + 1
             WHERE state = 'due' AND next_attempt <= $1 AND message_id IN (
                 SELECT message_id FROM sendings WHERE state = 'due' AND next_attempt <= $1
                 ORDER BY next_attempt LIMIT $3)
             RETURNING customer_id, message_id, number, channel, address, attempts, digest_of",
        )
        .bind(now)
        .bind(lease_end)
        .bind(limit)
        .fetch_all()
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let (customer_id, message_id): (CustomerId, MessageId) =
            (row.id("customer_id")?, row.id("message_id")?);
        let channel: Channel = row.parse("channel")?;
        // Recipients are never removed, so what is due has one.
        let about = tx
            .query(
                "SELECT m.event_type, m.template, m.facts, r.phone, r.email, r.locale
                 FROM messages m JOIN recipients r ON r.customer_id = m.customer_id
                 WHERE m.customer_id = $1 AND m.message_id = $2",
            )
            .bind_id(customer_id)
            .bind_id(message_id)
            .fetch_one()
            .await?;
        let own: Option<Vec<u8>> = match channel {
            Channel::Sms => Some(about.get("phone")?),
            Channel::Email => about.get("email")?,
            Channel::Inbox => None,
        };
        let digest = match row.get::<Option<String>>("digest_of")? {
            Some(_) => digest(tx, customer_id, channel, message_id).await?,
            None => Vec::new(),
        };
        claimed.push(Claimed {
            customer_id,
            message_id,
            number: row.get("number")?,
            channel,
            attempts: row.get("attempts")?,
            event_type: about.get("event_type")?,
            template: about.get("template")?,
            facts: facts_from_text(&about.get::<String>("facts")?)?,
            address: row.get::<Option<Vec<u8>>>("address")?.or(own),
            locale: about.parse("locale")?,
            digest,
        });
    }
    Ok(claimed)
}

/// Most messages that a digest tells of; the inbox has all.
const DIGEST_MAX: i64 = 20;

async fn digest(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    channel: Channel,
    carrier: MessageId,
) -> Result<Vec<(String, Facts)>, DbError> {
    let rows = tx
        .query(
            "SELECT m.template, m.facts FROM sendings s
             JOIN messages m ON m.customer_id = s.customer_id AND m.message_id = s.message_id
             WHERE s.customer_id = $1 AND s.channel = $2 AND s.digest_of = $3 ORDER BY m.number LIMIT $4",
        )
        .bind_id(customer_id)
        .bind(channel.as_str())
        .bind_id(carrier)
        .bind(DIGEST_MAX)
        .fetch_all()
        .await?;
    let told =
        rows.iter().map(|row| Ok((row.get("template")?, facts_from_text(&row.get::<String>("facts")?)?)));
    told.collect()
}

/// The moment the next sending is due; `None`: none is on its way.
pub(crate) async fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, DbError> {
    tx.query("SELECT MIN(next_attempt) AS due FROM sendings WHERE state = 'due' OR state = 'digest'")
        .fetch_one()
        .await?
        .get("due")
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The provider took it.
    Sent,
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up.
    Dead,
}

/// Notes what became of an attempt; false if it had an end before. If it died, the spare after it is due.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    claimed: &Claimed,
    outcome: Outcome,
    problem: Option<&str>,
    uncertain: bool,
    now: Timestamp,
) -> Result<bool, DbError> {
    let (state, next_attempt) = match outcome {
        Outcome::Sent => ("sent", now),
        Outcome::Again(then) => ("due", then),
        Outcome::Dead => ("dead", now),
    };
    let settled = tx
        .query(
            "UPDATE sendings SET state = $4, next_attempt = $5, problem = $6, uncertain = (uncertain OR $7)
             WHERE customer_id = $1 AND message_id = $2 AND number = $3 AND state = 'due'",
        )
        .bind_id(claimed.customer_id)
        .bind_id(claimed.message_id)
        .bind(claimed.number)
        .bind(state)
        .bind(next_attempt)
        .bind(problem.map(str::to_owned))
        .bind(uncertain)
        .execute()
        .await?;
    if settled == 1 && outcome == Outcome::Dead {
        tx.query(
            "UPDATE sendings SET state = 'due', next_attempt = $4
             WHERE customer_id = $1 AND message_id = $2 AND state = 'spare' AND number = $3",
        )
        .bind_id(claimed.customer_id)
        .bind_id(claimed.message_id)
        .bind(claimed.number + 1)
        .bind(now)
        .execute()
        .await?;
    }
    Ok(settled == 1)
}

/// The states of a message's sendings, in order, and whether each is uncertain.
#[cfg(test)]
pub(crate) async fn states(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
) -> Result<Vec<(String, String, bool)>, DbError> {
    let rows = tx
        .query(
            "SELECT channel, state, uncertain FROM sendings WHERE customer_id = $1 AND message_id = $2 ORDER BY number",
        )
        .bind_id(customer_id)
        .bind_id(message_id)
        .fetch_all()
        .await?;
    rows.iter().map(|row| Ok((row.get("channel")?, row.get("state")?, row.get("uncertain")?))).collect()
}
