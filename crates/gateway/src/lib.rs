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
mod issuer;
mod sandbox;
mod store;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use bursar_proto::access::Identity;
use bursar_service::Chassis;
use bursar_service::run::{Parts, Spec, StartError};
use bursar_service::supervisor::Backoff;

use bank::{Booker, Import};
use config::GatewayConfig;
use grpc::Peers;
use issuer::Issuer;
use sandbox::Network;

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
    let issuer: Arc<dyn Issuer> = Arc::new(peers.clone());
    let address = iso::serve(&chassis, &config, Arc::clone(&issuer)).await?;
    let booker = Booker { db: chassis.db.clone(), issuer };
    let import = Import {
        db: chassis.db.clone(),
        events: chassis.events.clone(),
        clock: Arc::clone(&chassis.clock),
        ids: chassis.ids.clone(),
        booker: booker.clone(),
    };
    chassis.supervisor.spawn_loop("bank entries", Backoff::default(), move || booker.clone().round());
    let network = chassis.sandbox.then(|| network(&chassis, &config, address)).transpose()?;
    let (parts, bridge) = grpc::serve(&chassis, peers, import, network);
    http::serve(&chassis, &config.http, bridge).await?;
    Ok(parts)
}

/// The network that the sandbox plays.
fn network(chassis: &Chassis, config: &GatewayConfig, address: SocketAddr) -> Result<Network, StartError> {
    let profile = iso::open_profile(&config.iso8583.profile).map_err(StartError::Configuration)?;
    let mut seed = [0; 4];
    chassis.entropy.fill(&mut seed);
    Ok(Network::new(profile, address, Arc::clone(&chassis.clock), u32::from_le_bytes(seed)))
}
