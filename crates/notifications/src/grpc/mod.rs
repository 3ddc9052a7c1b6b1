//! gRPC: translation between the contract and the use cases. The only place that names tonic's types.

pub(crate) mod mailbox;
pub(crate) mod messages;
pub(crate) mod webhooks;

use std::sync::Arc;

use bursar_proto::notifications::v1::mailbox_service_server::MailboxServiceServer;
use bursar_proto::notifications::v1::message_service_server::MessageServiceServer;
use bursar_proto::notifications::v1::webhook_service_server::WebhookServiceServer;
use bursar_service::error::Invalid;
use bursar_service::idempotency::keyed_digest;
use bursar_service::{CallContext, parse};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::service::Routes;

use crate::core::{Core, Mutation};
use crate::providers::mailbox::Mailbox;

/// The services of notifications; the mailbox in the sandbox only.
pub(crate) fn routes(
    core: &Core,
    mailbox: Option<Arc<Mailbox>>,
    max_message_bytes: usize,
    draining: CancellationToken,
) -> Routes {
    let messages = MessageServiceServer::new(messages::Messages::new(core.clone(), draining));
    let webhooks = WebhookServiceServer::new(webhooks::Webhooks::new(core.clone()));
    let routes = Routes::new(messages.max_decoding_message_size(max_message_bytes))
        .add_service(webhooks.max_decoding_message_size(max_message_bytes));
    match mailbox {
        Some(mailbox) => {
            let mailbox = MailboxServiceServer::new(mailbox::Mailboxes::new(mailbox));
            routes.add_service(mailbox.max_decoding_message_size(max_message_bytes))
        }
        None => routes,
    }
}

/// How a repetition of this call is known.
fn mutation<T: Message>(core: &Core, request: &Request<T>, request_id: &str) -> Result<Mutation, Invalid> {
    Ok(Mutation {
        principal: CallContext::of(request).principal(),
        request_id: parse::request_id(request_id)?,
        digest: keyed_digest(core.keys.digest_key(), request.get_ref()),
    })
}

/// The value in `text`, which its own error explains.
fn text_as<T>(field: &str, text: &str) -> Result<T, Invalid>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Invalid::new().field(field, error.to_string()))
}
