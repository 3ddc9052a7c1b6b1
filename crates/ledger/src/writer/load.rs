//! From the database to a state in memory: the newest stored state, then the rest of the journal.

use bursar_ledger_engine::Engine;
use tokio::sync::mpsc;

use super::filter::Filter;
use super::handle::Shared;
use super::shard::Shard;
use super::{Request, owner};
use crate::error::LedgerError;
use crate::follow::state;
use crate::journal::Head;
use crate::project::Batch;
use crate::store::projection::Progress;
use crate::store::{journal, read};

/// Request ids that are read at once.
const IDS_PAGE: i64 = 10_000;

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
            if row.sequence > progress.sequence {
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
    if let Some((sequence, state)) = state::load(&shared.db, shared.shard, progress.sequence).await?
        && let Some(head) = journal::head_at(&shared.db, shared.shard, sequence).await?
    {
        return Ok((Shard::restore(state, &head, filter), head));
    }
    Ok((Shard::new(Engine::new(), &Head::empty(), filter), Head::empty()))
}

/// Teaches the filter all request ids of the past. Those of the tail it learns by itself.
pub(super) async fn teach(shared: &Shared, queue: &mpsc::Sender<Request>) -> Result<(), LedgerError> {
    let mut after = vec![0_u8; 16];
    loop {
        let ids = read::request_ids(&shared.db, shared.shard, &after, IDS_PAGE).await?;
        let done = i64::try_from(ids.len()).is_ok_and(|count| count < IDS_PAGE);
        if let Some(last) = ids.last() {
            after = last.to_vec();
        }
        let ids = ids
            .into_iter()
            .map(|bytes| bursar_types::RequestId::from_uuid(bursar_types::id::Uuid::from_bytes(bytes)))
            .collect();
        if queue.send(Request::Learn(ids, done)).await.is_err() || done {
            return Ok(());
        }
    }
}
