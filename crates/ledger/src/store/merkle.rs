//! The Merkle log over the journal: its progress, tiles and signed checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use bursar_service::db::{Cell, Db, DbError, Isolation, Row, Tx};
use bursar_transparency::tiles::TileId;
use bursar_types::Timestamp;
use bursar_types::id::ProgramId;

use crate::error::LedgerError;
use crate::journal::Hash;

/// Checkpoints that are read at once.
const CHECKPOINTS_PAGE: i64 = 256;

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Last row of the journal whose commands are in it.
    pub(crate) sequence: i64,
    /// Positions in it: its leaves.
    pub(crate) size: i64,
    /// Hash of that row.
    pub(crate) hash: Hash,
    /// Its root.
    pub(crate) root: Hash,
}

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// Positions in the log.
    pub(crate) size: i64,
    /// Its root.
    pub(crate) root: Hash,
    /// When it was signed.
    pub(crate) time: Timestamp,
    /// Whether it is kept for ever.
    pub(crate) lasting: bool,
    /// All of it, as text.
    pub(crate) text: String,
}

/// What the log gains in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Gain {
    /// How far it is then.
    pub(crate) progress: Progress,
    /// The tiles that changed, whole.
    pub(crate) tiles: Vec<(TileId, Vec<u8>)>,
    /// The checkpoint of it.
    pub(crate) signed: Signed,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn damaged(what: &str) -> LedgerError {
    LedgerError::Damaged(format!("the Merkle log's {what} is not what it must be"))
}

fn progress(row: &Row) -> Result<Progress, DbError> {
    Ok(Progress {
        sequence: row.get("sequence")?,
        size: row.get("size")?,
        hash: row.get("hash")?,
        root: row.get("root")?,
    })
}

/// Takes the log over for the lease with `epoch`, and tells how far it is; `empty` is how a new one begins. `None`: a
/// later lease has it.
pub(crate) async fn claim(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    empty: &Progress,
) -> Result<Option<Progress>, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO merkle_log (shard, epoch, sequence, size, hash, root) VALUES ($1, 0, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
            )
            .bind_id(shard)
            .bind(empty.sequence)
            .bind(empty.size)
            .bind(empty.hash)
            .bind(empty.root)
            .execute()
            .await?;
            let claimed = tx
                .query(
                    "UPDATE merkle_log SET epoch = $2 WHERE shard = $1 AND epoch <= $2
                     RETURNING sequence, size, hash, root",
                )
                .bind_id(shard)
                .bind(epoch)
                .fetch_optional()
                .await?;
            claimed.as_ref().map(progress).transpose()
        })
    })
    .await
}

/// Whether the lease with `epoch` still has the log. Locks its row: until the end of the transaction nobody takes it.
pub(crate) async fn still_has(tx: &mut Tx<'_>, shard: ProgramId, epoch: i64) -> Result<bool, DbError> {
    let query = tx.query("UPDATE merkle_log SET epoch = $2 WHERE shard = $1 AND epoch = $2");
    Ok(query.bind_id(shard).bind(epoch).execute().await? == 1)
}

/// Writes what the log gained, all of it or nothing; again is as good as once. False: a later lease has the log.
pub(crate) async fn advance(db: &Db, shard: ProgramId, epoch: i64, gain: &Gain) -> Result<bool, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            let Gain { progress, tiles, signed } = gain;
            let moved = tx
                .query(
                    "UPDATE merkle_log SET sequence = $3, size = $4, hash = $5, root = $6
                     WHERE shard = $1 AND epoch = $2 AND size <= $4",
                )
                .bind_id(shard)
                .bind(epoch)
                .bind(progress.sequence)
                .bind(progress.size)
                .bind(progress.hash)
                .bind(progress.root)
                .execute()
                .await?;
            if moved != 1 {
                return Ok(false);
            }
            let shard = shard.to_string();
            let rows: Vec<[Cell; 4]> = tiles
                .iter()
                .map(|(id, hashes)| {
                    let (level, tile) = (i64::from(id.level), number(id.index));
                    [shard.clone().into(), level.into(), tile.into(), hashes.as_slice().into()]
                })
                .collect();
            tx.bulk_upsert(
                "merkle_tile",
                ["shard", "level", "tile", "hashes"],
                rows,
                "ON CONFLICT (shard, level, tile) DO UPDATE SET hashes = excluded.hashes",
            )
            .await?;
            tx.query(
                "INSERT INTO merkle_checkpoint (shard, size, root, time, lasting, text)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind(&shard)
            .bind(signed.size)
            .bind(signed.root)
            .bind(signed.time)
            .bind(signed.lasting)
            .bind(&signed.text)
            .execute()
            .await?;
            Ok(true)
        })
    })
    .await
}

