//! Where customers can be reached.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use crate::people::locale::Locale;

/// Where a customer can be reached; addresses are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) phone: Vec<u8>,
    pub(crate) email: Option<Vec<u8>>,
    pub(crate) locale: Locale,
    /// IANA name.
    pub(crate) time_zone: String,
}

/// Notes where a customer can be reached.
pub(crate) async fn put(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    recipient: &Recipient,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO recipients (customer_id, phone, email, locale, time_zone, update_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (customer_id) DO UPDATE
         SET phone = excluded.phone, email = excluded.email, locale = excluded.locale,
             time_zone = excluded.time_zone, update_time = excluded.update_time",
    )
    .bind_id(customer_id)
    .bind(&recipient.phone)
    .bind(recipient.email.clone())
    .bind(recipient.locale.tag())
    .bind(&recipient.time_zone)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// Where the customer can be reached; `None`: not known yet.
pub(crate) async fn get(tx: &mut Tx<'_>, customer_id: CustomerId) -> Result<Option<Recipient>, DbError> {
    let row = tx
        .query("SELECT phone, email, locale, time_zone FROM recipients WHERE customer_id = $1")
        .bind_id(customer_id)
        .fetch_optional()
        .await?;
    row.map(|row| {
        Ok(Recipient {
            phone: row.get("phone")?,
            email: row.get("email")?,
            locale: row.parse("locale")?,
            time_zone: row.get("time_zone")?,
        })
    })
    .transpose()
}
