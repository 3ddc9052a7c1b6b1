//! Ids and references that follow from others, so that a step that is taken twice is the same step.

use bursar_ledger_engine::Reference;
use bursar_types::id::AccountId;
use bursar_types::id::Uuid;
use bursar_types::{RequestId, TypedId as _};
use ring::digest::{Context, SHA256};

/// Characters of a funding reference's base: digits and letters that are not easily taken for each other.
const BASE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Length of the base: 80 bits, so that no two accounts of a program will ever meet.
const BASE_LENGTH: usize = 16;

fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    crate::journal::digest(context)
}

/// A UUIDv8 (RFC 9562 §5.8) that follows from `parts`.
pub(crate) fn uuid(domain: &str, parts: &[&[u8]]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(domain, parts)[..16]);
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62);
    Uuid::from_u128(bits | (8 << 76) | (0b10 << 62))
}

/// The request id of a step of the ledger's own.
pub(crate) fn request_id(domain: &str, parts: &[&[u8]]) -> RequestId {
    RequestId::from_uuid(uuid(domain, parts))
}

/// The reference that a bank credit carries to reach `account`: ISO 11649, `RF`, two check digits, a base.
pub(crate) fn funding_reference(account: AccountId) -> Reference {
    let hash = digest("bursar.ledger.funding", &[account.as_uuid().as_bytes()]);
    let base: String =
        hash[..BASE_LENGTH].iter().map(|byte| char::from(BASE_ALPHABET[usize::from(byte & 31)])).collect();
    let text = format!("RF{:02}{base}", 98 - remainder(&format!("{base}RF00")));
    Reference::new(&text).expect("twenty letters and digits are a reference")
}

/// ISO 7064 MOD 97-10 over letters (A is 10) and digits.
fn remainder(text: &str) -> u32 {
    text.chars().filter_map(|character| character.to_digit(36)).fold(0, |sum, digit| match digit {
        0..=9 => (sum * 10 + digit) % 97,
        _ => (sum * 100 + digit) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_iso_11649() {
        // The standard's own example: RF18 539007547034.
        assert_eq!(98 - remainder("539007547034RF00"), 18);
        let reference = funding_reference(AccountId::from_uuid(Uuid::from_u128(7)));
        let (head, base) = reference.as_str().split_at(4);
        assert_eq!(remainder(&format!("{base}{head}")), 1, "{reference}");
        assert!(reference.as_str().len() <= 25);
        assert_ne!(reference, funding_reference(AccountId::from_uuid(Uuid::from_u128(8))));
    }

    #[test]
    fn derived_ids_are_version_8_and_repeat() {
        let id = uuid("a", &[b"b"]);
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id, uuid("a", &[b"b"]));
        assert_ne!(id, uuid("ab", &[b""]));
    }
}
