//! A log's state as text, in the manner of C2SP's tlog-checkpoint and signed-note: a line each for origin, size, root
//! hash in base64 and time, an empty line, and the signature.
//!
//! ```text
//! bursar/ledger/prog_01m82mpp1bfettn2y6x0r1x7q9
//! 28
//! XclNp5pwZZqa1Vy3Ae2aKrnYI6rS9JYM/jcO/0YEMyg=
//! time 2026-11-25T21:58:00.123456Z
//!
//! — bursar/ledger/prog_01m82mpp1bfettn2y6x0r1x7q9 eyJhbGciOiJF…
//! ```
//!
//! There is one text for a state: what does not come out the same when it is written again is refused.

use std::fmt;
use std::str::FromStr;

use bursar_types::Timestamp;
use data_encoding::BASE64;

use crate::{Hash, SIZE_MAX};

/// Longest origin in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;
/// Longest text in bytes: a signature that carries a certificate takes some 1500 of them.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Begins the line of the time.
const TIME: &str = "time ";
/// Begins the line of the signature, as signed notes have it: an em dash.
const SIGNATURE: &str = "\u{2014} ";

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is longer than any checkpoint.
    #[error("the checkpoint's text is too long")]
    TooLong,
    /// It does not have the lines that a checkpoint has.
    #[error("the checkpoint's text is not origin, size, root, time, an empty line and a signature")]
    Lines,
    /// The origin is not one.
    #[error("the checkpoint's origin is not a name without spaces")]
    Origin,
    /// The size is not one.
    #[error("the checkpoint's size is not a decimal number a log can have")]
    Size,
    /// The root hash is not one.
    #[error("the checkpoint's root is not 32 bytes in base64")]
    Root,
    /// The time is not one.
    #[error("the checkpoint's time is not a moment in UTC (RFC 3339)")]
    Time,
    /// The signature is not one word under the origin's name.
    #[error("the checkpoint's signature is not one word under the name of its origin")]
    Signature,
}

/// What a log is at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a name that no other log has, without spaces.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// Its root hash.
    pub root: Hash,
    /// When this was said.
    pub time: Timestamp,
}

/// A checkpoint with whoever's signature, which is one word of ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The signature. Nothing is known of it here; it must cover all of `checkpoint`.
    pub signature: String,
}

fn is_name(text: &str) -> bool {
    (1..=ORIGIN_BYTES_MAX).contains(&text.len()) && is_word(text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, time) = (BASE64.encode(&self.root), self.time.to_rfc3339());
        write!(f, "{}\n{}\n{root}\n{TIME}{time}\n", self.origin, self.size)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checkpoint, signature } = self;
        write!(f, "{checkpoint}\n{SIGNATURE}{} {signature}\n", checkpoint.origin)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CheckpointError::TooLong);
        }
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(CheckpointError::Lines);
        let (origin, size, root, time, empty, signature, end) =
            (line()?, line()?, line()?, line()?, line()?, line()?, line()?);
        if !empty.is_empty() || !end.is_empty() || lines.next().is_some() {
            return Err(CheckpointError::Lines);
        }
        if !is_name(origin) {
            return Err(CheckpointError::Origin);
        }
        let size = size.parse().ok().filter(|size| *size <= SIZE_MAX).ok_or(CheckpointError::Size)?;
        let root = BASE64.decode(root.as_bytes()).ok().and_then(|root| root.try_into().ok());
        let root: Hash = root.ok_or(CheckpointError::Root)?;
        let time = time.strip_prefix(TIME).and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let time = time.ok_or(CheckpointError::Time)?;
        let signature = signature
            .strip_prefix(SIGNATURE)
            .and_then(|rest| rest.strip_prefix(origin)?.strip_prefix(' '))
            .filter(|word| is_word(word))
            .ok_or(CheckpointError::Signature)?;
        let time = Timestamp::from_micros(time.as_microsecond());
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root, time };
        let parsed = Self { checkpoint, signature: signature.to_owned() };
        // One text a state: `007`, another offset of the same moment and the like are not taken.
        if parsed.to_string() != text {
            return Err(CheckpointError::Lines);
        }
        Ok(parsed)
    }
}
