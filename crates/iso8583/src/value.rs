//! Values between the wire and their canonical form: ASCII characters, or the bytes themselves if binary.

use crate::class::Class;
use crate::error::Fault;
use crate::secret::SecretBytes;
use crate::wire::{Encoding, Hex, Wire};

impl Wire {
    /// Appends the value that stands in `bytes` to `out` in its canonical form. On a fault `out` may hold a part.
    pub(crate) fn decode(self, bytes: &[u8], units: usize, out: &mut SecretBytes) -> Result<(), Fault> {
        match self.encoding {
            Encoding::Ascii | Encoding::Binary => {
                if !self.class.admits(bytes) {
                    return Err(Fault::BadCharacter);
                }
                out.extend(bytes);
            }
            Encoding::Ebcdic(page) => {
                let table = page.to_latin();
                let text = out.grow(bytes.len());
                for (to, from) in text.iter_mut().zip(bytes) {
                    *to = table[usize::from(*from)];
                }
                if !self.class.admits(text) {
                    return Err(Fault::BadCharacter);
                }
            }
            Encoding::Bcd => return self.decode_bcd(bytes, units, out),
            Encoding::Hex(hex) => {
                let value = out.grow(bytes.len() / 2);
                for (to, pair) in value.iter_mut().zip(bytes.chunks_exact(2)) {
                    if let &[high, low] = pair {
                        *to = hex.digit(high)? << 4 | hex.digit(low)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn decode_bcd(self, bytes: &[u8], units: usize, out: &mut SecretBytes) -> Result<(), Fault> {
        let (bytes, mut digits) = match (self.class, bytes) {
            (Class::Signed, [sign @ (b'C' | b'D'), rest @ ..]) => {
                out.push(*sign);
                (rest, units.saturating_sub(1))
            }
            (Class::Signed, []) => return Err(Fault::WrongLength),
            (Class::Signed, _) => return Err(Fault::BadCharacter),
            _ => (bytes, units),
        };
        let nibbles = bytes.len().saturating_mul(2);
        if self.counts_bytes && self.indicator.is_some() {
            // Only a nibble that is no digit tells an odd number of digits from an even one.
            let padded = self.pad.nibble > 9 && edge(bytes, self.pad.left) == Some(self.pad.nibble);
            digits = if padded { nibbles.saturating_sub(1) } else { nibbles };
            if digits > usize::from(self.max) {
                return Err(Fault::TooLong);
            }
        }
        let start = out.len();
        let text = out.grow(nibbles);
        let mut highest = 0;
        for (to, &byte) in text.chunks_exact_mut(2).zip(bytes) {
            if let [high, low] = to {
                (*high, *low) = (b'0' + (byte >> 4), b'0' + (byte & 15));
                highest = highest.max(*high).max(*low);
            }
        }
        // An odd number of digits: look at the nibble that fills the byte, and take it away.
        if digits < nibbles {
            let pad = if self.pad.left { text.first() } else { text.last() };
            if pad != Some(&(b'0' + self.pad.nibble)) {
                return Err(Fault::BadPadding);
            }
            if self.pad.left {
                text.copy_within(1.., 0);
            }
            out.truncate(start.saturating_add(digits));
            highest = out.get(start..).unwrap_or_default().iter().copied().max().unwrap_or_default();
        }
        // In `z` each of the sixteen nibbles is a character, from `0` to `?`.
        if highest > b'9' && self.class != Class::Track {
            return Err(Fault::BadCharacter);
        }
        Ok(())
    }

    /// Appends the field, its indicator first, to `out`. A fixed text or number that is too short is filled as its
    /// class says (`n` with zeros in front, text with spaces behind).
    #[inline]
    pub(crate) fn encode(self, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
        let max = usize::from(self.max);
        if value.len() > max {
            return Err(if self.indicator.is_none() { Fault::WrongLength } else { Fault::TooLong });
        }
        if !self.class.admits(value) {
            return Err(Fault::BadCharacter);
        }
        if self.verbatim() && (self.indicator.is_some() || value.len() == max) {
            if let Some(indicator) = self.indicator {
                indicator.write(value.len(), out)?;
            }
            out.extend(value);
            return Ok(());
        }
        self.encode_translated(value, out)
    }

    #[inline(never)]
    fn encode_translated(self, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
        let max = usize::from(self.max);
        match self.indicator {
            None if value.len() < max => self.encode_filled(value, out),
            None => self.encode_value(value, out),
            Some(indicator) => {
                let count = match self.encoding {
                    Encoding::Bcd if self.counts_bytes => self.packed(value.len()),
                    Encoding::Hex(_) if !self.counts_bytes => value.len().saturating_mul(2),
                    _ => value.len(),
                };
                indicator.write(count, out)?;
                self.encode_value(value, out)
            }
        }
    }

    #[cold]
    fn encode_filled(self, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
        let (filler, in_front) = self.class.filler().ok_or(Fault::WrongLength)?;
        let max = usize::from(self.max);
        let mut filled = SecretBytes::with_capacity(max);
        let text = filled.grow(max);
        text.fill(filler);
        let start = if in_front { max.saturating_sub(value.len()) } else { 0 };
        for (to, from) in text.iter_mut().skip(start).zip(value) {
            *to = *from;
        }
        self.encode_value(&filled, out)
    }

    #[inline]
    fn encode_value(self, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
        match self.encoding {
            Encoding::Ascii | Encoding::Binary => out.extend(value),
            Encoding::Ebcdic(page) => {
                let table = page.to_ebcdic();
                for (to, from) in out.grow(value.len()).iter_mut().zip(value) {
                    *to = table[usize::from(*from)];
                }
            }
            Encoding::Bcd => return self.encode_bcd(value, out),
            Encoding::Hex(hex) => {
                let text = out.grow(value.len().saturating_mul(2));
                for (to, &byte) in text.chunks_exact_mut(2).zip(value) {
                    if let [high, low] = to {
                        (*high, *low) = (hex.write(byte >> 4), hex.write(byte & 15));
                    }
                }
            }
        }
        Ok(())
    }

    fn encode_bcd(self, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
        let mut digits = match (self.class, value) {
            (Class::Signed, [sign, digits @ ..]) => {
                out.push(*sign);
                digits
            }
            _ => value,
        };
        let odd = digits.len() % 2 == 1;
        if self.counts_bytes && self.indicator.is_some() {
            if odd && self.pad.nibble <= 9 {
                return Err(Fault::OddDigits);
            }
            // A last character that looks like the padding would be taken for it by the reader.
            let last = if self.pad.left { digits.first() } else { digits.last() };
            if !odd && self.pad.nibble > 9 && last.is_some_and(|c| nibble(*c) == self.pad.nibble) {
                return Err(Fault::BadCharacter);
            }
        }
        if odd
            && self.pad.left
            && let [first, rest @ ..] = digits
        {
            out.push(self.pad.nibble << 4 | nibble(*first));
            digits = rest;
        }
        let packed = out.grow(digits.len().div_ceil(2));
        for (to, pair) in packed.iter_mut().zip(digits.chunks(2)) {
            *to = match pair {
                [high, low] => nibble(*high) << 4 | nibble(*low),
                [high] => nibble(*high) << 4 | self.pad.nibble,
                _ => 0,
            };
        }
        Ok(())
    }
}

/// The nibble where the padding of an odd number of digits would stand.
fn edge(bytes: &[u8], left: bool) -> Option<u8> {
    if left { bytes.first().map(|b| b >> 4) } else { bytes.last().map(|b| b & 15) }
}

/// The nibble of a character of class `n` or `z`; `D` is the track separator, as `=` is.
fn nibble(character: u8) -> u8 {
    if character == b'D' { 0xd } else { character & 15 }
}

impl Hex {
    /// The value of one digit.
    #[inline]
    pub(crate) fn digit(self, byte: u8) -> Result<u8, Fault> {
        let byte = self.page.map_or(byte, |page| page.to_latin()[usize::from(byte)]);
        match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'A'..=b'F' if self.upper => Ok(byte - b'A' + 10),
            b'a'..=b'f' if !self.upper => Ok(byte - b'a' + 10),
            _ => Err(Fault::BadHex),
        }
    }

    /// The digit of one nibble.
    #[inline]
    pub(crate) fn write(self, nibble: u8) -> u8 {
        let digits = if self.upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let digit = digits[usize::from(nibble & 15)];
        self.page.map_or(digit, |page| page.to_ebcdic()[usize::from(digit)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Indicator, Number, Pad};

    fn bcd(class: Class, max: u16, indicator: Option<Indicator>, pad: Pad) -> Wire {
        Wire { class, encoding: Encoding::Bcd, indicator, max, counts_bytes: false, pad }
    }

    fn both_ways(wire: Wire, value: &[u8], expected: &[u8]) {
        let mut out = SecretBytes::default();
        wire.encode(value, &mut out).expect("encodes");
        assert_eq!(&out[..], expected);
        let extent = wire.extent(&out, 0).expect("has an extent");
        assert_eq!(extent.end, out.len());
        let mut back = SecretBytes::default();
        let bytes = out.get(extent.start..extent.end).expect("is inside");
        wire.decode(bytes, extent.units, &mut back).expect("decodes");
        assert_eq!(&back[..], value);
    }

    const LEFT_0: Pad = Pad { left: true, nibble: 0 };
    const RIGHT_F: Pad = Pad { left: false, nibble: 15 };
    const LL: Option<Indicator> = Some(Indicator { number: Number::Bcd, bytes: 1 });

    #[test]
    fn packs_odd_and_even_digits() {
        both_ways(bcd(Class::Numeric, 3, None, LEFT_0), b"643", &[0x06, 0x43]);
        both_ways(bcd(Class::Numeric, 3, None, Pad { left: false, nibble: 0 }), b"643", &[0x64, 0x30]);
        both_ways(bcd(Class::Numeric, 19, LL, LEFT_0), b"12345", &[0x05, 0x01, 0x23, 0x45]);
        both_ways(bcd(Class::Numeric, 19, LL, LEFT_0), b"", &[0x00]);
        both_ways(bcd(Class::Track, 37, LL, RIGHT_F), b"41=29", &[0x05, 0x41, 0xd2, 0x9f]);
        both_ways(bcd(Class::Signed, 9, None, LEFT_0), b"D00000100", &[b'D', 0, 0, 0x01, 0x00]);
    }

    #[test]
    fn tells_odd_from_even_by_the_padding_where_bytes_are_counted() {
        let wire = Wire { counts_bytes: true, ..bcd(Class::Numeric, 19, LL, RIGHT_F) };
        both_ways(wire, b"12345", &[0x03, 0x12, 0x34, 0x5f]);
        both_ways(wire, b"123456", &[0x03, 0x12, 0x34, 0x56]);
        both_ways(
            wire,
            b"1234567890123456789",
            &[0x10, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x9f],
        );
        let plain = Wire { pad: LEFT_0, ..wire };
        assert_eq!(plain.encode(b"123", &mut SecretBytes::default()), Err(Fault::OddDigits));
        let track = Wire { class: Class::Track, ..wire };
        assert_eq!(track.encode(b"12345?", &mut SecretBytes::default()), Err(Fault::BadCharacter));
    }

    #[test]
    fn refuses_foreign_padding_and_letters_in_numbers() {
        let wire = bcd(Class::Numeric, 3, None, LEFT_0);
        let decode = |bytes: &[u8]| wire.decode(bytes, 3, &mut SecretBytes::default());
        assert_eq!(decode(&[0x06, 0x43]), Ok(()));
        assert_eq!(decode(&[0x16, 0x43]), Err(Fault::BadPadding));
        assert_eq!(decode(&[0x06, 0x4a]), Err(Fault::BadCharacter));
    }

    #[test]
    fn writes_hexadecimal_in_the_profiles_case() {
        let hex = |upper| Wire {
            class: Class::Binary,
            encoding: Encoding::Hex(Hex { upper, page: None }),
            indicator: None,
            max: 2,
            counts_bytes: false,
            pad: LEFT_0,
        };
        both_ways(hex(true), &[0xab, 0x01], b"AB01");
        both_ways(hex(false), &[0xab, 0x01], b"ab01");
        assert_eq!(hex(true).decode(b"ab01", 2, &mut SecretBytes::default()), Err(Fault::BadHex));
    }

    #[test]
    fn fills_fixed_fields_as_their_class_says() {
        let fixed =
            |class, max| Wire { class, encoding: Encoding::Ascii, max, ..bcd(class, max, None, LEFT_0) };
        let written = |wire: Wire, value: &[u8]| {
            let mut out = SecretBytes::default();
            wire.encode(value, &mut out).map(|()| out.to_vec())
        };
        assert_eq!(written(fixed(Class::Numeric, 6), b"42"), Ok(b"000042".to_vec()));
        assert_eq!(written(fixed(Class::Printable, 6), b"T1"), Ok(b"T1    ".to_vec()));
        assert_eq!(written(fixed(Class::Signed, 9), b"C1"), Err(Fault::WrongLength));
        assert_eq!(written(fixed(Class::Numeric, 3), b"1234"), Err(Fault::WrongLength));
    }
}
