//! The runs of the index and their blocks.

use bursar_service::db::{Cell, Db, DbError, Durability, Isolation, Row, Tx};
use bursar_types::id::ProgramId;

use crate::error::LedgerError;
use crate::index::Block;

/// Blocks written in one transaction: some 500 KB, for SQLite has one writer and the journal waits for it meanwhile.
pub(crate) const BLOCKS_WRITTEN: usize = 256;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its number: the lease's epoch in the upper bits, so that no two owners take the same.
    pub(crate) run: i64,
    /// 0 for one written from memory, one more with each merge.
    pub(crate) level: i64,
    /// First row of the journal in it.
    pub(crate) first_sequence: i64,
    /// Last row of the journal in it.
    pub(crate) last_sequence: i64,
    /// Items in it.
    pub(crate) items: i64,
}

/// All runs, the newest first.
pub(crate) async fn runs(tx: &mut Tx<'_>, shard: ProgramId) -> Result<Vec<Run>, DbError> {
    let rows = tx
        .query(
            "SELECT run, level, first_sequence, last_sequence, items FROM index_run WHERE shard = $1
             ORDER BY last_sequence DESC",
        )
        .bind_id(shard)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Run {
                run: row.get("run")?,
                level: row.get("level")?,
                first_sequence: row.get("first_sequence")?,
                last_sequence: row.get("last_sequence")?,
                items: row.get("items")?,
            })
        })
        .collect()
}

/// Writes blocks of a run that nobody sees yet.
pub(crate) async fn put_blocks(db: &Db, shard: ProgramId, run: i64, blocks: &[Block]) -> Result<(), DbError> {
    let shard = &shard.to_string();
    for chunk in blocks.chunks(BLOCKS_WRITTEN) {
        db.write_as(Isolation::ReadCommitted, Durability::Deferred, |tx| {
            Box::pin(async move {
                let rows = chunk.iter().map(|block| {
                    let (key, body) = (block.first_key.as_slice(), block.body.as_slice());
                    [Cell::from(shard.as_str()), run.into(), key.into(), body.into()]
                });
                let columns = ["shard", "run", "first_key", "body"];
                tx.bulk_insert("index_block", columns, rows.collect()).await.map(drop)
            })
        })
        .await?;
    }
    Ok(())
}

async fn put_run(tx: &mut Tx<'_>, shard: ProgramId, run: &Run) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO index_run (shard, run, level, first_sequence, last_sequence, items)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind_id(shard)
    .bind(run.run)
    .bind(run.level)
    .bind(run.first_sequence)
    .bind(run.last_sequence)
    .bind(run.items)
    .execute()
    .await
    .map(drop)
}

/// Whether the lease still has its epoch; nobody can take it over before this transaction ends.
async fn owned(tx: &mut Tx<'_>, shard: ProgramId, epoch: i64) -> Result<bool, DbError> {
    let rows = tx
        .query("UPDATE shard_lease SET owner = owner WHERE shard = $1 AND epoch = $2")
        .bind_id(shard)
        .bind(epoch)
        .execute()
        .await?;
    Ok(rows == 1)
}

/// Makes a run written from memory visible and moves the index on; false if another owner has the shard.
pub(crate) async fn add(db: &Db, shard: ProgramId, epoch: i64, run: &Run) -> Result<bool, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            // The new owner removes blocks of ours that it finds without a run.
            if !owned(tx, shard, epoch).await? {
                return Ok(false);
            }
            let moved = tx
                .query("UPDATE projection SET index_sequence = $2 WHERE shard = $1 AND index_sequence = $3")
                .bind_id(shard)
                .bind(run.last_sequence)
                .bind(run.first_sequence - 1)
                .execute()
                .await?;
            if moved != 1 {
                return Ok(false);
            }
            put_run(tx, shard, run).await?;
            Ok(true)
        })
    })
    .await
}

/// Puts a merged run in the place of those it was made of.
///
/// # Errors
/// [`LedgerError::NotOwner`], and nothing is changed, if another owner has the shard.
pub(crate) async fn replace(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    run: &Run,
    merged: &[Run],
) -> Result<(), LedgerError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            if !owned(tx, shard, epoch).await? {
                return Err(LedgerError::NotOwner);
            }
            for old in merged {
                tx.query("DELETE FROM index_run WHERE shard = $1 AND run = $2")
                    .bind_id(shard)
                    .bind(old.run)
                    .execute()
                    .await?;
            }
            Ok(put_run(tx, shard, run).await?)
        })
    })
    .await
}

