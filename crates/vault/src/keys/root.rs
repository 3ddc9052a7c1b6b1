//! The root key in a file: 32 random bytes in hexadecimal, readable by the vault's user alone.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::{FileType, Mode, OFlags};
use zeroize::Zeroizing;

use super::KeyError;
use crate::crypto::secret::{Key256, SecretBytes};
use crate::crypto::wrap::{self, UnwrapError};

/// Hexadecimal digits of the key.
const HEX_LENGTH: usize = 64;
/// Bits of a mode that others than the owner would use.
const OTHERS: u32 = 0o077;

/// The key that wraps all other keys.
pub(crate) struct RootKey(Key256);

impl RootKey {
    /// The key in the file at `path`.
    ///
    /// What is checked is the file that is read: it is opened once, without following a link at its place, and must be
    /// a regular file of this process' user that nobody else can read or write.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyError> {
        let shown = path.display();
        let bad = |what: String| KeyError::RootFile(format!("{shown} {what}"));
        // NONBLOCK: a pipe at this place must not make the start wait for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::LOOP => bad("is a symbolic link: name the file itself".into()),
            error => bad(format!("cannot be opened: {error}")),
        })?;
        let stat =
            rustix::fs::fstat(&handle).map_err(|error| bad(format!("cannot be looked at: {error}")))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(bad("is not a regular file".into()));
        }
        let (owner, user) = (stat.st_uid, rustix::process::geteuid().as_raw());
        if owner != user {
            return Err(bad(format!(
                "belongs to user {owner}, and the vault runs as {user}: chown {user} {shown}"
            )));
        }
        let mode = stat.st_mode & 0o7777;
        if mode & OTHERS != 0 {
            return Err(bad(format!("is open to group or others (mode {mode:04o}): chmod 600 {shown}")));
        }
        let mut text = Zeroizing::new([0_u8; HEX_LENGTH + 2]);
        let mut length = 0;
        let mut file = File::from(handle);
        while length < text.len() {
            match file.read(&mut text[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) => return Err(bad(format!("cannot be read: {error}"))),
            }
        }
        Self::parse(text[..length].trim_ascii_end())
            .ok_or_else(|| bad(format!("does not hold {HEX_LENGTH} hexadecimal digits")))
    }

    /// Makes the file at `path` with a fresh key, and makes sure that it is on the disk. Fails if anything is there.
    pub(crate) fn create(path: &Path) -> Result<Self, KeyError> {
        let bad =
            |error: std::io::Error| KeyError::RootFile(format!("{} cannot be made: {error}", path.display()));
        let key = Key256::generate();
        let text = Zeroizing::new(HEXLOWER.encode(key.expose()));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(bad)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(bad)?;
        // A file whose name is lost with the power is lost with all the keys under it.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(bad)?;
        Ok(Self(key))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != HEX_LENGTH {
            return None;
        }
        SecretBytes::try_fill(|out| {
            let lower = Zeroizing::new(text.to_ascii_lowercase());
            match HEXLOWER.decode_mut(&lower, out) {
                Ok(32) => Ok(()),
                _ => Err(()),
            }
        })
        .ok()
        .map(Self)
    }

    /// Wraps a key of the hierarchy.
    pub(crate) fn wrap<const N: usize>(&self, key: &SecretBytes<N>) -> Vec<u8> {
        wrap::wrap(&self.0, key)
    }

    /// Opens a wrapped key of the hierarchy.
    pub(crate) fn unwrap<const N: usize>(&self, wrapped: &[u8]) -> Result<SecretBytes<N>, UnwrapError> {
        wrap::unwrap(&self.0, wrapped)
    }
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey(<hidden>)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn problem(path: &Path) -> String {
        RootKey::load(path).unwrap_err().to_string()
    }

    #[test]
    fn a_made_file_is_private_loads_again_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let made = RootKey::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(RootKey::load(&path).unwrap().0.expose(), made.0.expose());
        assert!(RootKey::create(&path).is_err());
        assert_eq!(RootKey::load(&path).unwrap().0.expose(), made.0.expose());
    }

    #[test]
    fn a_file_that_others_can_read_a_link_a_pipe_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        RootKey::create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o610, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(problem(&path).contains("chmod 600"), "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(RootKey::load(&path).is_ok());
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(problem(&link).contains("symbolic link"));
        assert!(problem(folder.path()).contains("not a regular file"));
        assert!(problem(&folder.path().join("absent")).contains("cannot be opened"));
    }

    #[test]
    fn anything_but_64_hexadecimal_digits_is_refused_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let write = |text: &str| {
            let _ = std::fs::remove_file(&path);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        for bad in ["", "12", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65), &"a".repeat(4096)] {
            write(bad);
            let problem = problem(&path);
            assert!(problem.ends_with("does not hold 64 hexadecimal digits"), "{problem}");
        }
        write(&format!("{}\r\n", "aB".repeat(32)));
        assert_eq!(RootKey::load(&path).unwrap().0.expose(), &[0xab; 32]);
    }
}
