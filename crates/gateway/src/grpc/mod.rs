//! gRPC in and out: translation only. The only place that knows tonic.

mod bank_files;
mod checkout;
mod peers;

use bursar_proto::gateway::v1::bank_file_service_server::BankFileServiceServer;
use bursar_proto::gateway::v1::checkout_service_server::CheckoutServiceServer;
use bursar_service::{Chassis, Parts};
use tonic::service::Routes;

use crate::bank::Import;
use bank_files::BankFiles;
use checkout::Checkout;
pub(crate) use peers::Peers;

/// What the gateway serves.
pub(crate) fn serve(chassis: &Chassis, peers: Peers, import: Import) -> Parts {
    let largest = chassis.max_message_bytes();
    let checkout = CheckoutServiceServer::new(Checkout::new(peers)).max_decoding_message_size(largest);
    let bank_files = BankFileServiceServer::new(BankFiles::new(import)).max_decoding_message_size(largest);
    Parts::new(Routes::new(checkout).add_service(bank_files))
}
