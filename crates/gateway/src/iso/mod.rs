//! ISO 8583 over TCP and TLS: a connection's frames become messages, a message becomes one decision, a decision becomes the
//! reply. What is only told to us is written down, acknowledged, and told to the ledger afterwards.

mod advice;
mod connection;
mod deliver;
mod exchange;
mod keeper;
mod listener;
mod mac;
mod network;
mod partner;
mod purchase;
mod reference;
mod response_codes;
mod seal;
#[cfg(test)]
mod tests;
mod work;

use bursar_iso8583::Version;
use bursar_service::{Backoff, Chassis, StartError};
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use deliver::Deliverer;
pub(crate) use exchange::Desk;
pub(crate) use keeper::Keeper;
pub(crate) use partner::open_profile;
use response_codes::ResponseCodes;
pub(crate) use seal::Sealer;

use crate::config::GatewayConfig;
use crate::issuer::Issuer;

/// Starts all of it; says where `[iso8583]` itself listens.
pub(crate) async fn serve(
    chassis: &Chassis,
    config: &GatewayConfig,
    issuer: Arc<dyn Issuer>,
) -> Result<SocketAddr, StartError> {
    let sealer = match &config.keys.master_file {
        Some(path) => Some(Sealer::open(path, chassis.sandbox, Arc::clone(&chassis.entropy))?),
        None => None,
    };
    let (keeper, writing) = Keeper::new(chassis.db.clone(), Arc::clone(&chassis.entropy));
    let deliverer = Deliverer {
        db: chassis.db.clone(),
        issuer: Arc::clone(&issuer),
        clock: Arc::clone(&chassis.clock),
        sealer: sealer.clone(),
        wake: Arc::clone(&keeper.deliveries),
    };
    chassis.supervisor.spawn_once("iso8583 answers", writing.run());
    let housekeeper = deliverer.clone();
    chassis
        .supervisor
        .spawn_loop("iso8583 deliveries", Backoff::default(), move || deliverer.clone().round());
    chassis
        .supervisor
        .spawn_loop("iso8583 housekeeping", Backoff::default(), move || housekeeper.clone().housekeeping());
    listener::serve(chassis, &config.iso8583, desk(chassis, issuer, keeper, sealer)?).await
}

fn desk(
    chassis: &Chassis,
    issuer: Arc<dyn Issuer>,
    keeper: Keeper,
    sealer: Option<Sealer>,
) -> Result<Desk, StartError> {
    let codes = |version| {
        let read = ResponseCodes::builtin(version);
        read.map_err(|error| StartError::Internal(format!("the table of response codes: {error}")))
    };
    Ok(Desk {
        issuer,
        keeper,
        clock: Arc::clone(&chassis.clock),
        sealer,
        codes_87: codes(Version::V1987)?,
        codes_93: codes(Version::V1993)?,
    })
}
