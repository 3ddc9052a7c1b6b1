//! The folder of a platform: what lies where in it, and the lock that lets one platform use it at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bursar_proto::access::Identity;

use crate::exit::Exit;

/// The folder of a platform, locked.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    _lock: File,
}

impl Layout {
    /// Makes what is missing of the folder and locks it.
    pub(crate) fn open(root: &Path) -> Result<Self, Exit> {
        let broken = |what: &Path, error: &std::io::Error| {
            Exit::usage(format!(
                "cannot use {}: {error}; give a folder you may read and write with --data",
                what.display()
            ))
        };
        for folder in ["", "tls", "keys", "config", "db", "log"] {
            let path = root.join(folder);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|error| broken(&path, &error))?;
        }
        fs::read_dir(root).map_err(|error| broken(root, &error))?;
        let root = root.canonicalize().map_err(|error| broken(root, &error))?;
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| broken(&path, &error))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => Exit::unavailable(format!(
                "another platform uses {}: stop it, or give another folder with --data",
                root.display()
            )),
            fs::TryLockError::Error(error) => broken(&path, &error),
        })?;
        Ok(Self { root, _lock: lock })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn endpoints(&self) -> PathBuf {
        self.root.join("endpoints.json")
    }

    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    pub(crate) fn config(&self, service: Identity) -> PathBuf {
        self.root.join("config").join(format!("{service}.toml"))
    }

    pub(crate) fn log(&self, service: Identity) -> PathBuf {
        self.root.join("log").join(format!("{service}.log"))
    }

    pub(crate) fn database(&self, service: Identity) -> PathBuf {
        self.root.join("db").join(format!("{service}.sqlite"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.root.join("keys").join(format!("{name}.key"))
    }
}

/// Writes a file that only its owner may read, all at once or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::usage(format!("cannot write {}: {error}", path.display()));
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft).map_err(failed)?;
    std::io::Write::write_all(&mut file, content).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}
