//! gRPC in and out: translation only. The only place that knows tonic.

mod bank_files;
mod bridge;
mod checkout;
mod peers;
mod stream;

use bursar_proto::gateway::v1::bank_file_service_server::BankFileServiceServer;
use bursar_proto::gateway::v1::checkout_service_server::CheckoutServiceServer;
use bursar_service::{Chassis, Parts};
use tonic::service::Routes;

use crate::bank::Import;
use bank_files::BankFiles;
pub(crate) use bridge::{Bridge, CONTRACT, Problem, method};
use checkout::Checkout;
pub(crate) use peers::Peers;

/// What the gateway serves, and a bridge to it for those who do not speak gRPC.
pub(crate) fn serve(chassis: &Chassis, peers: Peers, import: Import) -> (Parts, Bridge) {
    let largest = chassis.max_message_bytes();
    let checkout = CheckoutServiceServer::new(Checkout::new(peers)).max_decoding_message_size(largest);
    let bank_files = BankFileServiceServer::new(BankFiles::new(import)).max_decoding_message_size(largest);
    let routes = Routes::new(checkout).add_service(bank_files);
    (Parts::new(routes.clone()), Bridge::new(routes))
}
