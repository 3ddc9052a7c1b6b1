//! Events of identity that wait to become commands.

use bursar_service::db::{Db, DbError, Isolation, Tx};
use bursar_types::id::CustomerId;
use bursar_types::id::EventId;

/// A change of a customer that identity told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomerNews {
    /// Order of arrival.
    pub(crate) number: i64,
    /// The event: the request id of the command it becomes.
    pub(crate) event: EventId,
    /// The customer.
    pub(crate) customer: CustomerId,
    /// The new state as identity writes it.
    pub(crate) state: String,
    /// The new KYC level.
    pub(crate) kyc_level: i64,
}

/// Keeps an event; once, however often it comes.
pub(crate) async fn keep(tx: &mut Tx<'_>, news: &CustomerNews) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO inbox (event_id, customer, state, kyc_level) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind_id(news.event)
    .bind_id(news.customer)
    .bind(&news.state)
    .bind(news.kyc_level)
    .execute()
    .await
    .map(drop)
}

/// The oldest that wait, at most `limit`.
pub(crate) async fn waiting(db: &Db, limit: i64) -> Result<Vec<CustomerNews>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT number, event_id, customer, state, kyc_level FROM inbox ORDER BY number LIMIT $1",
                )
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(CustomerNews {
                        number: row.get("number")?,
                        event: row.id("event_id")?,
                        customer: row.id("customer")?,
                        state: row.get("state")?,
                        kyc_level: row.get("kyc_level")?,
                    })
                })
                .collect()
        })
    })
    .await
}

/// Removes those up to `number`: they are in the journal.
pub(crate) async fn done(db: &Db, number: i64) -> Result<(), DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query("DELETE FROM inbox WHERE number <= $1").bind(number).execute().await.map(drop)
        })
    })
    .await
}
