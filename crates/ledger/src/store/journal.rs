//! The journal's rows.

use bursar_service::db::{Db, DbError, Dialect, Isolation, Tx};
use bursar_types::id::ProgramId;

use crate::journal::{Head, Row};

/// What became of an append that the database answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is durable.
    Yes,
    /// The lease has another epoch, or the journal another end: somebody else owns the shard.
    Fenced,
}

/// Rows of one page while the journal is read.
pub(crate) const PAGE_ROWS: i64 = 256;

/// Appends `row`, if the lease still has its epoch and the journal still ends right before it: one short transaction.
///
/// The update of the lease's row takes its lock, so a take-over comes wholly before (then nothing is written) or
/// wholly after (then the new owner sees the row).
pub(crate) async fn append(db: &Db, shard: ProgramId, row: &Row) -> Result<Appended, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            let appended = match tx.dialect() {
                Dialect::Postgres => append_at_once(tx, shard, row).await?,
                Dialect::Sqlite => append_in_two(tx, shard, row).await?,
            };
            Ok(if appended { Appended::Yes } else { Appended::Fenced })
        })
    })
    .await
}

/// In one statement, for each is a way to the server and back.
async fn append_at_once(tx: &mut Tx<'_>, shard: ProgramId, row: &Row) -> Result<bool, DbError> {
    let appended = tx
        .query(
            "WITH owned AS (
                 UPDATE shard_lease SET head = $2 WHERE shard = $1 AND epoch = $3 AND head = $9 RETURNING shard
             )
             INSERT INTO journal (shard, sequence, epoch, time, first_position, count, entry, previous, hash)
             SELECT shard, $2, $3, $4, $5, $6, $7, $8, $10 FROM owned",
        )
        .bind_id(shard)
        .bind(row.sequence)
        .bind(row.epoch)
        .bind(row.time)
        .bind(row.first_position)
        .bind(row.count)
        .bind(&row.entry)
        .bind(row.previous)
        .bind(row.sequence - 1)
        .bind(row.hash)
        .execute()
        .await?;
    Ok(appended == 1)
}

/// SQLite changes one table a statement.
async fn append_in_two(tx: &mut Tx<'_>, shard: ProgramId, row: &Row) -> Result<bool, DbError> {
    let owned = tx
        .query("UPDATE shard_lease SET head = $3 WHERE shard = $1 AND epoch = $2 AND head = $4")
        .bind_id(shard)
        .bind(row.epoch)
        .bind(row.sequence)
        .bind(row.sequence - 1)
        .execute()
        .await?;
    if owned != 1 {
        return Ok(false);
    }
    tx.query(
        "INSERT INTO journal (shard, sequence, epoch, time, first_position, count, entry, previous, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind_id(shard)
    .bind(row.sequence)
    .bind(row.epoch)
    .bind(row.time)
    .bind(row.first_position)
    .bind(row.count)
    .bind(&row.entry)
    .bind(row.previous)
    .bind(row.hash)
    .execute()
    .await?;
    Ok(true)
}

fn row(row: &bursar_service::db::Row) -> Result<Row, DbError> {
    Ok(Row {
        sequence: row.get("sequence")?,
        epoch: row.get("epoch")?,
        time: row.get("time")?,
        first_position: row.get("first_position")?,
        count: row.get("count")?,
        entry: row.get("entry")?,
        previous: row.get("previous")?,
        hash: row.get("hash")?,
    })
}

/// The rows after `sequence`, in order, at most [`PAGE_ROWS`].
pub(crate) async fn page(db: &Db, shard: ProgramId, after: i64) -> Result<Vec<Row>, DbError> {
    page_of(db, shard, after, PAGE_ROWS).await
}

/// As [`page`], at most `limit` rows.
pub(crate) async fn page_of(db: &Db, shard: ProgramId, after: i64, limit: i64) -> Result<Vec<Row>, DbError> {
    db.read(|tx| Box::pin(rows_after(tx, shard, after, limit))).await
}

/// As [`page`], on the view of a transaction.
pub(crate) async fn page_in(tx: &mut Tx<'_>, shard: ProgramId, after: i64) -> Result<Vec<Row>, DbError> {
    rows_after(tx, shard, after, PAGE_ROWS).await
}

async fn rows_after(tx: &mut Tx<'_>, shard: ProgramId, after: i64, limit: i64) -> Result<Vec<Row>, DbError> {
    let rows = tx
        .query(
            "SELECT sequence, epoch, time, first_position, count, entry, previous, hash FROM journal
             WHERE shard = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        )
        .bind_id(shard)
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(row).collect()
}

/// One row.
pub(crate) async fn one(tx: &mut Tx<'_>, shard: ProgramId, sequence: i64) -> Result<Option<Row>, DbError> {
    let found = tx
        .query(
            "SELECT sequence, epoch, time, first_position, count, entry, previous, hash FROM journal
             WHERE shard = $1 AND sequence = $2",
        )
        .bind_id(shard)
        .bind(sequence)
        .fetch_optional()
        .await?;
    found.as_ref().map(row).transpose()
}

/// The end of the journal as of row `sequence`.
pub(crate) async fn head_at(db: &Db, shard: ProgramId, sequence: i64) -> Result<Option<Head>, DbError> {
    if sequence == 0 {
        return Ok(Some(Head::empty()));
    }
    db.read(|tx| Box::pin(async move { Ok(one(tx, shard, sequence).await?.as_ref().map(Head::after)) })).await
}

/// The last position of the shard whose row is not after `time`; 0: there is none. The journal has no index by time and
/// needs none: its rows are in the order of their times, so halving finds it.
pub(crate) async fn position_at(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    last: i64,
    time: bursar_types::Timestamp,
) -> Result<i64, DbError> {
    let (mut known, mut beyond) = (0, last + 1);
    let mut position = 0;
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        let row = tx
            .query("SELECT time, first_position, count FROM journal WHERE shard = $1 AND sequence = $2")
            .bind_id(shard)
            .bind(middle)
            .fetch_one()
            .await?;
        if row.get::<bursar_types::Timestamp>("time")? <= time {
            known = middle;
            position = row.get::<i64>("first_position")? + row.get::<i64>("count")? - 1;
        } else {
            beyond = middle;
        }
    }
    Ok(position)
}

/// The row that holds `position`, found by halving: first positions grow with the sequence, so no index is needed that
/// every append would have to keep.
pub(crate) async fn holding(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    position: i64,
) -> Result<Option<Row>, DbError> {
    // A row holds at least one command, so the row is not after this one; `low` is always at or before it.
    let (mut low, mut high) = (1, position);
    while low < high {
        let middle = low + (high - low + 1) / 2;
        // Beyond the end of the journal there is no row: the wanted one is before it.
        let first = tx
            .query("SELECT first_position FROM journal WHERE shard = $1 AND sequence = $2")
            .bind_id(shard)
            .bind(middle)
            .fetch_optional()
            .await?
            .map(|row| row.get::<i64>("first_position"))
            .transpose()?;
        if first.is_some_and(|first| first <= position) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let row = one(tx, shard, low).await?;
    Ok(row.filter(|row| (row.first_position..=row.last_position()).contains(&position)))
}
