//! The streaming twin of Authorize: one message a command, answers as they become durable, in any order.

use std::pin::Pin;
use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_service::deadline::Deadline;
use bursar_service::{CallContext, OrStatus as _, parse, reason_of};
use futures::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::Api;

/// Commands of one stream that are being worked on; the next message is read when one is answered. That is the flow
/// control: HTTP/2 holds the sender up.
const IN_FLIGHT_MAX: usize = 1024;
/// Longest life of a command on the stream.
const DEADLINE_MS_MAX: i32 = 60_000;

type Answers = Pin<Box<dyn Stream<Item = Result<proto::AuthorizeStreamResponse, Status>> + Send>>;

/// Answers the messages of a stream.
pub(super) fn answer(
    api: Api,
    context: CallContext,
    messages: Streaming<proto::AuthorizeStreamRequest>,
) -> Answers {
    let draining = api.0.draining.clone();
    // A process that stops reads no more; what it has read it answers.
    let messages = messages.take_until(Box::pin(async move { draining.cancelled().await }));
    let answers = messages.map(move |message| {
        let (api, context) = (api.clone(), context.clone());
        async move {
            match message {
                Ok(message) => Ok(one(&api, &context, message).await),
                Err(status) => Err(status),
            }
        }
    });
    Box::pin(answers.buffer_unordered(IN_FLIGHT_MAX))
}

async fn one(
    api: &Api,
    context: &CallContext,
    message: proto::AuthorizeStreamRequest,
) -> proto::AuthorizeStreamResponse {
    let request_id = message.authorize.as_ref().map(|command| command.request_id.clone()).unwrap_or_default();
    match decide(api, context, message).await {
        Ok(payment) => {
            proto::AuthorizeStreamResponse { request_id, payment: Some(payment), ..Default::default() }
        }
        Err(status) => proto::AuthorizeStreamResponse {
            request_id,
            payment: None,
            error_code: status.code().into(),
            error_reason: reason_of(&status)
                .map(|(reason, _)| reason.as_str().to_owned())
                .unwrap_or_default(),
            error_message: status.message().to_owned(),
        },
    }
}

async fn decide(
    api: &Api,
    context: &CallContext,
    message: proto::AuthorizeStreamRequest,
) -> Result<proto::Payment, Status> {
    let millis = parse::number("deadline_ms", message.deadline_ms, 1..=DEADLINE_MS_MAX).or_status()?;
    let command = message.authorize;
    let command = parse::required("authorize", command.as_ref()).or_status()?.clone();
    let deadline = Deadline::after(Duration::from_millis(u64::try_from(millis).unwrap_or(1)));
    // Polled under its own deadline; when that passes the answer is dropped, the decision is not.
    deadline.bound(api.decide(context, command)).await.or_status()?
}
