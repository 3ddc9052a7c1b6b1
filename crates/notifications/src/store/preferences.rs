//! What customers want to be told, and how.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use crate::people::preferences::Preferences;

/// Sets the preferences of a customer.
pub(crate) async fn put(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    preferences: &Preferences,
    now: Timestamp,
) -> Result<(), DbError> {
    let body = serde_json::to_string(preferences).expect("a struct of numbers and names is always JSON");
    tx.query(
        "INSERT INTO preferences (customer_id, body, update_time) VALUES ($1, $2, $3)
         ON CONFLICT (customer_id) DO UPDATE SET body = excluded.body, update_time = excluded.update_time",
    )
    .bind_id(customer_id)
    .bind(body)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// The preferences of a customer; the default where none were set.
pub(crate) async fn get(tx: &mut Tx<'_>, customer_id: CustomerId) -> Result<Preferences, DbError> {
    let row = tx
        .query("SELECT body FROM preferences WHERE customer_id = $1")
        .bind_id(customer_id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(Preferences::default()) };
    serde_json::from_str(&row.get::<String>("body")?)
        .map_err(|error| DbError::Column { column: "body".into(), what: error.to_string() })
}
