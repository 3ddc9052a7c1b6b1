//! A log that can be served, whatever keeps it: the chassis's tables, or the ledger's journal.

use bursar_proto::event::v1::Event;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::db::DbError;

/// What of a log can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The log's epoch: another one after a backup was restored.
    pub epoch: String,
    /// Last position that retention has removed; 0: none. A cursor below it cannot be served any more.
    pub pruned: i64,
    /// Last position; 0: the log is empty.
    pub head: i64,
}

/// A log that [`EventServer`](super::EventServer) serves. Positions are dense, from 1, in the order of commits; what
/// was given at a position once is given at it for ever.
pub trait EventSource: Send + Sync + 'static {
    /// What can be read now, from the durable truth.
    fn bounds(&self) -> BoxFuture<'_, Result<Bounds, DbError>>;

    /// The events after position `after`, in order, at most `limit` and fewer only if the log ends or its message
    /// would be too large: at least one if there is one.
    fn page(&self, after: i64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, DbError>>;

    /// The last position as far as this process knows, for waking readers; it may lag and never leads.
    fn head(&self) -> watch::Receiver<i64>;
}
