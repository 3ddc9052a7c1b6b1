//! The month a card ends. Not a secret by itself: it is printed in statements and shown to the merchant.

use std::fmt;

/// First year that two digits can mean: cards live for years, not for centuries.
const CENTURY: i32 = 2000;

/// The text or numbers are no expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an expiry is a month of the years 2000 to 2099, as YYMM")]
pub struct ExpiryError;

/// The last month a card is good for, as ISO 8583 DE14 writes it: `YYMM`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpiryYymm {
    year: u8,
    month: u8,
}

impl ExpiryYymm {
    /// The month `month` (1 to 12) of the four-digit `year`.
    ///
    /// # Errors
    /// [`ExpiryError`] if there is no such month or the year is not one of 2000 to 2099.
    pub fn new(year: i32, month: i32) -> Result<Self, ExpiryError> {
        let year =
            year.checked_sub(CENTURY).and_then(|year| u8::try_from(year).ok()).filter(|year| *year < 100);
        let month = u8::try_from(month).ok().filter(|month| (1..=12).contains(month));
        match (year, month) {
            (Some(year), Some(month)) => Ok(Self { year, month }),
            _ => Err(ExpiryError),
        }
    }

    /// The month in `text`, four digits `YYMM`.
    ///
    /// # Errors
    /// [`ExpiryError`].
    pub fn parse(text: &str) -> Result<Self, ExpiryError> {
        if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ExpiryError);
        }
        let number = |part: &str| part.parse::<i32>().map_err(|_| ExpiryError);
        Self::new(CENTURY + number(&text[..2])?, number(&text[2..])?)
    }

    /// The year, four digits.
    pub fn year(self) -> i32 {
        CENTURY + i32::from(self.year)
    }

    /// The month, 1 to 12.
    pub fn month(self) -> i32 {
        i32::from(self.month)
    }
}

impl fmt::Display for ExpiryYymm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}", self.year, self.month)
    }
}

impl fmt::Debug for ExpiryYymm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_mean_the_same() {
        let expiry = ExpiryYymm::parse("2907").unwrap();
        assert_eq!((expiry.year(), expiry.month()), (2029, 7));
        assert_eq!(ExpiryYymm::new(2029, 7), Ok(expiry));
        assert_eq!(expiry.to_string(), "2907");
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for bad in ["", "2900", "2913", "290", "29071", "29a7", "+297"] {
            assert_eq!(ExpiryYymm::parse(bad), Err(ExpiryError), "{bad}");
        }
        for (year, month) in [(1999, 1), (2100, 1), (i32::MAX, 1), (2029, 0), (2029, -1), (2029, 13)] {
            assert_eq!(ExpiryYymm::new(year, month), Err(ExpiryError), "{year} {month}");
        }
        assert_eq!(ExpiryYymm::new(i32::MIN, 1), Err(ExpiryError));
    }
}
