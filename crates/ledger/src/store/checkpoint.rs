//! States of the engine, in parts that any database takes and that go in one by one, so that nobody waits for long.

use bursar_service::db::{Db, DbError, Isolation, Tx};
use bursar_types::id::ProgramId;

use super::merkle;

/// States that are kept of those a start can use, which are not ahead of the projections or the index: the newest, and
/// one before it should the newest not be readable.
const KEPT: i64 = 2;

/// Runs statements while the lease with `epoch` has the journal's follower; false: another has it.
macro_rules! fenced {
    ($db:expr, $shard:expr, $epoch:expr, |$tx:ident| $work:block) => {
        $db.write_at(Isolation::ReadCommitted, |$tx| {
            Box::pin(async move {
                if !merkle::still_has($tx, $shard, $epoch).await? {
                    return Ok(false);
                }
                $work
                Ok::<bool, DbError>(true)
            })
        })
    };
}

/// Parts that are removed at once: each is a megabyte.
const SWEPT_MAX: i64 = 8;

/// Removes a few of the parts that no state belongs to: of states that are not kept any more, and of a store that did
/// not come to its end. `None`: another lease has the follower. Says whether there may be more.
pub(crate) async fn sweep(db: &Db, shard: ProgramId, epoch: i64) -> Result<Option<bool>, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            if !merkle::still_has(tx, shard, epoch).await? {
                return Ok(None);
            }
            let parts = tx
                .query(
                    "SELECT sequence, part FROM checkpoint_part WHERE shard = $1
                     AND sequence NOT IN (SELECT sequence FROM checkpoint WHERE shard = $1) LIMIT $2",
                )
                .bind_id(shard)
                .bind(SWEPT_MAX)
                .fetch_all()
                .await?;
            for part in &parts {
                tx.query("DELETE FROM checkpoint_part WHERE shard = $1 AND sequence = $2 AND part = $3")
                    .bind_id(shard)
                    .bind(part.get::<i64>("sequence")?)
                    .bind(part.get::<i64>("part")?)
                    .execute()
                    .await?;
            }
            Ok(Some(!parts.is_empty()))
        })
    })
    .await
}

/// Stores one part of the state as of row `sequence`.
pub(crate) async fn put_part(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    sequence: i64,
    part: i64,
    body: &[u8],
) -> Result<bool, DbError> {
    fenced!(db, shard, epoch, |tx| {
        tx.query(
            "INSERT INTO checkpoint_part (shard, sequence, part, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (shard, sequence, part) DO UPDATE SET body = excluded.body",
        )
        .bind_id(shard)
        .bind(sequence)
        .bind(part)
        .bind(body)
        .execute()
        .await?;
    })
    .await
}

/// The state as of row `sequence` is there with all its `parts`; older ones than are kept are none any more, and their
/// parts are left to [`sweep`].
pub(crate) async fn complete(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    sequence: i64,
    parts: i64,
) -> Result<bool, DbError> {
    fenced!(db, shard, epoch, |tx| {
        tx.query(
            "INSERT INTO checkpoint (shard, sequence, parts) VALUES ($1, $2, $3)
             ON CONFLICT (shard, sequence) DO UPDATE SET parts = excluded.parts",
        )
        .bind_id(shard)
        .bind(sequence)
        .bind(parts)
        .execute()
        .await?;
        let oldest = tx
            .query(
                "SELECT checkpoint.sequence FROM checkpoint
                 JOIN projection ON projection.shard = checkpoint.shard
                 WHERE checkpoint.shard = $1 AND checkpoint.sequence <= projection.sequence
                 AND checkpoint.sequence <= projection.index_sequence
                 ORDER BY checkpoint.sequence DESC LIMIT 1 OFFSET $2",
            )
            .bind_id(shard)
            .bind(KEPT - 1)
            .fetch_optional()
            .await?;
        if let Some(row) = oldest {
            tx.query("DELETE FROM checkpoint WHERE shard = $1 AND sequence < $2")
                .bind_id(shard)
                .bind(row.get::<i64>("sequence")?)
                .execute()
                .await?;
        }
    })
    .await
}

/// The newest state as of a row not after `most`: that row's sequence, and how many parts it has.
pub(crate) async fn newest(db: &Db, shard: ProgramId, most: i64) -> Result<Option<(i64, i64)>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let found = tx
                .query(
                    "SELECT sequence, parts FROM checkpoint WHERE shard = $1 AND sequence <= $2
                     ORDER BY sequence DESC LIMIT 1",
                )
                .bind_id(shard)
                .bind(most)
                .fetch_optional()
                .await?;
            found.map(|row| Ok((row.get("sequence")?, row.get("parts")?))).transpose()
        })
    })
    .await
}

/// One part of the state as of row `sequence`; `None` if it has been removed meanwhile.
pub(crate) async fn part(
    db: &Db,
    shard: ProgramId,
    sequence: i64,
    part: i64,
) -> Result<Option<Vec<u8>>, DbError> {
    db.read(|tx| Box::pin(read_part(tx, shard, sequence, part))).await
}

async fn read_part(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    sequence: i64,
    part: i64,
) -> Result<Option<Vec<u8>>, DbError> {
    let row = tx
        .query("SELECT body FROM checkpoint_part WHERE shard = $1 AND sequence = $2 AND part = $3")
        .bind_id(shard)
        .bind(sequence)
        .bind(part)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("body")).transpose()
}
