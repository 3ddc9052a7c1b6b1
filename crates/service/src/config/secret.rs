//! A configured secret: never printed, wiped when dropped, read from a file only if nobody else can read that file.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "<hidden>";

/// Largest secret file, in bytes: a key or a URL, never a data file named by mistake.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A configured secret: a text, or `{ file = "path" }` in the configuration.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret in the file at `path`, without line ends at its end.
    ///
    /// # Errors
    /// A text that names the file: if it cannot be read, can be read by group or others, or is no text.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        read_private(path).map(|text| Self(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
    }

    /// The secret itself: hand it on, never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text, or { file = \"path\" }")]
        enum Source {
            Text(String),
            File(InFile),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct InFile {
            file: PathBuf,
        }
        match Source::deserialize(deserializer)? {
            Source::Text(text) => Ok(Self::new(text)),
            Source::File(InFile { file }) => Self::from_file(&file).map_err(serde::de::Error::custom),
        }
    }
}

/// The text of a file that only its owner can read. The check and the reading are of the same open file.
///
/// # Errors
/// A text that names the file and says what to do.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let stat = rustix::fs::fstat(&handle).map_err(|e| format!("cannot read {shown}: {e}"))?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(format!("{shown} is not a regular file"));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} holds a secret and is open to group or others (mode {mode:04o}): chmod 600 {shown}"
        ));
    }
    let mut text = Zeroizing::new(String::new());
    std::fs::File::from(handle)
        .take(SECRET_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot read {shown}: {e}"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > SECRET_FILE_BYTES_MAX {
        return Err(format!("{shown} is larger than {SECRET_FILE_BYTES_MAX} bytes, which no secret is"));
    }
    Ok(text)
}
