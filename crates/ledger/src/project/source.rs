//! The ledger's event log, served from the projections: the journal is the log, and this is how it is told.

use std::sync::Arc;

use bursar_proto::event::v1::Event;
use bursar_service::db::{Db, DbError};
use bursar_service::deadline::Deadline;
use bursar_service::events::{Bounds, EventSource};
use bursar_service::parse::timestamp_message;
use bursar_types::id::ProgramId;
use futures::future::BoxFuture;
use prost_types::Any;
use tokio::sync::watch;

use super::projector::Reached;
use crate::error::LedgerError;
use crate::store::{projection, read};

/// Source of the ledger's events, as CloudEvents name it.
const SOURCE: &str = "bursar/ledger";
/// Bytes of payload in one page: fits a message with room for the attributes.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The ledger's event log.
#[derive(Debug)]
pub(crate) struct JournalEvents {
    pub(crate) db: Db,
    pub(crate) shard: ProgramId,
    pub(crate) reached: Arc<Reached>,
}

/// An event log that cannot be read is as one whose row cannot.
fn unreadable(error: LedgerError) -> DbError {
    match error {
        LedgerError::Database(error) => error,
        other => DbError::Column { column: "event_chunk.body".into(), what: other.to_string() },
    }
}

impl EventSource for JournalEvents {
    fn bounds(&self) -> BoxFuture<'_, Result<Bounds, DbError>> {
        Box::pin(async move {
            let caught_up = self.reached.caught_up();
            let in_time = match Deadline::current() {
                Some(deadline) => tokio::time::timeout_at(deadline.instant(), caught_up).await.is_ok(),
                None => {
                    caught_up.await;
                    true
                }
            };
            if !in_time {
                let what = "the event log is being brought up to the journal".to_owned();
                return Err(DbError::Unavailable { what });
            }
            let shard = self.shard;
            let progress = self.db.read(|tx| Box::pin(projection::read_progress(tx, shard))).await?;
            Ok(Bounds { epoch: progress.event_epoch, pruned: 0, head: progress.event_position })
        })
    }

    fn page(&self, after: i64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, DbError>> {
        Box::pin(async move {
            let rows = read::events(&self.db, self.shard, after, limit).await.map_err(unreadable)?;
            let mut bytes = 0_usize;
            let fitting = rows.into_iter().take_while(|row| {
                let first = bytes == 0;
                bytes = bytes.saturating_add(row.data.len());
                first || bytes <= PAGE_BYTES_MAX
            });
            Ok(fitting
                .map(|row| Event {
                    id: row.id.to_string(),
                    source: SOURCE.to_owned(),
                    r#type: row.kind,
                    subject: row.subject,
                    subject_version: row.subject_version,
                    time: Some(timestamp_message(row.time)),
                    position: row.position,
                    data: Some(Any { type_url: row.type_url, value: row.data }),
                    traceparent: String::new(),
                })
                .collect())
        })
    }

    fn head(&self) -> watch::Receiver<i64> {
        self.reached.events()
    }
}
