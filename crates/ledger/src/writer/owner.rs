//! The owner of a shard: takes the lease, loads, works, and on any doubt drops everything and begins again. Crash is
//! the only error path, so it is the path that is tested.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::{Db, DbError};
use bursar_service::supervisor::Backoff;
use bursar_types::id::ProgramId;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::counts::Counts;
use super::handle::Shared;
use super::load;
use super::queue::Queue;
use super::run::Writer;
use crate::error::LedgerError;
use crate::follow::{Follower, Seal};
use crate::journal::Row;
use crate::keep::Keeper;
use crate::project::Projector;
use crate::store::journal::Appended;
use crate::store::lease::{self, Lease};
use crate::store::{journal, projection};

/// Batches that may wait for the projector: bounds the memory, and how far the projections can lag.
const PROJECTOR_QUEUE: usize = 256;
/// Waits between incarnations that fail.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(2) };
/// An incarnation that lived so long was a healthy one.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// Longest wait of a stop for the follower to reach the journal's end and store the state: less than the process has
/// for its stop. Otherwise the next start replays the rest.
const FOLLOW_MAX: Duration = Duration::from_secs(4);

/// Where rows of the journal are appended: the database, or a test's unreliable copy of it.
pub(crate) trait JournalStore: Send + Sync + fmt::Debug {
    /// Makes `row` durable, or says that somebody else owns the shard. An error leaves it open whether it is durable.
    fn append(&self, shard: ProgramId, row: Row) -> BoxFuture<'_, Result<Appended, DbError>>;
}

/// The journal in the database.
#[derive(Debug)]
pub(crate) struct SqlJournal(pub(crate) Db);

impl JournalStore for SqlJournal {
    fn append(&self, shard: ProgramId, row: Row) -> BoxFuture<'_, Result<Appended, DbError>> {
        Box::pin(async move { journal::append(&self.0, shard, &row).await })
    }
}

pub(super) fn projector_gone() -> LedgerError {
    LedgerError::Internal("the projector ended".into())
}

/// Owns the shard whenever the lease can be had, until `stop`. `seal` is for the follower's checkpoints.
pub(crate) async fn own(
    shared: Arc<Shared>,
    store: Arc<dyn JournalStore>,
    seal: Seal,
    stop: CancellationToken,
) {
    let owner = shared.ids.next_uuid().to_string();
    let mut failures = 0;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let outcome = once(&shared, &store, &seal, &owner, &stop).await;
        shared.queue.send_replace(None);
        let wait = match outcome {
            Ok(true) => continue,
            // Somebody else has the lease.
            Ok(false) => shared.config.lease.renew_every(),
            Err(error) => {
                failures = if began.elapsed() >= HEALTHY_AFTER { 1 } else { failures + 1 };
                tracing::warn!(%error, failures, "the shard's state is dropped and will be loaded again");
                BACKOFF.wait(failures)
            }
        };
        let _ = tokio::time::timeout(wait, stop.cancelled()).await;
    }
}

/// One life of an owner; `false` if the lease could not be had.
async fn once(
    shared: &Arc<Shared>,
    store: &Arc<dyn JournalStore>,
    seal: &Seal,
    owner: &str,
    stop: &CancellationToken,
) -> Result<bool, LedgerError> {
    let lifetime = shared.config.lease.ttl();
    let asked = Instant::now();
    let epoch_of_log = shared.ids.next_uuid().to_string();
    let progress = projection::progress(&shared.db, shared.shard, &epoch_of_log).await?;
    shared.reached.move_to(progress.sequence, progress.position, progress.event_position);
    let taken = lease::acquire(&shared.db, shared.shard, owner, shared.machine_clock.now(), lifetime).await?;
    let Some(lease) = taken else { return Ok(false) };
    tracing::info!(epoch = lease.epoch, "the shard's lease is ours");
    let (valid, valid_until) = watch::channel(asked + lifetime);
    let mut tasks = JoinSet::new();
    tasks.spawn(renew(Arc::clone(shared), lease, valid));
    let worked = work(shared, store, seal, lease, &mut tasks, valid_until, stop).await;
    tasks.shutdown().await;
    // Whoever owns the shard next brings the projections up to the journal.
    shared.reached.catch_up_to(0);
    if worked.is_ok() {
        lease::release(&shared.db, shared.shard, lease.epoch).await?;
    }
    worked.map(|()| true)
}

