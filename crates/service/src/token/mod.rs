//! Signed statements that anyone on the platform checks offline: customers' access tokens (by identity), card proofs
//! (by the vault), and checkpoints of the journal (by the ledger).
//!
//! The form is a compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037) and the signing certificate in `x5c`. That
//! certificate stands under the platform's authority and names `spiffe://bursar/<service>/signing`, so a verifier
//! needs the authority's certificate and nothing else.
//!
//! Tokens that are made at once may share a signature (`EdDSA-Tree`): it is over the root of a Merkle tree whose leaves
//! are their first two parts, and a fourth part holds the way from the leaf to the root.

mod customer;
mod jws;
mod signer;
mod statement;
mod verifier;

pub use customer::CUSTOMER_AUDIENCE;
pub use signer::{Grant, TokenSigner};
pub use statement::Trust;
pub use verifier::{TokenVerifier, Verified};

/// Longest token, in bytes. A certificate takes some 700 of them.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why a token was not made or is not good. Never tells the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url, or a header or claims that are not as they must be.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The algorithm is not EdDSA.
    #[error("the token's algorithm is not EdDSA")]
    Algorithm,
    /// The certificate is not under the authority, past its time, or not for signing.
    #[error("the token's certificate is not a good one: {0}")]
    Certificate(&'static str),
    /// Signed by somebody else than it must be.
    #[error("the token is signed by {found}, not by {expected}")]
    Signer {
        /// Who must have signed.
        expected: String,
        /// Who signed.
        found: String,
    },
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// Meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Past its time.
    #[error("the token has expired")]
    Expired,
    /// Before its time.
    #[error("the token is not valid yet")]
    NotYet,
    /// The claims could not be signed.
    #[error("the claims cannot be signed: {0}")]
    Unsignable(&'static str),
}

impl bursar_types::Failure for TokenError {
    fn reason(&self) -> bursar_types::Reason {
        match self {
            Self::Unsignable(_) => bursar_types::Reason::Internal,
            _ => bursar_types::Reason::TokenInvalid,
        }
    }
}
