//! One reader's subscription: pages of the log as far as its credit goes, heartbeats in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::subscribe_request::Message as Said;
use bursar_proto::event::v1::{Cursor, Event, SubscribeCredit, SubscribeRequest, SubscribeResponse};
use bursar_types::{Failure as _, Reason};
use futures::StreamExt as _;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::EventError;
use super::filter::Filter;
use super::registry::Registry;
use super::server::{EventServer, check_cursor};
use super::source::EventSource;
use crate::db::DbError;
use crate::error;

/// Longest wait for a reader's first message.
const START_MAX: Duration = Duration::from_secs(10);
/// Silence after which a heartbeat is sent (the contract says 10 s).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Longest time a reader is not told of events that its filter left out.
const FILTERED: Duration = Duration::from_millis(100);
/// Most events of one batch.
const BATCH_EVENTS_MAX: usize = 256;
/// Events that are read from the log at once: a transaction each, while the page before is on its way to the reader.
const PAGE_EVENTS_MAX: usize = 1024;
/// Bytes of a page above which the next is no larger than a batch: two pages are what a subscription takes of memory.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A batch is cut once it holds so many bytes: far below what a gRPC message may have.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Credit if the reader does not say.
const CREDIT_DEFAULT: u64 = 1000;
/// Most credit that can pile up.
const CREDIT_MAX: u64 = 10_000;
/// A registered reader's position is written at most so often: it only holds retention back.
const REGISTER_EVERY: Duration = Duration::from_secs(1);
/// Waits of a subscription whose database is away: it goes on when that is back.
const RETRY: Duration = Duration::from_millis(500);

/// What a reader said first.
pub(super) struct Start {
    cursor: Option<Cursor>,
    filter: Filter,
    consumer: String,
    credit: u64,
}

impl Start {
    pub(super) async fn read(
        messages: &mut Streaming<SubscribeRequest>,
        caller: Option<Identity>,
    ) -> Result<Self, Status> {
        let first = tokio::time::timeout(START_MAX, messages.message()).await;
        let message = match first {
            Ok(received) => received?.and_then(|request| request.message),
            Err(_) => None,
        };
        let Some(Said::Start(start)) = message else {
            let what = "the first message must be `start`".to_owned();
            return Err(error::status(&EventError::Field { field: "message", what }));
        };
        let credit = u64::from(start.initial_credit);
        Self::check(&start.consumer, caller, credit)
            .and_then(|()| Filter::parse("start.types", &start.types))
            .map(|filter| Self {
                cursor: start.cursor,
                filter,
                consumer: start.consumer,
                credit: if credit == 0 { CREDIT_DEFAULT } else { credit },
            })
            .map_err(|refused| error::status(&refused))
    }

    fn check(consumer: &str, caller: Option<Identity>, credit: u64) -> Result<(), EventError> {
        Registry::check_name(consumer)?;
        // A name holds retention back and lets it go on: it belongs to the certificate it begins with.
        let own = caller.is_none_or(|caller| {
            consumer.is_empty()
                || caller == Identity::Operator
                || consumer == caller.name()
                || consumer.strip_prefix(caller.name()).is_some_and(|rest| rest.starts_with('-'))
        });
        if !own {
            let what = "must be the caller's own name, or begin with it and `-`".to_owned();
            return Err(EventError::Field { field: "start.consumer", what });
        }
        if credit > CREDIT_MAX {
            let what = format!("1 to {CREDIT_MAX}, or 0 for {CREDIT_DEFAULT}");
            return Err(EventError::Field { field: "start.initial_credit", what });
        }
        Ok(())
    }
}

/// A subscription that can be served.
pub(super) struct Subscription {
    server: EventServer,
    filter: Filter,
    consumer: String,
    epoch: String,
    credit: u64,
    /// Last position that was sent or left out by the filter.
    position: i64,
    pages: Pages,
    head: watch::Receiver<i64>,
    /// What the reader has durable, and what of it was written down.
    durable: i64,
    registered: i64,
    registered_at: Instant,
}

