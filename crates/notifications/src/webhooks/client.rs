//! The HTTP client: every connection goes to an address that was vetted a moment before, redirects are not followed,
//! no proxy is used, and everything that comes back is bounded in size and time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address::{Policy, Refusal};
use super::target::Target;

/// Most of a response that is read and kept, in bytes: enough for an error text.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024;

/// Largest head of a response, in bytes: endpoints that send headers for ever end here.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Longest wait for the text of a response whose status is known. The status decides; the text is for the log.
const RESPONSE_TEXT_MAX: Duration = Duration::from_secs(2);

/// Longest time for looking up a name and connecting.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Time an unused connection is kept: some attempts to one endpoint come close together.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Unused connections kept for one host: several endpoints may lie on one, each with attempts of its own.
const IDLE_PER_HOST_MAX: usize = 256;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The first [`RESPONSE_BYTES_MAX`] of the body.
    pub body: Vec<u8>,
    /// Its `Retry-After`.
    pub retry_after: Option<String>,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The address is not called.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The connection could not be made, or broke.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TooLong(Duration),
}

/// Looks names up.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(
            async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) },
        )
    }
}

/// The HTTP client.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    connector: Connector,
    timeout: Duration,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that connects to what `policy` allows, trusts the public authorities and those in `extra_roots`
    /// (PEM), and gives up after `timeout`.
    ///
    /// # Errors
    /// A text that says what is wrong with `extra_roots`.
    pub fn new(
        policy: Policy,
        resolver: Arc<dyn Resolve>,
        extra_roots: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let connector = Connector {
            policy: Arc::new(policy),
            resolver,
            tls: TlsConnector::from(Arc::new(tls_config(extra_roots)?)),
        };
        let client = legacy::Builder::new(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector.clone());
        Ok(Self { client, connector, timeout })
    }

    /// Whether `target` may be called as far as can be told now. A name that cannot be looked up now may be: each
    /// attempt looks again. A plain-http name must be known to lie in an allowed network.
    ///
    /// # Errors
    /// [`Refusal`] if it may not.
    pub async fn vet(&self, target: &Target) -> Result<(), Refusal> {
        let (host, _) = target.host_and_port();
        let found = tokio::time::timeout(CONNECT_MAX, self.connector.addresses(&host)).await;
        match found {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                self.connector.policy.vet(&addresses, target.encrypted()).map(drop)
            }
            _ if target.encrypted() => Ok(()),
            _ => Err(Refusal::Unresolved),
        }
    }

    /// Posts `body` to `target`.
    ///
    /// # Errors
    /// [`CallError`] if no status came back.
    pub async fn post(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, CallError> {
        let uri: Uri = target
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| CallError::Broken(chain(&error)))?;
        self.post_to(uri, headers, body).await
    }

    /// As [`post`](Self::post), to the address of a [`Target`] that was read before.
    ///
    /// # Errors
    /// [`CallError`] if no status came back.
    pub async fn post_to(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, CallError> {
        let work = self.exchange(uri, headers, body);
        tokio::time::timeout(self.timeout, work).await.unwrap_or(Err(CallError::TooLong(self.timeout)))
    }

    async fn exchange(&self, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, CallError> {
        let broken = |error: &dyn std::error::Error| CallError::Broken(chain(error));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response = self.client.request(request).await.map_err(|error| match refusal(&error) {
            Some(refusal) => CallError::Refused(refusal),
            None => broken(&error),
        })?;
        let status = response.status();
        let retry_after = response.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.into_body();
        let text = match body.is_end_stream() {
            true => Ok(Vec::new()),
            false => tokio::time::timeout(RESPONSE_TEXT_MAX, first_bytes(body)).await,
        };
        Ok(Answer { status, body: text.unwrap_or_default(), retry_after })
    }
}

/// The first bytes of a body; what comes after them is not read, and the connection closed with it.
async fn first_bytes(mut body: Incoming) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            let room = RESPONSE_BYTES_MAX - kept.len();
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if kept.len() == RESPONSE_BYTES_MAX {
                break;
            }
        }
    }
    kept
}

fn tls_config(extra_roots: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra_roots.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        let root = root.map_err(|error| error.to_string())?;
        roots.add(root).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Makes connections to vetted addresses.
#[derive(Clone)]
struct Connector {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Connector {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.resolver.resolve(host).await,
        }
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Box<dyn Duplex>>> {
        let encrypted = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let found = self.addresses(&host).await?;
        let vetted = self.policy.vet(&found, encrypted).map_err(io::Error::other)?;
        // To the addresses themselves: nobody looks the name up again.
        let vetted: Vec<SocketAddr> = vetted.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        let stream = TcpStream::connect(vetted.as_slice()).await?;
        stream.set_nodelay(true)?;
        if !encrypted {
            return Ok(TokioIo::new(Box::new(stream)));
        }
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(TokioIo::new(Box::new(self.tls.connect(name, stream).await?)))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Duplex>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let connecting = connector.connect(uri);
            tokio::time::timeout(CONNECT_MAX, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long")))
        })
    }
}

/// A connection, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connection for Box<dyn Duplex> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// The refusal of an address that lies behind an error of the connector.
fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<Refusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        // io::Error shows what is inside it as itself, not as its source.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(refusal) = inside.and_then(|inside| inside.downcast_ref::<Refusal>()) {
            return Some(*refusal);
        }
        cause = error.source();
    }
    None
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
