//! The dispatcher at work, as long as it holds the lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::DbError;
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, WebhookEndpointId};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{self, Finished};
use super::record::{Turn, turns};
use super::{Dispatcher, RENEW_EVERY};
use crate::store::attempts::Attempted;
use crate::store::deliveries::{self, Due};
use crate::webhooks::book::Snapshot;
use crate::webhooks::lanes::{Lanes, Next, Room, Wanted};
use crate::webhooks::wake::Touched;

/// Longest time between two looks at the whole table: hints are no more than hints, those of other processes do not
/// come, and neither does a word of a clock that was moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Wait after a database error.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait, at a stop, for the attempts under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Attempts that are written down in one transaction at most.
const BATCH_MAX: usize = 1_024;
/// Finished attempts that wait to be written down before no more are begun: a slow database slows deliveries, and
/// memory is bounded.
const UNWRITTEN_MAX: usize = 4_096;
/// Bytes of bodies after which a look at the table ends, whatever else is wanted.
const BODIES_MAX: usize = 16 * 1024 * 1024;

/// What goes on beside the attempts.
enum Done {
    Looked(Result<Look, DbError>),
    Written(Vec<Attempted>, Vec<Turn>, Result<(), DbError>),
    Leased(Result<Option<Instant>, DbError>),
}

/// What a look at the table found.
struct Look {
    snapshot: Arc<Snapshot>,
    loaded: Vec<(Wanted, Vec<Due>)>,
    /// Where something waits and when it is due, if that was asked.
    lanes: Option<Vec<(WebhookEndpointId, Timestamp)>>,
    now: Timestamp,
}

pub(super) struct Work {
    dispatcher: Arc<Dispatcher>,
    owner: String,
    lease_until: Instant,
    renew_at: Instant,
    lanes: Lanes,
    snapshot: Option<Arc<Snapshot>>,
    attempts: JoinSet<Finished>,
    /// What each attempt is about, should it die.
    about: HashMap<tokio::task::Id, (WebhookEndpointId, DeliveryId)>,
    finished: Vec<Finished>,
    beside: JoinSet<Done>,
    looking: bool,
    writing: bool,
    leasing: bool,
    /// When the whole table is looked at again.
    look_at: Instant,
    /// When the database may be asked again.
    pause_until: Instant,
}

impl Work {
    pub(super) fn new(dispatcher: Arc<Dispatcher>, owner: String, lease_until: Instant) -> Self {
        let now = Instant::now();
        let caps = dispatcher.caps;
        Self {
            dispatcher,
            owner,
            lease_until,
            renew_at: now + RENEW_EVERY,
            lanes: Lanes::new(Room { total: caps.total, per_endpoint: caps.per_endpoint }),
            snapshot: None,
            attempts: JoinSet::new(),
            about: HashMap::new(),
            finished: Vec::new(),
            beside: JoinSet::new(),
            looking: false,
            writing: false,
            leasing: false,
            look_at: now,
            pause_until: now,
        }
    }

