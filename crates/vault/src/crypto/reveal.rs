//! Card details encrypted to the device that asked: HPKE base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256 and AES-256-GCM.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _};

/// What the encryption is for: HPKE's `info`. A key pair of the device made for something else opens nothing here.
pub(crate) const INFO: &[u8] = b"bursar/reveal/v1";

/// Bytes of a device's public key.
pub(crate) const PUBLIC_KEY_BYTES: usize = 32;

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;

/// The bytes are no usable X25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device's public key cannot be used")]
pub(crate) struct BadDeviceKey;

/// Encrypted details.
pub(crate) struct Revealed {
    pub(crate) encapsulated_key: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

/// The public key of a device, known to be usable.
pub(crate) struct DeviceKey(PublicKey);

impl DeviceKey {
    /// The key in `bytes`; it is tried out, for a point of small order is refused only when it is used.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadDeviceKey> {
        let key = Self(PublicKey::from_bytes(bytes).map_err(|_| BadDeviceKey)?);
        key.seal(b"", b"")?;
        Ok(key)
    }

    /// Encrypts `plaintext` to the device, bound to `associated` data.
    pub(crate) fn seal(&self, plaintext: &[u8], associated: &[u8]) -> Result<Revealed, BadDeviceKey> {
        let (encapsulated, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &self.0,
            INFO,
            plaintext,
            associated,
        )
        .map_err(|_| BadDeviceKey)?;
        Ok(Revealed { encapsulated_key: encapsulated.to_bytes().to_vec(), ciphertext })
    }
}

#[cfg(test)]
mod tests {
    use hpke::OpModeR;

    use super::*;

    #[test]
    fn only_the_device_and_only_this_ticket_opens() {
        let (secret, public) = X25519HkdfSha256::derive_keypair(&[7; 32]);
        let key = DeviceKey::parse(&public.to_bytes()).unwrap();
        let sealed = key.seal(b"details", b"rvl_1").unwrap();
        let open = |secret: &<X25519HkdfSha256 as Kem>::PrivateKey, info: &[u8], associated: &[u8]| {
            let encapsulated =
                <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated_key).unwrap();
            hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                secret,
                &encapsulated,
                info,
                &sealed.ciphertext,
                associated,
            )
        };
        assert_eq!(open(&secret, INFO, b"rvl_1").unwrap(), b"details");
        assert!(open(&secret, INFO, b"rvl_2").is_err());
        assert!(open(&secret, b"another use", b"rvl_1").is_err());
        let (other, _) = X25519HkdfSha256::derive_keypair(&[8; 32]);
        assert!(open(&other, INFO, b"rvl_1").is_err());
    }

    #[test]
    fn keys_that_give_no_secret_are_refused() {
        assert!(DeviceKey::parse(&[0; 32]).is_err(), "the point of order one makes a secret everyone knows");
        assert!(DeviceKey::parse(&[1; 31]).is_err());
        assert!(DeviceKey::parse(b"").is_err());
    }
}
