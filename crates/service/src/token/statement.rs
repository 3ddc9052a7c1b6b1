//! Statements: what was true when it was signed, and stays so. A log's checkpoint is one.
//!
//! A statement is a token that expires the moment it is issued, so that nobody can ever be let in with it. It is
//! checked as of that moment: the certificate's few days are long over when somebody wants to know, and the
//! authority's certificate is all that is needed. A statement so says no more than that its signer's key made it. A key
//! that is stolen can be used to sign for the past; whoever must know better keeps older statements to compare.

use std::path::Path;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::verifier::{Envelope, Signer, Verified};
use super::{Grant, TokenError, TokenSigner, jws};
use crate::config::ConfigError;
use crate::tls::certificates;

impl TokenSigner {
    /// Signs `claims` as a statement of the moment `at`, of which whole seconds are kept. `audience` says what kind of
    /// statement it is.
    ///
    /// # Errors
    /// As [`TokenSigner::sign`].
    pub fn state<C: Serialize>(
        &self,
        audience: &str,
        at: Timestamp,
        claims: &C,
    ) -> Result<String, TokenError> {
        self.sign(&Grant { audience, issued_at: at, lifetime: Duration::ZERO }, claims)
    }
}

/// The authority under which statements are checked: its certificate, or several while it is being replaced.
#[derive(Clone, Debug)]
pub struct Trust(Vec<CertificateDer<'static>>);

impl Trust {
    /// Reads the authority's certificate from a PEM file.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file: unreadable, or not certificates in PEM.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        certificates(path).map(Self)
    }

    /// The claims of a statement for `audience` that `expected` signed, with a certificate that was good then.
    ///
    /// # Errors
    /// [`TokenError`] that says what is wrong.
    pub fn verify<C: DeserializeOwned>(
        &self,
        statement: &str,
        expected: Identity,
        audience: &str,
    ) -> Result<Verified<C>, TokenError> {
        let parts = jws::split(statement)?;
        let envelope = Envelope::<C>::read(&parts)?;
        if envelope.exp != envelope.iat || envelope.nbf != envelope.iat {
            return Err(TokenError::Malformed("a token, not a statement"));
        }
        Signer::check(&parts.certificate, &self.0, envelope.iat)?.signed(&parts, expected)?;
        envelope.for_audience(audience)
    }
}
