//! States of the engine, cut into parts that any database takes.

use bursar_service::db::{Cell, Db, DbError, Isolation};
use bursar_types::id::ProgramId;

/// Bytes of one part.
const PART_BYTES: usize = 1 << 20;
/// Checkpoints that are kept: the newest, and one before it should the newest not be readable.
const KEPT: i64 = 2;

/// Stores the state as of row `sequence` and removes the oldest.
pub(crate) async fn store(db: &Db, shard: ProgramId, sequence: i64, body: &[u8]) -> Result<(), DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            let parts = body.chunks(PART_BYTES);
            let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
            let rows: Vec<[Cell; 5]> = (0_i64..)
                .zip(parts)
                .map(|(part, bytes)| {
                    [shard.to_string().into(), sequence.into(), part.into(), count.into(), bytes.into()]
                })
                .collect();
            tx.bulk_upsert(
                "checkpoint",
                ["shard", "sequence", "part", "parts", "body"],
                rows,
                "ON CONFLICT DO NOTHING",
            )
            .await?;
            let oldest = tx
                .query(
                    "SELECT DISTINCT sequence FROM checkpoint WHERE shard = $1
                     ORDER BY sequence DESC LIMIT 1 OFFSET $2",
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
            Ok(())
        })
    })
    .await
}

/// The newest state as of a row not after `most`, with that row's sequence.
pub(crate) async fn newest(db: &Db, shard: ProgramId, most: i64) -> Result<Option<(i64, Vec<u8>)>, DbError> {
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
            let Some(found) = found else { return Ok(None) };
            let (sequence, parts): (i64, i64) = (found.get("sequence")?, found.get("parts")?);
            let mut body = Vec::new();
            for part in 0..parts {
                let row = tx
                    .query("SELECT body FROM checkpoint WHERE shard = $1 AND sequence = $2 AND part = $3")
                    .bind_id(shard)
                    .bind(sequence)
                    .bind(part)
                    .fetch_one()
                    .await?;
                body.extend(row.get::<Vec<u8>>("body")?);
            }
            Ok(Some((sequence, body)))
        })
    })
    .await
}
