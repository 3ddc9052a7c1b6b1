//! The follower's task.

mod duties;

use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::DbError;
use bursar_service::supervisor::Backoff;
use bursar_transparency::TiledTree;
use bursar_transparency::tiles::partial;
use bursar_types::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Seal;
use super::finding::{Finding, LOG};
use super::replica::Replica;
use super::state::{self, State};
use crate::error::LedgerError;
use crate::journal::Head;
use crate::store::journal;
use crate::store::merkle::{self, Progress};
use crate::writer::Shared;

/// Rows that are read and verified at once: few, so that others come in between.
const PAGE_ROWS: i64 = 16;
/// So many times the commands between two states may pass unverified while the writer is busy; then the follower rests
/// no more, or a start would have too much to replay.
const LAG_STATES: i64 = 5;
/// Waits after failures.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(5) };

/// Tries a piece of work again until the database answers.
macro_rules! patiently {
    ($what:literal, $work:expr) => {{
        let mut failures = 0;
        loop {
            match $work.await {
                Ok(done) => break done,
                Err(error) => {
                    failures += 1;
                    wait_after(&error, failures, $what).await;
                }
            }
        }
    }};
}

use patiently;

async fn wait_after(error: &DbError, failures: u32, what: &'static str) {
    tracing::warn!(%error, failures, what, "the journal's follower waits for the database");
    tokio::time::sleep(BACKOFF.wait(failures)).await;
}

/// The follower of one lease.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    seal: Seal,
    epoch: i64,
    /// The journal's last row, once the writer has ended.
    ending: watch::Receiver<Option<i64>>,
}

/// A follower at work.
struct Life<'a> {
    of: &'a mut Follower,
    /// Away only while a thread of its own works on it.
    replica: Option<Box<Replica>>,
    /// End of what is verified.
    head: Head,
    /// Positions in the log as stored and signed.
    stored: i64,
    /// When it was last stored.
    stored_at: Instant,
    /// When a checkpoint was last signed, by the machine's clock.
    signed: Option<Timestamp>,
    /// Positions in the newest checkpoint of the followers before.
    promised: i64,
    thinned_at: Instant,
    /// Position of the last stored state.
    kept: i64,
    checked: Option<(i64, Instant)>,
    answered: u64,
    /// Where the projections were before the last page.
    goal: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Work,
    /// Something does not hold: no more than that.
    Halt,
    /// All is verified and stored, as it was asked to.
    End,
}

impl Follower {
    pub(crate) fn new(
        shared: Arc<Shared>,
        seal: Seal,
        epoch: i64,
        ending: watch::Receiver<Option<i64>>,
    ) -> Self {
        Self { shared, seal, epoch, ending }
    }

    /// Follows until it is told the journal's last row, and has reached it.
    ///
    /// # Errors
    /// [`LedgerError::NotOwner`] once a later lease has taken the log over. Everything else is tried again.
    pub(crate) async fn run(mut self) -> Result<(), LedgerError> {
        self.shared.followed.begin();
        let mut failures = 0;
        loop {
            let began = Instant::now();
            match self.live().await {
                Ok(Next::End) => return Ok(()),
                Ok(_) => {
                    let _ = self.ending.wait_for(Option::is_some).await;
                    return Ok(());
                }
                Err(LedgerError::NotOwner) => return Err(LedgerError::NotOwner),
                Err(error) => {
                    failures = if began.elapsed() > BACKOFF.most { 1 } else { failures + 1 };
                    tracing::warn!(%error, failures, "the journal's follower begins anew");
                    tokio::time::sleep(BACKOFF.wait(failures)).await;
                }
            }
        }
    }

    async fn live(&mut self) -> Result<Next, LedgerError> {
        let Some(mut life) = Life::begin(self).await? else { return Ok(Next::Halt) };
        loop {
            match life.step().await? {
                Next::Work => {}
                next => return Ok(next),
            }
        }
    }
}

