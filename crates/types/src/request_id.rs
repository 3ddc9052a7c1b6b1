//! The id a caller gives a mutation, so that asking twice does it once (AIP-155).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A caller-chosen UUID of any version but the nil one, in its hyphenated text form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Uuid);

/// Why a text is not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestIdError {
    /// There is none.
    #[error("request_id is missing: give each mutation a UUID, and the same one when you repeat it")]
    Missing,
    /// It is not a UUID, or the nil UUID.
    #[error("request_id must be a UUID such as 018f3c9a-7a2e-7c31-9d2b-5f1f0e6a4b21")]
    Malformed,
}

impl RequestId {
    /// The request id with this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID inside.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(RequestIdError::Missing);
        }
        // The simple and braced forms would let one id be written several ways.
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 && !uuid.is_nil() => Ok(Self(uuid)),
            _ => Err(RequestIdError::Malformed),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_of_a_real_uuid_is_taken() {
        assert_eq!("".parse::<RequestId>(), Err(RequestIdError::Missing));
        for bad in ["x", "00000000-0000-0000-0000-000000000000", "018f3c9a7a2e7c319d2b5f1f0e6a4b21"] {
            assert_eq!(bad.parse::<RequestId>(), Err(RequestIdError::Malformed), "{bad}");
        }
        let id = "018f3c9a-7a2e-7c31-9d2b-5f1f0e6a4b21";
        assert_eq!(id.parse::<RequestId>().unwrap().to_string(), id);
    }
}
