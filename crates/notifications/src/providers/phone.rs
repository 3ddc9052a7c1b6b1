//! Phone numbers.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A phone number in E.164 form. Not printed, for it names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(Zeroizing<String>);

impl Phone {
    /// The number: `+8613800138000`.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(<hidden>)")
    }
}

/// The text is no number in E.164 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in E.164 form: + and 8 to 15 digits")]
pub struct NotE164;

impl FromStr for Phone {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').ok_or(NotE164)?;
        // ITU-T E.164 §6: at most 15 digits, and no country code begins with 0.
        let good = (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if good { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NotE164) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_taken_and_never_printed() {
        let phone: Phone = "+8613800138000".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(<hidden>)");
        for bad in [
            "",
            "+",
            "13800138000",
            "+0123456789",
            "+1234567",
            "+1234567890123456",
            "+86 13800138000",
            "+861380013800０",
        ] {
            assert_eq!(bad.parse::<Phone>(), Err(NotE164), "{bad}");
        }
    }
}
