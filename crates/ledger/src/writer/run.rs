//! The writer's loop: collect, decide, append, acknowledge.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bursar_ledger_engine::{Action, Actor, Command, MAX_BATCH, MAX_TICK, Name, Outcome, Role};
use bursar_service::db::DbError;
use bursar_types::RequestId;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::counts::{self, CameTo, Counts};
use super::handle::Shared;
use super::many::{Many, Owed};
use super::owner::{JournalStore, projector_gone};
use super::queue::Waiting;
use super::shard::{Open, Shard, Verdict};
use super::{Answer, Order, Read, Release, Request, Said};
use crate::error::LedgerError;
use crate::journal::Head;
use crate::project::Batch;
use crate::store::journal::Appended;

/// How often the writer looks whether something is due; the clock may be moved, so it cannot be slept until.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Most transfers of one batch: at some 250 bytes each its row stays around 4 MiB, which every database takes in one
/// piece and every start reads in one.
const BATCH_TRANSFERS_MAX: usize = 2 * MAX_BATCH;

/// Whom a command's answer goes to.
type Reply = oneshot::Sender<Result<Said, LedgerError>>;

/// Someone who waits for a batch to be durable.
enum Waiter {
    Command(Reply, Answer),
    Many(Owed),
    Read(Release),
}

/// A batch on its way to the disk.
struct InFlight<'a> {
    append: BoxFuture<'a, Result<Appended, DbError>>,
    head: Head,
    batch: Batch,
    waiters: Vec<Waiter>,
    since: Instant,
}

/// The writer of one lease.
pub(super) struct Writer<'a> {
    pub(super) shared: &'a Shared,
    pub(super) store: &'a dyn JournalStore,
    pub(super) epoch: i64,
    pub(super) shard: Shard,
    /// The end of what is durable.
    pub(super) head: Head,
    pub(super) projector: mpsc::Sender<Batch>,
    /// Until when the lease certainly holds: reads are not answered beyond it.
    pub(super) valid_until: watch::Receiver<Instant>,
    /// What waits in the queue.
    pub(super) waiting: Arc<Waiting>,
    pub(super) counts: Counts,
}

/// What is being collected.
struct Collected {
    open: Open,
    waiters: Vec<Waiter>,
    /// Commands and reads that wait for it. Those that were refused do not.
    taken: usize,
    /// Transfers of those commands.
    transfers: usize,
}

impl Collected {
    fn new() -> Self {
        Self { open: Open::new(), waiters: Vec::new(), taken: 0, transfers: 0 }
    }

    /// Whether a request belongs into this batch. One that is alone always does; the commands of a stream's request
    /// are taken together, and may overstep the bound by that.
    fn takes(&self, request: &Request, batch_max: usize) -> bool {
        let (_, transfers) = request.weight();
        self.taken == 0
            || (self.taken < batch_max && self.transfers.saturating_add(transfers) <= BATCH_TRANSFERS_MAX)
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.waiters.is_empty()
    }
}

impl<'a> Writer<'a> {
    /// Works until `stop`; then decides what is in the queue, makes it durable, and ends.
    ///
    /// # Errors
    /// Why an append did not succeed for certain: the state in memory may be ahead of the journal and must be dropped.
    pub(super) async fn run(
        &mut self,
        mut queue: mpsc::Receiver<Request>,
        stop: &CancellationToken,
    ) -> Result<(), LedgerError> {
        let batch_max = self.shared.config.writer.batch_max;
        let mut collected = Collected::new();
        let mut in_flight: Option<InFlight<'a>> = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut arrived = Vec::with_capacity(batch_max);
        // What has arrived and is for the next batch.
        let mut later = VecDeque::new();
        let mut open_for_more = true;
        loop {
            let room = batch_max.saturating_sub(collected.taken);
            tokio::select! {
                biased;
                appended = appended(&mut in_flight), if in_flight.is_some() => {
                    if let Some(done) = in_flight.take() {
                        self.settle(done, appended).await?;
                    }
                }
                count = queue.recv_many(&mut arrived, room), if room > 0 && later.is_empty() && open_for_more => {
                    open_for_more = count > 0;
                    later.extend(arrived.drain(..));
                }
                _ = look.tick() => self.look(&mut collected),
                () = stop.cancelled(), if !queue.is_closed() => queue.close(),
            }
            self.collect(&mut later, &mut collected);
            while in_flight.is_none() && !collected.is_empty() {
                in_flight = self.launch(&mut collected);
                self.collect(&mut later, &mut collected);
            }
            if in_flight.is_none() && !open_for_more {
                return Ok(());
            }
        }
    }