/// Removes the checkpoints signed before `before` that are not to last.
pub(crate) async fn thin(db: &Db, shard: ProgramId, before: Timestamp) -> Result<(), DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query("DELETE FROM merkle_checkpoint WHERE shard = $1 AND lasting = $2 AND time < $3")
                .bind_id(shard)
                .bind(false)
                .bind(before)
                .execute()
                .await
                .map(drop)
        })
    })
    .await
}

/// The tiles with these ids; those that are not there are missing.
pub(crate) async fn tiles(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    ids: impl IntoIterator<Item = TileId>,
) -> Result<BTreeMap<TileId, Vec<Hash>>, LedgerError> {
    let mut found = BTreeMap::new();
    // A proof needs few, and each once.
    for id in ids.into_iter().collect::<BTreeSet<_>>() {
        let row = tx
            .query("SELECT hashes FROM merkle_tile WHERE shard = $1 AND level = $2 AND tile = $3")
            .bind_id(shard)
            .bind(i64::from(id.level))
            .bind(number(id.index))
            .fetch_optional()
            .await?;
        if let Some(row) = row {
            let bytes: Vec<u8> = row.get("hashes")?;
            let (hashes, rest) = bytes.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(damaged("tile"));
            }
            found.insert(id, hashes.to_vec());
        }
    }
    Ok(found)
}

fn signed(row: &Row) -> Result<Signed, DbError> {
    Ok(Signed {
        size: row.get("size")?,
        root: row.get("root")?,
        time: row.get("time")?,
        lasting: row.get("lasting")?,
        text: row.get("text")?,
    })
}

/// The newest signed checkpoint that the log has reached: where its tiles are made anew, it may have been further.
pub(crate) async fn newest(tx: &mut Tx<'_>, shard: ProgramId) -> Result<Option<Signed>, DbError> {
    let row = tx
        .query(
            "SELECT size, root, time, lasting, text FROM merkle_checkpoint WHERE shard = $1
             AND size <= (SELECT size FROM merkle_log WHERE shard = $1) ORDER BY size DESC LIMIT 1",
        )
        .bind_id(shard)
        .fetch_optional()
        .await?;
    row.as_ref().map(signed).transpose()
}

/// Positions in the newest checkpoint that was ever signed, and when.
pub(crate) async fn last_signed(db: &Db, shard: ProgramId) -> Result<Option<(i64, Timestamp)>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx
                .query("SELECT size, time FROM merkle_checkpoint WHERE shard = $1 ORDER BY size DESC LIMIT 1")
                .bind_id(shard)
                .fetch_optional()
                .await?;
            row.map(|row| Ok((row.get("size")?, row.get("time")?))).transpose()
        })
    })
    .await
}

/// Sizes and roots of the signed checkpoints of at least `size`, the smallest first, a page of them.
pub(crate) async fn signed_from(db: &Db, shard: ProgramId, size: i64) -> Result<Vec<(i64, Hash)>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT size, root FROM merkle_checkpoint WHERE shard = $1 AND size >= $2
                     ORDER BY size LIMIT $3",
                )
                .bind_id(shard)
                .bind(size)
                .bind(CHECKPOINTS_PAGE)
                .fetch_all()
                .await?;
            rows.iter().map(|row| Ok((row.get("size")?, row.get("root")?))).collect()
        })
    })
    .await
}