    /// Delivers until `shutdown`, or the lease is lost.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) {
        let dispatcher = Arc::clone(&self.dispatcher);
        while !shutdown.is_cancelled() && Instant::now() < self.lease_until {
            self.beside();
            let wait = self.begin();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(done) = self.beside.join_next() => self.take(done),
                Some(done) = self.attempts.join_next_with_id() => self.collect(done),
                () = dispatcher.wake.notified() => {}
                () = tokio::time::sleep_until(wait) => {}
            }
            while let Some(done) = self.attempts.try_join_next_with_id() {
                self.collect(done);
            }
        }
        self.drain().await;
    }

    /// Starts what is to be done beside the attempts and is not under way.
    fn beside(&mut self) {
        let now = Instant::now();
        if !self.leasing && now >= self.renew_at {
            self.leasing = true;
            let (dispatcher, owner) = (Arc::clone(&self.dispatcher), self.owner.clone());
            self.beside.spawn(async move { Done::Leased(dispatcher.lease(&owner).await) });
        }
        if now < self.pause_until {
            return;
        }
        if !self.writing && !self.finished.is_empty() {
            self.write();
        }
        if !self.looking {
            self.look(now);
        }
    }

    fn write(&mut self) {
        let rest = self.finished.split_off(self.finished.len().min(BATCH_MAX));
        let batch = std::mem::replace(&mut self.finished, rest);
        let dispatcher = Arc::clone(&self.dispatcher);
        let lanes = &self.lanes;
        let now = dispatcher.clock.now();
        let turns = turns(&batch, |id| lanes.failing_since(id), now, dispatcher.caps.disable_after);
        for it in &batch {
            let result = if it.well() { "delivered" } else { "failed" };
            metrics::histogram!("bursar_webhook_attempt_duration_seconds", "result" => result)
                .record(it.duration);
        }
        let batch: Vec<Attempted> = batch.into_iter().map(|it| it.attempted).collect();
        self.writing = true;
        self.spawn_write(batch, turns, Duration::ZERO);
    }

    fn spawn_write(&mut self, batch: Vec<Attempted>, turns: Vec<Turn>, wait: Duration) {
        let dispatcher = Arc::clone(&self.dispatcher);
        self.beside.spawn(async move {
            tokio::time::sleep(wait).await;
            let written = dispatcher.record(&batch, &turns).await;
            Done::Written(batch, turns, written)
        });
    }

    /// Reads what is wanted: pages of lanes that run out, and from time to time where anything waits.
    fn look(&mut self, now: Instant) {
        let Touched { endpoints, all } = self.dispatcher.wake.take();
        let whole = all || now >= self.look_at;
        if let Some(snapshot) = &self.snapshot {
            for id in &endpoints {
                self.lanes.touch(*id, snapshot);
            }
        }
        let wanted = self.lanes.wanted();
        if wanted.is_empty() && !whole && endpoints.is_empty() {
            return;
        }
        self.looking = true;
        if whole {
            self.look_at = now + LOOK_EVERY;
        }
        // An endpoint that is not known yet comes into view with the whole table.
        let known = |id: &WebhookEndpointId| {
            self.snapshot.as_ref().is_some_and(|snapshot| snapshot.endpoints.contains_key(id))
        };
        let whole = whole || endpoints.iter().any(|id| !known(id));
        let dispatcher = Arc::clone(&self.dispatcher);
        self.beside.spawn(async move { Done::Looked(dispatcher.look(wanted, whole).await) });
    }

    /// Starts what is due and has room. Until when nothing more is to be done, unless something happens.
    fn begin(&mut self) -> Instant {
        let mut until = self.renew_at.min(self.look_at).max(self.pause_until);
        if self.leasing || self.looking {
            until = until.max(Instant::now() + DATABASE_PAUSE);
        }
        let written = self.finished.len();
        while written + self.lanes.in_flight() < UNWRITTEN_MAX {
            match self.lanes.next(Instant::now()) {
                Next::Start(open, due) => {
                    let about = (open.id, due.id);
                    let attempt = attempt::make(Arc::clone(&self.dispatcher), open, due);
                    let task = self.attempts.spawn(attempt);
                    self.about.insert(task.id(), about);
                }
                Next::Wait(moment) => return until.min(moment),
                Next::Nothing => break,
            }
        }
        until
    }

    fn take(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Looked(looked)) => self.looked(looked),
            Ok(Done::Written(batch, turns, Ok(()))) => self.written(&batch, &turns),
            Ok(Done::Written(batch, turns, Err(error))) => {
                tracing::warn!(%error, attempts = batch.len(), "what came of webhooks waits for the database");
                self.spawn_write(batch, turns, DATABASE_PAUSE);
            }
            Ok(Done::Leased(leased)) => {
                self.leasing = false;
                self.renew_at = Instant::now() + RENEW_EVERY;
                match leased {
                    Ok(Some(until)) => self.lease_until = until,
                    Ok(None) => {
                        tracing::warn!("another process took over the delivery of webhooks");
                        self.lease_until = Instant::now();
                    }
                    Err(error) => tracing::warn!(%error, "the lease on webhooks was not renewed"),
                }
            }
            // Each of them is one transaction; whoever comes after begins again from the table.
            Err(error) => {
                tracing::error!(%error, "the delivery of webhooks begins again");
                self.lease_until = Instant::now();
            }
        }
    }

    fn looked(&mut self, looked: Result<Look, DbError>) {
        self.looking = false;
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                tracing::warn!(%error, "webhooks wait for the database");
                self.lanes.read();
                self.pause_until = Instant::now() + DATABASE_PAUSE;
                self.look_at = self.pause_until;
                return;
            }
        };
        let Look { snapshot, loaded, lanes, now } = look;
        for (wanted, found) in loaded {
            self.lanes.loaded(&wanted, found);
        }
        self.lanes.read();
        if !self.snapshot.as_ref().is_some_and(|known| Arc::ptr_eq(known, &snapshot)) {
            self.lanes.take_over(&snapshot);
            self.snapshot = Some(Arc::clone(&snapshot));
        }
        for (id, due) in lanes.into_iter().flatten() {
            if due <= now {
                self.lanes.touch(id, &snapshot);
            } else {
                self.look_at = self.look_at.min(Instant::now() + due.since(now));
            }
        }
    }

    fn written(&mut self, batch: &[Attempted], turns: &[Turn]) {
        self.writing = false;
        let mut delivered = 0;
        for it in batch {
            self.lanes.written(it.endpoint_id, it.due.id);
            delivered += u64::from(it.fate == crate::store::attempts::Fate::Delivered);
        }
        for turn in turns {
            self.lanes.set_failing_since(turn.endpoint_id, turn.failing_since);
            if turn.gone || turn.exhausted {
                self.look_at = Instant::now();
            }
        }
        let failed = batch.len() as u64 - delivered;
        metrics::counter!("bursar_webhook_attempts_total", "result" => "delivered").increment(delivered);
        metrics::counter!("bursar_webhook_attempts_total", "result" => "failed").increment(failed);
    }

    fn collect(&mut self, done: Result<(tokio::task::Id, Finished), JoinError>) {
        let task = done.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let about = self.about.remove(&task);
        match done {
            Ok((_, finished)) => {
                self.lanes.ended(finished.attempted.endpoint_id, finished.well());
                if finished.gone {
                    self.lanes.stop(finished.attempted.endpoint_id);
                }
                self.finished.push(finished);
            }
            Err(error) => {
                tracing::error!(%error, "a webhook attempt died");
                if let Some((endpoint_id, delivery_id)) = about {
                    self.lanes.ended(endpoint_id, false);
                    // It is due still, and found again.
                    self.lanes.written(endpoint_id, delivery_id);
                }
            }
        }
    }

    /// Waits a moment for the attempts under way, and writes down what came of them; the others are made again.
    async fn drain(mut self) {
        let until = Instant::now() + DRAIN_MAX;
        while let Ok(Some(done)) = tokio::time::timeout_at(until, self.attempts.join_next_with_id()).await {
            self.collect(done);
        }
        while self.writing || !self.finished.is_empty() {
            if !self.writing {
                self.write();
            }
            match tokio::time::timeout_at(until + DRAIN_MAX, self.beside.join_next()).await {
                Ok(Some(done)) => self.take(done),
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!("the last webhook attempts are not written down and will be made again");
                    break;
                }
            }
        }
    }
}

impl Dispatcher {
    async fn look(&self, wanted: Vec<Wanted>, whole: bool) -> Result<Look, DbError> {
        let now = self.clock.now();
        let wanted = &wanted;
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let snapshot = self.book.current(tx).await?;
                    let mut loaded = Vec::with_capacity(wanted.len());
                    let mut bytes = 0;
                    for want in wanted {
                        if bytes > BODIES_MAX {
                            break;
                        }
                        let Wanted { endpoint_id, ordered, limit } = *want;
                        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                        let found = deliveries::due(tx, endpoint_id, ordered, now, limit).await?;
                        bytes += found.iter().map(|due| due.body.len()).sum::<usize>();
                        loaded.push((want.clone(), found));
                    }
                    let lanes = if whole { Some(deliveries::lanes(tx).await?) } else { None };
                    Ok(Look { snapshot, loaded, lanes, now })
                })
            })
            .await
    }
}
