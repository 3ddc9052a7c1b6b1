//! Wrong CVV2s of the last day, by the fingerprint of the number they came with.
//!
//! Also numbers of no card are counted: the same statements run for them, so that time tells nothing. Who judges has the
//! end of the audit log locked, so guesses are judged one after another, whichever process they came to.

use std::collections::{BTreeMap, HashMap};

use bursar_service::db::{Cell, DbError, Tx};
use bursar_types::Timestamp;

/// The moments of these numbers' failures; numbers without one are missing.
pub(crate) async fn failures(
    tx: &mut Tx<'_>,
    fingerprints: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Vec<Timestamp>>, DbError> {
    let select = "SELECT fingerprint, failures FROM cvv2_guard WHERE fingerprint IN";
    let rows = super::select_in(tx, select, fingerprints).await?;
    let read = |packed: Vec<u8>| {
        let moments = packed.as_chunks::<8>().0.iter();
        moments.map(|bytes| Timestamp::from_micros(i64::from_be_bytes(*bytes))).collect()
    };
    rows.iter().map(|row| Ok((row.get("fingerprint")?, read(row.get("failures")?)))).collect()
}

/// Keeps the moments of numbers' failures.
pub(crate) async fn keep(
    tx: &mut Tx<'_>,
    failures: &BTreeMap<[u8; 32], Vec<Timestamp>>,
    now: Timestamp,
) -> Result<(), DbError> {
    let rows = failures.iter().map(|(fingerprint, moments)| {
        let packed: Vec<u8> = moments.iter().flat_map(|moment| moment.as_micros().to_be_bytes()).collect();
        [Cell::from(*fingerprint), packed.into(), now.into()]
    });
    tx.bulk_upsert(
        "cvv2_guard",
        ["fingerprint", "failures", "touched_at"],
        rows.collect(),
        "ON CONFLICT (fingerprint) DO UPDATE SET failures = excluded.failures, touched_at = excluded.touched_at",
    )
    .await
    .map(drop)
}

/// Forgets numbers with no wrong one since `before`.
pub(crate) async fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.query("DELETE FROM cvv2_guard WHERE touched_at < $1").bind(before).execute().await
}
