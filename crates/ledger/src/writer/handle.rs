//! How everyone else reaches the writer.

use std::sync::Arc;

use bursar_ledger_engine::Engine;
use bursar_service::db::Db;
use bursar_service::deadline::Deadline;
use bursar_types::id::ProgramId;
use bursar_types::{Clock, Entropy, IdSource};
use tokio::sync::{oneshot, watch};

use super::queue::Queue;
use super::{Answer, Decision, Many, Order, Request, Said};
use crate::config::Config;
use crate::error::LedgerError;
use crate::follow::{Followed, Report};
use crate::history::{self, Lookup, Used};
use crate::index::Memory;
use crate::journal::{Fingerprint, Record};
use crate::project::{Decided, Reached};

/// Times a command is sent back to look its request id up, before the caller is asked to come again: each means that
/// sixteen thousand commands went by during one look-up.
const LOOKUPS_MAX: usize = 8;

/// What all parts of the process share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The shard: the program.
    pub(crate) shard: ProgramId,
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    /// The lease lives in the machine's time: one that a sandbox moved would keep the next owner waiting for days.
    pub(crate) machine_clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ids: IdSource,
    pub(crate) config: Config,
    /// How far the projections are.
    pub(crate) reached: Arc<Reached>,
    /// The newest part of the index.
    pub(crate) index: Memory,
    /// The writer's queue, while this process owns the shard.
    pub(crate) queue: watch::Sender<Option<Queue>>,
    /// How far the journal's follower is, and what it found.
    pub(crate) followed: Arc<Followed>,
}

impl Shared {
    /// What a process shares that owns nothing yet.
    pub(crate) fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        machine_clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        ids: IdSource,
        config: Config,
    ) -> Self {
        let shard = config.program.id.0;
        let queue = watch::Sender::new(None);
        let (reached, index, followed) = (Arc::default(), Memory::default(), Arc::default());
        Self { shard, db, clock, machine_clock, entropy, ids, config, reached, index, queue, followed }
    }
}

