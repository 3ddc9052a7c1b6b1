//! What checks and screening found, one set for each hand-in. Never changed.

use bursar_service::db::{Cell, DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::KycCaseId;

use crate::keys::Place;
use crate::kyc::checks::Check;

/// Keeps the checks of one hand-in.
///
/// # Errors
/// What the database refused.
pub async fn insert_checks(
    tx: &mut Tx<'_>,
    case: KycCaseId,
    attempt: i64,
    checks: &[Check],
) -> Result<(), DbError> {
    let case = case.to_string();
    let rows: Vec<[Cell; 6]> = (0_i64..)
        .zip(checks)
        .map(|(position, check)| {
            [
                case.clone().into(),
                attempt.into(),
                position.into(),
                check.name.clone().into(),
                check.outcome.as_str().into(),
                check.detail.clone().into(),
            ]
        })
        .collect();
    let columns = ["case_id", "attempt", "position", "name", "outcome", "detail"];
    tx.bulk_insert("kyc_checks", columns, rows).await.map(drop)
}

/// The checks of one hand-in, in their order.
///
/// # Errors
/// What the database refused.
pub async fn checks(tx: &mut Tx<'_>, case: KycCaseId, attempt: i64) -> Result<Vec<Check>, DbError> {
    let rows = tx
        .query(
            "SELECT name, outcome, detail FROM kyc_checks WHERE case_id = $1 AND attempt = $2
             ORDER BY position LIMIT 100",
        )
        .bind_id(case)
        .bind(attempt)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Check { name: row.get("name")?, outcome: row.parse("outcome")?, detail: row.get("detail")? })
        })
        .collect()
}

/// A screening as stored.
pub struct RunRow {
    /// Name of the list.
    pub list: String,
    /// Version of the list.
    pub list_version: String,
    /// Version of the scorer.
    pub algorithm: &'static str,
    /// Least score of a hit.
    pub threshold_bps: i64,
    /// Number of hits.
    pub hits: i64,
    /// The hits, sealed.
    pub hits_sealed: Vec<u8>,
    /// When.
    pub ran_at: Timestamp,
}

/// Row of a run, as its hits are sealed for.
pub fn hits_row(case: KycCaseId, attempt: i64) -> String {
    format!("{case}/{attempt}")
}

/// Where the hits of a run are sealed for.
pub fn hits_place(row: &str) -> Place<'_> {
    Place { table: "screening_runs", column: "hits_sealed", row }
}

/// Keeps a run.
///
/// # Errors
/// What the database refused.
pub async fn insert_run(tx: &mut Tx<'_>, case: KycCaseId, attempt: i64, run: &RunRow) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO screening_runs (case_id, attempt, list, list_version, algorithm, threshold_bps, hits,
                                     hits_sealed, ran_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind_id(case)
    .bind(attempt)
    .bind(&run.list)
    .bind(&run.list_version)
    .bind(run.algorithm)
    .bind(run.threshold_bps)
    .bind(run.hits)
    .bind(&run.hits_sealed)
    .bind(run.ran_at)
    .execute()
    .await
    .map(drop)
}

/// List, version and sealed hits of one hand-in's run.
///
/// # Errors
/// What the database refused.
pub async fn run(
    tx: &mut Tx<'_>,
    case: KycCaseId,
    attempt: i64,
) -> Result<Option<(String, String, Vec<u8>)>, DbError> {
    let row = tx
        .query(
            "SELECT list, list_version, hits_sealed FROM screening_runs WHERE case_id = $1 AND attempt = $2",
        )
        .bind_id(case)
        .bind(attempt)
        .fetch_optional()
        .await?;
    row.map(|row| Ok((row.get("list")?, row.get("list_version")?, row.get("hits_sealed")?))).transpose()
}
