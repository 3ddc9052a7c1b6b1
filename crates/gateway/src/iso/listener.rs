//! The TCP side: connections in, frames to messages, replies out in whatever order they are ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bursar_iso8583::{Decoded, Envelope, FrameDecoder, Profile, SecretBytes};
use bursar_service::{Chassis, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::exchange::Exchange;
use super::response_codes::ResponseCodes;
use crate::config::Iso8583Config;
use crate::issuer::Issuer;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 * 1024;
/// Wait after the system refused to give a connection (no descriptors left): trying at once would spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Longest wait for a partner to take a reply; one that does not read is cut off.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Opens the listener and serves it until the process stops.
pub(crate) async fn serve(
    chassis: &Chassis,
    config: &Iso8583Config,
    issuer: Arc<dyn Issuer>,
) -> Result<(), StartError> {
    let profile = Profile::builtin(&config.profile).map_err(|error| {
        StartError::Configuration(format!("iso8583.profile `{}`: {error}", config.profile))
    })?;
    let codes = ResponseCodes::builtin()
        .map_err(|error| StartError::Internal(format!("the table of response codes: {error}")))?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        StartError::Unavailable(format!(
            "iso8583.listen {}: {error}; free the port or choose another",
            config.listen
        ))
    })?;
    let exchange = Arc::new(Exchange::new(profile, codes, issuer, config.answer_max()));
    let limits = Limits {
        connections: Arc::new(Semaphore::new(config.connections_max)),
        in_flight_max: config.in_flight_max.max(1),
        idle_max: config.idle_max(),
    };
    // New messages end with the drain; replies under way are still sent.
    let stop = chassis.draining.clone();
    chassis.supervisor.spawn_once("iso8583", accept(listener, exchange, limits, stop));
    Ok(())
}

#[derive(Clone, Debug)]
struct Limits {
    connections: Arc<Semaphore>,
    in_flight_max: usize,
    idle_max: Duration,
}

async fn accept(listener: TcpListener, exchange: Arc<Exchange>, limits: Limits, stop: CancellationToken) {
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
                    let (exchange, limits, stop) = (Arc::clone(&exchange), limits.clone(), stop.clone());
                    connections.spawn(async move {
                        connection(stream, peer, exchange, limits, stop).await;
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

/// Serves one connection until it ends, breaks, falls silent or the process stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    exchange: Arc<Exchange>,
    limits: Limits,
    stop: CancellationToken,
) {
    tracing::debug!(%peer, "connected");
    // A reply must not wait for the next to fill a packet.
    let _ = stream.set_nodelay(true);
    let (reading, writing) = stream.into_split();
    let (replies, outgoing) = mpsc::channel(limits.in_flight_max);
    let mut writer = JoinSet::new();
    writer.spawn(write(writing, outgoing));
    let ended = tokio::select! {
        ended = read(reading, &exchange, &limits, &replies, &stop) => ended,
        _ = writer.join_next() => "replies cannot be sent",
    };
    // Waits for the replies under way: each holds a sender.
    drop(replies);
    while writer.join_next().await.is_some() {}
    tracing::debug!(%peer, ended, "disconnected");
}

async fn read(
    mut stream: OwnedReadHalf,
    exchange: &Arc<Exchange>,
    limits: &Limits,
    replies: &mpsc::Sender<SecretBytes>,
    stop: &CancellationToken,
) -> &'static str {
    let mut decoder = FrameDecoder::new(exchange.profile().framing());
    let mut buffer = Zeroizing::new(vec![0_u8; READ_BYTES]);
    let in_flight = Arc::new(Semaphore::new(limits.in_flight_max));
    let mut working = JoinSet::new();
    let ended = loop {
        let arrived = tokio::select! {
            arrived = tokio::time::timeout(limits.idle_max, stream.read(&mut buffer)) => arrived,
            () = stop.cancelled() => break "the process stops",
        };
        let count = match arrived {
            Err(_) => break "it was silent for too long",
            Ok(Err(_)) => break "it broke",
            Ok(Ok(0)) => {
                break if decoder.is_between_frames() {
                    "it was closed"
                } else {
                    "it was closed in a message"
                };
            }
            Ok(Ok(count)) => count,
        };
        let mut input = &buffer[..count];
        loop {
            let (decoded, envelope) = match decoder.next(&mut input) {
                Ok(None) => break,
                // A frame without a message keeps the connection alive.
                Ok(Some(frame)) if frame.message().is_empty() => continue,
                Ok(Some(frame)) => (exchange.profile().decode(frame.message()), frame.envelope().reply()),
                Err(error) => {
                    tracing::warn!(%error, "a stream that cannot be understood is closed");
                    return drained(working, "it cannot be understood").await;
                }
            };
            let Ok(place) = Arc::clone(&in_flight).acquire_owned().await else { break };
            while working.try_join_next().is_some() {}
            let (exchange, replies) = (Arc::clone(exchange), replies.clone());
            working.spawn(async move {
                answer(&exchange, decoded, &envelope, &replies).await;
                drop(place);
            });
        }
    };
    drained(working, ended).await
}

/// Lets the decisions under way come to their replies.
async fn drained(mut working: JoinSet<()>, ended: &'static str) -> &'static str {
    while working.join_next().await.is_some() {}
    ended
}

async fn answer(
    exchange: &Exchange,
    decoded: Decoded,
    envelope: &Envelope,
    replies: &mpsc::Sender<SecretBytes>,
) {
    let started = tokio::time::Instant::now();
    let Some(reply) = exchange.answer(decoded).await else { return };
    let code = reply.response_code().unwrap_or_default().to_owned();
    metrics::histogram!("bursar_iso8583_answer_seconds", "code" => code)
        .record(started.elapsed().as_secs_f64());
    tracing::info!(reply = %reply, "answered");
    let mut framed = SecretBytes::default();
    let written = exchange.profile().encode(&reply).map_err(|error| error.to_string()).and_then(|bytes| {
        exchange.profile().framing().write(envelope, &bytes, &mut framed).map_err(|e| e.to_string())
    });
    match written {
        Ok(()) => {
            // The partner may have gone: then nobody waits for it.
            let _ = replies.send(framed).await;
        }
        Err(error) => tracing::error!(error, "a reply cannot be encoded"),
    }
}

async fn write(mut stream: OwnedWriteHalf, mut outgoing: mpsc::Receiver<SecretBytes>) {
    while let Some(reply) = outgoing.recv().await {
        match tokio::time::timeout(WRITE_MAX, stream.write_all(&reply)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = stream.shutdown().await;
}
