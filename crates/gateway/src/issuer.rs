//! What the gateway asks vault and ledger, as one thing that a test can play.

use std::fmt::Debug;

use bursar_proto::ledger::v1::{
    AuthorizeRequest, BookBankCreditRequest, BookBankCreditResponse, GetPaymentRequest, Payment,
    PostPresentmentRequest, RefundPaymentRequest, ReversePaymentRequest,
};
use bursar_proto::vault::v1::{VerifyCardRequest, VerifyCardResponse};
use futures::future::BoxFuture;

use crate::error::GatewayError;

/// An answer that comes later.
pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// Vault and ledger. Every call may be repeated: its request id follows from what is asked, or it changes nothing.
pub(crate) trait Issuer: Send + Sync + Debug {
    /// The card of a number, with a proof of what was checked.
    fn verify_card(&self, request: VerifyCardRequest) -> Answer<'_, VerifyCardResponse>;

    /// Decides a payment.
    fn authorize(&self, request: AuthorizeRequest) -> Answer<'_, Payment>;

    /// Takes a payment back, or a part of it. One that has not come yet is remembered, and declined when it comes.
    fn reverse(&self, request: ReversePaymentRequest) -> Answer<'_, ()>;

    /// Posts what was paid.
    fn present(&self, request: PostPresentmentRequest) -> Answer<'_, ()>;

    /// Pays back.
    fn refund(&self, request: RefundPaymentRequest) -> Answer<'_, ()>;

    /// A payment as it stands.
    fn payment(&self, request: GetPaymentRequest) -> Answer<'_, Payment>;

    /// Books a credit that the bank reported.
    fn book_bank_credit(&self, request: BookBankCreditRequest) -> Answer<'_, BookBankCreditResponse>;
}
