//! The engine that delivers webhooks.
//!
//! The table of deliveries is the queue and the truth; in memory there is only what is under way. Each endpoint is a
//! lane with a cap of its own, and lanes take turns, so that a dead or slow endpoint holds up nothing but itself; an
//! endpoint that failed last time is tried with one delivery at a time until it answers again. A claimed delivery is
//! leased: if this process dies, it is due again when the lease ends, with the same `webhook-id`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::notifications::v1::WebhookDelivered;
use bursar_service::db::{Db, DbError, Isolation, Tx};
use bursar_service::events::{EventLog, NewEvent};
use bursar_types::id::{DeliveryId, WebhookEndpointId};
use bursar_types::{Clock, Entropy, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{CallError, HttpClient};
use super::schedule;
use super::signature::WebhookSecret;
use super::target::Target;
use crate::keys::{Keys, Kind};
use crate::store::deliveries::{self, AttemptRecord, ClaimedDelivery, Fate};
use crate::store::endpoints;

/// Longest wait before the table is looked at again: the wake-ups of this process are hints, and those of another
/// process, or a clock that was moved, are not seen at all.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a lease lasts beyond the longest attempt: time to write down what came of it.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// Wait after a database error.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// Longest wait, at a stop, for the attempts under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Attempts under way in all.
    pub total: usize,
    /// Attempts under way to one endpoint.
    pub per_endpoint: usize,
    /// Longest time of an attempt.
    pub attempt: Duration,
}

/// What the dispatcher works with.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    /// The database.
    pub db: Db,
    /// The event log.
    pub events: EventLog,
    /// The keys that open the endpoints' secrets.
    pub keys: Arc<Keys>,
    /// The platform's time: when deliveries are due.
    pub clock: Arc<dyn Clock>,
    /// The machine's time, for `webhook-timestamp`: receivers compare it with theirs, which no sandbox moves.
    pub machine_clock: Arc<dyn Clock>,
    /// Randomness, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// The client.
    pub client: HttpClient,
    /// How much is done at once.
    pub caps: Caps,
    /// Told when something new is due.
    pub wake: Arc<Notify>,
}

/// One attempt, ready to be made.
struct Attempt {
    endpoint: Arc<Open>,
    delivery: ClaimedDelivery,
}

/// An endpoint with its secret.
struct Open {
    id: WebhookEndpointId,
    target: Target,
    secret: WebhookSecret,
}

/// One attempt that came to its end.
struct Finished {
    endpoint_id: WebhookEndpointId,
    delivery_id: DeliveryId,
    event_id: String,
    attempt: i64,
    start: Timestamp,
    duration: Duration,
    outcome: Result<(StatusCode, Vec<u8>), CallError>,
}

impl Finished {
    fn succeeded(&self) -> bool {
        matches!(&self.outcome, Ok((status, _)) if status.is_success())
    }

    fn gone(&self) -> bool {
        matches!(&self.outcome, Ok((status, _)) if *status == StatusCode::GONE)
    }

    fn status(&self) -> i64 {
        self.outcome.as_ref().map_or(0, |(status, _)| i64::from(status.as_u16()))
    }
}

/// What is known of an endpoint while it has attempts under way or failed last time.
#[derive(Default)]
struct Lane {
    in_flight: usize,
    failing: bool,
}

/// The dispatcher at work.
struct Work {
    lanes: HashMap<WebhookEndpointId, Lane>,
    attempts: JoinSet<Finished>,
    /// Which endpoint each attempt is to, should it die.
    endpoints: HashMap<tokio::task::Id, WebhookEndpointId>,
    finished: Vec<Finished>,
    /// The lane that was served last: the next round begins after it.
    last_served: Option<WebhookEndpointId>,
}

