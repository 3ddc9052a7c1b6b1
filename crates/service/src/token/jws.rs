//! The compact form, parsed strictly: what is not exactly as we write it is refused.

use std::borrow::Cow;

use bursar_transparency::{Hash, leaf_hash, verify_inclusion};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TOKEN_BYTES_MAX, TokenError};

/// The one algorithm (RFC 8037 §3.1).
const ALGORITHM: &str = "EdDSA";

/// The same over the root of a tree whose leaves are tokens: one signature for many tokens that are made at once.
const ALGORITHM_TREE: &str = "EdDSA-Tree";

/// Length of an Ed25519 signature in bytes.
const SIGNATURE_BYTES: usize = 64;

/// Begins what is signed for a tree. A token of its own begins with its header, which is base64url.
const TREE: &[u8] = b"bursar/token-tree/v1\0";
/// Index, size and root of a tree in a token's fourth part; the path follows.
const PLACE_BYTES: usize = 4 + 4 + 32;

/// A protected header; a member that is not listed here makes the token malformed (`crit`, `jwk`, `jku`, …).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    x5c: Vec<String>,
}

/// Where a token stands in the tree that was signed.
pub(super) struct Place {
    index: u32,
    size: u32,
    root: Hash,
    path: Vec<Hash>,
}

/// A token taken apart; nothing is checked yet.
pub(super) struct Parts<'a> {
    /// Header and payload with the dot between.
    signed: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Of a token that was signed together with others.
    place: Option<Place>,
    /// The signing certificate (DER).
    pub(super) certificate: Vec<u8>,
}

/// Base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn header_of(algorithm: &str, certificate: &[u8]) -> String {
    // Names and base64 need no escaping.
    encode(format!("{{\"alg\":\"{algorithm}\",\"x5c\":[\"{}\"]}}", BASE64.encode(certificate)).as_bytes())
}

/// The encoded header of tokens signed with `certificate`.
pub(super) fn header(certificate: &[u8]) -> String {
    header_of(ALGORITHM, certificate)
}

/// The encoded header of tokens that are signed together.
pub(super) fn tree_header(certificate: &[u8]) -> String {
    header_of(ALGORITHM_TREE, certificate)
}

/// What is signed for a tree of `size` tokens.
pub(super) fn tree_message(size: u32, root: &Hash) -> Vec<u8> {
    [TREE, &size.to_be_bytes(), root].concat()
}

/// The leaf that a token is: of its header and payload with the dot between.
pub(super) fn tree_leaf(signed: &[u8]) -> Hash {
    leaf_hash(&[signed])
}

/// The fourth part of a token that was signed together with others.
pub(super) fn tree_place(index: u32, size: u32, root: &Hash, path: &[Hash]) -> String {
    let mut bytes = Vec::with_capacity(PLACE_BYTES + path.len() * 32);
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(root);
    path.iter().for_each(|hash| bytes.extend_from_slice(hash));
    encode(&bytes)
}

impl Place {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (index, rest) = bytes.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (root, rest) = rest.split_first_chunk::<32>()?;
        let (path, rest) = rest.as_chunks::<32>();
        let (index, size) = (u32::from_be_bytes(*index), u32::from_be_bytes(*size));
        rest.is_empty().then(|| Self { index, size, root: *root, path: path.to_vec() })
    }
}

impl Parts<'_> {
    /// Whether it was signed together with others.
    pub(super) fn is_of_tree(&self) -> bool {
        self.place.is_some()
    }

    /// The bytes that the signature is over. Of a token of a tree, once it is shown to stand in it.
    pub(super) fn message(&self) -> Result<Cow<'_, [u8]>, TokenError> {
        let Some(Place { index, size, root, path }) = &self.place else {
            return Ok(Cow::Borrowed(self.signed));
        };
        verify_inclusion(&tree_leaf(self.signed), u64::from(*index), u64::from(*size), path, root)
            .map_err(|_| TokenError::Signature)?;
        Ok(Cow::Owned(tree_message(*size, root)))
    }
}

/// Takes a token apart.
pub(super) fn split(token: &str) -> Result<Parts<'_>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed("too long"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), place, None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed("not three parts"));
    };
    let decode = |part: &str| {
        BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Malformed("not base64url"))
    };
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| TokenError::Malformed("not the header of this platform"))?;
    let place = match (header.alg.as_str(), place) {
        (ALGORITHM, None) => None,
        (ALGORITHM, Some(_)) => return Err(TokenError::Malformed("not three parts")),
        (ALGORITHM_TREE, Some(place)) => {
            Some(Place::read(&decode(place)?).ok_or(TokenError::Malformed("its place is not one"))?)
        }
        (ALGORITHM_TREE, None) => return Err(TokenError::Malformed("it has no place in its tree")),
        _ => return Err(TokenError::Algorithm),
    };
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
    Ok(Parts { signed, payload: decode(payload)?, signature, place, certificate })
}

/// The raw Ed25519 key in a certificate; `None` if it holds another kind.
pub(super) fn public_key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let info = certificate.public_key();
    // id-Ed25519, RFC 8410 §3.
    (info.algorithm.algorithm.to_id_string() == "1.3.101.112").then(|| info.subject_public_key.data.to_vec())
}
