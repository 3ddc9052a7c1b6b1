//! The audit log's tiles, made of its records, and its signed checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use bursar_service::db::{Cell, DbError, Row, Tx};
use bursar_transparency::Hash;
use bursar_transparency::tiles::TileId;
use bursar_types::Timestamp;

use super::damaged;

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) size: i64,
    pub(crate) root: Hash,
    pub(crate) time: Timestamp,
    /// Whether it is kept for ever.
    pub(crate) lasting: bool,
    pub(crate) text: String,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Takes the tiles for this transaction, and tells how many records are in them.
pub(crate) async fn lock(tx: &mut Tx<'_>) -> Result<u64, DbError> {
    let row =
        tx.query("UPDATE audit_tiles SET turns = turns + 1 WHERE id = 1 RETURNING size").fetch_one().await?;
    u64::try_from(row.get::<i64>("size")?).map_err(|_| damaged("size", "negative"))
}

/// Writes tiles that changed, whole, and how many records are in them all now.
pub(crate) async fn put(tx: &mut Tx<'_>, size: u64, tiles: &[(TileId, Vec<u8>)]) -> Result<(), DbError> {
    let rows = tiles
        .iter()
        .map(|(id, hashes)| {
            [Cell::from(i64::from(id.level)), number(id.index).into(), hashes.as_slice().into()]
        })
        .collect();
    tx.bulk_upsert(
        "audit_tile",
        ["level", "tile", "hashes"],
        rows,
        "ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
    )
    .await?;
    tx.query("UPDATE audit_tiles SET size = $1 WHERE id = 1").bind(number(size)).execute().await.map(drop)
}

/// The tiles with these ids; those that are not there are missing.
pub(crate) async fn tiles(
    tx: &mut Tx<'_>,
    ids: impl IntoIterator<Item = TileId>,
) -> Result<BTreeMap<TileId, Vec<Hash>>, DbError> {
    let mut found = BTreeMap::new();
    // A proof needs few, and each once.
    for id in ids.into_iter().collect::<BTreeSet<_>>() {
        let row = tx
            .query("SELECT hashes FROM audit_tile WHERE level = $1 AND tile = $2")
            .bind(i64::from(id.level))
            .bind(number(id.index))
            .fetch_optional()
            .await?;
        if let Some(row) = row {
            let bytes: Vec<u8> = row.get("hashes")?;
            let (hashes, rest) = bytes.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(damaged("hashes", "not whole hashes"));
            }
            found.insert(id, hashes.to_vec());
        }
    }
    Ok(found)
}

/// Keeps a checkpoint.
pub(crate) async fn insert(tx: &mut Tx<'_>, signed: &Signed) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO audit_checkpoint (size, root, time, lasting, text) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(signed.size)
    .bind(signed.root)
    .bind(signed.time)
    .bind(signed.lasting)
    .bind(&signed.text)
    .execute()
    .await
    .map(drop)
}

fn read(row: &Row) -> Result<Signed, DbError> {
    Ok(Signed {
        size: row.get("size")?,
        root: row.get("root")?,
        time: row.get("time")?,
        lasting: row.get("lasting")?,
        text: row.get("text")?,
    })
}

/// The newest checkpoint.
pub(crate) async fn newest(tx: &mut Tx<'_>) -> Result<Option<Signed>, DbError> {
    let row = tx
        .query("SELECT size, root, time, lasting, text FROM audit_checkpoint ORDER BY size DESC LIMIT 1")
        .fetch_optional()
        .await?;
    row.as_ref().map(read).transpose()
}

/// When the newest checkpoint that is kept for ever was signed.
pub(crate) async fn last_lasting(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, DbError> {
    let row = tx
        .query("SELECT time FROM audit_checkpoint WHERE lasting = $1 ORDER BY size DESC LIMIT 1")
        .bind(true)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("time")).transpose()
}

/// Removes the checkpoints signed before `before` that are not to last.
pub(crate) async fn thin(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), DbError> {
    tx.query("DELETE FROM audit_checkpoint WHERE lasting = $1 AND time < $2")
        .bind(false)
        .bind(before)
        .execute()
        .await
        .map(drop)
}
