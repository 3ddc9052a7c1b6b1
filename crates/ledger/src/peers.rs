//! What the ledger asks of other services, as it needs it; `grpc/peers.rs` asks, tests answer.

use std::fmt;

use bursar_types::RequestId;
use bursar_types::id::{CardId, CustomerId};
use futures::future::BoxFuture;

use crate::error::LedgerError;

/// How a customer stands, as identity says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomerFacts {
    /// Whether the customer is ACTIVE.
    pub(crate) active: bool,
    /// The state's name, for people.
    pub(crate) state: String,
    /// KYC level 0 to 3.
    pub(crate) kyc_level: i32,
}

/// A number that the vault is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberWanted {
    pub(crate) request_id: RequestId,
    pub(crate) card: CardId,
    pub(crate) customer: CustomerId,
    pub(crate) bin_range: String,
    pub(crate) year: u16,
    pub(crate) month: u8,
}

/// What the vault says of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NumberAnswer {
    /// It is made.
    Made {
        /// First six and last four digits.
        masked_pan: String,
        /// Last month: 1 to 12.
        month: i32,
        /// Year of that month.
        year: i32,
    },
    /// It never will be, for this reason.
    Never(String),
}

/// The services the ledger calls.
pub(crate) trait Peers: Send + Sync + fmt::Debug {
    /// Asks identity for a customer.
    fn customer(&self, id: CustomerId) -> BoxFuture<'_, Result<CustomerFacts, LedgerError>>;
    /// Asks the vault for a number. Asked again for the same card it gives the same.
    fn number(&self, wanted: NumberWanted) -> BoxFuture<'_, Result<NumberAnswer, LedgerError>>;
}
