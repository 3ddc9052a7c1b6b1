//! BooksService.

use std::pin::Pin;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::books_service_server::BooksService;
use bursar_service::OrStatus as _;
use futures::{Stream, StreamExt as _};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Api, proofs};
use crate::verify::{self, Beginning, Progress};

#[tonic::async_trait]
impl BooksService for Api {
    async fn get_trial_balance(
        &self,
        _request: Request<proto::GetTrialBalanceRequest>,
    ) -> Result<Response<proto::GetTrialBalanceResponse>, Status> {
        let look = self.0.handle.read(|engine, position| (engine.totals(), position));
        let (sums, position) = look.await.or_status()?;
        let balanced = sums.iter().all(|(_, sums)| sums.balanced());
        let lines = sums.iter().map(|(asset, sums)| proto::TrialBalanceLine {
            asset: asset.code().to_owned(),
            posted_debits: sums.posted_debits.to_string(),
            posted_credits: sums.posted_credits.to_string(),
            pending_debits: sums.pending_debits.to_string(),
            pending_credits: sums.pending_credits.to_string(),
            accounts: sums.accounts,
        });
        Ok(Response::new(proto::GetTrialBalanceResponse { lines: lines.collect(), balanced, position }))
    }

    type VerifyJournalStream =
        Pin<Box<dyn Stream<Item = Result<proto::VerifyJournalResponse, Status>> + Send>>;

    async fn verify_journal(
        &self,
        request: Request<proto::VerifyJournalRequest>,
    ) -> Result<Response<Self::VerifyJournalStream>, Status> {
        let beginning = match request.into_inner().from_checkpoint {
            true => Beginning::StoredState,
            false => Beginning::Start,
        };
        let (progress, told) = tokio::sync::mpsc::channel(16);
        let handle = self.0.handle.clone();
        let verifying = async move { verify::run(&handle, beginning, &progress).await };
        // The verification is polled by the stream: who stops listening stops it.
        let told = ReceiverStream::new(told).map(|progress: Progress| Ok(message(&progress)));
        let failure = futures::stream::once(verifying)
            .filter_map(|done| async move { done.or_status().err().map(Err) });
        Ok(Response::new(Box::pin(futures::stream::select(told, failure))))
    }

    async fn list_invariants(
        &self,
        _request: Request<proto::ListInvariantsRequest>,
    ) -> Result<Response<proto::ListInvariantsResponse>, Status> {
        proofs::invariants(self).await.or_status().map(Response::new)
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        proofs::checkpoint(self, &request.into_inner()).await.map(Response::new)
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<proto::GetInclusionProofRequest>,
    ) -> Result<Response<proto::GetInclusionProofResponse>, Status> {
        proofs::inclusion(self, &request.into_inner()).await.map(Response::new)
    }

    async fn get_consistency_proof(
        &self,
        request: Request<proto::GetConsistencyProofRequest>,
    ) -> Result<Response<proto::GetConsistencyProofResponse>, Status> {
        proofs::consistency(self, &request.into_inner()).await.map(Response::new)
    }

    async fn get_receipt(
        &self,
        request: Request<proto::GetReceiptRequest>,
    ) -> Result<Response<proto::GetReceiptResponse>, Status> {
        proofs::receipt(self, &request.into_inner()).await.map(Response::new)
    }
}

fn message(progress: &Progress) -> proto::VerifyJournalResponse {
    proto::VerifyJournalResponse {
        position: progress.position,
        head_position: progress.head,
        done: progress.done,
        findings: progress.findings.clone(),
    }
}
