//! What a reversal says of the message it undoes: field 90 in 1987, field 56 in 1993.

use super::time::TransmissionTime;
use super::{Stan, digits};
use crate::error::{BadValue, EncodeError, Fault};
use crate::message::Message;
use crate::mti::Mti;

/// The original data elements of the 1987 version (field 90, 42 digits).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalData {
    /// The original's type.
    pub mti: Mti,
    /// The original's trace number (field 11).
    pub stan: Stan,
    /// The original's time of transmission (field 7); `None` if it is zeros.
    pub transmission: Option<TransmissionTime>,
    /// The original's acquirer (field 32), without the zeros in front; `None` if it is zeros.
    pub acquirer: Option<u64>,
    /// The original's forwarding institution (field 33), likewise.
    pub forwarder: Option<u64>,
}

/// The original data elements of the 1993 version (field 56, up to 35 digits).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalData93 {
    /// The original's type.
    pub mti: Mti,
    /// The original's trace number (field 11).
    pub stan: Stan,
    /// The original's local date and time (field 12, `YYMMDDhhmmss`), twelve digits.
    pub local: [u8; 12],
    /// The original's acquirer (field 32), up to eleven digits.
    pub acquirer: String,
}

/// An institution is identified by this many digits at most.
const INSTITUTION_DIGITS: usize = 11;

/// The most eleven digits can say.
const INSTITUTION_MAX: u64 = 99_999_999_999;

fn head(text: &[u8]) -> Option<(Mti, Stan, &[u8])> {
    let (mti, rest) = text.split_first_chunk::<4>()?;
    let (stan, rest) = rest.split_at_checked(6)?;
    let stan = u32::try_from(digits(stan, 6)?).ok().and_then(Stan::new)?;
    Some((Mti::from_digits(*mti)?, stan, rest))
}

impl OriginalData {
    fn parse(text: &[u8]) -> Option<Self> {
        let (mti, stan, rest) = head(text)?;
        let (time, rest) = rest.split_at_checked(10)?;
        let (acquirer, forwarder) = rest.split_at_checked(INSTITUTION_DIGITS)?;
        let institution = |text| digits(text, INSTITUTION_DIGITS).map(|id| Some(id).filter(|id| *id != 0));
        let transmission = match digits(time, 10)? {
            0 => None,
            _ => Some(TransmissionTime::parse(time)?),
        };
        Some(Self {
            mti,
            stan,
            transmission,
            acquirer: institution(acquirer)?,
            forwarder: institution(forwarder)?,
        })
    }

    /// What a reversal says of `original`: taken from its fields 7, 11, 32 and 33.
    ///
    /// # Errors
    /// [`BadValue`] for the field that is missing or wrong.
    pub fn of(original: &Message) -> Result<Self, BadValue> {
        let institution = |field| {
            let expected = "an institution of 1 to 11 digits";
            original.parsed(field, expected, |text| {
                digits(text, text.len()).filter(|_| (1..=INSTITUTION_DIGITS).contains(&text.len()))
            })
        };
        Ok(Self {
            mti: original.mti().without_repeat(),
            stan: original.stan()?.ok_or(BadValue { field: 11, expected: "a trace number of 6 digits" })?,
            transmission: original.transmission_time()?,
            acquirer: institution(32)?.filter(|id| *id != 0),
            forwarder: institution(33)?.filter(|id| *id != 0),
        })
    }
}

impl Message {
    /// The original data elements of the 1987 version (field 90).
    ///
    /// # Errors
    /// [`BadValue`] if they are not 42 digits of their meaning.
    pub fn original_data(&self) -> Result<Option<OriginalData>, BadValue> {
        self.parsed(90, "original data elements of 42 digits", OriginalData::parse)
    }

    /// Sets the original data elements of the 1987 version (field 90).
    ///
    /// # Errors
    /// [`Fault::TooLong`] if an institution has more than eleven digits, [`Fault::BadCharacter`] if there is no such time.
    pub fn set_original_data(&mut self, original: &OriginalData) -> Result<(), EncodeError> {
        let institutions = [original.acquirer, original.forwarder].map(Option::unwrap_or_default);
        if institutions.iter().any(|id| *id > INSTITUTION_MAX) {
            return Err(EncodeError::field(90, Fault::TooLong));
        }
        if original.transmission.is_some_and(|time| !time.valid()) {
            return Err(EncodeError::field(90, Fault::BadCharacter));
        }
        let time = original.transmission.map_or_else(|| "0".repeat(10), |time| time.to_string());
        let [acquirer, forwarder] = institutions;
        self.set(90, format!("{}{}{time}{acquirer:011}{forwarder:011}", original.mti, original.stan))
    }

