//! Keeps the index: writes what has gathered in memory as runs, and merges runs, so that a look has few to go through.
//! Both are tasks of the shard's owner; what they write is seen when its last transaction is done, all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::error::LedgerError;
use crate::index::{Merge, Part};
use crate::store::index::{self, Run};
use crate::writer::Shared;

/// Runs of one level that are merged into one of the next: a look goes through at most so many a level, and each item is
/// written once a level.
const MERGED_RUNS: usize = 8;
/// Blocks of a run that a merge reads at once.
const BLOCKS_READ: usize = 256;

/// Bits of a run's number below the lease's epoch, so that a stale owner's and ours are never the same.
const EPOCH_SHIFT: u32 = 32;

/// The keeper of one life of the owner.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    epoch: i64,
    /// Number of the next run.
    next_run: Arc<AtomicI64>,
    /// A run was added.
    added: Arc<Notify>,
}

impl Keeper {
    /// A keeper under the lease `epoch`.
    pub(crate) fn new(shared: Arc<Shared>, epoch: i64) -> Self {
        let next_run = Arc::new(AtomicI64::new(epoch << EPOCH_SHIFT));
        Self { shared, epoch, next_run, added: Arc::default() }
    }

    fn number(&self) -> i64 {
        self.next_run.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes what has gathered, whenever it is enough.
    ///
    /// # Errors
    /// Why it could not be written: the owner drops its state and begins again.
    pub(crate) async fn write_runs(self) -> Result<(), LedgerError> {
        loop {
            self.shared.index.due().await;
            self.write_run().await?;
        }
    }

    /// Writes what has gathered by now.
    ///
    /// # Errors
    /// As [`write_runs`](Self::write_runs).
    pub(crate) async fn write_run(&self) -> Result<(), LedgerError> {
        let Some(part) = self.shared.index.freeze() else { return Ok(()) };
        let (first_sequence, last_sequence) = part.rows();
        // Sorting a full part takes tens of milliseconds, which others must not wait for.
        let sorted = tokio::task::spawn_blocking(move || Part::blocks(&part)).await;
        let (blocks, items) = sorted.map_err(|error| LedgerError::Internal(error.to_string()))?;
        let (db, shard) = (&self.shared.db, self.shared.shard);
        let run = Run {
            run: self.number(),
            level: 0,
            first_sequence,
            last_sequence,
            items: i64::try_from(items).unwrap_or(i64::MAX),
        };
        index::put_blocks(db, shard, run.run, &blocks).await?;
        if !index::add(db, shard, self.epoch, &run).await? {
            return Err(LedgerError::NotOwner);
        }
        self.shared.index.release();
        metrics::counter!("bursar_ledger_index_items_total").increment(items);
        self.added.notify_one();
        Ok(())
    }

    /// Merges runs, whenever there are enough of one level.
    ///
    /// # Errors
    /// As [`write_runs`](Self::write_runs).
    pub(crate) async fn merge_runs(self) -> Result<(), LedgerError> {
        index::sweep(&self.shared.db, self.shared.shard, self.epoch << EPOCH_SHIFT).await?;
        loop {
            while let Some(runs) = self.mergeable().await? {
                self.merge(&runs).await?;
            }
            self.added.notified().await;
        }
    }

    /// The oldest runs of the lowest level that has enough.
    async fn mergeable(&self) -> Result<Option<Vec<Run>>, LedgerError> {
        let shard = self.shared.shard;
        let runs = self.shared.db.read(|tx| Box::pin(index::runs(tx, shard))).await?;
        metrics::gauge!("bursar_ledger_index_runs").set(runs.len() as f64);
        let most = runs.iter().map(|run| run.level).max().unwrap_or(0);
        Ok((0..=most).find_map(|level| {
            let oldest: Vec<Run> =
                runs.iter().rev().filter(|run| run.level == level).take(MERGED_RUNS).cloned().collect();
            (oldest.len() == MERGED_RUNS).then_some(oldest)
        }))
    }

    async fn merge(&self, runs: &[Run]) -> Result<(), LedgerError> {
        let (db, shard) = (&self.shared.db, self.shared.shard);
        let number = self.number();
        let mut merge = Merge::new(runs.len());
        loop {
            while let Some((at, after)) = merge.hungry() {
                let (run, after) = (runs[at].run, after.to_vec());
                let after = after.as_slice();
                let next =
                    db.read(|tx| Box::pin(index::blocks_after(tx, shard, run, after, BLOCKS_READ))).await?;
                merge.feed(at, next)?;
            }
            let ended = merge.is_through();
            let blocks = merge.run()?;
            index::put_blocks(db, shard, number, &blocks).await?;
            if ended {
                break;
            }
            tokio::task::yield_now().await;
        }
        let merged = Run {
            run: number,
            level: runs.iter().map(|run| run.level).max().unwrap_or(0) + 1,
            first_sequence: runs.iter().map(|run| run.first_sequence).min().unwrap_or(0),
            last_sequence: runs.iter().map(|run| run.last_sequence).max().unwrap_or(0),
            items: i64::try_from(merge.items()).unwrap_or(i64::MAX),
        };
        let before: i64 = runs.iter().map(|run| run.items).sum();
        if merged.items != before {
            let what = format!("a merge of runs with {before} items has {}", merged.items);
            return Err(LedgerError::Damaged(what));
        }
        index::replace(db, shard, self.epoch, &merged, runs).await?;
        for run in runs {
            index::remove_blocks(db, shard, run.run).await?;
        }
        Ok(())
    }
}
