//! Reading and writing the subfields of a field, lazily: a message whose private field is malformed is still a message.

use std::fmt;

use crate::ber;
use crate::error::Fault;
use crate::layout::{Layout, Part, Shape, SubfieldId, TagForm};
use crate::mask::{Mask, Masked};
use crate::secret::SecretBytes;
use crate::wire::{Encoding, Wire};

/// A subfield of a field. Borrows from the message.
#[derive(Clone, Copy)]
pub struct Subfield<'a> {
    id: SubfieldId,
    part: Option<&'a Part>,
    wire: Option<Wire>,
    raw: &'a [u8],
    units: usize,
}

/// Where reading subfields failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subfield at byte {offset} of its field: {fault}")]
pub struct SubfieldError {
    /// The offset in the field's value, in bytes.
    pub offset: usize,
    /// Why.
    pub fault: Fault,
}

impl<'a> Subfield<'a> {
    /// Its tag, number or id.
    pub fn id(&self) -> SubfieldId {
        self.id
    }

    /// The name the profile gives it, or an empty one.
    pub fn name(&self) -> &'a str {
        self.part.map_or("", |part| &part.name)
    }

    /// Its bytes as they stand in the field's value.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Its value in canonical form: ASCII characters, or the bytes themselves if binary.
    ///
    /// # Errors
    /// A fault if the characters are not those the profile gives it.
    pub fn value(&self) -> Result<SecretBytes, Fault> {
        let mut out = SecretBytes::with_capacity(self.raw.len());
        match self.wire {
            Some(wire) => wire.decode(self.raw, self.units, &mut out)?,
            None => out.extend(self.raw),
        }
        if self.part.is_some_and(|part| part.exact && out.len() != usize::from(part.wire.max)) {
            return Err(Fault::WrongLength);
        }
        Ok(out)
    }

    /// What may be shown of it: only the length of what the profile does not describe.
    pub(crate) fn masked(&self) -> Masked<'a> {
        let plain = self.wire.is_none_or(Wire::verbatim);
        let mask = match self.part.map_or(Mask::Size, |part| part.mask) {
            // Packed digits cannot be told from noise here.
            Mask::Pan | Mask::Track | Mask::Tail if !plain => Mask::All,
            mask => mask,
        };
        Masked::new(self.raw, mask)
    }
}

impl fmt::Debug for Subfield<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.id, self.masked())
    }
}

/// The subfields of a field, in the order they stand there. Ends after the first fault.
pub struct Subfields<'a> {
    layout: &'a Layout,
    raw: &'a [u8],
    at: usize,
    /// Positional: how many parts have been read. Bitmap: the numbers left. TLV: 1 once the prefix is read.
    state: u64,
    begun: bool,
}

impl<'a> Subfields<'a> {
    pub(crate) fn new(layout: &'a Layout, raw: &'a [u8]) -> Self {
        Self { layout, raw, at: 0, state: 0, begun: false }
    }

    /// Reads a value described by `wire` at the current place.
    fn take(&mut self, id: SubfieldId, part: Option<&'a Part>, wire: Wire) -> Result<Subfield<'a>, Fault> {
        let extent = wire.extent(self.raw, self.at)?;
        let raw = self.raw.get(extent.start..extent.end).ok_or(Fault::Truncated)?;
        self.at = extent.end;
        Ok(Subfield { id, part, wire: Some(wire), raw, units: extent.units })
    }

    fn positional(&mut self) -> Option<Result<Subfield<'a>, Fault>> {
        if self.at >= self.raw.len() {
            return None;
        }
        let part = usize::try_from(self.state).ok().and_then(|at| self.layout.parts.get(at));
        self.state += 1;
        Some(match part {
            Some(part) => self.take(part.id, Some(part), part.wire),
            None => Err(Fault::Trailing),
        })
    }

