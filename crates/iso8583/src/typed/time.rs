//! Dates and times as ISO 8583 writes them: without a year, in most places.

use std::fmt;

use super::{digits, two};
use crate::error::{BadValue, EncodeError, Fault};
use crate::message::Message;

/// The time of transmission (field 7, `MMDDhhmmss`), in UTC. It has no year: the receiver takes the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransmissionTime {
    /// 1 to 12.
    pub month: u8,
    /// 1 to the month's last (29 in February, for the year is unknown).
    pub day: u8,
    /// The time of day.
    pub time: LocalTime,
}

/// A time of day (field 12 in 1987, `hhmmss`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTime {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// A date. In 1987 (field 13, `MMDD`) it has no year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalDate {
    /// The last two digits of the year, where the field has them.
    pub year: Option<u8>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the month's last.
    pub day: u8,
}

/// The card's expiry (field 14, `YYMM`): the card is good to the end of that month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expiry {
    /// The last two digits of the year.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
}

/// The last day of a month; of February in a leap year unless the two digits of the year say otherwise.
fn last_day(year: Option<u8>, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        // Two digits of a year: 2000 was, and 2100 will not be, a leap year; cards do not last so long.
        2 if year.is_some_and(|year| year % 4 != 0) => 28,
        2 => 29,
        _ => 31,
    }
}

impl LocalTime {
    fn valid(self) -> bool {
        self.hour < 24 && self.minute < 60 && self.second < 60
    }

    fn parse(text: &[u8]) -> Option<Self> {
        digits(text, 6)?;
        Some(Self { hour: two(text, 0)?, minute: two(text, 2)?, second: two(text, 4)? }).filter(|t| t.valid())
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.hour, self.minute, self.second)
    }
}

impl LocalDate {
    fn valid(self) -> bool {
        (1..=12).contains(&self.month)
            && (1..=last_day(self.year, self.month)).contains(&self.day)
            && self.year.is_none_or(|year| year < 100)
    }

    /// `MMDD`.
    fn parse4(text: &[u8]) -> Option<Self> {
        digits(text, 4)?;
        Some(Self { year: None, month: two(text, 0)?, day: two(text, 2)? }).filter(|d| d.valid())
    }

    /// `YYMMDD`.
    fn parse6(text: &[u8]) -> Option<Self> {
        digits(text, 6)?;
        Some(Self { year: two(text, 0), month: two(text, 2)?, day: two(text, 4)? }).filter(|d| d.valid())
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(year) = self.year {
            write!(f, "{year:02}")?;
        }
        write!(f, "{:02}{:02}", self.month, self.day)
    }
}

impl TransmissionTime {
    fn date(self) -> LocalDate {
        LocalDate { year: None, month: self.month, day: self.day }
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (date, time) = text.split_at_checked(4)?;
        let LocalDate { month, day, .. } = LocalDate::parse4(date)?;
        Some(Self { month, day, time: LocalTime::parse(time)? })
    }

    pub(super) fn valid(self) -> bool {
        self.date().valid() && self.time.valid()
    }
}

impl fmt::Display for TransmissionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.date(), self.time)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}", self.year, self.month)
    }
}

/// Sets a field to what was checked already.
fn set_valid(message: &mut Message, field: u8, valid: bool, text: &str) -> Result<(), EncodeError> {
    if !valid {
        return Err(EncodeError::field(field, Fault::BadCharacter));
    }
    message.set(field, text)
}

impl Message {
    /// The time of transmission (field 7).
    ///
    /// # Errors
    /// [`BadValue`] if it is no `MMDDhhmmss`.
    pub fn transmission_time(&self) -> Result<Option<TransmissionTime>, BadValue> {
        self.parsed(7, "a time MMDDhhmmss", TransmissionTime::parse)
    }

    /// Sets the time of transmission (field 7).
    ///
    /// # Errors
    /// [`Fault::BadCharacter`] if there is no such time.
    pub fn set_transmission_time(&mut self, time: TransmissionTime) -> Result<(), EncodeError> {
        set_valid(self, 7, time.valid(), &time.to_string())
    }

    /// The local time (field 12: `hhmmss` in 1987, the end of `YYMMDDhhmmss` in 1993).
    ///
    /// # Errors
    /// [`BadValue`] if it is neither.
    pub fn local_time(&self) -> Result<Option<LocalTime>, BadValue> {
        self.parsed(12, "a time hhmmss or YYMMDDhhmmss", |text| match text.len() {
            12 => LocalDate::parse6(text.get(..6)?).and(LocalTime::parse(text.get(6..)?)),
            _ => LocalTime::parse(text),
        })
    }

