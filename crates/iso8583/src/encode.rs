//! From a message to bytes.

use crate::charset::CodePage;
use crate::error::{EncodeError, Fault, Place};
use crate::framing::MAX_MESSAGE_BYTES;
use crate::message::Message;
use crate::profile::{MtiForm, Profile, Secondary, Tertiary};
use crate::secret::SecretBytes;
use crate::subfields::write_bitmap;

/// The top bit of a bitmap announces the next bitmap.
const NEXT: u64 = 1 << 63;

/// MTI and three bitmaps in hexadecimal digits.
const HEAD_MAX: usize = 4 + 3 * 16;

/// Room for a length indicator and an odd digit, for each field.
const FIELD_HEAD_MAX: usize = 5;

impl Profile {
    /// Encodes a message, without a frame around it. The bytes hold card data: they are wiped when dropped.
    ///
    /// # Errors
    /// The field that the profile does not define or whose value does not suit it, and why.
    pub fn encode(&self, message: &Message) -> Result<SecretBytes, EncodeError> {
        let factor = if self.verbatim { 1 } else { 2 };
        let values = message.value_bytes().saturating_mul(factor);
        let heads = message.slots.len().saturating_mul(FIELD_HEAD_MAX);
        let mut out = SecretBytes::with_capacity(values.saturating_add(heads).saturating_add(HEAD_MAX));
        self.encode_into(message, &mut out)?;
        Ok(out)
    }

    /// Appends the encoded message to `out`.
    ///
    /// # Errors
    /// As [`Profile::encode`]; `out` is then as it was.
    pub fn encode_into(&self, message: &Message, out: &mut SecretBytes) -> Result<(), EncodeError> {
        let start = out.len();
        self.write(message, out).inspect_err(|_| out.truncate(start))?;
        if out.len() - start > MAX_MESSAGE_BYTES {
            out.truncate(start);
            return Err(EncodeError { place: Place::Message, fault: Fault::TooLong });
        }
        Ok(())
    }

    fn write(&self, message: &Message, out: &mut SecretBytes) -> Result<(), EncodeError> {
        self.write_mti(message, out);
        let form = self.bitmap;
        let mut words = [message.present.word(0), message.present.word(1), message.present.word(2)];
        let tertiary = form.tertiary != Tertiary::None && (words[2] != 0 || message.marks.tertiary);
        if tertiary {
            words[1] |= NEXT;
        }
        let secondary = words[1] != 0 || message.marks.secondary || form.secondary != Secondary::Auto;
        if secondary && form.secondary != Secondary::Unmarked {
            words[0] |= NEXT;
        }
        write_bitmap(words[0], form.encoding, out);
        if secondary {
            write_bitmap(words[1], form.encoding, out);
        }
        if tertiary && form.tertiary == Tertiary::Follows {
            write_bitmap(words[2], form.encoding, out);
        }
        let mut in_place = tertiary && form.tertiary == Tertiary::InPlace;
        for (field, value) in message.iter() {
            if in_place && field >= 65 {
                write_bitmap(words[2], form.encoding, out);
                in_place = false;
            }
            let wire = self.wire(field).ok_or(EncodeError::field(field, Fault::Undefined))?;
            wire.encode(value, out).map_err(|fault| EncodeError::field(field, fault))?;
        }
        if in_place {
            write_bitmap(words[2], form.encoding, out);
        }
        Ok(())
    }

    fn write_mti(&self, message: &Message, out: &mut SecretBytes) {
        let digits = message.mti().digits();
        match self.mti {
            MtiForm::Ascii => out.extend(&digits),
            MtiForm::Ebcdic => {
                out.extend(&digits.map(|digit| CodePage::Cp500.to_ebcdic()[usize::from(digit)]));
            }
            MtiForm::Bcd => {
                let [a, b, c, d] = digits.map(|digit| digit & 15);
                out.extend(&[a << 4 | b, c << 4 | d]);
            }
        }
    }
}