    fn tlv(
        &mut self,
        tag: TagForm,
        tag_bytes: u8,
        prefix: u8,
        default: Wire,
    ) -> Option<Result<Subfield<'a>, Fault>> {
        if !self.begun {
            self.begun = true;
            if prefix > 0 {
                return Some(self.prefix(prefix));
            }
        }
        if self.at >= self.raw.len() {
            return None;
        }
        let end = self.at + usize::from(tag_bytes);
        let Some(bytes) = self.raw.get(self.at..end) else { return Some(Err(Fault::Truncated)) };
        let id = match tag {
            TagForm::Text => SubfieldId::from_bytes(bytes),
            TagForm::Bytes => SubfieldId::from_hex_of(bytes),
        };
        let Some(id) = id else { return Some(Err(Fault::BadTag)) };
        let part = self.layout.part(id);
        self.at = end;
        Some(self.take(id, part, part.map_or(default, |part| part.wire)))
    }

    fn prefix(&mut self, prefix: u8) -> Result<Subfield<'a>, Fault> {
        let id = prefix_id();
        let raw = self.raw.get(..usize::from(prefix)).ok_or(Fault::Truncated)?;
        self.at = raw.len();
        Ok(Subfield { id, part: self.layout.part(id), wire: None, raw, units: raw.len() })
    }

    fn ber(&mut self) -> Option<Result<Subfield<'a>, Fault>> {
        let rest = self.raw.get(self.at..)?;
        let mut elements = ber::elements(rest);
        let found = elements.next()?;
        self.at += elements.offset();
        Some(found.and_then(|element| {
            let id = SubfieldId::from_hex_of(element.tag.as_bytes()).ok_or(Fault::BadTag)?;
            Ok(Subfield { id, part: self.layout.part(id), wire: None, raw: element.value, units: 0 })
        }))
    }

    fn bitmap(&mut self, encoding: Encoding) -> Option<Result<Subfield<'a>, Fault>> {
        if !self.begun {
            self.begun = true;
            if self.raw.is_empty() {
                return None;
            }
            match read_bitmap(self.raw, encoding) {
                Ok((bits, used)) => (self.state, self.at) = (bits, used),
                Err(fault) => return Some(Err(fault)),
            }
        }
        if self.state == 0 {
            return (self.at < self.raw.len()).then_some(Err(Fault::Trailing));
        }
        let number = self.state.leading_zeros() as u8 + 1;
        self.state &= !(1 << (64 - number));
        let id = SubfieldId::from_number(number);
        Some(match self.layout.part(id) {
            Some(part) => self.take(id, Some(part), part.wire),
            None => Err(Fault::NoSubfield),
        })
    }
}

impl<'a> Iterator for Subfields<'a> {
    type Item = Result<Subfield<'a>, SubfieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.layout.shape {
            Shape::Positional => self.positional(),
            Shape::Tlv { tag, tag_bytes, prefix, default } => self.tlv(tag, tag_bytes, prefix, default),
            Shape::Ber => self.ber(),
            Shape::Bitmap { hex } => self.bitmap(hex.map_or(Encoding::Binary, Encoding::Hex)),
        }?;
        Some(item.map_err(|fault| {
            let offset = self.at;
            // Nothing more: the place of whatever follows is unknown.
            (self.raw, self.state, self.begun) = (&[], 0, true);
            self.at = 0;
            SubfieldError { offset, fault }
        }))
    }
}

/// The id of the characters that go before the first TLV element.
pub(crate) fn prefix_id() -> SubfieldId {
    SubfieldId::from_bytes(b"prefix").unwrap_or_else(|| SubfieldId::from_number(0))
}

/// The eight bytes of a bitmap, and how many bytes they took.
pub(crate) fn read_bitmap(raw: &[u8], encoding: Encoding) -> Result<(u64, usize), Fault> {
    if let Encoding::Hex(hex) = encoding {
        let digits = raw.get(..16).ok_or(Fault::Truncated)?;
        let bits = digits.iter().try_fold(0, |bits, &digit| Ok(bits << 4 | u64::from(hex.digit(digit)?)))?;
        return Ok((bits, 16));
    }
    let bytes = raw.first_chunk::<8>().ok_or(Fault::Truncated)?;
    Ok((u64::from_be_bytes(*bytes), 8))
}