impl<'a> Life<'a> {
    /// Goes on from what is stored. `None`: it does not hold, which is told.
    async fn begin(of: &'a mut Follower) -> Result<Option<Self>, LedgerError> {
        let (db, shard, followed) = (&of.shared.db, of.shared.shard, Arc::clone(&of.shared.followed));
        let empty = Progress {
            sequence: 0,
            size: 0,
            hash: Head::empty().hash,
            root: bursar_transparency::empty_root(),
        };
        let claimed = merkle::claim(db, shard, of.epoch, &empty).await?;
        let Some(progress) = claimed else { return Err(LedgerError::NotOwner) };
        let size = u64::try_from(progress.size).unwrap_or(0);
        let tiles = db.read(|tx| {
            let ids = partial(size).map(|(id, _)| id);
            Box::pin(merkle::tiles(tx, shard, ids))
        });
        let log = match tiles.await {
            Ok(tiles) => TiledTree::restore(size, tiles).ok().filter(|log| log.root() == progress.root),
            Err(LedgerError::Damaged(_)) => None,
            Err(other) => return Err(other),
        };
        let Some(log) = log else {
            let what = format!("the tiles do not have the root of the log of {size} positions");
            followed.found(vec![Finding::new(LOG, what)]);
            return Ok(None);
        };
        let loaded = state::load(db, shard, progress.sequence).await?;
        let (state, head) = match loaded {
            Some((sequence, state)) => match journal::head_at(db, shard, sequence).await? {
                Some(head) => (state, head),
                None => (State::default(), Head::empty()),
            },
            None => (State::default(), Head::empty()),
        };
        let last_signed = merkle::last_signed(db, shard).await?;
        let mut replica = Replica::new(shard, state, head, log, &progress);
        replica.signed.extend(merkle::signed_from(db, shard, progress.size.max(1)).await?);
        if let Err(finding) = replica.meet_signed() {
            followed.found(vec![finding]);
            return Ok(None);
        }
        followed.signed_to(progress.size);
        followed.verified_to(head.position, of.shared.reached.position());
        tracing::info!(from = head.position, signed = progress.size, "the journal's follower goes on");
        let (now, answered) = (Instant::now(), *followed.asked().borrow());
        Ok(Some(Self {
            of,
            replica: Some(Box::new(replica)),
            head,
            stored: progress.size,
            stored_at: now,
            signed: last_signed.map(|(_, time)| time),
            promised: last_signed.map_or(0, |(size, _)| size),
            thinned_at: now,
            kept: head.position,
            checked: None,
            // What was asked before is answered by the first look, which nobody need ask for.
            answered,
            goal: head.sequence,
        }))
    }

