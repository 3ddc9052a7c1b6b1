//! One connection after the other, and what comes over them.

use std::time::Duration;

use bursar_proto::event::v1::subscribe_request::Message as Said;
use bursar_proto::event::v1::{
    Cursor, Event, SubscribeCredit, SubscribeRequest, SubscribeResponse, SubscribeStart,
};
use bursar_types::{Clock, Failure, Reason};
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::apply::{Applier, ApplyError};
use super::{BACKOFF, Consumer, EventFeed, store};
use crate::db::{Db, DbError, Tx};
use crate::error::reason_of;
use crate::events::HEARTBEAT;
use crate::telemetry::metrics::{CONSUMER_LAG, CONSUMER_REFUSED};

/// Events the source may send ahead.
const CREDIT: u32 = 1000;
/// Silence after which the connection is taken for dead: three heartbeats missed, and a little.
const SILENCE_MAX: Duration = HEARTBEAT.saturating_mul(3).saturating_add(Duration::from_secs(2));
/// Longest wait for the answer to a subscription.
const OPEN_MAX: Duration = Duration::from_secs(15);

/// Failures in a row that are not worth a warning.
const FAILURES_QUIET: u32 = 4;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Status(Box<tonic::Status>),
    #[error("nothing was heard for {} s", SILENCE_MAX.as_secs())]
    Silent,
    #[error("the source closed the stream")]
    Closed,
    #[error("the source sent {0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Apply(String),
}

impl From<DbError> for Ended {
    fn from(error: DbError) -> Self {
        Self::Apply(error.to_string())
    }
}

impl From<tonic::Status> for Ended {
    fn from(status: tonic::Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Consumes for ever.
pub(super) async fn run<H, E>(
    consumer: &Consumer,
    db: &Db,
    feed: &impl EventFeed,
    clock: &dyn Clock,
    handler: &H,
) where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    let applier = Applier { consumer, db, clock, handler };
    let mut failures = 0;
    loop {
        let mut progressed = false;
        let Err(ended) = session(&applier, feed, &mut progressed).await;
        failures = if progressed { 1 } else { failures + 1 };
        let wait = BACKOFF.wait(failures);
        report(consumer, &ended, failures, wait);
        tokio::time::sleep(wait).await;
    }
}

fn report(consumer: &Consumer, ended: &Ended, failures: u32, wait: Duration) {
    let (name, source, wait_ms) = (&consumer.name, &consumer.source, wait.as_millis());
    if let Ended::Status(status) = ended
        && let Some((reason @ (Reason::CursorBeyondLog | Reason::CursorTooOld), bounds)) = reason_of(status)
    {
        let reason = reason.as_str();
        // Only a person can say which of the two databases is right.
        tracing::error!(
            consumer = name,
            source,
            reason,
            ?bounds,
            wait_ms,
            "the source refuses this consumer's cursor"
        );
        metrics::counter!(
            CONSUMER_REFUSED, "consumer" => name.clone(), "source" => source.clone(), "reason" => reason
        )
        .increment(1);
        return;
    }
    // A source that restarts is no news; one that stays away is.
    if failures >= FAILURES_QUIET {
        tracing::warn!(consumer = name, source, error = %ended, failures, wait_ms, "no event subscription");
    } else {
        tracing::debug!(consumer = name, source, error = %ended, wait_ms, "an event subscription ended");
    }
}

async fn session<H, E>(
    applier: &Applier<'_, H>,
    feed: &impl EventFeed,
    progressed: &mut bool,
) -> Result<std::convert::Infallible, Ended>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    let consumer = applier.consumer;
    let mut cursor = store::cursor(applier.db, consumer).await?;
    // A credit for each response under way is more than ever waits here.
    let (say, requests) = mpsc::channel(64);
    let start = SubscribeStart {
        cursor: Some(cursor.clone()),
        types: consumer.types.clone(),
        consumer: consumer.name.clone(),
        initial_credit: CREDIT,
    };
    send(&say, Said::Start(start)).await?;
    let subscribe = feed.subscribe(ReceiverStream::new(requests));
    let mut responses = tokio::time::timeout(OPEN_MAX, subscribe).await.map_err(|_| Ended::Silent)??;
    loop {
        let response =
            tokio::time::timeout(SILENCE_MAX, responses.message()).await.map_err(|_| Ended::Silent)??;
        let SubscribeResponse { events, cursor: to, head_position } = response.ok_or(Ended::Closed)?;
        let to = to.ok_or(Ended::Protocol("no cursor"))?;
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        advance(applier, events, &mut cursor, to).await?;
        *progressed = true;
        let lag = head_position.saturating_sub(cursor.position).max(0);
        metrics::gauge!(
            CONSUMER_LAG, "consumer" => consumer.name.clone(), "source" => consumer.source.clone()
        )
        .set(lag as f64);
        let credit = SubscribeCredit { events: count, durable_position: cursor.position };
        send(&say, Said::Credit(credit)).await?;
    }
}

