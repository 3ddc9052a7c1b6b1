//! Wrong CVV2s of the last day, by the fingerprint of the number they came with.
//!
//! Also numbers of no card are counted: the same statements run for them, so that time tells nothing.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;

/// Locks the row of a number for this transaction, making it if there is none, and gives the moments of its failures.
/// Who tries the same number at the same time waits here: guesses are judged one after another.
pub(crate) async fn lock(
    tx: &mut Tx<'_>,
    fingerprint: &[u8; 32],
    now: Timestamp,
) -> Result<Vec<Timestamp>, DbError> {
    let row = tx
        .query(
            "INSERT INTO cvv2_guard (fingerprint, failures, touched_at) VALUES ($1, $2, $3)
             ON CONFLICT (fingerprint) DO UPDATE SET touched_at = excluded.touched_at
             RETURNING failures",
        )
        .bind(fingerprint)
        .bind(Vec::new())
        .bind(now)
        .fetch_one()
        .await?;
    let packed: Vec<u8> = row.get("failures")?;
    let moments =
        packed.as_chunks::<8>().0.iter().map(|bytes| Timestamp::from_micros(i64::from_be_bytes(*bytes)));
    Ok(moments.collect())
}

/// Keeps the moments of a number's failures; the row is locked.
pub(crate) async fn keep(
    tx: &mut Tx<'_>,
    fingerprint: &[u8; 32],
    failures: &[Timestamp],
) -> Result<(), DbError> {
    let packed: Vec<u8> = failures.iter().flat_map(|moment| moment.as_micros().to_be_bytes()).collect();
    tx.query("UPDATE cvv2_guard SET failures = $2 WHERE fingerprint = $1")
        .bind(fingerprint)
        .bind(packed)
        .execute()
        .await
        .map(drop)
}

/// Forgets numbers nobody tried since `before`.
pub(crate) async fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.query("DELETE FROM cvv2_guard WHERE touched_at < $1").bind(before).execute().await
}
