//! What the gateway asks vault and ledger, as one thing that a test can play.

use std::fmt::Debug;

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{
    AuthorizeRequest, BookBankCreditRequest, BookBankCreditResponse, Channel, Merchant, NetworkReference,
    Payment,
};
use bursar_proto::vault::v1::{VerifyCardRequest, VerifyCardResponse};
use futures::future::BoxFuture;

use crate::error::GatewayError;

/// An answer that comes later.
pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// What is taken back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reversal {
    pub(crate) request_id: String,
    /// Empty: `network` says which.
    pub(crate) payment_id: String,
    /// The original's message.
    pub(crate) network: NetworkReference,
    /// `None`: all that is held.
    pub(crate) amount: Option<Money>,
}

/// What was paid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Presentment {
    pub(crate) request_id: String,
    pub(crate) card_id: String,
    pub(crate) amount: Money,
    pub(crate) merchant: Merchant,
    pub(crate) channel: Channel,
    pub(crate) network: NetworkReference,
    /// Empty: not given.
    pub(crate) authorization_code: String,
}

/// Vault and ledger. Every call may be repeated: its request id follows from what is asked, or it changes nothing.
pub(crate) trait Issuer: Send + Sync + Debug {
    /// The card of a number, with a proof of what was checked.
    fn verify_card(&self, request: VerifyCardRequest) -> Answer<'_, VerifyCardResponse>;

    /// Decides a payment.
    fn authorize(&self, request: AuthorizeRequest) -> Answer<'_, Payment>;

    /// Holds what was approved in the ledger's place, under the code that was given then.
    fn stand_in(&self, request: AuthorizeRequest, authorization_code: String) -> Answer<'_, Payment>;

    /// Takes a payment back, or a part of it. One that has not come yet is remembered, and declined when it comes.
    fn reverse(&self, reversal: Reversal) -> Answer<'_, ()>;

    /// Posts what was paid.
    fn present(&self, presentment: Presentment) -> Answer<'_, Payment>;

    /// Books a credit that the bank reported.
    fn book_bank_credit(&self, request: BookBankCreditRequest) -> Answer<'_, BookBankCreditResponse>;
}
