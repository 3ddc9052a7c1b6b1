//! What a caller asked for, as a digest: the same request id with another body is another request.

use std::io::Write as _;

use ring::digest::{Context, SHA256};

use super::{Hash, digest};
use crate::wire::message;

/// Fields of the methods with most of them: room that is made at once.
const FIELDS: usize = 16;
/// Longest amount as text: a sign, nineteen digits, a blank and an asset's twelve letters.
const MONEY_BYTES: usize = 33;

/// The digest of a request's body, and of each of its fields a mark, so that a difference can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// SHA-256 over method, principal and all fields.
    pub(crate) digest: Hash,
    /// What was written before there were quick marks: 32 bits of each field's SHA-256. Read, and not written any more.
    pub(crate) marks: Vec<u32>,
    /// 16 bits of each field's [`Quick`] hash, in the order of the method's fields.
    pub(crate) quick: Vec<u8>,
}

message! {
    Fingerprint { 1 digest, 2 marks, 3 quick }
}

/// A fast hash that tells two different values of a field apart nearly always. It only names what differs: whether
/// two bodies are the same is the digest's to say.
#[derive(Clone, Copy, Default)]
struct Quick(u64);

impl Quick {
    fn add(&mut self, bytes: &[u8]) {
        let mut mix = |word: u64| {
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        };
        mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(u64::from_le_bytes(word));
        }
    }

    fn mark(self) -> [u8; 2] {
        // The highest bits are those that every byte has reached.
        ((self.0 >> 48) as u16).to_be_bytes()
    }
}

/// A request's body while its fields are gathered. What the server adds itself (ids, times) is no part of it.
pub(crate) struct Body {
    context: Context,
    quick: Vec<u8>,
    names: Vec<&'static str>,
}

impl Body {
    /// The body of a `method` call by `principal`.
    pub(crate) fn new(method: &'static str, principal: &str) -> Self {
        let body = Self {
            context: Context::new(&SHA256),
            quick: Vec::with_capacity(2 * FIELDS),
            names: Vec::with_capacity(FIELDS),
        };
        body.field("method", method).field("caller", principal)
    }

    fn hash(&mut self, value: &[u8]) {
        self.context.update(&(value.len() as u64).to_be_bytes());
        self.context.update(value);
    }

    fn mark(&mut self, name: &'static str, quick: Quick) {
        self.quick.extend(quick.mark());
        self.names.push(name);
    }

    /// With the field `name`.
    pub(crate) fn field(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.hash(value);
        let mut quick = Quick::default();
        quick.add(value);
        self.mark(name, quick);
        self
    }

    /// With a number.
    pub(crate) fn number(self, name: &'static str, value: i64) -> Self {
        self.field(name, value.to_be_bytes())
    }

    /// With an amount.
    pub(crate) fn money(self, name: &'static str, value: Option<bursar_types::Money>) -> Self {
        let mut text = [0; MONEY_BYTES];
        let mut rest = &mut text[..];
        if let Some(money) = value {
            // What does not fit is not written: nothing is longer than the room for it.
            let _ = write!(rest, "{} {}", money.minor_units, money.asset.code());
        }
        let left = rest.len();
        self.field(name, &text[..MONEY_BYTES - left])
    }

    /// With a field that the method was given later than its others. Where a request does not set it, its digest is
    /// what it was before: who repeats a request after an upgrade repeats the same request.
    pub(crate) fn later(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        if value.is_empty() {
            self.mark(name, Quick::default());
            return self;
        }
        // Any of them may be missing, so each says which it is.
        self.hash(name.as_bytes());
        self.field(name, value)
    }

    /// As [`later`](Self::later), with a number; 0: not set.
    pub(crate) fn number_later(self, name: &'static str, value: i64) -> Self {
        if value == 0 { self.later(name, []) } else { self.later(name, value.to_be_bytes()) }
    }

