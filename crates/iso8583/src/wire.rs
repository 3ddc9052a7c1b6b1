//! One field on the wire: its length indicator, its encoding, its padding. Everything here is compiled from a
//! profile, copied freely, and knows nothing of messages.

use crate::charset::CodePage;
use crate::class::Class;
use crate::error::Fault;
use crate::secret::SecretBytes;

/// How the characters or bytes of a value are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Ascii,
    Ebcdic(CodePage),
    /// Two digits a byte; an `x+n` value has its sign as one ASCII character in front.
    Bcd,
    Binary,
    Hex(Hex),
}

/// How binary values are written as hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex {
    pub(crate) upper: bool,
    pub(crate) page: Option<CodePage>,
}

/// How a length indicator is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Ascii,
    Ebcdic,
    Bcd,
    Binary,
}

/// A length indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indicator {
    pub(crate) number: Number,
    /// Bytes on the wire, 1 to [`MAX_INDICATOR_BYTES`].
    pub(crate) bytes: u8,
}

/// No indicator is wider: four digits are the most any network uses (LLLLVAR).
pub(crate) const MAX_INDICATOR_BYTES: u8 = 4;

/// The longest value any field may have, in characters or bytes: what four decimal digits can say.
pub const MAX_VALUE: u16 = 9999;

/// Where an odd number of BCD digits is padded, and with which nibble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pad {
    pub(crate) left: bool,
    pub(crate) nibble: u8,
}

/// A field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) class: Class,
    pub(crate) encoding: Encoding,
    /// `None`: of fixed length.
    pub(crate) indicator: Option<Indicator>,
    /// The length (fixed) or the longest length (variable), in characters, or bytes if binary.
    pub(crate) max: u16,
    /// The indicator counts bytes of the value where it would otherwise count BCD or hexadecimal digits.
    pub(crate) counts_bytes: bool,
    pub(crate) pad: Pad,
}

/// Where a value stands on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Characters or bytes of the value; for BCD counted in bytes it may turn out one less.
    pub(crate) units: usize,
}

impl Indicator {
    /// The largest length the indicator can say.
    pub(crate) fn capacity(self) -> u64 {
        let bytes = u32::from(self.bytes);
        match self.number {
            Number::Ascii | Number::Ebcdic => 10u64.pow(bytes) - 1,
            Number::Bcd => 100u64.pow(bytes) - 1,
            Number::Binary => 256u64.pow(bytes) - 1,
        }
    }

    #[inline]
    pub(crate) fn read(self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut length = 0usize;
        for &byte in bytes {
            let (base, digit) = match self.number {
                Number::Ascii => (10, byte.wrapping_sub(b'0')),
                Number::Ebcdic => (10, byte.wrapping_sub(0xf0)),
                Number::Bcd if byte >> 4 > 9 || byte & 15 > 9 => return Err(Fault::BadLength),
                Number::Bcd => (100, (byte >> 4) * 10 + (byte & 15)),
                Number::Binary => (256, byte),
            };
            if usize::from(digit) >= base {
                return Err(Fault::BadLength);
            }
            // At most four bytes: cannot overflow 64 bits, and saturates where pointers are smaller.
            length = length.saturating_mul(base).saturating_add(usize::from(digit));
        }
        Ok(length)
    }

    pub(crate) fn write(self, length: usize, out: &mut SecretBytes) -> Result<(), Fault> {
        if u64::try_from(length).map_or(true, |l| l > self.capacity()) {
            return Err(Fault::TooLong);
        }
        let base = match self.number {
            Number::Ascii | Number::Ebcdic => 10,
            Number::Bcd => 100,
            Number::Binary => 256,
        };
        let mut digits = [0u8; MAX_INDICATOR_BYTES as usize];
        let mut rest = length;
        for slot in digits.iter_mut().rev() {
            let digit = (rest % base) as u8;
            rest /= base;
            *slot = match self.number {
                Number::Ascii => b'0' + digit,
                Number::Ebcdic => 0xf0 + digit,
                Number::Bcd => ((digit / 10) << 4) | (digit % 10),
                Number::Binary => digit,
            };
        }
        let skip = digits.len().saturating_sub(usize::from(self.bytes));
        out.extend(digits.get(skip..).unwrap_or_default());
        Ok(())
    }
}

impl Wire {
    /// True if the value is the wire's bytes themselves.
    #[inline]
    pub(crate) fn verbatim(self) -> bool {
        matches!(self.encoding, Encoding::Ascii | Encoding::Binary)
    }

    /// Finds the value that begins (with its indicator) at `at`. A fault here ends the reading of the message, for
    /// the place of whatever follows is unknown.
    #[inline]
    pub(crate) fn extent(self, raw: &[u8], at: usize) -> Result<Extent, Fault> {
        let (start, count) = match self.indicator {
            None => (at, None),
            Some(indicator) => {
                let start = at + usize::from(indicator.bytes);
                let bytes = raw.get(at..start).ok_or(Fault::Truncated)?;
                (start, Some(indicator.read(bytes)?))
            }
        };
        let max = usize::from(self.max);
        let (units, length) = match (self.encoding, count) {
            (Encoding::Ascii | Encoding::Ebcdic(_) | Encoding::Binary, _) => {
                let units = count.unwrap_or(max);
                (units, units)
            }
            (Encoding::Bcd, Some(bytes)) if self.counts_bytes => {
                // With a strippable pad the last nibble may be no digit: allow it here, check after decoding.
                let digits = bytes.saturating_mul(2);
                (digits.min(max.max(digits.saturating_sub(1))), bytes)
            }
            (Encoding::Bcd, _) => {
                let units = count.unwrap_or(max);
                (units, self.packed(units))
            }
            (Encoding::Hex(_), Some(digits)) if !self.counts_bytes => {
                if digits % 2 == 1 {
                    return Err(Fault::WrongLength);
                }
                (digits / 2, digits)
            }
            (Encoding::Hex(_), _) => {
                let units = count.unwrap_or(max);
                (units, units.saturating_mul(2))
            }
        };
        if units > max {
            return Err(Fault::TooLong);
        }
        let end = start.saturating_add(length);
        if end > raw.len() {
            return Err(Fault::Truncated);
        }
        Ok(Extent { start, end, units })
    }

    /// The bytes that `units` BCD characters take.
    pub(crate) fn packed(self, units: usize) -> usize {
        match (self.class, units) {
            (Class::Signed, 1..) => 1 + units / 2,
            _ => units.div_ceil(2),
        }
    }
}
