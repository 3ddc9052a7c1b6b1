//! Starting a server, joining one that runs, and keeping it alive.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::binaries::{Account, account, find};

const SUPERVISE: &str = include_str!("supervise.sh");
/// A shared server waits so long for the next test process. nextest starts one for each test, one after the other.
const LINGER_SECONDS: u32 = 2;
/// initdb and a start take about two seconds; a machine that is busy compiling takes longer.
const START_MAX: Duration = Duration::from_secs(60);
/// Tries with another port.
const STARTS_MAX: u32 = 3;
/// The kernel takes no longer path for a socket (`sun_path`, with its end).
const SOCKET_PATH_MAX: usize = 107;

/// Where the servers' own directories are, within ours.
const RUN: &str = "run";

/// Settings that make the difference between a server for ordinary tests and one for tests of durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Never waits for the disk.
    Fast,
    /// As in production.
    Durable,
    /// As in production, with the memory of a small server there.
    Roomy,
}

/// A server that runs at least as long as this value lives.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) dir: PathBuf,
    pub(super) bin: PathBuf,
    pub(super) port: u16,
    pub(super) password: String,
    account: Option<Account>,
    /// The write end of the FIFO: while any process holds it, the server runs.
    _alive: File,
}

/// The running server of this kind, or a new one that other test processes can join.
pub(super) fn shared(durability: Durability) -> Result<Server, String> {
    let bin = find()?;
    let base = base_dir().map_err(|error| format!("no directory for PostgreSQL: {error}"))?;
    let version =
        bin.parent().and_then(Path::file_name).map_or_else(String::new, |v| v.display().to_string());
    let kind = format!("{version}-{durability:?}").to_lowercase();
    // One starts, the others wait and join.
    let lock = File::create(base.join(format!("{kind}.lock"))).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| format!("locking {}: {error}", base.display()))?;
    let current = base.join(format!("{kind}.current"));
    if let Some(server) = join(&current, &bin)? {
        return Ok(server);
    }
    let server = start(&base, &bin, durability, LINGER_SECONDS)?;
    fs::write(&current, server.dir.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    Ok(server)
}

/// A new server that nobody else joins; it stops with this process.
pub(super) fn exclusive(durability: Durability) -> Result<Server, String> {
    let base = base_dir().map_err(|error| format!("no directory for PostgreSQL: {error}"))?;
    start(&base, &find()?, durability, 1)
}

/// A directory of ours with a short path that the server's account can pass through, and in it one of the account's,
/// `run`, where servers have theirs and remove it themselves.
fn base_dir() -> io::Result<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let base = std::env::temp_dir().join(format!("bursar-pg-{uid}"));
    fs::create_dir_all(&base)?;
    let found = fs::symlink_metadata(&base)?;
    if !found.is_dir() || found.uid() != uid {
        let what = format!("{} belongs to somebody else", base.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    fs::set_permissions(&base, Permissions::from_mode(0o755))?;
    let run = base.join(RUN);
    fs::create_dir_all(&run)?;
    if let Some(Account { uid, gid }) = account().map_err(io::Error::other)? {
        std::os::unix::fs::chown(run, Some(uid), Some(gid))?;
    }
    Ok(base)
}

/// Joins the server that `current` names, if it runs.
fn join(current: &Path, bin: &Path) -> Result<Option<Server>, String> {
    let Ok(dir) = fs::read_to_string(current).map(PathBuf::from) else { return Ok(None) };
    let Ok(alive) = hold(&dir) else {
        bury(&dir);
        return Ok(None);
    };
    let read = |name| fs::read_to_string(dir.join(name)).map_err(|error| format!("{name}: {error}"));
    let port = read("port")?.parse().map_err(|_| "the server's port is unreadable".to_owned())?;
    let (password, account) = (read("password")?, account()?);
    Ok(Some(Server { dir, bin: bin.into(), port, password, account, _alive: alive }))
}

/// Takes the write end of the FIFO; fails if no supervisor reads it.
fn hold(dir: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut alive = OpenOptions::new().write(true).custom_flags(nonblocking).open(dir.join("alive"))?;
    alive.write_all(b".")?;
    Ok(alive)
}

/// Ends a server whose supervisor was killed.
fn bury(dir: &Path) {
    let data = dir.join("data");
    let pid = fs::read_to_string(data.join("postmaster.pid"))
        .ok()
        .and_then(|text| text.lines().next()?.parse().ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
        // The number may be another's by now; a postmaster stands in its data directory.
        && fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == data)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
    }
    let _ = fs::remove_dir_all(dir);
}

