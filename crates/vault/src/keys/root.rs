//! The root key in a file: 32 random bytes in hexadecimal, readable by the vault's user alone.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::KeyError;
use super::file::read_private;
use super::hsm::HsmRoot;
use crate::crypto::secret::{Key256, SecretBytes};
use crate::crypto::wrap::{Kek, UnwrapError};

/// Hexadecimal digits of the key.
const HEX_LENGTH: usize = 64;

/// The key that wraps all other keys, in the memory of this process.
pub(crate) struct RootKey(Kek);

/// The key that wraps all other keys, wherever it is.
#[derive(Debug)]
pub(crate) enum Root {
    /// Here, from a file or from shares.
    Local(RootKey),
    /// In a hardware security module.
    Hsm(HsmRoot),
}

impl Root {
    /// Wraps a key of the hierarchy.
    ///
    /// # Errors
    /// [`KeyError::Hsm`] if the module cannot be used.
    pub(crate) fn wrap<const N: usize>(&self, key: &SecretBytes<N>) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Local(root) => Ok(root.0.wrap(key)),
            Self::Hsm(root) => root.wrap(key),
        }
    }

    /// Opens a wrapped key of the hierarchy.
    pub(crate) fn unwrap<const N: usize>(&self, wrapped: &[u8]) -> Result<SecretBytes<N>, UnwrapError> {
        match self {
            Self::Local(root) => root.0.unwrap(wrapped),
            Self::Hsm(root) => root.unwrap(wrapped),
        }
    }
}

impl RootKey {
    /// The key in the file at `path`, which must be private.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyError> {
        let bad = |what: String| KeyError::RootFile(format!("{} {what}", path.display()));
        let text = read_private(path, HEX_LENGTH + 1).map_err(bad)?;
        Self::parse(text.trim_ascii_end())
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
        Ok(Self::new(key))
    }

    /// The root with these bytes.
    #[allow(clippy::needless_pass_by_value)] // it is gone after this, and wiped
    pub(crate) fn new(key: Key256) -> Self {
        Self(Kek::new(&key))
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
        .map(Self::new)
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
        let some = Key256::generate();
        let wrapped = made.0.wrap(&some);
        let opens = || RootKey::load(&path).unwrap().0.unwrap::<32>(&wrapped).unwrap();
        assert_eq!(opens().expose(), some.expose());
        assert!(RootKey::create(&path).is_err());
        assert_eq!(opens().expose(), some.expose());
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
        let some = Key256::generate();
        let same = SecretBytes::try_fill(|out| -> Result<(), ()> {
            out.fill(0xab);
            Ok(())
        });
        let wrapped = RootKey::load(&path).unwrap().0.wrap(&some);
        assert_eq!(Kek::new(&same.unwrap()).unwrap::<32>(&wrapped).unwrap().expose(), some.expose());
    }
}
