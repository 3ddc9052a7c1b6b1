//! The form in which one field of one card lies in the database: sealed under a key of its own.
//!
//! ```text
//! sealed      = version(1)=1 | suite(1)=2 | salt(12) | ciphertext | tag(16)
//! wrapped_dek = version(1)=1 | suite(1)=1 | kek version(4, big endian) | AES-KW of the data key (40)
//! context     = for each of ["bursar/record/v1", suite, tenant(16), card(16), field(1), record version(8)]:
//!               length(2, big endian) | bytes
//! nonce       = first 12 bytes of SHA-256("bursar/record-nonce/v2" | salt | context)
//! ```
//!
//! The data key is used for one message. The context is the associated data of AES-256-GCM, and goes into the nonce. So a
//! sealed value, a wrapped key, or both together, moved to another card, field, tenant or record version, do not open;
//! and where a restored snapshot makes the generator repeat itself, key and salt meet another nonce in every other
//! record. The KEK's version is outside the context: rewrapping under a new KEK leaves `sealed` as it is.
//!
//! Suite 1 made a key for the message from data key and context (HKDF) instead of the nonce, which costs twice as much;
//! what was sealed with it opens.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use bursar_types::TypedId as _;
use bursar_types::id::CardId;
use zeroize::Zeroizing;

use super::mac::sha256;
use super::secret::{Key256, random};
use super::wrap::{self, Kek};

/// Version of the form.
const FORM: u8 = 1;
/// HKDF-SHA-256 and AES-256-GCM; of wrapped data keys: AES-KW.
const SUITE_1: u8 = 1;
/// AES-256-GCM with a nonce that is bound to the context.
const SUITE_2: u8 = 2;
const NONCE_LABEL: &[u8] = b"bursar/record-nonce/v2";
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
    fn active(&self) -> (u32, &Kek);
    /// The key of `version`, if it is known and may still open.
    fn find(&self, version: u32) -> Option<&Kek>;
}

/// Seals `plaintext` for `id` under a fresh data key.
pub(crate) fn seal(keks: &impl Keks, id: &RecordId, plaintext: &[u8]) -> SealedRecord {
    let context = context(id);
    let dek = Key256::generate();
    let salt: [u8; NONCE_LEN] = random();
    let mut sealed = Vec::with_capacity(SEALED_HEAD + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&[FORM, SUITE_2]);
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(plaintext);
    // Encrypted where it lies: the clear bytes exist nowhere else.
    let tag = UnboundKey::new(&AES_256_GCM, dek.expose())
        .map(LessSafeKey::new)
        .and_then(|key| {
            let nonce = bound_nonce(&salt, &context);
            key.seal_in_place_separate_tag(nonce, Aad::from(&context), &mut sealed[SEALED_HEAD..])
        })
        .expect("a 256-bit key and a text far below AES-GCM's limit of 64 GiB always seal");
    sealed.extend_from_slice(tag.as_ref());
    let (kek_version, kek) = keks.active();
    SealedRecord { sealed, wrapped_dek: wrap_dek(kek_version, kek, &dek) }
}

fn wrap_dek(kek_version: u32, kek: &Kek, dek: &Key256) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(DEK_LEN);
    wrapped.extend_from_slice(&[FORM, SUITE_1]);
    wrapped.extend_from_slice(&kek_version.to_be_bytes());
    wrapped.extend_from_slice(&kek.wrap(dek));
    wrapped
}

/// The data key of a record wrapped under the KEK that is active now, from whichever it was wrapped under.
pub(crate) fn rewrap(keks: &impl Keks, wrapped_dek: &[u8]) -> Result<Vec<u8>, OpenError> {
    let dek = unwrap_dek(keks, wrapped_dek)?;
    let (kek_version, kek) = keks.active();
    Ok(wrap_dek(kek_version, kek, &dek))
}

fn bound_nonce(salt: &[u8], context: &[u8]) -> Nonce {
    let hash = sha256(&[NONCE_LABEL, salt, context]);
    let mut nonce = [0_u8; NONCE_LEN];
    nonce.copy_from_slice(&hash[..NONCE_LEN]);
    Nonce::assume_unique_for_key(nonce)
}

/// Opens the record of `id`.
pub(crate) fn open(
    keks: &impl Keks,
    id: &RecordId,
    record: &SealedRecord,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let dek = unwrap_dek(keks, &record.wrapped_dek)?;
    let sealed = record.sealed.as_slice();
    let suite = match sealed {
        [FORM, suite @ (SUITE_1 | SUITE_2), ..] if sealed.len() >= SEALED_HEAD + TAG_LEN => *suite,
        _ => return Err(OpenError),
    };
    let (head, body) = sealed.split_at(SEALED_HEAD);
    let (ciphertext, _) = body.split_at(body.len() - TAG_LEN);
    let context = context_of(id, suite);
    let (key, nonce) = if suite == SUITE_1 {
        let nonce = Nonce::try_assume_unique_for_key(&head[2..]).map_err(|_| OpenError)?;
        (message_key(&dek, &context)?, nonce)
    } else {
        let key = UnboundKey::new(&AES_256_GCM, dek.expose()).map_err(|_| OpenError)?;
        (LessSafeKey::new(key), bound_nonce(&head[2..], &context))
    };
    let mut buffer = Zeroizing::new(body.to_vec());
    key.open_in_place(nonce, Aad::from(&context), &mut buffer).map_err(|_| OpenError)?;
    buffer.truncate(ciphertext.len());
    Ok(buffer)
}

