//! Finding PostgreSQL on the machine, and somebody to run it as.

use std::fs;
use std::path::{Path, PathBuf};

/// What to type where there is no PostgreSQL.
const INSTALL: &str = "sudo apt-get install --yes --no-install-recommends postgresql";
/// Where Debian and its children put each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Unprivileged users that a server may run as when the tests run as root: PostgreSQL refuses root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A directory with `initdb`, `postgres` and `pg_ctl`: Debian's newest, else the one on the `PATH`.
pub(super) fn find() -> Result<PathBuf, String> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| is_complete(bin))
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find(|bin| is_complete(bin)).ok_or_else(|| {
        format!(
            "these tests need PostgreSQL's binaries (initdb, postgres, pg_ctl), looked for under {DEBIAN} and on \
             the PATH. Type:\n\n    {INSTALL}\n"
        )
    })
}

fn is_complete(bin: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|name| bin.join(name).is_file())
}

/// Whom to run as: a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The account to run the server as; `None`: as ourselves.
pub(super) fn account() -> Result<Option<Account>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    USERS.iter().find_map(|user| read_account(&passwd, user)).map(Some).ok_or_else(|| {
        format!("the tests run as root, PostgreSQL does not, and there is none of the users {USERS:?}")
    })
}

fn read_account(passwd: &str, user: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == user && uid != 0).then_some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_and_root_is_none() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:x:0:0::/:/bin/sh\n";
        assert_eq!(read_account(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(read_account(passwd, "nobody"), None);
        assert_eq!(read_account(passwd, "other"), None);
    }
}
