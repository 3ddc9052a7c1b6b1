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

const DIGIT: u8 = 1;
const LETTER: u8 = 1 << 1;
const SPACE: u8 = 1 << 2;
const SPECIAL: u8 = 1 << 3;
const TRACK: u8 = 1 << 4;

/// What each byte is, so that checking a value costs one look-up a byte.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        let as_u8 = byte as u8;
        kinds[byte] = if as_u8.is_ascii_digit() {
            DIGIT
        } else if as_u8.is_ascii_alphabetic() {
            LETTER
        } else if as_u8 == b' ' {
            SPACE
        } else {
            SPECIAL
        };
        if byte >= 0x3a && byte <= 0x3f || as_u8 == b'D' {
            kinds[byte] |= TRACK;
        }
        byte += 1;
    }
    kinds
};

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
            // Folding without an early exit lets the compiler compare many bytes at once.
            Self::Numeric => value.iter().fold(true, |ok, b| ok & b.is_ascii_digit()),
            Self::Alpha => all(value, LETTER | SPACE),
            Self::Alphanumeric => all(value, LETTER | DIGIT | SPACE),
            Self::NumericSpecial => all(value, DIGIT | SPECIAL),
            Self::AlphaSpecial => all(value, LETTER | SPACE | SPECIAL),
            Self::Printable => value.iter().fold(true, |ok, b| ok & (0x20..0x7f).contains(b)),
            Self::Track => all(value, DIGIT | TRACK),
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

#[inline]
fn all(value: &[u8], kinds: u8) -> bool {
    value.iter().fold(true, |ok, &b| ok & (KINDS[usize::from(b)] & kinds != 0))
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
}
