//! `AuditService`: the records, and what proves them.

use bursar_proto::vault::v1::audit_service_server::AuditService;
use bursar_proto::vault::v1::{
    AuditCheckpoint, AuditRecord, GetAuditCheckpointRequest, GetAuditCheckpointResponse,
    GetAuditConsistencyProofRequest, GetAuditConsistencyProofResponse, GetAuditInclusionProofRequest,
    GetAuditInclusionProofResponse, ListAuditRecordsRequest, ListAuditRecordsResponse,
};
use bursar_service::error::OrStatus as _;
use bursar_service::paging::Page;
use bursar_service::parse;
use bursar_transparency::Hash;
use tonic::{Request, Response, Status};

use super::Handlers;
use crate::error::VaultError;
use crate::store::audit::{self, StoredRecord};

/// Longest subject: an id, or the name of a range or key.
const SUBJECT_MAX: usize = 64;

#[tonic::async_trait]
impl AuditService for Handlers {
    async fn list_audit_records(
        &self,
        request: Request<ListAuditRecordsRequest>,
    ) -> Result<Response<ListAuditRecordsResponse>, Status> {
        self.vault.require_open().or_status()?;
        let request = request.into_inner();
        let subject = parse::text("subject", &request.subject, 0..=SUBJECT_MAX)?;
        let query = format!("ListAuditRecords {subject}");
        let page = Page::<i64>::parse(request.page_size, &request.page_token, &query).or_status()?;
        let (after, limit) = (page.after().copied().unwrap_or(-1), page.limit());
        let rows = self
            .vault
            .db
            .read(|tx| Box::pin(audit::page(tx, after, subject, limit)))
            .await
            .map_err(VaultError::from)
            .or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.index);
        let records = rows.into_iter().map(message).collect();
        Ok(Response::new(ListAuditRecordsResponse { records, next_page_token }))
    }

    async fn get_audit_checkpoint(
        &self,
        request: Request<GetAuditCheckpointRequest>,
    ) -> Result<Response<GetAuditCheckpointResponse>, Status> {
        self.vault.require_open().or_status()?;
        let wanted = parse::number("at_least_size", request.get_ref().at_least_size, 0..=i64::MAX)?;
        let signed = self.vault.checkpoint(wanted).await.or_status()?;
        let checkpoint =
            AuditCheckpoint { text: signed.text, size: signed.size, root_hash: signed.root.to_vec() };
        Ok(Response::new(GetAuditCheckpointResponse { checkpoint: Some(checkpoint) }))
    }

    async fn get_audit_inclusion_proof(
        &self,
        request: Request<GetAuditInclusionProofRequest>,
    ) -> Result<Response<GetAuditInclusionProofResponse>, Status> {
        self.vault.require_open().or_status()?;
        let request = request.into_inner();
        let index = parse::number("index", request.index, 0..=i64::MAX)?;
        let size = parse::number("size", request.size, 0..=i64::MAX)?;
        let proof = self.vault.inclusion(index.unsigned_abs(), size).await.or_status()?;
        Ok(Response::new(GetAuditInclusionProofResponse {
            index,
            size: proof.size,
            leaf_hash: proof.leaf.unwrap_or_default().to_vec(),
            path: bytes(proof.path),
        }))
    }

    async fn get_audit_consistency_proof(
        &self,
        request: Request<GetAuditConsistencyProofRequest>,
    ) -> Result<Response<GetAuditConsistencyProofResponse>, Status> {
        self.vault.require_open().or_status()?;
        let request = request.into_inner();
        let old_size = parse::number("old_size", request.old_size, 1..=i64::MAX)?;
        let new_size = parse::number("new_size", request.new_size, 0..=i64::MAX)?;
        let proof = self.vault.consistency(old_size.unsigned_abs(), new_size).await.or_status()?;
        let path = bytes(proof.path);
        Ok(Response::new(GetAuditConsistencyProofResponse { old_size, new_size: proof.size, path }))
    }
}

fn bytes(path: Vec<Hash>) -> Vec<Vec<u8>> {
    path.into_iter().map(Vec::from).collect()
}

fn message(record: StoredRecord) -> AuditRecord {
    AuditRecord {
        index: record.index,
        time: Some(parse::timestamp_message(record.at)),
        caller: record.caller,
        customer_id: record.customer_id,
        operation: record.operation,
        subject: record.subject,
        outcome: record.outcome,
        reason: record.reason,
        body: record.body,
    }
}
