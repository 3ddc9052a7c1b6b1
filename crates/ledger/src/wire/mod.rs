//! The bytes of the journal: protobuf's wire format, written straight from the engine's types.
//!
//! Each type of the engine that reaches the journal has its fields and their numbers declared once, in
//! [`crate::journal`]'s `schema` modules; the declaration gives encoding and decoding both. There are no generated
//! messages in between, because copying each command twice would cost more than deciding it.
//!
//! Rules of format 1, which every later release can read:
//! - a number once given to a field or variant is never given to another; fields are only added, with a default;
//! - an unknown field or variant is an error, not skipped: replaying a command whose half is not understood would
//!   decide something else than was decided;
//! - fields are written in the order of their declaration, numbers and texts that are zero or empty are left out.

mod message;
mod scalar;

pub(crate) use message::{message, numbers, oneof};
pub(crate) use scalar::Item;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// The bytes end in the middle of a value.
    #[error("cut off")]
    CutOff,
    /// A number is longer than 64 bits, or a field's key is not one.
    #[error("not protobuf")]
    Malformed,
    /// The field is not one of the message's.
    #[error("{message} has no field {tag}: written by a newer release?")]
    UnknownField {
        /// The message.
        message: &'static str,
        /// The field's number.
        tag: u32,
    },
    /// The value is not one the type can have.
    #[error("not a {0}")]
    Value(&'static str),
    /// A field that must be there is not.
    #[error("a required field is missing")]
    Missing,
}

/// One value as it lies in the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// A variable-length number.
    Varint(u64),
    /// Bytes with their length.
    Bytes(&'a [u8]),
}

impl<'a> Raw<'a> {
    pub(crate) fn number(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Bytes(_) => Err(WireError::Malformed),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) => Err(WireError::Malformed),
        }
    }
}

/// The fields of one message, in the order they lie.
pub(crate) struct Fields<'a>(Vec<(u32, Raw<'a>)>);

impl<'a> Fields<'a> {
    /// Reads the fields of `message`, all of which must be in `known`.
    pub(crate) fn parse(
        mut bytes: &'a [u8],
        message: &'static str,
        known: &[u32],
    ) -> Result<Self, WireError> {
        let mut fields = Vec::with_capacity(known.len());
        while !bytes.is_empty() {
            let key = take_varint(&mut bytes)?;
            let tag = u32::try_from(key >> 3).map_err(|_| WireError::Malformed)?;
            let raw = match key & 7 {
                0 => Raw::Varint(take_varint(&mut bytes)?),
                2 => {
                    let length = usize::try_from(take_varint(&mut bytes)?).map_err(|_| WireError::CutOff)?;
                    let (value, rest) = bytes.split_at_checked(length).ok_or(WireError::CutOff)?;
                    bytes = rest;
                    Raw::Bytes(value)
                }
                _ => return Err(WireError::Malformed),
            };
            if !known.contains(&tag) {
                return Err(WireError::UnknownField { message, tag });
            }
            fields.push((tag, raw));
        }
        Ok(Self(fields))
    }

    /// The last value of a field; protobuf lets the last one win.
    pub(crate) fn last(&self, tag: u32) -> Option<Raw<'a>> {
        self.0.iter().rev().find(|(at, _)| *at == tag).map(|(_, raw)| *raw)
    }

    /// All values of a field.
    pub(crate) fn all(&self, tag: u32) -> impl Iterator<Item = Raw<'a>> + '_ {
        self.0.iter().filter(move |(at, _)| *at == tag).map(|(_, raw)| *raw)
    }

    /// The number of the one field, however often it is there, of a message that stands for one variant of several.
    pub(crate) fn only_tag(&self) -> Result<u32, WireError> {
        let (tag, _) = self.0.first().ok_or(WireError::Missing)?;
        if self.0.iter().any(|(other, _)| other != tag) {
            return Err(WireError::Malformed);
        }
        Ok(*tag)
    }

    /// The one field of a message that stands for one variant of several.
    pub(crate) fn only(&self) -> Result<(u32, Raw<'a>), WireError> {
        match self.0.as_slice() {
            [field] => Ok(*field),
            [] => Err(WireError::Missing),
            _ => Err(WireError::Malformed),
        }
    }
}

/// A value that can be a field.
pub(crate) trait Wire: Sized {
    /// Writes key and value, also if the value is zero or empty.
    fn put(&self, tag: u32, out: &mut Vec<u8>);

    /// Reads the value back.
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError>;

    /// Whether the field may be left out.
    fn is_default(&self) -> bool {
        false
    }

    /// What a field that was left out stands for.
    fn absent() -> Result<Self, WireError> {
        Err(WireError::Missing)
    }

    /// Writes the field, or leaves it out if [`absent`](Self::absent) gives it back.
    fn write(&self, tag: u32, out: &mut Vec<u8>) {
        if !self.is_default() {
            self.put(tag, out);
        }
    }

    /// Reads the field.
    fn read(fields: &Fields<'_>, tag: u32) -> Result<Self, WireError> {
        fields.last(tag).map_or_else(Self::absent, Self::from_raw)
    }

    /// Reads the one field that a message may have.
    fn read_alone(fields: &Fields<'_>) -> Result<Self, WireError> {
        Self::from_raw(fields.only()?.1)
    }
}

/// A type whose fields are declared.
pub(crate) trait Message: Sized {
    /// Appends the fields.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the fields.
    fn decode(bytes: &[u8]) -> Result<Self, WireError>;

    /// The fields as bytes of their own.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn take_varint(bytes: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(WireError::CutOff)?;
        *bytes = rest;
        // The tenth byte has room for one bit.
        if shift == 63 && *first > 1 {
            return Err(WireError::Malformed);
        }
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WireError::Malformed)
}

pub(crate) fn put_number(tag: u32, value: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(tag) << 3, out);
    put_varint(value, out);
}

pub(crate) fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(tag) << 3 | 2, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Writes a nested message whose length is known only afterwards.
pub(crate) fn put_nested(tag: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    put_varint(u64::from(tag) << 3 | 2, out);
    let at = out.len();
    // Nearly every message is shorter than 128 bytes: one byte of length is kept free, more are moved in.
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(5);
        put_varint(length as u64, &mut prefix);
        out.splice(at..=at, prefix);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_come_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Ok(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
            let _ = Fields::parse(&bytes, "test", &[1, 2, 3]);
        }

        #[test]
        fn nested_lengths_are_right(length in 0_usize..40_000) {
            let mut out = Vec::new();
            put_nested(1, &mut out, |out| out.resize(out.len() + length, 7));
            let fields = Fields::parse(&out, "test", &[1]).unwrap();
            prop_assert_eq!(fields.last(1).unwrap().bytes().unwrap().len(), length);
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut out = Vec::new();
        put_number(9, 1, &mut out);
        assert!(matches!(Fields::parse(&out, "test", &[1]), Err(WireError::UnknownField { tag: 9, .. })));
    }
}
