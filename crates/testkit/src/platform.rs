//! The whole platform as real processes: started by the command people type, looked at and killed from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bursar_proto::access::Identity;
use bursar_service::client::{PeerChannel, operator_channel};
use bursar_service::tls::TlsFiles;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::Postgres;

/// Longest wait for a platform to serve, or to stop.
const PATIENCE: Duration = Duration::from_secs(120);
/// How a ready line begins.
const READY: &str = "bursar is ready";

/// Where a platform keeps its data.
#[derive(Clone, Debug)]
pub enum Databases {
    /// A file a service, in the platform's folder.
    Embedded,
    /// PostgreSQL: the address of a role that may make roles and databases, and what they shall be called.
    Postgres {
        /// The address.
        url: String,
        /// The prefix of their names: no two platforms on one server may share it.
        prefix: String,
    },
}

impl Databases {
    /// Databases on the run's private PostgreSQL, for one platform.
    ///
    /// # Panics
    /// If there is no PostgreSQL on the machine, with the command that installs it.
    pub async fn private_postgres() -> Self {
        // Over TCP with passwords, as in production: the services' own roles must be able to log in.
        let url = Postgres::private().create_database_over_tcp().await;
        let prefix = format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[8..24]);
        Self::Postgres { url, prefix }
    }

    /// The flags of `bursar up` and `bursar demo`.
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Postgres { url, prefix } => {
                vec!["--database-url".into(), url.clone(), "--database-prefix".into(), prefix.clone()]
            }
        }
    }
}

/// The `bursar` binary of this build.
///
/// # Panics
/// If it was not built, with the command that builds it.
pub fn bursar_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let binary = folder.join("bursar");
    assert!(binary.exists(), "{} is not there: build it with `cargo build -p bursar`", binary.display());
    binary
}

/// A command that runs `bursar` with `arguments`; its output is piped, and it dies with the test.
pub fn bursar<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(bursar_binary());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A running `bursar up`.
pub struct Platform {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    /// Its folder.
    pub data: PathBuf,
    /// Its `endpoints.json`.
    pub endpoints: Value,
}

impl Platform {
    /// Starts a platform in `data` with free ports and waits until it serves.
    ///
    /// # Panics
    /// If it does not come to serve, with what it said.
    pub async fn up(data: &Path, databases: &Databases, environment: &[(&str, &str)]) -> Self {
        let mut command = bursar(["up", "--ports", "free", "--data"]);
        command.arg(data).args(databases.flags()).envs(environment.iter().copied()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("bursar can be started");
        let stdout = child.stdout.take().expect("the output is piped");
        let mut output = BufReader::new(stdout).lines();
        let mut said = Vec::new();
        let ready = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = output.next_line().await {
                let ready = line.starts_with(READY);
                said.push(line);
                if ready {
                    return true;
                }
            }
            false
        });
        assert_eq!(ready.await, Ok(true), "the platform does not serve: {}", said.join("\n"));
        let text =
            fs::read_to_string(data.join("endpoints.json")).expect("a platform that serves says where");
        let endpoints = serde_json::from_str(&text).expect("endpoints.json is JSON");
        Self { child, output, data: data.to_owned(), endpoints }
    }

    /// Process id of `bursar up` itself.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the platform runs")
    }

    /// Process ids of the services that run now.
    pub fn services(&self) -> BTreeMap<Identity, u32> {
        service_processes(self.pid())
    }

    /// Kills a service with SIGKILL; gives the process id it had.
    ///
    /// # Panics
    /// If it does not run within a minute.
    pub async fn kill(&self, service: Identity) -> u32 {
        let pid = eventually("the service runs", || self.services().get(&service).copied()).await;
        signal(pid, Signal::KILL);
        pid
    }

    /// Waits until a service runs under another process id than `before`.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub async fn back(&self, service: Identity, before: u32) -> u32 {
        let now = || self.services().get(&service).copied().filter(|pid| *pid != before);
        eventually("the service is started again", now).await
    }

    /// A connection to `service` with the certificate of `caller`.
    ///
    /// # Panics
    /// If there is no such certificate.
    pub fn channel(&self, service: Identity, caller: Identity) -> PeerChannel {
        let address = self.endpoints[service.name()]["grpc"].as_str().expect("every service has an address");
        operator_channel(address, service, &self.certificate(caller)).expect("the certificate can be used")
    }

    /// The files of `caller`'s certificate.
    pub fn certificate(&self, caller: Identity) -> TlsFiles {
        TlsFiles::in_dir(&self.data.join("tls"), caller.name())
    }

    /// Asks the platform to stop with SIGTERM, and waits for it.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        let ended = tokio::time::timeout(PATIENCE, async {
            // It must not wait for us to read what it says.
            while let Ok(Some(_)) = self.output.next_line().await {}
            self.child.wait().await
        });
        ended.await.expect("the platform stops in time").expect("its end can be seen")
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
    kill_process(pid, signal).expect("the process can be told");
}

/// The `bursar serve SERVICE` processes among the children of `parent`.
pub fn service_processes(parent: u32) -> BTreeMap<Identity, u32> {
    let mut found = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let service = match words.as_slice() {
            [_, verb, service, ..] if *verb == b"serve" => std::str::from_utf8(service).ok(),
            _ => None,
        };
        if let Some(identity) = service.and_then(Identity::from_name)
            && parent_of(pid) == Some(parent)
        {
            found.insert(identity, pid);
        }
    }
    found
}

/// Field 4 of `/proc/PID/stat`, which follows the name in parentheses and the state. A zombie has no parent here.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| state != "Z")
}

/// Looks until there is something.
///
/// # Panics
/// If there is nothing within a minute.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