/// The KEK version a wrapped data key names; unauthenticated until the key opens.
fn unwrap_dek(keks: &impl Keks, wrapped: &[u8]) -> Result<Key256, OpenError> {
    if wrapped.len() != DEK_LEN || wrapped[..2] != [FORM, SUITE_1] {
        return Err(OpenError);
    }
    let version = wrapped[2..DEK_HEAD].try_into().map(u32::from_be_bytes).map_err(|_| OpenError)?;
    let kek = keks.find(version).ok_or(OpenError)?;
    kek.unwrap(&wrapped[DEK_HEAD..]).map_err(|_| OpenError)
}

/// The key of one message, as suite 1 has it.
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

/// Parts of a context, with the length before each.
const CONTEXT_LEN: usize = 6 * 2 + 16 + 1 + 16 + 16 + 1 + 8;

/// What a record sealed now is bound to.
pub(crate) fn context(id: &RecordId) -> [u8; CONTEXT_LEN] {
    context_of(id, SUITE_2)
}

fn context_of(id: &RecordId, suite: u8) -> [u8; CONTEXT_LEN] {
    let card = id.card.as_uuid().into_bytes();
    let version = id.version.to_be_bytes();
    let field = [id.field.number()];
    let parts: [&[u8]; 6] = [b"bursar/record/v1", &[suite], &id.tenant, &card, &field, &version];
    let mut context = [0_u8; CONTEXT_LEN];
    let mut at = 0;
    for part in parts {
        // The parts are a few bytes long, and together as long as the constant says.
        context[at + 1] = part.len() as u8;
        context[at + 2..at + 2 + part.len()].copy_from_slice(part);
        at += 2 + part.len();
    }
    context
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;
    use proptest::prelude::*;

    use super::*;

    struct TwoKeks([Kek; 2]);

    impl Keks for TwoKeks {
        fn active(&self) -> (u32, &Kek) {
            (2, &self.0[1])
        }
        fn find(&self, version: u32) -> Option<&Kek> {
            self.0.get(usize::try_from(version).ok()?.checked_sub(1)?)
        }
    }

    fn keks() -> TwoKeks {
        TwoKeks([Kek::new(&Key256::generate()), Kek::new(&Key256::generate())])
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
        let foreign = TwoKeks([Kek::new(&Key256::generate()), Kek::new(&Key256::generate())]);
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
                wrapped[..DEK_HEAD].copy_from_slice(&[FORM, SUITE_1, 0, 0, 0, 1]);
                sealed.splice(..0, [FORM, SUITE_2]);
            }
            let record = SealedRecord { sealed, wrapped_dek: wrapped };
            prop_assert_eq!(open(&keks(), &id(1), &record), Err(OpenError));
        }
    }

    /// A generator that a restored snapshot has set back gives the same data key and salt twice.
    #[test]
    fn a_repeated_generator_repeats_no_nonce_in_another_record() {
        let salt = [5; NONCE_LEN];
        let nonce = |id: &RecordId| *bound_nonce(&salt, &context(id)).as_ref();
        let others = [id(2), RecordId { version: 2, ..id(1) }, RecordId { tenant: [1; 16], ..id(1) }];
        assert!(others.iter().all(|other| nonce(other) != nonce(&id(1))));
        assert_eq!(nonce(&id(1)), nonce(&id(1)));
        assert_ne!(nonce(&id(1)), *bound_nonce(&[6; NONCE_LEN], &context(&id(1))).as_ref());
    }

    #[test]
    fn what_the_first_suite_sealed_opens_and_is_not_taken_for_the_second() {
        let keks = keks();
        let (id, dek, nonce) = (id(1), Key256::generate(), [9; NONCE_LEN]);
        let context = context_of(&id, SUITE_1);
        let mut sealed = PLAIN.to_vec();
        message_key(&dek, &context)
            .unwrap()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&context), &mut sealed)
            .unwrap();
        sealed.splice(..0, [&[FORM, SUITE_1], nonce.as_slice()].concat());
        let mut record = SealedRecord { sealed, wrapped_dek: wrap_dek(1, &keks.0[0], &dek) };
        assert_eq!(open(&keks, &id, &record).unwrap().as_slice(), PLAIN);
        record.sealed[1] = SUITE_2;
        assert_eq!(open(&keks, &id, &record), Err(OpenError));
    }

    #[test]
    fn rewrapping_changes_the_wrap_alone() {
        let keks = keks();
        let old = TwoKeks([Kek::new(&Key256::generate()), Kek::new(&Key256::generate())]);
        let record = seal(&keks, &id(1), PLAIN);
        let again = rewrap(&keks, &record.wrapped_dek).unwrap();
        assert_eq!(again, record.wrapped_dek, "AES-KW has no nonce: the same under the same key");
        let dek = unwrap_dek(&keks, &record.wrapped_dek).unwrap();
        let first = SealedRecord { wrapped_dek: wrap_dek(1, &keks.0[0], &dek), ..record.clone() };
        let moved = SealedRecord { wrapped_dek: rewrap(&keks, &first.wrapped_dek).unwrap(), ..first.clone() };
        assert_eq!(moved.wrapped_dek[..6], [1, 1, 0, 0, 0, 2]);
        assert_eq!(open(&keks, &id(1), &moved).unwrap().as_slice(), PLAIN);
        assert!(rewrap(&old, &first.wrapped_dek).is_err());
    }

    #[test]
    fn the_context_names_every_part_with_its_length() {
        let context = context(&id(7));
        assert_eq!(context.len(), 6 * 2 + 16 + 1 + 16 + 16 + 1 + 8);
        assert_eq!(&context[..18], b"\x00\x10bursar/record/v1");
    }
}