    /// The original data elements of the 1993 version (field 56).
    ///
    /// # Errors
    /// [`BadValue`] if they are not digits of their meaning.
    pub fn original_data_93(&self) -> Result<Option<OriginalData93>, BadValue> {
        self.parsed(56, "original data elements of up to 35 digits", |text| {
            let (mti, stan, rest) = head(text)?;
            let (local, rest) = rest.split_first_chunk::<12>()?;
            digits(local, 12)?;
            let acquirer = match rest.split_at_checked(2) {
                None if rest.is_empty() => "",
                None => return None,
                Some((length, id)) => {
                    let length = usize::try_from(digits(length, 2)?).ok()?;
                    digits(id, length).filter(|_| length <= INSTITUTION_DIGITS)?;
                    std::str::from_utf8(id).ok()?
                }
            };
            Some(OriginalData93 { mti, stan, local: *local, acquirer: acquirer.to_owned() })
        })
    }

    /// Sets the original data elements of the 1993 version (field 56).
    ///
    /// # Errors
    /// [`Fault::TooLong`] if the acquirer has more than eleven digits, [`Fault::BadCharacter`] if something is no digit.
    pub fn set_original_data_93(&mut self, original: &OriginalData93) -> Result<(), EncodeError> {
        let acquirer = original.acquirer.as_str();
        if acquirer.len() > INSTITUTION_DIGITS {
            return Err(EncodeError::field(56, Fault::TooLong));
        }
        let local = std::str::from_utf8(&original.local)
            .ok()
            .filter(|local| local.bytes().chain(acquirer.bytes()).all(|b| b.is_ascii_digit()))
            .ok_or(EncodeError::field(56, Fault::BadCharacter))?;
        self.set(56, format!("{}{}{local}{:02}{acquirer}", original.mti, original.stan, acquirer.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mti: &str) -> Message {
        Message::new(mti.parse().expect("is an MTI"))
    }

    #[test]
    fn a_reversal_names_its_original() {
        let mut original = message("0101");
        for (field, value) in [(7, "0604123456"), (11, "000042"), (32, "12345")] {
            original.set(field, value).expect("sets");
        }
        let data = OriginalData::of(&original).expect("has the fields");
        let mut reversal = message("0400");
        reversal.set_original_data(&data).expect("sets");
        assert_eq!(reversal.text(90), Some("010000004206041234560000001234500000000000"));
        assert_eq!(reversal.original_data(), Ok(Some(data.clone())));
        assert_eq!((data.acquirer, data.forwarder), (Some(12345), None));
        original.remove(11);
        assert_eq!(OriginalData::of(&original).map_err(|e| e.field), Err(11));
    }

    #[test]
    fn zeros_are_nothing_and_nonsense_is_refused() {
        let mut m = message("0420");
        m.set(90, format!("0200000001{}", "0".repeat(32))).expect("sets");
        let data = m.original_data().expect("is well formed").expect("is there");
        assert_eq!((data.transmission, data.acquirer), (None, None));
        for bad in ["", "0200", &format!("0200000001{}{}", "1331000000", "0".repeat(22)), &"0".repeat(43)] {
            m.set(90, bad).expect("sets");
            assert!(m.original_data().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_1993_form_reads_what_it_sets() {
        let data = OriginalData93 {
            mti: "1200".parse().expect("is an MTI"),
            stan: Stan::new(7).expect("fits"),
            local: *b"261231235958",
            acquirer: "10031".to_owned(),
        };
        let mut m = message("1420");
        m.set_original_data_93(&data).expect("sets");
        assert_eq!(m.text(56), Some("12000000072612312359580510031"));
        assert_eq!(m.original_data_93(), Ok(Some(data)));
        for bad in ["1200000007261231235958051003", "12000000072612312359581", "1200000007"] {
            m.set(56, bad).expect("sets");
            assert!(m.original_data_93().is_err(), "{bad}");
        }
    }
}
