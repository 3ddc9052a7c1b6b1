//! The one place where an error becomes a gRPC answer (AIP-193), and where it is logged: once, at the level of who
//! must act.

use std::collections::HashMap;
use std::time::Duration;

use bursar_types::{Code, Failure, FieldViolation, Reason, Severity};
use tonic::Status;
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _};

/// The `domain` of every `google.rpc.ErrorInfo` this platform sends.
pub const DOMAIN: &str = "bursar";

/// What a caller reads where the fault is not theirs; the log holds the rest under the trace id.
const OURS: &str = "the service failed; the operator's log says more under the trace id of this call";

const fn weather(reason: Reason) -> &'static str {
    match reason {
        Reason::Overloaded => "more calls at once than this process takes: come again",
        Reason::DeadlineExceeded => {
            "the deadline passed before the answer was known; nothing half done remains"
        }
        Reason::ShuttingDown => "the process is stopping: connect again",
        Reason::DatabaseUnavailable | Reason::PeerUnavailable => {
            "something this service needs is away: try again"
        }
        _ => "not possible at the moment: try again",
    }
}

/// Turns an error into the answer to the call it happened in, and logs it.
///
/// The message is the error's `Display` for a caller's mistake and a fixed text for all else, so that no internal
/// text leaves the process.
pub fn status(failure: &impl Failure) -> Status {
    log(failure);
    quiet_status(failure)
}

/// An error as a stream tells it of one message: a message has no status of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Canonical gRPC code.
    pub code: i32,
    /// The stable reason.
    pub reason: Reason,
    /// Text for people.
    pub message: String,
    /// The field it is about; empty where it is about none.
    pub field: String,
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
}

/// Turns an error into what a stream tells of one message, and logs it as [`status`] does. Overload is not logged: it
/// comes a thousand times at once, and its metric counts it.
pub fn told(failure: &impl Failure) -> Told {
    let reason = failure.reason();
    if reason != Reason::Overloaded {
        log(failure);
    }
    let named = |name| failure.metadata().into_iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let violation = failure.violations().into_iter().next().map(|violation| violation.field);
    Told {
        code: grpc_code(reason.code()).into(),
        reason,
        message: message(failure),
        field: violation.or_else(|| named("field")).or_else(|| named("subject")).unwrap_or_default(),
        retry_after: failure.retry_after(),
    }
}

fn log(failure: &impl Failure) {
    let reason = failure.reason();
    match reason.severity() {
        Severity::Caller => {
            tracing::debug!(reason = reason.as_str(), error = %failure, "refused");
        }
        Severity::Weather => {
            tracing::warn!(reason = reason.as_str(), error = %Chain(failure), "not possible now");
        }
        Severity::Ours => {
            tracing::error!(reason = reason.as_str(), error = %Chain(failure), "failed");
        }
    }
}

/// What the caller reads.
fn message(failure: &impl Failure) -> String {
    let reason = failure.reason();
    match reason.severity() {
        Severity::Caller => failure.to_string(),
        Severity::Weather => weather(reason).to_owned(),
        Severity::Ours => OURS.to_owned(),
    }
}

/// As [`status`], but not logged: for what would flood the log.
pub(crate) fn quiet_status(failure: &impl Failure) -> Status {
    let (message, violations) = (message(failure), failure.violations());
    build(failure.reason(), message, failure.metadata(), &violations, failure.retry_after())
}

