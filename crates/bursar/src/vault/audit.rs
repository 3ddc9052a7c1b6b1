//! The audit log in a file: a checkpoint and every record before it, a JSON object a line, and whether they hold.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use bursar_proto::vault::v1::audit_service_client::AuditServiceClient;
use bursar_proto::vault::v1::{GetAuditCheckpointRequest, ListAuditRecordsRequest};
use bursar_service::token::Trust;
use bursar_vault::audit::check::{CheckError, CheckedHead, Replay, check_checkpoint, read};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{channel, out, refused};
use crate::cli;
use crate::exit::Exit;

/// Records of one page.
const PAGE: i32 = 1_000;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    checkpoint: String,
}

/// Each of the others.
#[derive(Serialize, Deserialize)]
struct Line {
    index: i64,
    /// The record's bytes in base64: everything else that could be said about it is in them.
    body: String,
}

/// `bursar vault audit export`
pub(super) async fn export(arguments: &cli::VaultAuditExport) -> Result<(), Exit> {
    let mut auditor = AuditServiceClient::new(channel(&arguments.place.data)?);
    let path = &arguments.output;
    let failed = |error: std::io::Error| Exit::usage(format!("cannot write {}: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let request = GetAuditCheckpointRequest { at_least_size: 0 };
    let checkpoint = auditor.get_audit_checkpoint(request).await.map_err(refused)?.into_inner().checkpoint;
    let checkpoint = checkpoint.unwrap_or_default();
    let mut write = |line: String| writeln!(file, "{line}").map_err(failed);
    write(json(&Head { checkpoint: checkpoint.text })?)?;
    let mut request = ListAuditRecordsRequest { page_size: PAGE, ..ListAuditRecordsRequest::default() };
    'pages: loop {
        let page = auditor.list_audit_records(request.clone()).await.map_err(refused)?.into_inner();
        for record in page.records {
            if record.index >= checkpoint.size {
                break 'pages;
            }
            write(json(&Line { index: record.index, body: BASE64.encode(&record.body) })?)?;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    file.flush().map_err(failed)?;
    out(&format!(
        "wrote {} records and their checkpoint to {}; anyone checks them with `bursar vault audit verify {} --ca CA.pem`",
        checkpoint.size,
        path.display(),
        path.display()
    ));
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, Exit> {
    serde_json::to_string(value).map_err(|error| Exit::software(error.to_string()))
}

fn lines(path: &Path) -> Result<impl Iterator<Item = Result<String, Exit>> + use<>, Exit> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Exit::usage(format!("{name}: {error}")))?;
    let lines = BufReader::new(file).lines();
    Ok(lines.map(move |line| line.map_err(|error| Exit::usage(format!("{name}: {error}")))))
}

fn head(path: &Path, trust: &Trust) -> Result<CheckedHead, Exit> {
    let shown = path.display();
    let line = lines(path)?.next().ok_or_else(|| Exit::usage(format!("{shown} is empty")))??;
    let head: Head = serde_json::from_str(&line)
        .map_err(|error| Exit::usage(format!("{shown} does not begin with a checkpoint: {error}")))?;
    check_checkpoint(&head.checkpoint, trust).map_err(|error| not_good(path, &error))
}

fn not_good(path: &Path, error: &CheckError) -> Exit {
    Exit::software(format!("{} is not good: {error}; do not rely on it", path.display()))
}

/// `bursar vault audit verify`: no vault is asked.
pub(super) fn verify(arguments: &cli::VaultAuditVerify) -> Result<(), Exit> {
    let trust = Trust::load(&arguments.ca).map_err(|error| {
        Exit::usage(format!("{error}; give the platform's CA certificate with --ca, such as DATA/tls/ca.pem"))
    })?;
    let path = &arguments.file;
    let now = head(path, &trust)?;
    let old = arguments.since.as_deref().map(|since| head(since, &trust)).transpose()?;
    if let Some(old) = &old {
        let changed = |error: CheckError| {
            Exit::software(format!("{error}; keep both files, they prove that the vault's log was changed"))
        };
        if old.origin != now.origin {
            return Err(changed(CheckError::OtherLog { old: old.origin.clone(), new: now.origin }));
        }
        if old.size > now.size {
            return Err(changed(CheckError::RolledBack { old: old.size, new: now.size }));
        }
    }
    let mut replay = Replay::default();
    for line in lines(path)?.skip(1) {
        if let Some(old) = old.as_ref().filter(|old| old.size == replay.size()) {
            goes_on(&replay, old)?;
        }
        let line: Line = serde_json::from_str(&line?)
            .map_err(|error| Exit::usage(format!("{}: {error}", path.display())))?;
        let body = BASE64
            .decode(line.body.as_bytes())
            .map_err(|error| Exit::usage(format!("{}: {error}", path.display())))?;
        let record = read(line.index, &body).and_then(|record| replay.take(&record));
        record.map_err(|error| not_good(path, &error))?;
    }
    if let Some(old) = old.as_ref().filter(|old| old.size == replay.size()) {
        goes_on(&replay, old)?;
    }
    replay.finish(&now).map_err(|error| not_good(path, &error))?;
    out(&format!(
        "The log is good: {} records, signed by the vault {} at {}.",
        now.size,
        now.origin,
        now.time.to_rfc3339()
    ));
    if let Some(old) = old {
        out(&format!(
            "It goes on from the {} records that were signed at {}: nothing in there was changed since.",
            old.size,
            old.time.to_rfc3339()
        ));
    }
    Ok(())
}

fn goes_on(replay: &Replay, old: &CheckedHead) -> Result<(), Exit> {
    replay.finish(old).map_err(|_| {
        Exit::software(format!(
            "the log does not go on from that of {} records: one of them was forked; keep both files, they prove it",
            old.size
        ))
    })
}
