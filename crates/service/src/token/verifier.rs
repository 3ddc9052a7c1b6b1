//! Checking tokens.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::{Clock, Timestamp};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TokenError, jws};
use crate::tls::{Name, Tls};

/// How far the signer's clock may be ahead of ours.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// Certificates remembered as checked. A platform has a handful of signers with a few certificates each.
const CACHE_MAX: usize = 64;

/// Signatures of trees remembered as good. Each is of use for as long as its tokens come, a moment.
const TREES_MAX: usize = 1_024;

/// id-kp-documentSigning (RFC 9336), DER without tag and length: what a signing certificate must be for. One for
/// connections is not, so neither can stand in for the other.
const SIGNING_USAGE: KeyUsage = KeyUsage::required(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24]);

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<C> {
    /// The signer's own claims.
    pub claims: C,
    /// When it was issued (whole seconds).
    pub issued_at: Timestamp,
    /// When it expires (whole seconds).
    pub expires_at: Timestamp,
}

/// Checks tokens under the platform's authority. Clones share what was checked before.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    tls: Tls,
    clock: Arc<dyn Clock>,
    cache: Arc<Mutex<Cache>>,
}

#[derive(Debug, Default)]
struct Cache {
    authority: Vec<CertificateDer<'static>>,
    signers: HashMap<[u8; 32], Signer>,
    /// Signatures of trees that were good: their other tokens need no look at it.
    trees: HashSet<[u8; 32]>,
}

/// A certificate whose chain was checked.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    name: Name,
    key: Vec<u8>,
    not_before: i64,
    not_after: i64,
}

/// The registered claims (RFC 7519 §4.1) around the signer's own.
#[derive(Deserialize)]
pub(super) struct Envelope<C> {
    aud: String,
    pub(super) exp: i64,
    pub(super) nbf: i64,
    pub(super) iat: i64,
    #[serde(flatten)]
    claims: C,
}

impl<C: DeserializeOwned> Envelope<C> {
    /// What the payload says; whether it is to be believed is another matter.
    pub(super) fn read(parts: &jws::Parts<'_>) -> Result<Self, TokenError> {
        serde_json::from_slice(&parts.payload).map_err(|_| TokenError::Malformed("not the claims wanted"))
    }

    pub(super) fn for_audience(self, audience: &str) -> Result<Verified<C>, TokenError> {
        if self.aud != audience {
            return Err(TokenError::Audience);
        }
        let moment = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        Ok(Verified { claims: self.claims, issued_at: moment(self.iat), expires_at: moment(self.exp) })
    }
}

impl TokenVerifier {
    /// A verifier under the authority in `tls`. Certificates are checked against `clock`, the machine's own: they
    /// live in real time, also where a sandbox moves the platform's clock.
    pub fn new(tls: Tls, clock: Arc<dyn Clock>) -> Self {
        Self { tls, clock, cache: Arc::default() }
    }

