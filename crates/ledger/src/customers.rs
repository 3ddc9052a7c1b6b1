//! How customers stand, as identity tells it in its events: kept with the cursor, then journaled, so that the decision
//! uses it and a replay decides the same.

use std::time::Duration;

use bursar_ledger_engine::{Action, Command, CustomerStatus};
use bursar_proto::event::v1::Event;
use bursar_proto::identity::v1::CustomerChanged;
use bursar_service::db::{Db, DbError, Tx};
use bursar_types::id::CustomerId;
use bursar_types::id::EventId;
use bursar_types::{Failure, Reason, RequestId, TypedId as _};
use prost::Message as _;

use crate::error::LedgerError;
use crate::program::itself;
use crate::store::inbox::{self, CustomerNews};
use crate::writer::{Handle, Order};

/// The events that are taken.
pub(crate) const TYPE: &str = "identity.customer.changed";
/// Events journaled in one turn.
const TURN_MAX: i64 = 500;
/// Time between turns while nothing waits.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why an event cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewsError {
    /// It is not what its type says.
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Failure for NewsError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unreadable(_) => Reason::InvalidField,
            Self::Database(error) => error.reason(),
        }
    }
}

fn read(event: &Event) -> Result<CustomerNews, NewsError> {
    let unreadable = |what: String| NewsError::Unreadable(what);
    let data = event.data.as_ref().ok_or_else(|| unreadable("it has no data".into()))?;
    let changed =
        CustomerChanged::decode(data.value.as_slice()).map_err(|error| unreadable(error.to_string()))?;
    Ok(CustomerNews {
        number: 0,
        event: event.id.parse::<EventId>().map_err(|error| unreadable(error.to_string()))?,
        customer: changed.customer_id.parse::<CustomerId>().map_err(|error| unreadable(error.to_string()))?,
        state: changed.state,
        kyc_level: i64::from(changed.kyc_level),
    })
}

/// Keeps an event in the consumer's own transaction. It is journaled outside of it: on SQLite the journal waits for
/// the very connection that this transaction holds.
pub(crate) async fn keep(tx: &mut Tx<'_>, event: &Event) -> Result<(), NewsError> {
    if event.r#type != TYPE {
        return Ok(());
    }
    Ok(inbox::keep(tx, &read(event)?).await?)
}

/// What identity's state means for paying.
fn status(state: &str, kyc_level: i64) -> CustomerStatus {
    match state {
        "ACTIVE" => CustomerStatus::Active,
        // Who is verified and applies for more stays what they were.
        "PENDING_REVIEW" | "PENDING_DOCUMENT" if kyc_level > 0 => CustomerStatus::Active,
        "CLOSED" => CustomerStatus::Closed,
        _ => CustomerStatus::Suspended,
    }
}

/// One turn of the background loop: journals what is kept, in order.
pub(crate) async fn journal(handle: Handle, db: Db) -> Result<(), LedgerError> {
    handle.ready().await;
    let waiting = inbox::waiting(&db, TURN_MAX).await?;
    let Some(last) = waiting.last().map(|news| news.number) else {
        tokio::time::sleep(LOOK_EVERY).await;
        return Ok(());
    };
    for news in &waiting {
        let kyc_level = u8::try_from(news.kyc_level.clamp(0, 3)).unwrap_or(0);
        let status = status(&news.state, news.kyc_level);
        let action = Action::SetCustomerStanding { customer: news.customer, status, kyc_level };
        // The event's id is the request id: however often it comes, it is journaled once.
        let request_id = RequestId::from_uuid(news.event.as_uuid());
        handle.submit(Order::internal(Command { request_id, actor: itself(), action })).await?;
    }
    Ok(inbox::done(&db, last).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_verified_pay() {
        assert_eq!(status("ACTIVE", 1), CustomerStatus::Active);
        assert_eq!(status("PENDING_REVIEW", 1), CustomerStatus::Active);
        assert_eq!(status("PENDING_REVIEW", 0), CustomerStatus::Suspended);
        assert_eq!(status("SUSPENDED", 3), CustomerStatus::Suspended);
        assert_eq!(status("CLOSED", 3), CustomerStatus::Closed);
    }
}
