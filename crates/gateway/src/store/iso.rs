//! Answers to messages of networks, and what the ledger is still to be told.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;

/// An answer to be kept.
#[derive(Clone, Debug)]
pub(crate) struct AnswerRow {
    pub(crate) key: [u8; 32],
    /// Random: tells whose row it is after several were written at once.
    pub(crate) claim: [u8; 16],
    pub(crate) digest: [u8; 32],
    pub(crate) card_id: String,
    pub(crate) stan: String,
    pub(crate) transmission_time: String,
    pub(crate) acquirer_id: String,
    pub(crate) rrn: String,
    /// The encoded answer without what is sensitive.
    pub(crate) answer: Vec<u8>,
    pub(crate) payment_id: Option<String>,
    pub(crate) created_at: Timestamp,
}

/// An answer that was kept before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredAnswer {
    pub(crate) claim: Vec<u8>,
    pub(crate) digest: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) payment_id: Option<String>,
}

/// Something to tell the ledger.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) key: [u8; 32],
    pub(crate) kind: i64,
    pub(crate) card_id: String,
    pub(crate) work: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

/// Something that is still to be told.
#[derive(Clone, Debug)]
pub(crate) struct DueDelivery {
    pub(crate) key: Vec<u8>,
    pub(crate) work: Vec<u8>,
    pub(crate) attempts: i64,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    Waiting,
    Done,
    Refused,
}

impl DeliveryState {
    const fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Done => 1,
            Self::Refused => 2,
        }
    }
}

/// Keeps answers of which none is there yet; says how many were written.
pub(crate) async fn keep_answers(tx: &mut Tx<'_>, rows: &[&AnswerRow]) -> Result<u64, DbError> {
    let cells = rows
        .iter()
        .map(|row| {
            [
                row.key.to_vec().into(),
                row.claim.to_vec().into(),
                row.digest.to_vec().into(),
                row.card_id.as_str().into(),
                row.stan.as_str().into(),
                row.transmission_time.as_str().into(),
                row.acquirer_id.as_str().into(),
                row.rrn.as_str().into(),
                row.answer.clone().into(),
                row.payment_id.clone().into(),
                row.created_at.as_micros().into(),
            ]
        })
        .collect();
    let columns = [
        "answer_key",
        "claim",
        "digest",
        "card_id",
        "stan",
        "transmission_time",
        "acquirer_id",
        "rrn",
        "answer",
        "payment_id",
        "created_at",
    ];
    tx.bulk_upsert("iso_answers", columns, cells, "ON CONFLICT (answer_key) DO NOTHING").await
}

/// The answer that is kept under a key.
pub(crate) async fn answer(tx: &mut Tx<'_>, key: &[u8; 32]) -> Result<Option<StoredAnswer>, DbError> {
    let found = tx
        .query("SELECT claim, digest, answer, payment_id FROM iso_answers WHERE answer_key = $1")
        .bind(key)
        .fetch_optional()
        .await?;
    found.as_ref().map(stored).transpose()
}

fn stored(row: &Row) -> Result<StoredAnswer, DbError> {
    Ok(StoredAnswer {
        claim: row.get("claim")?,
        digest: row.get("digest")?,
        answer: row.get("answer")?,
        payment_id: row.get("payment_id")?,
    })
}

/// The payment of the newest message with this trace number from this acquirer on this card.
pub(crate) async fn payment_of(
    tx: &mut Tx<'_>,
    card_id: &str,
    stan: &str,
    acquirer_id: &str,
) -> Result<Option<String>, DbError> {
    let found = tx
        .query(
            "SELECT payment_id FROM iso_answers
             WHERE card_id = $1 AND stan = $2 AND acquirer_id = $3 AND payment_id IS NOT NULL
             ORDER BY created_at DESC LIMIT 1",
        )
        .bind(card_id)
        .bind(stan)
        .bind(acquirer_id)
        .fetch_optional()
        .await?;
    found.map(|row| row.get("payment_id")).transpose()
}

/// Forgets answers from before `moment`, so many at most; says how many.
pub(crate) async fn forget_answers(tx: &mut Tx<'_>, moment: Timestamp, most: i64) -> Result<u64, DbError> {
    tx.query(
        "DELETE FROM iso_answers WHERE answer_key IN
         (SELECT answer_key FROM iso_answers WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    )
    .bind(moment)
    .bind(most)
    .execute()
    .await
}

/// Notes what the ledger is to be told; what is there already stays as it is.
pub(crate) async fn add_deliveries(tx: &mut Tx<'_>, rows: &[&DeliveryRow]) -> Result<(), DbError> {
    let cells = rows
        .iter()
        .map(|row| {
            [
                row.key.to_vec().into(),
                row.kind.into(),
                row.card_id.as_str().into(),
                row.work.clone().into(),
                DeliveryState::Waiting.number().into(),
                0_i64.into(),
                row.created_at.as_micros().into(),
                row.created_at.as_micros().into(),
                "".into(),
            ]
        })
        .collect();
    let columns =
        ["delivery_key", "kind", "card_id", "work", "state", "attempts", "due_at", "created_at", "problem"];
    tx.bulk_upsert("iso_deliveries", columns, cells, "ON CONFLICT (delivery_key) DO NOTHING")
        .await
        .map(|_| ())
}

/// What is due, what came first first.
pub(crate) async fn due_deliveries(
    tx: &mut Tx<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<DueDelivery>, DbError> {
    let rows = tx
        .query(
            "SELECT delivery_key, work, attempts FROM iso_deliveries
             WHERE state = 0 AND due_at <= $1 ORDER BY due_at, created_at, delivery_key LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(DueDelivery {
                key: row.get("delivery_key")?,
                work: row.get("work")?,
                attempts: row.get("attempts")?,
            })
        })
        .collect()
}

/// Writes down how a delivery went.
pub(crate) async fn move_delivery(
    tx: &mut Tx<'_>,
    due: &DueDelivery,
    state: DeliveryState,
    due_at: Timestamp,
    problem: &str,
) -> Result<(), DbError> {
    tx.query(
        "UPDATE iso_deliveries SET state = $2, attempts = $3, due_at = $4, problem = $5
         WHERE delivery_key = $1 AND state = 0",
    )
    .bind(&due.key)
    .bind(state.number())
    .bind(due.attempts + 1)
    .bind(due_at)
    .bind(problem)
    .execute()
    .await
    .map(|_| ())
}

/// How many deliveries stand so.
#[cfg(test)]
pub(crate) async fn count_deliveries(tx: &mut Tx<'_>, state: DeliveryState) -> Result<i64, DbError> {
    tx.query("SELECT COUNT(*) AS times FROM iso_deliveries WHERE state = $1")
        .bind(state.number())
        .fetch_one()
        .await?
        .get("times")
}