/// Removes the blocks of a run that is not a run any more, a few at a time.
pub(crate) async fn remove_blocks(db: &Db, shard: ProgramId, run: i64) -> Result<(), DbError> {
    loop {
        let some =
            db.read(|tx| Box::pin(async move { keys_after(tx, shard, run, &[], BLOCKS_WRITTEN).await }));
        let Some(last) = some.await?.pop() else { return Ok(()) };
        let last = &last;
        db.write_as(Isolation::ReadCommitted, Durability::Deferred, |tx| {
            Box::pin(async move {
                tx.query("DELETE FROM index_block WHERE shard = $1 AND run = $2 AND first_key <= $3")
                    .bind_id(shard)
                    .bind(run)
                    .bind(last)
                    .execute()
                    .await
                    .map(drop)
            })
        })
        .await?;
    }
}

async fn keys_after(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    run: i64,
    after: &[u8],
    limit: usize,
) -> Result<Vec<Vec<u8>>, DbError> {
    let rows = tx
        .query(
            "SELECT first_key FROM index_block WHERE shard = $1 AND run = $2 AND first_key > $3
             ORDER BY first_key LIMIT $4",
        )
        .bind_id(shard)
        .bind(run)
        .bind(after)
        .bind(bounded(limit))
        .fetch_all()
        .await?;
    rows.iter().map(|row| row.get("first_key")).collect()
}

/// Removes what former owners left behind, whose runs have numbers below `first`: blocks of runs that never came to be,
/// or are no more.
pub(crate) async fn sweep(db: &Db, shard: ProgramId, first: i64) -> Result<(), DbError> {
    let (orphans, known) = db
        .read(|tx| {
            Box::pin(async move {
                let known: Vec<i64> = runs(tx, shard).await?.iter().map(|run| run.run).collect();
                let mut found = Vec::new();
                let mut after = -1_i64;
                // From one run to the next: the key is led by it.
                loop {
                    let next = tx
                        .query(
                            "SELECT run FROM index_block WHERE shard = $1 AND run > $2 AND run < $3
                             ORDER BY run LIMIT 1",
                        )
                        .bind_id(shard)
                        .bind(after)
                        .bind(first)
                        .fetch_optional()
                        .await?;
                    let Some(row) = next else { break };
                    after = row.get("run")?;
                    found.push(after);
                }
                Ok::<_, DbError>((found, known))
            })
        })
        .await?;
    for orphan in orphans.into_iter().filter(|run| !known.contains(run)) {
        remove_blocks(db, shard, orphan).await?;
    }
    Ok(())
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn block(row: &Row) -> Result<Block, DbError> {
    Ok(Block { first_key: row.get("first_key")?, body: row.get("body")? })
}

/// The block of a run that holds `key`, if the run does.
pub(crate) async fn block_at(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    run: i64,
    key: &[u8],
) -> Result<Option<Block>, DbError> {
    let row = tx
        .query(
            "SELECT first_key, body FROM index_block WHERE shard = $1 AND run = $2 AND first_key <= $3
             ORDER BY first_key DESC LIMIT 1",
        )
        .bind_id(shard)
        .bind(run)
        .bind(key)
        .fetch_optional()
        .await?;
    row.as_ref().map(block).transpose()
}

/// Blocks of a run whose first key is below `key`, from there back.
pub(crate) async fn blocks_before(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    run: i64,
    key: &[u8],
    limit: usize,
) -> Result<Vec<Block>, DbError> {
    let rows = tx
        .query(
            "SELECT first_key, body FROM index_block WHERE shard = $1 AND run = $2 AND first_key < $3
             ORDER BY first_key DESC LIMIT $4",
        )
        .bind_id(shard)
        .bind(run)
        .bind(key)
        .bind(bounded(limit))
        .fetch_all()
        .await?;
    rows.iter().map(block).collect()
}

/// Blocks of a run whose first key is above `key`, from there on.
pub(crate) async fn blocks_after(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    run: i64,
    key: &[u8],
    limit: usize,
) -> Result<Vec<Block>, DbError> {
    let rows = tx
        .query(
            "SELECT first_key, body FROM index_block WHERE shard = $1 AND run = $2 AND first_key > $3
             ORDER BY first_key LIMIT $4",
        )
        .bind_id(shard)
        .bind(run)
        .bind(key)
        .bind(bounded(limit))
        .fetch_all()
        .await?;
    rows.iter().map(block).collect()
}
