//! An ISO 8583 codec whose message layouts are data. Usable alone.
//!
//! A [`Profile`] says what a message looks like between two partners: which fields there are, how each is written, how
//! bitmaps and lengths are written, how messages are told apart on a connection. Profiles are TOML and inherit from each
//! other; five are built in. `profiles/README.md` describes the format.
//!
//! - [`Profile::decode`] reads whatever can be read and says where and why it stopped, so that a reply can be formed.
//!   It never panics, whatever the bytes, and allocates in proportion to them ([`MAX_EXPANSION`]).
//! - [`Profile::encode`] writes what was decoded without fault byte for byte as it came.
//! - [`Message`] keeps values in one canonical form whatever the wire: text and numbers as ASCII characters, binary
//!   fields as bytes. It wipes them when dropped and shows sensitive ones masked only.
//! - [`FrameDecoder`] cuts a stream into messages and refuses a length before holding what it announces.
//!
//! ```
//! use bursar_iso8583::{FrameDecoder, Profile, SecretBytes};
//!
//! let profile = Profile::builtin("iso87-ascii")?;
//! let mut request = profile.message("0100".parse()?);
//! request.set(2, "4111111111111111")?;
//! request.set_amount(4, 1_250)?;
//! request.set(11, "000042")?;
//! profile.set_cvv2(&mut request, "737")?;
//!
//! // On the wire …
//! let mut stream = SecretBytes::default();
//! profile.framing().write_plain(&profile.encode(&request)?, &mut stream)?;
//!
//! // … and back.
//! let mut input: &[u8] = &stream;
//! let mut decoder = FrameDecoder::new(profile.framing());
//! while let Some(frame) = decoder.next(&mut input)? {
//!     let decoded = profile.decode(frame.message());
//!     assert_eq!(decoded.error, None);
//!     let message = decoded.message.expect("the type could be read");
//!     assert_eq!(message.amount(4)?, Some(1_250));
//!     assert_eq!(profile.cvv2(&message).as_deref(), Some(&b"737"[..]));
//!
//!     let mut reply = profile.reply_to(&message).expect("a request wants an answer");
//!     reply.set(39, "00")?;
//!     assert_eq!(reply.to_string(), "0110 2=411111******1111 4=000000001250 11=000042 39=00");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A message authentication code (field 64 or 128) is computed over the encoded bytes before it. As it is the last field,
//! encode with eight zero bytes in it, compute over all but the last eight bytes, and put the code in their place.

#![forbid(unsafe_code)]

pub mod ber;
mod bits;
mod charset;
mod class;
mod decode;
mod encode;
mod error;
mod frame_decoder;
mod framing;
mod layout;
mod mask;
mod message;
mod mti;
pub mod profile;
mod secret;
mod subfields;
mod table;
mod typed;
mod value;
mod wire;

pub use bits::{FieldSet, Fields, MAX_FIELD};
pub use class::Class;
pub use decode::{Decoded, MAX_EXPANSION};
pub use error::{BadValue, DecodeError, EncodeError, Fault, Place, ProfileError};
pub use frame_decoder::FrameDecoder;
pub use framing::{DEFAULT_MAX_MESSAGE_BYTES, Envelope, Frame, FrameError, Framing, MAX_MESSAGE_BYTES};
pub use layout::SubfieldId;
pub use mask::Mask;
pub use message::Message;
pub use mti::{BadMti, Function, MessageClass, Mti, Origin, Version};
pub use profile::{FieldSpec, Profile};
pub use secret::SecretBytes;
pub use subfields::{Subfield, SubfieldError, Subfields};
pub use table::Table;
pub use typed::{
    Expiry, LocalDate, LocalTime, OriginalData, OriginalData93, ProcessingCode, Stan, TransmissionTime,
};
pub use wire::MAX_VALUE;
