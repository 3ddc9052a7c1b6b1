//! The access token of a customer: identity makes it, every service reads it.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Grant, TokenError, TokenSigner, TokenVerifier};
use crate::context::CustomerClaims;

/// The audience of customers' access tokens: every service of the platform.
pub const CUSTOMER_AUDIENCE: &str = "bursar";

/// Longest device name, in bytes.
const DEVICE_BYTES_MAX: usize = 128;

/// As it is written in the token.
#[derive(Serialize, Deserialize)]
struct Wire {
    sub: String,
    sid: String,
    /// Last second factor, in microseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sfa: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dev: Option<String>,
}

impl TokenSigner {
    /// The access token of `claims`, valid for `lifetime` from `claims.issued_at` on. Only identity's are taken.
    ///
    /// # Errors
    /// As [`TokenSigner::sign`].
    pub fn sign_customer(&self, claims: &CustomerClaims, lifetime: Duration) -> Result<String, TokenError> {
        let wire = Wire {
            sub: claims.customer_id.to_string(),
            sid: claims.session_id.to_string(),
            sfa: claims.second_factor_at.map(Timestamp::as_micros),
            dev: claims.device.clone(),
        };
        self.sign(&Grant { audience: CUSTOMER_AUDIENCE, issued_at: claims.issued_at, lifetime }, &wire)
    }
}

impl TokenVerifier {
    /// The customer that an access token of identity's speaks for.
    ///
    /// # Errors
    /// As [`TokenVerifier::verify`].
    pub fn verify_customer(&self, token: &str, now: Timestamp) -> Result<CustomerClaims, TokenError> {
        let verified = self.verify::<Wire>(token, Identity::Identity, CUSTOMER_AUDIENCE, now)?;
        let wire = verified.claims;
        let malformed = TokenError::Malformed;
        if wire.dev.as_ref().is_some_and(|device| device.len() > DEVICE_BYTES_MAX) {
            return Err(malformed("the device's name is too long"));
        }
        Ok(CustomerClaims {
            customer_id: wire.sub.parse().map_err(|_| malformed("`sub` is not a customer's id"))?,
            session_id: wire.sid.parse().map_err(|_| malformed("`sid` is not a session's id"))?,
            issued_at: verified.issued_at,
            second_factor_at: wire.sfa.map(Timestamp::from_micros),
            device: wire.dev,
        })
    }
}
