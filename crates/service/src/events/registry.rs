//! The readers that registered with a log, and how far each has everything durable.

use std::sync::Arc;

use bursar_proto::event::v1::{Consumer, ListConsumersRequest, ListConsumersResponse};
use bursar_types::Clock;

use super::EventError;
use crate::db::{Db, DbError, Isolation, Tx};
use crate::paging::Page;

/// Longest name of a registered reader.
const NAME_LENGTH_MAX: usize = 64;
/// Most registered readers: each holds retention back.
const CONSUMERS_MAX: i64 = 1000;

/// The registered readers of the log in `db`.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Registry {
    pub(super) fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// The database it is kept in.
    pub(super) const fn db(&self) -> &Db {
        &self.db
    }

    /// Checks a name.
    pub(super) fn check_name(name: &str) -> Result<(), EventError> {
        let proper = name.len() <= NAME_LENGTH_MAX
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if proper {
            return Ok(());
        }
        let what = format!("at most {NAME_LENGTH_MAX} of a-z, 0-9, - and _");
        Err(EventError::Field { field: "start.consumer", what })
    }

    /// Registers `name` at `position`, where it goes on from. That is what it has durable, whatever was noted before:
    /// this process may have died before it wrote the last word down, and a reader that has gone back must be waited
    /// for there.
    pub(super) async fn register(&self, name: &str, position: i64) -> Result<(), EventError> {
        let now = self.clock.now();
        let count = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    tx.query(
                        "INSERT INTO bursar_event_consumers (name, position, updated_at) VALUES ($1, $2, $3)
                         ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at
                         WHERE bursar_event_consumers.position <> excluded.position",
                    )
                    .bind(name)
                    .bind(position)
                    .bind(now)
                    .execute()
                    .await?;
                    let row = tx.query("SELECT COUNT(*) AS n FROM bursar_event_consumers").fetch_one().await?;
                    let count: i64 = row.get("n")?;
                    if count > CONSUMERS_MAX {
                        let what = format!("this log has {CONSUMERS_MAX} registered readers already");
                        return Err(EventError::Field { field: "start.consumer", what });
                    }
                    Ok(count)
                })
            })
            .await?;
        tracing::debug!(consumer = name, position, count, "an event reader is registered");
        Ok(())
    }

    /// Notes that `name` has everything up to `position` durable.
    pub(super) async fn advance(&self, name: &str, position: i64) -> Result<(), DbError> {
        let now = self.clock.now();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    tx.query(
                        "UPDATE bursar_event_consumers SET position = $2, updated_at = $3
                         WHERE name = $1 AND position < $2",
                    )
                    .bind(name)
                    .bind(position)
                    .bind(now)
                    .execute()
                    .await
                    .map(drop)
                })
            })
            .await
    }

    pub(super) async fn list(
        &self,
        request: &ListConsumersRequest,
        head: i64,
    ) -> Result<ListConsumersResponse, EventError> {
        let page = Page::<String>::parse(request.page_size, &request.page_token, "ListConsumers")?;
        let (after, limit) = (page.after().map_or("", String::as_str), page.limit());
        let rows = self.db.read(|tx| Box::pin(select_page(tx, after, limit))).await?;
        let (rows, next_page_token) = page.finish(rows, |(name, _)| name.clone());
        let consumers = rows
            .into_iter()
            .map(|(name, position)| Consumer { name, position, lag: head.saturating_sub(position).max(0) })
            .collect();
        Ok(ListConsumersResponse { consumers, next_page_token, head_position: head })
    }
}

async fn select_page(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<(String, i64)>, DbError> {
    let rows = tx
        .query("SELECT name, position FROM bursar_event_consumers WHERE name > $1 ORDER BY name LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(|row| Ok((row.get("name")?, row.get("position")?))).collect()
}
