//! `bursar.notifications.v1.MessageService`.

use std::collections::BTreeSet;
use std::pin::Pin;

use bursar_proto::notifications::v1 as proto;
use bursar_proto::notifications::v1::message_service_server::MessageService;
use bursar_proto::notifications::v1::{
    GetPreferencesRequest, GetPreferencesResponse, InboxMessage, ListInboxRequest, ListInboxResponse,
    MarkReadRequest, MarkReadResponse, MessageCategory, MessageChannel, PutPreferencesRequest,
    PutPreferencesResponse, PutRecipientRequest, PutRecipientResponse, QuietHours, SendOneTimeCodeRequest,
    SendOneTimeCodeResponse, StreamInboxRequest, StreamInboxResponse, SwitchedOff,
};
use bursar_service::error::Invalid;
use bursar_service::paging::Page;
use bursar_service::{CallContext, OrStatus as _, parse};
use bursar_types::id::MessageId;
use futures::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{mutation, text_as};
use crate::core::Core;
use crate::people::codes::CodeOrder;
use crate::people::decision::{Category, Channel};
use crate::people::inbox::{Contact, InboxItem};
use crate::people::preferences::{DAY_MINUTES, Preferences, Quiet};
use crate::providers::code::Purpose;
use crate::providers::email::Email;

/// Most messages of one call.
const MARKED_MAX: usize = 1_000;

/// Most switches of a customer's preferences.
const SWITCHED_OFF_MAX: usize = 16;

pub(crate) struct Messages {
    core: Core,
    /// Cancelled when streams should end.
    draining: CancellationToken,
}

impl Messages {
    pub(crate) const fn new(core: Core, draining: CancellationToken) -> Self {
        Self { core, draining }
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
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let email = wrong.take(given(&body.email).map(|text| text_as::<Email>("email", &text)).transpose());
        let time_zone = wrong.take(time_zone(&body.time_zone));
        let (Some(call), Some(customer_id), Some(phone), Some(locale)) = (call, customer_id, phone, locale)
        else {
            return Err(wrong.into());
        };
        let (Some(email), Some(time_zone)) = (email, time_zone) else { return Err(wrong.into()) };
        let contact = Contact { phone, email, locale, time_zone };
        self.core.put_recipient(&call, customer_id, &contact).await.or_status()?;
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

    type StreamInboxStream = Pin<Box<dyn Stream<Item = Result<StreamInboxResponse, Status>> + Send>>;

    async fn stream_inbox(
        &self,
        request: Request<StreamInboxRequest>,
    ) -> Result<Response<Self::StreamInboxStream>, Status> {
        let customer_id = CallContext::of(&request).require_customer()?.customer_id;
        let after = parse::number("after_number", request.get_ref().after_number, 0..=i64::MAX)?;
        let watch = self.core.watch_inbox(customer_id, after);
        let stream = futures::stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok((items, unread)) => {
                    let messages = items.into_iter().map(inbox_message).collect();
                    Some((Ok(StreamInboxResponse { messages, unread }), Some(watch)))
                }
                // The reader comes again with the number of the last that came.
                Err(error) => Some((Err(bursar_service::status(&error)), None)),
            }
        });
        let stream = stream.take_until(self.draining.clone().cancelled_owned());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_preferences(
        &self,
        request: Request<GetPreferencesRequest>,
    ) -> Result<Response<GetPreferencesResponse>, Status> {
        let customer_id = CallContext::of(&request).require_customer()?.customer_id;
        let preferences = self.core.preferences(customer_id).await.or_status()?;
        let preferences = Some(preferences_message(&preferences));
        Ok(Response::new(GetPreferencesResponse { preferences }))
    }

    async fn put_preferences(
        &self,
        request: Request<PutPreferencesRequest>,
    ) -> Result<Response<PutPreferencesResponse>, Status> {
        let customer_id = CallContext::of(&request).require_customer()?.customer_id;
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let preferences = wrong.take(preferences(body.preferences.as_ref()));
        let (Some(call), Some(preferences)) = (call, preferences) else { return Err(wrong.into()) };
        self.core.put_preferences(&call, customer_id, &preferences).await.or_status()?;
        Ok(Response::new(PutPreferencesResponse {}))
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

/// A time zone by its IANA name, or nothing.
fn time_zone(text: &str) -> Result<Option<String>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(_) => Err(Invalid::new().field("time_zone", "must be an IANA time zone such as Asia/Shanghai")),
    }
}

