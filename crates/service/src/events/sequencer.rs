//! The task that gives committed events their positions and wakes readers.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::EventLog;
use super::store::{self, SEQUENCE_BATCH_MAX};
use crate::db::{DbError, Dialect, Isolation};
use crate::supervisor::Backoff;
use crate::telemetry::metrics::EVENTS_HEAD;

/// Longest time an event that another process committed waits to be seen here.
const POLL: Duration = Duration::from_millis(100);
/// Longest wait after a failure.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), most: Duration::from_secs(2) };

impl EventLog {
    /// Sequences events until `shutdown`. Every process of a service runs it; a row lock lets one at a time do the
    /// work. It may be stopped or killed at any point: a turn takes place or does not.
    pub async fn run_sequencer(self, shutdown: CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            let wait = match self.turn().await {
                Ok(()) => {
                    failures = 0;
                    POLL
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the event sequencer will try again");
                    BACKOFF.wait(failures)
                }
            };
            tokio::select! {
                () = self.inner.published.notified(), if failures == 0 => {}
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Sequences all that is committed now.
    ///
    /// # Errors
    ///
    /// What the database refused; nothing is lost by it.
    pub async fn turn(&self) -> Result<(), DbError> {
        let look = store::look(&self.inner.db).await?;
        self.advance(look.head);
        // On SQLite the outbox is empty at the end of every transaction.
        if !look.waiting || self.inner.db.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        loop {
            let turn = self
                .inner
                .db
                .write_at(Isolation::Snapshot, |tx| Box::pin(store::sequence(tx, SEQUENCE_BATCH_MAX)))
                .await?;
            self.advance(turn.head);
            if turn.moved < SEQUENCE_BATCH_MAX.unsigned_abs() {
                return Ok(());
            }
        }
    }

    fn advance(&self, head: i64) {
        self.inner.head.send_if_modified(|known| {
            let moved = head > *known;
            *known = head.max(*known);
            moved
        });
        metrics::gauge!(EVENTS_HEAD, "service" => self.inner.service.clone()).set(head as f64);
    }
}
