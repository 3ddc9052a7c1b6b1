//! What a service's consumers have parked, for operators: seen, and applied again once what was wrong is mended.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bursar_proto::event::v1::{Event, ListParkedEventsRequest, ListParkedEventsResponse, ParkedEvent};
use bursar_types::Failure;
use futures::future::BoxFuture;

use super::consumer::{Consumer, Replayed};
use super::{EventError, store};
use crate::db::{Db, DbError, Tx};
use crate::paging::Page;
use crate::parse;

type Replay = Arc<dyn Fn() -> BoxFuture<'static, Result<Replayed, DbError>> + Send + Sync>;

/// Knows how to apply each consumer's parked events again. Clones are the same desk.
#[derive(Clone, Default)]
pub struct ParkedDesk {
    entries: Arc<Mutex<Vec<(Consumer, Replay)>>>,
}

impl fmt::Debug for ParkedDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParkedDesk")
    }
}

impl ParkedDesk {
    /// Leaves `handler`, the one that the consumer runs with.
    pub fn leave<H, E>(&self, consumer: &Consumer, db: Db, handler: H)
    where
        H: for<'t, 'env> Fn(&'t mut Tx<'env>, &'t Event) -> BoxFuture<'t, Result<(), E>>
            + Clone
            + Send
            + Sync
            + 'static,
        E: Failure + From<DbError> + Send + 'static,
    {
        let own = consumer.clone();
        let replay: Replay = Arc::new(move || {
            let (consumer, db, handler) = (own.clone(), db.clone(), handler.clone());
            Box::pin(async move { consumer.replay(&db, handler).await })
        });
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push((consumer.clone(), replay));
    }

    /// Applies the parked events of one consumer again.
    ///
    /// # Errors
    ///
    /// [`EventError::NoConsumer`] if it left nothing here; else what the database refused.
    pub async fn replay(&self, consumer: &str, source: &str) -> Result<Replayed, EventError> {
        let found = {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let mut entries = entries.iter();
            entries.find(|(known, _)| known.is(consumer, source)).map(|(_, replay)| Arc::clone(replay))
        };
        let replay = found.ok_or_else(|| EventError::NoConsumer {
            consumer: consumer.to_owned(),
            source_name: source.to_owned(),
        })?;
        Ok(replay().await?)
    }

    pub(super) async fn list(
        &self,
        db: &Db,
        request: &ListParkedEventsRequest,
    ) -> Result<ListParkedEventsResponse, EventError> {
        type After = (String, String, i64);
        let page = Page::<After>::parse(request.page_size, &request.page_token, "ListParkedEvents")?;
        let start = (String::new(), String::new(), 0);
        let (after, limit) = (page.after().unwrap_or(&start), page.limit());
        let rows = db.read(|tx| Box::pin(store::parked(tx, after, limit))).await?;
        let (rows, next_page_token) =
            page.finish(rows, |last| (last.consumer.clone(), last.source.clone(), last.position));
        let events = rows.into_iter().map(|row| ParkedEvent {
            consumer: row.consumer,
            source: row.source,
            position: row.position,
            event_id: row.event.id,
            r#type: row.event.r#type,
            subject: row.event.subject,
            error: row.error,
            tries: row.tries,
            park_time: Some(parse::timestamp_message(row.parked_at)),
        });
        Ok(ListParkedEventsResponse { events: events.collect(), next_page_token })
    }
}