    /// Sets the local time (field 12 in 1987).
    ///
    /// # Errors
    /// [`Fault::BadCharacter`] if there is no such time.
    pub fn set_local_time(&mut self, time: LocalTime) -> Result<(), EncodeError> {
        set_valid(self, 12, time.valid(), &time.to_string())
    }

    /// The local date: field 13 `MMDD` in 1987, the beginning of field 12 `YYMMDDhhmmss` in 1993.
    ///
    /// # Errors
    /// [`BadValue`] if it is neither.
    pub fn local_date(&self) -> Result<Option<LocalDate>, BadValue> {
        if self.get(12).is_some_and(|text| text.len() == 12) {
            return self.parsed(12, "a time YYMMDDhhmmss", |text| LocalDate::parse6(text.get(..6)?));
        }
        self.parsed(13, "a date MMDD", LocalDate::parse4)
    }

    /// Sets the local date (field 13 in 1987). The year is left out.
    ///
    /// # Errors
    /// [`Fault::BadCharacter`] if there is no such day.
    pub fn set_local_date(&mut self, date: LocalDate) -> Result<(), EncodeError> {
        let valid = date.valid();
        set_valid(self, 13, valid, &LocalDate { year: None, ..date }.to_string())
    }

    /// Sets local date and time (field 12 in 1993, `YYMMDDhhmmss`).
    ///
    /// # Errors
    /// [`Fault::BadCharacter`] if there is no such time, or no year.
    pub fn set_local_date_time(&mut self, date: LocalDate, time: LocalTime) -> Result<(), EncodeError> {
        set_valid(self, 12, date.valid() && date.year.is_some() && time.valid(), &format!("{date}{time}"))
    }

    /// The card's expiry (field 14).
    ///
    /// # Errors
    /// [`BadValue`] if it is no `YYMM`.
    pub fn expiry(&self) -> Result<Option<Expiry>, BadValue> {
        self.parsed(14, "a date YYMM", |text| {
            digits(text, 4)?;
            Some(Expiry { year: two(text, 0)?, month: two(text, 2)? }).filter(|e| (1..=12).contains(&e.month))
        })
    }

    /// Sets the card's expiry (field 14).
    ///
    /// # Errors
    /// [`Fault::BadCharacter`] if there is no such month.
    pub fn set_expiry(&mut self, expiry: Expiry) -> Result<(), EncodeError> {
        set_valid(self, 14, expiry.year < 100 && (1..=12).contains(&expiry.month), &expiry.to_string())
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
    fn reads_what_it_sets() {
        let mut m = with(3, "");
        let time = LocalTime { hour: 23, minute: 59, second: 58 };
        let sent = TransmissionTime { month: 2, day: 29, time };
        let date = LocalDate { year: Some(26), month: 12, day: 31 };
        let expiry = Expiry { year: 29, month: 12 };
        m.set_transmission_time(sent).expect("sets");
        m.set_local_time(time).expect("sets");
        m.set_local_date(date).expect("sets");
        m.set_expiry(expiry).expect("sets");
        let texts = [7, 12, 13, 14].map(|field| m.text(field).map(str::to_owned));
        assert_eq!(texts, ["0229235958", "235958", "1231", "2912"].map(|t| Some(t.to_owned())));
        assert_eq!(m.transmission_time(), Ok(Some(sent)));
        assert_eq!(m.local_time(), Ok(Some(time)));
        assert_eq!(m.local_date(), Ok(Some(LocalDate { year: None, ..date })));
        assert_eq!(m.expiry(), Ok(Some(expiry)));
        m.set_local_date_time(date, time).expect("sets");
        assert_eq!(m.text(12), Some("261231235958"));
        assert_eq!((m.local_date(), m.local_time()), (Ok(Some(date)), Ok(Some(time))));
    }

    #[test]
    fn refuses_days_that_are_not() {
        for bad in
            ["0230000000", "1301000000", "0001000000", "0100000000", "0101240000", "0101006000", "010100"]
        {
            assert!(with(7, bad).transmission_time().is_err(), "{bad}");
        }
        assert!(with(12, "270229120000").local_date().is_err());
        assert!(with(12, "280229120000").local_date().is_ok());
        assert!(with(14, "2913").expiry().is_err());
        assert!(with(14, "2900").expiry().is_err());
        let mut m = with(3, "");
        assert!(m.set_expiry(Expiry { year: 29, month: 13 }).is_err());
        assert!(m.set_local_time(LocalTime { hour: 24, minute: 0, second: 0 }).is_err());
    }
}