    /// The claims of a token that `expected` signed for `audience` and that is valid at `now`.
    ///
    /// # Errors
    /// [`TokenError`] that says what is wrong, without the token.
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        expected: Identity,
        audience: &str,
        now: Timestamp,
    ) -> Result<Verified<C>, TokenError> {
        let parts = jws::split(token)?;
        let signer = self.signer(&parts.certificate)?;
        if parts.is_of_tree() {
            self.of_signed_tree(&signer, &parts, expected)?;
        } else {
            signer.signed(&parts, expected)?;
        }
        let envelope = Envelope::<C>::read(&parts)?;
        let (expires, begins) = (envelope.exp, envelope.nbf.max(envelope.iat));
        let verified = envelope.for_audience(audience)?;
        if now.as_seconds() >= expires {
            return Err(TokenError::Expired);
        }
        if now.plus(SKEW_MAX).as_seconds() < begins {
            return Err(TokenError::NotYet);
        }
        Ok(verified)
    }

    /// As [`Signer::signed`]; the signature of a tree is checked once.
    fn of_signed_tree(
        &self,
        signer: &Signer,
        parts: &jws::Parts<'_>,
        expected: Identity,
    ) -> Result<(), TokenError> {
        signer.is(expected)?;
        let message = parts.message()?;
        let mut hash = [0_u8; 32];
        let whole = [signer.key.as_slice(), &parts.signature, &message].concat();
        hash.copy_from_slice(digest(&SHA256, &whole).as_ref());
        let lock = || self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lock().trees.contains(&hash) {
            return Ok(());
        }
        signer.made(&message, &parts.signature)?;
        let mut cache = lock();
        if cache.trees.len() >= TREES_MAX {
            cache.trees.clear();
        }
        cache.trees.insert(hash);
        Ok(())
    }

    /// The signer a certificate names, after its chain was checked: once per certificate and authority.
    fn signer(&self, certificate: &[u8]) -> Result<Signer, TokenError> {
        let now = self.clock.now().as_seconds();
        let authority = self.tls.authority();
        let mut hash = [0_u8; 32];
        hash.copy_from_slice(digest(&SHA256, certificate).as_ref());

        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if cache.authority != authority {
            cache.signers.clear();
            cache.authority.clone_from(&authority);
        }
        if let Some(known) = cache.signers.get(&hash) {
            return known.valid_at(now);
        }
        let signer = Signer::check(certificate, &authority, now)?;
        // Only good certificates come here, so an attacker cannot fill it; an old platform's rotation can.
        if cache.signers.len() >= CACHE_MAX {
            cache.signers.clear();
        }
        cache.signers.insert(hash, signer.clone());
        signer.valid_at(now)
    }
}

impl Signer {
    /// Whether this is `expected`, and signed `parts`.
    pub(super) fn signed(&self, parts: &jws::Parts<'_>, expected: Identity) -> Result<(), TokenError> {
        self.is(expected)?;
        self.made(&parts.message()?, &parts.signature)
    }

    fn is(&self, expected: Identity) -> Result<(), TokenError> {
        let wanted = Name::Signer(expected);
        if self.name == wanted {
            return Ok(());
        }
        Err(TokenError::Signer { expected: wanted.to_string(), found: self.name.to_string() })
    }

    fn made(&self, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(message, signature).map_err(|_| TokenError::Signature)
    }

    /// The signer that a certificate names, if it was good at `now` (seconds since the epoch).
    pub(super) fn check(
        certificate: &[u8],
        authority: &[CertificateDer<'static>],
        now: i64,
    ) -> Result<Self, TokenError> {
        let refused = TokenError::Certificate;
        let der = CertificateDer::from(certificate);
        let anchors = authority
            .iter()
            .map(webpki::anchor_from_trusted_cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| refused("the authority's certificate cannot be used"))?;
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or(0)));
        EndEntityCert::try_from(&der)
            .map_err(|_| refused("cannot be parsed"))?
            .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &[], moment, SIGNING_USAGE, None, None)
            .map_err(|error| match error {
                webpki::Error::CertExpired { .. } => refused("past its time"),
                webpki::Error::CertNotValidYet { .. } => refused("before its time"),
                webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                    refused("not under the platform's authority")
                }
                _ => refused("not for signing, or not under the platform's authority"),
            })?;
        let name = Name::of_certificate(certificate).map_err(|_| refused("names nobody of this platform"))?;
        let key = jws::public_key_of(certificate).ok_or(refused("not an Ed25519 key"))?;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| refused("cannot be parsed"))?;
        let validity = parsed.validity();
        Ok(Self {
            name,
            key,
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    fn valid_at(&self, now: i64) -> Result<Self, TokenError> {
        if now < self.not_before {
            return Err(TokenError::Certificate("before its time"));
        }
        if now > self.not_after {
            return Err(TokenError::Certificate("past its time"));
        }
        Ok(self.clone())
    }
}
