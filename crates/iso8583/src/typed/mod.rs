//! Fields with a meaning: parsed where they are read, checked where they are set.
//!
//! Each reader answers `Ok(None)` for an absent field and a [`BadValue`] that names the field for one whose characters
//! mean nothing.

mod original;
mod time;

pub use original::{OriginalData, OriginalData93};
pub use time::{Expiry, LocalDate, LocalTime, TransmissionTime};

use std::fmt;

use crate::error::{BadValue, EncodeError, Fault};
use crate::message::Message;

/// The most a field of twelve digits can say, in minor units.
const AMOUNT_MAX: u64 = 999_999_999_999;

/// The processing code (field 3): what is done, from which account, to which account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessingCode {
    /// Digits 1–2: the transaction type, 00 to 99 (00 goods and services, 01 cash, 20 refund, 30 balance inquiry, …).
    pub transaction: u8,
    /// Digits 3–4: the account type debited, 00 to 99.
    pub from: u8,
    /// Digits 5–6: the account type credited, 00 to 99.
    pub to: u8,
}

impl fmt::Display for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.transaction, self.from, self.to)
    }
}

/// The system trace audit number (field 11): 0 to 999 999, given by the sender, unique in its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stan(u32);

impl Stan {
    /// The number, or `None` above 999 999.
    pub const fn new(number: u32) -> Option<Self> {
        if number <= 999_999 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number after it; after 999 999 comes 1, for some partners take 0 for absent.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 == 999_999 { Self(1) } else { Self(self.0 + 1) }
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// The value of decimal digits of which there are `length`; `None` otherwise.
pub(crate) fn digits(text: &[u8], length: usize) -> Option<u64> {
    if text.len() != length {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Two digits at `at`.
pub(crate) fn two(text: &[u8], at: usize) -> Option<u8> {
    digits(text.get(at..at.checked_add(2)?)?, 2).and_then(|n| u8::try_from(n).ok())
}

impl Message {
    /// Reads a field with `parse`.
    fn parsed<T>(
        &self,
        field: u8,
        expected: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, BadValue> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => parse(value).map(Some).ok_or(BadValue { field, expected }),
        }
    }

    fn number<T: TryFrom<u64>>(
        &self,
        field: u8,
        length: usize,
        expected: &'static str,
    ) -> Result<Option<T>, BadValue> {
        self.parsed(field, expected, |value| digits(value, length).and_then(|n| T::try_from(n).ok()))
    }

    /// The card number (field 2), 12 to 19 digits. Wiped with the message: do not copy it into anything that is not.
    ///
    /// # Errors
    /// [`BadValue`] if it is not that.
    pub fn pan(&self) -> Result<Option<&str>, BadValue> {
        let bad = BadValue { field: 2, expected: "a card number of 12 to 19 digits" };
        match self.text(2) {
            None if self.has(2) => Err(bad),
            Some(pan) if !(12..=19).contains(&pan.len()) || !pan.bytes().all(|b| b.is_ascii_digit()) => {
                Err(bad)
            }
            pan => Ok(pan),
        }
    }

    /// The processing code (field 3).
    ///
    /// # Errors
    /// [`BadValue`] if it is not six digits.
    pub fn processing_code(&self) -> Result<Option<ProcessingCode>, BadValue> {
        self.parsed(3, "a processing code of 6 digits", |text| {
            digits(text, 6)?;
            Some(ProcessingCode { transaction: two(text, 0)?, from: two(text, 2)?, to: two(text, 4)? })
        })
    }

    /// Sets the processing code (field 3).
    ///
    /// # Errors
    /// [`Fault::TooLong`] if a part is above 99.
    pub fn set_processing_code(&mut self, code: ProcessingCode) -> Result<(), EncodeError> {
        if [code.transaction, code.from, code.to].iter().any(|part| *part > 99) {
            return Err(EncodeError::field(3, Fault::TooLong));
        }
        self.set(3, code.to_string())
    }

    /// An amount of twelve digits (fields 4, 5 and 6), in minor units of its currency.
    ///
    /// # Errors
    /// [`BadValue`] if it is not twelve digits.
    pub fn amount(&self, field: u8) -> Result<Option<u64>, BadValue> {
        self.number(field, 12, "an amount of 12 digits")
    }

    /// Sets an amount of twelve digits, in minor units of its currency.
    ///
    /// # Errors
    /// [`Fault::TooLong`] if it has more than twelve digits.
    pub fn set_amount(&mut self, field: u8, minor_units: u64) -> Result<(), EncodeError> {
        if minor_units > AMOUNT_MAX {
            return Err(EncodeError::field(field, Fault::TooLong));
        }
        self.set(field, format!("{minor_units:012}"))
    }

    /// The system trace audit number (field 11).
    ///
    /// # Errors
    /// [`BadValue`] if it is not six digits.
    pub fn stan(&self) -> Result<Option<Stan>, BadValue> {
        Ok(self.number(11, 6, "a trace number of 6 digits")?.map(Stan))
    }

    /// Sets the system trace audit number (field 11).
    ///
    /// # Errors
    /// None: a [`Stan`] fits.
    pub fn set_stan(&mut self, stan: Stan) -> Result<(), EncodeError> {
        self.set(11, stan.to_string())
    }

    /// A code of four digits: the merchant category in field 18 (1987) or 26 (1993), for instance.
    ///
    /// # Errors
    /// [`BadValue`] if it is not four digits.
    pub fn code4(&self, field: u8) -> Result<Option<u16>, BadValue> {
        self.number(field, 4, "a code of 4 digits")
    }

    /// The merchant category code (field 18 of the 1987 version), ISO 18245.
    ///
    /// # Errors
    /// [`BadValue`] if it is not four digits.
    pub fn mcc(&self) -> Result<Option<u16>, BadValue> {
        self.code4(18)
    }

    /// A code of three digits: a country (field 19), a currency (49, 50, 51), a network management code (70), ….
    ///
    /// # Errors
    /// [`BadValue`] if it is not three digits.
    pub fn code3(&self, field: u8) -> Result<Option<u16>, BadValue> {
        self.number(field, 3, "a code of 3 digits")
    }

    /// Sets a code of three digits.
    ///
    /// # Errors
    /// [`Fault::TooLong`] above 999.
    pub fn set_code3(&mut self, field: u8, code: u16) -> Result<(), EncodeError> {
        if code > 999 {
            return Err(EncodeError::field(field, Fault::TooLong));
        }
        self.set(field, format!("{code:03}"))
    }

    /// The numeric currency of the transaction (field 49), ISO 4217.
    ///
    /// # Errors
    /// [`BadValue`] if it is not three digits.
    pub fn currency(&self) -> Result<Option<u16>, BadValue> {
        self.code3(49)
    }

    /// The country of the acquirer (field 19), ISO 3166-1 numeric.
    ///
    /// # Errors
    /// [`BadValue`] if it is not three digits.
    pub fn acquirer_country(&self) -> Result<Option<u16>, BadValue> {
        self.code3(19)
    }

    /// The point-of-service entry mode (field 22), as it came: three digits in 1987, twelve characters in 1993.
    pub fn pos_entry_mode(&self) -> Option<&str> {
        self.text(22)
    }

    /// The acquirer's identification (field 32), up to eleven digits.
    pub fn acquirer_id(&self) -> Option<&str> {
        self.text(32)
    }

    /// The retrieval reference number (field 37), twelve characters.
    pub fn rrn(&self) -> Option<&str> {
        self.text(37)
    }

    /// The approval code (field 38), without the spaces that fill it.
    pub fn approval_code(&self) -> Option<&str> {
        self.text(38).map(str::trim_end)
    }

    /// The response code (field 39 in 1987) or action code (1993), as it came.
    pub fn response_code(&self) -> Option<&str> {
        self.text(39)
    }

    /// The terminal (field 41), without the spaces that fill it.
    pub fn terminal_id(&self) -> Option<&str> {
        self.text(41).map(str::trim_end)
    }

    /// The merchant (field 42), without the spaces that fill it.
    pub fn merchant_id(&self) -> Option<&str> {
        self.text(42).map(str::trim_end)
    }

    /// The merchant's name and place (field 43), without the spaces that fill it.
    pub fn merchant_name(&self) -> Option<&str> {
        self.text(43).map(str::trim_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(field: u8, value: &str) -> Message {
        let mut m = Message::new("0100".parse().expect("is an MTI"));
        m.set(field, value).expect("sets");
        m
    }

    #[test]
    fn reads_amounts_and_codes() {
        assert_eq!(with(4, "000000001250").amount(4), Ok(Some(1250)));
        assert_eq!(with(4, "999999999999").amount(4), Ok(Some(AMOUNT_MAX)));
        assert!(with(4, "00000000125").amount(4).is_err());
        assert!(with(4, "00000000125a").amount(4).is_err());
        assert_eq!(with(3, "x").amount(4), Ok(None));
        assert_eq!(with(49, "156").currency(), Ok(Some(156)));
        assert_eq!(with(49, "CNY").currency(), Err(BadValue { field: 49, expected: "a code of 3 digits" }));
        assert_eq!(with(18, "5999").mcc(), Ok(Some(5999)));
        assert_eq!(with(41, "T1      ").terminal_id(), Some("T1"));
    }

    #[test]
    fn reads_what_it_sets() {
        let mut m = with(41, "T1");
        m.set_amount(4, 0).expect("sets");
        assert_eq!(m.amount(4), Ok(Some(0)));
        assert_eq!(m.set_amount(4, AMOUNT_MAX + 1), Err(EncodeError::field(4, Fault::TooLong)));
        let code = ProcessingCode { transaction: 1, from: 20, to: 0 };
        m.set_processing_code(code).expect("sets");
        assert_eq!(m.text(3), Some("012000"));
        assert_eq!(m.processing_code(), Ok(Some(code)));
        assert!(m.set_processing_code(ProcessingCode { transaction: 100, ..code }).is_err());
        m.set_code3(49, 36).expect("sets");
        assert_eq!(m.text(49), Some("036"));
        assert!(m.set_code3(49, 1000).is_err());
    }

    #[test]
    fn trace_numbers_go_round() {
        let mut m = with(41, "T1");
        m.set_stan(Stan::new(42).expect("fits")).expect("sets");
        assert_eq!(m.text(11), Some("000042"));
        assert_eq!(m.stan().map(|s| s.map(Stan::get)), Ok(Some(42)));
        assert_eq!(Stan::new(1_000_000), None);
        assert_eq!(Stan(999_999).next(), Stan(1));
    }

    #[test]
    fn card_numbers_are_digits_of_a_card_numbers_length() {
        assert_eq!(with(2, "4111111111111111").pan(), Ok(Some("4111111111111111")));
        assert_eq!(with(3, "").pan(), Ok(None));
        for bad in ["", "41111111111", "41111111111111111111", "411111111111111x"] {
            assert!(with(2, bad).pan().is_err(), "{bad}");
        }
    }
}
