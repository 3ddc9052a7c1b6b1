//! Files that hold secrets: read only if nobody but the vault's own user can.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use zeroize::Zeroizing;

/// Bits of a mode that others than the owner would use.
const OTHERS: u32 = 0o077;

/// What is in the file at `path`, at most `most` bytes and one more by which a longer one is seen; or what is wrong with
/// it, after its name.
///
/// What is checked is the file that is read: it is opened once, without following a link at its place, and must be a
/// regular file of this process' user that nobody else can read or write.
pub(super) fn read_private(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    // NONBLOCK: a pipe at this place must not make the start wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => "is a symbolic link: name the file itself".to_owned(),
        error => format!("cannot be opened: {error}"),
    })?;
    let stat = rustix::fs::fstat(&handle).map_err(|error| format!("cannot be looked at: {error}"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".into());
    }
    let (owner, user) = (stat.st_uid, rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(format!("belongs to user {owner}, and the vault runs as {user}: chown {user} {shown}"));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & OTHERS != 0 {
        return Err(format!("is open to group or others (mode {mode:04o}): chmod 600 {shown}"));
    }
    // Of its final size from the start: a buffer that grows leaves a copy behind.
    let mut bytes = Zeroizing::new(vec![0_u8; most + 1]);
    let mut length = 0;
    let mut file = File::from(handle);
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) => return Err(format!("cannot be read: {error}")),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
