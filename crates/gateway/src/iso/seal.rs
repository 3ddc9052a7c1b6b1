//! Card data of an advice that waits for the ledger, encrypted: AES-256-GCM under a key in a file of its own.
//!
//! `sealed = version 1 | nonce 12 | ciphertext | tag 16`, the delivery's key as associated data, so that what is copied
//! onto another row does not open.

use std::path::Path;
use std::sync::Arc;

use bursar_service::config::{ConfigError, Secret};
use bursar_types::Entropy;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;

/// Seals and opens.
#[derive(Clone)]
pub(crate) struct Sealer {
    key: Arc<LessSafeKey>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// With the key in the file at `path`. In the sandbox a missing file is made, for the owner alone.
    pub(crate) fn open(path: &Path, sandbox: bool, entropy: Arc<dyn Entropy>) -> Result<Self, ConfigError> {
        let told = |what: String| ConfigError::new(format!("keys.master_file: {what}"));
        if sandbox && !path.exists() {
            let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
            entropy.fill(&mut *bytes);
            let text = Zeroizing::new(HEXLOWER.encode(&*bytes));
            write_private(path, text.as_bytes())
                .map_err(|error| told(format!("cannot make {}: {error}", path.display())))?;
            tracing::info!(path = %path.display(), "key made for the sandbox");
        }
        let text = Secret::from_file(path).map_err(told)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.expose().trim().as_bytes()).map(Zeroizing::new);
        let key = bytes.ok().filter(|bytes| bytes.len() == KEY_BYTES);
        let key = key.ok_or_else(|| told(format!("{} must hold 64 hexadecimal digits", path.display())))?;
        Self::with_key(&key, entropy).ok_or_else(|| told("the key cannot be used".into()))
    }

    /// With these 32 bytes.
    pub(crate) fn with_key(key: &[u8], entropy: Arc<dyn Entropy>) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some(Self { key: Arc::new(LessSafeKey::new(key)), entropy })
    }

    /// Seals `secret` for the row with this key.
    pub(crate) fn seal(&self, row: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        // What is sealed here is few and short: random nonces do not meet (NIST SP 800-38D, 8.3).
        let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        text.extend_from_slice(secret);
        let nonce_bytes = nonce;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(row), &mut *text).ok()?;
        Some([&[VERSION], &nonce_bytes[..], &text].concat())
    }

    /// Opens what was sealed for the row with this key.
    pub(crate) fn open_sealed(&self, row: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(row), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Writes a new file that only its owner can read; never over an existing one.
fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use bursar_types::OsEntropy;

    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_own_row_only() {
        let sealer = Sealer::with_key(&[7; 32], Arc::new(OsEntropy)).unwrap();
        let sealed = sealer.seal(b"row", b"4111111111111111/2912").unwrap();
        assert!(!sealed.windows(6).any(|it| it == b"411111"));
        assert_eq!(sealer.open_sealed(b"row", &sealed).unwrap().as_slice(), b"4111111111111111/2912");
        assert!(sealer.open_sealed(b"other", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 1;
            assert!(sealer.open_sealed(b"row", &spoilt).is_none(), "byte {at}");
        }
        assert_ne!(sealed, sealer.seal(b"row", b"4111111111111111/2912").unwrap());
    }
}