/// An answer with nothing but its reason, unlogged: for what the chassis itself refuses.
pub(crate) fn build(
    reason: Reason,
    message: impl Into<String>,
    metadata: Vec<(&'static str, String)>,
    violations: &[FieldViolation],
    retry_after: Option<Duration>,
) -> Status {
    let mut details = ErrorDetails::new();
    let metadata: HashMap<String, String> = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    details.set_error_info(reason.as_str(), DOMAIN, metadata);
    for violation in violations {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    if let Some(wait) = retry_after {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(grpc_code(reason.code()), message, details)
}

/// The reason and its metadata that a status of this platform carries; `None` for a foreign one.
pub fn reason_of(status: &Status) -> Option<(Reason, HashMap<String, String>)> {
    let info = status.get_details_error_info()?;
    if info.domain != DOMAIN {
        return None;
    }
    Some((Reason::from_text(&info.reason)?, info.metadata))
}

/// The fields a status calls wrong.
pub fn violations_of(status: &Status) -> Vec<FieldViolation> {
    let Some(bad) = status.get_details_bad_request() else { return Vec::new() };
    bad.field_violations.into_iter().map(|v| FieldViolation::new(v.field, v.description)).collect()
}

/// How long the server asks to wait before the call is repeated.
pub fn retry_after_of(status: &Status) -> Option<Duration> {
    status.get_error_details_vec().into_iter().find_map(|detail| match detail {
        ErrorDetail::RetryInfo(info) => info.retry_delay,
        _ => None,
    })
}

/// `?` from a crate's own error to the answer: `thing().or_status()?` in a `grpc/` module.
pub trait OrStatus<T> {
    /// The value, or the status of the failure ([`status`]).
    ///
    /// # Errors
    /// The failure as a gRPC status.
    fn or_status(self) -> Result<T, Status>;
}

impl<T, E: Failure> OrStatus<T> for Result<T, E> {
    fn or_status(self) -> Result<T, Status> {
        self.map_err(|failure| status(&failure))
    }
}

/// An error of a peer. A service that only passes a call on passes on its refusals too, under their own reason; what
/// is not the caller's to mend becomes [`Reason::PeerUnavailable`] or [`Reason::Internal`].
#[derive(Debug, thiserror::Error)]
#[error("{peer} answered {code:?}: {message}")]
pub struct PeerError {
    /// Who answered.
    pub peer: bursar_proto::access::Identity,
    /// The gRPC code.
    pub code: tonic::Code,
    /// The message, for our log.
    pub message: String,
    reason: Reason,
    retry_after: Option<Duration>,
}

impl PeerError {
    /// The failure that `status` of `peer` is.
    pub fn new(peer: bursar_proto::access::Identity, status: &Status) -> Self {
        let reason = match reason_of(status).map(|(reason, _)| reason) {
            // What the peer says to us about our own call is no answer to our caller's.
            Some(
                Reason::CallerNotAllowed
                | Reason::NotServed
                | Reason::RequestIdMissing
                | Reason::RequestIdMalformed
                | Reason::PageTokenInvalid
                | Reason::MessageTooLarge,
            ) => Reason::Internal,
            Some(Reason::ShuttingDown | Reason::Overloaded | Reason::DatabaseUnavailable) => {
                Reason::PeerUnavailable
            }
            Some(reason) => reason,
            None => match status.code() {
                tonic::Code::Unavailable | tonic::Code::Cancelled => Reason::PeerUnavailable,
                tonic::Code::DeadlineExceeded => Reason::DeadlineExceeded,
                tonic::Code::NotFound => Reason::NotFound,
                _ => Reason::Internal,
            },
        };
        let (code, message) = (status.code(), status.message().to_owned());
        Self { peer, code, message, reason, retry_after: retry_after_of(status) }
    }
}

impl Failure for PeerError {
    fn reason(&self) -> Reason {
        self.reason
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("peer", self.peer.name().to_owned())]
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// A request that is wrong: every field that is, with what would be right. Collects before it is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    reason: Reason,
    violations: Vec<FieldViolation>,
}

impl Default for Invalid {
    fn default() -> Self {
        Self::new()
    }
}

impl Invalid {
    /// Nothing wrong yet.
    pub const fn new() -> Self {
        Self { reason: Reason::InvalidField, violations: Vec::new() }
    }

    /// Nothing wrong yet; what is added is told under `reason` in place of `INVALID_FIELD`.
    pub const fn because(reason: Reason) -> Self {
        Self { reason, violations: Vec::new() }
    }

    /// Adds a field that is wrong, and what would be right. Never repeat a secret value in `description`.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(FieldViolation::new(field, description));
        self
    }

    /// The same in a part of the request: the fields' paths begin with `part`, such as `orders[17]`.
    #[must_use]
    pub fn within(mut self, part: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = format!("{part}.{}", violation.field);
        }
        self
    }

    /// The value, or `None` after taking over what is wrong with it, so that several fields are told at once.
    pub fn take<T>(&mut self, parsed: Result<T, Self>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(other) => {
                if self.violations.is_empty() {
                    self.reason = other.reason;
                }
                self.violations.extend(other.violations);
                None
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.violations.is_empty()
    }

    /// `Ok` if nothing is wrong.
    ///
    /// # Errors
    /// This, if anything is.
    pub fn check(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, violation) in self.violations.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

impl Failure for Invalid {
    fn reason(&self) -> Reason {
        self.reason
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.violations.first().map(|first| ("field", first.field.clone())).into_iter().collect()
    }

    fn violations(&self) -> Vec<FieldViolation> {
        self.violations.clone()
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        status(&invalid)
    }
}

/// An error with what caused it, for the log.
struct Chain<'a, E: ?Sized>(&'a E);

impl<E: std::error::Error + ?Sized> std::fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

const fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::NotFound => tonic::Code::NotFound,
        Code::AlreadyExists => tonic::Code::AlreadyExists,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::Aborted => tonic::Code::Aborted,
        Code::OutOfRange => tonic::Code::OutOfRange,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DataLoss => tonic::Code::DataLoss,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use bursar_proto::access::Identity;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("SELECT broke on 10.0.0.7")]
    struct Broken(Reason);

    impl Failure for Broken {
        fn reason(&self) -> Reason {
            self.0
        }
    }

    #[test]
    fn every_reason_survives_the_wire_with_its_code_and_no_internal_text_leaves() {
        for reason in Reason::ALL {
            let status = status(&Broken(*reason));
            assert_eq!(status.code(), grpc_code(reason.code()));
            assert_eq!(reason_of(&status).map(|(found, _)| found), Some(*reason));
            let told = status.message().contains("10.0.0.7");
            assert_eq!(told, reason.severity() == Severity::Caller, "{reason:?}: {}", status.message());
        }
    }

    #[test]
    fn a_status_of_another_domain_has_no_reason_of_ours() {
        let mut details = ErrorDetails::new();
        details.set_error_info("NOT_FOUND", "elsewhere.example", HashMap::<String, String>::new());
        assert!(reason_of(&Status::with_error_details(tonic::Code::NotFound, "x", details)).is_none());
        assert!(reason_of(&Status::not_found("x")).is_none());
    }

    #[test]
    fn a_peers_refusal_is_passed_on_and_a_fault_between_us_is_not_blamed_on_the_caller() {
        let passed = |reason| PeerError::new(Identity::Vault, &status(&Broken(reason))).reason();
        assert_eq!(passed(Reason::CardPasswordWrong), Reason::CardPasswordWrong);
        assert_eq!(passed(Reason::CallerNotAllowed), Reason::Internal);
        assert_eq!(passed(Reason::Overloaded), Reason::PeerUnavailable);
        let bare = PeerError::new(Identity::Vault, &Status::unavailable("gone"));
        assert_eq!(bare.reason(), Reason::PeerUnavailable);
    }

    #[test]
    fn a_message_of_a_stream_is_told_what_a_call_is() {
        for reason in Reason::ALL {
            let (status, told) = (status(&Broken(*reason)), told(&Broken(*reason)));
            assert_eq!(told.code, i32::from(status.code()));
            assert_eq!((told.reason, told.message.as_str()), (*reason, status.message()));
        }
        let wrong = Invalid::new().field("amount", "is required").within("orders[17]");
        assert_eq!(told(&wrong).field, "orders[17].amount");
    }

    #[test]
    fn several_fields_are_told_at_once_under_the_first_reason() {
        let mut invalid = Invalid::new();
        assert_eq!(invalid.take(Ok::<_, Invalid>(1)), Some(1));
        assert!(invalid.is_empty());
        invalid.take::<()>(Err(Invalid::because(Reason::RequestIdMissing).field("request_id", "is missing")));
        invalid.take::<()>(Err(Invalid::new().field("name", "is required")));
        let invalid = invalid.check().unwrap_err();
        assert_eq!(invalid.reason(), Reason::RequestIdMissing);
        assert_eq!(invalid.to_string(), "request_id: is missing; name: is required");
    }
}
