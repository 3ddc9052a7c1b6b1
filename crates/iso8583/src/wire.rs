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

    /// The number in `bytes`. At most four bytes: cannot overflow.
    #[inline]
    pub(crate) fn read(self, bytes: &[u8]) -> Result<usize, Fault> {
        match self.number {
            Number::Ascii => match bytes {
                [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => {
                    Ok(usize::from((a - b'0') * 10 + b - b'0'))
                }
                _ => decimal(bytes, b'0'),
            },
            Number::Ebcdic => decimal(bytes, 0xf0),
            Number::Bcd => bytes.iter().try_fold(0, |sum, &byte| match (byte >> 4, byte & 15) {
                (high @ 0..=9, low @ 0..=9) => Ok(sum * 100 + usize::from(high * 10 + low)),
                _ => Err(Fault::BadLength),
            }),
            Number::Binary => Ok(bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))),
        }
    }

    /// Appends the indicator of `length`.
    #[inline]
    pub(crate) fn write(self, length: usize, out: &mut SecretBytes) -> Result<(), Fault> {
        match (self.number, self.bytes) {
            // What nearly every field has, without a loop.
            (Number::Ascii, 2) if length < 100 => {
                out.extend(&[b'0' + (length / 10) as u8, b'0' + (length % 10) as u8]);
                Ok(())
            }
            (Number::Ascii, 3) if length < 1000 => {
                let [hundreds, tens, ones] = [length / 100, length / 10 % 10, length % 10];
                out.extend(&[hundreds, tens, ones].map(|digit| b'0' + digit as u8));
                Ok(())
            }
            _ => self.write_any(length, out),
        }
    }

    fn write_any(self, length: usize, out: &mut SecretBytes) -> Result<(), Fault> {
        let room = out.grow(usize::from(self.bytes));
        // Each arm divides by a constant, which is a multiplication; what is left over did not fit.
        let left = match self.number {
            Number::Ascii => write_decimal(length, b'0', room),
            Number::Ebcdic => write_decimal(length, 0xf0, room),
            Number::Bcd => room.iter_mut().rev().fold(length, |left, slot| {
                let digits = (left % 100) as u8;
                *slot = ((digits / 10) << 4) | (digits % 10);
                left / 100
            }),
            Number::Binary => room.iter_mut().rev().fold(length, |left, slot| {
                *slot = left as u8;
                left >> 8
            }),
        };
        if left == 0 { Ok(()) } else { Err(Fault::TooLong) }
    }
}

#[inline]
fn decimal(bytes: &[u8], zero: u8) -> Result<usize, Fault> {
    bytes.iter().try_fold(0, |sum, byte| match byte.wrapping_sub(zero) {
        digit @ 0..=9 => Ok(sum * 10 + usize::from(digit)),
        _ => Err(Fault::BadLength),
    })
}

fn write_decimal(length: usize, zero: u8, room: &mut [u8]) -> usize {
    room.iter_mut().rev().fold(length, |left, slot| {
        *slot = zero + (left % 10) as u8;
        left / 10
    })
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
