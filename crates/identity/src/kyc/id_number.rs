//! The Chinese resident identity number (GB 11643-1999): six digits of region, eight of birth date, three of
//! sequence (odd: male, even: female), and a check character by ISO 7064 MOD 11-2.

use std::fmt;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::ZeroizeOnDrop;

/// Characters of a number.
const LENGTH: usize = 18;

/// Characters of the form that was issued before 1999 and is not valid since 2013.
const OLD_FORM_LENGTH: usize = 15;

/// Longest text that is looked at, in bytes: 18 full-width characters and some blanks.
const INPUT_BYTES_MAX: usize = 80;

/// Weights of the first 17 digits (GB 11643-1999, 6.1).
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// Check characters by the weighted sum modulo 11 (GB 11643-1999, 6.2).
const CHECK_CHARACTERS: &[u8; 11] = b"10X98765432";

/// First two digits of the region: provinces after GB/T 2260, and 81 to 83 for the residence permits of people
/// from Hong Kong, Macao and Taiwan.
const PROVINCES: [u8; 35] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54,
    61, 62, 63, 64, 65, 71, 81, 82, 83,
];

/// The oldest year of birth a living applicant can have.
const BIRTH_YEAR_MIN: i16 = 1900;

/// What does not hold together in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdNumberError {
    /// It is the 15-digit form.
    #[error("the 15-digit form is not valid any more: give the 18 characters of the current card")]
    OldForm,
    /// It has another number of characters.
    #[error("must have 18 characters")]
    Length,
    /// Something else than 17 digits and a digit or X.
    #[error("must be 17 digits followed by a digit or X")]
    Characters,
    /// No such province or prefecture.
    #[error("its first six digits are no region")]
    Region,
    /// Its date does not exist or lies outside the years possible.
    #[error("its digits 7 to 14 are no possible birth date")]
    BirthDate,
    /// The check character is another.
    #[error("its check character does not fit: look for a mistyped digit")]
    Checksum,
    /// The stated birth date is another one.
    #[error("its birth date is not the stated one")]
    BirthDateDiffers,
}

impl IdNumberError {
    /// Stable text for callers that tell people in their own words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OldForm => "old_form",
            Self::Length => "length",
            Self::Characters => "characters",
            Self::Region => "region",
            Self::BirthDate => "birth_date",
            Self::Checksum => "checksum",
            Self::BirthDateDiffers => "birth_date_differs",
        }
    }
}

/// Sex as the sequence digit tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Odd.
    Male,
    /// Even.
    Female,
}

/// A number that holds together. Its `Debug` is masked.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct IdNumber {
    text: String,
    #[zeroize(skip)]
    birth_date: Date,
}

impl IdNumber {
    /// The number in `input`; full-width digits and a small x are taken as what they mean.
    ///
    /// # Errors
    /// [`IdNumberError`] with the first thing that does not hold, from coarse to fine.
    pub fn parse(input: &str) -> Result<Self, IdNumberError> {
        if input.len() > INPUT_BYTES_MAX {
            return Err(IdNumberError::Length);
        }
        let text: String = input.trim().nfkc().map(|c| c.to_ascii_uppercase()).collect();
        let bytes = text.as_bytes();
        if bytes.len() == OLD_FORM_LENGTH && bytes.iter().all(u8::is_ascii_digit) {
            return Err(IdNumberError::OldForm);
        }
        if text.chars().count() != LENGTH {
            return Err(IdNumberError::Length);
        }
        let (last, digits) = bytes.split_last().ok_or(IdNumberError::Length)?;
        let is_check_character = last.is_ascii_digit() || *last == b'X';
        if !is_check_character || !digits.iter().all(u8::is_ascii_digit) {
            return Err(IdNumberError::Characters);
        }
        check_region(digits)?;
        let birth_date = birth_date(digits)?;
        if check_character(digits) != *last {
            return Err(IdNumberError::Checksum);
        }
        Ok(Self { text, birth_date })
    }

