//! Why a file cannot be read.

/// Why a file cannot be read, and where that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {problem}")]
pub struct FileError {
    /// Byte of the file.
    pub offset: u64,
    /// What is wrong and what would be right.
    pub problem: String,
}
