//! Who may call what: the contract's table, and nothing that it does not name.

use bursar_proto::access::{Identity, MethodAccess};
use bursar_types::Timestamp;
use http::HeaderMap;

use super::refusal::Refusal;
use crate::context::CustomerClaims;
use crate::token::TokenVerifier;

/// Longest part of an unknown path that is repeated to its caller.
const PATH_SHOWN_MAX: usize = 128;

/// What kind of method a call names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    /// One of the contract.
    Ours(&'static MethodAccess),
    /// grpc.health.v1: open to every certificate, also under overload.
    Health,
    /// Server reflection: open to every certificate.
    Reflection,
    /// None that is served.
    Unknown,
}

impl Method {
    pub(super) fn at(path: &str, rule: Option<&'static MethodAccess>) -> Self {
        match rule {
            Some(rule) => Self::Ours(rule),
            None if path.starts_with("/grpc.health.v1.Health/") => Self::Health,
            None if path.starts_with("/grpc.reflection.v1.ServerReflection/")
                || path.starts_with("/grpc.reflection.v1alpha.ServerReflection/") =>
            {
                Self::Reflection
            }
            None => Self::Unknown,
        }
    }

    /// The name for metrics and contexts: from a closed set, whatever a caller sends.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ours(rule) => rule.path,
            Self::Health => "/grpc.health.v1.Health",
            Self::Reflection => "/grpc.reflection.v1.ServerReflection",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a call without a time-out gets the default one: not where its stream of requests may go on for ever.
    pub(super) fn has_default_deadline(self) -> bool {
        match self {
            Self::Ours(rule) => !rule.client_streaming,
            Self::Health | Self::Reflection => false,
            Self::Unknown => true,
        }
    }
}

/// Whether `caller` may call. Denied unless the table says otherwise.
pub(super) fn allow(method: Method, path: &str, caller: Identity, sandbox: bool) -> Result<(), Refusal> {
    let shown = || path.chars().take(PATH_SHOWN_MAX).collect::<String>();
    match method {
        Method::Health | Method::Reflection => Ok(()),
        Method::Ours(rule) if rule.callers.contains(&caller) => {
            if rule.sandbox_only && !sandbox {
                return Err(Refusal::NotServed { method: shown() });
            }
            Ok(())
        }
        Method::Ours(_) | Method::Unknown => Err(Refusal::NotAllowed { method: shown(), caller }),
    }
}

/// The customer a call is made for, where its method asks for one. Elsewhere a token is not looked at. Callers that the
/// contract exempts may leave it out, and are bound by it if they send it.
pub(super) fn customer(
    method: Method,
    caller: Identity,
    headers: &HeaderMap,
    tokens: &TokenVerifier,
    now: Timestamp,
) -> Result<Option<CustomerClaims>, Refusal> {
    let Method::Ours(rule) = method else { return Ok(None) };
    let exempt = rule.customer_exempt.contains(&caller) && !headers.contains_key(http::header::AUTHORIZATION);
    if !rule.customer || exempt {
        return Ok(None);
    }
    let claims = tokens.verify_customer(bearer(headers)?, now)?;
    let max_age_seconds = rule.second_factor_max_age_seconds;
    if max_age_seconds > 0 {
        let fresh = claims
            .second_factor_at
            .is_some_and(|proved| now.since(proved).as_secs() <= u64::from(max_age_seconds));
        if !fresh {
            return Err(Refusal::StepUp { max_age_seconds });
        }
    }
    Ok(Some(claims))
}

/// The one bearer token of a call (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::TokenMissing) };
    let text = value.to_str().map_err(|_| Refusal::TokenMissing)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(token),
        _ => Err(Refusal::TokenMissing),
    }
}
