//! The customer's phone: makes a key, and opens what the vault sends to it.

use bursar_proto::vault::v1::{RedeemRevealTicketResponse, RevealedCard};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, Serializable as _};
use prost::Message as _;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// What the vault names the exchange (RFC 9180 §5.1, `info`).
const INFO: &[u8] = b"bursar/reveal/v1";

/// A key that never leaves the phone.
pub(crate) struct Device {
    secret: PrivateKey,
    public: Vec<u8>,
}

impl Device {
    pub(crate) fn new() -> Self {
        let (secret, public) = X25519HkdfSha256::gen_keypair();
        Self { secret, public: public.to_bytes().to_vec() }
    }

    /// The public half, 32 bytes.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.public.clone()
    }

    /// Opens the card's details that were sent for `ticket_id`.
    pub(crate) fn open(
        &self,
        ticket_id: &str,
        sealed: &RedeemRevealTicketResponse,
    ) -> Result<RevealedCard, String> {
        let failed = |error: hpke::HpkeError| format!("the card's details cannot be opened: {error}");
        let key = EncappedKey::from_bytes(&sealed.encapsulated_key).map_err(failed)?;
        let plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &key,
            INFO,
            &sealed.ciphertext,
            ticket_id.as_bytes(),
        )
        .map_err(failed)?;
        RevealedCard::decode(plain.as_slice())
            .map_err(|error| format!("the card's details cannot be read: {error}"))
    }
}
