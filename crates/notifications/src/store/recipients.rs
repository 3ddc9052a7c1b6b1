//! Where customers can be reached.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use crate::people::locale::Locale;

/// Notes where a customer can be reached; `phone` is sealed.
pub(crate) async fn put(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    phone: &[u8],
    locale: Locale,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO recipients (customer_id, phone, locale, update_time) VALUES ($1, $2, $3, $4)
         ON CONFLICT (customer_id) DO UPDATE
         SET phone = excluded.phone, locale = excluded.locale, update_time = excluded.update_time",
    )
    .bind_id(customer_id)
    .bind(phone)
    .bind(locale.tag())
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// The customer's language; `None`: not known yet.
pub(crate) async fn locale(tx: &mut Tx<'_>, customer_id: CustomerId) -> Result<Option<Locale>, DbError> {
    let row = tx
        .query("SELECT locale FROM recipients WHERE customer_id = $1")
        .bind_id(customer_id)
        .fetch_optional()
        .await?;
    row.map(|row| row.parse("locale")).transpose()
}
