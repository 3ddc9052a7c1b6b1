//! The form in which one field of one card lies in the database: sealed under a key of its own.
//!
//! ```text
//! sealed      = version(1)=1 | suite(1)=1 | nonce(12) | ciphertext | tag(16)
//! wrapped_dek = version(1)=1 | suite(1)=1 | kek version(4, big endian) | AES-KW of the data key (40)
//! context     = for each of ["bursar/record/v1", suite, tenant(16), card(16), field(1), record version(8)]:
//!               length(2, big endian) | bytes
//! ```
//!
//! The context is both the associated data of AES-256-GCM and the `info` of the HKDF that turns the data key into the
//! key of this one message. So a sealed value, a wrapped key, or both together, moved to another card, field, tenant or
//! record version, do not open; and a nonce repeated by a restored snapshot meets another key.
//! The KEK's version is outside the context: rewrapping under a new KEK leaves `sealed` as it is.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bursar_types::TypedId as _;
use bursar_types::id::CardId;
use zeroize::Zeroizing;

use super::secret::{Key256, random};
use super::wrap;

/// Version of the form.
const FORM: u8 = 1;
/// HKDF-SHA-256 and AES-256-GCM.
const SUITE: u8 = 1;
const TAG_LEN: usize = 16;
const SEALED_HEAD: usize = 2 + NONCE_LEN;
const DEK_HEAD: usize = 6;
const DEK_LEN: usize = DEK_HEAD + 32 + wrap::OVERHEAD;

/// The tenant all records belong to until one vault serves several programs: the nil UUID.
pub(crate) const SOLE_TENANT: [u8; 16] = [0; 16];

/// Which field of a card a record holds. The numbers are stored: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The card number.
    Pan = 1,
}

impl Field {
    /// As it is stored.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

/// What a record is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordId {
    pub(crate) tenant: [u8; 16],
    pub(crate) card: CardId,
    pub(crate) field: Field,
    /// Grows with each rewrite of the field.
    pub(crate) version: i64,
}

/// A field as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedRecord {
    pub(crate) sealed: Vec<u8>,
    pub(crate) wrapped_dek: Vec<u8>,
}

/// Any reason for which a record does not open. They are one on purpose: to tell them apart would help an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed record does not open: it was changed, moved, or sealed for another key")]
pub(crate) struct OpenError;

/// Finds the KEK of a version.
pub(crate) trait Keks {
    /// The version new records are sealed under, and its key.
    fn active(&self) -> (u32, &Key256);
    /// The key of `version`, if it is known and may still open.
    fn find(&self, version: u32) -> Option<&Key256>;
}

/// Seals `plaintext` for `id` under a fresh data key.
pub(crate) fn seal(keks: &impl Keks, id: &RecordId, plaintext: &[u8]) -> SealedRecord {
    let context = context(id);
    let dek = Key256::generate();
    let nonce: [u8; NONCE_LEN] = random();
    let mut sealed = Vec::with_capacity(SEALED_HEAD + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&[FORM, SUITE]);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    // Encrypted where it lies: the clear bytes exist nowhere else.
    let tag = message_key(&dek, &context)
        .and_then(|key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_separate_tag(nonce, Aad::from(&context), &mut sealed[SEALED_HEAD..])
                .map_err(|_| OpenError)
        })
        .expect("a 256-bit key and a text far below AES-GCM's limit of 64 GiB always seal");
    sealed.extend_from_slice(tag.as_ref());

    let (kek_version, kek) = keks.active();
    let mut wrapped_dek = Vec::with_capacity(DEK_LEN);
    wrapped_dek.extend_from_slice(&[FORM, SUITE]);
    wrapped_dek.extend_from_slice(&kek_version.to_be_bytes());
    wrapped_dek.extend_from_slice(&wrap::wrap(kek, &dek));
    SealedRecord { sealed, wrapped_dek }
}

/// Opens the record of `id`.
pub(crate) fn open(
    keks: &impl Keks,
    id: &RecordId,
    record: &SealedRecord,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let dek = unwrap_dek(keks, &record.wrapped_dek)?;
    let sealed = record.sealed.as_slice();
    if sealed.len() < SEALED_HEAD + TAG_LEN || sealed[..2] != [FORM, SUITE] {
        return Err(OpenError);
    }
    let (head, body) = sealed.split_at(SEALED_HEAD);
    let (ciphertext, _) = body.split_at(body.len() - TAG_LEN);
    let context = context(id);
    let nonce = Nonce::try_assume_unique_for_key(&head[2..]).map_err(|_| OpenError)?;
    let mut buffer = Zeroizing::new(body.to_vec());
    message_key(&dek, &context)?
        .open_in_place(nonce, Aad::from(&context), &mut buffer)
        .map_err(|_| OpenError)?;
    buffer.truncate(ciphertext.len());
    Ok(buffer)
}

/// The KEK version a wrapped data key names; unauthenticated until the key opens.
fn unwrap_dek(keks: &impl Keks, wrapped: &[u8]) -> Result<Key256, OpenError> {
    if wrapped.len() != DEK_LEN || wrapped[..2] != [FORM, SUITE] {
        return Err(OpenError);
    }
    let version = wrapped[2..DEK_HEAD].try_into().map(u32::from_be_bytes).map_err(|_| OpenError)?;
    let kek = keks.find(version).ok_or(OpenError)?;
    wrap::unwrap(kek, &wrapped[DEK_HEAD..]).map_err(|_| OpenError)
}

