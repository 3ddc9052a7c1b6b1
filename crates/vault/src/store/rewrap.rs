//! What is under which key, and how far the pass is that moves records to another.

use bursar_service::db::{Cell, DbError, Tx};

use super::damaged;
use crate::keys::Purpose;

/// The newest pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) version: u32,
    pub(crate) done: i64,
    /// Records that are not under that version yet.
    pub(crate) left: i64,
    pub(crate) running: bool,
}

/// A data key on its way.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) card_id: String,
    pub(crate) field: i64,
    pub(crate) wrapped: Vec<u8>,
}

/// Records under a key, where they can be counted.
pub(crate) async fn count(tx: &mut Tx<'_>, purpose: Purpose, version: u32) -> Result<i64, DbError> {
    let sql = match purpose {
        Purpose::Kek => "SELECT COUNT(*) AS n FROM card_dek WHERE kek_version = $1",
        Purpose::PasswordPepper => "SELECT COUNT(*) AS n FROM card_password WHERE pepper_version = $1",
        _ => return Ok(0),
    };
    tx.query(sql).bind(i64::from(version)).fetch_one().await?.get("n")
}

/// Begins a pass, or lets one that stopped go on.
pub(crate) async fn begin(tx: &mut Tx<'_>, version: u32) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO rewrap_job (id, version, done, running) VALUES (1, $1, 0, $2)
         ON CONFLICT (id) DO UPDATE SET
             done = CASE WHEN rewrap_job.version = excluded.version THEN rewrap_job.done ELSE 0 END,
             version = excluded.version, running = excluded.running",
    )
    .bind(i64::from(version))
    .bind(true)
    .execute()
    .await
    .map(drop)
}

/// The newest pass; `left` is not counted.
pub(crate) async fn job(tx: &mut Tx<'_>) -> Result<Option<Job>, DbError> {
    let row = tx.query("SELECT version, done, running FROM rewrap_job WHERE id = 1").fetch_optional().await?;
    row.map(|row| {
        let version: i64 = row.get("version")?;
        Ok(Job {
            version: u32::try_from(version).map_err(|_| damaged("version", "not a key version"))?,
            done: row.get("done")?,
            left: 0,
            running: row.get("running")?,
        })
    })
    .transpose()
}

/// The newest pass, counted.
pub(crate) async fn counted_job(tx: &mut Tx<'_>) -> Result<Option<Job>, DbError> {
    let Some(job) = job(tx).await? else { return Ok(None) };
    let row = tx
        .query("SELECT COUNT(*) AS n FROM card_dek WHERE kek_version < $1")
        .bind(i64::from(job.version))
        .fetch_one()
        .await?;
    Ok(Some(Job { left: row.get("n")?, ..job }))
}

/// Data keys under an older version than `version`, at most `limit`: what was moved is not among them any more, so the
/// next page is found the same way.
pub(crate) async fn page(tx: &mut Tx<'_>, version: u32, limit: i64) -> Result<Vec<Moved>, DbError> {
    let rows = tx
        .query(
            "SELECT card_id, field, wrapped FROM card_dek WHERE kek_version < $1
             ORDER BY kek_version, card_id LIMIT $2",
        )
        .bind(i64::from(version))
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Moved { card_id: row.get("card_id")?, field: row.get("field")?, wrapped: row.get("wrapped")? })
        })
        .collect()
}

/// Writes data keys that are under `version` now.
pub(crate) async fn put(tx: &mut Tx<'_>, version: u32, moved: Vec<Moved>) -> Result<(), DbError> {
    let rows = moved.into_iter().map(|row| {
        [Cell::from(row.card_id), row.field.into(), i64::from(version).into(), row.wrapped.into()]
    });
    tx.bulk_upsert(
        "card_dek",
        ["card_id", "field", "kek_version", "wrapped"],
        rows.collect(),
        "ON CONFLICT (card_id, field) DO UPDATE SET kek_version = excluded.kek_version, wrapped = excluded.wrapped",
    )
    .await
    .map(drop)
}

/// Counts records that were moved.
pub(crate) async fn count_done(tx: &mut Tx<'_>, count: u64) -> Result<(), DbError> {
    tx.query("UPDATE rewrap_job SET done = done + $1 WHERE id = 1")
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .execute()
        .await
        .map(drop)
}

/// Ends the pass.
pub(crate) async fn finish(tx: &mut Tx<'_>) -> Result<(), DbError> {
    tx.query("UPDATE rewrap_job SET running = $1 WHERE id = 1").bind(false).execute().await.map(drop)
}
