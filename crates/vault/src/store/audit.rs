//! The audit log.

use bursar_service::db::{DbError, Tx};

use crate::audit::AuditRecord;

/// Appends a record.
pub(crate) async fn append(tx: &mut Tx<'_>, record: &AuditRecord) -> Result<(), DbError> {
    let (body, leaf) = record.body_and_leaf();
    tx.query(
        "INSERT INTO audit (at, caller, customer_id, operation, subject, outcome, reason, body, leaf)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(record.at)
    .bind(&record.caller)
    .bind(&record.customer_id)
    .bind(record.operation.as_str())
    .bind(&record.subject)
    .bind(record.outcome.as_str())
    .bind(&record.reason)
    .bind(body)
    .bind(leaf)
    .execute()
    .await
    .map(drop)
}
