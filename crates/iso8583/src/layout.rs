//! How a field is divided into subfields: the compiled form of a profile's `subfields`.

use std::fmt;
use std::str::FromStr;

use crate::error::Fault;
use crate::mask::Mask;
use crate::wire::{Hex, Indicator, Wire};

/// Tags and numbers of subfields have at most this many characters: four tag bytes as hexadecimal digits.
const MAX_ID: usize = 8;

/// The name a subfield goes by: a TLV tag (`92`, or `9F02` for BER), or the id the profile gives a position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubfieldId {
    text: [u8; MAX_ID],
    len: u8,
}

impl SubfieldId {
    /// The id of these printable ASCII characters; `None` if there are none or too many.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > MAX_ID || !bytes.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut text = [0; MAX_ID];
        for (to, from) in text.iter_mut().zip(bytes) {
            *to = *from;
        }
        Some(Self { text, len: bytes.len() as u8 })
    }

    /// The id that shows these bytes as upper-case hexadecimal digits.
    pub(crate) fn from_hex_of(bytes: &[u8]) -> Option<Self> {
        const UPPER: Hex = Hex { upper: true, page: None };
        let mut text = [0; MAX_ID];
        if bytes.is_empty() || bytes.len() * 2 > MAX_ID {
            return None;
        }
        for (to, byte) in text.chunks_exact_mut(2).zip(bytes) {
            if let [high, low] = to {
                (*high, *low) = (UPPER.write(byte >> 4), UPPER.write(byte & 15));
            }
        }
        Some(Self { text, len: bytes.len() as u8 * 2 })
    }

    /// The id of a numbered subfield.
    pub(crate) fn from_number(number: u8) -> Self {
        let digits = [number / 100, number / 10 % 10, number % 10].map(|d| b'0' + d);
        let skip = digits.iter().take_while(|d| **d == b'0').count().min(2);
        let mut text = [0; MAX_ID];
        for (to, from) in text.iter_mut().zip(digits.iter().skip(skip)) {
            *to = *from;
        }
        Self { text, len: 3 - skip as u8 }
    }

    /// The characters of the id.
    pub fn as_str(&self) -> &str {
        self.text
            .get(..usize::from(self.len))
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
    }

    /// The bytes whose hexadecimal digits the id is.
    pub(crate) fn hex_bytes(&self) -> Option<([u8; MAX_ID / 2], usize)> {
        let mut bytes = [0; MAX_ID / 2];
        let digits = self.as_str().as_bytes();
        if digits.len() % 2 == 1 {
            return None;
        }
        for (to, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            for digit in pair {
                *to = *to << 4 | char::from(*digit).to_digit(16)? as u8;
            }
        }
        Some((bytes, digits.len() / 2))
    }
}

impl FromStr for SubfieldId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::from_bytes(text.as_bytes()).ok_or(Fault::BadTag)
    }
}

impl fmt::Display for SubfieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for SubfieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A subfield that the profile describes.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) id: SubfieldId,
    pub(crate) name: Box<str>,
    pub(crate) mask: Mask,
    pub(crate) wire: Wire,
    /// A TLV element that must have exactly `wire.max` characters or bytes, although a length goes before it.
    pub(crate) exact: bool,
}

/// How the tag of a TLV element is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagForm {
    /// The characters of the id.
    Text,
    /// The bytes whose hexadecimal digits are the id (BCD tags are this, too).
    Bytes,
}

/// The way a field is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// One after another, in the order of the parts; the last ones may be missing.
    Positional,
    /// Tag, length, value; `default` reads the elements the profile does not describe.
    Tlv { tag: TagForm, tag_bytes: u8, prefix: u8, default: Wire },
    /// BER-TLV.
    Ber,
    /// A bitmap of 64 numbered parts.
    Bitmap { hex: Option<Hex> },
}

/// The division of a field.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    pub(crate) parts: Vec<Part>,
}

impl Layout {
    pub(crate) fn part(&self, id: SubfieldId) -> Option<&Part> {
        self.parts.iter().find(|part| part.id == id)
    }
}

impl Shape {
    /// The indicator in front of each TLV value.
    pub(crate) fn indicator(self) -> Option<Indicator> {
        match self {
            Self::Tlv { default, .. } => default.indicator,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!(SubfieldId::from_number(7).as_str(), "7");
        assert_eq!(SubfieldId::from_number(64).as_str(), "64");
        assert_eq!(SubfieldId::from_number(0).as_str(), "0");
        assert_eq!(SubfieldId::from_hex_of(&[0x9f, 0x02]), "9F02".parse().ok());
        assert_eq!(
            "9F02".parse::<SubfieldId>().ok().and_then(|id| id.hex_bytes()),
            Some(([0x9f, 2, 0, 0], 2))
        );
        for bad in ["", "123456789", "a b", "é"] {
            assert!(bad.parse::<SubfieldId>().is_err(), "{bad:?}");
        }
    }
}
