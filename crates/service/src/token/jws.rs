//! The compact form, parsed strictly: what is not exactly as we write it is refused.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TOKEN_BYTES_MAX, TokenError};

/// The one algorithm (RFC 8037 §3.1).
const ALGORITHM: &str = "EdDSA";

/// Length of an Ed25519 signature in bytes.
const SIGNATURE_BYTES: usize = 64;

/// A protected header; a member that is not listed here makes the token malformed (`crit`, `jwk`, `jku`, …).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    x5c: Vec<String>,
}

/// A token taken apart; nothing is checked yet.
pub(super) struct Parts<'a> {
    /// The signed bytes: header and payload with the dot between.
    pub(super) signed: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// The signing certificate (DER).
    pub(super) certificate: Vec<u8>,
}

/// Base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// The encoded header of tokens signed with `certificate`.
pub(super) fn header(certificate: &[u8]) -> String {
    // Names and base64 need no escaping.
    encode(format!("{{\"alg\":\"{ALGORITHM}\",\"x5c\":[\"{}\"]}}", BASE64.encode(certificate)).as_bytes())
}

/// Takes a token apart.
pub(super) fn split(token: &str) -> Result<Parts<'_>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed("too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed("not three parts"));
    };
    let decode = |part: &str| {
        BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Malformed("not base64url"))
    };
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| TokenError::Malformed("not the header of this platform"))?;
    if header.alg != ALGORITHM {
        return Err(TokenError::Algorithm);
    }
    let [certificate] = header.x5c.as_slice() else {
        return Err(TokenError::Malformed("not exactly one certificate"));
    };
    let certificate = BASE64
        .decode(certificate.as_bytes())
        .map_err(|_| TokenError::Malformed("the certificate is not base64"))?;
    let signature = decode(signature)?;
    if signature.len() != SIGNATURE_BYTES {
        return Err(TokenError::Malformed("the signature is not 64 bytes long"));
    }
    Ok(Parts { signed, payload: decode(payload)?, signature, certificate })
}

/// The raw Ed25519 key in a certificate; `None` if it holds another kind.
pub(super) fn public_key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let info = certificate.public_key();
    // id-Ed25519, RFC 8410 §3.
    (info.algorithm.algorithm.to_id_string() == "1.3.101.112").then(|| info.subject_public_key.data.to_vec())
}