/// Checks that the log can be read from where the reader stands.
pub(super) async fn open(server: &EventServer, start: Start) -> Result<Subscription, EventError> {
    let head = server.source.head();
    let bounds = server.source.bounds().await?;
    let position = check_cursor(start.cursor.as_ref(), &bounds, "start.cursor")?;
    if !start.consumer.is_empty() {
        server.registry.register(&start.consumer, position).await?;
    }
    Ok(Subscription {
        server: server.clone(),
        filter: start.filter,
        consumer: start.consumer,
        epoch: bounds.epoch,
        credit: start.credit,
        position,
        pages: Pages::new(Arc::clone(&server.source)),
        head,
        durable: position,
        registered: position,
        registered_at: Instant::now(),
    })
}

/// Pages of the log: one that is being sent, and perhaps the next, which is read meanwhile.
struct Pages {
    source: Arc<dyn EventSource>,
    ready: VecDeque<Event>,
    /// Reading the page after this position. Ends with the subscription.
    ahead: JoinSet<Result<Vec<Event>, DbError>>,
    ahead_of: i64,
    size: usize,
}

impl Pages {
    fn new(source: Arc<dyn EventSource>) -> Self {
        Self { source, ready: VecDeque::new(), ahead: JoinSet::new(), ahead_of: 0, size: BATCH_EVENTS_MAX }
    }

    /// Gets the page after `position`.
    async fn turn(&mut self, position: i64) -> Result<(), DbError> {
        let ahead = match self.ahead.join_next().await {
            // What was read ahead of elsewhere is of no use, and a reader that died is asked again.
            Some(Ok(page)) if self.ahead_of == position => Some(page?),
            _ => None,
        };
        let page = match ahead {
            Some(page) => page,
            None => self.source.page(position, self.size).await?,
        };
        let bytes: usize =
            page.iter().map(|event| event.data.as_ref().map_or(0, |data| data.value.len())).sum();
        self.size = if bytes > PAGE_BYTES_MAX { BATCH_EVENTS_MAX } else { PAGE_EVENTS_MAX };
        self.ready = page.into();
        Ok(())
    }

    /// Begins to read the page after the one that is ready, if the log goes on there.
    fn read_ahead(&mut self, head: i64) {
        let Some(last) = self.ready.back().map(|event| event.position).filter(|last| *last < head) else {
            return;
        };
        let (source, size) = (Arc::clone(&self.source), self.size);
        self.ahead_of = last;
        self.ahead.spawn(async move { source.page(last, size).await });
    }
}

type Responses = mpsc::Sender<Result<SubscribeResponse, Status>>;

impl Subscription {
    /// Serves until the reader goes, the process drains, or the log says otherwise.
    pub(super) async fn serve(mut self, mut messages: Streaming<SubscribeRequest>, responses: Responses) {
        let draining = self.server.draining.clone();
        let shutdown = self.server.supervisor.shutdown();
        let ended = tokio::select! {
            ended = self.run(&mut messages, &responses) => ended,
            () = draining.cancelled() => Err(stopping()),
            () = shutdown.cancelled() => Err(stopping()),
        };
        self.note_durable(true).await;
        if let Err(status) = ended {
            // If the reader went away there is nobody to tell.
            let _ = responses.try_send(Err(status));
        }
    }

    async fn run(
        &mut self,
        messages: &mut Streaming<SubscribeRequest>,
        responses: &Responses,
    ) -> Result<(), Status> {
        let mut heartbeat = Instant::now();
        loop {
            let behind = *self.head.borrow_and_update() > self.position;
            if behind && self.credit > 0 {
                if let Some(response) = self.next_batch().await? {
                    if responses.send(Ok(response)).await.is_err() {
                        return Ok(());
                    }
                    heartbeat = Instant::now() + HEARTBEAT;
                } else {
                    // The reader should soon learn how far the filter has left events out.
                    heartbeat = heartbeat.min(Instant::now() + FILTERED);
                }
            } else if Instant::now() >= heartbeat {
                // The first says at once where the log stands and in which epoch.
                let response = self.response(Vec::new());
                heartbeat = Instant::now() + HEARTBEAT;
                if responses.send(Ok(response)).await.is_err() {
                    return Ok(());
                }
            }
            let ready = *self.head.borrow() > self.position && self.credit > 0;
            let noting = !self.consumer.is_empty() && self.durable > self.registered;
            let note_at = self.registered_at + REGISTER_EVERY;
            tokio::select! {
                biased;
                said = messages.next() => match said {
                    Some(said) => self.hear(&said?)?,
                    None => return Ok(()),
                },
                () = responses.closed() => return Ok(()),
                () = std::future::ready(()), if ready => {}
                changed = self.head.changed(), if !ready => if changed.is_err() {
                    return Err(stopping());
                },
                () = tokio::time::sleep_until(heartbeat), if !ready => {}
                () = tokio::time::sleep_until(note_at), if noting && !ready => {}
            }
            self.note_durable(false).await;
        }
    }