/// Sends commands and reads to the writer. Clones reach the same.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Waits until this process owns the shard and has loaded it.
    pub(crate) async fn ready(&self) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.shared.queue.subscribe().wait_for(Option::is_some).await;
    }

    fn send(&self, request: Request) -> Result<(), LedgerError> {
        self.shared.queue.borrow().as_ref().ok_or(LedgerError::NotOwner)?.send(request)
    }

    /// Has a command decided, and waits until it is durable. The same request id gives the same answer for ever.
    ///
    /// # Errors
    /// A refusal (nothing changed); overload; that another process owns the shard; or that the outcome is not known,
    /// which asking again with the same request id tells.
    pub(crate) async fn submit(&self, order: Order) -> Result<Answer, LedgerError> {
        match self.decide(Box::new(order), None).await? {
            Said::Answer(answer) => Ok(answer),
            Said::LookUp(order) => self.look_up(order).await,
        }
    }

    /// As [`submit`](Self::submit), for a command whose request id the database must be asked for.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub(crate) async fn look_up(&self, mut order: Box<Order>) -> Result<Answer, LedgerError> {
        for _ in 0..LOOKUPS_MAX {
            let unknown_up_to = match history::request(&self.shared, order.command.request_id).await? {
                Lookup::NotUpTo(sequence) => sequence,
                Lookup::Used(record, used) => return repeated(&order, *record, *used),
            };
            order = match self.decide(order, Some(unknown_up_to)).await? {
                Said::Answer(answer) => return Ok(answer),
                Said::LookUp(order) => order,
            };
        }
        Err(LedgerError::Overloaded)
    }

    async fn decide(&self, order: Box<Order>, unknown_up_to: Option<i64>) -> Result<Said, LedgerError> {
        let (reply, said) = oneshot::channel();
        self.send(Request::Decide { order, unknown_up_to, reply })?;
        // The writer may drop it with its state.
        bounded(said).await?.unwrap_or(Err(LedgerError::OutcomeUnknown))
    }

    /// Hands commands to the writer; every one is answered through the channel it came with.
    pub(crate) fn submit_many(&self, many: Many) {
        match self.shared.queue.borrow().as_ref() {
            Some(queue) => queue.send_many(many),
            None => many.refuse(|| LedgerError::NotOwner),
        }
    }

    /// Reads the state in memory. What it sees is durable: nothing read can be undone.
    ///
    /// # Errors
    /// Overload, or that another process owns the shard.
    pub(crate) async fn read<T, F>(&self, look: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce(&Engine, i64) -> T + Send + 'static,
    {
        let (reply, found) = oneshot::channel();
        let read = Box::new(move |engine: &Engine, position: i64| {
            let value = look(engine, position);
            Box::new(move || {
                // The caller may have gone; nobody misses the answer then.
                let _ = reply.send(value);
            }) as super::Release
        });
        self.send(Request::Read(read))?;
        bounded(found).await?.map_err(|_| LedgerError::NotOwner)
    }

    /// Waits until the projections hold everything that was durable when this was called, and also `at_least`.
    ///
    /// # Errors
    /// [`LedgerError::NotYet`] if they do not by the call's deadline, and as [`read`](Self::read).
    pub(crate) async fn settled(&self, at_least: i64) -> Result<(), LedgerError> {
        let head = self.read(|_, position| position).await?;
        self.projected(head.max(at_least)).await
    }

    /// Waits until a signed checkpoint of the journal's Merkle log holds `size` positions.
    ///
    /// # Errors
    /// [`LedgerError::NotYet`] if none does by the call's deadline, [`LedgerError::NotOwner`] once another process owns
    /// the shard, [`LedgerError::Damaged`] if the journal does not hold.
    pub(crate) async fn signed(&self, size: i64) -> Result<(), LedgerError> {
        tokio::select! {
            biased;
            signed = self.shared.followed.signed(size) => signed,
            () = self.lost() => Err(LedgerError::NotOwner),
        }
    }

    /// A look at the invariants by the journal's follower that is not older than a minute.
    ///
    /// # Errors
    /// [`LedgerError::DeadlineExceeded`] if there is none by the call's deadline, [`LedgerError::NotOwner`] once another
    /// process owns the shard.
    pub(crate) async fn report(&self) -> Result<Option<Report>, LedgerError> {
        tokio::select! {
            biased;
            () = self.lost() => Err(LedgerError::NotOwner),
            report = self.shared.followed.report() => report,
        }
    }

    /// Ends once this process does not own the shard, at once if it does not now.
    async fn lost(&self) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.shared.queue.subscribe().wait_for(Option::is_none).await;
    }

    /// Waits until the projections hold `position`.
    ///
    /// # Errors
    /// [`LedgerError::NotYet`] if they do not by the call's deadline.
    pub(crate) async fn projected(&self, position: i64) -> Result<(), LedgerError> {
        let reached = &self.shared.reached;
        match bounded(reached.wait_for(position)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(LedgerError::NotYet { wanted: position, reached: reached.position() }),
        }
    }
}

/// Waits within the deadline of the call that is being served.
async fn bounded<F: Future>(work: F) -> Result<F::Output, LedgerError> {
    match Deadline::current() {
        Some(deadline) => {
            tokio::time::timeout_at(deadline.instant(), work).await.map_err(|_| LedgerError::DeadlineExceeded)
        }
        None => Ok(work.await),
    }
}

/// The first answer to a request id, read from the journal.
fn repeated(order: &Order, record: Record, used: Used) -> Result<Answer, LedgerError> {
    if let Some((body, names)) = &order.body
        && record.body.as_ref().map(|first| first.digest) != Some(body.digest)
    {
        return Err(reused(body, names, record.body.as_ref()));
    }
    let Used { position, time } = used;
    let known = Decided { position, time, command: record.command, outcome: record.outcome };
    Ok(Answer { known: Arc::new(known), repeated: true, now: Decision::default() })
}

/// The error for a request id that was used with another body.
pub(super) fn reused(body: &Fingerprint, names: &[&'static str], first: Option<&Fingerprint>) -> LedgerError {
    LedgerError::RequestIdReused { field: first.map_or("", |first| body.difference(names, first)) }
}
