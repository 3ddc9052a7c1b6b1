//! How far the follower is and what it found, for those who ask.

use std::sync::Arc;
use std::time::Duration;

use bursar_service::deadline::Deadline;
use bursar_types::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Finding;
use crate::error::LedgerError;

/// A look at the invariants that is not older answers a question about them.
const FRESH: Duration = Duration::from_secs(60);

/// How the invariants were when they were last looked at.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Position of the journal at which that was.
    pub(crate) position: i64,
    /// Moment, by the platform's clock.
    pub(crate) time: Timestamp,
    pub(super) at: Instant,
}

/// What the follower tells. It is the process's: another lease of the same process goes on with it.
#[derive(Debug)]
pub(crate) struct Followed {
    /// Positions in the newest signed checkpoint.
    signed: watch::Sender<i64>,
    /// Last position whose hashes and outcomes were found right.
    verified: watch::Sender<i64>,
    report: watch::Sender<Option<Report>>,
    findings: watch::Sender<Arc<[Finding]>>,
    /// How many wait for a checkpoint.
    waiting: watch::Sender<usize>,
    /// How often a look at the invariants was asked for.
    asked: watch::Sender<u64>,
}

impl Default for Followed {
    fn default() -> Self {
        Self {
            signed: watch::Sender::new(0),
            verified: watch::Sender::new(0),
            report: watch::Sender::new(None),
            findings: watch::Sender::new(Arc::from([])),
            waiting: watch::Sender::new(0),
            asked: watch::Sender::new(0),
        }
    }
}

/// Somebody who waits for a checkpoint, until dropped.
struct Waiting<'a>(&'a Followed);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Followed {
    /// A follower begins: what an earlier one found is its own to find again.
    pub(super) fn begin(&self) {
        self.findings.send_replace(Arc::from([]));
        self.report.send_replace(None);
        metrics::gauge!("bursar_ledger_follow_findings").set(0.0);
    }

    /// Tells, and logs once, what does not hold.
    pub(super) fn found(&self, findings: Vec<Finding>) {
        for finding in &findings {
            let Finding { invariant, detail } = finding;
            tracing::error!(invariant, finding = %detail, "the journal does not hold: nothing beyond it is signed");
        }
        self.findings.send_modify(|known| *known = known.iter().cloned().chain(findings).collect());
        metrics::gauge!("bursar_ledger_follow_findings").set(self.findings.borrow().len() as f64);
    }

    /// Tells how far the log is signed.
    pub(super) fn signed_to(&self, size: i64) {
        self.signed.send_replace(size);
        metrics::gauge!("bursar_ledger_merkle_size").set(size as f64);
    }

    /// Tells how far the journal is verified, of `reached` positions.
    pub(super) fn verified_to(&self, position: i64, reached: i64) {
        self.verified.send_replace(position);
        metrics::gauge!("bursar_ledger_verified_position").set(position as f64);
        metrics::gauge!("bursar_ledger_follow_lag").set(reached.saturating_sub(position).max(0) as f64);
    }

    /// Tells how the invariants are.
    pub(super) fn reported(&self, report: Report) {
        self.report.send_replace(Some(report));
    }

    /// How many wait for a checkpoint.
    pub(super) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// How often a look at the invariants was asked for.
    pub(super) fn asked(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// Last position whose hashes and outcomes were found right.
    pub(crate) fn verified(&self) -> i64 {
        *self.verified.borrow()
    }

    /// What does not hold.
    pub(crate) fn findings(&self) -> Arc<[Finding]> {
        Arc::clone(&self.findings.borrow())
    }

    /// Waits until a checkpoint of at least `size` positions is signed. Bound it with the ownership of the shard.
    ///
    /// # Errors
    /// [`LedgerError::NotYet`] if there is none by the call's deadline, [`LedgerError::Damaged`] if there will be none.
    pub(crate) async fn signed(&self, size: i64) -> Result<(), LedgerError> {
        self.waiting.send_modify(|count| *count += 1);
        let _waiting = Waiting(self);
        let (mut signed, mut findings) = (self.signed.subscribe(), self.findings.subscribe());
        let reached = async {
            // The senders live as long as self, so these cannot fail.
            tokio::select! {
                biased;
                _ = signed.wait_for(|signed| *signed >= size) => Ok(()),
                _ = findings.wait_for(|findings| !findings.is_empty()) => {
                    let verified = self.verified();
                    Err(LedgerError::Damaged(format!("the journal does not hold beyond position {verified}")))
                }
            }
        };
        let late = || LedgerError::NotYet { wanted: size, reached: *self.signed.borrow() };
        bounded(reached).await.map_err(|()| late())?
    }

    /// A look at the invariants that is not older than a minute, made now if there is none. Where something was found
    /// the last look there was, which may be none: nobody looks any more.
    ///
    /// # Errors
    /// [`LedgerError::DeadlineExceeded`] if there is none by the call's deadline.
    pub(crate) async fn report(&self) -> Result<Option<Report>, LedgerError> {
        let now = Instant::now();
        let fresh = |report: &Option<Report>| {
            report.as_ref().is_some_and(|report| now.saturating_duration_since(report.at) < FRESH)
        };
        let mut report = self.report.subscribe();
        if !fresh(&report.borrow()) {
            self.asked.send_modify(|count| *count = count.wrapping_add(1));
        }
        let (mut findings, last) = (self.findings.subscribe(), self.report.subscribe());
        let seen = async {
            // The senders live as long as self, so these cannot fail.
            tokio::select! {
                biased;
                found = report.wait_for(fresh) => found.ok().and_then(|report| report.clone()),
                // Who found something looks no more: what it last saw is what there is.
                _ = findings.wait_for(|findings| !findings.is_empty()) => last.borrow().clone(),
            }
        };
        bounded(seen).await.map_err(|()| LedgerError::DeadlineExceeded)
    }
}

/// Waits within the deadline of the call that is being served.
async fn bounded<F: Future>(work: F) -> Result<F::Output, ()> {
    match Deadline::current() {
        Some(deadline) => tokio::time::timeout_at(deadline.instant(), work).await.map_err(|_| ()),
        None => Ok(work.await),
    }
}
