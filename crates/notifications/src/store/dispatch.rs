//! The count of changes of endpoints, and the lease of the process that delivers.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;

/// How often endpoints were changed.
pub(crate) async fn generation(tx: &mut Tx<'_>) -> Result<i64, DbError> {
    tx.query("SELECT generation FROM webhook_dispatch WHERE id = 1").fetch_one().await?.get("generation")
}

/// Notes that an endpoint was changed.
pub(crate) async fn changed(tx: &mut Tx<'_>) -> Result<(), DbError> {
    tx.query("UPDATE webhook_dispatch SET generation = generation + 1 WHERE id = 1").execute().await.map(drop)
}

/// Takes or renews the lease for `owner`; false if another holds it.
pub(crate) async fn acquire(
    tx: &mut Tx<'_>,
    owner: &str,
    now: Timestamp,
    lease_end: Timestamp,
) -> Result<bool, DbError> {
    let taken = tx
        .query(
            "UPDATE webhook_dispatch SET owner = $1, lease_end = $3
             WHERE id = 1 AND (owner = $1 OR owner = '' OR lease_end < $2)",
        )
        .bind(owner)
        .bind(now)
        .bind(lease_end)
        .execute()
        .await?;
    Ok(taken == 1)
}

/// Gives the lease back.
pub(crate) async fn release(tx: &mut Tx<'_>, owner: &str) -> Result<(), DbError> {
    tx.query("UPDATE webhook_dispatch SET owner = '' WHERE id = 1 AND owner = $1")
        .bind(owner)
        .execute()
        .await
        .map(drop)
}
