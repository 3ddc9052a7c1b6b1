//! What can be wrong with a message, where, and why. No error ever carries a byte of the message.

use std::fmt;

/// The part of a message an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The message type indicator.
    Mti,
    /// The primary (1), secondary (2) or tertiary (3) bitmap.
    Bitmap(u8),
    /// A data element.
    Field(u8),
    /// What follows the last field, or the message as a whole.
    Message,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mti => f.write_str("MTI"),
            Self::Bitmap(n) => write!(f, "bitmap {n}"),
            Self::Field(n) => write!(f, "field {n}"),
            Self::Message => f.write_str("message"),
        }
    }
}

/// Why a part of a message cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The bytes end before the part does.
    #[error("the message ends inside it")]
    Truncated,
    /// The length indicator is not a number.
    #[error("its length indicator is not a number")]
    BadLength,
    /// The length is more than the profile allows.
    #[error("it is longer than the profile allows")]
    TooLong,
    /// A fixed field has another length, or an odd number of hex digits was announced.
    #[error("it has not the length the profile gives it")]
    WrongLength,
    /// A character outside the field's class (letters in an `n` field, for instance).
    #[error("it has a character outside its class")]
    BadCharacter,
    /// A byte that is no hexadecimal digit, or one of the other case than the profile's.
    #[error("it is not hexadecimal in the profile's case")]
    BadHex,
    /// The nibble that fills an odd number of digits is not the profile's.
    #[error("its padding is not the profile's")]
    BadPadding,
    /// An odd number of digits cannot be told apart where the length counts bytes.
    #[error("an odd number of digits has no padding in the profile")]
    OddDigits,
    /// The profile does not define the field, so its extent is unknown.
    #[error("the profile does not define it")]
    Undefined,
    /// The bitmap has another form than the profile says, so it could not be written back as it came.
    #[error("it has not the form the profile gives it")]
    BitmapForm,
    /// Bytes are left after the last field.
    #[error("bytes are left after the last field")]
    Trailing,
    /// A tag is malformed.
    #[error("a tag is malformed")]
    BadTag,
    /// The field has no subfields in the profile, or not this one.
    #[error("the profile gives it no such subfield")]
    NoSubfield,
}

/// Where reading a message failed, and why. The bytes before that place have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} at byte {offset}: {fault}")]
pub struct DecodeError {
    /// The part that could not be read.
    pub place: Place,
    /// The offset of that part, in bytes from the start of the MTI.
    pub offset: usize,
    /// Why.
    pub fault: Fault,
}

impl DecodeError {
    /// The field at fault, for the replies that name it.
    pub fn field(&self) -> Option<u8> {
        match self.place {
            Place::Field(field) => Some(field),
            _ => None,
        }
    }
}

/// What cannot be written, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct EncodeError {
    /// The part that could not be written.
    pub place: Place,
    /// Why.
    pub fault: Fault,
}

impl EncodeError {
    pub(crate) const fn field(field: u8, fault: Fault) -> Self {
        Self { place: Place::Field(field), fault }
    }
}

/// A field is there and well formed, but its content does not mean what it must (a thirteenth month, for instance).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {field} is not {expected}")]
pub struct BadValue {
    /// The field.
    pub field: u8,
    /// What it must be, such as `an amount of 12 digits`.
    pub expected: &'static str,
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No profile of that name is built in or resolved.
    #[error("no profile is named {0:?}")]
    Unknown(String),
    /// The text is no TOML of the expected shape.
    #[error("profile {profile:?}: {message}")]
    Syntax {
        /// The profile's name, as far as it is known.
        profile: String,
        /// What the TOML reader says.
        message: String,
    },
    /// A profile extends itself, or too many others.
    #[error("profile {0:?} extends itself, or more than {max} others", max = crate::profile::MAX_ANCESTORS)]
    TooDeep(String),
    /// A value is outside what the codec supports.
    #[error("profile {profile:?}: {at}: {message}")]
    Invalid {
        /// The profile's name.
        profile: String,
        /// The key, such as `fields.48.format`.
        at: String,
        /// What is wrong with it.
        message: String,
    },
}
