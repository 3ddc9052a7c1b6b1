//! Comma-separated rows (RFC 4180), read one by one and bounded.

use std::io::BufRead;

use super::ListError;
use super::source::Source;

/// Most fields of a row.
const FIELDS_MAX: usize = 64;

/// Reads rows of a file.
pub struct Rows<R> {
    source: Source<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Rows<R> {
    /// Rows of `reader`; `file` is what errors call it.
    pub fn new(file: &'static str, reader: R) -> Self {
        Self { source: Source::new(file, reader), line: Vec::new(), number: 0 }
    }

    /// Number of the line the last row began on.
    pub const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn file(&self) -> &'static str {
        self.source.file()
    }

    /// Refuses the current row.
    pub(super) fn wrong(&self, what: impl Into<String>) -> ListError {
        ListError::Row { file: self.file(), row: self.number, what: what.into() }
    }

    /// The next row that is not empty, into `fields`; false at the end. A quoted field may go over several lines.
    ///
    /// # Errors
    /// [`ListError`] if quotes stay open, a row is too long or has too many fields, or the file cannot be read.
    #[allow(clippy::should_implement_trait)] // it lends its buffer
    pub fn next(&mut self, fields: &mut Vec<String>) -> Result<bool, ListError> {
        fields.clear();
        loop {
            self.number += 1;
            if !self.source.line(&mut self.line, self.number)? {
                return Ok(false);
            }
            // Files of the Treasury end with a SUB.
            let blank = self.line.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0x1a);
            if !blank {
                break;
            }
        }
        let began = self.number;
        let mut row = text(&self.line);
        // Each line is counted once: a field of a million short lines must not cost their square.
        let mut open = is_odd(&row);
        while open {
            self.number += 1;
            let mut next = Vec::new();
            if !self.source.line(&mut next, self.number)? {
                return Err(ListError::Cut {
                    file: self.file(),
                    what: format!("the quotes opened in row {began} are not closed"),
                });
            }
            row.push('\n');
            let next = text(&next);
            open ^= is_odd(&next);
            row.push_str(&next);
            if row.len() > super::ROW_BYTES_MAX {
                return Err(ListError::Row {
                    file: self.file(),
                    row: began,
                    what: format!("longer than {} bytes", super::ROW_BYTES_MAX),
                });
            }
        }
        self.split(&row, fields)?;
        Ok(true)
    }

    /// Hash of the file; only meaningful once all rows are read.
    pub(super) fn finish(self) -> String {
        self.source.finish()
    }

    fn split(&self, row: &str, fields: &mut Vec<String>) -> Result<(), ListError> {
        let mut chars = row.chars().peekable();
        loop {
            if fields.len() >= FIELDS_MAX {
                return Err(self.wrong(format!("more than {FIELDS_MAX} fields")));
            }
            let mut field = String::new();
            if chars.next_if_eq(&'"').is_some() {
                loop {
                    match chars.next() {
                        Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') | None => break,
                        Some(c) => field.push(c),
                    }
                }
            }
            while let Some(c) = chars.next_if(|c| *c != ',') {
                field.push(c);
            }
            fields.push(field);
            if chars.next().is_none() {
                return Ok(());
            }
        }
    }
}

/// Lists are UTF-8, but older ones hold bytes of Windows-1252.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Whether the quotes of a line open or close a field.
fn is_odd(line: &str) -> bool {
    line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Vec<String>>, ListError> {
        let mut rows = Rows::new("x.csv", text.as_bytes());
        let (mut all, mut fields) = (Vec::new(), Vec::new());
        while rows.next(&mut fields)? {
            all.push(fields.clone());
        }
        Ok(all)
    }

    #[test]
    fn fields_are_cut_as_the_rfc_says() {
        let all = rows("a,\"b,c\",\"d\"\"e\"\r\n\n1,,\"two\nlines\"\n\u{1a}").unwrap();
        assert_eq!(all, [["a", "b,c", "d\"e"], ["1", "", "two\nlines"]]);
    }

    #[test]
    fn open_quotes_and_long_rows_are_refused() {
        assert!(matches!(rows("a,b\n\"c,d\ne"), Err(ListError::Cut { .. })));
        let long = format!("a,{}\n", "x".repeat(1_000_000));
        assert!(matches!(rows(&long), Err(ListError::Row { row: 1, .. })));
        let lines = format!("a,\"{}\n", "x\n".repeat(500_000));
        assert!(matches!(rows(&lines), Err(ListError::Row { row: 1, .. } | ListError::Cut { .. })));
    }
}
