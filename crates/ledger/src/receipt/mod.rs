//! Checking what a ledger gave out, without any ledger: receipts and checkpoints, under the platform's authority alone.
//!
//! A receipt says that a position of a program's journal holds a record. It is good if its checkpoint was signed by the
//! platform's ledger, the record is a leaf of the log that the checkpoint commits to, and the record made the transfer
//! that the receipt is for. Two checkpoints are of one history if a proof of consistency leads from one to the other:
//! whoever keeps a checkpoint holds the ledger to everything before it.

mod words;

use bursar_proto::ledger::v1 as proto;
use bursar_service::token::{TokenError, Trust};
use bursar_service::{Identity, parse};
use bursar_transparency::{
    Checkpoint, CheckpointError, Hash, ProofError, SignedCheckpoint, verify_consistency, verify_inclusion,
};
use bursar_types::Timestamp;
use bursar_types::id::{ProgramId, TransferId};

use crate::follow::{AUDIENCE, Claims, leaf, shard_of};
use crate::journal::{Record, whole};

/// Why a receipt or a checkpoint is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A part of it is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A part of it is not what such a part is.
    #[error("{field}: {problem}")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The checkpoint's text is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is not of a ledger.
    #[error("the checkpoint's origin is not a ledger's log")]
    NotALedger,
    /// The signature, or the certificate it names.
    #[error("the checkpoint's signature is not good: {0}")]
    Signature(#[from] TokenError),
    /// The signature is for another checkpoint.
    #[error("the checkpoint's signature is for another origin, size, root or time than its text")]
    SignedOtherwise,
    /// Beside the text stands something else than in it.
    #[error("checkpoint.{0} is not the one in the checkpoint's text")]
    Contradiction(&'static str),
    /// The path or proof.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] ProofError),
    /// The record is in the log, and this release cannot read it.
    #[error("the record is in the log, but cannot be read: {0}")]
    Unreadable(String),
    /// The record did not make that transfer.
    #[error("the record is in the log, but did not make transfer {0}")]
    OtherTransfer(TransferId),
    /// The two checkpoints are not of one log.
    #[error("the checkpoints are of different programs: {old} and {new}")]
    OtherLog {
        /// Program of the older one.
        old: ProgramId,
        /// Program of the newer one.
        new: ProgramId,
    },
}

/// A checkpoint that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLog {
    /// Whose journal.
    pub program: ProgramId,
    /// How many positions it had.
    pub size: u64,
    /// Root hash of its Merkle log.
    pub root: Hash,
    /// When that was signed, by the clock of the ledger's machine.
    pub time: Timestamp,
}

/// A receipt that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedReceipt {
    /// The log it is proven in.
    pub log: CheckedLog,
    /// The transfer.
    pub transfer: TransferId,
    /// Its position in the journal.
    pub position: i64,
    /// When it was decided, by the platform's clock.
    pub time: Timestamp,
    /// What was asked and what became of it, in plain words: a sentence each.
    pub words: Vec<String>,
}

/// Checks a checkpoint: signed by the ledger, with a certificate that was good then.
///
/// # Errors
/// [`ReceiptError`] that says what is not good.
pub fn check_checkpoint(checkpoint: &proto::Checkpoint, trust: &Trust) -> Result<CheckedLog, ReceiptError> {
    let signed: SignedCheckpoint = checkpoint.text.parse()?;
    let Checkpoint { origin, size, root, time } = &signed.checkpoint;
    let program = shard_of(origin).ok_or(ReceiptError::NotALedger)?;
    let verified = trust.verify::<Claims>(&signed.signature, Identity::Ledger, AUDIENCE)?;
    if verified.claims != Claims::of(&signed.checkpoint)
        || verified.issued_at.as_seconds() != time.as_seconds()
    {
        return Err(ReceiptError::SignedOtherwise);
    }
    if u64::try_from(checkpoint.size) != Ok(*size) {
        return Err(ReceiptError::Contradiction("size"));
    }
    if checkpoint.root_hash != root {
        return Err(ReceiptError::Contradiction("root_hash"));
    }
    Ok(CheckedLog { program, size: *size, root: *root, time: *time })
}

/// Checks a receipt: its checkpoint, that its record is in the log, and that the record made its transfer.
///
/// # Errors
/// [`ReceiptError`] that says what is not good.
pub fn check_receipt(receipt: &proto::Receipt, trust: &Trust) -> Result<CheckedReceipt, ReceiptError> {
    let checkpoint = receipt.checkpoint.as_ref().ok_or(ReceiptError::Missing("checkpoint"))?;
    let log = check_checkpoint(checkpoint, trust)?;
    let malformed = |field| {
        move |problem: &dyn std::fmt::Display| ReceiptError::Malformed { field, problem: problem.to_string() }
    };
    let transfer: TransferId =
        receipt.transfer_id.parse().map_err(|error| malformed("transfer_id")(&error))?;
    let time =
        parse::timestamp("time", receipt.time.as_ref()).map_err(|_| malformed("time")(&"is not a moment"))?;
    // The log knows microseconds; what would be rounded away was put there by somebody else.
    if Some(parse::timestamp_message(time)) != receipt.time {
        return Err(malformed("time")(&"is not a whole number of microseconds"));
    }
    let index = u64::try_from(receipt.position).ok().and_then(|position| position.checked_sub(1));
    let index = index.ok_or_else(|| malformed("position")(&"is not 1 or more"))?;
    let leaf = leaf(log.program, receipt.position, time, &receipt.record);
    verify_inclusion(&leaf, index, log.size, &hashes("path", &receipt.path)?, &log.root)?;

    let record: Record =
        whole(&receipt.record).map_err(|error| ReceiptError::Unreadable(error.to_string()))?;
    let words = words::of(&record, transfer).ok_or(ReceiptError::OtherTransfer(transfer))?;
    Ok(CheckedReceipt { log, transfer, position: receipt.position, time, words })
}

/// Checks that the log of the checked checkpoint `old` is the beginning of that of `new`.
///
/// # Errors
/// [`ReceiptError`] if the proof does not show it.
pub fn check_consistency(old: &CheckedLog, new: &CheckedLog, path: &[Vec<u8>]) -> Result<(), ReceiptError> {
    if old.program != new.program {
        return Err(ReceiptError::OtherLog { old: old.program, new: new.program });
    }
    let path = hashes("consistency.path", path)?;
    verify_consistency(old.size, &old.root, new.size, &new.root, &path)?;
    Ok(())
}

fn hashes(field: &'static str, path: &[Vec<u8>]) -> Result<Vec<Hash>, ReceiptError> {
    let hash = |bytes: &Vec<u8>| Hash::try_from(bytes.as_slice()).ok();
    let hashes: Option<Vec<Hash>> = path.iter().map(hash).collect();
    hashes
        .ok_or_else(|| ReceiptError::Malformed { field, problem: "holds what is no hash of 32 bytes".into() })
}
