//! `bursar.event.v1.EventService` over any [`EventSource`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::event::v1::event_service_server::{EventService, EventServiceServer};
use bursar_proto::event::v1::{
    Cursor, FetchRequest, FetchResponse, ListConsumersRequest, ListConsumersResponse,
    ListParkedEventsRequest, ListParkedEventsResponse, ReplayParkedEventsRequest, ReplayParkedEventsResponse,
    SubscribeRequest, SubscribeResponse,
};
use bursar_types::Clock;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::desk::ParkedDesk;
use super::filter::Filter;
use super::registry::Registry;
use super::{Bounds, EventError, EventSource, subscription};
use crate::context::CallContext;
use crate::db::Db;
use crate::error::OrStatus as _;
use crate::parse;
use crate::supervisor::Supervisor;
use crate::telemetry::metrics::READER_LAG;

/// Events of one page if the reader does not say.
const FETCH_DEFAULT: usize = 100;
/// How often it is told how far behind registered readers are.
const WATCH_EVERY: Duration = Duration::from_secs(10);
/// Most events of one page.
const FETCH_MAX: usize = 1000;

/// Serves a log. Readers cannot slow the producer: each has its own task that reads in pages as it gets credit.
#[derive(Clone)]
pub struct EventServer {
    pub(super) source: Arc<dyn EventSource>,
    pub(super) registry: Registry,
    pub(super) supervisor: Supervisor,
    pub(super) draining: CancellationToken,
    parked: ParkedDesk,
}

impl EventServer {
    /// Serves `source`; registered readers are kept in `db`. Subscriptions end when `draining` is cancelled. What this
    /// service's own consumers have parked is looked after at the desk `parked`.
    pub fn new(
        source: Arc<dyn EventSource>,
        db: Db,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
        draining: CancellationToken,
        parked: ParkedDesk,
    ) -> Self {
        Self { source, registry: Registry::new(db, clock), supervisor, draining, parked }
    }

    /// Tells how far behind each registered reader is, from time to time, until `shutdown`.
    pub async fn watch_readers(self, shutdown: CancellationToken) {
        while tokio::time::timeout(WATCH_EVERY, shutdown.cancelled()).await.is_err() {
            if let Err(error) = self.tell_lag().await {
                tracing::debug!(%error, "how far behind readers are is not known");
            }
        }
    }

    async fn tell_lag(&self) -> Result<(), EventError> {
        let head = self.source.bounds().await?.head;
        let request = ListConsumersRequest { page_size: 1000, page_token: String::new() };
        let readers = self.registry.list(&request, head).await?.consumers;
        for reader in readers {
            metrics::gauge!(READER_LAG, "consumer" => reader.name).set(reader.lag as f64);
        }
        Ok(())
    }

    /// As a gRPC service to be mounted.
    pub fn into_service(self) -> EventServiceServer<Self> {
        EventServiceServer::new(self)
    }

    async fn fetch_page(&self, request: FetchRequest) -> Result<FetchResponse, EventError> {
        let filter = Filter::parse("types", &request.types)?;
        let size = match usize::try_from(request.page_size).unwrap_or(usize::MAX) {
            0 => FETCH_DEFAULT,
            size @ 1..=FETCH_MAX => size,
            _ => {
                let what = format!("1 to {FETCH_MAX}, or 0 for {FETCH_DEFAULT}");
                return Err(EventError::Field { field: "page_size", what });
            }
        };
        let bounds = self.source.bounds().await?;
        let after = check_cursor(request.cursor.as_ref(), &bounds, "cursor")?;
        let mut events = self.source.page(after, size).await?;
        let position = events.last().map_or(after, |event| event.position);
        events.retain(|event| filter.passes(&event.r#type));
        let head_position = bounds.head.max(position);
        Ok(FetchResponse { events, cursor: Some(Cursor { epoch: bounds.epoch, position }), head_position })
    }
}

impl fmt::Debug for EventServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventServer")
    }
}

