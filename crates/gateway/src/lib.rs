//! The gateway: turns the protocols of banks, networks and shops into calls to vault and ledger, and their answers
//! back. It decides nothing and keeps no money.
//!
//! Card data comes in here and goes on to the vault at once, in types that wipe themselves (`bursar-card-data`); what
//! comes back is a card's token and a signed proof of what was checked.

mod bank;
mod config;
mod derived;
mod error;
mod grpc;
mod http;
mod iso;
mod peers;
mod store;

use bursar_proto::access::Identity;
use bursar_proto::gateway::v1::bank_file_service_server::BankFileServiceServer;
use bursar_proto::gateway::v1::checkout_service_server::CheckoutServiceServer;
use bursar_service::Chassis;
use bursar_service::run::{Parts, Spec, StartError};
use tonic::service::Routes;

use config::GatewayConfig;
use peers::Peers;

/// What makes the gateway a process.
pub fn spec() -> Spec<GatewayConfig> {
    Spec {
        identity: Identity::Gateway,
        defaults: include_str!("default.toml"),
        migrations: store::MIGRATIONS,
        start: |chassis, config| Box::pin(start(chassis, config)),
    }
}

async fn start(chassis: Chassis, config: GatewayConfig) -> Result<Parts, StartError> {
    let peers = Peers::connect(&chassis)?;
    iso::serve(&chassis, &config.iso8583, peers.clone()).await?;
    http::serve(&chassis, &config.http).await?;
    let largest = chassis.max_message_bytes();
    let checkout = grpc::Checkout::new(peers.clone());
    let bank_files = grpc::BankFiles::new(&chassis, peers);
    let routes = Routes::new(CheckoutServiceServer::new(checkout).max_decoding_message_size(largest))
        .add_service(BankFileServiceServer::new(bank_files).max_decoding_message_size(largest));
    Ok(Parts::new(routes))
}
