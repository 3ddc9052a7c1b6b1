//! SQL of the event log.

use bursar_proto::event::v1::Event;
use bursar_types::Timestamp;
use prost::Message as _;

use super::{Bounds, PendingEvent};
use crate::db::{Cell, Db, DbError, Dialect, Isolation, Row, Tx};

/// Events that the sequencer moves in one transaction: bounds how long others wait for it.
pub(super) const SEQUENCE_BATCH_MAX: i64 = 2000;

/// The log's state; makes it with `epoch` if there is none.
pub(super) async fn open(db: &Db, epoch: &str) -> Result<Bounds, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO bursar_event_head (id, epoch, position, pruned, turns) VALUES (1, $1, 0, 0, 0)
                 ON CONFLICT DO NOTHING",
            )
            .bind(epoch)
            .execute()
            .await?;
            read_bounds(tx).await
        })
    })
    .await
}

pub(super) async fn bounds(db: &Db) -> Result<Bounds, DbError> {
    db.read(|tx| Box::pin(read_bounds(tx))).await
}

async fn read_bounds(tx: &mut Tx<'_>) -> Result<Bounds, DbError> {
    let row =
        tx.query("SELECT epoch, pruned, position FROM bursar_event_head WHERE id = 1").fetch_one().await?;
    Ok(Bounds { epoch: row.get("epoch")?, pruned: row.get("pruned")?, head: row.get("position")? })
}

/// Writes the events of a transaction that has come to its end, as the last thing before its commit.
pub(crate) async fn flush(tx: &mut Tx<'_>) -> Result<(), DbError> {
    let events = std::mem::take(&mut tx.events);
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.into_iter().map(outbox_row).collect();
    let columns = ["event_id", "event_type", "subject", "occurred_at", "type_url", "data", "traceparent"];
    tx.bulk_insert("bursar_event_outbox", columns, rows).await?;
    if tx.dialect() == Dialect::Sqlite {
        // One writer at a time: the order of this step is the order of commits.
        while sequence(tx, SEQUENCE_BATCH_MAX).await?.moved == SEQUENCE_BATCH_MAX.unsigned_abs() {}
    }
    Ok(())
}

fn outbox_row(pending: PendingEvent) -> [Cell; 7] {
    let PendingEvent { id, event, occurred_at, traceparent } = pending;
    [
        id.to_string().into(),
        event.event_type.into(),
        event.subject.into(),
        occurred_at.into(),
        event.type_url.into(),
        event.data.into(),
        traceparent.into(),
    ]
}

/// What the sequencer sees when it looks.
pub(super) struct Look {
    pub(super) head: i64,
    pub(super) waiting: bool,
}

/// Whether there is anything to sequence, and where the log ends.
pub(super) async fn look(db: &Db) -> Result<Look, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx
                .query(
                    "SELECT position, EXISTS (SELECT 1 FROM bursar_event_outbox) AS waiting
                     FROM bursar_event_head WHERE id = 1",
                )
                .fetch_one()
                .await?;
            let waiting = match tx.dialect() {
                Dialect::Postgres => row.get::<bool>("waiting")?,
                Dialect::Sqlite => row.get::<i64>("waiting")? != 0,
            };
            Ok(Look { head: row.get("position")?, waiting })
        })
    })
    .await
}

/// What one turn of the sequencer did.
pub(super) struct Turn {
    pub(super) moved: u64,
    pub(super) head: i64,
}

/// Moves what waits in the outbox to the log, at most `most` events.
///
/// All statements of the turn must see the same data (snapshot isolation): the rows that are numbered are the rows
/// that are removed. The first takes the row lock, so of two sequencers one waits, and fails when the first commits.
pub(super) async fn sequence(tx: &mut Tx<'_>, most: i64) -> Result<Turn, DbError> {
    let head: i64 = tx
        .query("UPDATE bursar_event_head SET turns = turns + 1 WHERE id = 1 RETURNING position")
        .fetch_one()
        .await?
        .get("position")?;
    let moved = tx
        .query(
            "INSERT INTO bursar_event_log
                 (position, subject_version, event_id, event_type, subject, occurred_at, type_url, data, traceparent)
             SELECT $1 + ROW_NUMBER() OVER (ORDER BY o.seq),
                    COALESCE(s.version, 0) + ROW_NUMBER() OVER (PARTITION BY o.subject ORDER BY o.seq),
                    o.event_id, o.event_type, o.subject, o.occurred_at, o.type_url, o.data, o.traceparent
             FROM (SELECT * FROM bursar_event_outbox ORDER BY seq LIMIT $2) o
             LEFT JOIN bursar_event_subjects s ON s.subject = o.subject",
        )
        .bind(head)
        .bind(most)
        .execute()
        .await?;
    if moved == 0 {
        return Ok(Turn { moved, head });
    }
    tx.query(
        "INSERT INTO bursar_event_subjects (subject, version)
         SELECT subject, MAX(subject_version) FROM bursar_event_log WHERE position > $1 GROUP BY subject
         ON CONFLICT (subject) DO UPDATE SET version = excluded.version",
    )
    .bind(head)
    .execute()
    .await?;
    let removed = tx
        .query(
            "DELETE FROM bursar_event_outbox
             WHERE seq IN (SELECT seq FROM bursar_event_outbox ORDER BY seq LIMIT $1)",
        )
        .bind(most)
        .execute()
        .await?;
    if removed != moved {
        // Only an engine without snapshots gets here; to go on would lose or repeat events.
        let what = format!("the sequencer numbered {moved} events and removed {removed}");
        return Err(DbError::Corrupt { what });
    }
    let head = head.saturating_add(i64::try_from(moved).unwrap_or(i64::MAX));
    tx.query("UPDATE bursar_event_head SET position = $1 WHERE id = 1").bind(head).execute().await?;
    Ok(Turn { moved, head })
}

