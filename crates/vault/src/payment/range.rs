//! A range of card numbers.

use std::fmt;
use std::str::FromStr;

use bursar_card_data::Pan;

/// Longest name of a range.
const NAME_MAX: usize = 32;
/// Leading digits of a range: ISO/IEC 7812-1 gives eight, networks still hand out six.
const BIN_LENGTH: std::ops::RangeInclusive<usize> = 6..=8;

/// The name of a BIN range: 1 to 32 of a-z, 0-9 and hyphen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BinRangeId(String);

/// The text is no name of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 32 of a-z, 0-9 and hyphen")]
pub(crate) struct BinRangeIdError;

impl BinRangeId {
    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BinRangeId {
    type Err = BinRangeIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=NAME_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BinRangeIdError) }
    }
}

impl fmt::Display for BinRangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why these are not the shape of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    /// The leading digits are not 6 to 8 digits.
    #[error("must be 6 to 8 digits")]
    Bin,
    /// The length is none a card number has.
    #[error("must be 12 to 19")]
    Length,
}

/// What the numbers of a range look like: how they begin and how long they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeShape {
    bin: String,
    pan_length: usize,
}

impl RangeShape {
    /// Numbers of `pan_length` digits that begin with `bin`.
    ///
    /// # Errors
    /// [`RangeError`] that says which of the two is wrong.
    pub(crate) fn new(bin: &str, pan_length: i64) -> Result<Self, RangeError> {
        if !BIN_LENGTH.contains(&bin.len()) || !bin.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RangeError::Bin);
        }
        let pan_length = usize::try_from(pan_length).map_err(|_| RangeError::Length)?;
        if !Pan::LENGTH.contains(&pan_length) {
            return Err(RangeError::Length);
        }
        Ok(Self { bin: bin.to_owned(), pan_length })
    }

    /// The leading digits.
    pub(crate) fn bin(&self) -> &str {
        &self.bin
    }

    /// Length of the numbers in digits.
    pub(crate) fn pan_length(&self) -> usize {
        self.pan_length
    }

    /// Numbers the range can hold: the digits between BIN and check digit are free.
    pub(crate) fn capacity(&self) -> u64 {
        let free = self.pan_length - self.bin.len() - 1;
        10_u64.pow(u32::try_from(free).expect("at most 12 digits are free: 19 less 6 less 1"))
    }

    /// The number with the account number `account`; `account` is taken modulo the capacity.
    pub(crate) fn number(&self, account: u64) -> Pan {
        Pan::compose(&self.bin, account % self.capacity(), self.pan_length).expect(
            "BIN and length were checked by the constructor, and the account number is below the capacity",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked_and_counted() {
        assert_eq!(RangeShape::new("99000012", 16).unwrap().capacity(), 10_000_000);
        assert_eq!(RangeShape::new("99000012", 12).unwrap().capacity(), 1_000);
        assert_eq!(RangeShape::new("990000", 19).unwrap().capacity(), 1_000_000_000_000);
        for bin in ["", "99000", "990000123", "99000x", "９９００００"] {
            assert_eq!(RangeShape::new(bin, 16), Err(RangeError::Bin), "{bin}");
        }
        for length in [-1, 0, 11, 20, i64::MAX] {
            assert_eq!(RangeShape::new("990000", length), Err(RangeError::Length), "{length}");
        }
        assert_eq!(RangeShape::new("99000012", 12).unwrap().number(1_007).expose(), "990000120073");
    }

    #[test]
    fn names_are_few_plain_characters() {
        assert_eq!("cny-debit-1".parse::<BinRangeId>().unwrap().as_str(), "cny-debit-1");
        for bad in ["", "A", "a_b", "a b", "ä", &"a".repeat(33)] {
            assert_eq!(bad.parse::<BinRangeId>(), Err(BinRangeIdError), "{bad}");
        }
    }
}
