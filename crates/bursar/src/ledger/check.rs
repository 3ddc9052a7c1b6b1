//! `bursar ledger check`: a receipt or checkpoint in a file, against the platform's authority alone.

use std::path::Path;

use bursar_ledger::receipt::{
    CheckedLog, CheckedReceipt, ReceiptError, check_checkpoint, check_consistency, check_receipt,
};
use bursar_service::token::Trust;
use serde::Serialize;

use super::kept::Kept;
use super::{fetch, out};
use crate::cli::Check;
use crate::exit::Exit;

/// What was found, for machines.
#[derive(Debug, Serialize)]
struct Finding<'a> {
    ok: bool,
    program: String,
    size: u64,
    root: String,
    signed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a [String]>,
}

fn not_good(path: &Path, error: &ReceiptError) -> Exit {
    Exit::software(format!("{} is not good: {error}; do not rely on it", path.display()))
}

fn checked_log(path: &Path, kept: &Kept, trust: &Trust) -> Result<CheckedLog, Exit> {
    let missing = ReceiptError::Missing("checkpoint");
    let log = kept.log().ok_or(missing).and_then(|checkpoint| check_checkpoint(checkpoint, trust));
    log.map_err(|error| not_good(path, &error))
}

/// Checks what a file holds, and tells it in plain words.
pub(crate) async fn run(arguments: &Check) -> Result<(), Exit> {
    let trust = Trust::load(&arguments.ca).map_err(|error| {
        Exit::usage(format!("{error}; give the platform's CA certificate with --ca, such as DATA/tls/ca.pem"))
    })?;
    let kept = Kept::read(&arguments.file)?;
    let receipt = kept.receipt.as_ref().map(|receipt| check_receipt(receipt, &trust));
    let receipt = receipt.transpose().map_err(|error| not_good(&arguments.file, &error))?;
    let log = checked_log(&arguments.file, &kept, &trust)?;
    let old = match &arguments.since {
        Some(since) => Some(since_then(arguments, &kept, &log, since, &trust).await?),
        None => None,
    };
    if arguments.json {
        let finding = Finding {
            ok: true,
            program: log.program.to_string(),
            size: log.size,
            root: data_encoding::BASE64.encode(&log.root),
            signed_at: log.time.to_rfc3339(),
            since: old.as_ref().map(|old| old.size),
            transfer_id: receipt.as_ref().map(|receipt| receipt.transfer.to_string()),
            position: receipt.as_ref().map(|receipt| receipt.position),
            decided_at: receipt.as_ref().map(|receipt| receipt.time.to_rfc3339()),
            words: receipt.as_ref().map(|receipt| receipt.words.as_slice()),
        };
        out(&serde_json::to_string(&finding).unwrap_or_default());
    } else {
        lines(&log, receipt.as_ref(), old.as_ref()).iter().for_each(|line| out(line));
    }
    Ok(())
}

/// Whether the log goes on from the one in the file `since`, which is checked too.
async fn since_then(
    arguments: &Check,
    kept: &Kept,
    new: &CheckedLog,
    since: &Path,
    trust: &Trust,
) -> Result<CheckedLog, Exit> {
    let old = checked_log(since, &Kept::read(since)?, trust)?;
    if old.size > new.size {
        return Err(Exit::usage(format!(
            "{} is of {} positions and {} of {}: name the newer one first",
            arguments.file.display(),
            new.size,
            since.display(),
            old.size
        )));
    }
    let sizes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let (old_size, new_size) = (sizes(old.size), sizes(new.size));
    let fits =
        kept.consistency.as_ref().filter(|proof| (proof.old_size, proof.new_size) == (old_size, new_size));
    let path = match (fits, &arguments.data) {
        (Some(proof), _) => proof.path.clone(),
        (None, _) if old.size == new.size => Vec::new(),
        (None, Some(data)) => fetch::consistency(data, old_size, new_size).await?.path,
        (None, None) => {
            return Err(Exit::usage(format!(
                "{} holds no proof from the {old_size} positions of {}: name a running platform with --data, or \
                 fetch the checkpoint with `bursar ledger checkpoint --since {} -o FILE`",
                arguments.file.display(),
                since.display(),
                since.display()
            )));
        }
    };
    check_consistency(&old, new, &path).map_err(|error| {
        Exit::software(format!(
            "the journal of {} does not go on from that of {}: {error}; keep both files, they prove that the journal \
             was changed",
            arguments.file.display(),
            since.display()
        ))
    })?;
    Ok(old)
}

fn lines(log: &CheckedLog, receipt: Option<&CheckedReceipt>, old: Option<&CheckedLog>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(receipt) = receipt {
        lines.push(format!(
            "The receipt is good: transfer {} was decided at {}.",
            receipt.transfer, receipt.time
        ));
        lines.extend(receipt.words.iter().cloned());
        lines.push(format!("It is position {} of the journal.", receipt.position));
    } else {
        lines.push("The checkpoint is good.".into());
    }
    lines.push(format!(
        "The ledger of program {} signed its journal of {} positions at {}, and the authority vouches for its key then.",
        log.program, log.size, log.time
    ));
    if let Some(old) = old {
        lines.push(format!(
            "It goes on from the journal of {} positions that was signed at {}: nothing in there was changed since.",
            old.size, old.time
        ));
    }
    lines
}
