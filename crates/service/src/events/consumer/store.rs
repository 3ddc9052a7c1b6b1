//! SQL of a consumer: where it stands, and what it parked.

use std::collections::HashSet;

use bursar_proto::event::v1::{Cursor, Event};
use bursar_types::Timestamp;
use prost::Message as _;

use super::{Consumer, ParkedEvent};
use crate::db::{Db, DbError, Isolation, Tx};

/// Longest text of an error that is kept with a parked event.
const ERROR_LENGTH_MAX: usize = 2000;

/// Where the consumer stands; at the beginning if it never ran.
pub(super) async fn cursor(db: &Db, consumer: &Consumer) -> Result<Cursor, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO bursar_cursors (consumer, source, epoch, position) VALUES ($1, $2, '', 0)
                 ON CONFLICT DO NOTHING",
            )
            .bind(&consumer.name)
            .bind(&consumer.source)
            .execute()
            .await?;
            let row = tx
                .query("SELECT epoch, position FROM bursar_cursors WHERE consumer = $1 AND source = $2")
                .bind(&consumer.name)
                .bind(&consumer.source)
                .fetch_one()
                .await?;
            Ok(Cursor { epoch: row.get("epoch")?, position: row.get("position")? })
        })
    })
    .await
}

/// Moves the cursor; false if it does not stand where it was thought to: somebody else moved it.
/// Locks it for the transaction, so that of two consumers with one name one works at a time.
pub(super) async fn advance(
    tx: &mut Tx<'_>,
    consumer: &Consumer,
    from: &Cursor,
    to: &Cursor,
) -> Result<bool, DbError> {
    let moved = tx
        .query(
            "UPDATE bursar_cursors SET epoch = $5, position = $6
             WHERE consumer = $1 AND source = $2 AND epoch = $3 AND position = $4",
        )
        .bind(&consumer.name)
        .bind(&consumer.source)
        .bind(&from.epoch)
        .bind(from.position)
        .bind(&to.epoch)
        .bind(to.position)
        .execute()
        .await?;
    Ok(moved == 1)
}

/// Locks the cursor for the transaction, where it stands.
pub(super) async fn lock(tx: &mut Tx<'_>, consumer: &Consumer) -> Result<(), DbError> {
    tx.query("UPDATE bursar_cursors SET position = position WHERE consumer = $1 AND source = $2")
        .bind(&consumer.name)
        .bind(&consumer.source)
        .execute()
        .await
        .map(drop)
}

/// Those of `subjects` that have parked events.
pub(super) async fn parked_subjects(
    tx: &mut Tx<'_>,
    consumer: &Consumer,
) -> Result<HashSet<String>, DbError> {
    let rows = tx
        .query("SELECT DISTINCT subject FROM bursar_parked_events WHERE consumer = $1 AND source = $2")
        .bind(&consumer.name)
        .bind(&consumer.source)
        .fetch_all()
        .await?;
    rows.iter().map(|row| row.get("subject")).collect()
}

/// Puts an event aside.
pub(super) async fn park(
    tx: &mut Tx<'_>,
    consumer: &Consumer,
    event: &Event,
    error: &str,
    tries: u32,
    now: Timestamp,
) -> Result<(), DbError> {
    let error: String = error.chars().take(ERROR_LENGTH_MAX).collect();
    tx.query(
        "INSERT INTO bursar_parked_events (consumer, source, position, subject, event, error, tries, parked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&consumer.name)
    .bind(&consumer.source)
    .bind(event.position)
    .bind(&event.subject)
    .bind(event.encode_to_vec())
    .bind(error)
    .bind(i64::from(tries))
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// Takes an event back out; false if it is not there.
pub(super) async fn unpark(tx: &mut Tx<'_>, consumer: &Consumer, position: i64) -> Result<bool, DbError> {
    let removed = tx
        .query("DELETE FROM bursar_parked_events WHERE consumer = $1 AND source = $2 AND position = $3")
        .bind(&consumer.name)
        .bind(&consumer.source)
        .bind(position)
        .execute()
        .await?;
    Ok(removed == 1)
}

/// Parked events after a position.
pub(super) async fn list_parked(
    db: &Db,
    consumer: &Consumer,
    after: i64,
    limit: i64,
) -> Result<Vec<ParkedEvent>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT event, error, tries, parked_at FROM bursar_parked_events
                     WHERE consumer = $1 AND source = $2 AND position > $3 ORDER BY position LIMIT $4",
                )
                .bind(&consumer.name)
                .bind(&consumer.source)
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?;
            let mut parked = Vec::with_capacity(rows.len());
            for row in rows {
                let event = Event::decode(row.get::<Vec<u8>>("event")?.as_slice())
                    .map_err(|error| DbError::Corrupt { what: format!("a parked event: {error}") })?;
                parked.push(ParkedEvent {
                    event,
                    error: row.get("error")?,
                    tries: row.get("tries")?,
                    parked_at: row.get("parked_at")?,
                });
            }
            Ok(parked)
        })
    })
    .await
}
