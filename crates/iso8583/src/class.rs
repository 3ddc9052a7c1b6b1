//! Character classes, in the notation of ISO 8583: which characters a field's value may have.

/// The class of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `n`: decimal digits.
    Numeric,
    /// `a`: letters and spaces.
    Alpha,
    /// `an`: letters, digits and spaces.
    Alphanumeric,
    /// `ns`: digits and special characters.
    NumericSpecial,
    /// `as`: letters, spaces and special characters.
    AlphaSpecial,
    /// `ans`: all printable ASCII.
    Printable,
    /// `z`: the code set of tracks 2 and 3 (ISO 7811): digits and `:;<=>?`. `D` is also met as the separator in text.
    Track,
    /// `x+n`: `C` (credit) or `D` (debit), then digits.
    Signed,
    /// `ansb`: any byte; text of whatever kind the partners agreed on.
    Any,
    /// `b`: binary. The value is the bytes themselves.
    Binary,
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The top bit of each byte.
const TOPS: u64 = eight(0x80);

/// The top bit of each byte of `word` that is in `low..=high`. Bytes are ASCII, so that no sum carries into the next.
#[inline]
const fn among(word: u64, low: u8, high: u8) -> u64 {
    (word + eight(0x80 - low)) & !(word + eight(0x7f - high)) & TOPS
}

#[inline]
const fn digits(word: u64) -> u64 {
    among(word, b'0', b'9')
}

#[inline]
const fn letters(word: u64) -> u64 {
    // Setting this bit makes small letters of capitals, and letters of nothing else.
    among(word | eight(0x20), b'a', b'z')
}

#[inline]
const fn spaces(word: u64) -> u64 {
    among(word, b' ', b' ')
}

#[inline]
const fn specials(word: u64) -> u64 {
    among(word, b' ', b'~') & !(digits(word) | letters(word) | spaces(word))
}

/// Digits, `:;<=>?`, and the `D` that is met as the separator.
#[inline]
const fn tracks(word: u64) -> u64 {
    among(word, b'0', b'?') | among(word, b'D', b'D')
}

/// True if `good` marks every byte of `value`: eight at a time, for most of what reading a message costs is this.
#[inline]
fn all(value: &[u8], good: impl Fn(u64) -> u64) -> bool {
    let word = |bytes: &[u8; 8]| {
        let word = u64::from_le_bytes(*bytes);
        // Beyond ASCII nothing is good, and `good` must not see it.
        word & TOPS == 0 && good(word) == TOPS
    };
    if let Some(last) = value.last_chunk::<8>() {
        // The last eight may have been looked at already: cheaper than to look at fewer.
        return value.as_chunks::<8>().0.iter().all(word) && word(last);
    }
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        return word(&[*a, *b, *c, *d, *e, *f, *g, *h]);
    }
    match value {
        [] => true,
        [a] => word(&[*a; 8]),
        [a, b] => word(&[*a, *b, *a, *b, *a, *b, *a, *b]),
        [a, b, c, ..] => word(&[*a, *b, *c, *c, *a, *b, *c, *c]),
    }
}

