//! Bytes that are wiped when they are dropped, and before any memory that held them is given back.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroize;

/// Owned bytes that may hold card data: wiped on drop and on growth, and printed as a length only.
#[derive(Default)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// A buffer holding a copy of `bytes`. The original stays the caller's to wipe.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Appends `bytes`. When the buffer must move, the old place is wiped.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.reserve(1);
        self.0.push(byte);
    }

    /// Wipes and forgets the content; the room stays.
    pub fn clear(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// Makes room for `more` bytes without leaving a copy of the content behind.
    #[inline]
    pub(crate) fn reserve(&mut self, more: usize) {
        let wanted = self.0.len().saturating_add(more);
        if wanted > self.0.capacity() {
            self.move_to(wanted);
        }
    }

    #[cold]
    fn move_to(&mut self, wanted: usize) {
        let mut moved = Vec::with_capacity(wanted.max(self.0.capacity().saturating_mul(2)));
        moved.extend_from_slice(&self.0);
        self.0.as_mut_slice().zeroize();
        self.0 = moved;
    }

    /// Appends `more` zeros and returns them to be written.
    #[inline]
    pub(crate) fn grow(&mut self, more: usize) -> &mut [u8] {
        self.reserve(more);
        let start = self.0.len();
        self.0.resize(start.saturating_add(more), 0);
        self.0.get_mut(start..).unwrap_or_default()
    }

    /// Wipes and forgets what is beyond `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        if let Some(tail) = self.0.get_mut(len..) {
            tail.zeroize();
            self.0.truncate(len);
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Takes the bytes over without a copy.
impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // The spare room needs no wiping: `clear` and `truncate` wipe what they let go of.
        self.0.as_mut_slice().zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for SecretBytes {}

impl Clone for SecretBytes {
    fn clone(&self) -> Self {
        Self::copy_of(&self.0)
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_shrinks_like_a_vector() {
        let mut bytes = SecretBytes::with_capacity(1);
        bytes.push(b'4');
        bytes.extend(b"11111");
        assert_eq!(&bytes[..], b"411111");
        bytes.truncate(2);
        bytes.truncate(9);
        assert_eq!(&bytes[..], b"41");
        bytes.clear();
        assert!(bytes.is_empty());
    }

    #[test]
    fn prints_no_content() {
        assert_eq!(format!("{:?}", SecretBytes::copy_of(b"4111111111111111")), "[16 bytes]");
    }
}
