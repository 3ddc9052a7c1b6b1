//! A message: its type and its fields, in one buffer that wipes itself.

use std::fmt;

use zeroize::Zeroize;

use crate::bits::{FieldSet, MAX_FIELD};
use crate::error::{EncodeError, Fault};
use crate::mask::{Mask, Masked};
use crate::mti::Mti;
use crate::secret::SecretBytes;
use crate::wire::MAX_VALUE;

/// Where a value stands in the buffer. A message is under 64 KiB and grows at most threefold, so 32 bits are enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A form of the bitmaps that the fields alone do not tell, kept so that a message is written back as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// There is a secondary bitmap although it may be empty.
    pub(crate) secondary: bool,
    /// There is a tertiary bitmap although it may be empty.
    pub(crate) tertiary: bool,
}

/// An ISO 8583 message. Values are in canonical form whatever the wire was: text and numbers as ASCII characters,
/// binary fields as the bytes themselves.
///
/// All values are wiped when the message is dropped. `Debug` and `Display` show sensitive fields masked only.
pub struct Message {
    mti: Mti,
    pub(crate) present: FieldSet,
    pub(crate) marks: Marks,
    /// Fields that the profile masks beyond those that are always masked.
    pub(crate) hidden: FieldSet,
    pub(crate) data: SecretBytes,
    /// One slot for each present field, in ascending order of the fields.
    pub(crate) slots: Vec<Slot>,
}

/// A buffer is tidied when it holds this much more than its values need, in bytes: more than a long field.
const SLACK: usize = 2 * MAX_VALUE as usize;

impl Message {
    /// A message without fields.
    pub fn new(mti: Mti) -> Self {
        Self {
            mti,
            present: FieldSet::EMPTY,
            marks: Marks::default(),
            hidden: FieldSet::EMPTY,
            data: SecretBytes::default(),
            slots: Vec::new(),
        }
    }

    /// The message type indicator.
    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// Gives the message another type.
    pub fn set_mti(&mut self, mti: Mti) {
        self.mti = mti;
    }

    /// The fields that are present.
    pub fn fields(&self) -> FieldSet {
        self.present
    }

    /// True if `field` is present.
    #[inline]
    pub fn has(&self, field: u8) -> bool {
        self.present.contains(field)
    }

    /// The value of `field`, if it is present.
    #[inline]
    pub fn get(&self, field: u8) -> Option<&[u8]> {
        if !self.present.contains(field) {
            return None;
        }
        let slot = self.slots.get(self.present.rank(field))?;
        self.data.get(slot.start as usize..slot.end as usize)
    }

    /// The value of `field` as text, if it is present and is text.
    #[inline]
    pub fn text(&self, field: u8) -> Option<&str> {
        self.get(field).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The fields and their values, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.present.iter().zip(&self.slots).map(|(field, slot)| {
            (field, self.data.get(slot.start as usize..slot.end as usize).unwrap_or_default())
        })
    }

    /// Sets `field` to `value`, in canonical form. Whether the value suits the field is checked when the message is
    /// encoded, by the profile.
    ///
    /// # Errors
    /// [`Fault::Undefined`] if `field` is not in 2..=192, [`Fault::TooLong`] if no profile could carry the value.
    pub fn set(&mut self, field: u8, value: impl AsRef<[u8]>) -> Result<(), EncodeError> {
        let value = value.as_ref();
        if !(2..=MAX_FIELD).contains(&field) {
            return Err(EncodeError::field(field, Fault::Undefined));
        }
        if value.len() > usize::from(MAX_VALUE) {
            return Err(EncodeError::field(field, Fault::TooLong));
        }
        self.remove(field);
        let start = self.data.len();
        self.data.extend(value);
        let too_long = |_| EncodeError::field(field, Fault::TooLong);
        let slot = Slot {
            start: u32::try_from(start).map_err(too_long)?,
            end: u32::try_from(self.data.len()).map_err(too_long)?,
        };
        let rank = self.present.rank(field).min(self.slots.len());
        self.slots.insert(rank, slot);
        self.present.insert(field);
        Ok(())
    }

    /// Removes `field` and wipes its value. True if it was there.
    pub fn remove(&mut self, field: u8) -> bool {
        if !self.present.contains(field) {
            return false;
        }
        let rank = self.present.rank(field);
        if rank < self.slots.len() {
            let slot = self.slots.remove(rank);
            let (start, end) = (slot.start as usize, slot.end as usize);
            if let Some(value) = self.data.as_mut_slice().get_mut(start..end) {
                value.zeroize();
            }
            if end == self.data.len() {
                self.data.truncate(start);
            }
        }
        self.present.remove(field);
        self.tidy();
        true
    }

