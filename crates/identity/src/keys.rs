//! The keys of this service, all from one master key in a file beside the database: one to wrap each customer's own
//! key, one for each index that can be searched without being read, one for codes, one for request digests, one that
//! goes into each password hash. And the sealed form of a customer's data.
//!
//! ```text
//! master (file) ── HKDF ──┬─ wrap ── customer key (random, stored wrapped) ── HKDF(place) ── one field or one chunk
//!                         ├─ index of phones, index of ID numbers, index of images      (HMAC-SHA256)
//!                         ├─ one-time codes, request digests                            (HMAC-SHA256)
//!                         └─ pepper of Argon2id
//! sealed = version 1 | nonce 12 | ciphertext | tag 16,  AES-256-GCM, associated data = the place
//! ```
//!
//! A sealed value opens at its own place only: table, column, row and customer are in its key and its associated
//! data, so a row that is copied onto another customer's is noticed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use bursar_types::id::CustomerId;
use bursar_types::{Entropy, RequestId};
use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use crate::phone::Phone;

/// Bytes of every key here.
pub const KEY_LENGTH: usize = 32;

/// First byte of a sealed value.
const SEALED_VERSION: u8 = 1;

/// Bytes of a nonce of GCM.
const NONCE_LENGTH: usize = 12;

/// Bytes of a tag of GCM.
const TAG_LENGTH: usize = 16;

/// Bytes of what HMAC-SHA256 gives.
pub const MAC_LENGTH: usize = 32;

/// A sealed value does not open: it was changed, moved, or sealed under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sealed value of {table}.{column} does not open: it was changed, moved, or sealed under another key"
)]
pub struct Damaged {
    /// Where it stands.
    pub table: &'static str,
    /// In which column.
    pub column: &'static str,
}

/// The master key's file holds something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must hold 64 hexadecimal digits and nothing else (such as `openssl rand -hex 32` gives)")]
pub struct MasterMalformed;

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Key of the row.
    pub row: &'a str,
}

/// All keys. Clones share them.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    wrap: Zeroizing<[u8; KEY_LENGTH]>,
    pepper: Zeroizing<[u8; KEY_LENGTH]>,
    phone_index: hmac::Key,
    id_number_index: hmac::Key,
    image_index: hmac::Key,
    code: hmac::Key,
    request: hmac::Key,
    check: hmac::Key,
    entropy: Arc<dyn Entropy>,
}