fn start(base: &Path, bin: &Path, durability: Durability, linger: u32) -> Result<Server, String> {
    let mut last = String::new();
    for _ in 0..STARTS_MAX {
        match start_once(base, bin, durability, linger) {
            Ok(server) => return Ok(server),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn start_once(base: &Path, bin: &Path, durability: Durability, linger: u32) -> Result<Server, String> {
    let account = account()?;
    let password = uuid::Uuid::new_v4().simple().to_string();
    let dir = base.join(RUN).join(&password[..12]);
    if dir.as_os_str().len() + "/.s.PGSQL.65535".len() > SOCKET_PATH_MAX {
        return Err(format!(
            "the path of {} is too long for a socket: set TMPDIR to a shorter one",
            dir.display()
        ));
    }
    let io =
        |what: &'static str| move |error: io::Error| format!("PostgreSQL for the tests: {what}: {error}");
    // A port that is free now; if somebody takes it meanwhile, the next try takes another.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(io("a port"))?.port();
    prepare(&dir, port, &password, account).map_err(io("its directory"))?;
    let log = File::create(dir.join("log")).map_err(io("its log"))?;
    let err = log.try_clone().map_err(io("its log"))?;
    let mut supervisor = Command::new("/bin/sh");
    supervisor.args(["-c", SUPERVISE, "bursar-pg"]).arg(bin).arg(&dir).arg(linger.to_string());
    supervisor.args(settings(&dir, port, durability));
    supervisor.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(err).process_group(0);
    if let Some(Account { uid, gid }) = account {
        supervisor.uid(uid).gid(gid);
    }
    let mut child = supervisor.spawn().map_err(io("its supervisor"))?;
    let deadline = Instant::now() + START_MAX;
    let alive = loop {
        match hold(&dir) {
            Ok(alive) => break alive,
            Err(_) if Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => {
                return Err(format!("PostgreSQL for the tests did not start: {error}\n{}", tail(&dir)));
            }
        }
    };
    let server = Server { dir, bin: bin.into(), port, password, account, _alive: alive };
    server.wait_for_socket(deadline)?;
    Ok(server)
}

fn prepare(dir: &Path, port: u16, password: &str, account: Option<Account>) -> io::Result<()> {
    fs::create_dir(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    mknodat(CWD, dir.join("alive"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    fs::write(dir.join("port"), port.to_string())?;
    fs::write(dir.join("password"), password)?;
    if let Some(Account { uid, gid }) = account {
        for path in [dir.to_path_buf(), dir.join("alive"), dir.join("password")] {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}

fn settings(dir: &Path, port: u16, durability: Durability) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        format!("unix_socket_directories={}", dir.display()),
        "listen_addresses=127.0.0.1".into(),
        // Test processes run side by side, each with several pools.
        "max_connections=300".into(),
    ];
    match durability {
        Durability::Fast => settings.extend(["fsync=off".into(), "full_page_writes=off".into()]),
        // Said, though they are the defaults: what is measured depends on them.
        Durability::Roomy => settings.extend(["fsync=on".into(), "synchronous_commit=on".into()]),
        Durability::Durable => {}
    }
    let (buffers, log) = if durability == Durability::Roomy { ("1GB", "8GB") } else { ("64MB", "2GB") };
    settings.extend([format!("shared_buffers={buffers}"), format!("max_wal_size={log}")]);
    settings.into_iter().flat_map(|setting| ["-c".into(), setting]).collect()
}

impl Server {
    /// Waits until somebody listens; that may still say "starting up".
    fn wait_for_socket(&self, deadline: Instant) -> Result<(), String> {
        let socket = self.dir.join(format!(".s.PGSQL.{}", self.port));
        while UnixStream::connect(&socket).is_err() {
            let ended = self.dir.join("failed").exists() || has_given_up(&self.dir);
            if ended || Instant::now() >= deadline {
                return Err(format!("PostgreSQL for the tests did not start:\n{}", tail(&self.dir)));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Runs `pg_ctl` as the server's account.
    pub(super) fn control(&self, arguments: &[&str]) -> Result<(), String> {
        let log =
            || OpenOptions::new().append(true).open(self.dir.join("log")).map_err(|error| error.to_string());
        let mut command = Command::new(self.bin.join("pg_ctl"));
        command.arg("-D").arg(self.dir.join("data")).args(arguments);
        command.current_dir("/").stdin(Stdio::null()).stdout(log()?).stderr(log()?).process_group(0);
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("pg_ctl {arguments:?}: {status}\n{}", tail(&self.dir))),
            Err(error) => Err(format!("pg_ctl: {error}")),
        }
    }

    /// The options a restart needs again.
    pub(super) fn settings(&self, durability: Durability) -> String {
        settings(&self.dir, self.port, durability).join(" ")
    }
}

/// Whether the log says that the server ended before it listened: the port was taken.
fn has_given_up(dir: &Path) -> bool {
    fs::read_to_string(dir.join("log")).is_ok_and(|log| log.contains("could not create any TCP/IP sockets"))
}

/// The end of the server's log.
fn tail(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