/// The key of one message.
fn message_key(dek: &Key256, context: &[u8]) -> Result<LessSafeKey, OpenError> {
    struct Bits256;
    impl KeyType for Bits256 {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    Salt::new(HKDF_SHA256, &[])
        .extract(dek.expose())
        .expand(&[context], Bits256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| OpenError)?;
    UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| OpenError)
}

fn context(id: &RecordId) -> Vec<u8> {
    let card = id.card.as_uuid().into_bytes();
    let version = id.version.to_be_bytes();
    let field = [id.field.number()];
    let parts: [&[u8]; 6] = [b"bursar/record/v1", &[SUITE], &id.tenant, &card, &field, &version];
    let mut context = Vec::with_capacity(parts.iter().map(|part| 2 + part.len()).sum());
    for part in parts {
        let length = u16::try_from(part.len()).expect("the parts are a few bytes long");
        context.extend_from_slice(&length.to_be_bytes());
        context.extend_from_slice(part);
    }
    context
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;
    use proptest::prelude::*;

    use super::*;

    struct TwoKeks([Key256; 2]);

    impl Keks for TwoKeks {
        fn active(&self) -> (u32, &Key256) {
            (2, &self.0[1])
        }
        fn find(&self, version: u32) -> Option<&Key256> {
            self.0.get(usize::try_from(version).ok()?.checked_sub(1)?)
        }
    }

    fn keks() -> TwoKeks {
        TwoKeks([Key256::generate(), Key256::generate()])
    }

    fn id(card: u128) -> RecordId {
        RecordId {
            tenant: SOLE_TENANT,
            card: CardId::from_uuid(Uuid::from_u128(card)),
            field: Field::Pan,
            version: 1,
        }
    }

    const PLAIN: &[u8] = b"9900001234567895";

    #[test]
    fn what_was_sealed_opens_and_has_the_agreed_length() {
        let keks = keks();
        let record = seal(&keks, &id(1), PLAIN);
        assert_eq!(record.sealed.len(), PLAIN.len() + 30);
        assert_eq!(record.wrapped_dek.len(), 46);
        assert_eq!(record.wrapped_dek[..6], [1, 1, 0, 0, 0, 2]);
        assert_eq!(open(&keks, &id(1), &record).unwrap().as_slice(), PLAIN);
        let again = seal(&keks, &id(1), PLAIN);
        assert_ne!(again.sealed, record.sealed, "each seal has its own key and nonce");
    }

    #[test]
    fn no_record_opens_in_the_place_of_another() {
        let keks = keks();
        let (one, two) = (seal(&keks, &id(1), PLAIN), seal(&keks, &id(2), PLAIN));
        let mixed = |sealed: &SealedRecord, dek: &SealedRecord| SealedRecord {
            sealed: sealed.sealed.clone(),
            wrapped_dek: dek.wrapped_dek.clone(),
        };
        assert_eq!(open(&keks, &id(1), &mixed(&two, &one)), Err(OpenError), "sealed value moved");
        assert_eq!(open(&keks, &id(1), &mixed(&one, &two)), Err(OpenError), "data key moved");
        assert_eq!(open(&keks, &id(1), &two), Err(OpenError), "both moved");
        let older = RecordId { version: 2, ..id(1) };
        assert_eq!(open(&keks, &older, &one), Err(OpenError), "another record version");
        let tenant = RecordId { tenant: [1; 16], ..id(1) };
        assert_eq!(open(&keks, &tenant, &one), Err(OpenError), "another tenant");
        let foreign = TwoKeks([Key256::generate(), Key256::generate()]);
        assert_eq!(open(&foreign, &id(1), &one), Err(OpenError), "another key hierarchy");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let keks = keks();
        let record = seal(&keks, &id(1), PLAIN);
        for bit in 0..record.sealed.len() * 8 {
            let mut changed = record.clone();
            changed.sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&keks, &id(1), &changed), Err(OpenError), "bit {bit} of the sealed value");
        }
        for bit in 0..record.wrapped_dek.len() * 8 {
            let mut changed = record.clone();
            changed.wrapped_dek[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&keks, &id(1), &changed), Err(OpenError), "bit {bit} of the data key");
        }
        for length in 0..record.sealed.len() {
            let cut = SealedRecord { sealed: record.sealed[..length].to_vec(), ..record.clone() };
            assert_eq!(open(&keks, &id(1), &cut), Err(OpenError), "sealed value cut to {length}");
        }
        for length in 0..record.wrapped_dek.len() {
            let cut = SealedRecord { wrapped_dek: record.wrapped_dek[..length].to_vec(), ..record.clone() };
            assert_eq!(open(&keks, &id(1), &cut), Err(OpenError), "data key cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn made_up_records_are_refused_without_a_panic(
            sealed in proptest::collection::vec(any::<u8>(), 0..128),
            wrapped in proptest::collection::vec(any::<u8>(), 0..64),
            plausible: bool,
        ) {
            let (mut sealed, mut wrapped) = (sealed, wrapped);
            if plausible {
                wrapped.resize(DEK_LEN, 0);
                wrapped[..DEK_HEAD].copy_from_slice(&[FORM, SUITE, 0, 0, 0, 1]);
                sealed.splice(..0, [FORM, SUITE]);
            }
            let record = SealedRecord { sealed, wrapped_dek: wrapped };
            prop_assert_eq!(open(&keks(), &id(1), &record), Err(OpenError));
        }
    }

    #[test]
    fn the_context_names_every_part_with_its_length() {
        let context = context(&id(7));
        assert_eq!(context.len(), 6 * 2 + 16 + 1 + 16 + 16 + 1 + 8);
        assert_eq!(&context[..18], b"\x00\x10bursar/record/v1");
    }
}
