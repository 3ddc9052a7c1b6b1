//! All of identity's SQL. Functions take a transaction and know nothing of the rules they serve.

pub mod cases;
pub mod codes;
pub mod customers;
pub mod documents;
pub mod findings;
pub mod guards;
pub mod screenings;
pub mod sessions;
pub mod sign_ups;

use bursar_service::db::{DbError, Tx};
use bursar_service::migrate::Migration;

use crate::keys::MAC_LENGTH;

/// The schema, step by step.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "identity", sql: include_str!("schema.sql") },
    Migration { version: 2, name: "screening", sql: include_str!("screening.sql") },
];

/// Keeps the check value of the master key at the first start; tells whether it is the kept one at each further.
///
/// # Errors
/// What the database refused.
pub async fn is_same_master_key(tx: &mut Tx<'_>, check_value: [u8; MAC_LENGTH]) -> Result<bool, DbError> {
    tx.query("INSERT INTO master_key (id, check_value) VALUES (1, $1) ON CONFLICT DO NOTHING")
        .bind(check_value)
        .execute()
        .await?;
    let row = tx.query("SELECT check_value FROM master_key WHERE id = 1").fetch_one().await?;
    Ok(row.get::<Vec<u8>>("check_value")? == check_value)
}
