//! Names in certificates, after SPIFFE (X.509-SVID §2: exactly one URI name, and it decides).

use std::fmt;

use bursar_proto::access::Identity;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The trust domain of every name.
pub const TRUST_DOMAIN: &str = "bursar";

/// Suffix of the name of a certificate that signs tokens and proofs and can open no connection.
const SIGNING: &str = "/signing";

/// Who a certificate belongs to, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// `spiffe://bursar/<name>`: opens and accepts connections.
    Peer(Identity),
    /// `spiffe://bursar/<name>/signing`: signs tokens and proofs.
    Signer(Identity),
}

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It cannot be parsed.
    #[error("the certificate cannot be parsed")]
    Malformed,
    /// It has none or several URI names.
    #[error("the certificate must have exactly one URI name, it has {0}")]
    UriCount(usize),
    /// The URI is none of this platform.
    #[error("the certificate's URI name is not of the form spiffe://bursar/<name>")]
    Foreign,
}

impl Name {
    /// The name in a certificate. Nothing is said about who signed it.
    ///
    /// # Errors
    /// [`NameError`] if it does not have exactly one URI name of this platform.
    pub fn of_certificate(der: &[u8]) -> Result<Self, NameError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| NameError::Malformed)?;
        if !rest.is_empty() {
            return Err(NameError::Malformed);
        }
        let names = certificate.subject_alternative_name().map_err(|_| NameError::Malformed)?;
        let uris: Vec<&str> = names
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        match uris.as_slice() {
            [uri] => Self::from_uri(uri).ok_or(NameError::Foreign),
            _ => Err(NameError::UriCount(uris.len())),
        }
    }

    /// The name that `uri` is, in its one exact form.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("spiffe://")?.strip_prefix(TRUST_DOMAIN)?.strip_prefix('/')?;
        match path.strip_suffix(SIGNING) {
            Some(name) => Identity::from_name(name).map(Self::Signer),
            None => Identity::from_name(path).map(Self::Peer),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(identity) => write!(f, "spiffe://{TRUST_DOMAIN}/{identity}"),
            Self::Signer(identity) => write!(f, "spiffe://{TRUST_DOMAIN}/{identity}{SIGNING}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_exact_form() {
        for identity in Identity::ALL {
            for name in [Name::Peer(identity), Name::Signer(identity)] {
                assert_eq!(Name::from_uri(&name.to_string()), Some(name));
            }
        }
        for bad in [
            "",
            "spiffe://bursar/",
            "spiffe://bursar/Ledger",
            "spiffe://bursar/ledger/",
            "spiffe://bursar//ledger",
            "spiffe://bursar/ledger/signing/signing",
            "spiffe://bursar/ledger?x",
            "spiffe://bursar.example/ledger",
            "spiffe://bursar/treasury",
            "https://bursar/ledger",
        ] {
            assert_eq!(Name::from_uri(bad), None, "{bad}");
        }
    }
}
