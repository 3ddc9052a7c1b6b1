//! Notifications over gRPC.

use bursar_proto::notifications::v1::message_service_client::MessageServiceClient;
use bursar_proto::notifications::v1::{PutRecipientRequest, SendOneTimeCodeRequest};
use bursar_service::parse::timestamp_message;
use bursar_service::{Identity, PeerChannel, never_arrived};
use futures::future::BoxFuture;
use tonic::{Code, Status};

use crate::messenger::{Message, Messenger, MessengerError, Outgoing, Recipient};

/// What notifications calls the notice to the owner of an account; it has no code.
const ACCOUNT_EXISTS: &str = "account_exists";

/// Calls notifications. Clones share the connection.
#[derive(Clone, Debug)]
pub struct GrpcMessenger {
    client: MessageServiceClient<PeerChannel>,
}

impl GrpcMessenger {
    /// A messenger over this connection.
    pub fn new(channel: PeerChannel) -> Self {
        Self { client: MessageServiceClient::new(channel) }
    }
}

/// What the caller's mistake would be is ours here; all else passes.
fn refusal(status: &Status) -> MessengerError {
    let text = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument | Code::Unimplemented | Code::PermissionDenied | Code::AlreadyExists => {
            MessengerError::Refused(text)
        }
        _ if never_arrived(status, Identity::Notifications) => MessengerError::Unreached(text),
        _ => MessengerError::Away(text),
    }
}

impl Messenger for GrpcMessenger {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), MessengerError>> {
        let (purpose, code) = match &outgoing.message {
            Message::Code { purpose, code } => (purpose.as_str(), code.expose().to_owned()),
            Message::AccountExists => (ACCOUNT_EXISTS, String::new()),
        };
        let request = SendOneTimeCodeRequest {
            request_id: outgoing.request_id.to_string(),
            phone: outgoing.phone.expose().to_owned(),
            locale: outgoing.locale.as_str().to_owned(),
            purpose: purpose.to_owned(),
            code,
            expire_time: Some(timestamp_message(outgoing.expires_at)),
        };
        let mut client = self.client.clone();
        Box::pin(async move { client.send_one_time_code(request).await.map(drop).map_err(|s| refusal(&s)) })
    }

    fn put_recipient(&self, recipient: Recipient) -> BoxFuture<'_, Result<(), MessengerError>> {
        let request = PutRecipientRequest {
            request_id: recipient.request_id.to_string(),
            customer_id: recipient.customer_id.to_string(),
            phone: recipient.phone.expose().to_owned(),
            locale: recipient.locale.as_str().to_owned(),
            ..PutRecipientRequest::default()
        };
        let mut client = self.client.clone();
        Box::pin(async move { client.put_recipient(request).await.map(drop).map_err(|s| refusal(&s)) })
    }
}