    /// Decides what has arrived, as far as it belongs into this batch.
    fn collect(&mut self, later: &mut VecDeque<Request>, collected: &mut Collected) {
        let batch_max = self.shared.config.writer.batch_max;
        while later.front().is_some_and(|request| collected.takes(request, batch_max)) {
            if let Some(request) = later.pop_front() {
                self.take(request, collected);
            }
        }
    }

    fn take(&mut self, request: Request, collected: &mut Collected) {
        self.waiting.taken(request.weight());
        match request {
            Request::Decide { order, unknown_up_to, reply } => {
                self.decide_one(*order, unknown_up_to, reply, collected);
            }
            Request::DecideMany(many) => self.decide_many(many, collected),
            Request::Read(read) => self.read(read, collected),
            Request::Learn(ids, done) => {
                for id in ids {
                    self.shard.filter.insert(id);
                }
                if done {
                    self.shard.filter.complete();
                }
            }
        }
    }

    fn decide_one(
        &mut self,
        order: Order,
        unknown_up_to: Option<i64>,
        reply: Reply,
        collected: &mut Collected,
    ) {
        match self.decide(order, unknown_up_to, collected) {
            Ok(Verdict::Answer(answer)) => collected.waiters.push(Waiter::Command(reply, answer)),
            // The caller may have gone; nobody misses these answers then.
            Ok(Verdict::LookUp(order)) => drop(reply.send(Ok(Said::LookUp(Box::new(order))))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn decide_many(&mut self, many: Many, collected: &mut Collected) {
        let now = Instant::now();
        let (orders, mut answers) = many.begin();
        for tagged in orders {
            if tagged.deadline <= now {
                self.counts.count(counts::kind(&tagged.order.command.action), CameTo::Expired);
                answers.at_once(tagged.tag, Err(LedgerError::DeadlineExceeded));
                continue;
            }
            match self.decide(*tagged.order, None, collected) {
                Ok(Verdict::Answer(answer)) => answers.when_durable(tagged.tag, answer),
                Ok(Verdict::LookUp(order)) => answers.at_once(tagged.tag, Ok(Said::LookUp(Box::new(order)))),
                Err(error) => answers.at_once(tagged.tag, Err(error)),
            }
        }
        collected.waiters.extend(answers.owe().map(Waiter::Many));
    }

    fn decide(
        &mut self,
        order: Order,
        unknown_up_to: Option<i64>,
        collected: &mut Collected,
    ) -> Result<Verdict, LedgerError> {
        let (kind, transfers) = (counts::kind(&order.command.action), order.transfers());
        let open = &mut collected.open;
        // One moment for all of a batch.
        let now = if open.is_empty() { self.shared.clock.now() } else { open.time };
        let told = self.shard.decide(order, unknown_up_to, open, now);
        if let Ok(Verdict::Answer(_)) = &told {
            collected.taken += 1;
            collected.transfers += transfers;
        }
        let came_to = match &told {
            Ok(Verdict::Answer(answer)) if answer.repeated => CameTo::Repeated,
            Ok(Verdict::Answer(_)) => CameTo::Journaled,
            Ok(Verdict::LookUp(_)) => CameTo::LookedUp,
            Err(_) => CameTo::Refused,
        };
        self.counts.count(kind, came_to);
        told
    }

    fn read(&mut self, read: Read, collected: &mut Collected) {
        let release = read(&self.shard.engine, self.shard.position);
        collected.taken += 1;
        collected.waiters.push(Waiter::Read(release));
    }

    /// Lets time pass in the engine if something is due.
    fn look(&mut self, collected: &mut Collected) {
        let now = self.shared.clock.now();
        metrics::gauge!("bursar_ledger_queue_depth").set(self.waiting.commands() as f64);
        self.shard.forget_proofs();
        self.shard.recent.trim(self.shared.reached.sequence());
        if self.shard.engine.next_due().is_none_or(|due| due > now) {
            return;
        }
        let actor = Actor { role: Role::Service, name: Name::default() };
        let request_id = RequestId::from_uuid(self.shared.ids.next_uuid());
        let command = Command { request_id, actor, action: Action::Tick { max: MAX_TICK } };
        let order = Order { command, body: None, proof: None };
        match self.shard.decide(order, None, &mut collected.open, now) {
            Ok(Verdict::Answer(answer)) => {
                if let Outcome::Ticked { ended, .. } = answer.known.outcome {
                    tracing::debug!(ended, "time passed");
                }
            }
            Ok(Verdict::LookUp(_)) => {}
            Err(error) => tracing::error!(%error, "the engine refused to let time pass"),
        }
    }

    /// Starts to append what is collected. Reads alone are answered at once: nothing is before them any more.
    fn launch(&mut self, collected: &mut Collected) -> Option<InFlight<'a>> {
        let Collected { open, waiters, .. } = std::mem::replace(collected, Collected::new());
        if open.is_empty() {
            self.acknowledge(waiters);
            return None;
        }
        let Open { time, entry, steps } = open;
        metrics::histogram!("bursar_ledger_batch_size").record(steps.len() as f64);
        let row = self.head.next_row(self.shared.shard, self.epoch, time, entry);
        let head = Head::after(&row);
        let batch = Batch { sequence: row.sequence, time, steps };
        self.shard.sequence = row.sequence + 1;
        let append = self.store.append(self.shared.shard, row);
        Some(InFlight { append, head, batch, waiters, since: Instant::now() })
    }

    async fn settle(
        &mut self,
        done: InFlight<'a>,
        appended: Result<Appended, DbError>,
    ) -> Result<(), LedgerError> {
        match appended? {
            Appended::Yes => {}
            Appended::Fenced => return Err(LedgerError::NotOwner),
        }
        metrics::histogram!("bursar_ledger_append_seconds").record(done.since.elapsed().as_secs_f64());
        self.head = done.head;
        self.acknowledge(done.waiters);
        metrics::gauge!("bursar_ledger_journal_head_position").set(self.head.position as f64);
        let lag = self.head.position.saturating_sub(self.shared.reached.position());
        metrics::gauge!("bursar_ledger_projection_lag").set(lag as f64);
        // A projector that does not follow holds the writer up, and the full queue tells the callers.
        self.projector.send(done.batch).await.map_err(|_| projector_gone())
    }

    fn acknowledge(&self, waiters: Vec<Waiter>) {
        let lease_holds = Instant::now() < *self.valid_until.borrow();
        for waiter in waiters {
            match waiter {
                Waiter::Command(reply, answer) => {
                    // The caller may have gone; the command stays.
                    let _ = reply.send(Ok(Said::Answer(answer)));
                }
                Waiter::Many(owed) => owed.give(),
                // Without the lease another owner may have written since: dropped, the caller asks again.
                Waiter::Read(release) if lease_holds => release(),
                Waiter::Read(_) => {}
            }
        }
    }
}

async fn appended(in_flight: &mut Option<InFlight<'_>>) -> Result<Appended, DbError> {
    match in_flight {
        Some(in_flight) => (&mut in_flight.append).await,
        None => std::future::pending().await,
    }
}
