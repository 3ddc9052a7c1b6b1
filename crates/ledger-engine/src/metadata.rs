//! What an opener keeps with an account: a few short pairs the ledger carries and never reads.

use std::sync::Arc;

use crate::{Text, TextError};

/// Most pairs: an account is no document, and every account is in memory.
pub const MAX_METADATA_PAIRS: usize = 16;
/// Longest key in characters.
pub const MAX_METADATA_KEY: usize = 32;
/// Longest value in characters.
pub const MAX_METADATA_VALUE: usize = 140;

/// A key: at most 32 characters of any script.
pub type MetadataKey = Text<{ 4 * MAX_METADATA_KEY }>;
/// A value: at most 140 characters of any script.
pub type MetadataValue = Text<{ 4 * MAX_METADATA_VALUE }>;

/// Why pairs were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// More pairs than are kept.
    #[error("more than {MAX_METADATA_PAIRS} pairs")]
    TooMany,
    /// A key is empty or too long.
    #[error("a key that is not 1 to {MAX_METADATA_KEY} characters long")]
    Key,
    /// A value is too long.
    #[error("a value longer than {MAX_METADATA_VALUE} characters")]
    Value,
    /// A key stands there twice.
    #[error("a key that stands there twice")]
    Twice,
    /// Not a text.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// Pairs sorted by their keys. Empty it is one pointer, and a clone shares the pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<Vec<(MetadataKey, MetadataValue)>>>); // `None` for no pairs, and for nothing else

impl Metadata {
    /// The pairs, if they keep the bounds; in any order.
    ///
    /// # Errors
    /// [`MetadataError`] saying which bound they do not keep.
    pub fn new(pairs: impl IntoIterator<Item = (MetadataKey, MetadataValue)>) -> Result<Self, MetadataError> {
        let mut kept = Vec::new();
        for (key, value) in pairs {
            if kept.len() == MAX_METADATA_PAIRS {
                return Err(MetadataError::TooMany);
            }
            if key.is_empty() || key.as_str().chars().count() > MAX_METADATA_KEY {
                return Err(MetadataError::Key);
            }
            if value.as_str().chars().count() > MAX_METADATA_VALUE {
                return Err(MetadataError::Value);
            }
            kept.push((key, value));
        }
        kept.sort_unstable();
        if kept.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(MetadataError::Twice);
        }
        kept.shrink_to_fit();
        Ok(Self(Some(kept).filter(|kept| !kept.is_empty()).map(Arc::new)))
    }

    /// The pairs, sorted by their keys.
    pub fn pairs(&self) -> &[(MetadataKey, MetadataValue)] {
        self.0.as_ref().map_or(&[], |pairs| pairs.as_slice())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (MetadataKey, MetadataValue) {
        (MetadataKey::new(key).unwrap(), MetadataValue::new(value).unwrap())
    }

    #[test]
    fn bounds_are_kept() {
        assert_eq!(Metadata::new([]), Ok(Metadata::default()));
        let two = Metadata::new([pair("b", ""), pair("a", "1")]).unwrap();
        assert_eq!(two.pairs(), [pair("a", "1"), pair("b", "")]);
        assert_eq!(Metadata::new([pair("a", "1"), pair("a", "2")]), Err(MetadataError::Twice));
        assert_eq!(Metadata::new([pair("", "1")]), Err(MetadataError::Key));
        assert!(Metadata::new([pair(&"汉".repeat(32), &"字".repeat(140))]).is_ok());
        assert_eq!(Metadata::new([pair(&"a".repeat(33), "")]), Err(MetadataError::Key));
        assert_eq!(Metadata::new([pair("a", &"b".repeat(141))]), Err(MetadataError::Value));
        let many = |count: usize| Metadata::new((0..count).map(|n| pair(&n.to_string(), "")));
        assert!(many(MAX_METADATA_PAIRS).is_ok());
        assert_eq!(many(MAX_METADATA_PAIRS + 1), Err(MetadataError::TooMany));
    }

    #[test]
    fn none_costs_a_pointer() {
        assert_eq!(size_of::<Metadata>(), size_of::<usize>());
    }
}
