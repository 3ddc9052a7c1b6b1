//! A reader of another service's log that stores effect and cursor in one transaction: at least once on the wire,
//! exactly once in effect.

mod apply;
mod parked;
mod session;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_proto::event::v1::{Event, SubscribeRequest, SubscribeResponse};
use bursar_types::{Clock, Failure};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{self, StdError};
use tonic::{Response, Status, Streaming};

use crate::db::{Db, DbError, Tx};
use crate::supervisor::Backoff;

pub use parked::{ParkedEvent, Replayed};

/// Tries of an event that cannot be applied, before it is parked.
const TRIES_MAX: u32 = 8;
/// Waits between tries, and between connections.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) };

/// A reader of another service's log.
///
/// Each event is applied in its turn, in a transaction with the cursor: as many of a batch at once as come together,
/// one by one if one of them fails. An event that fails for a reason that may pass (a database or peer that is away)
/// is tried until it succeeds, and holds up all after it. One that fails for itself is tried a few times and then
/// parked, with all later events of its subject, so that the order within the subject holds; parked events raise an
/// alarm and can be replayed.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: String,
    source: String,
    types: Vec<String>,
    tries_max: u32,
    backoff: Backoff,
}

impl Consumer {
    /// The reader `name` (as it is registered: the name of its service, or that and `-more`) of the log of `source`
    /// (`identity`, `vault`, …).
    pub fn new(name: impl Into<String>, source: impl fmt::Display) -> Self {
        Self {
            name: name.into(),
            source: source.to_string(),
            types: Vec::new(),
            tries_max: TRIES_MAX,
            backoff: BACKOFF,
        }
    }

    /// Whether it is the one of this name and source.
    pub(super) fn is(&self, name: &str, source: &str) -> bool {
        self.name == name && self.source == source
    }

    /// Takes only these types; `ledger.payment.*` stands for all that start so.
    #[must_use]
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Tries an event that cannot be applied so often before it is parked, with these waits between.
    #[must_use]
    pub fn tries(mut self, tries_max: u32, backoff: Backoff) -> Self {
        self.tries_max = tries_max.max(1);
        self.backoff = backoff;
        self
    }

    /// Consumes until `shutdown`, through outages of both sides. `handler` applies one event in the transaction it is
    /// given, and does nothing that the transaction does not roll back:
    ///
    /// ```ignore
    /// move |tx, event| { let rules = Arc::clone(&rules); Box::pin(async move { rules.apply(tx, event).await }) }
    /// ```
    ///
    /// It may be killed at any point. Two that run at once under one name do not apply an event twice.
    pub async fn run<H, E>(
        self,
        db: Db,
        source: impl EventFeed,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
        handler: H,
    ) where
        H: for<'t, 'env> Fn(&'t mut Tx<'env>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
        E: Failure + From<DbError> + Send + 'static,
    {
        let work = session::run(&self, &db, &source, &*clock, &handler);
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Events of this reader that could not be applied, after position `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// What the database refused.
    pub async fn parked(&self, db: &Db, after: i64, limit: i64) -> Result<Vec<ParkedEvent>, DbError> {
        parked::list(self, db, after, limit).await
    }

    /// Applies the parked events again, in order; those of a subject whose first fails again stay.
    ///
    /// # Errors
    ///
    /// What the database refused. What was applied by then stays applied.
    pub async fn replay<H, E>(&self, db: &Db, handler: H) -> Result<Replayed, DbError>
    where
        H: for<'t, 'env> Fn(&'t mut Tx<'env>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
        E: Failure + From<DbError> + Send + 'static,
    {
        parked::replay(self, db, &handler).await
    }
}

/// Where a subscription comes from: a generated client over [`PeerChannel`](crate::client::PeerChannel) or any other
/// channel.
pub trait EventFeed: Send + Sync {
    /// Subscribes with these requests.
    fn subscribe(
        &self,
        requests: ReceiverStream<SubscribeRequest>,
    ) -> BoxFuture<'_, Result<Streaming<SubscribeResponse>, Status>>;
}

impl<C> EventFeed for EventServiceClient<C>
where
    C: GrpcService<Body> + Clone + Send + Sync + 'static,
    C::Future: Send,
    C::Error: Into<StdError>,
    C::ResponseBody: codegen::Body<Data = Bytes> + Send + 'static,
    <C::ResponseBody as codegen::Body>::Error: Into<StdError> + Send,
{
    fn subscribe(
        &self,
        requests: ReceiverStream<SubscribeRequest>,
    ) -> BoxFuture<'_, Result<Streaming<SubscribeResponse>, Status>> {
        let mut client = self.clone();
        Box::pin(async move { Self::subscribe(&mut client, requests).await.map(Response::into_inner) })
    }
}
