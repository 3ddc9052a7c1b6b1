//! The tasks of a process: every one has a name, a task that dies is seen, and a stop waits for all of them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Longest time [`Supervisor::stop`] waits for the tasks.
pub const STOP_MAX: Duration = Duration::from_secs(10);

/// A loop that ran at least so long without failing starts over with the shortest back-off.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// The wait between two runs of a failing loop: from `first`, doubled each time, to `most`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Wait after the first failure.
    pub first: Duration,
    /// Longest wait.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 for the first).
    pub fn wait(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

/// Starts, watches and stops the tasks of a process. Clones are the same supervisor.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tasks: TaskTracker,
    /// Told to the tasks: end now.
    shutdown: CancellationToken,
    /// Told to the process: a task died, so must you. Crash is the only error path.
    fatal: CancellationToken,
}

impl Supervisor {
    /// A supervisor without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process stops: long-running tasks end when they see it.
    pub fn shutdown(&self) -> CancellationToken {
        self.inner.shutdown.clone()
    }

    /// Ends when a task died that should not have: the process must stop.
    pub async fn failed(&self) {
        self.inner.fatal.cancelled().await;
    }

    /// Whether a task died that should not have.
    pub fn has_failed(&self) -> bool {
        self.inner.fatal.is_cancelled()
    }

    /// Runs `work` for the life of the process. If it ends (or panics) before the stop, that is an error of ours
    /// and stops the process.
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let watched = async move {
            let ended = Guarded { inner: Arc::clone(&inner), name, done: false };
            work.await;
            ended.finish();
        };
        self.inner.tasks.spawn(watched.instrument(tracing::info_span!("task", name)));
    }

    /// Runs `work` once, in the background; it may end at any time. A panic stops the process.
    pub fn spawn_once<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let watched = async move {
            let mut ended = Guarded { inner, name, done: false };
            work.await;
            ended.done = true;
        };
        self.inner.tasks.spawn(watched.instrument(tracing::info_span!("task", name)));
    }

    /// Runs what `make` gives again and again until the stop: at once after `Ok`, after a growing wait after `Err`,
    /// which is logged at warn.
    pub fn spawn_loop<M, F, E>(&self, name: &'static str, backoff: Backoff, mut make: M)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let shutdown = self.shutdown();
        self.spawn(name, async move {
            let mut failures: u32 = 0;
            while !shutdown.is_cancelled() {
                let began = tokio::time::Instant::now();
                let outcome = tokio::select! {
                    outcome = make() => outcome,
                    () = shutdown.cancelled() => return,
                };
                let Err(error) = outcome else {
                    failures = 0;
                    // A loop that has nothing to wait for must not starve the others.
                    tokio::task::yield_now().await;
                    continue;
                };
                failures = if began.elapsed() >= HEALTHY_AFTER { 1 } else { failures.saturating_add(1) };
                let wait = backoff.wait(failures);
                tracing::warn!(%error, failures, wait_ms = wait.as_millis(), "will try again");
                let _ = tokio::time::timeout(wait, shutdown.cancelled()).await;
            }
        });
    }

    /// Tells the tasks to end and waits for them, at most [`STOP_MAX`]. Returns whether all ended.
    pub async fn stop(&self) -> bool {
        self.stop_within(STOP_MAX).await
    }

    /// As [`Supervisor::stop`], with another bound.
    pub async fn stop_within(&self, bound: Duration) -> bool {
        self.inner.shutdown.cancel();
        self.inner.tasks.close();
        let ended = tokio::time::timeout(bound, self.inner.tasks.wait()).await.is_ok();
        if !ended {
            tracing::warn!(tasks = self.inner.tasks.len(), "tasks did not end in time and are left behind");
        }
        ended
    }
}

/// Sees a task end, by return, panic or abort.
struct Guarded {
    inner: Arc<Inner>,
    name: &'static str,
    done: bool,
}

impl Guarded {
    fn finish(self) {
        drop(self);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.done && !self.inner.shutdown.is_cancelled() {
            tracing::error!(task = self.name, "a task that must run as long as the process has ended");
            self.inner.fatal.cancel();
        }
    }
}