    /// The date in the number.
    pub const fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The sex in the number.
    pub fn sex(&self) -> Sex {
        if (self.text.as_bytes()[LENGTH - 2] - b'0') % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    /// All of the number: to be sealed or indexed by key, never logged.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Region and last four characters, the middle masked: `110105********002X`.
    pub fn masked(&self) -> String {
        masked(&self.text)
    }
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A stored number with its middle masked: `110105********002X`; all of it masked if it is no number.
pub fn masked(text: &str) -> String {
    match (text.get(..6), text.get(LENGTH - 4..LENGTH)) {
        (Some(region), Some(end)) => format!("{region}********{end}"),
        _ => "*".repeat(LENGTH),
    }
}

/// The number that `digits` spell, for a few digits.
fn number(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0'))
}

/// Province is checked against the table; prefecture and county only for not being none, because codes are
/// abolished and numbers that carry them stay valid for life.
fn check_region(digits: &[u8]) -> Result<(), IdNumberError> {
    // 9, province, country: the number of a foreigner with permanent residence (2023 form).
    let foreign = digits[0] == b'9';
    let province = if foreign { number(&digits[1..3]) } else { number(&digits[..2]) };
    let known = PROVINCES.iter().any(|known| i16::from(*known) == province);
    let special = (81..=83).contains(&province);
    let prefecture_given = foreign || special || number(&digits[2..4]) != 0;
    if known && prefecture_given && !(foreign && special) { Ok(()) } else { Err(IdNumberError::Region) }
}

fn birth_date(digits: &[u8]) -> Result<Date, IdNumberError> {
    let year = number(&digits[6..10]);
    let month = i8::try_from(number(&digits[10..12])).map_err(|_| IdNumberError::BirthDate)?;
    let day = i8::try_from(number(&digits[12..14])).map_err(|_| IdNumberError::BirthDate)?;
    if year < BIRTH_YEAR_MIN {
        return Err(IdNumberError::BirthDate);
    }
    Date::new(year, month, day).map_err(|_| IdNumberError::BirthDate)
}

fn check_character(digits: &[u8]) -> u8 {
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    CHECK_CHARACTERS[usize::try_from(sum % 11).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the standard itself, one of a residence permit, and made-up ones computed by hand.
    const VALID: [(&str, Date, Sex); 4] = [
        ("11010519491231002X", Date::constant(1949, 12, 31), Sex::Female),
        ("810000199003071237", Date::constant(1990, 3, 7), Sex::Male),
        ("440524188001010014", Date::constant(1880, 1, 1), Sex::Male),
        ("440524200002290002", Date::constant(2000, 2, 29), Sex::Female),
    ];

    #[test]
    fn valid_numbers_tell_birth_date_and_sex() {
        for (text, birth_date, sex) in VALID {
            if birth_date.year() < BIRTH_YEAR_MIN {
                assert_eq!(
                    IdNumber::parse(text),
                    Err(IdNumberError::BirthDate),
                    "nobody alive: {birth_date}"
                );
                continue;
            }
            let id = IdNumber::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((id.birth_date(), id.sex()), (birth_date, sex), "{text}");
        }
    }

    #[test]
    fn a_small_x_and_full_width_digits_mean_the_same() {
        let id = IdNumber::parse("１１０１０５１９４９１２３１００２x").unwrap();
        assert_eq!(id.expose(), "11010519491231002X");
        assert_eq!(format!("{id:?}"), "110105********002X");
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let cases = [
            ("110105491231002", IdNumberError::OldForm),
            ("", IdNumberError::Length),
            ("1101051949123100", IdNumberError::Length),
            ("11010519491231002XX", IdNumberError::Length),
            ("1101051949123100X2", IdNumberError::Characters),
            ("11010519491231O02X", IdNumberError::Characters),
            ("990105194912310021", IdNumberError::Region),
            ("110000194912310021", IdNumberError::Region),
            ("100105194912310021", IdNumberError::Region),
            ("110105194902300021", IdNumberError::BirthDate),
            ("110105190002290021", IdNumberError::BirthDate),
            ("110105194913010021", IdNumberError::BirthDate),
            ("110105189912310021", IdNumberError::BirthDate),
            ("110105194912310020", IdNumberError::Checksum),
            ("110105194912310012", IdNumberError::Checksum),
        ];
        for (text, reason) in cases {
            assert_eq!(IdNumber::parse(text), Err(reason), "{text}");
        }
    }

    proptest! {
        /// MOD 11-2 finds each single wrong digit and each swap of neighbours.
        #[test]
        fn one_wrong_digit_or_one_swap_never_passes(place in 0_usize..17, digit in b'0'..=b'9') {
            let right = b"440524200002290002".to_vec();
            let mut wrong = right.clone();
            wrong[place] = digit;
            let text = String::from_utf8(wrong.clone()).unwrap();
            prop_assert_eq!(IdNumber::parse(&text).is_ok(), wrong == right);
            let mut swapped = right.clone();
            swapped.swap(place, place + 1);
            let text = String::from_utf8(swapped.clone()).unwrap();
            prop_assert_eq!(IdNumber::parse(&text).is_ok(), swapped == right);
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "\\PC{0,40}") {
            let _ = IdNumber::parse(&text);
        }
    }
}
