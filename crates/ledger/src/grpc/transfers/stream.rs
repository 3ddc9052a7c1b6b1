//! The streaming twin of the transfer methods.

use std::sync::Arc;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::stream_transfers_request::Command;
use bursar_proto::ledger::v1::stream_transfers_response::Result as Outcome;
use bursar_service::Invalid;
use bursar_service::error::Told;

use super::told::{self, Facts};
use crate::error::LedgerError;
use crate::grpc::twin::{Conclusion, Incoming, Later, Twin, Work};
use crate::grpc::{Api, Caller};
use crate::writer::{Answer, Handle};

/// One stream's commands.
#[derive(Debug)]
pub(super) struct Transfers {
    api: Api,
    caller: Caller,
}

/// What of a command is kept until it is answered.
#[derive(Debug)]
pub(super) enum Kept {
    /// The request, whose texts stand in the answer.
    Create(Box<proto::CreateTransferRequest>),
    Batch,
    Capture,
    Increment,
    Void,
}

impl Transfers {
    pub(super) fn new(api: Api, caller: Caller) -> Self {
        Self { api, caller }
    }

    /// The request id of a command, and what is to be done.
    fn work(self: &Arc<Self>, command: Command) -> (String, Result<Work<Self>, LedgerError>) {
        let (api, caller) = (&self.api, &self.caller);
        let (request_id, order, kept) = match command {
            Command::CreateTransfer(mut message) => {
                let order = api.create_order(caller, &message);
                (std::mem::take(&mut message.request_id), order, Kept::Create(Box::new(message)))
            }
            Command::BatchCreateTransfers(message) => {
                let order = api.batch_order(caller, &message);
                (message.request_id, order, Kept::Batch)
            }
            Command::CaptureHold(message) => {
                let order = api.capture_order(caller, &message);
                (message.request_id, order, Kept::Capture)
            }
            Command::IncrementHold(message) => {
                let order = api.increment_order(caller, &message);
                (message.request_id, order, Kept::Increment)
            }
            Command::VoidHold(message) => {
                let order = api.void_order(caller, &message);
                (message.request_id, order, Kept::Void)
            }
            Command::ReverseTransfer(message) => {
                let (request_id, this) = (message.request_id.clone(), Arc::clone(self));
                let reversing: Later<Outcome> = Box::pin(async move {
                    this.api.reverse(&this.caller, &message).await.map(Outcome::ReverseTransfer)
                });
                return (request_id, Ok(Work::Later(reversing)));
            }
        };
        (request_id, order.map(|order| Work::Decide(order, kept)).map_err(LedgerError::from))
    }
}

fn tell(kept: Kept, answer: &Answer, facts: &Facts) -> Result<Outcome, LedgerError> {
    match kept {
        Kept::Create(message) => told::created(*message, answer, facts).map(Outcome::CreateTransfer),
        Kept::Batch => told::batched(answer).map(Outcome::BatchCreateTransfers),
        Kept::Capture => told::captured(answer, facts).map(Outcome::CaptureHold),
        Kept::Increment => told::incremented(answer, facts).map(Outcome::IncrementHold),
        Kept::Void => told::voided(answer, facts).map(Outcome::VoidHold),
    }
}

impl Twin for Transfers {
    type Message = proto::StreamTransfersRequest;
    type Response = proto::StreamTransfersResponse;
    type Outcome = Outcome;
    type Kept = Kept;

    const GROUP_MAX: usize = 1_024;

    fn handle(&self) -> &Handle {
        &self.api.0.handle
    }

    fn read(self: &Arc<Self>, message: Self::Message) -> Incoming<Self> {
        let proto::StreamTransfersRequest { deadline_ms, command } = message;
        let (request_id, work) = match command {
            Some(command) => self.work(command),
            None => (String::new(), Err(Invalid::new().field("command", "is required").into())),
        };
        Incoming { request_id, deadline_ms, work }
    }

    fn conclude(self: &Arc<Self>, kept: Kept, said: Result<Answer, LedgerError>) -> Conclusion<Outcome> {
        let mut answer = match said {
            Ok(answer) => answer,
            Err(LedgerError::AllRefused(refusals)) if matches!(kept, Kept::Batch) => {
                return Conclusion::Now(Ok(Outcome::BatchCreateTransfers(told::all_refused(refusals))));
            }
            Err(error) => return Conclusion::Now(Err(error)),
        };
        match Facts::in_memory(&mut answer) {
            Ok(facts) => Conclusion::Now(tell(kept, &answer, &facts)),
            Err(lacking) => {
                let this = Arc::clone(self);
                let later: Later<Outcome> = Box::pin(async move {
                    let facts = this.api.stored_facts(&answer, lacking).await?;
                    tell(kept, &answer, &facts)
                });
                Conclusion::Later(later)
            }
        }
    }

    fn response(request_id: String, outcome: Result<Outcome, Told>) -> Self::Response {
        let result = outcome.unwrap_or_else(|told| {
            let wait = told.retry_after.map_or(0, |wait| wait.as_millis());
            Outcome::Error(proto::StreamError {
                code: told.code,
                reason: told.reason.as_str().to_owned(),
                message: told.message,
                field: told.field,
                retry_after_ms: i64::try_from(wait).unwrap_or(i64::MAX),
            })
        });
        proto::StreamTransfersResponse { request_id, result: Some(result) }
    }
}
