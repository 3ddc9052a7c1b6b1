//! What a log forgets: events past their time that every registered reader has. A reader that stays away is waited for,
//! and passed in the end, never without a word: its cursor is refused, and this process raises it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::EventLog;
use super::store::{self, Pruned};
use crate::config::EventsConfig;
use crate::db::{DbError, Isolation};
use crate::telemetry::metrics::{EVENTS_PRUNED, READER_PASSED};

/// How often it is looked for what may go.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For everybody.
    pub keep: Duration,
    /// For a registered reader that has not taken them; longer than `keep`.
    pub hold: Duration,
}

impl From<&EventsConfig> for Retention {
    fn from(config: &EventsConfig) -> Self {
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
        Self { keep: hours(config.keep_hours), hold: hours(config.hold_hours) }
    }
}

impl EventLog {
    /// Forgets what may go, from time to time, until `shutdown`. It may be killed at any point: a step takes place or
    /// does not.
    pub async fn run_retention(self, retention: Retention, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.prune(retention).await {
                tracing::warn!(%error, "events past their time are kept a while longer");
            }
            let _ = tokio::time::timeout(LOOK_EVERY, shutdown.cancelled()).await;
        }
    }

    /// Forgets what may go now. Up to which position everything is forgotten.
    ///
    /// # Errors
    ///
    /// What the database refused. What was forgotten by then stays forgotten.
    pub async fn prune(&self, retention: Retention) -> Result<i64, DbError> {
        let now = self.inner.clock.now();
        let (old, late) = (now.minus(retention.keep), now.minus(retention.hold.max(retention.keep)));
        loop {
            // The head's row keeps two processes from doing the same at once.
            let step = self
                .inner
                .db
                .write_at(Isolation::ReadCommitted, |tx| Box::pin(store::prune(tx, old, late)))
                .await?;
            let Pruned { to, events, passed } = step;
            for reader in passed {
                tracing::error!(
                    consumer = reader.name,
                    position = reader.position,
                    pruned = to,
                    "a registered reader stayed away for too long: events that it has not taken are gone"
                );
                metrics::counter!(
                    READER_PASSED, "service" => self.inner.service.clone(), "consumer" => reader.name
                )
                .increment(1);
            }
            if events == 0 {
                return Ok(to);
            }
            metrics::counter!(EVENTS_PRUNED, "service" => self.inner.service.clone()).increment(events);
        }
    }
}
