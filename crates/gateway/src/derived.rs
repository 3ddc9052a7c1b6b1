//! Request ids that follow from what is asked: the same message of a network, the same entry of a bank, the same call
//! of a back end leads to the same ids at vault and ledger, however often and through whichever gateway it comes.

use bursar_types::RequestId;
use ring::digest::{Context, SHA256};

/// The request id (UUID version 8, RFC 9562 §5.8) that follows from `parts`, of which the first says what it is for.
pub(crate) fn request_id(parts: &[&[u8]]) -> RequestId {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest(parts)[..16]);
    RequestId::from_uuid(bursar_types::id::Uuid::from_bytes(version_8(bytes)))
}

/// The digest of `parts`, of which the first says what it is for.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // The length before each part: no two lists of parts give the same bytes.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0_u8; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// Sets the bits for version and variant.
fn version_8(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_id_and_others_another() {
        assert_eq!(request_id(&[b"a", b"bc"]), request_id(&[b"a", b"bc"]));
        assert_ne!(request_id(&[b"a", b"bc"]), request_id(&[b"ab", b"c"]));
        let text = request_id(&[b"a"]).to_string();
        assert_eq!(text.parse::<RequestId>().map(|id| id.to_string()), Ok(text.clone()));
        assert_eq!(&text[14..15], "8");
    }
}
