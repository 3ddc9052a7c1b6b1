//! How messages are told apart on a stream: a length, and what stands between it and the message.
//!
//! ```text
//! | length | reserved | TPDU | header | message |
//!                     |<-- what the length counts -->|   (inclusive: length and reserved bytes, too)
//! ```

use crate::secret::SecretBytes;
use crate::wire::{Indicator, MAX_INDICATOR_BYTES, Number};

/// No message is longer: what a length of two bytes can say.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// The longest message a partner may send unless its profile says otherwise. Real ones are under 2 KiB.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 8_192;

/// A transport protocol data unit header: one byte of kind, two addresses of two bytes.
pub(crate) const TPDU_BYTES: usize = 5;

/// Reserved bytes after the length: two are in use (VMLH), the rest is room.
const MAX_RESERVED: u8 = 16;

/// A header's length is one byte where it says so itself.
pub(crate) const MAX_HEADER: usize = 255;

/// How a stream is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    pub(crate) indicator: Indicator,
    pub(crate) little_endian: bool,
    pub(crate) inclusive: bool,
    pub(crate) reserved: u8,
    pub(crate) tpdu: bool,
    pub(crate) header: Header,
    pub(crate) max: u32,
}

/// The header between the length (or the TPDU) and the MTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Always of this length; zero is none.
    Fixed(u8),
    /// The first byte says how long it is, itself included.
    FirstByte,
}

/// Why a stream cannot be cut into frames, or a frame not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length indicator is not a number: the stream is out of step.
    #[error("the frame's length is not a number")]
    BadLength,
    /// The frame is longer than the profile allows.
    #[error("the frame is longer than the profile allows")]
    TooLong,
    /// The length is less than what it counts at least.
    #[error("the frame is shorter than its own head")]
    TooShort,
    /// The header to be written has not the form the profile gives it.
    #[error("the header has not the form the profile gives it")]
    BadHeader,
}

/// What goes around a message besides the length: echoed in the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The bytes between length and TPDU.
    pub reserved: Vec<u8>,
    /// The TPDU, if the framing has one.
    pub tpdu: Option<[u8; TPDU_BYTES]>,
    /// The header, if the framing has one.
    pub header: Vec<u8>,
}

impl Envelope {
    /// The envelope of the answer: the same, the addresses of the TPDU exchanged.
    #[must_use]
    pub fn reply(&self) -> Self {
        let tpdu = self
            .tpdu
            .map(|[kind, to_high, to_low, from_high, from_low]| [kind, from_high, from_low, to_high, to_low]);
        Self { tpdu, ..self.clone() }
    }
}

/// A frame of a stream. Borrows from the decoder or from its input.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub(crate) reserved: &'a [u8],
    pub(crate) tpdu: Option<[u8; TPDU_BYTES]>,
    pub(crate) header: &'a [u8],
    pub(crate) message: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The message. Empty in a frame that only keeps the connection alive.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// The header, without the TPDU.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The TPDU, if the framing has one and the frame is not empty.
    pub fn tpdu(&self) -> Option<[u8; TPDU_BYTES]> {
        self.tpdu
    }

    /// A copy of what goes around the message.
    pub fn envelope(&self) -> Envelope {
        Envelope { reserved: self.reserved.to_vec(), tpdu: self.tpdu, header: self.header.to_vec() }
    }
}

/// Frames hold card data: only lengths are printed.
impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame(header {} bytes, message {} bytes)", self.header.len(), self.message.len())
    }
}

impl Framing {
    /// A big-endian binary length of `bytes` bytes (1 to 4) that does not count itself.
    pub const fn binary(bytes: u8) -> Self {
        Self::of(Number::Binary, bytes)
    }

    /// A length of `digits` ASCII digits (1 to 4) that does not count itself.
    pub const fn ascii(digits: u8) -> Self {
        Self::of(Number::Ascii, digits)
    }

    /// A length of `bytes` BCD bytes (1 to 4), two digits each, that does not count itself.
    pub const fn bcd(bytes: u8) -> Self {
        Self::of(Number::Bcd, bytes)
    }

    const fn of(number: Number, bytes: u8) -> Self {
        let bytes = if bytes == 0 {
            1
        } else if bytes > MAX_INDICATOR_BYTES {
            MAX_INDICATOR_BYTES
        } else {
            bytes
        };
        Self {
            indicator: Indicator { number, bytes },
            little_endian: false,
            inclusive: false,
            reserved: 0,
            tpdu: false,
            header: Header::Fixed(0),
            max: DEFAULT_MAX_MESSAGE_BYTES as u32,
        }
    }

    /// The same with a length that counts itself and the reserved bytes.
    #[must_use]
    pub const fn inclusive(mut self) -> Self {
        self.inclusive = true;
        self
    }

    /// The same with `bytes` reserved bytes (16 at most) between length and TPDU that an exclusive length does not count.
    #[must_use]
    pub const fn with_reserved(mut self, bytes: u8) -> Self {
        self.reserved = if bytes > MAX_RESERVED { MAX_RESERVED } else { bytes };
        self
    }

    /// The same with a TPDU.
    #[must_use]
    pub const fn with_tpdu(mut self) -> Self {
        self.tpdu = true;
        self
    }

    /// The same with a header of `bytes` bytes.
    #[must_use]
    pub const fn with_header(mut self, bytes: u8) -> Self {
        self.header = Header::Fixed(bytes);
        self
    }

