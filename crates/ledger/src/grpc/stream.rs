//! The streaming twin of Authorize.

use std::pin::Pin;
use std::sync::Arc;

use bursar_proto::ledger::v1 as proto;
use bursar_service::error::Told;
use bursar_service::{CallContext, Invalid};
use futures::Stream;
use tonic::{Status, Streaming};

use super::Api;
use super::twin::{Conclusion, Exchange, Incoming, Later, Twin, Work};
use crate::error::LedgerError;
use crate::project::public::{self, Reader};
use crate::writer::{Answer, Handle};

type Answers = Pin<Box<dyn Stream<Item = Result<proto::AuthorizeStreamResponse, Status>> + Send>>;

/// Answers the messages of a stream.
pub(super) fn answer(
    api: Api,
    context: CallContext,
    messages: Streaming<proto::AuthorizeStreamRequest>,
) -> Answers {
    let draining = api.0.draining.clone();
    Box::pin(Exchange::new(Arc::new(Authorizations { api, context }), messages, draining))
}

/// One stream's commands.
struct Authorizations {
    api: Api,
    context: CallContext,
}

impl Twin for Authorizations {
    type Message = proto::AuthorizeStreamRequest;
    type Response = proto::AuthorizeStreamResponse;
    type Outcome = proto::Payment;
    type Kept = ();

    // Each brings a proof, whose signature takes some 100 µs to verify.
    const GROUP_MAX: usize = 16;

    fn handle(&self) -> &Handle {
        &self.api.0.handle
    }

    fn read(self: &Arc<Self>, message: Self::Message) -> Incoming<Self> {
        let proto::AuthorizeStreamRequest { authorize, deadline_ms } = message;
        let Some(command) = authorize else {
            let wrong = Invalid::new().field("authorize", "is required");
            return Incoming { request_id: String::new(), deadline_ms, work: Err(wrong.into()) };
        };
        let order = self.api.authorization(&self.context, &command);
        let work = order.map(|order| Work::Decide(order, ()));
        Incoming { request_id: command.request_id, deadline_ms, work }
    }

    fn conclude(self: &Arc<Self>, (): (), said: Result<Answer, LedgerError>) -> Conclusion<Self::Outcome> {
        match said {
            Ok(mut answer) => match answer.now.payment.take() {
                Some(record) => Conclusion::Now(Ok(public::payment(&record, Reader::Staff))),
                None => {
                    let this = Arc::clone(self);
                    let later: Later<Self::Outcome> = Box::pin(async move {
                        let record = this.api.decided(answer).await?;
                        Ok(public::payment(&record, Reader::Staff))
                    });
                    Conclusion::Later(later)
                }
            },
            Err(error) => Conclusion::Now(Err(error)),
        }
    }

    fn response(request_id: String, outcome: Result<Self::Outcome, Told>) -> Self::Response {
        match outcome {
            Ok(payment) => {
                proto::AuthorizeStreamResponse { request_id, payment: Some(payment), ..Default::default() }
            }
            Err(told) => proto::AuthorizeStreamResponse {
                request_id,
                payment: None,
                error_code: told.code,
                error_reason: told.reason.as_str().to_owned(),
                error_message: told.message,
            },
        }
    }
}
