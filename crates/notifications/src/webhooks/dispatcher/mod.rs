//! The engine that delivers webhooks.
//!
//! The table of deliveries is the queue and the truth; in memory there are a page of it a [lane](super::lanes), what is
//! under way, and what is being written down. One process at a time delivers: it holds a lease and renews it, so that
//! taking a delivery writes nothing. If it dies, another goes on when the lease ends, with what was not written down,
//! under the same `webhook-id`. What came of attempts is written down in batches: while one is on its way to the disk
//! the next gathers.

mod attempt;
mod record;
mod work;

use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::events::EventLog;
use bursar_types::{Clock, Entropy, IdSource};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::client::HttpClient;
use super::wake::Wake;
use crate::store::dispatch;
use work::Work;

/// How long the lease lasts unless it is renewed: the pause in deliveries after a crash.
const LEASE: Duration = Duration::from_secs(5);
/// How often it is renewed, and how often others ask for it.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// How much is done at once, and for how long failures are borne.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Attempts under way in all.
    pub total: usize,
    /// Attempts under way to one endpoint.
    pub per_endpoint: usize,
    /// Longest time of an attempt.
    pub attempt: Duration,
    /// How long nothing but failures comes from an endpoint before it is disabled.
    pub disable_after: Duration,
}

/// What the dispatcher works with.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    /// The database.
    pub db: Db,
    /// The event log.
    pub events: EventLog,
    /// The endpoints.
    pub book: Arc<Book>,
    /// The platform's time: when deliveries are due.
    pub clock: Arc<dyn Clock>,
    /// The machine's time: of leases, and for `webhook-timestamp`, which receivers compare with theirs.
    pub machine_clock: Arc<dyn Clock>,
    /// Randomness, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Fresh ids.
    pub ids: IdSource,
    /// The client.
    pub client: HttpClient,
    /// How much is done at once.
    pub caps: Caps,
    /// Told when something new is due.
    pub wake: Arc<Wake>,
}

impl Dispatcher {
    /// Delivers until `shutdown`, whenever no other process does; then waits a moment for what is under way.
    pub async fn run(self, shutdown: CancellationToken) {
        let (dispatcher, owner) = (Arc::new(self), self_id());
        let owner = format!("{owner}-{}", dispatcher.ids.next_uuid());
        while !shutdown.is_cancelled() {
            match dispatcher.lease(&owner).await {
                Ok(Some(until)) => {
                    dispatcher.book.forget();
                    Work::new(Arc::clone(&dispatcher), owner.clone(), until).run(&shutdown).await;
                    if let Err(error) = dispatcher.release(&owner).await {
                        tracing::debug!(%error, "the lease on webhooks ends by itself");
                    }
                    continue;
                }
                Ok(None) => tracing::debug!("another process delivers webhooks"),
                Err(error) => tracing::warn!(%error, "webhooks wait for the database"),
            }
            let _ = tokio::time::timeout(RENEW_EVERY, shutdown.cancelled()).await;
        }
    }

    /// Takes or renews the lease: until when it holds, or none if another process has it.
    async fn lease(&self, owner: &str) -> Result<Option<Instant>, DbError> {
        let (now, until) = (self.machine_clock.now(), Instant::now() + LEASE);
        let taken = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(dispatch::acquire(tx, owner, now, now.plus(LEASE)))
            })
            .await?;
        Ok(taken.then_some(until))
    }

    async fn release(&self, owner: &str) -> Result<(), DbError> {
        self.db.write_at(Isolation::ReadCommitted, |tx| Box::pin(dispatch::release(tx, owner))).await
    }
}

fn self_id() -> u32 {
    std::process::id()
}
