//! What the follower does with what it has verified: signs it, stores it as a state, looks at the invariants.

use std::sync::Arc;
use std::time::Duration;

use bursar_types::Timestamp;
use tokio::time::Instant;

use super::{Life, Next, patiently, wait_after};
use crate::error::LedgerError;
use crate::follow::{Finding, Report, state};
use crate::store::merkle::{self, Gain, Progress, Signed};

/// While it is behind, a checkpoint is signed each so many positions …
const SIGN_POSITIONS: i64 = 10_000;
/// … or when the last is so old.
const SIGN_BEHIND: Duration = Duration::from_secs(5);
/// Once it has caught up a checkpoint is signed, but not more often than this: each is a commit beside the writer's.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// Somebody who waits for a checkpoint gets one sooner.
const SIGN_WANTED: Duration = Duration::from_millis(50);
/// Checkpoints that are not to last are kept so long, and removed so often. The first of each hour lasts.
const KEPT: Duration = Duration::from_secs(3_600);
const THIN_EVERY: Duration = Duration::from_secs(600);
/// The invariants are looked at so often, and such a part of the time: each look reads the whole state.
const CHECK_EVERY: Duration = Duration::from_secs(60);
const CHECK_SHARE: u32 = 20;

impl Life<'_> {
    /// When the next checkpoint is to be signed; `None`: there is nothing to sign.
    pub(super) fn sign_at(&self, caught_up: bool) -> Result<Option<Instant>, LedgerError> {
        let pending = self.replica()?.size() - self.stored;
        if pending <= 0 {
            return Ok(None);
        }
        let wait = if *self.of.shared.followed.waiting().borrow() > 0 {
            SIGN_WANTED
        } else if caught_up {
            SIGN_EVERY
        } else if pending >= SIGN_POSITIONS {
            Duration::ZERO
        } else {
            SIGN_BEHIND
        };
        Ok(Some(self.stored_at + wait))
    }

    /// Stores what the log gained, with a signed checkpoint of it: all at once.
    pub(super) async fn advance(&mut self) -> Result<(), LedgerError> {
        let replica = self.replica()?;
        let (size, root, shard) = (replica.size(), replica.log.root(), self.of.shared.shard);
        // While a start catches up the log is ahead of what is verified.
        if size <= self.stored || size != replica.head.position {
            return Ok(());
        }
        let (time, text) = self.of.seal.sign(shard, replica.log.size(), root)?;
        let hour = |time: Timestamp| time.as_seconds().div_euclid(3_600);
        let lasting = self.signed.is_none_or(|before| hour(before) != hour(time));
        let gain = Gain {
            progress: Progress { sequence: replica.head.sequence, size, hash: replica.head.hash, root },
            tiles: replica.log.changed().map(|(id, hashes)| (id, hashes.concat())).collect(),
            signed: Signed { size, root, time, lasting, text },
        };
        let shared = Arc::clone(&self.of.shared);
        if !patiently!("the Merkle log", merkle::advance(&shared.db, shard, self.of.epoch, &gain)) {
            return Err(LedgerError::NotOwner);
        }
        if let Some(replica) = self.replica.as_deref_mut() {
            replica.log.taken();
        }
        (self.stored, self.stored_at, self.signed) = (size, Instant::now(), Some(time));
        self.of.shared.followed.signed_to(size);
        if self.thinned_at.elapsed() >= THIN_EVERY {
            self.thinned_at = Instant::now();
            if let Err(error) = merkle::thin(&self.of.shared.db, shard, time.minus(KEPT)).await {
                tracing::warn!(%error, "old checkpoints could not be removed");
            }
        }
        Ok(())
    }

    /// Stores the engine's state to begin from next time. One that cannot be stored costs the next start time, nothing
    /// else.
    pub(super) async fn keep_state(&mut self) -> Result<(), LedgerError> {
        let (db, shard) = (self.of.shared.db.clone(), self.of.shared.shard);
        let (epoch, sequence) = (self.of.epoch, self.head.sequence);
        self.kept = self.head.position;
        let began = Instant::now();
        let (parts, coming) = state::channel();
        let encoding = self.aside(move |replica| {
            // Whoever stores has ended early: it says why.
            let _ = state::encode(&replica.engine, replica.proofs.values(), &parts);
        });
        let storing = state::store(&db, shard, epoch, sequence, coming);
        let (encoded, stored) = tokio::join!(encoding, storing);
        encoded?;
        match stored {
            Ok(true) => {
                let milliseconds = began.elapsed().as_millis();
                tracing::info!(sequence, milliseconds, "the state is stored");
                Ok(())
            }
            Ok(false) => Err(LedgerError::NotOwner),
            Err(error) => {
                tracing::warn!(%error, sequence, "the state could not be stored");
                Ok(())
            }
        }
    }

    pub(super) fn check_is_due(&self, caught_up: bool) -> bool {
        let asked = *self.of.shared.followed.asked().borrow() != self.answered;
        let first = caught_up && self.head.position > 0;
        let due = self
            .checked
            .map_or(first, |(position, next)| position != self.head.position && next <= Instant::now());
        asked || due
    }

    /// Looks at the invariants.
    pub(super) async fn check(&mut self) -> Result<Next, LedgerError> {
        let asked = *self.of.shared.followed.asked().borrow();
        let began = Instant::now();
        let checked = self.aside(|replica| replica.engine.check_invariants());
        let violations = checked.await?.err().unwrap_or_default();
        let took = began.elapsed();
        metrics::histogram!("bursar_ledger_invariants_seconds").record(took.as_secs_f64());
        let next = Instant::now() + CHECK_EVERY.max(took.saturating_mul(CHECK_SHARE));
        self.checked = Some((self.head.position, next));
        self.answered = asked;
        let followed = &self.of.shared.followed;
        let report =
            Report { position: self.head.position, time: self.of.shared.clock.now(), at: Instant::now() };
        if violations.is_empty() {
            followed.reported(report);
            return Ok(Next::Work);
        }
        followed.found(violations.into_iter().map(Finding::from).collect());
        followed.reported(report);
        Ok(Next::Halt)
    }
}
