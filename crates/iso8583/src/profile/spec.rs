//! What a profile says of a field, for those who show or test profiles.

use std::fmt;

use super::Info;
use crate::class::Class;
use crate::mask::Mask;
use crate::wire::{Encoding, Number, Wire};

/// A field as a profile describes it.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec<'a> {
    pub(super) wire: Wire,
    pub(super) info: &'a Info,
}

impl<'a> FieldSpec<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.info.name
    }

    /// The characters it may have.
    pub fn class(&self) -> Class {
        self.wire.class
    }

    /// How it is shown.
    pub fn mask(&self) -> Mask {
        self.info.mask
    }

    /// Its length, or longest length, in characters, or bytes if binary.
    pub fn max_length(&self) -> usize {
        usize::from(self.wire.max)
    }

    /// How it is written: `ascii`, `ebcdic`, `bcd`, `binary` or `hex`.
    pub fn encoding(&self) -> &'static str {
        match self.wire.encoding {
            Encoding::Ascii => "ascii",
            Encoding::Ebcdic(_) => "ebcdic",
            Encoding::Bcd => "bcd",
            Encoding::Binary => "binary",
            Encoding::Hex(_) => "hex",
        }
    }

    /// How its length is written (`ascii`, `ebcdic`, `bcd` or `binary`) and in how many bytes; `None` if it is fixed.
    pub fn length_indicator(&self) -> Option<(&'static str, usize)> {
        self.wire.indicator.map(|indicator| {
            let number = match indicator.number {
                Number::Ascii => "ascii",
                Number::Ebcdic => "ebcdic",
                Number::Bcd => "bcd",
                Number::Binary => "binary",
            };
            (number, usize::from(indicator.bytes))
        })
    }

    /// True if the length counts bytes where it would otherwise count BCD or hexadecimal digits.
    pub fn counts_bytes(&self) -> bool {
        self.wire.counts_bytes
    }

    /// The nibble that fills an odd number of BCD digits, and whether it stands in front of them.
    pub fn padding(&self) -> (u8, bool) {
        (self.wire.pad.nibble, self.wire.pad.left)
    }

    /// True if the profile divides the field into subfields.
    pub fn has_subfields(&self) -> bool {
        self.info.layout.is_some()
    }
}

/// In the notation of the standard, then the encoding: `n..19 bcd`.
impl fmt::Display for FieldSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dots = match self.wire.indicator {
            None => " ",
            Some(_) => match self.wire.max {
                0..=9 => ".",
                10..=99 => "..",
                100..=999 => "...",
                _ => "....",
            },
        };
        write!(f, "{}{dots}{} {}", self.wire.class.as_str(), self.wire.max, self.encoding())
    }
}