/// Appends a bitmap.
pub(crate) fn write_bitmap(bits: u64, encoding: Encoding, out: &mut SecretBytes) {
    if let Encoding::Hex(hex) = encoding {
        for byte in bits.to_be_bytes() {
            out.push(hex.write(byte >> 4));
            out.push(hex.write(byte & 15));
        }
    } else {
        out.extend(&bits.to_be_bytes());
    }
}

impl Layout {
    /// Writes subfields, values in canonical form. TLV elements keep the order given; positions and numbers are put
    /// in theirs.
    pub(crate) fn write(&self, items: &[(SubfieldId, &[u8])]) -> Result<SecretBytes, Fault> {
        let mut out = SecretBytes::default();
        match self.shape {
            Shape::Positional => self.write_positional(items, &mut out)?,
            Shape::Tlv { tag, tag_bytes, prefix, default } => {
                self.write_prefix(items, prefix, &mut out)?;
                for (id, value) in items.iter().filter(|(id, _)| prefix == 0 || *id != prefix_id()) {
                    write_tag(*id, tag, tag_bytes, &mut out)?;
                    let part = self.part(*id);
                    if part.is_some_and(|part| part.exact && value.len() != usize::from(part.wire.max)) {
                        return Err(Fault::WrongLength);
                    }
                    part.map_or(default, |part| part.wire).encode(value, &mut out)?;
                }
            }
            Shape::Ber => {
                for (id, value) in items {
                    ber::write(id.as_str().parse()?, value, &mut out)?;
                }
            }
            Shape::Bitmap { hex } => {
                self.write_numbered(items, hex.map_or(Encoding::Binary, Encoding::Hex), &mut out)?;
            }
        }
        Ok(out)
    }

    fn write_positional(&self, items: &[(SubfieldId, &[u8])], out: &mut SecretBytes) -> Result<(), Fault> {
        if items.iter().any(|(id, _)| self.part(*id).is_none()) {
            return Err(Fault::NoSubfield);
        }
        // Positions count: none may be missing before one that is there.
        for part in self.parts.iter().take(items.len()) {
            let (_, value) = items.iter().find(|(id, _)| *id == part.id).ok_or(Fault::NoSubfield)?;
            part.wire.encode(value, out)?;
        }
        Ok(())
    }

    fn write_prefix(
        &self,
        items: &[(SubfieldId, &[u8])],
        prefix: u8,
        out: &mut SecretBytes,
    ) -> Result<(), Fault> {
        if prefix == 0 {
            return Ok(());
        }
        let (_, value) = items.iter().find(|(id, _)| *id == prefix_id()).ok_or(Fault::NoSubfield)?;
        if value.len() != usize::from(prefix) {
            return Err(Fault::WrongLength);
        }
        out.extend(value);
        Ok(())
    }

    fn write_numbered(
        &self,
        items: &[(SubfieldId, &[u8])],
        encoding: Encoding,
        out: &mut SecretBytes,
    ) -> Result<(), Fault> {
        let numbered = (1..=64u8).filter_map(|n| {
            let id = SubfieldId::from_number(n);
            items.iter().find(|(have, _)| *have == id).map(|(_, value)| (n, id, value))
        });
        let bits = numbered.clone().fold(0u64, |bits, (n, ..)| bits | 1 << (64 - n));
        if bits.count_ones() as usize != items.len() {
            return Err(Fault::NoSubfield);
        }
        write_bitmap(bits, encoding, out);
        for (_, id, value) in numbered {
            self.part(id).ok_or(Fault::NoSubfield)?.wire.encode(value, out)?;
        }
        Ok(())
    }
}

fn write_tag(id: SubfieldId, form: TagForm, tag_bytes: u8, out: &mut SecretBytes) -> Result<(), Fault> {
    let wanted = usize::from(tag_bytes);
    match form {
        TagForm::Text if id.as_str().len() == wanted => out.extend(id.as_str().as_bytes()),
        TagForm::Bytes => {
            let (bytes, len) = id.hex_bytes().filter(|(_, len)| *len == wanted).ok_or(Fault::BadTag)?;
            out.extend(bytes.get(..len).unwrap_or_default());
        }
        TagForm::Text => return Err(Fault::BadTag),
    }
    Ok(())
}
