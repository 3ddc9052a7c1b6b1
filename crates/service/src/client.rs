//! Calls to the other services: mutual TLS to the one that is meant, the deadline and the trace carried on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::Reason;
use http::header::HeaderValue;
use http::uri::{Authority, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::Service;

use crate::config::ConfigError;
use crate::deadline::Deadline;
use crate::error;
use crate::telemetry::trace;
use crate::tls::{Tls, TlsFiles};

/// Longest wait for a connection: TCP and the handshake on a healthy network take milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// A ping goes out after so long a silence, so that a peer that vanished is noticed.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// A ping unanswered for so long closes the connection.
const KEEPALIVE_MAX: Duration = Duration::from_secs(5);
/// Kept back from the own caller's deadline, so that our answer to it still arrives.
const MARGIN: Duration = Duration::from_millis(5);
/// In the metadata of `PEER_UNAVAILABLE`: the peer that there was not even a connection to.
const UNREACHED: &str = "unreached";

/// The connection to one service; clones share it. Give it to a generated client:
/// `AccountServiceClient::new(chassis.peer(Identity::Ledger)?)`. Connects when first used and again when broken.
#[derive(Clone, Debug)]
pub struct PeerChannel {
    peer: Identity,
    channel: Channel,
}

/// Checks an address of the form `https://host:port`.
pub(crate) fn parse_address(address: &str) -> Result<Authority, String> {
    let wanted = || format!("`{address}` is not an address of the form https://HOST:PORT");
    let uri: Uri = address.parse().map_err(|_| wanted())?;
    let bare = uri.path_and_query().is_none_or(|path| path == "/");
    let authority =
        uri.authority().filter(|authority| authority.port().is_some() && !authority.as_str().contains('@'));
    match (uri.scheme_str(), authority) {
        (Some("https"), Some(authority)) if bare => Ok(authority.clone()),
        _ => Err(wanted()),
    }
}

/// A connection to the service `expected` at `address` (`https://host:port`) with the certificate in `tls`.
///
/// # Errors
/// [`ConfigError`] if the address is not one.
pub fn channel(address: &str, expected: Identity, tls: &Tls) -> Result<PeerChannel, ConfigError> {
    let authority = parse_address(address).map_err(ConfigError::new)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let server_name = ServerName::try_from(host.clone())
        .map_err(|_| ConfigError::new(format!("`{host}` is not a host name or an address")))?;
    // tonic would want TLS of its own for https: it dials http, and our connector makes the connection.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|error| ConfigError::new(format!("{address}: {error}")))?
        .origin(
            Uri::builder()
                .scheme("https")
                .authority(authority)
                .path_and_query("/")
                .build()
                .map_err(|error| ConfigError::new(format!("{address}: {error}")))?,
        )
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_MAX)
        .connect_timeout(CONNECT_MAX);
    let tls = tls.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let (tls, host, server_name) = (tls.clone(), host.clone(), server_name.clone());
        async move {
            let config = tls.client(expected).map_err(std::io::Error::other)?;
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let stream =
                tokio_rustls::TlsConnector::from(Arc::new(config)).connect(server_name, stream).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Ok(PeerChannel { peer: expected, channel: endpoint.connect_with_connector_lazy(connector) })
}

/// A connection for tools and tests, with the certificate in `files`.
///
/// # Errors
/// [`ConfigError`] if the address is none or the files cannot be used.
pub fn operator_channel(
    address: &str,
    expected: Identity,
    files: &TlsFiles,
) -> Result<PeerChannel, ConfigError> {
    channel(address, expected, &Tls::load(files.clone())?)
}

/// Puts a customer's access token (or another bearer token) on a request.
///
/// # Errors
/// `INVALID_ARGUMENT` if the token has characters that no token has.
pub fn with_token<T>(mut request: Request<T>, token: &str) -> Result<Request<T>, Status> {
    let value = format!("Bearer {token}")
        .parse()
        .map_err(|_| Status::invalid_argument("the token has characters that no token has"))?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

impl PeerChannel {
    /// Who is called.
    pub fn peer(&self) -> Identity {
        self.peer
    }
}

impl Service<http::Request<Body>> for PeerChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx).map_err(|error| unavailable(self.peer, &error, false))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let peer = self.peer;
        let deadline = take_deadline(request.headers()).into_iter().chain(inherited()).min();
        if let Some(deadline) = deadline {
            request.headers_mut().insert("grpc-timeout", timeout_value(deadline.remaining()));
        }
        if let Some(parent) = trace::outgoing() {
            request.headers_mut().insert("traceparent", parent);
        }
        // The channel that poll_ready made ready is the one that must be called.
        let ready = self.channel.clone();
        let mut channel = std::mem::replace(&mut self.channel, ready);
        Box::pin(async move {
            let answer = channel.call(request);
            let answer = match deadline {
                Some(deadline) if deadline.has_passed() => return Err(expired(peer)),
                Some(deadline) => {
                    tokio::time::timeout_at(deadline.instant(), answer).await.map_err(|_| expired(peer))?
                }
                None => answer.await,
            };
            answer.map_err(|failure| {
                let reached = !is_connect_failure(&failure);
                match Status::from_error(Box::new(failure)) {
                    status if status.code() == tonic::Code::Cancelled && deadline.is_some() => expired(peer),
                    status => unavailable(peer, &status, reached),
                }
            })
        })
    }
}