    /// Runs `work` on the replica, on a thread that nobody else waits for.
    async fn aside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Replica) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let gone = || LedgerError::Internal("the follower's replica is gone".into());
        let mut replica = self.replica.take().ok_or_else(gone)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&mut replica);
            (replica, done)
        });
        let (replica, done) = working.await.map_err(|error| LedgerError::Internal(error.to_string()))?;
        self.replica = Some(replica);
        Ok(done)
    }

    fn replica(&self) -> Result<&Replica, LedgerError> {
        self.replica.as_deref().ok_or_else(|| LedgerError::Internal("the follower's replica is gone".into()))
    }

    async fn step(&mut self) -> Result<Next, LedgerError> {
        let reached = self.of.shared.reached.sequence();
        let caught_up = self.head.sequence >= reached;
        let ending = *self.of.ending.borrow();
        let last = caught_up && ending.is_some_and(|last| self.head.sequence >= last);
        if last || self.sign_at(caught_up)?.is_some_and(|at| at <= Instant::now()) {
            self.advance().await?;
        }
        let every = self.of.shared.config.writer.checkpoint_commands;
        if self.head.position.saturating_sub(self.kept) >= every || (last && self.head.position > self.kept) {
            self.advance().await?;
            self.keep_state().await?;
        }
        if last {
            return Ok(Next::End);
        }
        if self.check_is_due(caught_up) && self.check().await? == Next::Halt {
            return Ok(Next::Halt);
        }
        if caught_up {
            self.wait().await?;
            return Ok(Next::Work);
        }
        self.page(reached).await
    }

    /// Verifies the next few rows, none beyond row `reached`.
    async fn page(&mut self, reached: i64) -> Result<Next, LedgerError> {
        let after = self.head.sequence;
        let shared = Arc::clone(&self.of.shared);
        let mut rows =
            patiently!("rows of the journal", journal::page_of(&shared.db, shared.shard, after, PAGE_ROWS));
        rows.retain(|row| row.sequence <= reached);
        let Some(last) = rows.last() else {
            let what = format!("journal row {}: is missing", after + 1);
            return self.halt(Finding::new(super::finding::CHAIN, what)).await;
        };
        self.expect_signed(last.last_position()).await?;
        let began = Instant::now();
        let verified = self.aside(move |replica| {
            let found = rows.iter().try_for_each(|row| replica.take(row));
            replica.forget_proofs();
            found
        });
        let verified = verified.await?;
        self.head = self.replica()?.head;
        let position = self.of.shared.reached.position();
        self.of.shared.followed.verified_to(self.head.position, position);
        if let Err(finding) = verified {
            return self.halt(finding).await;
        }
        self.rest(began.elapsed(), position).await;
        Ok(Next::Work)
    }

    /// While the writer is busy the follower takes a third of one processor's time at most, unless it is far behind.
    async fn rest(&mut self, worked: Duration, reached: i64) {
        let sequence = self.of.shared.reached.sequence();
        let busy = sequence > self.goal && self.of.ending.borrow().is_none();
        self.goal = sequence;
        let most = self.of.shared.config.writer.checkpoint_commands.saturating_mul(LAG_STATES);
        if busy && reached.saturating_sub(self.head.position) < most {
            tokio::time::sleep(worked.saturating_mul(2)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Sees to it that the roots that were signed up to `position` are at hand. There are some beyond the log only
    /// where it was removed and is made anew: it must have them again.
    async fn expect_signed(&mut self, position: i64) -> Result<(), LedgerError> {
        let replica = self.replica()?;
        let until = position.min(self.promised);
        let mut from = replica.signed.back().map_or(0, |(size, _)| *size).max(replica.size()) + 1;
        while from <= until {
            let shared = Arc::clone(&self.of.shared);
            let page = patiently!("signed checkpoints", merkle::signed_from(&shared.db, shared.shard, from));
            let Some((size, _)) = page.last() else { break };
            from = size + 1;
            if let Some(replica) = self.replica.as_deref_mut() {
                replica.signed.extend(page);
            }
        }
        Ok(())
    }

    /// Something does not hold: what came before is stored and signed, nothing after.
    async fn halt(&mut self, finding: Finding) -> Result<Next, LedgerError> {
        // Whoever waits is told of the finding only once there is nothing more to come.
        let good = finding.invariant != LOG;
        let signed = if good { self.advance().await } else { Ok(()) };
        self.of.shared.followed.found(vec![finding]);
        signed.map(|()| Next::Halt)
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Result<(), LedgerError> {
        let followed = Arc::clone(&self.of.shared.followed);
        let (mut waiting, mut asked) = (followed.waiting(), followed.asked());
        let sign_at = self.sign_at(true)?;
        let pending = sign_at.is_some();
        let check_at = self.checked.filter(|(position, _)| *position != self.head.position);
        let answered = self.answered;
        let far = Instant::now() + Duration::from_secs(3_600);
        let next = [sign_at, check_at.map(|(_, at)| at)].into_iter().flatten().min().unwrap_or(far);
        tokio::select! {
            () = self.of.shared.reached.wait_for(self.head.position + 1) => {}
            () = tokio::time::sleep_until(next) => {}
            // The senders live as long as the process, so these cannot fail.
            _ = waiting.changed(), if pending => {}
            _ = asked.wait_for(|asked| *asked != answered) => {}
            _ = self.of.ending.changed() => {}
        }
        Ok(())
    }
}
