//! What a caller asked for, as a digest: the same request id with another body is another request.

use ring::digest::{Context, SHA256, digest as hash_of};

use super::{Hash, digest};
use crate::wire::message;

/// The digest of a request's body, and of each of its fields a mark, so that a difference can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// SHA-256 over method, principal and all fields.
    pub(crate) digest: Hash,
    /// 32 bits of each field's hash, in the order of the method's fields.
    pub(crate) marks: Vec<u32>,
}

message! {
    Fingerprint { 1 digest, 2 marks }
}

/// A request's body while its fields are gathered. What the server adds itself (ids, times) is no part of it.
pub(crate) struct Body {
    context: Context,
    marks: Vec<u32>,
    names: Vec<&'static str>,
}

impl Body {
    /// The body of a `method` call by `principal`.
    pub(crate) fn new(method: &'static str, principal: &str) -> Self {
        let body = Self { context: Context::new(&SHA256), marks: Vec::new(), names: Vec::new() };
        body.field("method", method).field("caller", principal)
    }

    /// With the field `name`.
    pub(crate) fn field(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.context.update(&(value.len() as u64).to_be_bytes());
        self.context.update(value);
        let mut mark = [0; 4];
        mark.copy_from_slice(&hash_of(&SHA256, value).as_ref()[..4]);
        self.marks.push(u32::from_be_bytes(mark));
        self.names.push(name);
        self
    }

    /// With a number.
    pub(crate) fn number(self, name: &'static str, value: i64) -> Self {
        self.field(name, value.to_be_bytes())
    }

    /// With an amount.
    pub(crate) fn money(self, name: &'static str, value: Option<bursar_types::Money>) -> Self {
        let text = value.map(|money| format!("{} {}", money.minor_units, money.asset.code()));
        self.field(name, text.unwrap_or_default())
    }

    /// The fingerprint, and the names of the fields by which a difference to another can be told.
    pub(crate) fn finish(self) -> (Fingerprint, Vec<&'static str>) {
        (Fingerprint { digest: digest(self.context), marks: self.marks }, self.names)
    }
}

impl Fingerprint {
    /// The first field in which `other` differs, by the `names` of this one's fields.
    pub(crate) fn difference(&self, names: &[&'static str], other: &Self) -> &'static str {
        let differing = (0..names.len()).find(|&at| self.marks.get(at) != other.marks.get(at));
        differing.map_or("", |at| names[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named() {
        let (a, names) = Body::new("FreezeCard", "p").field("card_id", "1").field("reason", "lost").finish();
        let (b, _) = Body::new("FreezeCard", "p").field("card_id", "1").field("reason", "found").finish();
        assert_ne!(a.digest, b.digest);
        assert_eq!(a.difference(&names, &b), "reason");
        let (c, _) = Body::new("UnfreezeCard", "p").field("card_id", "1").field("reason", "lost").finish();
        assert_eq!(a.difference(&names, &c), "method");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let (a, _) = Body::new("m", "p").field("a", "xy").field("b", "").finish();
        let (b, _) = Body::new("m", "p").field("a", "x").field("b", "y").finish();
        assert_ne!(a.digest, b.digest);
    }
}
