//! The deadline of the call that is being served: a task-local, bounded by what the caller gave, inherited by every
//! call made and every transaction begun on its behalf.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Deadline;
}

/// The moment by which an answer must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The deadline of the call this task serves; `None` outside a call, and in calls that have none (streams
    /// whose caller set none).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// What remains; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The moment, for `tokio::time::timeout_at`.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// Runs `work` under this deadline: [`Deadline::current`] inside it tells this one. The work is not stopped at
    /// the deadline; use [`Deadline::bound`] for that.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Runs `work` under this deadline and drops it when the deadline passes.
    ///
    /// # Errors
    /// [`Expired`] if the work was dropped.
    pub async fn bound<F: Future>(self, work: F) -> Result<F::Output, Expired> {
        tokio::time::timeout_at(self.0, self.scope(work)).await.map_err(|_| Expired)
    }
}

/// The deadline passed before the answer was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed before the answer was known; nothing half done remains")]
pub struct Expired;

impl bursar_types::Failure for Expired {
    fn reason(&self) -> bursar_types::Reason {
        bursar_types::Reason::DeadlineExceeded
    }
}
