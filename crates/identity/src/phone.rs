//! Phone numbers: parsed once, in E.164 form ever after, masked wherever they are shown.

use std::fmt;

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type};
use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// Longest text that is looked at: E.164 allows 15 digits, the rest is separators people write.
const INPUT_CHARS_MAX: usize = 32;

/// Last digits that stay readable in the masked form.
const MASK_SHOWN_DIGITS: usize = 2;

/// A mobile phone number that exists in its country's numbering plan. Its `Debug` is masked.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Phone {
    e164: String,
    /// Characters of `+` and the country code.
    #[zeroize(skip)]
    prefix_length: usize,
}

/// Why a text is no phone number that a code can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// It does not begin with `+` and a country code.
    #[error("must be in E.164 form: +, country code, number, such as +8613800138000")]
    NotE164,
    /// No such number can exist in that country.
    #[error("is not a number of its country's numbering plan")]
    NotValid,
    /// It is a landline or a service number: text messages do not reach it.
    #[error("is not a mobile number, so no code can be sent to it")]
    NotMobile,
}

impl Phone {
    /// The phone number in `text`.
    ///
    /// # Errors
    /// [`PhoneError`] if it is not in E.164 form, cannot exist, or is not a mobile number.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        if !text.starts_with('+') || text.len() > INPUT_CHARS_MAX || !text.is_ascii() {
            return Err(PhoneError::NotE164);
        }
        let shape_fits = text[1..].bytes().all(|byte| byte.is_ascii_digit() || b" -().".contains(&byte));
        if !shape_fits {
            return Err(PhoneError::NotE164);
        }
        let number = phonenumber::parse(None, text).map_err(|_| PhoneError::NotValid)?;
        if !number.is_valid() {
            return Err(PhoneError::NotValid);
        }
        // Where landlines and mobiles share their ranges (+1) the plan cannot tell: the code will.
        if !matches!(number.number_type(&DATABASE), Type::Mobile | Type::FixedLineOrMobile) {
            return Err(PhoneError::NotMobile);
        }
        let e164 = number.format().mode(Mode::E164).to_string();
        let prefix_length = 1 + number.code().value().to_string().len();
        Ok(Self { e164, prefix_length })
    }

    /// The number in E.164 form: hand it on, never log it.
    pub fn expose(&self) -> &str {
        &self.e164
    }

    /// The number with all but its country code and last two digits masked: `+86*********00`.
    pub fn masked(&self) -> String {
        let shown_from = self.e164.len().saturating_sub(MASK_SHOWN_DIGITS);
        self.e164
            .char_indices()
            .map(|(index, digit)| if index < self.prefix_length || index >= shown_from { digit } else { '*' })
            .collect()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Reads the library's numbering plans, so that the first caller does not wait for it.
pub fn warm_up() {
    let mut text = Phone::parse("+8613800138000").map(|phone| phone.expose().to_owned()).unwrap_or_default();
    text.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mobiles_are_taken_in_one_form_and_masked() {
        let phone = Phone::parse("+86 138-0013-8021").unwrap();
        assert_eq!(phone.expose(), "+8613800138021");
        assert_eq!(phone.masked(), "+86*********21");
        assert_eq!(format!("{phone:?}"), "+86*********21");
        assert_eq!(Phone::parse("+447400123456").unwrap().masked(), "+44********56");
        assert_eq!(Phone::parse("+12025550123").unwrap().masked(), "+1********23");
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let cases = [
            ("", PhoneError::NotE164),
            ("13800138000", PhoneError::NotE164),
            ("+8613800138000;ext=12", PhoneError::NotE164),
            ("+86１3800138000", PhoneError::NotE164),
            ("+861380013800", PhoneError::NotValid),
            ("+86138001380000", PhoneError::NotValid),
            ("+8611000000000", PhoneError::NotValid),
            ("+861062331234", PhoneError::NotMobile),
        ];
        for (text, reason) in cases {
            assert_eq!(Phone::parse(text), Err(reason), "{text}");
        }
    }
}