    /// Copies `field` from another message. True if it was there.
    ///
    /// # Errors
    /// None in practice: what one message holds another can hold.
    pub fn copy_from(&mut self, other: &Self, field: u8) -> Result<bool, EncodeError> {
        match other.get(field) {
            Some(value) => self.set(field, value).map(|()| true),
            None => Ok(false),
        }
    }

    /// The length of all values together, in bytes.
    pub(crate) fn value_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.end.saturating_sub(slot.start) as usize).sum()
    }

    /// Keeps a message whose fields are set over and over from growing.
    fn tidy(&mut self) {
        let live = self.value_bytes();
        if self.data.len() <= live.saturating_mul(2).saturating_add(SLACK) {
            return;
        }
        let (data, slots) = self.compacted();
        self.data = data;
        self.slots = slots;
    }

    fn compacted(&self) -> (SecretBytes, Vec<Slot>) {
        let mut data = SecretBytes::with_capacity(self.value_bytes());
        let mut slots = Vec::with_capacity(self.slots.len());
        for (_, value) in self.iter() {
            // Both fit: the buffer copied from was addressed with 32 bits, and this one is no longer.
            let start = data.len() as u32;
            data.extend(value);
            slots.push(Slot { start, end: data.len() as u32 });
        }
        (data, slots)
    }

    /// How `field` is shown where no profile is at hand.
    fn mask(&self, field: u8) -> Mask {
        match Mask::standard(field) {
            Mask::Clear if self.hidden.contains(field) => Mask::Size,
            mask => mask,
        }
    }
}

impl Clone for Message {
    fn clone(&self) -> Self {
        let (data, slots) = self.compacted();
        Self { mti: self.mti, present: self.present, marks: self.marks, hidden: self.hidden, data, slots }
    }
}

/// Messages are equal if type, fields and values are; the form of the bitmaps does not count.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.mti == other.mti && self.present == other.present && self.iter().eq(other.iter())
    }
}

impl Eq for Message {}

/// One line: the type and the fields, sensitive ones masked.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mti)?;
        for (field, value) in self.iter() {
            write!(f, " {field}={}", Masked::new(value, self.mask(field)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::new("0100".parse().expect("is an MTI"))
    }

    #[test]
    fn sets_replaces_and_removes_in_any_order() {
        let mut m = message();
        for (field, value) in [(41, "TERM0001"), (2, "4111111111111111"), (128, "12345678"), (11, "000001")] {
            m.set(field, value).expect("sets");
        }
        m.set(11, "000002").expect("sets");
        m.set(41, "TERM").expect("sets");
        let seen: Vec<_> = m.iter().map(|(f, v)| (f, v.to_vec())).collect();
        assert_eq!(
            seen,
            [
                (2, b"4111111111111111".to_vec()),
                (11, b"000002".to_vec()),
                (41, b"TERM".to_vec()),
                (128, b"12345678".to_vec())
            ]
        );
        assert!(m.remove(2) && !m.remove(2));
        assert_eq!(m.get(2), None);
        assert_eq!(m.text(41), Some("TERM"));
        assert_eq!(m.clone(), m);
    }

    #[test]
    fn wipes_what_it_forgets() {
        let mut m = message();
        m.set(2, "4111111111111111").expect("sets");
        m.set(3, "000000").expect("sets");
        m.remove(2);
        assert!(!m.data.windows(4).any(|w| w == b"4111"));
    }

    #[test]
    fn does_not_grow_when_a_field_is_set_over_and_over() {
        let mut m = message();
        m.set(48, "x").expect("sets");
        for length in 0..5_000usize {
            m.set(63, vec![b'x'; length % 999]).expect("sets");
            m.set(62, vec![b'x'; length % 999]).expect("sets");
        }
        assert!(m.data.len() < 4 * SLACK, "{}", m.data.len());
    }

    #[test]
    fn refuses_fields_no_bitmap_can_say() {
        for field in [0, 1, 193, 255] {
            assert_eq!(message().set(field, "1"), Err(EncodeError::field(field, Fault::Undefined)));
        }
        assert_eq!(message().set(2, vec![b'1'; 10_000]), Err(EncodeError::field(2, Fault::TooLong)));
    }

    #[test]
    fn shows_no_secrets() {
        let mut m = message();
        for (field, value) in [
            (2, "4111111111111111"),
            (3, "000000"),
            (14, "2912"),
            (35, "4111111111111111=29121010000000000000"),
            (45, "B4111111111111111^DOE/JANE^29121010000000000000"),
            (48, "9203737"),
            (52, "\u{1}2345678"),
        ] {
            m.set(field, value).expect("sets");
        }
        m.hidden.insert(3);
        let shown = format!("{m} {m:?}");
        for secret in ["411111111", "2912", "DOE", "9203737", "2345678", "000000"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("2=411111******1111"), "{shown}");
    }
}
