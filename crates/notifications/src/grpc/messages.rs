//! `bursar.notifications.v1.MessageService`.

use bursar_proto::notifications::v1::message_service_server::MessageService;
use bursar_proto::notifications::v1::{
    InboxMessage, ListInboxRequest, ListInboxResponse, MarkReadRequest, MarkReadResponse,
    PutRecipientRequest, PutRecipientResponse, SendOneTimeCodeRequest, SendOneTimeCodeResponse,
};
use bursar_service::error::Invalid;
use bursar_service::paging::Page;
use bursar_service::{CallContext, OrStatus as _, parse};
use bursar_types::id::MessageId;
use tonic::{Request, Response, Status};

use super::{mutation, text_as};
use crate::core::Core;
use crate::people::codes::CodeOrder;
use crate::people::inbox::InboxItem;
use crate::sms::code::Purpose;

/// Most messages of one call.
const MARKED_MAX: usize = 1_000;

pub(crate) struct Messages {
    core: Core,
}

impl Messages {
    pub(crate) const fn new(core: Core) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl MessageService for Messages {
    async fn put_recipient(
        &self,
        request: Request<PutRecipientRequest>,
    ) -> Result<Response<PutRecipientResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let customer_id = wrong.take(parse::id("customer_id", &body.customer_id));
        let phone = wrong.take(text_as("phone", &body.phone));
        let locale = wrong.take(text_as("locale", &body.locale));
        let (Some(call), Some(customer_id), Some(phone), Some(locale)) = (call, customer_id, phone, locale)
        else {
            return Err(wrong.into());
        };
        self.core.put_recipient(&call, customer_id, &phone, locale).await.or_status()?;
        Ok(Response::new(PutRecipientResponse {}))
    }

    async fn send_one_time_code(
        &self,
        request: Request<SendOneTimeCodeRequest>,
    ) -> Result<Response<SendOneTimeCodeResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let phone = wrong.take(text_as("phone", &body.phone));
        let locale = wrong.take(text_as("locale", &body.locale));
        let purpose = wrong.take(text_as::<Purpose>("purpose", &body.purpose));
        let code = match purpose {
            Some(purpose) if !purpose.has_code() && body.code.is_empty() => Some(None),
            Some(purpose) if !purpose.has_code() => {
                wrong = wrong.field("code", "must be empty for a purpose without a code");
                None
            }
            _ => wrong.take(text_as("code", &body.code)).map(Some),
        };
        let expire_time = wrong.take(parse::timestamp("expire_time", body.expire_time.as_ref()));
        let order = (phone, locale, purpose, code, expire_time);
        let (Some(call), (Some(phone), Some(locale), Some(purpose), Some(code), Some(expire_time))) =
            (call, order)
        else {
            return Err(wrong.into());
        };
        let order = CodeOrder { phone, locale, purpose, code, expire_time };
        let message_id = self.core.send_code(&call, &order).await.or_status()?;
        Ok(Response::new(SendOneTimeCodeResponse { message_id: message_id.to_string() }))
    }

    async fn list_inbox(
        &self,
        request: Request<ListInboxRequest>,
    ) -> Result<Response<ListInboxResponse>, Status> {
        let customer_id = CallContext::of(&request).require_customer()?.customer_id;
        let body = request.get_ref();
        // Bound to the customer, so that a token from another's inbox is refused.
        let query = format!("ListInbox {customer_id}");
        let page = Page::parse(body.page_size, &body.page_token, &query).or_status()?;
        let page = self.core.inbox(customer_id, &page).await.or_status()?;
        Ok(Response::new(ListInboxResponse {
            messages: page.items.into_iter().map(inbox_message).collect(),
            next_page_token: page.next_page_token,
            unread: page.unread,
        }))
    }

    async fn mark_read(
        &self,
        request: Request<MarkReadRequest>,
    ) -> Result<Response<MarkReadResponse>, Status> {
        let customer_id = CallContext::of(&request).require_customer()?.customer_id;
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        wrong.take(parse::number("message_ids", body.message_ids.len(), 1..=MARKED_MAX));
        let mut ids: Vec<MessageId> = Vec::with_capacity(body.message_ids.len().min(MARKED_MAX));
        for (index, id) in body.message_ids.iter().take(MARKED_MAX).enumerate() {
            ids.extend(wrong.take(parse::id::<MessageId>(&format!("message_ids[{index}]"), id)));
        }
        let Some(call) = call.filter(|_| wrong.is_empty()) else { return Err(wrong.into()) };
        // In one order for all, so that two calls over the same messages do not wait for each other in a circle.
        ids.sort_unstable();
        self.core.mark_read(&call, customer_id, &ids).await.or_status()?;
        Ok(Response::new(MarkReadResponse {}))
    }
}

fn inbox_message(item: InboxItem) -> InboxMessage {
    InboxMessage {
        message_id: item.message_id.to_string(),
        event_type: item.event_type,
        locale: item.locale.tag().to_owned(),
        title: item.title,
        body: item.body,
        read: item.read,
        create_time: Some(parse::timestamp_message(item.create_time)),
    }
}
