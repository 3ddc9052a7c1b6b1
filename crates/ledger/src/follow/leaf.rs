//! What a position of the journal is as a leaf of the Merkle log.
//!
//! | bytes | what |
//! | --- | --- |
//! | 22 | `bursar.ledger.leaf.v1` and a zero byte |
//! | 16 | the program's id, the UUID's bytes |
//! | 8 | the position, 1 or more, big-endian |
//! | 8 | the moment it was decided, microseconds since 1970-01-01T00:00:00Z, signed, big-endian |
//! | the rest | the record, exactly as it stands in the journal's row (field 2 of its entry): command, outcome, the fingerprint of the request, the proof that was used |
//!
//! Leaf n of the log, counted from 0, is position n + 1. Its hash is SHA-256 over a zero byte and these bytes (RFC 6962
//! §2.1).

use bursar_transparency::leaf_hash;
use bursar_types::id::ProgramId;
use bursar_types::{Timestamp, TypedId as _};

use crate::journal::Hash;

/// What every leaf begins with: no other document of the platform can be passed off as one.
const BEGIN: &[u8; 22] = b"bursar.ledger.leaf.v1\0";

/// The hash of a position's leaf.
pub(crate) fn leaf(shard: ProgramId, position: i64, time: Timestamp, record: &[u8]) -> Hash {
    let (position, time) = (position.to_be_bytes(), time.as_micros().to_be_bytes());
    leaf_hash(&[BEGIN, shard.as_uuid().as_bytes(), &position, &time, record])
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;
    use data_encoding::HEXLOWER;

    use super::*;

    /// The layout is for ever: receipts that were given out must stay good.
    #[test]
    fn the_layout_is_what_it_was() {
        let shard = ProgramId::from_uuid(Uuid::from_u128(0x0102_0304));
        let hash = leaf(shard, 5, Timestamp::from_micros(-6), b"record");
        let mut bytes = vec![0];
        bytes.extend(b"bursar.ledger.leaf.v1\0");
        bytes.extend(HEXLOWER.decode(b"00000000000000000000000001020304").unwrap());
        bytes.extend(HEXLOWER.decode(b"0000000000000005fffffffffffffffa").unwrap());
        bytes.extend(b"record");
        assert_eq!(hash, ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        assert_eq!(bytes.len(), 1 + 22 + 16 + 8 + 8 + 6);
    }
}
