//! What BooksService proves: invariants, checkpoints, proofs, receipts.

use bursar_proto::ledger::v1 as proto;
use bursar_service::parse::timestamp_message;
use bursar_service::{OrStatus as _, parse};
use bursar_types::id::TransferId;
use tonic::Status;

use super::Api;
use crate::error::LedgerError;
use crate::follow::{INVARIANTS, proofs};
use crate::history;
use crate::journal::Hash;
use crate::store::merkle::Signed;
use crate::store::projection;

/// The named invariants and what is known of them.
pub(super) async fn invariants(api: &Api) -> Result<proto::ListInvariantsResponse, LedgerError> {
    let handle = &api.0.handle;
    let report = handle.report().await?;
    let findings = handle.shared.followed.findings();
    let named = INVARIANTS.iter().copied().flatten().map(|(name, description)| {
        let of_it = findings.iter().filter(|finding| finding.invariant == *name);
        let findings: Vec<String> = of_it.map(|finding| finding.detail.clone()).collect();
        proto::Invariant {
            name: (*name).to_owned(),
            description: (*description).to_owned(),
            holds: findings.is_empty(),
            findings,
        }
    });
    Ok(proto::ListInvariantsResponse {
        invariants: named.collect(),
        verified_position: handle.shared.followed.verified(),
        checked_position: report.as_ref().map_or(0, |report| report.position),
        check_time: report.map(|report| timestamp_message(report.time)),
    })
}

fn message(signed: Signed) -> proto::Checkpoint {
    proto::Checkpoint { text: signed.text, size: signed.size, root_hash: signed.root.to_vec() }
}

fn bytes(path: Vec<Hash>) -> Vec<Vec<u8>> {
    path.into_iter().map(Vec::from).collect()
}

/// The newest checkpoint, once it is large enough.
pub(super) async fn checkpoint(
    api: &Api,
    request: &proto::GetCheckpointRequest,
) -> Result<proto::GetCheckpointResponse, Status> {
    let wanted = parse::number("at_least_size", request.at_least_size, 0..=i64::MAX).or_status()?;
    // A journal has a position from the moment its program is set up.
    let wanted = wanted.max(1);
    let signed = newest(api, wanted).await.or_status()?;
    Ok(proto::GetCheckpointResponse { checkpoint: Some(message(signed)) })
}

async fn newest(api: &Api, wanted: i64) -> Result<Signed, LedgerError> {
    let shared = &api.0.handle.shared;
    let look = || shared.db.read(|tx| Box::pin(proofs::newest(tx, shared.shard)));
    // What is signed stands in the database, whoever owns the shard.
    match look().await {
        Ok(signed) if signed.size >= wanted => return Ok(signed),
        Ok(_) | Err(LedgerError::NotFound(_)) => {}
        Err(other) => return Err(other),
    }
    api.0.handle.signed(wanted).await?;
    look().await
}

/// A proof of inclusion.
pub(super) async fn inclusion(
    api: &Api,
    request: &proto::GetInclusionProofRequest,
) -> Result<proto::GetInclusionProofResponse, Status> {
    let position = parse::number("position", request.position, 1..=i64::MAX).or_status()?;
    let size = parse::number("size", request.size, 0..=i64::MAX).or_status()?;
    let shared = &api.0.handle.shared;
    let proof = shared.db.read(|tx| Box::pin(proofs::inclusion(tx, shared.shard, position, size)));
    let proof = proof.await.or_status()?;
    let (leaf_hash, path) = (proof.leaf.to_vec(), bytes(proof.path));
    Ok(proto::GetInclusionProofResponse { position, size: proof.size, leaf_hash, path })
}

/// A proof of consistency.
pub(super) async fn consistency(
    api: &Api,
    request: &proto::GetConsistencyProofRequest,
) -> Result<proto::GetConsistencyProofResponse, Status> {
    let old_size = parse::number("old_size", request.old_size, 1..=i64::MAX).or_status()?;
    let new_size = parse::number("new_size", request.new_size, 0..=i64::MAX).or_status()?;
    let shared = &api.0.handle.shared;
    let proof = shared.db.read(|tx| Box::pin(proofs::consistency(tx, shared.shard, old_size, new_size)));
    let proof = proof.await.or_status()?;
    Ok(proto::GetConsistencyProofResponse { old_size, new_size: proof.new_size, path: bytes(proof.path) })
}

/// A receipt for a transfer, or for a hold where it was placed.
pub(super) async fn receipt(
    api: &Api,
    request: &proto::GetReceiptRequest,
) -> Result<proto::GetReceiptResponse, Status> {
    let transfer: TransferId = parse::id("transfer_id", &request.transfer_id).or_status()?;
    let receipt = receipt_of(api, transfer).await.or_status()?;
    Ok(proto::GetReceiptResponse { receipt: Some(receipt) })
}

async fn receipt_of(api: &Api, transfer: TransferId) -> Result<proto::Receipt, LedgerError> {
    let handle = &api.0.handle;
    let (db, shard) = (&handle.shared.db, handle.shared.shard);
    // Everything acknowledged before this call is in what is read.
    handle.settled(0).await?;
    let position = match history::transfer(&handle.shared, transfer).await? {
        Some(posted) => Some(posted.position()),
        None => {
            let hold = db.read(|tx| Box::pin(projection::hold_by_id(tx, shard, transfer))).await?;
            hold.map(|hold| hold.placed)
        }
    };
    let position = position.ok_or(LedgerError::NotFound("transfer: transfer_id names none"))?;
    handle.signed(position).await?;
    let proven = db.read(|tx| Box::pin(proofs::record(tx, shard, position))).await?;
    Ok(proto::Receipt {
        transfer_id: transfer.to_string(),
        position,
        time: Some(timestamp_message(proven.time)),
        record: proven.record,
        path: bytes(proven.path),
        checkpoint: Some(message(proven.signed)),
    })
}