/// The position a cursor stands at, if this log can go on from there.
pub(super) fn check_cursor(
    cursor: Option<&Cursor>,
    bounds: &Bounds,
    field: &'static str,
) -> Result<i64, EventError> {
    let Some(cursor) = cursor else { return check_start(0, bounds) };
    if cursor.position < 0 {
        return Err(EventError::Field { field, what: "position must be 0 or more".into() });
    }
    if cursor.epoch.is_empty() && cursor.position > 0 {
        let what = "a position is of use only with the epoch that came with it".into();
        return Err(EventError::Field { field, what });
    }
    // A reader that knows of events which this log does not hold is the witness of a rollback. An epoch with nothing
    // read of it witnesses nothing.
    let foreign = !cursor.epoch.is_empty() && cursor.epoch != bounds.epoch && cursor.position > 0;
    if foreign || cursor.position > bounds.head {
        tracing::error!(
            cursor.epoch,
            cursor.position,
            log.epoch = bounds.epoch,
            log.head = bounds.head,
            "a reader knows of events that this log does not hold: it was rolled back"
        );
        return Err(EventError::CursorBeyondLog(bounds.clone()));
    }
    check_start(cursor.position, bounds)
}

fn check_start(position: i64, bounds: &Bounds) -> Result<i64, EventError> {
    if position < bounds.pruned {
        return Err(EventError::CursorTooOld(bounds.clone()));
    }
    Ok(position)
}

#[tonic::async_trait]
impl EventService for EventServer {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = request.extensions().get::<CallContext>().map(|context| context.caller);
        let mut messages = request.into_inner();
        let start = subscription::Start::read(&mut messages, caller).await?;
        let opened = subscription::open(self, start).await.or_status()?;
        // A few responses under way and one being made: what a slow reader costs us.
        let (responses, stream) = mpsc::channel(3);
        self.supervisor.spawn_once("event subscription", opened.serve(messages, responses));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        self.fetch_page(request.into_inner()).await.or_status().map(Response::new)
    }

    async fn list_parked_events(
        &self,
        request: Request<ListParkedEventsRequest>,
    ) -> Result<Response<ListParkedEventsResponse>, Status> {
        self.parked.list(self.registry.db(), request.get_ref()).await.or_status().map(Response::new)
    }

    async fn replay_parked_events(
        &self,
        request: Request<ReplayParkedEventsRequest>,
    ) -> Result<Response<ReplayParkedEventsResponse>, Status> {
        let body = request.get_ref();
        parse::request_id(&body.request_id)?;
        // No word is kept of it: to replay what was replayed does nothing.
        let done = self.parked.replay(&body.consumer, &body.source).await.or_status()?;
        Ok(Response::new(ReplayParkedEventsResponse {
            applied: i64::try_from(done.applied).unwrap_or(i64::MAX),
            left: i64::try_from(done.left).unwrap_or(i64::MAX),
        }))
    }

    async fn list_consumers(
        &self,
        request: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        let bounds = self.source.bounds().await.or_status()?;
        self.registry.list(request.get_ref(), bounds.head).await.or_status().map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_knows_more_than_the_log_is_refused() {
        let bounds = Bounds { epoch: "e".into(), pruned: 10, head: 20 };
        let at = |epoch: &str, position| {
            check_cursor(Some(&Cursor { epoch: epoch.into(), position }), &bounds, "cursor")
        };
        assert_eq!(at("e", 10).unwrap(), 10);
        assert_eq!(at("e", 20).unwrap(), 20);
        assert!(matches!(at("e", 21), Err(EventError::CursorBeyondLog(_))));
        assert!(matches!(at("other", 15), Err(EventError::CursorBeyondLog(_))));
        assert!(matches!(at("e", 9), Err(EventError::CursorTooOld(_))));
        assert!(matches!(at("", 0), Err(EventError::CursorTooOld(_))));
        assert!(matches!(at("", 15), Err(EventError::Field { .. })));
        assert!(matches!(at("e", -1), Err(EventError::Field { .. })));
        assert!(matches!(check_cursor(None, &bounds, "cursor"), Err(EventError::CursorTooOld(_))));
    }
}