    /// The same with a header whose first byte is its length.
    #[must_use]
    pub const fn with_self_describing_header(mut self) -> Self {
        self.header = Header::FirstByte;
        self
    }

    /// The same for messages of at most `bytes` bytes ([`MAX_MESSAGE_BYTES`] at most).
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Self {
        self.max = if bytes > MAX_MESSAGE_BYTES { MAX_MESSAGE_BYTES as u32 } else { bytes as u32 };
        self
    }

    /// The longest message, in bytes, headers not counted.
    pub fn max_message(&self) -> usize {
        self.max as usize
    }

    /// The bytes of the length and the reserved bytes after it.
    pub(crate) fn prefix(&self) -> usize {
        usize::from(self.indicator.bytes) + usize::from(self.reserved)
    }

    /// The most a length may say of the bytes after the prefix.
    fn max_body(&self) -> usize {
        let header = match self.header {
            Header::Fixed(bytes) => usize::from(bytes),
            Header::FirstByte => MAX_HEADER,
        };
        self.max_message() + header + if self.tpdu { TPDU_BYTES } else { 0 }
    }

    /// How many bytes follow the prefix, from the bytes of the length.
    pub(crate) fn body_length(&self, indicator: &[u8]) -> Result<usize, FrameError> {
        let mut bytes = [0; MAX_INDICATOR_BYTES as usize];
        let bytes = bytes.get_mut(..indicator.len()).ok_or(FrameError::BadLength)?;
        bytes.copy_from_slice(indicator);
        if self.little_endian {
            bytes.reverse();
        }
        let length = self.indicator.read(bytes).map_err(|_| FrameError::BadLength)?;
        let counted = if self.inclusive { self.prefix() } else { 0 };
        let body = length.checked_sub(counted).ok_or(FrameError::TooShort)?;
        if body > self.max_body() {
            return Err(FrameError::TooLong);
        }
        Ok(body)
    }

    /// Takes a whole frame apart. An empty body is an empty message: some partners keep connections alive so.
    pub(crate) fn split<'a>(&self, frame: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let prefix = frame.get(..self.prefix()).ok_or(FrameError::TooShort)?;
        let reserved = prefix.get(usize::from(self.indicator.bytes)..).unwrap_or_default();
        let mut rest = frame.get(prefix.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Frame { reserved, tpdu: None, header: &[], message: &[] });
        }
        let mut tpdu = None;
        if self.tpdu {
            let (head, tail) = rest.split_first_chunk::<TPDU_BYTES>().ok_or(FrameError::TooShort)?;
            (tpdu, rest) = (Some(*head), tail);
        }
        let header = match self.header {
            Header::Fixed(bytes) => usize::from(bytes),
            Header::FirstByte => match rest.first() {
                Some(0) | None => return Err(FrameError::TooShort),
                Some(bytes) => usize::from(*bytes),
            },
        };
        let (header, message) = rest.split_at_checked(header).ok_or(FrameError::TooShort)?;
        if message.len() > self.max_message() {
            return Err(FrameError::TooLong);
        }
        Ok(Frame { reserved, tpdu, header, message })
    }

    /// An envelope of zeros that suits the framing, for messages that answer nothing.
    pub fn blank_envelope(&self) -> Envelope {
        let header = match self.header {
            Header::Fixed(bytes) => vec![0; usize::from(bytes)],
            Header::FirstByte => vec![1],
        };
        let tpdu = self.tpdu.then_some([0x60, 0, 0, 0, 0]);
        Envelope { reserved: vec![0; usize::from(self.reserved)], tpdu, header }
    }

    /// Appends the frame of `message` to `out`.
    ///
    /// # Errors
    /// [`FrameError::BadHeader`] if the envelope does not suit the framing, [`FrameError::TooLong`] if the message is
    /// longer than the profile allows or the length can say. Nothing is written then.
    pub fn write(
        &self,
        envelope: &Envelope,
        message: &[u8],
        out: &mut SecretBytes,
    ) -> Result<(), FrameError> {
        let header_fits = match self.header {
            Header::Fixed(bytes) => envelope.header.len() == usize::from(bytes),
            Header::FirstByte => {
                envelope.header.first().is_some_and(|b| usize::from(*b) == envelope.header.len())
            }
        };
        if !header_fits
            || envelope.tpdu.is_some() != self.tpdu
            || envelope.reserved.len() != usize::from(self.reserved)
        {
            return Err(FrameError::BadHeader);
        }
        if message.len() > self.max_message() {
            return Err(FrameError::TooLong);
        }
        let tpdu = envelope.tpdu.as_ref().map_or(&[][..], |tpdu| tpdu);
        let body = tpdu.len() + envelope.header.len() + message.len();
        let length = if self.inclusive { body + self.prefix() } else { body };
        out.reserve(self.prefix() + body);
        let start = out.len();
        if self.indicator.write(length, out).is_err() {
            out.truncate(start);
            return Err(FrameError::TooLong);
        }
        if self.little_endian
            && let Some(indicator) = out.as_mut_slice().get_mut(start..)
        {
            indicator.reverse();
        }
        for part in [&envelope.reserved, tpdu, &envelope.header, message] {
            out.extend(part);
        }
        Ok(())
    }

    /// Appends the frame of a message without envelope.
    ///
    /// # Errors
    /// As [`Framing::write`], with an envelope of zeros.
    pub fn write_plain(&self, message: &[u8], out: &mut SecretBytes) -> Result<(), FrameError> {
        self.write(&self.blank_envelope(), message, out)
    }
}
