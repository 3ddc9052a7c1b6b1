//! pyiso8583, the codec of another project, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::messages::Sample;
use crate::bench::tell;
use crate::exit::Exit;

/// The release it is compared with.
const PACKAGE: &str = "pyiso8583==4.0.1";
/// Longest wait for it to be installed and for each of its answers, beyond the time it works.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// The peer, ready to work.
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    version: String,
    /// Where it is installed, if for this run only.
    _folder: Option<TempDir>,
}

impl Peer {
    /// Starts it with `python`, which has it installed; without one it is installed into a folder that goes again.
    pub(super) async fn start(python: Option<&Path>, samples: &[Sample]) -> Result<Self, Exit> {
        let (python, folder) = match python {
            Some(python) => (python.to_owned(), None),
            None => install().await.map(|(python, folder)| (python, Some(folder)))?,
        };
        let mut child = Command::new(&python)
            .args(["-c", include_str!("peer.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| absent(&format!("{}: {error}", python.display())))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Exit::software("the peer has no pipes"));
        };
        let output = BufReader::new(output).lines();
        let mut peer = Self { child, input, output, version: String::new(), _folder: folder };
        let mut messages = String::new();
        for sample in samples {
            messages.push_str(&data_encoding::HEXLOWER.encode(&sample.bytes));
            messages.push('\n');
        }
        let ready = peer.ask(&messages, WAIT_MAX).await?;
        match ready.strip_prefix("ready ") {
            Some(version) => peer.version = version.to_owned(),
            None => return Err(Exit::software(format!("the peer does not agree with us: {ready}"))),
        }
        Ok(peer)
    }

    /// Messages read and written a second.
    pub(super) async fn rate(&mut self, turn: Duration) -> Result<f64, Exit> {
        let answer = self.ask(&turn.as_secs_f64().to_string(), turn + WAIT_MAX).await?;
        let (count, seconds) = answer.split_once(' ').unwrap_or_default();
        match (count.parse::<f64>(), seconds.parse::<f64>()) {
            (Ok(count), Ok(seconds)) if seconds > 0.0 => Ok(count / seconds),
            _ => Err(Exit::software(format!("the peer says `{answer}`"))),
        }
    }

    /// Ends it, and says what it was.
    pub(super) async fn end(self) -> String {
        let Self { mut child, input, version, .. } = self;
        drop(input);
        let _ = child.wait().await;
        format!("against pyiso8583 {version}")
    }

    async fn ask(&mut self, line: &str, wait: Duration) -> Result<String, Exit> {
        let gone = |error: std::io::Error| absent(&error.to_string());
        self.input.write_all(format!("{line}\n").as_bytes()).await.map_err(gone)?;
        let answer = tokio::time::timeout(wait, self.output.next_line()).await;
        let answer = answer.map_err(|_| Exit::software("the peer does not answer"))?.map_err(gone)?;
        answer.ok_or_else(|| absent("it ended"))
    }
}

fn absent(why: &str) -> Exit {
    Exit::unavailable(format!(
        "codec_peer needs Python with {PACKAGE} ({why}); install it and give --peer-python FILE"
    ))
}

async fn install() -> Result<(PathBuf, TempDir), Exit> {
    let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir();
    let folder = folder.map_err(|error| Exit::usage(format!("no temporary folder: {error}")))?;
    let python = folder.path().join("bin/python");
    tell::line(&format!("installing {PACKAGE} into {}", folder.path().display()));
    let place = folder.path().as_os_str();
    run(Command::new("python3").args(["-m", "venv"]).arg(place)).await?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE])).await?;
    Ok((python, folder))
}

async fn run(command: &mut Command) -> Result<(), Exit> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let done = tokio::time::timeout(WAIT_MAX, command.output()).await;
    let done = done.map_err(|_| absent("it takes too long to install"))?;
    let done = done.map_err(|error| absent(&error.to_string()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    match done.status.success() {
        true => Ok(()),
        false => Err(absent(said.lines().last().unwrap_or("it cannot be installed"))),
    }
}
