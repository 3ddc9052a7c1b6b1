//! The lease of a shard.

use std::time::Duration;

use bursar_service::db::{Db, DbError, Isolation};
use bursar_types::Timestamp;
use bursar_types::id::ProgramId;

/// A lease that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Higher than that of every lease before.
    pub(crate) epoch: i64,
}

/// Takes the lease of `shard` for `owner`, if nobody else holds one that is in time. `None`: somebody does.
pub(crate) async fn acquire(
    db: &Db,
    shard: ProgramId,
    owner: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Option<Lease>, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO shard_lease (shard, epoch, owner, expires_at, head) VALUES ($1, 0, '', 0, 0)
                 ON CONFLICT DO NOTHING",
            )
            .bind_id(shard)
            .execute()
            .await?;
            let taken = tx
                .query(
                    "UPDATE shard_lease SET epoch = epoch + 1, owner = $2, expires_at = $3
                     WHERE shard = $1 AND (expires_at <= $4 OR owner = $2) RETURNING epoch",
                )
                .bind_id(shard)
                .bind(owner)
                .bind(now.plus(lifetime))
                .bind(now)
                .fetch_optional()
                .await?;
            taken.map(|row| Ok(Lease { epoch: row.get("epoch")? })).transpose()
        })
    })
    .await
}

/// Prolongs the lease; false if another owner has taken it over.
pub(crate) async fn renew(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    expires_at: Timestamp,
) -> Result<bool, DbError> {
    let changed = db
        .write_at(Isolation::ReadCommitted, |tx| {
            Box::pin(async move {
                tx.query("UPDATE shard_lease SET expires_at = $3 WHERE shard = $1 AND epoch = $2")
                    .bind_id(shard)
                    .bind(epoch)
                    .bind(expires_at)
                    .execute()
                    .await
            })
        })
        .await?;
    Ok(changed == 1)
}

/// Gives the lease back, so that the next owner need not wait.
pub(crate) async fn release(db: &Db, shard: ProgramId, epoch: i64) -> Result<(), DbError> {
    renew(db, shard, epoch, Timestamp::default()).await.map(drop)
}
