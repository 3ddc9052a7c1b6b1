//! The same door for HTTP: the same certificates, tokens and rules, for a listener of the service's own.

use std::net::SocketAddr;
use std::sync::Arc;

use bursar_proto::access::Identity;
use bursar_types::FieldViolation;
use http::HeaderMap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;

use super::policy::{self, Method};
use super::{HANDSHAKE_MAX, Shared};
use crate::context::CallContext;
use crate::deadline::Deadline;
use crate::run::Chassis;
use crate::tls::Name;

/// Protocols of HTTP, best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Lets callers in by their certificate, and calls by the contract's rules.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    /// The door of this process.
    pub fn new(chassis: &Chassis) -> Self {
        Self { shared: Arc::new(Shared::new(chassis)) }
    }

    /// Agrees on TLS with who connected: the stream, who it is, and whether HTTP/2 was agreed on. `None` if it is nobody of
    /// this platform, which is logged.
    pub async fn enter(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(TlsStream<TcpStream>, Identity, bool)> {
        let _ = stream.set_nodelay(true);
        let mut config = (*self.shared.tls.server()).clone();
        config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let stream = match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(%peer, %error, "TLS handshake refused");
                return None;
            }
            Err(_) => {
                tracing::info!(%peer, "TLS handshake not done in time");
                return None;
            }
        };
        let session = stream.get_ref().1;
        let new = session.alpn_protocol() == Some(PROTOCOLS[0]);
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        match certificate.map(|der| Name::of_certificate(der)) {
            Some(Ok(Name::Peer(caller))) => Some((stream, caller, new)),
            _ => {
                tracing::warn!(%peer, "a caller without a certificate of this platform");
                None
            }
        }
    }

    /// Whether `caller` may call the method at `path` with these headers, and for which customer.
    ///
    /// # Errors
    /// The refusal, as the method itself would give it.
    pub fn admit(&self, path: &str, caller: Identity, headers: &HeaderMap) -> Result<CallContext, Status> {
        let rule = self.shared.rule(path);
        let method = Method::at(path, rule);
        let told = |refusal: &super::refusal::Refusal| crate::error::status(refusal);
        policy::allow(method, path, caller, self.shared.sandbox).map_err(|refusal| told(&refusal))?;
        let now = self.shared.machine_clock.now();
        let customer = policy::customer(method, caller, headers, &self.shared.tokens, now);
        let mut context = CallContext::of_caller(caller);
        context.customer = customer.map_err(|refusal| told(&refusal))?;
        context.deadline = Some(Deadline::after(self.shared.default_deadline));
        context.method = method.label();
        Ok(context)
    }

    /// Largest body in bytes.
    pub fn body_max(&self) -> usize {
        self.shared.max_message_bytes
    }

    /// A call that could not be read.
    pub fn unreadable(&self, field: &str, description: impl Into<String>) -> Status {
        let violation = FieldViolation::new(field, description.into());
        let text = format!("{}: {}", violation.field, violation.description);
        crate::error::build(bursar_types::Reason::InvalidField, text, Vec::new(), &[violation], None)
    }
}
