//! Keyed values: the blind index, verifiers, ticket secrets, digests of requests. All HMAC-SHA-256 (FIPS 198-1).

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::secret::SecretBytes;

/// A key for keyed values. Its bytes stay in the library, which wipes them.
pub(crate) struct MacKey {
    key: hmac::Key,
}

impl MacKey {
    pub(crate) fn new<const N: usize>(key: &SecretBytes<N>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()) }
    }

    /// The keyed value of `parts` for the use that `label` names. Each part goes in with its length, so that no two
    /// lists of parts run together, and no value made for one use serves for another.
    pub(crate) fn sign(&self, label: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            let length = u64::try_from(part.len()).expect("no part is longer than memory");
            context.update(&length.to_be_bytes());
            context.update(part);
        }
        let mut value = Zeroizing::new([0_u8; 32]);
        value.copy_from_slice(context.sign().as_ref());
        value
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(<hidden>)")
    }
}

/// SHA-256 of `bytes`. Never of a card number, password or code: those are few enough to try out.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut value = [0_u8; 32];
    value.copy_from_slice(context.finish().as_ref());
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Key256;

    #[test]
    fn parts_do_not_run_together_and_labels_keep_uses_apart() {
        let key = MacKey::new(&Key256::generate());
        assert_ne!(key.sign("a", &[b"bc"]), key.sign("ab", &[b"c"]));
        assert_ne!(key.sign("a", &[b"b", b"c"]), key.sign("a", &[b"bc"]));
        assert_eq!(key.sign("a", &[b"b"]), key.sign("a", &[b"b"]));
        assert_ne!(key.sign("a", &[b"b"]), MacKey::new(&Key256::generate()).sign("a", &[b"b"]));
    }
}
