//! The gRPC port: connections over mutual TLS, each call through [`stack`], a stop that drains.
//!
//! Our own accept loop, because tonic's would answer an expired deadline as CANCELLED, knows neither TLS 1.3 only nor
//! a change of certificates, and cannot end a drain that takes too long.

mod body;
mod door;
mod policy;
mod probe;
mod refusal;
mod stack;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_proto::access::{self, Identity, MethodAccess};
use bursar_types::{Clock, Entropy};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::run::Chassis;
use crate::telemetry::metrics as names;
use crate::tls::{Name, Tls};
use crate::token::TokenVerifier;

pub use door::Door;
pub(crate) use probe::Probe;

/// Longest handshake; a peer on a healthy network needs milliseconds.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Connections at once. Peers hold one or a few each; each costs some 100 KiB.
const CONNECTIONS_MAX: usize = 1_024;
/// A silent connection is pinged after so long, and closed if the ping is not answered in time.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_MAX: Duration = Duration::from_secs(10);
/// Calls one connection may have open beyond those that are worked on: they are refused by us, with a reason, rather
/// than held back by the peer's HTTP/2 without one.
const STREAMS_BEYOND: u32 = 1_024;
/// Largest head of a request: a customer's token is below 8 KiB.
const HEADER_BYTES_MAX: u32 = 32 * 1024;
/// Wait after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long streams have to end in good order after the drain began, before they are cut.
const STREAM_GRACE: Duration = Duration::from_millis(500);

/// What all calls of a server share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) machine_clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tokens: TokenVerifier,
    pub(crate) sandbox: bool,
    pub(crate) default_deadline: Duration,
    pub(crate) max_message_bytes: usize,
    /// One permit for each call that may be worked on.
    pub(crate) slots: Arc<Semaphore>,
    rules: HashMap<&'static str, &'static MethodAccess>,
    tls: Tls,
    draining: CancellationToken,
    drain_max: Duration,
    max_streams: u32,
    /// When a refusal for overload was last logged.
    shed_told: Mutex<Option<Instant>>,
}

impl Shared {
    pub(crate) fn new(chassis: &Chassis) -> Self {
        let service = &chassis.common.service;
        let streams = u32::try_from(service.max_concurrent_calls).unwrap_or(u32::MAX);
        Self {
            identity: chassis.identity,
            machine_clock: Arc::clone(&chassis.machine_clock),
            entropy: Arc::clone(&chassis.entropy),
            tokens: chassis.tokens.clone(),
            sandbox: chassis.sandbox,
            default_deadline: service.default_deadline(),
            max_message_bytes: service.max_message_bytes,
            slots: Arc::new(Semaphore::new(service.max_concurrent_calls)),
            rules: access::METHODS.iter().map(|rule| (rule.path, rule)).collect(),
            tls: chassis.tls.clone(),
            draining: chassis.draining.clone(),
            drain_max: service.drain_max(),
            max_streams: streams.saturating_add(STREAMS_BEYOND),
            shed_told: Mutex::new(None),
        }
    }

    /// The access rule of a method; `None` if the contract does not have it.
    pub(crate) fn rule(&self, path: &str) -> Option<&'static MethodAccess> {
        self.rules.get(path).copied()
    }

    /// Whether to log a refusal for overload: at most once a second, for a log that is written under load adds to it.
    pub(crate) fn tell_shedding(&self) -> bool {
        let mut told = self.shed_told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let due = told.is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1));
        if due {
            *told = Some(now);
        }
        due
    }

    /// Resolves when streams must be cut because the process stops.
    pub(crate) async fn streams_end(&self) {
        self.draining.cancelled().await;
        tokio::time::sleep(STREAM_GRACE.min(self.drain_max)).await;
    }
}

/// Accepts and serves until the drain begins, then waits for the calls in flight, at most the configured time.
pub(crate) async fn serve(listener: TcpListener, routes: Routes, shared: Arc<Shared>) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shared.draining.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(%peer, most = CONNECTIONS_MAX, "too many connections: closed");
            continue;
        };
        let (routes, shared, cut) = (routes.clone(), Arc::clone(&shared), cut.clone());
        connections.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, routes, shared) => {}
                () = cut.cancelled() => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(shared.drain_max, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "calls still in flight after the drain are cut");
        cut.cancel();
        connections.wait().await;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Routes, shared: Arc<Shared>) {
    let Some((stream, caller)) = handshake(stream, peer, &shared).await else { return };
    let calls = stack::Stack::new(Arc::clone(&shared), routes, caller);
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_MAX)
        .max_concurrent_streams(shared.max_streams)
        .max_header_list_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(calls));
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shared.draining.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %caller, %error, "the connection broke");
    }
}

/// The stream and who is at its other end; logs once what failed.
async fn handshake(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(TlsStream<TcpStream>, Identity)> {
    // An error says that the peer is gone already; the handshake will see it.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(shared.tls.server());
    let problem = match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            match certificate.map(|der| Name::of_certificate(der)) {
                Some(Ok(Name::Peer(caller))) => return Some((stream, caller)),
                _ => "no certificate of this platform".to_owned(),
            }
        }
        // Who connects and says nothing is a watchdog that looks whether the port is open.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, "a connection ended before its handshake");
            return None;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not done within {} s", HANDSHAKE_MAX.as_secs()),
    };
    metrics::counter!(names::TLS_REFUSED, "service" => shared.identity.name()).increment(1);
    tracing::warn!(%peer, problem, "TLS handshake refused");
    None
}

/// What a call ends with: there is always an answer.
pub(crate) type Answer = Result<http::Response<tonic::body::Body>, Infallible>;
