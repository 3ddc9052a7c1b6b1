//! Keys as bytes whose order is the order of what they stand for.

use bursar_ledger_engine::Reference;
use bursar_types::id::{AccountId, TransferId, Uuid};
use bursar_types::{RequestId, TypedId as _};

use super::items::Place;
use crate::wire::WireError;

/// Bytes of an id.
const ID_BYTES: usize = 16;
/// Bytes of a place: position and ordinal.
const PLACE_BYTES: usize = 12;

/// What a key is of: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Request = 1,
    Transfer = 2,
    Entry = 3,
    Reference = 4,
}

impl Kind {
    /// The kind of a key.
    pub(crate) fn of(key: &[u8]) -> Result<Self, WireError> {
        match key.first() {
            Some(1) => Ok(Self::Request),
            Some(2) => Ok(Self::Transfer),
            Some(3) => Ok(Self::Entry),
            Some(4) => Ok(Self::Reference),
            _ => Err(WireError::Value("kind of an index key")),
        }
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Transfer => "transfer",
            Self::Entry => "entry",
            Self::Reference => "reference",
        }
    }
}

fn id_key(kind: Kind, id: Uuid) -> [u8; 1 + ID_BYTES] {
    let mut key = [0; 1 + ID_BYTES];
    key[0] = kind as u8;
    key[1..].copy_from_slice(id.as_bytes());
    key
}

/// The key of a request id.
pub(crate) fn request_key(id: RequestId) -> [u8; 1 + ID_BYTES] {
    id_key(Kind::Request, id.as_uuid())
}

/// The key of a transfer.
pub(crate) fn transfer_key(id: TransferId) -> [u8; 1 + ID_BYTES] {
    id_key(Kind::Transfer, id.as_uuid())
}

fn put_place(place: Place, key: &mut [u8]) {
    // Positions are never negative, so their bytes order as they do.
    key[..8].copy_from_slice(&place.position.to_be_bytes());
    key[8..].copy_from_slice(&place.ordinal.to_be_bytes());
}

/// The key of an account's entry.
pub(super) fn entry_key(account: AccountId, place: Place) -> [u8; 1 + ID_BYTES + PLACE_BYTES] {
    let mut key = [0; 1 + ID_BYTES + PLACE_BYTES];
    key[..=ID_BYTES].copy_from_slice(&id_key(Kind::Entry, account.as_uuid()));
    put_place(place, &mut key[1 + ID_BYTES..]);
    key
}

/// The keys of an account's entries from `from` to before `before`.
pub(crate) fn entry_bounds(account: AccountId, from: Place, before: Place) -> (Vec<u8>, Vec<u8>) {
    (entry_key(account, from).to_vec(), entry_key(account, before).to_vec())
}

/// The key of a transfer's reference.
pub(super) fn reference_key(reference: &Reference, place: Place) -> Vec<u8> {
    let text = reference.as_str().as_bytes();
    let mut key = Vec::with_capacity(2 + text.len() + PLACE_BYTES);
    // References are shorter than 256 bytes; their length first keeps one from being the beginning of another.
    key.extend([Kind::Reference as u8, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    key.extend(text);
    key.resize(2 + text.len() + PLACE_BYTES, 0);
    put_place(place, &mut key[2 + text.len()..]);
    key
}

/// The keys of a reference's transfers from `from` to before `before`.
pub(crate) fn reference_bounds(reference: &Reference, from: Place, before: Place) -> (Vec<u8>, Vec<u8>) {
    (reference_key(reference, from), reference_key(reference, before))
}

/// The place at the end of an entry's or reference's key.
pub(crate) fn entry_place(key: &[u8]) -> Result<Place, WireError> {
    let malformed = WireError::Value("place in an index key");
    let (_, place) = key.split_last_chunk::<PLACE_BYTES>().ok_or(malformed.clone())?;
    let (position, ordinal) = place.split_first_chunk::<8>().ok_or(malformed.clone())?;
    let ordinal = ordinal.try_into().map_err(|_| malformed)?;
    Ok(Place { position: i64::from_be_bytes(*position), ordinal: u32::from_be_bytes(ordinal) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_what_they_stand_for() {
        let account = |number| AccountId::from_uuid(Uuid::from_u128(number));
        let place = |position, ordinal| Place { position, ordinal };
        let keys = [
            entry_key(account(1), place(1, 0)),
            entry_key(account(1), place(1, 1)),
            entry_key(account(1), place(256, 0)),
            entry_key(account(1), Place::END),
            entry_key(account(2), place(0, 0)),
        ];
        assert!(keys.is_sorted());
        assert_eq!(entry_place(&keys[2]), Ok(place(256, 0)));
        let reference = |text| Reference::new(text).unwrap();
        assert_ne!(
            reference_key(&reference("a"), place(1, 1))[..2],
            reference_key(&reference("ab"), place(1, 1))[..2]
        );
        assert!(entry_place(&[3, 1]).is_err());
    }
}
