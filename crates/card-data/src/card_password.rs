//! The password a cardholder types to pay online.

use crate::digits::{Digits, secret_digits};

/// Digits of a card password.
const LENGTH: usize = 6;

/// The text is no card password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a card password has 6 digits")]
pub struct CardPasswordError;

/// A card password: six digits.
pub struct CardPassword(Digits<LENGTH>);

secret_digits!(CardPassword);

impl CardPassword {
    /// The password in `text`, which stays the caller's to wipe.
    ///
    /// # Errors
    /// [`CardPasswordError`] if it is not six digits.
    pub fn parse(text: &str) -> Result<Self, CardPasswordError> {
        if text.len() != LENGTH {
            return Err(CardPasswordError);
        }
        Digits::copy_of(text.as_bytes()).map(Self).ok_or(CardPasswordError)
    }

    /// The password itself. Hand it on to what must have it; never print or store it.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::assert_lacks;

    assert_lacks!(CardPassword: Clone, std::fmt::Display);

    #[test]
    fn six_digits_and_nothing_else() {
        assert_eq!(CardPassword::parse("048213").unwrap().expose(), "048213");
        for bad in ["", "12345", "1234567", "12345x", "12 456"] {
            assert_eq!(CardPassword::parse(bad), Err(CardPasswordError), "{bad}");
        }
        assert_eq!(format!("{:?}", CardPassword::parse("048213").unwrap()), "CardPassword(<hidden>)");
    }
}
