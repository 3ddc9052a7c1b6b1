//! The interface in JSON: who calls is known by its certificate, what comes back when it fails is a problem of RFC 9457.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use axum::{Json, Router};
use bursar_proto::access::Identity;
use bursar_service::Door;
use http::{HeaderMap, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::openapi;
use super::table::{ENTRIES, Entry, Verb};
use crate::grpc::{Bridge, Problem};

/// Connections at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Longest wait for the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longest wait for the body of a request.
const BODY_MAX: Duration = Duration::from_secs(30);
/// Wait after a failed accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// The key of a request, as drafts of the IETF's HTTPAPI group call it: our `request_id`.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Serves the listener until the drain begins.
pub(super) async fn serve(listener: TcpListener, door: Door, bridge: Bridge, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (door, bridge, stop) = (door.clone(), bridge.clone(), stop.clone());
                connections.spawn(connection(stream, peer, door, bridge, stop));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: std::net::SocketAddr,
    door: Door,
    bridge: Bridge,
    stop: CancellationToken,
) {
    let Some((stream, caller, new)) = door.enter(stream, peer).await else { return };
    let service = TowerToHyperService::new(router(caller, &door, &bridge));
    let io = TokioIo::new(stream);
    let ended = if new {
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(HEAD_MAX)
            .serve_connection(io, service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    } else {
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .serve_connection(io, service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %caller, %error, "the connection broke");
    }
}

fn router(caller: Identity, door: &Door, bridge: &Bridge) -> Router {
    let mut router = Router::new().route("/openapi.json", get(|| async { Json(openapi::document()) }));
    let mut urls: Vec<&str> = ENTRIES.iter().map(|entry| entry.url).collect();
    urls.dedup();
    for url in urls {
        let mut methods = MethodRouter::new();
        for entry in ENTRIES.iter().filter(|entry| entry.url == url) {
            let (door, bridge) = (door.clone(), bridge.clone());
            let filter = match entry.verb {
                Verb::Get => MethodFilter::GET,
                Verb::Post => MethodFilter::POST,
            };
            let handler = move |request: Request| async move {
                match answer(entry, caller, &door, &bridge, request).await {
                    Ok(value) => Json(value).into_response(),
                    Err(problem) => told(&problem),
                }
            };
            methods = methods.merge(on(filter, handler));
        }
        let wrong =
            || async { told(&Problem::plain(405, "METHOD_NOT_ALLOWED", "this method is not served here")) };
        router = router.route(url, methods.fallback(wrong));
    }
    router.fallback(|| async {
        told(&Problem::plain(404, "NOT_SERVED", "nothing is served here; see /openapi.json"))
    })
}

async fn answer(
    entry: &'static Entry,
    caller: Identity,
    door: &Door,
    bridge: &Bridge,
    request: Request,
) -> Result<Value, Problem> {
    let (head, body) = request.into_parts();
    // Who may not call need not send anything.
    let context = bridge.admit(door, entry, caller, &head.headers)?;
    let mut fields = match entry.verb {
        Verb::Get => pairs(head.uri.to_string().split_once('?').map_or("", |(_, pairs)| pairs))?,
        Verb::Post => Fields::Json(read(&head.headers, body, door.body_max()).await?),
    };
    if let Some(key) = head.headers.get(IDEMPOTENCY_KEY) {
        let key = key.to_str().map_err(|_| Problem::field(IDEMPOTENCY_KEY, "must be a UUID"))?;
        fields = fields.with_key(key)?;
    }
    bridge.call(entry, context, fields.text()).await
}

/// The request message as it came.
enum Fields {
    /// The body, unread: errors are told by line and column.
    Json(String),
    Pairs(Map<String, Value>),
}

impl Fields {
    /// With the key of the request as `request_id`.
    fn with_key(self, key: &str) -> Result<Self, Problem> {
        let mut object = match self {
            Self::Pairs(object) => object,
            Self::Json(text) => match serde_json::from_str(&text) {
                Ok(Value::Object(object)) => object,
                // What is wrong with it is told when it is read as the message.
                _ => return Ok(Self::Json(text)),
            },
        };
        for name in ["requestId", "request_id"] {
            if object.get(name).is_some_and(|own| own.as_str() != Some(key)) {
                return Err(Problem::field(name, "is not the one of the header Idempotency-Key"));
            }
        }
        object.remove("request_id");
        object.insert("requestId".into(), Value::String(key.to_owned()));
        Ok(Self::Pairs(object))
    }

    fn text(self) -> String {
        match self {
            Self::Json(text) => text,
            Self::Pairs(object) => Value::Object(object).to_string(),
        }
    }
}

/// The request message in the URL.
fn pairs(text: &str) -> Result<Fields, Problem> {
    let mut object = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let told = name.chars().take(64).collect::<String>();
        if object.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(Problem::field(&told, "is given twice"));
        }
    }
    Ok(Fields::Pairs(object))
}

async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<String, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::plain(415, "UNSUPPORTED_MEDIA_TYPE", "send application/json"));
    }
    // Bytes are written in base64, and take a third more.
    let bytes = tokio::time::timeout(BODY_MAX, to_bytes(body, max.saturating_mul(4) / 3)).await;
    let slow = |_| Problem::plain(408, "REQUEST_TIMEOUT", "the body took too long");
    let large = |_| Problem::plain(413, "MESSAGE_TOO_LARGE", "the body is too large, or broke off");
    let bytes = bytes.map_err(slow)?.map_err(large)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::field("body", "must be UTF-8"))
}

/// A problem as RFC 9457 has it.
fn told(problem: &Problem) -> Response {
    let mut body = json!({
        "type": format!("urn:bursar:problem:{}", problem.reason),
        "title": problem.reason,
        "status": problem.status,
        "detail": problem.detail,
        "reason": problem.reason,
    });
    if let Some(object) = body.as_object_mut() {
        if !problem.metadata.is_empty() {
            object.insert("metadata".into(), json!(problem.metadata));
        }
        if !problem.violations.is_empty() {
            let violations = problem.violations.iter();
            let list =
                violations.map(|(field, description)| json!({ "field": field, "description": description }));
            object.insert("violations".into(), list.collect());
        }
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    let kind = header::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(wait) = problem.retry_after {
        let seconds = wait.as_secs().max(1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
