//! One-time codes: six digits, five minutes, five tries; sent again after a minute, ten times a day (product row I2).

use std::fmt;
use std::time::Duration;

use bursar_types::Entropy;
use zeroize::Zeroizing;

use crate::customer::named_states;

/// Digits of a code.
pub const DIGITS: usize = 6;

/// How long a code works after it was made.
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Codes of one challenge that are judged; whatever comes after is refused unseen.
pub const TRIES_MAX: i64 = 5;

/// Shortest time between two codes for the same phone and purpose.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);

/// Sends to one phone within [`SENDS_WINDOW`], whatever their purpose.
pub const SENDS_MAX: i64 = 10;

/// The window that [`SENDS_MAX`] is counted in: a day, moving, so that midnight is no way to twenty.
pub const SENDS_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// One million codes of six digits.
const CODES: u32 = 1_000_000;

named_states! {
    /// What a code is for; a code for one purpose is none for another.
    Purpose {
        /// Proves the phone at a sign-up.
        SignUp = "sign_up",
        /// A second factor in an open session.
        StepUp = "step_up",
    }
}

/// A code on its way to its phone. Never printed, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

/// A text that cannot be a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be six digits")]
pub struct CodeMalformed;

impl Code {
    /// A fresh code; each of the million is as likely as any other.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        // Numbers above the last whole million are thrown away: they would make some codes likelier.
        let limit = u32::MAX - u32::MAX % CODES;
        loop {
            let mut bytes = [0_u8; 4];
            entropy.fill(&mut bytes);
            let number = u32::from_be_bytes(bytes);
            if number < limit {
                return Self(Zeroizing::new(format!("{:0width$}", number % CODES, width = DIGITS)));
            }
        }
    }

    /// The code in `text`.
    ///
    /// # Errors
    /// [`CodeMalformed`] if it is not six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, CodeMalformed> {
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(CodeMalformed)
        }
    }

    /// The digits: for the message and for the MAC.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::SeededEntropy;

    use super::*;

    #[test]
    fn codes_are_six_digits_and_spread() {
        let entropy = SeededEntropy::new(1);
        let mut tens = [0_u32; 10];
        for _ in 0..2_000 {
            let code = Code::generate(&entropy);
            assert_eq!(Code::parse(code.expose()), Ok(code.clone()));
            tens[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        assert!(tens.iter().all(|count| (120..=280).contains(count)), "{tens:?}");
    }

    #[test]
    fn other_texts_are_no_codes_and_none_is_printed() {
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345"] {
            assert_eq!(Code::parse(text), Err(CodeMalformed), "{text}");
        }
        assert_eq!(format!("{:?}", Code::parse("123456").unwrap()), "<hidden>");
    }
}