/// Loads the shard and works until `stop`, or until any part of it fails.
async fn work(
    shared: &Arc<Shared>,
    store: &Arc<dyn JournalStore>,
    seal: &Seal,
    lease: Lease,
    tasks: &mut JoinSet<Result<(), LedgerError>>,
    valid_until: watch::Receiver<Instant>,
    stop: &CancellationToken,
) -> Result<(), LedgerError> {
    // Read again under the lease: the owner before us may have written until then.
    let progress = projection::progress(&shared.db, shared.shard, "").await?;
    shared.reached.move_to(progress.sequence, progress.position, progress.event_position);
    shared.index.reset(progress.index_sequence);
    shared.reached.catch_up_to(i64::MAX);
    let keeper = Keeper::new(Arc::clone(shared), lease.epoch);
    tasks.spawn(keeper.clone().write_runs());
    tasks.spawn(keeper.clone().merge_runs());
    let (projector, batches) = mpsc::channel(PROJECTOR_QUEUE);
    let projecting = Projector::new(Arc::clone(shared), &progress, batches);
    let mut projecting_task = JoinSet::new();
    projecting_task.spawn(projecting.run());
    let began = Instant::now();
    let loading = load::load(shared, &progress, &projector);
    let (shard, head) = tokio::select! {
        loaded = loading => loaded?,
        ended = tasks.join_next() => return Err(ended_early(ended)),
        ended = projecting_task.join_next() => return Err(ended_early(ended)),
    };
    // The projections may be ahead of the index, whose memory died with the owner before us: nobody is served before it is
    // gathered again, or a request id that was used would be taken for a new one.
    tokio::select! {
        () = shared.index.gathered(head.sequence) => {}
        ended = tasks.join_next() => return Err(ended_early(ended)),
        ended = projecting_task.join_next() => return Err(ended_early(ended)),
    }
    shared.reached.catch_up_to(head.sequence);
    tracing::info!(
        position = head.position,
        sequence = head.sequence,
        milliseconds = began.elapsed().as_millis(),
        "the shard is loaded"
    );
    metrics::gauge!("bursar_ledger_journal_head_position").set(head.position as f64);
    let (sender, queue, waiting) = Queue::new(shared.config.writer.queue_max);
    {
        let (shared, sender) = (Arc::clone(shared), sender.clone());
        // Ends when it has taught all; only a failure counts.
        tasks.spawn(async move {
            load::teach(&shared, &sender).await?;
            drop(sender);
            std::future::pending().await
        });
    }
    let (last, ending) = watch::channel(None);
    let mut following = JoinSet::new();
    following.spawn(Follower::new(Arc::clone(shared), seal.clone(), lease.epoch, ending).run());
    let counts = Counts::default();
    let epoch = lease.epoch;
    let mut writer =
        Writer { shared, store: &**store, epoch, shard, head, projector, valid_until, waiting, counts };
    shared.queue.send_replace(Some(sender));
    tokio::select! {
        done = writer.run(queue, stop) => done?,
        ended = tasks.join_next() => return Err(ended_early(ended)),
        ended = projecting_task.join_next() => return Err(ended_early(ended)),
        ended = following.join_next() => return Err(ended_early(ended)),
    }
    shared.queue.send_replace(None);
    let sequence = writer.head.sequence;
    // Dropping the writer ends the projector's channel; it writes what it has and ends.
    drop(writer);
    match projecting_task.join_next().await {
        Some(Ok(done)) => done?,
        ended => return Err(ended_early(ended)),
    }
    // What is left in memory, so that the next start need not gather it again.
    tasks.shutdown().await;
    keeper.write_run().await?;
    last.send_replace(Some(sequence));
    match tokio::time::timeout(FOLLOW_MAX, following.join_next()).await {
        Ok(Some(Ok(done))) => done,
        Ok(ended) => Err(ended_early(ended)),
        Err(_) => {
            tracing::info!("the follower has not reached the journal's end: the next start replays the rest");
            Ok(())
        }
    }
}

fn ended_early(ended: Option<Result<Result<(), LedgerError>, tokio::task::JoinError>>) -> LedgerError {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => LedgerError::Internal(format!("a part of the owner died: {error}")),
        Some(Ok(Ok(()))) | None => LedgerError::Internal("a part of the owner ended".into()),
    }
}

/// Keeps the lease. Ends with an error once it is certain, or cannot be excluded, that somebody else has it.
async fn renew(shared: Arc<Shared>, lease: Lease, valid: watch::Sender<Instant>) -> Result<(), LedgerError> {
    let config = shared.config.lease;
    loop {
        tokio::time::sleep(config.renew_every()).await;
        let asked = Instant::now();
        let until = shared.machine_clock.now().plus(config.ttl());
        match lease::renew(&shared.db, shared.shard, lease.epoch, until).await {
            Ok(true) => drop(valid.send_replace(asked + config.ttl())),
            Ok(false) => return Err(LedgerError::NotOwner),
            // Appends are fenced by the database and reads by `valid`: an outage alone is no reason to drop the state.
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }
}
