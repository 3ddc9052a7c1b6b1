//! `bursar.notifications.v1.MailboxService`.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::notifications::v1::mailbox_service_server::MailboxService;
use bursar_proto::notifications::v1::{
    MailboxMessage, MessageChannel, ReadMailboxRequest, ReadMailboxResponse,
};
use bursar_service::error::Invalid;
use bursar_service::{CallContext, OrStatus as _, parse};
use tonic::{Request, Response, Status};

use super::text_as;
use crate::error::NotificationsError;
use crate::providers::mailbox::{Letter, Mailbox, Query};

/// Longest wait, in milliseconds.
const WAIT_MS_MAX: i32 = 30_000;

/// Longest event type asked for, in characters.
const EVENT_TYPE_LENGTH_MAX: usize = 100;

/// Time before the call's deadline at which a wait ends, so that "nothing came" is still an answer.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

pub(crate) struct Mailboxes {
    mailbox: Arc<Mailbox>,
}

impl Mailboxes {
    pub(crate) const fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox }
    }
}

#[tonic::async_trait]
impl MailboxService for Mailboxes {
    async fn read_mailbox(
        &self,
        request: Request<ReadMailboxRequest>,
    ) -> Result<Response<ReadMailboxResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let address = wrong.take(text_as("address", &body.address));
        let after = wrong.take(parse::optional_id("after_message_id", &body.after_message_id));
        let event_type = wrong.take(parse::text("event_type", &body.event_type, 0..=EVENT_TYPE_LENGTH_MAX));
        let wait_ms = wrong.take(parse::number("wait_ms", body.wait_ms, 0..=WAIT_MS_MAX));
        let (Some(address), Some(after), Some(event_type), Some(wait_ms)) =
            (address, after, event_type, wait_ms)
        else {
            return Err(wrong.into());
        };
        let query = Query { address, after, event_type: event_type.to_owned() };
        let mut wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        if let Some(deadline) = CallContext::of(&request).deadline {
            wait = wait.min(deadline.remaining().saturating_sub(ANSWER_MARGIN));
        }
        let letters = self.mailbox.read(&query, wait).await.map_err(NotificationsError::from).or_status()?;
        let address = &request.get_ref().address;
        let messages = letters.iter().map(|letter| mailbox_message(letter, address)).collect();
        Ok(Response::new(ReadMailboxResponse { messages }))
    }
}

fn mailbox_message(letter: &Letter, address: &str) -> MailboxMessage {
    MailboxMessage {
        message_id: letter.message_id.to_string(),
        channel: if letter.mail { MessageChannel::Email } else { MessageChannel::Sms }.into(),
        title: letter.title.clone(),
        address: address.to_owned(),
        locale: letter.locale.tag().to_owned(),
        body: letter.body.to_string(),
        one_time_code: letter.code.as_ref().map(|code| code.expose().to_owned()).unwrap_or_default(),
        event_type: letter.event_type.clone(),
        create_time: Some(parse::timestamp_message(letter.arrived)),
    }
}
