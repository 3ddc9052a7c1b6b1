//! Applying events: a batch in one transaction; one by one where that fails; aside what can never be applied.

use std::panic::AssertUnwindSafe;

use bursar_proto::event::v1::{Cursor, Event};
use bursar_types::{Clock, Failure};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{Consumer, store};
use crate::db::{Db, DbError, Tx};
use crate::telemetry::metrics::EVENTS_PARKED;
use crate::telemetry::trace::TraceContext;

/// Text with which the later events of a parked one's subject are parked.
const AFTER_PARKED: &str = "an earlier event of this subject is parked";

/// Why events were not applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError<E> {
    /// The handler returned an error.
    #[error("{0}")]
    Handler(E),
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
    /// Our own statements failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The cursor is elsewhere: another consumer of the same name is at work.
    #[error("the cursor is not where this consumer left it: another one of the same name runs")]
    Moved,
}

impl<E: Failure> ApplyError<E> {
    /// Whether the same may succeed later without anybody changing anything.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Handler(error) => error.reason().retryable(),
            Self::Db(error) => error.reason().retryable(),
            Self::Panicked | Self::Moved => false,
        }
    }
}

/// Runs the handler; a panic of it is the event's fault, not the end of all consuming.
pub(super) async fn handle<'env, H, E>(
    tx: &mut Tx<'env>,
    event: &Event,
    handler: &H,
) -> Result<(), ApplyError<E>>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
{
    let work = handler(tx, event);
    // What is done for an event belongs to the trace of the call that caused it.
    let work = async {
        match TraceContext::parse(&event.traceparent) {
            Some(cause) => cause.scope(work).await,
            None => work.await,
        }
    };
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(applied) => applied.map_err(ApplyError::Handler),
        Err(_) => Err(ApplyError::Panicked),
    }
}

/// What applying needs to know.
pub(super) struct Applier<'a, H> {
    pub(super) consumer: &'a Consumer,
    pub(super) db: &'a Db,
    pub(super) clock: &'a dyn Clock,
    pub(super) handler: &'a H,
}

impl<H> Applier<'_, H> {
    /// Applies `events`, in order, and moves the cursor from `from` to `to`, in one transaction.
    pub(super) async fn apply<E>(
        &self,
        events: &[Event],
        from: &Cursor,
        to: &Cursor,
    ) -> Result<(), ApplyError<E>>
    where
        H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
        E: Failure + From<DbError> + Send + 'static,
    {
        let now = self.clock.now();
        let (consumer, handler) = (self.consumer, self.handler);
        self.db
            .write(|tx| {
                Box::pin(async move {
                    if !store::advance(tx, consumer, from, to).await? {
                        return Err(ApplyError::Moved);
                    }
                    let parked = store::parked_subjects(tx, consumer).await?;
                    for event in events {
                        if parked.contains(&event.subject) {
                            store::park(tx, consumer, event, AFTER_PARKED, 0, now).await?;
                        } else {
                            handle(tx, event, handler).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Puts `event` aside and moves the cursor past it.
    pub(super) async fn park<E>(
        &self,
        event: &Event,
        error: &str,
        tries: u32,
        from: &Cursor,
        to: &Cursor,
    ) -> Result<(), ApplyError<E>>
    where
        E: Failure + From<DbError> + Send + 'static,
    {
        let now = self.clock.now();
        let consumer = self.consumer;
        self.db
            .write(|tx| {
                Box::pin(async move {
                    if !store::advance(tx, consumer, from, to).await? {
                        return Err(ApplyError::Moved);
                    }
                    store::park(tx, consumer, event, error, tries, now).await?;
                    Ok(())
                })
            })
            .await?;
        tracing::error!(
            consumer = consumer.name,
            source = consumer.source,
            event.id,
            event.r#type,
            event.subject,
            event.position,
            tries,
            error,
            "an event cannot be applied and is parked, with all later ones of its subject"
        );
        metrics::counter!(
            EVENTS_PARKED,
            "consumer" => consumer.name.clone(), "source" => consumer.source.clone()
        )
        .increment(1);
        Ok(())
    }
}
