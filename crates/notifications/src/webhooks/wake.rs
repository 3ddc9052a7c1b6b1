//! How the dispatcher learns that something is due, without looking at every endpoint.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bursar_types::id::WebhookEndpointId;
use tokio::sync::Notify;

/// A hint, never the truth: the dispatcher looks at the table by itself as well.
#[derive(Debug, Default)]
pub struct Wake {
    notify: Notify,
    touched: Mutex<Touched>,
}

/// Where something may be due.
#[derive(Debug, Default)]
pub struct Touched {
    /// At these endpoints.
    pub endpoints: HashSet<WebhookEndpointId>,
    /// Anywhere.
    pub all: bool,
}

impl Wake {
    /// Something is due at these endpoints.
    pub fn touch(&self, endpoints: impl IntoIterator<Item = WebhookEndpointId>) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).endpoints.extend(endpoints);
        self.notify.notify_one();
    }

    /// Anything may be due: the clock was moved, or endpoints changed.
    pub fn look(&self) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).all = true;
        self.notify.notify_one();
    }

    /// Waits for a hint.
    pub async fn notified(&self) {
        self.notify.notified().await;
    }

    /// What was said since the last time.
    pub fn take(&self) -> Touched {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
