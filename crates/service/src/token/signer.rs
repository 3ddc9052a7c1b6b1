//! Making tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;

use super::{TOKEN_BYTES_MAX, TokenError, jws};
use crate::config::ConfigError;
use crate::tls::{Name, certificates, private_key};

/// For whom, from when and for how long.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// Who is meant to take the token.
    pub audience: &'a str,
    /// When it was issued; it is valid from then on.
    pub issued_at: Timestamp,
    /// How long it is valid. Whole seconds.
    pub lifetime: Duration,
}

/// A signing key with its certificate. Clones share the key.
#[derive(Clone)]
pub struct TokenSigner {
    key: Arc<Ed25519KeyPair>,
    header: Arc<str>,
    signer: Identity,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// Reads a signing certificate and its Ed25519 key from PEM files.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file: unreadable, not for signing, or of another key.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, ConfigError> {
        let bad = |text: &str| ConfigError::new(format!("{}: {text}", cert.display()));
        let chain = certificates(cert)?;
        let signer = match Name::of_certificate(&chain[0]) {
            Ok(Name::Signer(signer)) => signer,
            Ok(Name::Peer(_)) => {
                return Err(bad("the certificate is not for signing (spiffe://bursar/<service>/signing)"));
            }
            Err(error) => return Err(bad(&error.to_string())),
        };
        let secret = private_key(key)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(secret.secret_der())
            .map_err(|_| ConfigError::new(format!("{} is not an Ed25519 key in PKCS #8", key.display())))?;
        if jws::public_key_of(&chain[0]).as_deref() != Some(pair.public_key().as_ref()) {
            return Err(bad(&format!("the key in {} is another certificate's", key.display())));
        }
        Ok(Self { key: Arc::new(pair), header: jws::header(&chain[0]).into(), signer })
    }

    /// Whose certificate this is.
    pub fn signer(&self) -> Identity {
        self.signer
    }

    /// Signs `claims`, which must serialize as an object without the members `aud`, `exp`, `iat` and `nbf`.
    ///
    /// # Errors
    /// [`TokenError::Unsignable`] if they do not, or make the token too large.
    pub fn sign<C: Serialize>(&self, grant: &Grant<'_>, claims: &C) -> Result<String, TokenError> {
        let serde_json::Value::Object(mut object) =
            serde_json::to_value(claims).map_err(|_| TokenError::Unsignable("not representable"))?
        else {
            return Err(TokenError::Unsignable("not an object"));
        };
        let issued = grant.issued_at.as_seconds();
        let lifetime = i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX);
        let own = [
            ("aud", serde_json::Value::from(grant.audience)),
            ("iat", issued.into()),
            ("nbf", issued.into()),
            ("exp", issued.saturating_add(lifetime).into()),
        ];
        for (name, value) in own {
            if object.insert(name.to_owned(), value).is_some() {
                return Err(TokenError::Unsignable("a member is the envelope's"));
            }
        }
        let payload = serde_json::Value::Object(object).to_string();
        let mut token = format!("{}.{}", self.header, jws::encode(payload.as_bytes()));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&jws::encode(signature.as_ref()));
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Unsignable("too large"));
        }
        Ok(token)
    }
}