impl Dispatcher {
    /// Delivers until `shutdown`, then waits a moment for what is under way.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut work = Work {
            lanes: HashMap::new(),
            attempts: JoinSet::new(),
            endpoints: HashMap::new(),
            finished: Vec::new(),
            last_served: None,
        };
        while !shutdown.is_cancelled() {
            let pause = match self.round(&mut work).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "webhooks wait for the database");
                    DATABASE_PAUSE
                }
            };
            tokio::select! {
                Some(done) = work.attempts.join_next_with_id() => work.collect(done),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        }
        self.drain(&mut work).await;
    }

    /// Writes down what finished, starts what is due and has room. How long nothing more is due.
    async fn round(&self, work: &mut Work) -> Result<Duration, DbError> {
        while let Some(done) = work.attempts.try_join_next_with_id() {
            work.collect(done);
        }
        if !work.finished.is_empty() {
            self.record(&work.finished).await?;
            work.finished.clear();
        }
        work.lanes.retain(|_, lane| lane.in_flight > 0 || lane.failing);
        let due = self.db.read(|tx| Box::pin(deliveries::lanes(tx))).await?;
        let now = self.clock.now();
        let claimed = self.claim(work, &due, now).await?;
        for attempt in claimed {
            let endpoint_id = attempt.endpoint.id;
            work.lanes.entry(endpoint_id).or_default().in_flight += 1;
            work.last_served = Some(endpoint_id);
            let task = work.attempts.spawn(self.clone().attempt(attempt));
            work.endpoints.insert(task.id(), endpoint_id);
        }
        let next = due.iter().map(|(_, due)| due.since(now)).filter(|wait| !wait.is_zero()).min();
        Ok(next.map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY)))
    }

    /// Claims what is due, lane after lane, each up to its cap, all up to the cap of all.
    async fn claim(
        &self,
        work: &Work,
        due: &[(WebhookEndpointId, Timestamp)],
        now: Timestamp,
    ) -> Result<Vec<Attempt>, DbError> {
        let mut room = self.caps.total.saturating_sub(work.attempts.len());
        let mut wanted = Vec::new();
        let split = work.last_served.map_or(0, |last| due.partition_point(|(id, _)| *id <= last));
        let (before, after) = due.split_at(split);
        for (id, due) in after.iter().chain(before) {
            let cap = work.lanes.get(id).map_or(self.caps.per_endpoint, |lane| {
                let cap = if lane.failing { 1 } else { self.caps.per_endpoint };
                cap.saturating_sub(lane.in_flight)
            });
            let share = cap.min(room);
            if *due <= now && share > 0 {
                room -= share;
                wanted.push((*id, i64::try_from(share).unwrap_or(i64::MAX)));
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let lease_end = now.plus(self.caps.attempt + LEASE_MARGIN);
        // Each row is taken by an UPDATE that looks again under the row's lock: two processes never both get it.
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                let wanted = wanted.clone();
                Box::pin(async move {
                    let mut claimed = Vec::new();
                    for (id, limit) in wanted {
                        claimed.extend(self.claim_lane(tx, id, now, lease_end, limit).await?);
                    }
                    Ok(claimed)
                })
            })
            .await
    }

    async fn claim_lane(
        &self,
        tx: &mut Tx<'_>,
        id: WebhookEndpointId,
        now: Timestamp,
        lease_end: Timestamp,
        limit: i64,
    ) -> Result<Vec<Attempt>, DbError> {
        let Some((endpoint, sealed)) = endpoints::get(tx, id).await? else { return Ok(Vec::new()) };
        if endpoint.disabled {
            return Ok(Vec::new());
        }
        let secret = match self.keys.open(Kind::WebhookSecret, &id.to_string(), &sealed) {
            Ok(secret) => WebhookSecret::from_bytes(secret),
            Err(error) => {
                // One damaged row must not stop all others.
                tracing::error!(%error, endpoint = %id, "no webhooks can be sent to this endpoint");
                return Ok(Vec::new());
            }
        };
        let open = Arc::new(Open { id, target: endpoint.target, secret });
        let claimed = deliveries::claim(tx, id, now, lease_end, limit).await?;
        Ok(claimed.into_iter().map(|delivery| Attempt { endpoint: Arc::clone(&open), delivery }).collect())
    }

    async fn attempt(self, attempt: Attempt) -> Finished {
        let Attempt { endpoint, delivery } = attempt;
        let (start, began) = (self.clock.now(), Instant::now());
        let body = Bytes::from(delivery.body);
        let headers = headers(&endpoint.secret, &delivery.event_id, self.machine_clock.now(), &body);
        let outcome = match headers {
            Ok(headers) => self.client.post(&endpoint.target, headers, body).await,
            Err(error) => Err(CallError::Broken(error.to_string())),
        };
        let finished = Finished {
            endpoint_id: endpoint.id,
            delivery_id: delivery.id,
            event_id: delivery.event_id,
            attempt: delivery.attempt,
            start,
            duration: began.elapsed(),
            outcome: outcome.map(|answer| (answer.status, answer.body)),
        };
        let result = if finished.succeeded() { "delivered" } else { "failed" };
        metrics::counter!("bursar_webhook_attempts_total", "result" => result).increment(1);
        metrics::histogram!("bursar_webhook_attempt_duration_seconds", "result" => result)
            .record(finished.duration);
        finished
    }

    async fn record(&self, finished: &[Finished]) -> Result<(), DbError> {
        let now = self.clock.now();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    for attempt in finished {
                        self.record_one(tx, attempt, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn record_one(&self, tx: &mut Tx<'_>, finished: &Finished, now: Timestamp) -> Result<(), DbError> {
        let fate = if finished.succeeded() {
            Fate::Delivered
        } else if finished.gone() {
            Fate::Dead
        } else {
            match schedule::wait_after(finished.attempt, &*self.entropy) {
                Some(wait) => Fate::Again(now.plus(wait)),
                None => Fate::Dead,
            }
        };
        let problem = match &finished.outcome {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let record = AttemptRecord {
            endpoint_id: finished.endpoint_id,
            delivery_id: finished.delivery_id,
            attempt: finished.attempt,
            start: finished.start,
            duration_micros: i64::try_from(finished.duration.as_micros()).unwrap_or(i64::MAX),
            status: finished.status(),
            problem: &problem,
            response: finished.outcome.as_ref().map_or(&[], |(_, body)| body.as_slice()),
        };
        let settled = deliveries::record(tx, &record, fate).await?;
        if finished.gone() {
            tracing::info!(endpoint = %finished.endpoint_id, "a webhook endpoint answered 410 and is disabled");
            endpoints::disable(tx, finished.endpoint_id).await?;
        }
        let event_type = match fate {
            Fate::Delivered => "notifications.webhook.delivered",
            Fate::Dead => "notifications.webhook.dead",
            Fate::Again(_) => return Ok(()),
        };
        if settled {
            let event = WebhookDelivered {
                delivery_id: finished.delivery_id.to_string(),
                webhook_endpoint_id: finished.endpoint_id.to_string(),
                event_id: finished.event_id.clone(),
                attempts: i32::try_from(finished.attempt).unwrap_or(i32::MAX),
            };
            self.events.publish(tx, NewEvent::new(event_type, finished.delivery_id, &event))?;
        }
        Ok(())
    }

    /// Waits a moment for the attempts under way and writes down what came of them; the leases of others end.
    async fn drain(&self, work: &mut Work) {
        let until = Instant::now() + DRAIN_MAX;
        while let Ok(Some(done)) = tokio::time::timeout_at(until, work.attempts.join_next_with_id()).await {
            work.collect(done);
        }
        if let Err(error) = self.record(&work.finished).await {
            tracing::warn!(%error, "the last webhook attempts are not written down and will be made again");
        }
    }
}

impl Work {
    fn collect(&mut self, done: Result<(tokio::task::Id, Finished), tokio::task::JoinError>) {
        let task = done.as_ref().map_or_else(tokio::task::JoinError::id, |(task, _)| *task);
        if let Some(endpoint_id) = self.endpoints.remove(&task) {
            let lane = self.lanes.entry(endpoint_id).or_default();
            lane.in_flight = lane.in_flight.saturating_sub(1);
            lane.failing = !done.as_ref().is_ok_and(|(_, finished)| finished.succeeded());
        }
        match done {
            Ok((_, finished)) => self.finished.push(finished),
            // Its delivery is due again when the lease ends.
            Err(error) => tracing::error!(%error, "a webhook attempt died"),
        }
    }
}

fn headers(
    secret: &WebhookSecret,
    event_id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let seconds = now.as_seconds();
    let signature = secret.sign(event_id, seconds, body);
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Bursar-Webhooks/1"));
    headers.insert("webhook-id", HeaderValue::from_str(event_id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", HeaderValue::from_str(&signature)?);
    Ok(headers)
}