impl Keys {
    /// The keys of the master key written as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`MasterMalformed`].
    pub fn from_hex(text: &str, entropy: Arc<dyn Entropy>) -> Result<Self, MasterMalformed> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| MasterMalformed)?;
        let master: &[u8; KEY_LENGTH] = bytes.as_slice().try_into().map_err(|_| MasterMalformed)?;
        Ok(Self::from_master(master, entropy))
    }

    fn from_master(master: &[u8; KEY_LENGTH], entropy: Arc<dyn Entropy>) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bursar/identity/v1").extract(master);
        let key = |label: &str| expand(&prk, label.as_bytes());
        let mac_key = |label: &str| hmac::Key::new(hmac::HMAC_SHA256, &*key(label));
        let inner = Inner {
            wrap: key("wrap"),
            pepper: key("pepper"),
            phone_index: mac_key("phone-index"),
            id_number_index: mac_key("id-number-index"),
            image_index: mac_key("image-index"),
            code: mac_key("one-time-code"),
            request: mac_key("request"),
            check: mac_key("check"),
            entropy,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The key that goes into each password hash.
    pub fn pepper(&self) -> Zeroizing<[u8; KEY_LENGTH]> {
        self.inner.pepper.clone()
    }

    /// Tells this master key from another without telling it: kept in the database, so that a start with the wrong
    /// file is refused before it writes anything.
    pub fn check_value(&self) -> [u8; MAC_LENGTH] {
        mac(&self.inner.check, &[b"check"])
    }

    /// What a phone number is found by.
    pub fn phone_index(&self, phone: &Phone) -> [u8; MAC_LENGTH] {
        mac(&self.inner.phone_index, &[phone.expose().as_bytes()])
    }

    /// What an ID number is found by.
    pub fn id_number_index(&self, number: &str) -> [u8; MAC_LENGTH] {
        mac(&self.inner.id_number_index, &[b"CN", number.as_bytes()])
    }

    /// What an image is found by: its plain digest would let anyone who has the image find its owner.
    pub fn image_index(&self, sha256: &[u8]) -> [u8; MAC_LENGTH] {
        mac(&self.inner.image_index, &[sha256])
    }

    /// The stored form of a one-time code, bound to its challenge and purpose.
    pub fn code_mac(&self, challenge: &str, purpose: &str, code: &str) -> [u8; MAC_LENGTH] {
        mac(&self.inner.code, &[challenge.as_bytes(), purpose.as_bytes(), code.as_bytes()])
    }

    /// The digest of a request that holds a code or a phone number: a plain digest of six digits is the six digits.
    pub fn request_digest(&self, parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
        mac(&self.inner.request, parts)
    }

    /// A request id for a call to a peer that belongs to `name` and stays the same when it is made again.
    pub fn derived_request_id(&self, name: &str) -> RequestId {
        let digest = mac(&self.inner.request, &[b"peer-request", name.as_bytes()]);
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        // Version 8, variant 1 (RFC 9562, 5.8): bytes of our own making.
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        RequestId::from_uuid(bursar_types::id::Uuid::from_bytes(bytes))
    }

    /// A new key for `customer`, and its wrapped form for the database.
    pub fn new_customer_key(&self, customer: CustomerId) -> (CustomerKey, Vec<u8>) {
        let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
        self.inner.entropy.fill(&mut *key);
        let id = customer.to_string();
        let place = Place { table: "customer_keys", column: "wrapped_key", row: &id };
        let wrapped = seal(&self.inner.wrap, &place, &id, &*key, &*self.inner.entropy);
        (CustomerKey { key, customer: id, entropy: Arc::clone(&self.inner.entropy) }, wrapped)
    }

    /// The key of `customer` from its wrapped form.
    ///
    /// # Errors
    /// [`Damaged`] if it is not this customer's, or of another master key.
    pub fn customer_key(&self, customer: CustomerId, wrapped: &[u8]) -> Result<CustomerKey, Damaged> {
        let id = customer.to_string();
        let place = Place { table: "customer_keys", column: "wrapped_key", row: &id };
        let opened = open(&self.inner.wrap, &place, &id, wrapped)?;
        let bytes: &[u8; KEY_LENGTH] = opened.as_slice().try_into().map_err(|_| damaged(&place))?;
        let key = Zeroizing::new(*bytes);
        Ok(CustomerKey { key, customer: id, entropy: Arc::clone(&self.inner.entropy) })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The key of one customer: without it nothing personal of theirs can be read any more, in any backup.
#[derive(Clone)]
pub struct CustomerKey {
    key: Zeroizing<[u8; KEY_LENGTH]>,
    customer: String,
    entropy: Arc<dyn Entropy>,
}

impl CustomerKey {
    /// `plain` sealed for `place`.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        seal(&self.key, place, &self.customer, plain, &*self.entropy)
    }

    /// What was sealed for `place`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Damaged> {
        open(&self.key, place, &self.customer, sealed)
    }

    /// The text that was sealed for `place`.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn open_text(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<String>, Damaged> {
        let plain = self.open(place, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| damaged(place))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey")
    }
}

fn damaged(place: &Place<'_>) -> Damaged {
    Damaged { table: place.table, column: place.column }
}

/// A length for HKDF.
struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_LENGTH
    }
}

fn expand(prk: &hkdf::Prk, info: &[u8]) -> Zeroizing<[u8; KEY_LENGTH]> {
    let mut key = Zeroizing::new([0_u8; KEY_LENGTH]);
    let parts = [info];
    prk.expand(&parts, KeyLength)
        .and_then(|okm| okm.fill(&mut *key))
        .expect("HKDF-SHA256 gives up to 8160 bytes, and 32 are asked for");
    key
}

/// Each part with its length before it, so that no two lists of parts give the same bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
    let message = Zeroizing::new(joined(parts));
    let tag = hmac::sign(key, &message);
    let mut bytes = [0_u8; MAC_LENGTH];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn associated_data(place: &Place<'_>, customer: &str) -> Vec<u8> {
    let parts: [&[u8]; 5] = [
        b"bursar/identity/sealed/v1",
        place.table.as_bytes(),
        place.column.as_bytes(),
        place.row.as_bytes(),
        customer.as_bytes(),
    ];
    joined(&parts)
}