/// The deadline of the call this one is made for, less a margin.
fn inherited() -> Option<Deadline> {
    Deadline::current().map(|deadline| Deadline::after(deadline.remaining().saturating_sub(MARGIN)))
}

/// The deadline that the request asks for itself.
fn take_deadline(headers: &http::HeaderMap) -> Option<Deadline> {
    headers.get("grpc-timeout").and_then(parse_timeout).map(Deadline::after)
}

/// Reads a `grpc-timeout` value: up to eight digits and a unit.
pub(crate) fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Writes a `grpc-timeout` value: microseconds where eight digits suffice, else milliseconds, else seconds.
fn timeout_value(remaining: Duration) -> HeaderValue {
    let text = match (remaining.as_micros(), remaining.as_millis()) {
        (micros, _) if micros < 100_000_000 => format!("{micros}u"),
        (_, millis) if millis < 100_000_000 => format!("{millis}m"),
        _ => format!("{}S", remaining.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0u"))
}

fn expired(peer: Identity) -> Status {
    let metadata = vec![("peer", peer.name().to_owned())];
    error::build(
        Reason::DeadlineExceeded,
        format!("no answer of {peer} before the deadline"),
        metadata,
        &[],
        None,
    )
}

/// Whether the failed call of a [`PeerChannel`] to `peer` certainly did nothing there: it never had a connection, or
/// was turned away at the door. A call that was under way when its connection broke may have done anything.
pub fn never_arrived(status: &Status, peer: Identity) -> bool {
    match error::reason_of(status) {
        Some((Reason::Overloaded | Reason::ShuttingDown, _)) => true,
        Some((Reason::PeerUnavailable, metadata)) => {
            metadata.get(UNREACHED).is_some_and(|unreached| unreached == peer.name())
        }
        _ => false,
    }
}

fn is_connect_failure(failure: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(failure), |error| error.source())
        .any(<dyn std::error::Error>::is::<tonic::ConnectError>)
}

fn unavailable(peer: Identity, cause: &dyn std::error::Error, reached: bool) -> Status {
    let mut text = cause.to_string();
    let mut source = cause.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    tracing::debug!(peer = peer.name(), error = %text, "the peer cannot be reached");
    let mut metadata = vec![("peer", peer.name().to_owned())];
    if !reached {
        metadata.push((UNREACHED, peer.name().to_owned()));
    }
    error::build(Reason::PeerUnavailable, format!("{peer} cannot be reached: {text}"), metadata, &[], None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_https_with_a_port_is_an_address() {
        for good in ["https://127.0.0.1:7101", "https://[::1]:7101", "https://vault.bursar.svc:443/"] {
            assert!(parse_address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:7101",
            "http://127.0.0.1:7101",
            "https://vault",
            "https://u:p@h:1",
            "https://h:1/x",
        ] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn time_outs_are_digits_and_a_unit() {
        let parse = |text: &str| parse_timeout(&HeaderValue::from_str(text).unwrap());
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "5", "m", "123456789m", "-1m", "1.5S", "1x", "1 m", "+1m"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_time_out_is_never_written_longer_than_it_is(micros in 0_u64..u64::MAX / 2) {
            let remaining = Duration::from_micros(micros);
            let read = parse_timeout(&timeout_value(remaining));
            prop_assert!(read.is_some_and(|read| read <= remaining), "{remaining:?} became {read:?}");
        }
    }
}
