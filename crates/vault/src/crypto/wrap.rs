//! AES key wrap (NIST SP 800-38F, RFC 3394) with 256-bit keys: the form every key has in the database.
//!
//! It needs no nonce, so neither a restart nor a restored snapshot can repeat one.

use std::fmt;

use aes_kw::{KeyInit as _, KwAes256};

use super::secret::{Key256, SecretBytes};

/// Bytes that wrapping adds.
pub(crate) const OVERHEAD: usize = 8;

/// The wrapped key is not one of this key's, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wrapped key does not open: it was changed, or another key wrapped it")]
pub(crate) struct UnwrapError;

/// A key that wraps keys, ready for use. Its schedule lies in a box of its own and is wiped when dropped, which the other
/// library's is not.
pub(crate) struct Kek(Box<KwAes256>);

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(<hidden>)")
    }
}

impl Kek {
    /// The key with these bytes.
    pub(crate) fn new(key: &Key256) -> Self {
        Self(Box::new(KwAes256::new(key.expose().into())))
    }

    /// Wraps `key`.
    pub(crate) fn wrap<const N: usize>(&self, key: &SecretBytes<N>) -> Vec<u8> {
        let mut out = vec![0_u8; N + OVERHEAD];
        let wrapped = self.0.wrap_key(key.expose(), &mut out);
        wrapped
            .expect("keys of 16 and 32 bytes are lengths that RFC 3394 wraps, into a buffer 8 bytes longer");
        out
    }

    /// Opens a wrapped key of `N` bytes.
    pub(crate) fn unwrap<const N: usize>(&self, wrapped: &[u8]) -> Result<SecretBytes<N>, UnwrapError> {
        if wrapped.len() != N + OVERHEAD {
            return Err(UnwrapError);
        }
        SecretBytes::try_fill(|out| self.0.unwrap_key(wrapped, out).map(drop).map_err(|_| UnwrapError))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hex<const N: usize>(hex: &str) -> SecretBytes<N> {
        let bytes = data_encoding::HEXUPPER.decode(hex.as_bytes()).unwrap();
        SecretBytes::try_fill(|out| -> Result<(), ()> {
            out.copy_from_slice(&bytes);
            Ok(())
        })
        .unwrap()
    }

    /// RFC 3394 §4.6: 256 bits of key data under a 256-bit key.
    #[test]
    fn the_published_vector() {
        let kek = Kek::new(&from_hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"));
        let key: Key256 = from_hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        let wrapped = kek.wrap(&key);
        assert_eq!(
            data_encoding::HEXUPPER.encode(&wrapped),
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
        );
        assert_eq!(kek.unwrap::<32>(&wrapped).unwrap().expose(), key.expose());
    }

    #[test]
    fn another_key_a_changed_byte_and_a_cut_do_not_open() {
        let (kek, other) = (Kek::new(&Key256::generate()), Kek::new(&Key256::generate()));
        let key = Key256::generate();
        let wrapped = kek.wrap(&key);
        assert!(other.unwrap::<32>(&wrapped).is_err());
        for index in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[index] ^= 1;
            assert!(kek.unwrap::<32>(&changed).is_err(), "byte {index}");
            assert!(kek.unwrap::<32>(&wrapped[..index]).is_err(), "cut to {index}");
        }
        assert!(kek.unwrap::<16>(&wrapped).is_err(), "another length");
    }
}
