//! What happened, told to others: the event log of a service, its server, and the consumer of another's.
//!
//! An event is published in the transaction that makes it true and is in the log if and only if that transaction
//! took place. Positions are dense, from 1, and assigned in the order of commits; readers see positions only, so
//! none can be skipped. How: [`publish`](EventLog::publish) keeps events aside, and the end of the transaction writes
//! them to an outbox in one statement, as the last thing before the commit, when the transaction has seen all that it
//! will see and holds all its locks. So if one transaction can know of another's effect, the other's outbox number is
//! lower. The sequencer, one per database at a time by a row lock, moves what is visible to the log, by outbox
//! number, and gives positions; what it does not see yet cannot be known to anything it does see. On SQLite, with one
//! writer at a time, that takes place in the publishing transaction itself.
//!
//! The order holds with a sequence that hands out numbers one by one (PostgreSQL's default, `CACHE 1`).

mod consumer;
mod desk;
mod error;
mod filter;
mod registry;
mod retention;
mod sequencer;
mod server;
mod source;
pub(crate) mod store;
mod subscription;

use std::fmt;
use std::sync::Arc;

use bursar_proto::event::v1::Event;
use bursar_types::id::EventId;
use bursar_types::{Clock, IdSource, Timestamp};
use futures::future::BoxFuture;
use prost::{Message, Name};
use tokio::sync::{Notify, watch};

use crate::db::{Db, DbError, Tx};
use crate::telemetry::trace::current_traceparent;

pub use consumer::{Consumer, EventFeed, ParkedEvent, Replayed};
pub use desk::ParkedDesk;
pub use error::EventError;
pub use retention::Retention;
pub use server::EventServer;
pub use source::{Bounds, EventSource};
pub(crate) use store::flush;
use subscription::HEARTBEAT;

/// Largest payload of an event in bytes: a batch of them must fit a message, and an event names things rather than
/// holding them.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
/// Longest subject: a typed id takes 32.
pub const SUBJECT_LENGTH_MAX: usize = 200;

/// What a service wants to tell.
#[derive(Clone, Debug)]
pub struct NewEvent {
    event_type: &'static str,
    subject: String,
    type_url: String,
    data: Vec<u8>,
}

impl NewEvent {
    /// `event_type` happened to `subject` (the text of its id); `data` is the event's own message.
    pub fn new<M: Message + Name>(event_type: &'static str, subject: impl fmt::Display, data: &M) -> Self {
        Self {
            event_type,
            subject: subject.to_string(),
            type_url: format!("type.googleapis.com/{}", M::full_name()),
            data: data.encode_to_vec(),
        }
    }
}

/// An event of a transaction that has not come to its end.
#[derive(Debug)]
pub(crate) struct PendingEvent {
    pub(crate) id: EventId,
    pub(crate) event: NewEvent,
    pub(crate) occurred_at: Timestamp,
    pub(crate) traceparent: String,
}

/// A service's event log, in its own database. Clones are the same log.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    service: String,
    /// CloudEvents source: `bursar/identity`.
    source: String,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    /// Tells the sequencer that a transaction with events was committed here.
    published: Notify,
    /// The log's last position, as far as this process knows.
    head: watch::Sender<i64>,
}

impl EventLog {
    /// Opens the log of `service` (`identity`, `vault`, …) in `db`, whose migrations have run. A log that is opened for
    /// the first time gets an epoch from `ids`.
    ///
    /// # Errors
    ///
    /// What the database refused.
    pub async fn open(db: Db, service: &str, clock: Arc<dyn Clock>, ids: IdSource) -> Result<Self, DbError> {
        let epoch = ids.next_uuid().to_string();
        let head = store::open(&db, &epoch).await?.head;
        let inner = Inner {
            db,
            service: service.to_owned(),
            source: format!("bursar/{service}"),
            clock,
            ids,
            published: Notify::new(),
            head: watch::Sender::new(head),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Publishes an event as part of `tx`: it exists if and only if `tx` is committed. Costs no round trip here and
    /// one for all events at the end of the transaction.
    ///
    /// # Errors
    ///
    /// [`DbError::Event`] for an event that is too large; nothing is published then.
    pub fn publish(&self, tx: &mut Tx<'_>, event: NewEvent) -> Result<EventId, DbError> {
        if event.data.len() > EVENT_BYTES_MAX || event.subject.len() > SUBJECT_LENGTH_MAX {
            let what =
                format!("an event of {} bytes about a subject of {}", event.data.len(), event.subject.len());
            return Err(DbError::Event { event_type: event.event_type, what });
        }
        let id: EventId = self.inner.ids.next();
        if tx.events.is_empty() {
            let log = Arc::clone(&self.inner);
            tx.after_commit(move || log.published.notify_one());
        }
        tx.events.push(PendingEvent {
            id,
            event,
            occurred_at: self.inner.clock.now(),
            traceparent: current_traceparent(),
        });
        Ok(id)
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").field("source", &self.inner.source).finish_non_exhaustive()
    }
}

impl EventSource for EventLog {
    fn bounds(&self) -> BoxFuture<'_, Result<Bounds, DbError>> {
        Box::pin(store::bounds(&self.inner.db))
    }

    fn page(&self, after: i64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, DbError>> {
        Box::pin(store::page(&self.inner.db, &self.inner.source, after, limit))
    }

    fn head(&self) -> watch::Receiver<i64> {
        self.inner.head.subscribe()
    }
}
