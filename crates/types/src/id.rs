//! Typed identifiers: a UUIDv7 (RFC 9562 §5.7) inside, `prefix_` and 26 characters of Crockford base 32 as text.
//!
//! An id names a thing; it is never a secret and never proves a right to anything.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

#[doc(hidden)]
pub use uuid::Uuid;

use crate::{Clock, Entropy};

/// Crockford's alphabet, lower case: no i, l, o or u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of base 32 that 128 bits take.
const TEXT_LENGTH: usize = 26;

/// What no character of the alphabet stands for.
const NO_DIGIT: u8 = 0xff;

/// The value of each byte as a digit: one look instead of a search, for every id of every request is read.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Random bytes of one UUIDv7.
const RANDOM_BYTES: usize = 10;
/// Ids whose random bytes are fetched at once: asking the operating system costs more than all else about an id.
const RESERVED_IDS: usize = 64;

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix is another kind's, or there is none.
    #[error("expected an id that starts with `{expected}_`")]
    WrongPrefix {
        /// The prefix that was wanted.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 characters of Crockford base 32 that hold 128 bits.
    #[error("`{prefix}_` must be followed by 26 characters of base 32 (0-9, a-z without i, l, o, u)")]
    Malformed {
        /// The prefix of the wanted kind.
        prefix: &'static str,
    },
}

/// What all typed ids share.
pub trait TypedId:
    Copy + Eq + Ord + Hash + fmt::Display + fmt::Debug + FromStr<Err = IdError> + Send + Sync + 'static
{
    /// The prefix of the text form, without its underscore.
    const PREFIX: &'static str;
    /// The id with this UUID.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The UUID inside.
    fn as_uuid(&self) -> Uuid;

    /// The text form, as [`fmt::Display`] gives it, in one allocation.
    fn text(&self) -> String {
        let mut text = String::with_capacity(Self::PREFIX.len() + 1 + TEXT_LENGTH);
        text.push_str(Self::PREFIX);
        text.push('_');
        text.push_str(as_text(&digits_of(self.as_uuid())));
        text
    }
}

/// Makes ids from the injected clock and randomness.
#[derive(Clone, Debug)]
pub struct IdSource {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    reserve: Arc<Mutex<Reserve>>,
}

/// Random bytes for ids to come. Ids are no secrets, so their bytes may lie here a while.
struct Reserve {
    bytes: [u8; RANDOM_BYTES * RESERVED_IDS],
    used: usize,
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("used", &self.used).finish_non_exhaustive()
    }
}

impl IdSource {
    /// A source that takes time from `clock` and randomness from `entropy`.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let bytes = [0; RANDOM_BYTES * RESERVED_IDS];
        let reserve = Reserve { bytes, used: bytes.len() };
        Self { clock, entropy, reserve: Arc::new(Mutex::new(reserve)) }
    }

    /// A fresh id of kind `I`: ordered by time, random in its last 74 bits.
    pub fn next<I: TypedId>(&self) -> I {
        I::from_uuid(self.next_uuid())
    }

    /// A fresh UUIDv7.
    pub fn next_uuid(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid()
    }

    fn random(&self) -> [u8; RANDOM_BYTES] {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        if reserve.used == reserve.bytes.len() {
            self.entropy.fill(&mut reserve.bytes);
            reserve.used = 0;
        }
        let mut random = [0; RANDOM_BYTES];
        random.copy_from_slice(&reserve.bytes[reserve.used..reserve.used + RANDOM_BYTES]);
        reserve.used += RANDOM_BYTES;
        random
    }
}

