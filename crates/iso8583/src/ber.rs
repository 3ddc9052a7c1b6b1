//! BER-TLV as EMV uses it (EMV Book 3, Annex B): tags of one to four bytes, definite lengths of up to three bytes
//! after the first, zero bytes between the elements allowed.

use std::fmt;
use std::str::FromStr;

use crate::error::Fault;
use crate::secret::SecretBytes;

/// EMV has tags of up to two bytes, proprietary ones of three are in use: four is generous.
const MAX_TAG_BYTES: usize = 4;

/// A length never needs more bytes than this: three say 16 MiB.
const MAX_LENGTH_BYTES: usize = 3;

/// The tag of an element, such as 9F02. Always well formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    bytes: [u8; MAX_TAG_BYTES],
    len: u8,
}

impl Tag {
    /// The tag made of these bytes, if they are one whole tag.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, used) = read_tag(bytes).ok()?;
        (used == bytes.len()).then_some(tag)
    }

    /// The bytes of the tag.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// True if the element's value is made of elements.
    pub fn is_constructed(&self) -> bool {
        self.bytes[0] & 0x20 != 0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl FromStr for Tag {
    type Err = Fault;

    /// Reads hexadecimal digits, such as `9F02`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut bytes = [0; MAX_TAG_BYTES];
        let digits = text.as_bytes();
        if digits.len() % 2 == 1 || digits.len() > 2 * MAX_TAG_BYTES {
            return Err(Fault::BadTag);
        }
        for (to, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            for &digit in pair {
                let value = char::from(digit).to_digit(16).ok_or(Fault::BadTag)?;
                // Two digits a byte: nothing is shifted out.
                *to = *to << 4 | value as u8;
            }
        }
        Self::from_bytes(bytes.get(..digits.len() / 2).unwrap_or_default()).ok_or(Fault::BadTag)
    }
}

/// An element of BER-TLV data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its value.
    pub value: &'a [u8],
}

/// Values may be card data: only their length is printed.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=[{} bytes]", self.tag, self.value.len())
    }
}

/// Reads the elements of BER-TLV data, one after another, without allocating. Ends after the first fault.
#[derive(Clone)]
pub struct Elements<'a> {
    data: &'a [u8],
    at: usize,
}

/// The elements of `data`.
pub fn elements(data: &[u8]) -> Elements<'_> {
    Elements { data, at: 0 }
}

/// The value of the first element with this tag. What is behind a malformed element is not found.
pub fn find(data: &[u8], tag: Tag) -> Option<&[u8]> {
    elements(data).map_while(Result::ok).find(|element| element.tag == tag).map(|element| element.value)
}

/// Appends an element, its length in the shortest form.
///
/// # Errors
/// [`Fault::TooLong`] if the value does not fit a three-byte length.
pub fn write(tag: Tag, value: &[u8], out: &mut SecretBytes) -> Result<(), Fault> {
    let length = u32::try_from(value.len()).map_err(|_| Fault::TooLong)?;
    let [top, bytes @ ..] = length.to_be_bytes();
    if top != 0 {
        return Err(Fault::TooLong);
    }
    out.extend(tag.as_bytes());
    match bytes {
        [0, 0, short @ 0..0x80] => out.push(short),
        [0, 0, low] => out.extend(&[0x81, low]),
        [0, high, low] => out.extend(&[0x82, high, low]),
        [top, high, low] => out.extend(&[0x83, top, high, low]),
    }
    out.extend(value);
    Ok(())
}

impl Elements<'_> {
    /// The offset of the next element, or of the one at fault.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.data.get(self.at) == Some(&0) {
            self.at += 1;
        }
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        match read_element(rest) {
            Ok((element, used)) => {
                self.at += used;
                Some(Ok(element))
            }
            Err(fault) => {
                self.data = &[];
                Some(Err(fault))
            }
        }
    }
}

fn read_element(data: &[u8]) -> Result<(Element<'_>, usize), Fault> {
    let (tag, tag_len) = read_tag(data)?;
    let rest = data.get(tag_len..).unwrap_or_default();
    let (length, length_len) = match rest.split_first() {
        None => return Err(Fault::Truncated),
        Some((&short @ 0..0x80, _)) => (usize::from(short), 1),
        Some((&first, rest)) => {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > MAX_LENGTH_BYTES {
                return Err(Fault::BadLength);
            }
            let bytes = rest.get(..count).ok_or(Fault::Truncated)?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 1 + count)
        }
    };
    let value = rest.get(length_len..).and_then(|rest| rest.get(..length)).ok_or(Fault::Truncated)?;
    Ok((Element { tag, value }, tag_len + length_len + length))
}

fn read_tag(data: &[u8]) -> Result<(Tag, usize), Fault> {
    let mut bytes = [0; MAX_TAG_BYTES];
    for (at, (to, &byte)) in bytes.iter_mut().zip(data).enumerate() {
        *to = byte;
        let more = if at == 0 { byte & 0x1f == 0x1f } else { byte & 0x80 != 0 };
        // 00 is padding between elements, never a tag.
        if at == 0 && byte == 0 {
            return Err(Fault::BadTag);
        }
        if !more {
            return Ok((Tag { bytes, len: at as u8 + 1 }, at + 1));
        }
    }
    Err(if data.len() < MAX_TAG_BYTES { Fault::Truncated } else { Fault::BadTag })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().expect("is a tag")
    }

    #[test]
    fn reads_what_it_writes() {
        let mut out = SecretBytes::default();
        for (name, length) in [("9A", 3), ("9F02", 6), ("DF8129", 0), ("71", 127), ("72", 128), ("84", 700)] {
            write(tag(name), &vec![0x5a; length], &mut out).expect("writes");
        }
        let seen: Vec<_> =
            elements(&out).map(|e| e.map(|e| (e.tag.to_string(), e.value.len())).expect("reads")).collect();
        let expected = [("9A", 3), ("9F02", 6), ("DF8129", 0), ("71", 127), ("72", 128), ("84", 700)];
        assert_eq!(seen, expected.map(|(t, l)| (t.to_owned(), l)));
        assert_eq!(find(&out, tag("9F02")).map(<[u8]>::len), Some(6));
        assert_eq!(find(&out, tag("9F03")), None);
        assert!(tag("71").is_constructed() && !tag("9A").is_constructed());
    }

    #[test]
    fn skips_zeros_and_stops_at_the_first_fault() {
        let good: Vec<_> = elements(&[0, 0x9a, 1, 7, 0, 0]).collect();
        assert_eq!(good, [Ok(Element { tag: tag("9A"), value: &[7] })]);
        for (bytes, fault) in [
            (&[0x9a][..], Fault::Truncated),
            (&[0x9a, 2, 1], Fault::Truncated),
            (&[0x9f], Fault::Truncated),
            (&[0x9f, 0x81, 0x81, 0x81, 0x81], Fault::BadTag),
            (&[0x9a, 0x80], Fault::BadLength),
            (&[0x9a, 0x84, 0, 0, 0, 1, 1], Fault::BadLength),
            (&[0x9a, 0x82, 1], Fault::Truncated),
        ] {
            let seen: Vec<_> = elements(bytes).collect();
            assert_eq!(seen, [Err(fault)], "{bytes:x?}");
        }
    }

    #[test]
    fn a_tag_is_whole_or_not_at_all() {
        for bad in ["", "9", "9F", "9A01", "00", "GG", "9F8181818101"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }
}