fn preferences(message: Option<&proto::Preferences>) -> Result<Preferences, Invalid> {
    let message = message.ok_or_else(|| Invalid::new().field("preferences", "must be set"))?;
    let mut wrong = Invalid::new();
    let last = i32::from(DAY_MINUTES) - 1;
    let mut minute = |field: &str, value| wrong.take(parse::number(field, value, 0..=last)).unwrap_or(0);
    let quiet = message.quiet_hours.as_ref().map(|quiet| {
        let start = minute("preferences.quiet_hours.start_minute", quiet.start_minute);
        let end = minute("preferences.quiet_hours.end_minute", quiet.end_minute);
        Quiet { start: u16::try_from(start).unwrap_or(0), end: u16::try_from(end).unwrap_or(0) }
    });
    let hour = wrong.take(parse::number("preferences.digest_hour", message.digest_hour, 0..=23)).unwrap_or(0);
    wrong.take(parse::number("preferences.switched_off", message.switched_off.len(), 0..=SWITCHED_OFF_MAX));
    let mut off = BTreeSet::new();
    for (index, switch) in message.switched_off.iter().take(SWITCHED_OFF_MAX).enumerate() {
        let category = match switch.category() {
            MessageCategory::Payments => Some(Category::Payments),
            MessageCategory::Account => Some(Category::Account),
            // Security notices cannot be switched off.
            MessageCategory::Security | MessageCategory::Unspecified => None,
        };
        let channel = match switch.channel() {
            MessageChannel::Sms => Some(Channel::Sms),
            MessageChannel::Email => Some(Channel::Email),
            MessageChannel::Inbox | MessageChannel::Unspecified => None,
        };
        match (category, channel) {
            (Some(category), Some(channel)) => {
                off.insert((category, channel));
            }
            _ => {
                let field = format!("preferences.switched_off[{index}]");
                wrong = wrong.field(field, "must be payments or account, by SMS or e-mail");
            }
        }
    }
    wrong.check()?;
    let digest_hour = message.digest.then(|| u8::try_from(hour).unwrap_or(0));
    Ok(Preferences { quiet, off, digest_hour })
}

fn preferences_message(preferences: &Preferences) -> proto::Preferences {
    let switched_off = preferences.off.iter().map(|(category, channel)| SwitchedOff {
        category: match category {
            Category::Security => MessageCategory::Security.into(),
            Category::Payments => MessageCategory::Payments.into(),
            Category::Account => MessageCategory::Account.into(),
        },
        channel: match channel {
            Channel::Sms => MessageChannel::Sms.into(),
            Channel::Email => MessageChannel::Email.into(),
            Channel::Inbox => MessageChannel::Inbox.into(),
        },
    });
    proto::Preferences {
        quiet_hours: preferences
            .quiet
            .map(|quiet| QuietHours { start_minute: quiet.start.into(), end_minute: quiet.end.into() }),
        switched_off: switched_off.collect(),
        digest: preferences.digest_hour.is_some(),
        digest_hour: preferences.digest_hour.unwrap_or(0).into(),
    }
}

fn inbox_message(item: InboxItem) -> InboxMessage {
    InboxMessage {
        number: item.number,
        message_id: item.message_id.to_string(),
        event_type: item.event_type,
        locale: item.locale.tag().to_owned(),
        title: item.title,
        body: item.body,
        read: item.read,
        create_time: Some(parse::timestamp_message(item.create_time)),
    }
}