/// A key for one place: two values under one nonce would need one place and one nonce.
fn place_key(key: &[u8; KEY_LENGTH], associated: &[u8]) -> LessSafeKey {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bursar/identity/place/v1").extract(key);
    let bytes = expand(&prk, associated);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*bytes).expect("AES-256 takes 32 bytes"))
}

fn seal(
    key: &[u8; KEY_LENGTH],
    place: &Place<'_>,
    customer: &str,
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let associated = associated_data(place, customer);
    let mut nonce = [0_u8; NONCE_LENGTH];
    entropy.fill(&mut nonce);
    let mut text = Vec::with_capacity(plain.len() + TAG_LENGTH);
    text.extend_from_slice(plain);
    place_key(key, &associated)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&associated), &mut text)
        .expect("GCM seals up to 64 GiB, and a value here is at most a chunk of an image");
    let mut sealed = Vec::with_capacity(1 + NONCE_LENGTH + text.len());
    sealed.push(SEALED_VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut text);
    sealed
}

fn open(
    key: &[u8; KEY_LENGTH],
    place: &Place<'_>,
    customer: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Damaged> {
    let (version, rest) = sealed.split_first().ok_or_else(|| damaged(place))?;
    if *version != SEALED_VERSION || rest.len() < NONCE_LENGTH + TAG_LENGTH {
        return Err(damaged(place));
    }
    let (nonce, text) = rest.split_at(NONCE_LENGTH);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged(place))?;
    let associated = associated_data(place, customer);
    let mut plain = Zeroizing::new(text.to_vec());
    let length = place_key(key, &associated)
        .open_in_place(nonce, Aad::from(&associated), &mut plain)
        .map_err(|_| damaged(place))?
        .len();
    plain.truncate(length);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;
    use bursar_types::{OsEntropy, TypedId as _};

    use super::*;

    fn keys_of(digit: char) -> Keys {
        Keys::from_hex(&digit.to_string().repeat(64), Arc::new(OsEntropy)).unwrap()
    }

    fn customer(number: u128) -> CustomerId {
        CustomerId::from_uuid(Uuid::from_u128(number))
    }

    const PLACE: Place<'_> = Place { table: "customers", column: "phone", row: "cust_1" };

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let keys = keys_of('a');
        let (key, wrapped) = keys.new_customer_key(customer(1));
        let sealed = key.seal(&PLACE, b"+8613800138000");
        let again = keys.customer_key(customer(1), &wrapped).unwrap();
        assert_eq!(again.open_text(&PLACE, &sealed).unwrap().as_str(), "+8613800138000");
        assert_ne!(sealed, key.seal(&PLACE, b"+8613800138000"), "equal values must not be seen to be equal");

        for other in [
            Place { table: "cases", ..PLACE },
            Place { column: "name", ..PLACE },
            Place { row: "cust_2", ..PLACE },
        ] {
            assert!(key.open(&other, &sealed).is_err(), "{other:?}");
        }
        let (anothers, anothers_wrapped) = keys.new_customer_key(customer(2));
        assert!(anothers.open(&PLACE, &sealed).is_err());
        assert!(keys.customer_key(customer(1), &anothers_wrapped).is_err());
        assert!(keys_of('b').customer_key(customer(1), &wrapped).is_err());
    }

    #[test]
    fn any_changed_bit_and_any_cut_is_noticed() {
        let (key, _) = keys_of('a').new_customer_key(customer(1));
        let sealed = key.seal(&PLACE, b"text");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&PLACE, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(&PLACE, &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn macs_are_bound_to_purpose_and_parts() {
        let keys = keys_of('a');
        let code = keys.code_mac("c1", "sign_up", "123456");
        assert_ne!(code, keys.code_mac("c2", "sign_up", "123456"));
        assert_ne!(code, keys.code_mac("c1", "step_up", "123456"));
        assert_ne!(keys.request_digest(&[b"ab", b"c"]), keys.request_digest(&[b"a", b"bc"]));
        assert_ne!(keys.check_value(), keys_of('b').check_value());
        assert_eq!(keys.derived_request_id("x"), keys.derived_request_id("x"));
    }

    #[test]
    fn a_master_key_is_64_hexadecimal_digits() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            assert!(Keys::from_hex(text, Arc::new(OsEntropy)).is_err(), "{text}");
        }
        assert!(Keys::from_hex(&format!("{}\n", "0F".repeat(32)), Arc::new(OsEntropy)).is_ok());
    }
}
