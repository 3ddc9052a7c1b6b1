//! Bytes of a list as they are read: hashed, counted and bounded.

use std::io::{self, BufRead, Read};

use ring::digest::{Context, SHA256};

use super::ListError;

/// Longest row, line or piece of text in bytes: the longest of real lists has a third of it.
pub const ROW_BYTES_MAX: usize = 512 * 1024;

/// Largest file of a list in bytes.
pub const TOTAL_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A file of a list.
pub(super) struct Source<R> {
    inner: R,
    file: &'static str,
    hash: Context,
    total: u64,
    /// Bytes since the last row began.
    row_bytes: usize,
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(file: &'static str, inner: R) -> Self {
        Self { inner, file, hash: Context::new(&SHA256), total: 0, row_bytes: 0 }
    }

    pub(super) const fn file(&self) -> &'static str {
        self.file
    }

    /// A new row begins.
    pub(super) const fn next_row(&mut self) {
        self.row_bytes = 0;
    }

    /// Whether the current row is longer than one may be.
    pub(super) const fn is_too_long(&self) -> bool {
        self.row_bytes > ROW_BYTES_MAX
    }

    /// The next line without its end, into `line`; false at the end of the file.
    pub(super) fn line(&mut self, line: &mut Vec<u8>, number: u64) -> Result<bool, ListError> {
        line.clear();
        self.next_row();
        let limit = u64::try_from(ROW_BYTES_MAX).unwrap_or(u64::MAX) + 1;
        let file = self.file;
        let read = self
            .by_ref()
            .take(limit)
            .read_until(b'\n', line)
            .map_err(|error| ListError::Unreadable { file, error })?;
        if line.len() > ROW_BYTES_MAX {
            return Err(ListError::Row {
                file,
                row: number,
                what: format!("longer than {ROW_BYTES_MAX} bytes"),
            });
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(read > 0)
    }

    /// The hash of what was read, as hex.
    pub(super) fn finish(self) -> String {
        hex(self.hash.finish().as_ref())
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.is_too_long() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row is longer than {ROW_BYTES_MAX} bytes"),
            ));
        }
        if self.total > TOTAL_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("more than {TOTAL_BYTES_MAX} bytes"),
            ));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed was filled before: the buffer still holds it.
        if let Ok(buffer) = self.inner.fill_buf() {
            self.hash.update(&buffer[..amount.min(buffer.len())]);
        }
        self.inner.consume(amount);
        self.total = self.total.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
        self.row_bytes = self.row_bytes.saturating_add(amount);
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The hash of a set of files, from theirs in order.
pub(super) fn combined(hashes: &[String]) -> String {
    let mut context = Context::new(&SHA256);
    for hash in hashes {
        context.update(hash.as_bytes());
        context.update(b"\n");
    }
    hex(context.finish().as_ref())
}
