//! The card verification value that is printed on a card, not stored on it.

use crate::digits::{Digits, secret_digits};

/// Digits of a CVV2.
const LENGTH: usize = 3;

/// The text is no CVV2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a CVV2 has 3 digits")]
pub struct Cvv2Error;

/// A CVV2: three digits.
pub struct Cvv2(Digits<LENGTH>);

secret_digits!(Cvv2);

impl Cvv2 {
    /// The value in `text`, which stays the caller's to wipe.
    ///
    /// # Errors
    /// [`Cvv2Error`] if it is not three digits.
    pub fn parse(text: &str) -> Result<Self, Cvv2Error> {
        if text.len() != LENGTH {
            return Err(Cvv2Error);
        }
        Digits::copy_of(text.as_bytes()).map(Self).ok_or(Cvv2Error)
    }

    /// The value itself. Hand it on to what must have it; never print or store it.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::assert_lacks;

    assert_lacks!(Cvv2: Clone, std::fmt::Display);

    #[test]
    fn three_digits_and_nothing_else() {
        assert_eq!(Cvv2::parse("007").unwrap().expose(), "007");
        for bad in ["", "12", "1234", "12a", "１"] {
            assert_eq!(Cvv2::parse(bad), Err(Cvv2Error), "{bad}");
        }
    }

    #[test]
    fn equal_values_are_equal_and_hidden() {
        assert_eq!(Cvv2::parse("561").unwrap(), Cvv2::parse("561").unwrap());
        assert_ne!(Cvv2::parse("561").unwrap(), Cvv2::parse("562").unwrap());
        assert_eq!(format!("{:?}", Cvv2::parse("561").unwrap()), "Cvv2(<hidden>)");
    }
}