/// Events that are looked at in one step of pruning: bounds how long its transaction takes.
const PRUNE_BATCH_MAX: i64 = 1000;

/// What one step of pruning did.
pub(super) struct Pruned {
    /// Everything up to here is gone.
    pub(super) to: i64,
    /// How many went in this step.
    pub(super) events: u64,
    /// Readers that had not taken all of them.
    pub(super) passed: Vec<Reader>,
}

/// A registered reader.
pub(super) struct Reader {
    pub(super) name: String,
    pub(super) position: i64,
}

/// Removes the oldest events, in order, as long as each is older than `old` and taken by every registered reader, or
/// older than `late`.
pub(super) async fn prune(tx: &mut Tx<'_>, old: Timestamp, late: Timestamp) -> Result<Pruned, DbError> {
    let row = tx
        .query("UPDATE bursar_event_head SET pruned = pruned WHERE id = 1 RETURNING pruned")
        .fetch_one()
        .await?;
    let pruned: i64 = row.get("pruned")?;
    let rows = tx.query("SELECT name, position FROM bursar_event_consumers").fetch_all().await?;
    let mut readers = Vec::with_capacity(rows.len());
    for row in rows {
        readers.push(Reader { name: row.get("name")?, position: row.get("position")? });
    }
    let taken = readers.iter().map(|reader| reader.position).min().unwrap_or(i64::MAX);
    let rows = tx
        .query(
            "SELECT position, occurred_at FROM bursar_event_log WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(pruned)
        .bind(PRUNE_BATCH_MAX)
        .fetch_all()
        .await?;
    let mut to = pruned;
    for row in rows {
        let (position, moment): (i64, Timestamp) = (row.get("position")?, row.get("occurred_at")?);
        if moment >= old || (position > taken && moment >= late) {
            break;
        }
        to = position;
    }
    if to == pruned {
        return Ok(Pruned { to, events: 0, passed: Vec::new() });
    }
    let events = tx.query("DELETE FROM bursar_event_log WHERE position <= $1").bind(to).execute().await?;
    tx.query("UPDATE bursar_event_head SET pruned = $1 WHERE id = 1").bind(to).execute().await?;
    // Told once each: who was passed before is not passed again.
    readers.retain(|reader| reader.position < to && reader.position >= pruned);
    Ok(Pruned { to, events, passed: readers })
}

pub(super) async fn page(db: &Db, source: &str, after: i64, limit: usize) -> Result<Vec<Event>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT position, subject_version, event_id, event_type, subject, occurred_at, type_url, data,
                            traceparent
                     FROM bursar_event_log WHERE position > $1 ORDER BY position LIMIT $2",
                )
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter().map(|row| read_event(row, source)).collect()
        })
    })
    .await
}

/// A parked event, whoever parked it.
pub(super) struct Parked {
    pub(super) consumer: String,
    pub(super) source: String,
    pub(super) position: i64,
    pub(super) event: Event,
    pub(super) error: String,
    pub(super) tries: i64,
    pub(super) parked_at: Timestamp,
}

/// Parked events by consumer, source and position, after those.
pub(super) async fn parked(
    tx: &mut Tx<'_>,
    after: &(String, String, i64),
    limit: i64,
) -> Result<Vec<Parked>, DbError> {
    let rows = tx
        .query(
            "SELECT consumer, source, position, event, error, tries, parked_at FROM bursar_parked_events
             WHERE (consumer, source, position) > ($1, $2, $3) ORDER BY consumer, source, position LIMIT $4",
        )
        .bind(&after.0)
        .bind(&after.1)
        .bind(after.2)
        .bind(limit)
        .fetch_all()
        .await?;
    let parked = rows.iter().map(|row| {
        let event = Event::decode(row.get::<Vec<u8>>("event")?.as_slice())
            .map_err(|error| DbError::Corrupt { what: format!("a parked event: {error}") })?;
        Ok(Parked {
            consumer: row.get("consumer")?,
            source: row.get("source")?,
            position: row.get("position")?,
            event,
            error: row.get("error")?,
            tries: row.get("tries")?,
            parked_at: row.get("parked_at")?,
        })
    });
    parked.collect()
}

fn read_event(row: &Row, source: &str) -> Result<Event, DbError> {
    Ok(Event {
        id: row.get("event_id")?,
        source: source.to_owned(),
        r#type: row.get("event_type")?,
        subject: row.get("subject")?,
        subject_version: row.get("subject_version")?,
        time: Some(proto_time(row.get("occurred_at")?)),
        position: row.get("position")?,
        data: Some(prost_types::Any { type_url: row.get("type_url")?, value: row.get("data")? }),
        traceparent: row.get("traceparent")?,
    })
}

fn proto_time(moment: Timestamp) -> prost_types::Timestamp {
    let micros = moment.as_micros().rem_euclid(1_000_000);
    prost_types::Timestamp {
        seconds: moment.as_seconds(),
        nanos: i32::try_from(micros * 1000).expect("less than a second has less than 10^9 nanoseconds"),
    }
}
