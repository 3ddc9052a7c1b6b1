//! Events that could not be applied, kept until somebody has mended what was wrong.

use std::collections::HashSet;

use bursar_proto::event::v1::Event;
use bursar_types::{Failure, Timestamp};
use futures::future::BoxFuture;

use super::apply::{ApplyError, handle};
use super::{Consumer, store};
use crate::db::{Db, DbError, Tx};

/// Events that a replay reads at once.
const PAGE: i64 = 200;

/// An event that could not be applied, or one that came after such a one about the same subject.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedEvent {
    /// The event.
    pub event: Event,
    /// Why it is parked.
    pub error: String,
    /// How often it was tried; 0: it only waits for an earlier one.
    pub tries: i64,
    /// When it was parked.
    pub parked_at: Timestamp,
}

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that were applied.
    pub applied: u64,
    /// Events that are still parked.
    pub left: u64,
}

pub(super) async fn list(
    consumer: &Consumer,
    db: &Db,
    after: i64,
    limit: i64,
) -> Result<Vec<ParkedEvent>, DbError> {
    store::list_parked(db, consumer, after, limit).await
}

pub(super) async fn replay<H, E>(consumer: &Consumer, db: &Db, handler: &H) -> Result<Replayed, DbError>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    let mut done = Replayed::default();
    let mut stuck: HashSet<String> = HashSet::new();
    let mut after = 0;
    loop {
        // What the running consumer parks meanwhile comes into view at the end.
        let page = store::list_parked(db, consumer, after, PAGE).await?;
        if page.is_empty() {
            return Ok(done);
        }
        for ParkedEvent { event, .. } in page {
            after = event.position;
            if stuck.contains(&event.subject) {
                done.left += 1;
                continue;
            }
            match replay_one(consumer, db, &event, handler).await {
                Ok(()) => done.applied += 1,
                Err(ApplyError::Db(error)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, event.id, event.subject, "a parked event cannot be applied yet");
                    done.left += 1;
                    stuck.insert(event.subject);
                }
            }
        }
    }
}

async fn replay_one<H, E>(
    consumer: &Consumer,
    db: &Db,
    event: &Event,
    handler: &H,
) -> Result<(), ApplyError<E>>
where
    H: for<'t, 'e> Fn(&'t mut Tx<'e>, &'t Event) -> BoxFuture<'t, Result<(), E>> + Send + Sync,
    E: Failure + From<DbError> + Send + 'static,
{
    db.write(|tx| {
        Box::pin(async move {
            // The running consumer must not take a later event of this subject for free to go, nor park it behind us.
            store::lock(tx, consumer).await?;
            if store::unpark(tx, consumer, event.position).await? {
                handle(tx, event, handler).await?;
            }
            Ok(())
        })
    })
    .await
}
