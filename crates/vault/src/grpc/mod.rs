//! Translation between the contract and the vault's use cases; nothing is decided here.
//!
//! Fields that hold secrets are taken out of the request before anything else and parsed into types that wipe
//! themselves; the request that is left holds nothing to hide.

mod audit;
mod card_vault;
mod cardholder;
mod keys;
mod verification;

use bursar_proto::vault::v1::audit_service_server::AuditServiceServer;
use bursar_proto::vault::v1::card_vault_service_server::CardVaultServiceServer;
use bursar_proto::vault::v1::cardholder_service_server::CardholderServiceServer;
use bursar_proto::vault::v1::key_service_server::KeyServiceServer;
use bursar_proto::vault::v1::seal_service_server::SealServiceServer;
use bursar_proto::vault::v1::verification_service_server::VerificationServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use zeroize::Zeroizing;

use crate::cases::Vault;

/// The services of the vault.
#[derive(Clone, Debug)]
struct Handlers {
    vault: Vault,
    /// Streams end when it is cancelled.
    draining: CancellationToken,
}

/// The routes of the vault; messages of at most `message_bytes_max`.
pub(crate) fn routes(vault: Vault, draining: CancellationToken, message_bytes_max: usize) -> Routes {
    let handlers = Handlers { vault, draining };
    Routes::new(CardVaultServiceServer::new(handlers.clone()).max_decoding_message_size(message_bytes_max))
        .add_service(
            CardholderServiceServer::new(handlers.clone()).max_decoding_message_size(message_bytes_max),
        )
        .add_service(SealServiceServer::new(handlers.clone()).max_decoding_message_size(message_bytes_max))
        .add_service(KeyServiceServer::new(handlers.clone()).max_decoding_message_size(message_bytes_max))
        .add_service(AuditServiceServer::new(handlers.clone()).max_decoding_message_size(message_bytes_max))
        .add_service(VerificationServiceServer::new(handlers).max_decoding_message_size(message_bytes_max))
}

/// Takes a secret text out of a request; it is wiped when dropped.
fn take_text(field: &mut String) -> Zeroizing<String> {
    Zeroizing::new(std::mem::take(field))
}

/// Takes secret bytes out of a request; they are wiped when dropped.
fn take_bytes(field: &mut Vec<u8>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(std::mem::take(field))
}
