//! TransferService.

mod orders;
mod stream;
mod told;

use std::pin::Pin;
use std::sync::Arc;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::transfer_service_server::TransferService;
use bursar_service::{CallContext, OrStatus as _, parse};
use bursar_types::id::TransferId;
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{Api, Caller, twin};
use crate::error::LedgerError;
use crate::history::{self, TransferRecord};
use crate::project::{HoldRecord, public};
use crate::store::projection;
use crate::writer::{Answer, Order};

pub(super) use orders::optional_amount;
use stream::Transfers;
use told::Facts;

/// What is known under a transfer's id.
enum Stored {
    /// A posted transfer.
    Posted(TransferRecord),
    /// A hold.
    Hold(HoldRecord),
}

#[tonic::async_trait]
impl TransferService for Api {
    async fn create_transfer(
        &self,
        request: Request<proto::CreateTransferRequest>,
    ) -> Result<Response<proto::CreateTransferResponse>, Status> {
        let (caller, message) = parts(request);
        let order = self.create_order(&caller, &message).or_status()?;
        let (answer, facts) = self.carried_out(order).await.or_status()?;
        told::created(message, &answer, &facts).or_status().map(Response::new)
    }

    async fn batch_create_transfers(
        &self,
        request: Request<proto::BatchCreateTransfersRequest>,
    ) -> Result<Response<proto::BatchCreateTransfersResponse>, Status> {
        let (caller, message) = parts(request);
        let order = self.batch_order(&caller, &message).or_status()?;
        let told = match self.0.handle.submit(order).await {
            Ok(answer) => told::batched(&answer),
            Err(LedgerError::AllRefused(refusals)) => Ok(told::all_refused(refusals)),
            Err(error) => Err(error),
        };
        told.or_status().map(Response::new)
    }

    type StreamTransfersStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamTransfersResponse, Status>> + Send>>;

    async fn stream_transfers(
        &self,
        request: Request<Streaming<proto::StreamTransfersRequest>>,
    ) -> Result<Response<Self::StreamTransfersStream>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let transfers = Arc::new(Transfers::new(self.clone(), caller));
        let draining = self.0.draining.clone();
        Ok(Response::new(Box::pin(twin::Exchange::new(transfers, request.into_inner(), draining))))
    }

    async fn capture_hold(
        &self,
        request: Request<proto::CaptureHoldRequest>,
    ) -> Result<Response<proto::CaptureHoldResponse>, Status> {
        let (caller, message) = parts(request);
        let order = self.capture_order(&caller, &message).or_status()?;
        let (answer, facts) = self.carried_out(order).await.or_status()?;
        told::captured(&answer, &facts).or_status().map(Response::new)
    }

    async fn increment_hold(
        &self,
        request: Request<proto::IncrementHoldRequest>,
    ) -> Result<Response<proto::IncrementHoldResponse>, Status> {
        let (caller, message) = parts(request);
        let order = self.increment_order(&caller, &message).or_status()?;
        let (answer, facts) = self.carried_out(order).await.or_status()?;
        told::incremented(&answer, &facts).or_status().map(Response::new)
    }

    async fn void_hold(
        &self,
        request: Request<proto::VoidHoldRequest>,
    ) -> Result<Response<proto::VoidHoldResponse>, Status> {
        let (caller, message) = parts(request);
        let order = self.void_order(&caller, &message).or_status()?;
        let (answer, facts) = self.carried_out(order).await.or_status()?;
        told::voided(&answer, &facts).or_status().map(Response::new)
    }

    async fn reverse_transfer(
        &self,
        request: Request<proto::ReverseTransferRequest>,
    ) -> Result<Response<proto::ReverseTransferResponse>, Status> {
        let (caller, message) = parts(request);
        self.reverse(&caller, &message).await.or_status().map(Response::new)
    }

    async fn get_transfer(
        &self,
        request: Request<proto::GetTransferRequest>,
    ) -> Result<Response<proto::GetTransferResponse>, Status> {
        let id: TransferId = parse::id("transfer_id", &request.into_inner().transfer_id).or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let stored = self.stored(id).await.or_status()?;
        let transfer = match stored.ok_or(LedgerError::NotFound("transfer")).or_status()? {
            Stored::Posted(record) => self.told(vec![record]).await.or_status()?.pop(),
            Stored::Hold(record) => Some(public::hold(&record)),
        };
        Ok(Response::new(proto::GetTransferResponse { transfer }))
    }

    async fn list_transfers(
        &self,
        request: Request<proto::ListTransfersRequest>,
    ) -> Result<Response<proto::ListTransfersResponse>, Status> {
        self.transfers_page(request.into_inner()).await.map(Response::new)
    }
}

/// Who calls, and with what.
fn parts<T>(request: Request<T>) -> (Caller, T) {
    (Caller::of(CallContext::of(&request)), request.into_inner())
}

impl Api {
    /// Has a command decided, with all its answer needs.
    async fn carried_out(&self, order: Order) -> Result<(Answer, Facts), LedgerError> {
        let mut answer = self.0.handle.submit(order).await?;
        let facts = self.facts(&mut answer).await?;
        Ok((answer, facts))
    }

    async fn reverse(
        &self,
        caller: &Caller,
        message: &proto::ReverseTransferRequest,
    ) -> Result<proto::ReverseTransferResponse, LedgerError> {
        let order = self.reverse_order(caller, message).await?;
        let (answer, facts) = self.carried_out(order).await?;
        told::reversed(&answer, &facts)
    }

    /// What is known under a transfer's id.
    async fn stored(&self, id: TransferId) -> Result<Option<Stored>, LedgerError> {
        let shared = &self.0.handle.shared;
        if let Some(record) = history::transfer(shared, id).await? {
            return Ok(Some(Stored::Posted(record)));
        }
        let shard = shared.shard;
        let hold = shared.db.read(|tx| Box::pin(projection::hold_by_id(tx, shard, id))).await?;
        Ok(hold.map(Stored::Hold))
    }
}