fn digits_of(uuid: Uuid) -> [u8; TEXT_LENGTH] {
    let mut rest = uuid.as_u128();
    let mut text = [0_u8; TEXT_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

fn as_text(digits: &[u8; TEXT_LENGTH]) -> &str {
    std::str::from_utf8(digits).expect("the alphabet is ASCII")
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 characters hold 130 bits: the first may only use its low three.
    if bytes.len() != TEXT_LENGTH || bytes[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in bytes {
        let digit = DIGITS[usize::from(*byte)];
        if digit == NO_DIGIT {
            return None;
        }
        value = (value << 5) | u128::from(digit);
    }
    Some(Uuid::from_u128(value))
}

#[doc(hidden)]
pub fn display(prefix: &str, uuid: Uuid, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(prefix)?;
    f.write_str("_")?;
    f.write_str(as_text(&digits_of(uuid)))
}

#[doc(hidden)]
pub fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let rest = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(IdError::WrongPrefix { expected: prefix })?;
    decode(rest).ok_or(IdError::Malformed { prefix })
}

/// Declares typed ids: `typed_id! { /// docs \n CardId = "card" }`.
#[macro_export]
macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::id::Uuid);

        impl $crate::TypedId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: $crate::id::Uuid) -> Self { Self(uuid) }
            fn as_uuid(&self) -> $crate::id::Uuid { self.0 }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::id::display($prefix, self.0, f)
            }
        }
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::id::display($prefix, self.0, f)
            }
        }
        impl ::std::str::FromStr for $name {
            type Err = $crate::IdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> { $crate::id::parse($prefix, text).map(Self) }
        }
    )+};
}

typed_id! {
    /// A customer of the issuer: a person with a wallet.
    CustomerId = "cust",
    /// A card as everyone but the vault knows it.
    CardId = "card",
    /// A ledger account.
    AccountId = "acct",
    /// A movement of money between two ledger accounts.
    TransferId = "tran",
    /// A payment: an authorization and everything that followed it.
    PaymentId = "pay",
    /// A card program: one tenant's books, one shard of the ledger.
    ProgramId = "prog",
    /// A card product: what its cards may do and cost.
    CardProductId = "prod",
    /// A KYC application and the case it is worked as.
    KycCaseId = "kyc",
    /// A document image of a KYC application.
    DocumentId = "doc",
    /// A screening of a person against watch lists.
    ScreeningId = "scr",
    /// A login session.
    SessionId = "sess",
    /// A ticket to have a card's details revealed once.
    RevealTicketId = "rvl",
    /// An event in a service's event log.
    EventId = "evt",
    /// A message to a person.
    MessageId = "msg",
    /// A webhook endpoint.
    WebhookEndpointId = "whe",
    /// A webhook delivery.
    DeliveryId = "whd",
    /// A merchant.
    MerchantId = "merc",
    /// A bank file that was imported.
    BankFileId = "bfile",
    /// A top-up of a customer's account.
    TopUpId = "topup",
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ManualClock, SeededEntropy, Timestamp};

    proptest! {
        #[test]
        fn text_and_back(value: u128) {
            let id = CardId::from_uuid(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<CardId>(), Ok(id));
            prop_assert_eq!(id.to_string(), id.text());
        }

        #[test]
        fn order_of_text_is_order_of_value(a: u128, b: u128) {
            let (a, b) = (CardId::from_uuid(Uuid::from_u128(a)), CardId::from_uuid(Uuid::from_u128(b)));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in ".{0,40}") {
            let _ = text.parse::<CardId>();
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let id = CardId::from_uuid(Uuid::from_u128(1));
        assert_eq!(id.to_string().parse::<AccountId>(), Err(IdError::WrongPrefix { expected: "acct" }));
    }

    #[test]
    fn a_source_with_the_same_seed_makes_the_same_ids() {
        let source = || {
            IdSource::new(
                Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000))),
                Arc::new(SeededEntropy::new(1)),
            )
        };
        let id: CardId = source().next();
        assert_eq!(id, source().next::<CardId>());
        assert_eq!(id.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn a_source_never_gives_an_id_twice() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
        let source = IdSource::new(clock, Arc::new(SeededEntropy::new(2)));
        let clone = source.clone();
        let ids: std::collections::HashSet<CardId> =
            (0..5 * RESERVED_IDS).flat_map(|_| [source.next(), clone.next()]).collect();
        assert_eq!(ids.len(), 10 * RESERVED_IDS);
    }
}
