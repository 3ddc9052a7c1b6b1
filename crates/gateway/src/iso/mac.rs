//! Message authentication: field 64 or 128 holds the first eight bytes of the CMAC (NIST SP 800-38B) over all of the message
//! before it.

use std::path::Path;

use aws_lc_rs::cmac::{self, AES_128, AES_256, Key};
use bursar_iso8583::{EncodeError, Message, Profile, SecretBytes};
use bursar_service::config::{ConfigError, Secret};
use data_encoding::HEXLOWER_PERMISSIVE;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of a code in a message.
const CODE_BYTES: usize = 8;

/// A partner's key.
pub(super) struct Mac(Key);

impl std::fmt::Debug for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mac")
    }
}

impl Mac {
    /// The key in a file; the profile must have the code as eight bytes.
    pub(super) fn open(path: &Path, profile: &Profile) -> Result<Self, ConfigError> {
        let told = |what: &str| ConfigError::new(format!("mac.key_file {}: {what}", path.display()));
        let text = Secret::from_file(path).map_err(|error| told(&error))?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.expose().trim().as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| told("must hold 32 or 64 hexadecimal digits"))?;
        let binary = |field| {
            profile
                .field(field)
                .is_some_and(|spec| spec.encoding() == "binary" && spec.max_length() == CODE_BYTES)
        };
        if !binary(64) || !binary(128) {
            return Err(told("the profile does not have fields 64 and 128 as eight bytes"));
        }
        Self::new(&bytes).ok_or_else(|| told("must hold 32 or 64 hexadecimal digits"))
    }

    fn new(key: &[u8]) -> Option<Self> {
        let algorithm = match key.len() {
            16 => AES_128,
            32 => AES_256,
            _ => return None,
        };
        Key::new(algorithm, key).ok().map(Self)
    }

    fn code(&self, bytes: &[u8]) -> Option<[u8; CODE_BYTES]> {
        let tag = cmac::sign(&self.0, bytes).ok()?;
        tag.as_ref().first_chunk().copied()
    }

    /// Whether the message has the code that its bytes have.
    pub(super) fn holds(&self, raw: &[u8], message: &Message) -> bool {
        let Some((body, code)) = raw.split_last_chunk::<CODE_BYTES>() else { return false };
        // Nothing stands after it, so it is the last eight bytes.
        message.fields().iter().last() == Some(field(message))
            && self.code(body).is_some_and(|wanted| bool::from(wanted.ct_eq(code)))
    }

    /// The message with its code.
    pub(super) fn encode(
        &self,
        profile: &Profile,
        message: &mut Message,
    ) -> Result<SecretBytes, EncodeError> {
        message.set(field(message), [0; CODE_BYTES])?;
        let mut bytes = profile.encode(message)?.to_vec();
        if let Some((body, code)) = bytes.split_last_chunk_mut::<CODE_BYTES>()
            && let Some(wanted) = self.code(body)
        {
            *code = wanted;
        }
        Ok(bytes.into())
    }
}

/// The field of the code: the last of the last bitmap.
fn field(message: &Message) -> u8 {
    if message.fields().iter().any(|field| field > 64) { 128 } else { 64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 4493, section 4, example 2.
        let bytes = |hex: &str| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap();
        let mac = Mac::new(&bytes("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let code = mac.code(&bytes("6bc1bee22e409f96e93d7e117393172a")).unwrap();
        assert_eq!(code.to_vec(), bytes("070a16b46b4d4144"));
    }

    #[test]
    fn a_message_that_was_changed_does_not_hold() {
        let profile = Profile::builtin("iso87-ascii").unwrap();
        let mac = Mac::new(&[7; 32]).unwrap();
        for long in [false, true] {
            let mut message = profile.message("0100".parse().unwrap());
            message.set(4, "000000000100").unwrap();
            if long {
                message.set(102, "1").unwrap();
            }
            let bytes = mac.encode(&profile, &mut message).unwrap();
            let read = |bytes: &[u8]| profile.decode(bytes).message.unwrap();
            assert!(mac.holds(&bytes, &read(&bytes)));
            for at in 20..bytes.len() {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                assert!(!mac.holds(&changed, &read(&changed)), "byte {at}");
            }
            message.remove(if long { 128 } else { 64 });
            let bare = profile.encode(&message).unwrap();
            assert!(!mac.holds(&bare, &read(&bare)));
        }
    }
}
