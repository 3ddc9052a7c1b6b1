//! Short texts with a bound, so that no record can grow without end.

use std::fmt;
use std::sync::Arc;

/// Why a text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than the bound.
    #[error("longer than {max} bytes")]
    TooLong {
        /// The bound in bytes of UTF-8.
        max: usize,
    },
    /// Holds a control character.
    #[error("holds a control character")]
    ControlCharacter,
}

/// A text of at most `MAX` bytes of UTF-8 without control characters. A clone shares the bytes: a merchant's name
/// stands in the command, the payment, its hold and their effects, and is there once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<const MAX: usize>(Option<Arc<str>>); // `None` for the empty text, and for nothing else

impl<const MAX: usize> Text<MAX> {
    /// The bound in bytes of UTF-8.
    pub const BYTES_MAX: usize = MAX;

    /// The text, if it keeps the bound.
    ///
    /// # Errors
    /// [`TextError`] if it is too long or holds a control character.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.len() > MAX {
            return Err(TextError::TooLong { max: MAX });
        }
        if text.chars().any(char::is_control) {
            return Err(TextError::ControlCharacter);
        }
        Ok(Self(Some(text).filter(|text| !text.is_empty()).map(Arc::from)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The same text under a bound that is no smaller.
    pub(crate) fn widen<const WIDER: usize>(&self) -> Text<WIDER> {
        const { assert!(WIDER >= MAX, "the bound may only grow") }
        Text(self.0.clone())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A name a person reads: product, merchant, actor.
pub type Name = Text<120>;
/// A reference of an outside system: bank reference, network transaction id, proof id. 64 characters of any script.
pub type Reference = Text<256>;
/// Free words that explain something: the reason of a freeze, the description of a transfer. 256 characters of any
/// script.
pub type Note = Text<1024>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        assert!(Text::<3>::new("abc").is_ok());
        assert_eq!(Text::<3>::new("abcd"), Err(TextError::TooLong { max: 3 }));
        assert_eq!(Text::<3>::new("a\n"), Err(TextError::ControlCharacter));
    }

    #[test]
    fn the_empty_text_is_one_and_the_first() {
        assert_eq!(Text::<3>::new(""), Ok(Text::default()));
        assert!(Text::<3>::default() < Text::new("a").unwrap());
        assert_eq!((Text::<3>::default().as_str(), Text::<3>::default().to_string().len()), ("", 0));
        assert_eq!(Text::<3>::new("ab").unwrap().widen::<4>(), Text::new("ab").unwrap());
    }
}
