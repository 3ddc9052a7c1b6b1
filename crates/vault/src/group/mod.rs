//! Work that is committed together: one transaction, and so one wait for the disk, for all that came while the one before
//! was under way. Nothing is answered before its audit record is durable.
//!
//! A part is taken up by one loop, in the order in which it came; under little load a group is a single one.

mod issue;
mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bursar_service::Supervisor;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(crate) use issue::IssueJob;
pub(crate) use verify::VerifyJob;

use crate::cases::Vault;
use crate::error::VaultError;

/// Jobs that may wait: with some thousands a second the last waits for seconds, longer than anybody would.
const WAITING_MAX: usize = 16_384;

/// Takes the outcome of a job.
pub(crate) type Done<T> = Box<dyn FnOnce(Result<T, VaultError>) + Send + Sync>;

/// Where jobs wait. Clones are the same queue.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    jobs: UnboundedSender<J>,
    waiting: Arc<AtomicUsize>,
}

impl<J> Clone for Queue<J> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

/// The other end of it.
#[derive(Debug)]
pub(crate) struct Inbox<J> {
    jobs: UnboundedReceiver<J>,
    waiting: Arc<AtomicUsize>,
    shutdown: CancellationToken,
}

impl<J> Queue<J> {
    fn new(shutdown: CancellationToken) -> (Self, Inbox<J>) {
        let (sender, receiver) = unbounded_channel();
        let waiting = Arc::<AtomicUsize>::default();
        let inbox = Inbox { jobs: receiver, waiting: Arc::clone(&waiting), shutdown };
        (Self { jobs: sender, waiting }, inbox)
    }

    /// Adds a job; gives it back if too many wait, or nobody takes them any more.
    pub(crate) fn put(&self, job: J) -> Result<(), Box<J>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Box::new(job));
        }
        self.jobs.send(job).map_err(|refused| Box::new(refused.0))
    }
}

impl<J> Inbox<J> {
    /// What waits, at least one and at most `most`; none when the process stops.
    async fn take(&mut self, most: usize) -> Vec<J> {
        let mut jobs = Vec::new();
        tokio::select! {
            biased;
            taken = self.jobs.recv_many(&mut jobs, most) => {
                self.waiting.fetch_sub(taken, Ordering::Relaxed);
            }
            () = self.shutdown.cancelled() => {}
        }
        jobs
    }
}

/// The queues of a vault.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    pub(crate) verify: Queue<VerifyJob>,
    pub(crate) issue: Queue<IssueJob>,
}

/// Their other ends.
#[derive(Debug)]
pub(crate) struct Inboxes {
    verify: Inbox<VerifyJob>,
    issue: Inbox<IssueJob>,
}

/// Queues, and what must be run for anything to come of them.
pub(crate) fn queues(shutdown: &CancellationToken) -> (Queues, Inboxes) {
    let (verify, verify_inbox) = Queue::new(shutdown.clone());
    let (issue, issue_inbox) = Queue::new(shutdown.clone());
    (Queues { verify, issue }, Inboxes { verify: verify_inbox, issue: issue_inbox })
}

impl Inboxes {
    /// Runs the loops that take jobs, until the process stops.
    pub(crate) fn run(self, vault: &Vault, supervisor: &Supervisor) {
        verify::run(vault, supervisor, self.verify);
        supervisor.spawn("issue", issue::run(vault.clone(), self.issue));
    }
}

/// Puts a job made with the place for its outcome into `queue`, and waits for it.
pub(crate) async fn done<J, T: Send + 'static>(
    queue: &Queue<J>,
    job: impl FnOnce(Done<T>) -> J,
) -> Result<T, VaultError> {
    let (sender, receiver) = oneshot::channel();
    // Who waited may be gone.
    let job = job(Box::new(move |outcome| drop(sender.send(outcome))));
    queue.put(job).map_err(|_| VaultError::Overloaded)?;
    receiver.await.map_err(|_| VaultError::Internal("the loop that commits"))?
}

/// Tells everyone of a group that it failed.
fn fail<T>(dones: impl IntoIterator<Item = Done<T>>, error: VaultError) {
    let error = Arc::new(error);
    for done in dones {
        done(Err(VaultError::Together(Arc::clone(&error))));
    }
}
