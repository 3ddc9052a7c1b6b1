//! Partners' connections are opened, those they make and those we make, and served until the process stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bursar_service::{Chassis, StartError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{Limits, Opened, serve_connection};
use super::exchange::Desk;
use super::network::Link;
use super::partner::{Partner, Way, partners};
use crate::config::Iso8583Config;

/// Wait after the system refused to give a connection (no descriptors left): trying at once would spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Longest wait for TLS to be agreed on, and for a partner to take a call.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// Wait before a partner is called again; doubled up to the most while it does not answer.
const CALL_AGAIN: Duration = Duration::from_millis(500);
const CALL_AGAIN_MAX: Duration = Duration::from_secs(30);

/// Opens every partner's connection, and serves them until the process stops; says where `[iso8583]` itself listens.
pub(crate) async fn serve(
    chassis: &Chassis,
    config: &Iso8583Config,
    desk: Desk,
) -> Result<SocketAddr, StartError> {
    let desk = Arc::new(desk);
    let limits = Limits {
        connections: Arc::new(Semaphore::new(config.connections_max)),
        in_flight_max: config.in_flight_max.max(1),
        idle_max: config.idle_max(),
        message_max: config.message_max(),
    };
    let mut own = config.listen;
    for partner in partners(config, &desk)? {
        // New messages end with the drain; replies under way are still sent.
        let (limits, stop) = (limits.clone(), chassis.draining.clone());
        match partner.way.clone() {
            Way::Listen(_) => {
                let listener = TcpListener::bind(&partner.address).await.map_err(|error| {
                    StartError::Unavailable(format!(
                        "{} {}: {error}; free the port or choose another",
                        partner.name, partner.address
                    ))
                })?;
                // The first is that of `[iso8583]` itself; the system may have chosen its port.
                if partner.address == config.listen.to_string() {
                    own = listener.local_addr().unwrap_or(own);
                }
                chassis.supervisor.spawn_once("iso8583", accept(listener, partner, limits, stop));
            }
            Way::Call { .. } => chassis.supervisor.spawn_once("iso8583 call", call(partner, limits, stop)),
        }
    }
    Ok(own)
}

pub(super) async fn accept(listener: TcpListener, partner: Partner, limits: Limits, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task broke");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&limits.connections).try_acquire_owned() {
                Ok(place) => {
                    let (partner, limits, stop) = (partner.clone(), limits.clone(), stop.clone());
                    connections.spawn(async move {
                        let opened = tokio::time::timeout(OPEN_MAX, taken(stream, &partner.way)).await;
                        match opened {
                            Ok(Ok(stream)) => {
                                let link = Arc::new(Link::default());
                                serve_connection(stream, &partner, link, &limits, &stop, None).await;
                            }
                            Ok(Err(error)) => tracing::info!(%peer, %error, "TLS cannot be agreed on"),
                            Err(_) => tracing::info!(%peer, "TLS was not agreed on in time"),
                        }
                        drop(place);
                    });
                }
                Err(_) => tracing::warn!(%peer, "too many ISO 8583 connections: refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn taken(stream: TcpStream, way: &Way) -> std::io::Result<Opened> {
    // A reply must not wait for the next to fill a packet.
    let _ = stream.set_nodelay(true);
    Ok(match way {
        Way::Listen(Some(tls)) => Box::new(tls.accept(stream).await?),
        _ => Box::new(stream),
    })
}

/// Calls a partner again and again.
pub(super) async fn call(partner: Partner, limits: Limits, stop: CancellationToken) {
    let Way::Call { echo, .. } = &partner.way else { return };
    let mut wait = CALL_AGAIN;
    while !stop.is_cancelled() {
        let opened = tokio::select! {
            opened = tokio::time::timeout(OPEN_MAX, dial(&partner)) => opened,
            () = stop.cancelled() => return,
        };
        let problem = match opened {
            Ok(Ok(stream)) => {
                let link = Arc::new(Link::default());
                serve_connection(stream, &partner, Arc::clone(&link), &limits, &stop, Some(*echo)).await;
                if link.is_signed_on() {
                    wait = CALL_AGAIN;
                }
                "the connection ended".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(partner = %partner.name, problem, wait_ms = wait.as_millis(), "will call again");
        let _ = tokio::time::timeout(wait, stop.cancelled()).await;
        wait = wait.saturating_mul(2).min(CALL_AGAIN_MAX);
    }
}

async fn dial(partner: &Partner) -> std::io::Result<Opened> {
    let stream = TcpStream::connect(&partner.address).await?;
    let _ = stream.set_nodelay(true);
    Ok(match &partner.way {
        Way::Call { tls: Some((tls, name)), .. } => Box::new(tls.connect(name.clone(), stream).await?),
        _ => Box::new(stream),
    })
}