impl Class {
    /// Reads the letters of the notation, such as `ans`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "n" => Self::Numeric,
            "a" => Self::Alpha,
            "an" | "anp" => Self::Alphanumeric,
            "ns" => Self::NumericSpecial,
            "as" => Self::AlphaSpecial,
            "ans" => Self::Printable,
            "z" => Self::Track,
            "x+n" => Self::Signed,
            "ansb" => Self::Any,
            "b" => Self::Binary,
            _ => return None,
        })
    }

    /// The notation of the class.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "n",
            Self::Alpha => "a",
            Self::Alphanumeric => "an",
            Self::NumericSpecial => "ns",
            Self::AlphaSpecial => "as",
            Self::Printable => "ans",
            Self::Track => "z",
            Self::Signed => "x+n",
            Self::Any => "ansb",
            Self::Binary => "b",
        }
    }

    /// True if `value` has only characters of the class.
    #[inline]
    pub(crate) fn admits(self, value: &[u8]) -> bool {
        match self {
            Self::Numeric => all(value, digits),
            Self::Alpha => all(value, |word| letters(word) | spaces(word)),
            Self::Alphanumeric => all(value, |word| letters(word) | digits(word) | spaces(word)),
            Self::NumericSpecial => all(value, |word| digits(word) | specials(word)),
            Self::AlphaSpecial => all(value, |word| letters(word) | spaces(word) | specials(word)),
            Self::Printable => all(value, |word| among(word, b' ', b'~')),
            Self::Track => all(value, tracks),
            Self::Signed => match value.split_first() {
                Some((sign, digits)) => matches!(sign, b'C' | b'D') && Self::Numeric.admits(digits),
                None => false,
            },
            Self::Any | Self::Binary => true,
        }
    }

    /// The character a fixed field of this class is filled with, and whether in front: `None` if it must be complete.
    pub(crate) const fn filler(self) -> Option<(u8, bool)> {
        match self {
            Self::Numeric => Some((b'0', true)),
            Self::Alpha
            | Self::Alphanumeric
            | Self::AlphaSpecial
            | Self::Printable
            | Self::NumericSpecial
            | Self::Any => Some((b' ', false)),
            Self::Track | Self::Signed | Self::Binary => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_what_the_notation_says() {
        for (class, good, bad) in [
            (Class::Numeric, "0123456789", "12a"),
            (Class::Alpha, "AUD z", "A1"),
            (Class::Alphanumeric, "A1 b", "A-1"),
            (Class::NumericSpecial, "1-2/3", "1A"),
            (Class::AlphaSpecial, "A-b c", "A1"),
            (Class::Printable, " A1-~", "\u{7f}"),
            (Class::Track, "4111=2912?", "4111A"),
            (Class::Track, "4111D2912", "4111E"),
            (Class::Signed, "D00000100", "X00000100"),
            (Class::Signed, "C1", "C1A"),
        ] {
            assert!(class.admits(good.as_bytes()), "{class:?} {good}");
            assert!(!class.admits(bad.as_bytes()), "{class:?} {bad}");
        }
        assert!(!Class::Signed.admits(b""));
        assert!(Class::Any.admits(&[0, 255]) && Class::Binary.admits(&[0, 255]));
    }

    #[test]
    fn names_read_back() {
        for name in ["n", "a", "an", "ns", "as", "ans", "z", "x+n", "ansb", "b"] {
            assert_eq!(Class::parse(name).map(Class::as_str), Some(name));
        }
        assert_eq!(Class::parse("nn"), None);
    }

    /// What the notation says of one character, the slow and obvious way.
    fn allows(class: Class, byte: u8) -> bool {
        let special = byte.is_ascii_punctuation();
        let (digit, letter, space) = (byte.is_ascii_digit(), byte.is_ascii_alphabetic(), byte == b' ');
        match class {
            Class::Numeric => digit,
            Class::Alpha => letter || space,
            Class::Alphanumeric => letter || digit || space,
            Class::NumericSpecial => digit || special,
            Class::AlphaSpecial => letter || space || special,
            Class::Printable => letter || digit || space || special,
            Class::Track => digit || b":;<=>?D".contains(&byte),
            Class::Signed | Class::Any | Class::Binary => true,
        }
    }

    #[test]
    fn every_byte_at_every_place_is_judged_as_it_would_be_alone() {
        for (class, filler) in [
            (Class::Numeric, b'7'),
            (Class::Alpha, b' '),
            (Class::Alphanumeric, b'z'),
            (Class::NumericSpecial, b'~'),
            (Class::AlphaSpecial, b'!'),
            (Class::Printable, b'0'),
            (Class::Track, b'='),
        ] {
            for length in 1..=20 {
                for place in 0..length {
                    for byte in 0..=u8::MAX {
                        let mut value = vec![filler; length];
                        value[place] = byte;
                        let wanted = allows(class, byte);
                        assert_eq!(class.admits(&value), wanted, "{class:?} {byte:#04x} {place} of {length}");
                    }
                }
            }
        }
    }
}
