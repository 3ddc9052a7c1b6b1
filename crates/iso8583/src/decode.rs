//! From bytes to a message, as far as they can be read.

use crate::bits::FieldSet;
use crate::charset::CodePage;
use crate::error::{DecodeError, Fault, Place};
use crate::framing::MAX_MESSAGE_BYTES;
use crate::message::{Marks, Message, Slot};
use crate::mti::Mti;
use crate::profile::{MtiForm, Profile, Secondary, Tertiary};
use crate::secret::SecretBytes;
use crate::subfields::read_bitmap;

/// Decoding allocates at most this many bytes for each byte of a message (a copy of it, and two digits for each BCD
/// byte), besides eight for each of at most 192 fields.
pub const MAX_EXPANSION: usize = 3;

/// What became of the bytes: all that could be read, and the first thing that could not.
///
/// A fault inside a field whose extent is known (a letter in a number, for instance) leaves that field out and reading
/// goes on, so that a reply can echo the rest; a fault that hides where the next field begins ends it.
#[derive(Debug)]
pub struct Decoded {
    /// The message; `None` if not even its type could be read.
    pub message: Option<Message>,
    /// The first fault, if there is one.
    pub error: Option<DecodeError>,
}

impl Decoded {
    /// The message if all of it could be read.
    ///
    /// # Errors
    /// The first fault.
    pub fn into_result(self) -> Result<Message, DecodeError> {
        match (self.message, self.error) {
            (Some(message), None) => Ok(message),
            (_, Some(error)) => Err(error),
            // No message without a fault: see `Profile::decode`.
            (None, None) => Err(DecodeError { place: Place::Mti, offset: 0, fault: Fault::Truncated }),
        }
    }
}

/// The top bit of a bitmap announces the next bitmap.
const NEXT: u64 = 1 << 63;

struct Reader<'a> {
    profile: &'a Profile,
    raw: &'a [u8],
    at: usize,
    error: Option<DecodeError>,
}

impl Profile {
    /// Decodes a message, as far as it can be read. Never panics and never allocates more than
    /// [`MAX_EXPANSION`] times the length of `raw`, plus a fixed amount; of more than [`MAX_MESSAGE_BYTES`] bytes only
    /// that many are looked at.
    ///
    /// A message decoded without fault is encoded to the same bytes by the same profile.
    pub fn decode(&self, raw: &[u8]) -> Decoded {
        let cut = raw.get(..MAX_MESSAGE_BYTES).unwrap_or(raw);
        let mut reader = Reader { profile: self, raw: cut, at: 0, error: None };
        if cut.len() < raw.len() {
            reader.note(Place::Message, cut.len(), Fault::TooLong);
        }
        let message = reader.mti().map(|mti| {
            let mut message = self.message(mti);
            if let Some(words) = reader.bitmaps(&mut message.marks) {
                reader.fields(words, &mut message);
            }
            message
        });
        Decoded { message, error: reader.error }
    }
}

