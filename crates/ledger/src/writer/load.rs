//! From the database to a state in memory: the newest stored state, then the rest of the journal.

use bursar_ledger_engine::Engine;
use bursar_types::id::Uuid;
use bursar_types::{RequestId, TypedId};
use tokio::sync::mpsc;

use super::filter::Filter;
use super::handle::Shared;
use super::queue::Queue;
use super::shard::Shard;
use super::{Request, owner};
use crate::error::LedgerError;
use crate::follow::state;
use crate::index::{Block, BlockReader, Kind, request_key, transfer_key};
use crate::journal::Head;
use crate::project::Batch;
use crate::store::projection::Progress;
use crate::store::{index, journal};

/// Blocks that are read at once: some ten thousand request ids.
const BLOCKS_PAGE: usize = 128;

/// Loads the shard. Batches that the projections (at `progress`) do not have go to `projector`.
pub(super) async fn load(
    shared: &Shared,
    progress: &Progress,
    projector: &mpsc::Sender<Batch>,
) -> Result<(Shard, Head), LedgerError> {
    let mut key = [0; 16];
    shared.entropy.fill(&mut key);
    let filter = Filter::new(u128::from_le_bytes(key));
    let (mut shard, mut head) = begin(shared, progress, filter).await?;
    loop {
        let rows = journal::page(&shared.db, shared.shard, head.sequence).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let batch = shard.replay(shared.shard, &head, row)?;
            head = Head::after(row);
            if row.sequence > progress.complete() {
                projector.send(batch).await.map_err(|_| owner::projector_gone())?;
            }
        }
        shard.recent.trim(progress.sequence);
        // Replaying keeps the processor; others want it too.
        tokio::task::yield_now().await;
    }
    shard.forget_proofs();
    if head.sequence < progress.sequence {
        let what =
            format!("the journal ends at row {}, its projections at {}", head.sequence, progress.sequence);
        return Err(LedgerError::Damaged(what));
    }
    Ok((shard, head))
}

/// The state to begin with: a stored one that the projections have reached, or nothing.
async fn begin(shared: &Shared, progress: &Progress, filter: Filter) -> Result<(Shard, Head), LedgerError> {
    if let Some((sequence, state)) = state::load(&shared.db, shared.shard, progress.complete()).await?
        && let Some(head) = journal::head_at(&shared.db, shared.shard, sequence).await?
    {
        return Ok((Shard::restore(state, &head, filter), head));
    }
    Ok((Shard::new(Engine::new(), &Head::empty(), filter), Head::empty()))
}

/// Teaches the filter all request ids of the past. Those of the tail it learns by itself.
pub(super) async fn teach(shared: &Shared, queue: &Queue) -> Result<(), LedgerError> {
    let (db, shard) = (&shared.db, shared.shard);
    let (from, until) = &(request_key(first_id()), transfer_key(TypedId::from_uuid(Uuid::nil())));
    let runs = db.read(|tx| Box::pin(index::runs(tx, shard))).await?;
    for run in runs {
        let mut blocks = Vec::new();
        blocks.extend(db.read(|tx| Box::pin(index::block_at(tx, shard, run.run, from))).await?);
        let mut after = from.to_vec();
        loop {
            let beyond = after.as_slice();
            let more = db.read(|tx| Box::pin(index::blocks_after(tx, shard, run.run, beyond, BLOCKS_PAGE)));
            blocks.extend(more.await?);
            let Some(last) = blocks.last() else { break };
            after.clone_from(&last.first_key);
            let ids = ids_of(blocks.drain(..))?;
            if queue.send_patiently(Request::Learn(ids, false)).await.is_err() {
                return Ok(());
            }
            if after.as_slice() >= until.as_slice() {
                break;
            }
        }
    }
    // Nobody listens any more if the owner ends.
    let _ = queue.send_patiently(Request::Learn(Vec::new(), true)).await;
    Ok(())
}

fn first_id() -> RequestId {
    RequestId::from_uuid(Uuid::nil())
}

/// The request ids in some blocks.
fn ids_of(blocks: impl Iterator<Item = Block>) -> Result<Vec<RequestId>, LedgerError> {
    let mut ids = Vec::new();
    for block in blocks {
        let mut reader = BlockReader::new(block.body);
        while reader.advance()? {
            if Kind::of(reader.key())? != Kind::Request {
                break;
            }
            let id = reader.key()[1..].try_into().map_err(|_| LedgerError::Damaged("an index key".into()))?;
            ids.push(RequestId::from_uuid(Uuid::from_bytes(id)));
        }
    }
    Ok(ids)
}
