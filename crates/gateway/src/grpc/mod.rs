//! gRPC in and out: translation only. The only place that knows tonic.

mod bank_files;
mod bridge;
mod checkout;
mod peers;
mod sandbox;
mod stream;

use bursar_proto::gateway::v1::bank_file_service_server::BankFileServiceServer;
use bursar_proto::gateway::v1::checkout_service_server::CheckoutServiceServer;
use bursar_proto::gateway::v1::sandbox_service_server::SandboxServiceServer;
use bursar_service::{Chassis, Parts};
use tonic::service::Routes;

use crate::bank::Import;
use crate::sandbox::Network;
use bank_files::BankFiles;
pub(crate) use bridge::{Bridge, CONTRACT, Problem, method};
use checkout::Checkout;
pub(crate) use peers::Peers;
use sandbox::Sandbox;

/// What the gateway serves, and a bridge to it for those who do not speak gRPC. `network`: the outside world, where it is
/// played.
pub(crate) fn serve(
    chassis: &Chassis,
    peers: Peers,
    import: Import,
    network: Option<Network>,
) -> (Parts, Bridge) {
    let largest = chassis.max_message_bytes();
    let checkout = CheckoutServiceServer::new(Checkout::new(peers)).max_decoding_message_size(largest);
    let bank_files = BankFiles::new(import.clone());
    let bank_files = BankFileServiceServer::new(bank_files).max_decoding_message_size(largest);
    let mut routes = Routes::new(checkout).add_service(bank_files);
    if let Some(network) = network {
        routes = routes.add_service(SandboxServiceServer::new(Sandbox { network, import }));
    }
    (Parts::new(routes.clone()), Bridge::new(routes))
}
