//! AES key wrap (NIST SP 800-38F, RFC 3394) with 256-bit keys: the form every key has in the database.
//!
//! It needs no nonce, so neither a restart nor a restored snapshot can repeat one.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};

use super::secret::{Key256, SecretBytes};

/// Bytes that wrapping adds.
pub(crate) const OVERHEAD: usize = 8;

/// The wrapped key is not one of this key's, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wrapped key does not open: it was changed, or another key wrapped it")]
pub(crate) struct UnwrapError;

/// Wraps `key` under `kek`.
pub(crate) fn wrap<const N: usize>(kek: &Key256, key: &SecretBytes<N>) -> Vec<u8> {
    let mut out = vec![0_u8; N + OVERHEAD];
    let length = AesKek::new(&AES_256, kek.expose())
        .and_then(|kek| kek.wrap(key.expose(), &mut out).map(|wrapped| wrapped.len()))
        .expect("keys of 16 and 32 bytes are lengths that RFC 3394 wraps, into a buffer 8 bytes longer");
    debug_assert_eq!(length, out.len());
    out
}

/// Opens a wrapped key of `N` bytes.
pub(crate) fn unwrap<const N: usize>(kek: &Key256, wrapped: &[u8]) -> Result<SecretBytes<N>, UnwrapError> {
    if wrapped.len() != N + OVERHEAD {
        return Err(UnwrapError);
    }
    SecretBytes::try_fill(|out| {
        let kek = AesKek::new(&AES_256, kek.expose()).map_err(|_| UnwrapError)?;
        match kek.unwrap(wrapped, out) {
            Ok(opened) if opened.len() == N => Ok(()),
            _ => Err(UnwrapError),
        }
    })
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
        let kek = from_hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F");
        let key: Key256 = from_hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        let wrapped = wrap(&kek, &key);
        assert_eq!(
            data_encoding::HEXUPPER.encode(&wrapped),
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
        );
        assert_eq!(unwrap::<32>(&kek, &wrapped).unwrap().expose(), key.expose());
    }

    #[test]
    fn another_key_a_changed_byte_and_a_cut_do_not_open() {
        let (kek, other, key) = (Key256::generate(), Key256::generate(), Key256::generate());
        let wrapped = wrap(&kek, &key);
        assert!(unwrap::<32>(&other, &wrapped).is_err());
        for index in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[index] ^= 1;
            assert!(unwrap::<32>(&kek, &changed).is_err(), "byte {index}");
            assert!(unwrap::<32>(&kek, &wrapped[..index]).is_err(), "cut to {index}");
        }
        assert!(unwrap::<16>(&kek, &wrapped).is_err(), "another length");
    }
}
