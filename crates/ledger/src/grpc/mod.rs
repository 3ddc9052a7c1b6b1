//! Translation between the contract and the ledger; the only place with tonic types.

mod account_changes;
mod accounts;
mod books;
mod caller;
mod cards;
mod payments;
mod peers;
mod products;
mod proofs;
mod reads;
mod stream;
mod top_ups;
mod transfers;
mod twin;

use std::sync::Arc;

use bursar_ledger_engine::{Note, Reference};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{CallContext, Invalid};
use bursar_types::id::CustomerId;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::config::Program;
use crate::error::LedgerError;
use crate::issue::Issuer;
use crate::project::public::Reader;
use crate::proof::Proofs;
use crate::writer::Handle;

use caller::{Caller, actor};
pub(crate) use peers::GrpcPeers;

/// What all services of the ledger stand on.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) handle: Handle,
    pub(crate) issuer: Issuer,
    pub(crate) proofs: Proofs,
    pub(crate) program: Program,
    /// Cancelled when the process drains: streams end in good order.
    pub(crate) draining: CancellationToken,
}

/// The ledger's services. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) Arc<Core>);

impl Api {
    /// The gRPC services.
    pub(crate) fn routes(self, message_bytes_max: usize) -> Routes {
        use proto::account_service_server::AccountServiceServer;
        use proto::books_service_server::BooksServiceServer;
        use proto::card_service_server::CardServiceServer;
        use proto::payment_service_server::PaymentServiceServer;
        use proto::program_service_server::ProgramServiceServer;
        use proto::top_up_service_server::TopUpServiceServer;
        use proto::transfer_service_server::TransferServiceServer;

        Routes::new(AccountServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max))
            .add_service(CardServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max))
            .add_service(PaymentServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max))
            .add_service(TopUpServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max))
            .add_service(
                TransferServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max),
            )
            .add_service(ProgramServiceServer::new(self.clone()).max_decoding_message_size(message_bytes_max))
            .add_service(BooksServiceServer::new(self).max_decoding_message_size(message_bytes_max))
    }
}

/// Refuses what belongs to another customer; callers in their own name see everything.
fn own(context: &CallContext, owner: Option<CustomerId>) -> Result<(), LedgerError> {
    match &context.customer {
        Some(customer) if owner != Some(customer.customer_id) => Err(LedgerError::NotYours),
        _ => Ok(()),
    }
}

/// Who reads what is told.
fn reader(context: &CallContext) -> Reader {
    if context.customer.is_some() { Reader::Customer } else { Reader::Staff }
}

/// Whose things a list shows: a customer's call always means their own.
fn listed_customer(
    context: &CallContext,
    asked: Option<CustomerId>,
) -> Result<Option<CustomerId>, LedgerError> {
    match (&context.customer, asked) {
        (Some(customer), Some(asked)) if asked != customer.customer_id => Err(LedgerError::NotYours),
        (Some(customer), _) => Ok(Some(customer.customer_id)),
        (None, asked) => Ok(asked),
    }
}

/// A text of at most `most` characters that may be empty, as the engine bounds it in bytes.
fn bounded<const MAX: usize>(
    field: &str,
    text: &str,
    most: usize,
) -> Result<bursar_ledger_engine::Text<MAX>, Invalid> {
    let text = bursar_service::parse::text(field, text, 0..=most)?;
    bursar_ledger_engine::Text::new(text).map_err(|error| Invalid::new().field(field, error.to_string()))
}

/// A reference of the caller's.
fn reference(field: &str, text: &str, most: usize) -> Result<Reference, Invalid> {
    bounded(field, text, most)
}

/// Words that explain something: required, at most 256 characters; what is longer in bytes than is kept is cut.
fn reason(field: &str, text: &str) -> Result<Note, Invalid> {
    Ok(crate::issue::note(bursar_service::parse::text(field, text, 1..=256)?))
}
