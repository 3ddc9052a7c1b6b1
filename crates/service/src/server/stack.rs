//! What happens to each call, in order: trace and metrics, load shedding, deadline, caller policy, customer token,
//! handler.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bursar_proto::access::Identity;
use futures::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument as _;

use super::body::{Bounded, Ending};
use super::policy::{self, Method};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::client::parse_timeout;
use crate::context::CallContext;
use crate::deadline::Deadline;
use crate::error;
use crate::telemetry::metrics as names;
use crate::telemetry::trace::TraceContext;

/// The service of one connection.
#[derive(Clone)]
pub(super) struct Stack {
    shared: Arc<Shared>,
    routes: Routes,
    caller: Identity,
}

impl Stack {
    pub(super) fn new(shared: Arc<Shared>, routes: Routes, caller: Identity) -> Self {
        Self { shared, routes, caller }
    }
}

impl Service<Request<Incoming>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (shared, routes, caller) = (Arc::clone(&self.shared), self.routes.clone(), self.caller);
        Box::pin(async move { Ok(traced(shared, routes, caller, request).await) })
    }
}

/// Trace and metrics around everything else.
async fn traced(
    shared: Arc<Shared>,
    routes: Routes,
    caller: Identity,
    request: Request<Incoming>,
) -> Response<Body> {
    let method = Method::at(request.uri().path(), shared.rule(request.uri().path()));
    // At the level of errors, so that whatever is logged has its trace id at every configured level.
    let span = tracing::error_span!(
        "rpc",
        otel.name = method.label(),
        otel.kind = "server",
        method = method.label(),
        caller = caller.name(),
        trace_id = tracing::field::Empty,
    );
    let remote = TraceContext::of_headers(request.headers());
    if let Some(remote) = remote {
        remote.adopt(&span);
    }
    let trace = TraceContext::of_span(&span).unwrap_or_else(|| match remote {
        Some(remote) => remote.child(&*shared.entropy),
        None => TraceContext::fresh(&*shared.entropy),
    });
    span.record("trace_id", trace.trace_id());

    let mut measured = Measured::begin(shared.identity, method);
    let answered = trace.scope(async {
        let response = match serve(&shared, routes, caller, method, request).await {
            Ok(response) => response,
            Err(Refusal::Overloaded) => overloaded(&shared),
            Err(refusal) => error::status(&refusal).into_http(),
        };
        measured.code = code_of(&response);
        tracing::debug!(code = measured.code, "answered");
        response
    });
    answered.instrument(span).await
}

/// The gates in order, then the handler.
async fn serve(
    shared: &Arc<Shared>,
    mut routes: Routes,
    caller: Identity,
    method: Method,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path().to_owned();
    let _slot = slot(shared, method)?;
    let asked = asked_deadline(&request)?;
    let deadline =
        asked.or_else(|| method.has_default_deadline().then(|| Deadline::after(shared.default_deadline)));
    policy::allow(method, &path, caller, shared.sandbox)?;
    let now = shared.machine_clock.now();
    let customer = policy::customer(method, caller, request.headers(), &shared.tokens, now)?;

    request.extensions_mut().insert(CallContext { caller, customer, deadline, method: method.label() });
    let request = request.map(|body| Bounded::new(body, shared.max_message_bytes));
    let handler = AssertUnwindSafe(routes.call(request)).catch_unwind();
    let outcome = match deadline {
        Some(deadline) => deadline.bound(handler).await.map_err(|_| Refusal::Expired)?,
        None => handler.await,
    };
    let Ok(Ok(response)) = outcome else {
        metrics::counter!(names::PANICS, "service" => shared.identity.name(), "method" => method.label())
            .increment(1);
        return Err(Refusal::Panicked);
    };
    match translated(&response, &path, shared.max_message_bytes) {
        Some(refusal) => Err(refusal),
        // A stream goes on after its head: only a deadline its caller asked for ends it.
        None => Ok(response.map(|body| Body::new(Ending::new(body, asked, Arc::clone(shared))))),
    }
}

/// A place among the calls that are worked on. Health is answered under any load.
fn slot(shared: &Shared, method: Method) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
    if matches!(method, Method::Health) {
        return Ok(None);
    }
    Arc::clone(&shared.slots).try_acquire_owned().map(Some).map_err(|_| Refusal::Overloaded)
}

fn overloaded(shared: &Shared) -> Response<Body> {
    metrics::counter!(names::RPC_SHED, "service" => shared.identity.name()).increment(1);
    if shared.tell_shedding() {
        return error::status(&Refusal::Overloaded).into_http();
    }
    error::quiet_status(&Refusal::Overloaded).into_http()
}

/// The deadline that the caller asks for.
fn asked_deadline(request: &Request<Incoming>) -> Result<Option<Deadline>, Refusal> {
    match request.headers().get("grpc-timeout") {
        None => Ok(None),
        Some(value) => match parse_timeout(value) {
            Some(timeout) if timeout.is_zero() => Err(Refusal::Expired),
            Some(timeout) => Ok(Some(Deadline::after(timeout))),
            None => Err(Refusal::Timeout),
        },
    }
}

/// What tonic answers by itself, in our words: it knows no reasons, and takes some of a caller's mistakes for its own.
fn translated(response: &Response<Body>, path: &str, max: usize) -> Option<Refusal> {
    let headers = response.headers();
    if !headers.contains_key("grpc-status") || headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let message = status.message();
    match status.code() {
        Code::Unimplemented => Some(Refusal::NotServed { method: path.chars().take(128).collect() }),
        Code::OutOfRange if message.contains("message length too large") => Some(Refusal::TooLarge { max }),
        Code::ResourceExhausted if message.starts_with("Error decompressing") => {
            Some(Refusal::TooLarge { max })
        }
        Code::Internal if message.contains("failed to decode Protobuf message") => Some(Refusal::Undecodable),
        _ => None,
    }
}

/// The code for metrics. A stream's is that of its head.
fn code_of(response: &Response<Body>) -> &'static str {
    let code =
        response.headers().get("grpc-status").map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Counts a call in and out, whatever becomes of it.
struct Measured {
    service: &'static str,
    method: &'static str,
    code: &'static str,
    began: Instant,
}

impl Measured {
    fn begin(service: Identity, method: Method) -> Self {
        let service = service.name();
        metrics::gauge!(names::RPC_IN_FLIGHT, "service" => service).increment(1.0);
        // A call whose peer goes away is dropped without an answer.
        Self { service, method: method.label(), code: "CANCELLED", began: Instant::now() }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        metrics::gauge!(names::RPC_IN_FLIGHT, "service" => self.service).decrement(1.0);
        metrics::histogram!(
            names::RPC_DURATION,
            "service" => self.service,
            "method" => self.method,
            "code" => self.code,
        )
        .record(self.began.elapsed().as_secs_f64());
    }
}
