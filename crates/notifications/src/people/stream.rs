//! Inboxes as they grow, for who watches.

use std::time::Duration;

use bursar_types::id::CustomerId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use super::inbox::InboxItem;
use crate::core::Core;
use crate::error::NotificationsError;

/// Messages of one answer.
const BATCH_MAX: i64 = 100;
/// Silence after which a heartbeat is sent (the contract says 10 s).
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Longest wait for a message that another process stored.
const POLL: Duration = Duration::from_secs(5);
/// Arrivals that a watcher may be behind with before it looks without being told whose they are.
const ARRIVALS_MAX: usize = 1_024;

/// Tells whose inbox grew, in this process. A hint, never the truth.
#[derive(Debug)]
pub struct Hub {
    arrivals: broadcast::Sender<CustomerId>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { arrivals: broadcast::Sender::new(ARRIVALS_MAX) }
    }
}

impl Hub {
    /// The inbox of this customer grew.
    pub fn arrived(&self, customer_id: CustomerId) {
        // Nobody may be watching.
        let _ = self.arrivals.send(customer_id);
    }
}

/// A watch over one inbox.
pub struct InboxWatch {
    core: Core,
    customer_id: CustomerId,
    /// Number of the last message that was given.
    after: i64,
    arrivals: broadcast::Receiver<CustomerId>,
    heartbeat: Instant,
}

impl Core {
    /// Watches the customer's inbox from after the message `after` on.
    pub fn watch_inbox(&self, customer_id: CustomerId, after: i64) -> InboxWatch {
        let arrivals = self.hub.arrivals.subscribe();
        let heartbeat = Instant::now();
        InboxWatch { core: self.clone(), customer_id, after, arrivals, heartbeat }
    }
}

impl InboxWatch {
    /// What came, in order, and how many are not read; nothing in a heartbeat.
    ///
    /// # Errors
    /// [`NotificationsError`] if the database refuses. The watch goes on if it is asked again.
    pub async fn next(&mut self) -> Result<(Vec<InboxItem>, i64), NotificationsError> {
        loop {
            let (items, unread) = self.core.inbox_after(self.customer_id, self.after, BATCH_MAX).await?;
            if let Some(last) = items.last() {
                self.after = last.number;
            }
            let now = Instant::now();
            if !items.is_empty() || now >= self.heartbeat {
                self.heartbeat = now + HEARTBEAT;
                return Ok((items, unread));
            }
            self.wait(now + POLL).await;
        }
    }

    /// Waits until something may have come. What arrives during a look is in the channel, and ends the wait after it.
    async fn wait(&mut self, until: Instant) {
        loop {
            match tokio::time::timeout_at(until, self.arrivals.recv()).await {
                Ok(Ok(customer_id)) if customer_id != self.customer_id => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => return,
                Ok(Err(RecvError::Closed)) => return tokio::time::sleep_until(until).await,
            }
        }
    }
}

impl std::fmt::Debug for InboxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxWatch").field("customer_id", &self.customer_id).finish_non_exhaustive()
    }
}