    /// With a list, each item as `write` writes it.
    pub(crate) fn items<T>(
        mut self,
        name: &'static str,
        items: &[T],
        write: impl Fn(&T, &mut Vec<u8>),
    ) -> Self {
        let (mut quick, mut bytes) = (Quick::default(), Vec::new());
        self.context.update(&(items.len() as u64).to_be_bytes());
        for item in items {
            bytes.clear();
            write(item, &mut bytes);
            self.hash(&bytes);
            quick.add(&bytes);
        }
        self.mark(name, quick);
        self
    }

    /// The fingerprint, and the names of the fields by which a difference to another can be told.
    pub(crate) fn finish(self) -> (Fingerprint, Vec<&'static str>) {
        let fingerprint = Fingerprint { digest: digest(self.context), marks: Vec::new(), quick: self.quick };
        (fingerprint, self.names)
    }
}

impl Fingerprint {
    /// The first field in which `other` differs, by the `names` of this one's fields. Empty where that is not known,
    /// as with one that was written before there were quick marks.
    pub(crate) fn difference(&self, names: &[&'static str], other: &Self) -> &'static str {
        if other.quick.is_empty() {
            return "";
        }
        let mut marks = self.quick.chunks(2).zip(other.quick.chunks(2));
        marks.position(|(mine, theirs)| mine != theirs).and_then(|at| names.get(at)).copied().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::{Asset, Money};
    use ring::digest::digest as hash_of;

    use super::*;

    #[test]
    fn a_difference_is_named() {
        let (a, names) = Body::new("FreezeCard", "p").field("card_id", "1").field("reason", "lost").finish();
        let (b, _) = Body::new("FreezeCard", "p").field("card_id", "1").field("reason", "found").finish();
        assert_ne!(a.digest, b.digest);
        assert_eq!(a.difference(&names, &b), "reason");
        let (c, _) = Body::new("UnfreezeCard", "p").field("card_id", "1").field("reason", "lost").finish();
        assert_eq!(a.difference(&names, &c), "method");
        let old = Fingerprint { digest: c.digest, marks: vec![1, 2, 3, 4], quick: Vec::new() };
        assert_eq!(a.difference(&names, &old), "");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let (a, _) = Body::new("m", "p").field("a", "xy").field("b", "").finish();
        let (b, _) = Body::new("m", "p").field("a", "x").field("b", "y").finish();
        assert_ne!(a.digest, b.digest);
        let items =
            |items: &[&str]| Body::new("m", "p").items("a", items, |item, out| out.extend(item.bytes()));
        let ((a, names), (b, _)) = (items(&["xy", ""]).finish(), items(&["x", "y"]).finish());
        assert_ne!(a.digest, b.digest);
        assert_eq!(a.difference(&names, &b), "a");
    }

    #[test]
    fn a_later_field_that_is_not_set_changes_nothing() {
        let old = Body::new("m", "p").field("a", "x");
        let (unset, _) = Body::new("m", "p").field("a", "x").number_later("b", 0).later("c", "").finish();
        assert_eq!(old.finish().0.digest, unset.digest);
        let (b, names) = Body::new("m", "p").field("a", "x").number_later("b", 7).later("c", "").finish();
        let (c, _) =
            Body::new("m", "p").field("a", "x").number_later("b", 0).later("c", 7_i64.to_be_bytes()).finish();
        assert_ne!(b.digest, c.digest);
        assert_eq!((b.difference(&names, &c), unset.difference(&names, &c)), ("b", "c"));
    }

    #[test]
    fn the_digest_is_that_of_the_first_release() {
        let cny = Asset::from_code("CNY").unwrap();
        let (body, _) =
            Body::new("m", "p").money("amount", Some(Money::new(i64::MIN, cny))).money("none", None).finish();
        let mut bytes = Vec::new();
        for field in ["m", "p", "-9223372036854775808 CNY", ""] {
            bytes.extend((field.len() as u64).to_be_bytes());
            bytes.extend(field.as_bytes());
        }
        assert_eq!(body.digest, hash_of(&SHA256, &bytes).as_ref());
    }
}
