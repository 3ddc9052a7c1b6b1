//! The keys of this service: what people's addresses and webhook secrets are sealed with at rest.
//!
//! One master key in a file; each use has its own key derived from it (HKDF-Expand, RFC 5869 §2.3, with the purpose as
//! info), so that no key serves two algorithms. Sealed values carry a version byte, so that a later key can live beside.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bursar_service::config::Secret;
use bursar_types::Entropy;
use data_encoding::BASE64;
use ring::hmac;
use zeroize::Zeroizing;

/// Bytes of the master key.
const MASTER_BYTES: usize = 32;

/// First byte of every sealed value.
const VERSION: u8 = 1;

/// Why the master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read, or others can read it.
    #[error("keys.master_file: {0}")]
    File(String),
    /// The file does not hold a key.
    #[error(
        "keys.master_file: {0} must hold 32 random bytes in base64: make it with `openssl rand -base64 32`"
    )]
    Malformed(String),
}

/// A sealed value cannot be opened: it is damaged, was moved from elsewhere, or was sealed with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sealed value cannot be opened: it is damaged, or keys.master_file is not the one it was sealed with"
)]
pub struct Unsealable;

/// What a sealed value is. A value of one kind, or of one owner, cannot be opened as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A customer's phone number; the owner is the customer.
    Phone,
    /// A customer's e-mail address; the owner is the customer.
    Email,
    /// A webhook endpoint's secret; the owner is the endpoint.
    WebhookSecret,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
            Self::WebhookSecret => "webhook-secret",
        }
    }
}

/// The keys of this service.
pub struct Keys {
    seal: RandomizedNonceKey,
    index: hmac::Key,
    digest: hmac::Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(<hidden>)")
    }
}

impl Keys {
    /// The keys under the master key in the file at `path`.
    ///
    /// # Errors
    /// [`KeyError`] if it cannot be read, is open to group or others, or holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = Secret::from_file(path).map_err(KeyError::File)?;
        let malformed = || KeyError::Malformed(path.display().to_string());
        let master = Zeroizing::new(BASE64.decode(text.expose().as_bytes()).map_err(|_| malformed())?);
        let master: &[u8; MASTER_BYTES] = master.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Self::derive(master))
    }

    /// The keys under the master key in the file at `path`, which is made if it does not exist: for the sandbox.
    ///
    /// # Errors
    /// As [`Keys::load`], or if the file cannot be made.
    pub fn load_or_make(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let failed =
            |error: std::io::Error| KeyError::File(format!("cannot make {}: {error}", path.display()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                let mut master = Zeroizing::new([0_u8; MASTER_BYTES]);
                entropy.fill(master.as_mut_slice());
                let text = Zeroizing::new(BASE64.encode(master.as_slice()));
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        Self::load(path)
    }

    /// The keys under this master key.
    pub fn derive(master: &[u8; MASTER_BYTES]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, master);
        let expand =
            |purpose: &str| hmac::sign(&root, format!("bursar/notifications/{purpose}\u{1}").as_bytes());
        Self {
            seal: RandomizedNonceKey::new(&AES_256_GCM, expand("seal").as_ref())
                .expect("HMAC-SHA256 gives the 32 bytes AES-256 takes"),
            index: hmac::Key::new(hmac::HMAC_SHA256, expand("address-index").as_ref()),
            digest: hmac::Key::new(hmac::HMAC_SHA256, expand("request-digest").as_ref()),
        }
    }

    /// Seals `plain` (AES-256-GCM, random nonce), bound to its kind and owner.
    pub fn seal(&self, kind: Kind, owner: &str, plain: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        text.extend_from_slice(plain);
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(associated(kind, owner)), &mut text)
            .expect("sealing fails only beyond 64 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        sealed
    }

    /// Opens what [`Keys::seal`] made for the same kind and owner.
    ///
    /// # Errors
    /// [`Unsealable`] if it was made otherwise.
    pub fn open(&self, kind: Kind, owner: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (version, rest) = sealed.split_first().ok_or(Unsealable)?;
        if *version != VERSION {
            return Err(Unsealable);
        }
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(associated(kind, owner)), &mut text)
            .map_err(|_| Unsealable)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// By what an address is found without being stored: a keyed digest of it, worthless without the key.
    pub fn index(&self, address: &str) -> [u8; 32] {
        let mut index = [0_u8; 32];
        index.copy_from_slice(hmac::sign(&self.index, address.as_bytes()).as_ref());
        index
    }

    /// Key of the digests by which a repeated request is told from another one: phone numbers and one-time codes could
    /// be found by trying from a plain digest.
    pub const fn digest_key(&self) -> &hmac::Key {
        &self.digest
    }
}

fn associated(kind: Kind, owner: &str) -> Vec<u8> {
    format!("{}\0{owner}", kind.label()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bursar_types::SeededEntropy;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_kind_and_owner_only() {
        let keys = Keys::derive(&[7; 32]);
        let sealed = keys.seal(Kind::Phone, "cust_1", b"+8613800138000");
        assert!(!sealed.windows(5).any(|bytes| bytes == b"13800"));
        assert_eq!(keys.open(Kind::Phone, "cust_1", &sealed).unwrap().as_slice(), b"+8613800138000");
        assert_eq!(keys.open(Kind::Phone, "cust_2", &sealed), Err(Unsealable));
        assert_eq!(keys.open(Kind::WebhookSecret, "cust_1", &sealed), Err(Unsealable));
        assert_eq!(Keys::derive(&[8; 32]).open(Kind::Phone, "cust_1", &sealed), Err(Unsealable));
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(keys.open(Kind::Phone, "cust_1", &damaged), Err(Unsealable), "byte {index}");
        }
        assert_ne!(sealed, keys.seal(Kind::Phone, "cust_1", b"+8613800138000"), "nonces differ");
    }

    #[test]
    fn the_key_file_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(matches!(Keys::load(&path), Err(KeyError::File(_))));
        let made = Keys::load_or_make(&path, &SeededEntropy::new(1)).unwrap();
        let again = Keys::load_or_make(&path, &SeededEntropy::new(2)).unwrap();
        assert_eq!(made.index("x"), again.index("x"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::load(&path), Err(KeyError::File(_))));
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "c2hvcnQ=").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = Keys::load(&path).unwrap_err().to_string();
        assert!(error.contains("32 random bytes"), "{error}");
        assert!(!error.contains("c2hvcnQ"), "{error}");
    }
}
