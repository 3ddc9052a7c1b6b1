//! What people and logs may see of a value.

use std::fmt;

/// How a value is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mask {
    /// As it is.
    #[default]
    Clear,
    /// A card number: the first six and the last four digits (PCI DSS 3.4.1).
    Pan,
    /// An account number: the last four characters.
    Tail,
    /// Track data: the card number as [`Mask::Pan`], nothing of the rest.
    Track,
    /// Asterisks, as many as there are characters.
    All,
    /// The length only.
    Size,
}

/// Below this many digits the first six and last four are too much of a card number (ISO/IEC 7812-1: 12 at least,
/// networks issue 13 to 19).
const PAN_MIN: usize = 13;

/// No value is shown longer than this many characters: a log line is not the place for more.
const SHOWN_MAX: usize = 160;

impl Mask {
    /// How `field` is shown unless a profile says otherwise. What may carry a secret is shown as a length.
    pub const fn standard(field: u8) -> Self {
        match field {
            2 | 34 => Self::Pan,
            35 | 36 | 45 => Self::Track,
            // Expiry, PIN data, security control information, message security code or key data.
            14 | 52 | 53 | 96 => Self::All,
            102 | 103 => Self::Tail,
            46..=48 | 55..=63 | 72 | 104..=127 | 129..=u8::MAX => Self::Size,
            _ => Self::Clear,
        }
    }

    /// Reads the name used in profiles.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "clear" => Self::Clear,
            "pan" => Self::Pan,
            "tail" => Self::Tail,
            "track" => Self::Track,
            "all" => Self::All,
            "size" => Self::Size,
            _ => return None,
        })
    }
}

/// A value as it may be shown.
pub(crate) struct Masked<'a> {
    value: &'a [u8],
    mask: Mask,
}

impl<'a> Masked<'a> {
    pub(crate) fn new(value: &'a [u8], mask: Mask) -> Self {
        Self { value, mask }
    }

    fn pan(&self, f: &mut fmt::Formatter<'_>, digits: &[u8]) -> fmt::Result {
        let known = digits.len() >= PAN_MIN && digits.iter().all(u8::is_ascii_digit);
        for (at, digit) in digits.iter().enumerate() {
            let open = known && (at < 6 || at + 4 >= digits.len());
            fmt::Write::write_char(f, if open { char::from(*digit) } else { '*' })?;
        }
        Ok(())
    }

    fn track(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Track 1 begins with a format letter; the card number ends at the first separator (ISO/IEC 7813).
        let (head, rest) = match self.value {
            [letter, rest @ ..] if letter.is_ascii_uppercase() => (Some(*letter), rest),
            rest => (None, rest),
        };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (pan, rest) = rest.split_at_checked(digits).unwrap_or((rest, &[]));
        if let Some(letter) = head {
            fmt::Write::write_char(f, char::from(letter))?;
        }
        if pan.len() > MAX_PAN {
            // No separator: these digits are not a card number alone.
            return write_stars(f, self.value.len());
        }
        self.pan(f, pan)?;
        write_stars(f, rest.len())
    }
}

/// The longest card number (ISO/IEC 7812-1).
const MAX_PAN: usize = 19;

fn write_stars(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    for _ in 0..count.min(SHOWN_MAX) {
        f.write_str("*")?;
    }
    Ok(())
}

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.mask {
            Mask::Clear => clear(f, value),
            Mask::Pan => self.pan(f, value),
            Mask::Tail => {
                let open = if value.len() >= 8 { 4 } else { 0 };
                let (hidden, tail) = value.split_at_checked(value.len() - open).unwrap_or((value, &[]));
                write_stars(f, hidden.len())?;
                clear(f, tail)
            }
            Mask::Track => self.track(f),
            Mask::All => write_stars(f, value.len()),
            Mask::Size => write!(f, "[{} bytes]", value.len()),
        }
    }
}

/// Printable ASCII as it is; anything else as hexadecimal, so that no log line is broken by what a peer sends.
fn clear(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    let shown = value.get(..SHOWN_MAX).unwrap_or(value);
    if value.iter().all(|b| (0x20..0x7f).contains(b)) {
        for byte in shown {
            fmt::Write::write_char(f, char::from(*byte))?;
        }
    } else {
        f.write_str("0x")?;
        for byte in shown {
            write!(f, "{byte:02X}")?;
        }
    }
    if shown.len() < value.len() {
        write!(f, "… [{} bytes]", value.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_it_may() {
        for (mask, value, shown) in [
            (Mask::Clear, "000123", "000123"),
            (Mask::Clear, "a\nb", "0x610A62"),
            (Mask::Pan, "4111111111111111", "411111******1111"),
            (Mask::Pan, "4111111111111111111", "411111*********1111"),
            (Mask::Pan, "411111111111", "************"),
            (Mask::Pan, "41111111111111x1", "****************"),
            (Mask::Track, "4111111111111111=2912101", "411111******1111********"),
            (Mask::Track, "4111111111111111D2912101", "411111******1111********"),
            (Mask::Track, "B4111111111111111^DOE", "B411111******1111****"),
            (Mask::Tail, "12345678901", "*******8901"),
            (Mask::Tail, "1234", "****"),
            (Mask::All, "123", "***"),
            (Mask::Size, "123", "[3 bytes]"),
        ] {
            assert_eq!(Masked::new(value.as_bytes(), mask).to_string(), shown, "{mask:?}");
        }
        let no_separator = "1".repeat(37);
        assert!(!Masked::new(no_separator.as_bytes(), Mask::Track).to_string().contains('1'));
    }

    #[test]
    fn long_values_are_cut() {
        let shown = Masked::new(&[b'x'; 999], Mask::Clear).to_string();
        assert!(shown.ends_with("… [999 bytes]") && shown.len() < 200);
    }
}
