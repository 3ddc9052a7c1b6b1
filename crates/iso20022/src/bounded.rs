//! A reader that gives no more than so many bytes until it is told that they were understood.

use std::io::{self, BufRead, Read};

/// Longest tag, text, comment or other piece of a document, in bytes. The schemas allow texts of 500 characters, and
/// attributes that point to schemas are a few hundred.
pub(crate) const PIECE_MAX: usize = 64 * 1024;

/// What the error of a piece that is too long says.
pub(crate) const TOO_LONG: &str = "a tag, a text or a comment is longer than 64 KiB";

/// Bounds what a parser that collects a piece until its end can be made to hold.
pub(crate) struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Bounded<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, left: PIECE_MAX }
    }

    /// The next piece begins.
    pub(crate) fn refill(&mut self) {
        self.left = PIECE_MAX;
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left;
        let available = self.inner.fill_buf()?;
        if left == 0 && !available.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TOO_LONG));
        }
        Ok(available.get(..left).unwrap_or(available))
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}