async fn send(say: &mpsc::Sender<SubscribeRequest>, message: Said) -> Result<(), Ended> {
    say.send(SubscribeRequest { message: Some(message) }).await.map_err(|_| Ended::Closed)
}

/// Takes what a response brought, until all of it is durable.
async fn advance<H, E>(
    applier: &Applier<'_, H>,
    mut events: Vec<Event>,
    cursor: &mut Cursor,
    to: Cursor,
) -> Result<(), Ended>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    // What was applied before comes again after a lost connection only if the source repeats itself.
    events.retain(|event| event.position > cursor.position);
    check_order(applier.consumer, &events, cursor, &to)?;
    if to == *cursor {
        return Ok(());
    }
    if events.len() > 1 {
        match applier.apply(&events, cursor, &to).await {
            Ok(()) => {
                *cursor = to;
                return Ok(());
            }
            Err(ApplyError::Moved) => return Err(Ended::Apply(ApplyError::<E>::Moved.to_string())),
            // One of them fails, or the database is away: find out which.
            Err(error) => tracing::debug!(%error, events = events.len(), "a batch of events goes one by one"),
        }
    }
    let Some((last, others)) = events.split_last() else {
        // Only the filter's own progress is to be noted.
        settle::<_, E>(applier, &[], cursor, &to).await?.map_err(|error| Ended::Apply(error.to_string()))?;
        *cursor = to;
        return Ok(());
    };
    for event in others {
        let past = Cursor { epoch: to.epoch.clone(), position: event.position };
        apply_one(applier, event, cursor, &past).await?;
        *cursor = past;
    }
    apply_one(applier, last, cursor, &to).await?;
    *cursor = to;
    Ok(())
}

/// Positions only go up, and without gaps where nothing is filtered out.
fn check_order(consumer: &Consumer, events: &[Event], cursor: &Cursor, to: &Cursor) -> Result<(), Ended> {
    let mut last = cursor.position;
    for event in events {
        let next = last.saturating_add(1);
        if event.position < next || (consumer.types.is_empty() && event.position != next) {
            return Err(Ended::Protocol("events out of order"));
        }
        last = event.position;
    }
    if to.position < last || (consumer.types.is_empty() && to.position != last) {
        return Err(Ended::Protocol("a cursor that does not belong to its events"));
    }
    Ok(())
}

/// Applies one event, or parks it.
async fn apply_one<H, E>(
    applier: &Applier<'_, H>,
    event: &Event,
    from: &Cursor,
    to: &Cursor,
) -> Result<(), Ended>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    let mut tries = 0;
    loop {
        let Err(error) = settle(applier, std::slice::from_ref(event), from, to).await? else { return Ok(()) };
        tries += 1;
        if tries >= applier.consumer.tries_max {
            let text = error.to_string();
            return match applier.park::<E>(event, &text, tries, from, to).await {
                Ok(()) => Ok(()),
                // The next connection comes back to this event.
                Err(error) => Err(Ended::Apply(error.to_string())),
            };
        }
        let wait = applier.consumer.backoff.wait(tries);
        tracing::warn!(%error, event.id, event.r#type, tries, "an event was not applied; it will be tried again");
        tokio::time::sleep(wait).await;
    }
}

/// Tries until the outcome is the event's own: success, or a failure that will not pass by waiting.
async fn settle<H, E>(
    applier: &Applier<'_, H>,
    events: &[Event],
    from: &Cursor,
    to: &Cursor,
) -> Result<Result<(), ApplyError<E>>, Ended>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    let mut failures = 0;
    loop {
        match applier.apply(events, from, to).await {
            Err(ApplyError::Moved) => return Err(Ended::Apply(ApplyError::<E>::Moved.to_string())),
            // The cursor tells whether it took place: look at it again.
            Err(ApplyError::Db(error)) if error.is_outcome_unknown() => return Err(error.into()),
            Err(error) if error.may_pass() => {
                failures += 1;
                let wait = applier.consumer.backoff.wait(failures);
                tracing::warn!(%error, failures, consumer = applier.consumer.name, "events wait to be applied");
                tokio::time::sleep(wait).await;
            }
            outcome => return Ok(outcome),
        }
    }
}
