//! Checking what a vault says of its audit log, without any vault: under the platform's authority alone.

use bursar_proto::vault::v1 as proto;
use bursar_service::Identity;
use bursar_service::token::{TokenError, Trust};
use bursar_transparency::{
    Checkpoint, CheckpointError, Hash, ProofError, SignedCheckpoint, Tree, verify_consistency,
    verify_inclusion,
};
use bursar_types::Timestamp;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::leaf_of;

/// What the signature of a checkpoint is for.
pub(crate) const AUDIENCE: &str = "bursar/vault-audit";
/// Begins the origin of a vault's audit log; the log's own name follows.
pub(crate) const ORIGIN: &str = "bursar/vault/";

/// Why a checkpoint or a record is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The checkpoint's text is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of something else.
    #[error("the checkpoint's origin is not a vault's audit log")]
    NotAVault,
    /// The signature, or the certificate it names.
    #[error("the checkpoint's signature is not good: {0}")]
    Signature(#[from] TokenError),
    /// The signature is for another checkpoint.
    #[error("the checkpoint's signature is for another origin, size, root or time than its text")]
    SignedOtherwise,
    /// The two checkpoints are of different logs.
    #[error("the checkpoints are of different vaults: {old} and {new}")]
    OtherLog {
        /// Origin of the older one.
        old: String,
        /// Origin of the newer one.
        new: String,
    },
    /// The vault has fewer records than it had.
    #[error(
        "the log had {old} records and has {new} now: records were taken away, or an old copy was put back"
    )]
    RolledBack {
        /// Size of the older one.
        old: u64,
        /// Size of the newer one.
        new: u64,
    },
    /// The path or proof.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] ProofError),
    /// The records do not make the root.
    #[error("the records are not those that the checkpoint was signed for")]
    Records,
    /// A record says something else than the bytes that are in the log.
    #[error("record {index}: what is told of it is not what its bytes in the log say")]
    Told {
        /// Its place in the log.
        index: i64,
    },
}

/// What a checkpoint's signature says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    origin: String,
    size: u64,
    /// Base64, as in the text.
    root: String,
    /// Microseconds since the epoch.
    time: i64,
}

impl Claims {
    pub(crate) fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: BASE64.encode(&checkpoint.root),
            time: checkpoint.time.as_micros(),
        }
    }
}

/// A checkpoint that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedHead {
    /// Which vault's log: its origin.
    pub origin: String,
    /// Records in it.
    pub size: u64,
    /// Its root hash.
    pub root: Hash,
    /// When that was signed, by the clock of the vault's machine.
    pub time: Timestamp,
}

/// Checks the text of a checkpoint: signed by the vault, with a certificate that was good then.
///
/// # Errors
/// [`CheckError`] that says what is not good.
pub fn check_checkpoint(text: &str, trust: &Trust) -> Result<CheckedHead, CheckError> {
    let signed: SignedCheckpoint = text.parse()?;
    let Checkpoint { origin, size, root, time } = &signed.checkpoint;
    if !origin.starts_with(ORIGIN) {
        return Err(CheckError::NotAVault);
    }
    let verified = trust.verify::<Claims>(&signed.signature, Identity::Vault, AUDIENCE)?;
    if verified.claims != Claims::of(&signed.checkpoint)
        || verified.issued_at.as_seconds() != time.as_seconds()
    {
        return Err(CheckError::SignedOtherwise);
    }
    Ok(CheckedHead { origin: origin.clone(), size: *size, root: *root, time: *time })
}

/// Checks that the log goes on from `old` to `new`.
///
/// # Errors
/// [`CheckError`] that says how it does not.
pub fn check_consistency(old: &CheckedHead, new: &CheckedHead, path: &[Hash]) -> Result<(), CheckError> {
    if old.origin != new.origin {
        return Err(CheckError::OtherLog { old: old.origin.clone(), new: new.origin.clone() });
    }
    if old.size > new.size {
        return Err(CheckError::RolledBack { old: old.size, new: new.size });
    }
    if old.size == 0 {
        return Ok(());
    }
    Ok(verify_consistency(old.size, &old.root, new.size, &new.root, path)?)
}

/// Checks that a record is in the log of `head` at its place, and says what its bytes there say.
///
/// # Errors
/// [`CheckError`] if not.
pub fn check_record(
    record: &proto::AuditRecord,
    path: &[Hash],
    head: &CheckedHead,
) -> Result<(), CheckError> {
    let index = u64::try_from(record.index).map_err(|_| ProofError::OutOfRange)?;
    verify_inclusion(&leaf_of(&record.body), index, head.size, path, &head.root)?;
    told_as_it_is(record)
}

fn told_as_it_is(record: &proto::AuditRecord) -> Result<(), CheckError> {
    let time = record.time.as_ref();
    let micros = time.map(|time| time.seconds.saturating_mul(1_000_000) + i64::from(time.nanos) / 1_000);
    let told = super::Body {
        at: micros.unwrap_or(0),
        caller: record.caller.clone(),
        customer_id: record.customer_id.clone(),
        operation: record.operation.clone(),
        subject: record.subject.clone(),
        outcome: record.outcome.clone(),
        reason: record.reason.clone(),
    };
    let same = prost::Message::encode_to_vec(&told) == record.body;
    if same { Ok(()) } else { Err(CheckError::Told { index: record.index }) }
}

/// The record whose bytes are `body`.
///
/// # Errors
/// [`CheckError::Told`] if they are no record's.
pub fn read(index: i64, body: &[u8]) -> Result<proto::AuditRecord, CheckError> {
    let told = CheckError::Told { index };
    let said: super::Body = prost::Message::decode(body).map_err(|_| told)?;
    Ok(proto::AuditRecord {
        index,
        time: Some(bursar_service::parse::timestamp_message(Timestamp::from_micros(said.at))),
        caller: said.caller,
        customer_id: said.customer_id,
        operation: said.operation,
        subject: said.subject,
        outcome: said.outcome,
        reason: said.reason,
        body: body.to_vec(),
    })
}

/// All records of a log, one after another, against a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Replay(Tree);

impl Replay {
    /// Takes the next record.
    ///
    /// # Errors
    /// [`CheckError`] if it is not the next one, or tells something else than its bytes.
    pub fn take(&mut self, record: &proto::AuditRecord) -> Result<(), CheckError> {
        if u64::try_from(record.index) != Ok(self.0.size()) {
            return Err(CheckError::Records);
        }
        told_as_it_is(record)?;
        self.0.append(leaf_of(&record.body), |_, _| {}).map_err(|_| CheckError::Records)
    }

    /// Records taken.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Whether the records are exactly those of `head`.
    ///
    /// # Errors
    /// [`CheckError::Records`] if not.
    pub fn finish(&self, head: &CheckedHead) -> Result<(), CheckError> {
        let same = self.0.size() == head.size && self.0.root() == head.root;
        if same { Ok(()) } else { Err(CheckError::Records) }
    }
}