    fn hear(&mut self, said: &SubscribeRequest) -> Result<(), Status> {
        let Some(Said::Credit(SubscribeCredit { events, durable_position })) = &said.message else {
            let what = "after the first message only `credit` may come".to_owned();
            return Err(error::status(&EventError::Field { field: "message", what }));
        };
        self.credit = self.credit.saturating_add(u64::from(*events)).min(CREDIT_MAX);
        // A reader cannot have durable what it was not sent.
        self.durable = self.durable.max((*durable_position).min(self.position));
        Ok(())
    }

    /// The next events, as many as a message and the credit take; `None` if there is nothing to say yet.
    async fn next_batch(&mut self) -> Result<Option<SubscribeResponse>, Status> {
        let limit = usize::try_from(self.credit).unwrap_or(usize::MAX).min(BATCH_EVENTS_MAX);
        if self.pages.ready.is_empty() {
            if let Err(failure) = self.pages.turn(self.position).await {
                return self.bear(&failure).await.map(|()| None);
            }
            let Some(first) = self.pages.ready.front() else {
                // A head that leads its log breaks the source's word; it must not make us spin.
                tokio::time::sleep(RETRY).await;
                return Ok(None);
            };
            if first.position != self.position + 1 {
                // Retention went past this reader while it slept; to go on would skip events without a word.
                let bounds = self.server.source.bounds().await.map_err(|error| error::status(&error))?;
                return Err(error::status(&EventError::CursorTooOld(bounds)));
            }
            self.pages.read_ahead(*self.head.borrow());
        }
        let mut events: Vec<Event> = Vec::with_capacity(limit.min(self.pages.ready.len()));
        let mut bytes = 0;
        while let Some(event) = self.pages.ready.front() {
            bytes += event.encoded_len();
            if events.len() == limit || (bytes > BATCH_BYTES_MAX && !events.is_empty()) {
                break;
            }
            let Some(event) = self.pages.ready.pop_front() else { break };
            self.position = event.position;
            if self.filter.passes(&event.r#type) {
                events.push(event);
            }
        }
        self.credit = self.credit.saturating_sub(events.len() as u64);
        if events.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.response(events)))
    }

    /// Waits out an outage of the database; everything else ends the subscription.
    async fn bear(&self, failure: &DbError) -> Result<(), Status> {
        if failure.reason() != Reason::DatabaseUnavailable {
            return Err(error::status(failure));
        }
        tracing::warn!(error = %failure, "an event subscription waits for the database");
        tokio::time::sleep(RETRY).await;
        Ok(())
    }

    fn response(&self, events: Vec<Event>) -> SubscribeResponse {
        let cursor = Cursor { epoch: self.epoch.clone(), position: self.position };
        let head_position = (*self.head.borrow()).max(self.position);
        SubscribeResponse { events, cursor: Some(cursor), head_position }
    }

    async fn note_durable(&mut self, last: bool) {
        let due = last || self.registered_at.elapsed() >= REGISTER_EVERY;
        if self.consumer.is_empty() || self.durable <= self.registered || !due {
            return;
        }
        self.registered_at = Instant::now();
        match self.server.registry.advance(&self.consumer, self.durable).await {
            Ok(()) => self.registered = self.durable,
            // Retention waits a little longer, no more.
            Err(error) => {
                tracing::warn!(%error, consumer = self.consumer, "a reader's position was not noted");
            }
        }
    }
}

/// The process stops: the reader should come again, elsewhere or later.
fn stopping() -> Status {
    error::build(Reason::ShuttingDown, "the process is stopping: subscribe again", Vec::new(), &[], None)
}
