//! Which transfer reversed which.

use bursar_service::db::Tx;
use bursar_types::id::{ProgramId, TransferId};

use crate::error::LedgerError;

/// The transfer that reversed `original`.
pub(crate) async fn reversed_by(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    original: TransferId,
) -> Result<Option<TransferId>, LedgerError> {
    let row = tx
        .query("SELECT reversed_by FROM reversal WHERE shard = $1 AND original = $2")
        .bind_id(shard)
        .bind_id(original)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| row.id("reversed_by")).transpose()?)
}
