//! Primary account numbers (ISO/IEC 7812-1).

use std::fmt;
use std::ops::RangeInclusive;

use crate::digits::{Digits, secret_digits};

/// Longest number the standard knows.
const LENGTH_MAX: usize = 19;
/// Leading digits that may be shown (PCI DSS 3.4.1: the BIN and the last four).
const SHOWN_FIRST: usize = 6;
/// Trailing digits that may be shown.
const SHOWN_LAST: usize = 4;

/// Why a text is no card number. Never says which digits were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanError {
    /// Too short, too long, or something else than digits.
    #[error("a card number has 12 to 19 digits")]
    Malformed,
    /// The last digit does not check.
    #[error("the check digit of the card number is wrong")]
    CheckDigit,
}

/// A primary account number: 12 to 19 digits, the last of which is their Luhn digit.
pub struct Pan(Digits<LENGTH_MAX>);

secret_digits!(Pan);

impl Pan {
    /// Lengths a number can have, in digits.
    pub const LENGTH: RangeInclusive<usize> = 12..=LENGTH_MAX;

    /// The number in `text`, which stays the caller's to wipe.
    ///
    /// # Errors
    /// [`PanError`].
    pub fn parse(text: &str) -> Result<Self, PanError> {
        if !Self::LENGTH.contains(&text.len()) {
            return Err(PanError::Malformed);
        }
        let digits = Digits::copy_of(text.as_bytes()).ok_or(PanError::Malformed)?;
        if luhn_holds(digits.as_bytes()) { Ok(Self(digits)) } else { Err(PanError::CheckDigit) }
    }

    /// The number of `length` digits that begins with `bin`, goes on with `account` (zeroes before it) and ends with
    /// its check digit; `None` if these do not make a number of that length.
    pub fn compose(bin: &str, account: u64, length: usize) -> Option<Self> {
        let width = length.checked_sub(bin.len())?.checked_sub(1).filter(|width| *width > 0)?;
        let room = 10_u64.checked_pow(u32::try_from(width).ok()?)?;
        if !Self::LENGTH.contains(&length) || account >= room || !bin.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut text = zeroize::Zeroizing::new([0_u8; LENGTH_MAX]);
        text[..bin.len()].copy_from_slice(bin.as_bytes());
        let mut rest = account;
        for slot in text[bin.len()..length - 1].iter_mut().rev() {
            // A remainder of ten fits a byte.
            *slot = b'0' + u8::try_from(rest % 10).ok()?;
            rest /= 10;
        }
        text[length - 1] = luhn_check_digit(&text[..length - 1]);
        Digits::copy_of(&text[..length]).map(Self)
    }

    /// The number itself. Hand it on to what must have it; never print or store it.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// What everyone may see of it.
    pub fn masked(&self) -> MaskedPan {
        let digits = self.0.as_bytes();
        let mut shown = [b'*'; LENGTH_MAX];
        shown[..SHOWN_FIRST].copy_from_slice(&digits[..SHOWN_FIRST]);
        let tail = digits.len() - SHOWN_LAST;
        shown[tail..digits.len()].copy_from_slice(&digits[tail..]);
        MaskedPan { shown, length: digits.len() }
    }
}

/// The first six and last four digits of a number, the rest masked: `990000******1234`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskedPan {
    shown: [u8; LENGTH_MAX],
    length: usize,
}

impl MaskedPan {
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.shown[..self.length]).expect("digits and asterisks are ASCII")
    }
}

impl fmt::Display for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Luhn's sum of `digits` where every second digit, counted from the right and beginning with `doubled_first`, counts
/// twice (ISO/IEC 7812-1, annex B).
fn luhn_sum(digits: &[u8], doubled_first: bool) -> u32 {
    digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            let doubled = (place % 2 == 0) == doubled_first;
            // The digits of a doubled digit are added up: 14 counts 1 + 4, which is 14 - 9.
            if doubled { if value < 5 { value * 2 } else { value * 2 - 9 } } else { value }
        })
        .sum()
}

/// The check digit, in ASCII, that follows these ASCII digits.
pub fn luhn_check_digit(digits: &[u8]) -> u8 {
    let digit = (10 - luhn_sum(digits, true) % 10) % 10;
    b'0' + u8::try_from(digit).expect("a remainder of ten fits a byte")
}

/// Whether the last of these ASCII digits is the check digit of those before it.
pub fn luhn_holds(digits: &[u8]) -> bool {
    luhn_sum(digits, false).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digits::assert_lacks;

    assert_lacks!(Pan: Clone, fmt::Display, ToString);

    #[test]
    fn numbers_that_hold_and_numbers_that_do_not() {
        // Test numbers the card schemes publish.
        for good in ["4111111111111111", "5555555555554444", "378282246310005", "6200000000000005"] {
            assert_eq!(Pan::parse(good).unwrap().expose(), good);
        }
        assert_eq!(Pan::parse("4111111111111112"), Err(PanError::CheckDigit));
        for bad in ["", "41111111111", "41111111111111111111", "4111 1111 1111 1111", "411111111111111a"] {
            assert_eq!(Pan::parse(bad), Err(PanError::Malformed), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let pan = Pan::parse("4111111111111111").unwrap();
        assert_eq!(format!("{pan:?}"), "Pan(<hidden>)");
        assert_eq!(pan.masked().to_string(), "411111******1111");
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        assert!(Pan::compose("990000", 1_000_000_000, 16).is_none(), "one more than nine digits");
        assert!(Pan::compose("990000", 0, 11).is_none());
        assert!(Pan::compose("990000", 0, 20).is_none());
        assert!(Pan::compose("99000x", 0, 16).is_none());
        assert!(Pan::compose("990000990000", 0, 13).is_none(), "no digit for the account");
    }

    proptest! {
        #[test]
        fn a_composed_number_holds_and_shows_ten_digits(account in 0_u64..1_000, length in 12_usize..=19) {
            let pan = Pan::compose("99000012", account, length).unwrap();
            prop_assert_eq!(pan.expose().len(), length);
            prop_assert!(luhn_holds(pan.expose().as_bytes()));
            prop_assert_eq!(&Pan::parse(pan.expose()).unwrap(), &pan);
            let masked = pan.masked().to_string();
            prop_assert_eq!(masked.len(), length);
            prop_assert_eq!(masked.bytes().filter(u8::is_ascii_digit).count(), 10);
            prop_assert_eq!(&masked[..6], &pan.expose()[..6]);
            prop_assert_eq!(&masked[length - 4..], &pan.expose()[length - 4..]);
        }

        #[test]
        fn one_wrong_digit_never_holds(account in 0_u64..1_000_000_000, place in 0_usize..16, by in 1_u8..10) {
            let pan = Pan::compose("990000", account, 16).unwrap();
            let mut digits = pan.expose().as_bytes().to_vec();
            digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
            prop_assert!(!luhn_holds(&digits));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in ".{0,24}") {
            let _ = Pan::parse(&text);
        }
    }
}