impl<'a> Reader<'a> {
    /// Remembers the first fault.
    fn note(&mut self, place: Place, offset: usize, fault: Fault) {
        self.error.get_or_insert(DecodeError { place, offset, fault });
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.raw.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn mti(&mut self) -> Option<Mti> {
        let form = self.profile.mti;
        let length = if form == MtiForm::Bcd { 2 } else { 4 };
        let Some(bytes) = self.take(length) else {
            self.note(Place::Mti, 0, Fault::Truncated);
            return None;
        };
        let digits = match (form, bytes) {
            (MtiForm::Ascii, &[a, b, c, d]) => [a, b, c, d],
            (MtiForm::Ebcdic, &[a, b, c, d]) => {
                [a, b, c, d].map(|byte| CodePage::Cp500.to_latin()[usize::from(byte)])
            }
            // A nibble above nine becomes a character that is no digit.
            (_, bytes) => {
                let [a, b] = [bytes.first(), bytes.last()].map(|byte| byte.copied().unwrap_or_default());
                [a >> 4, a & 15, b >> 4, b & 15].map(|nibble| b'0' + nibble)
            }
        };
        let mti = Mti::from_digits(digits);
        if mti.is_none() {
            self.note(Place::Mti, 0, Fault::BadCharacter);
        }
        mti
    }

    fn bitmap(&mut self, number: u8) -> Option<u64> {
        let at = self.at;
        match read_bitmap(self.raw.get(at..).unwrap_or_default(), self.profile.bitmap.encoding) {
            Ok((bits, used)) => {
                self.at += used;
                Some(bits)
            }
            Err(fault) => {
                self.note(Place::Bitmap(number), at, fault);
                None
            }
        }
    }

    /// Reads the bitmaps that stand before the fields. `None` if one of them cannot be read: then no field can.
    fn bitmaps(&mut self, marks: &mut Marks) -> Option<[u64; 3]> {
        let form = self.profile.bitmap;
        let start = self.at;
        let first = self.bitmap(1)?;
        let marked = first & NEXT != 0;
        // The wrong mark is a fault, for the message could not be written back as it came; the fields can be read.
        let (there, as_agreed) = match form.secondary {
            Secondary::Auto => (marked, true),
            Secondary::Always => (marked, marked),
            Secondary::Unmarked => (true, !marked),
        };
        if !as_agreed {
            self.note(Place::Bitmap(1), start, Fault::BitmapForm);
        }
        let mut words = [first & !NEXT, 0, 0];
        if there {
            words[1] = self.bitmap(2)?;
            marks.secondary = true;
        }
        if form.tertiary == Tertiary::Follows && words[1] & NEXT != 0 {
            words[1] &= !NEXT;
            words[2] = self.bitmap(3)?;
            marks.tertiary = true;
        }
        Some(words)
    }

    fn fields(&mut self, mut words: [u64; 3], message: &mut Message) {
        let in_place = self.profile.bitmap.tertiary == Tertiary::InPlace;
        let announced: u32 = words.iter().map(|word| word.count_ones()).sum();
        let room = if self.profile.verbatim { self.raw.len() } else { self.raw.len() * MAX_EXPANSION };
        let mut data = SecretBytes::with_capacity(room);
        // One copy of the whole message: values that need no translation are ranges of it.
        data.extend(self.raw);
        let mut slots = Vec::with_capacity(announced as usize);
        let mut present = FieldSet::EMPTY;
        let mut complete = true;
        'words: for number in 0..words.len() {
            let mut left = words.get(number).copied().unwrap_or_default();
            let mut read = 0;
            while left != 0 {
                let lead = left.leading_zeros();
                let bit = NEXT >> lead;
                left &= !bit;
                let field = (number as u32 * 64 + lead + 1) as u8;
                if field == 65 && in_place {
                    let Some(bits) = self.bitmap(3) else {
                        complete = false;
                        break;
                    };
                    message.marks.tertiary = true;
                    words[2] = bits;
                    continue;
                }
                match self.field(field, &mut data) {
                    Ok(Some(slot)) => {
                        read |= bit;
                        slots.push(slot);
                    }
                    Ok(None) => {}
                    Err(()) => {
                        complete = false;
                        break;
                    }
                }
            }
            present.set_word(number, read);
            if !complete {
                break 'words;
            }
        }
        if complete && self.at < self.raw.len() {
            self.note(Place::Message, self.at, Fault::Trailing);
        }
        (message.present, message.data, message.slots) = (present, data, slots);
    }

    /// Reads a field. `Ok(None)`: its content is at fault. `Err`: where the next one begins is unknown.
    #[inline]
    fn field(&mut self, field: u8, data: &mut SecretBytes) -> Result<Option<Slot>, ()> {
        let at = self.at;
        let extent = match self.profile.wire(field) {
            None => Err(Fault::Undefined),
            Some(wire) => wire.extent(self.raw, at).map(|extent| (wire, extent)),
        };
        let (wire, extent) = match extent {
            Ok(found) => found,
            Err(fault) => {
                self.note(Place::Field(field), at, fault);
                return Err(());
            }
        };
        self.at = extent.end;
        let bytes = self.raw.get(extent.start..extent.end).unwrap_or_default();
        // Offsets fit 32 bits: a message is under 64 KiB and grows threefold at most.
        if wire.verbatim() {
            if wire.class.admits(bytes) {
                return Ok(Some(Slot { start: extent.start as u32, end: extent.end as u32 }));
            }
            self.note(Place::Field(field), at, Fault::BadCharacter);
            return Ok(None);
        }
        let start = data.len();
        if let Err(fault) = wire.decode(bytes, extent.units, data) {
            data.truncate(start);
            self.note(Place::Field(field), at, fault);
            return Ok(None);
        }
        Ok(Some(Slot { start: start as u32, end: data.len() as u32 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::MAX_FIELD;
    use crate::profile::builtin_names;
    use proptest::prelude::*;

    proptest! {
        /// The bound that `MAX_EXPANSION` promises, whatever the bytes.
        #[test]
        fn allocates_in_proportion(
            head in proptest::option::of(any::<[u8; 16]>()),
            body in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            for name in builtin_names() {
                let profile = Profile::builtin(name).map_err(|e| TestCaseError::fail(e.to_string()))?;
                let mti = match profile.mti {
                    MtiForm::Ascii => &b"0100"[..],
                    MtiForm::Ebcdic => &[0xf0, 0xf1, 0xf0, 0xf0],
                    MtiForm::Bcd => &[0x01, 0x00],
                };
                let bitmap = head.map_or_else(Vec::new, |bits| bits.to_vec());
                let raw = [mti, &bitmap, &body].concat();
                if let Some(message) = profile.decode(&raw).message {
                    prop_assert!(message.data.capacity() <= raw.len() * MAX_EXPANSION);
                    prop_assert!(message.slots.capacity() <= usize::from(MAX_FIELD));
                    prop_assert_eq!(message.slots.len(), message.present.len());
                }
            }
        }
    }
}
