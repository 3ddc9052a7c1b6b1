//! Recipients and their inboxes.

use std::time::Duration;

use bursar_service::idempotency::{Scope, once};
use bursar_service::paging::Page;
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, MessageId};

use super::locale::Locale;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::keys::Kind;
use crate::sms::phone::Phone;
use crate::store::messages;
use crate::store::{recipients, texts};

/// Longest time a text message waits for its recipient to become known: an older notice would only puzzle.
const RECIPIENT_WAIT_MAX: Duration = Duration::from_secs(3 * 24 * 3600);

/// A message as its reader sees it.
pub struct InboxItem {
    /// Its id.
    pub message_id: MessageId,
    /// Type of the event that caused it.
    pub event_type: String,
    /// Language it is in.
    pub locale: Locale,
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// Whether it was read.
    pub read: bool,
    /// When it was made.
    pub create_time: Timestamp,
}

/// A page of an inbox.
pub struct InboxPage {
    /// Messages, newest first.
    pub items: Vec<InboxItem>,
    /// Token of the next page.
    pub next_page_token: String,
    /// Messages not read, in all.
    pub unread: i64,
}

impl Core {
    /// Notes where a customer can be reached, and lets go what waited for it.
    ///
    /// # Errors
    /// [`NotificationsError`] if the request id was used otherwise, or the database refuses.
    pub async fn put_recipient(
        &self,
        call: &Mutation,
        customer_id: CustomerId,
        phone: &Phone,
        locale: Locale,
    ) -> Result<(), NotificationsError> {
        let now = self.clock.now();
        let sealed = &self.keys.seal(Kind::Phone, &customer_id.to_string(), phone.expose().as_bytes());
        let scope = Scope { method: "PutRecipient", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            recipients::put(tx, customer_id, sealed, locale, now).await?;
                            let oldest = now.minus(RECIPIENT_WAIT_MAX);
                            if texts::release(tx, customer_id, oldest, now).await? > 0 {
                                let wake = self.wake_texts.clone();
                                tx.after_commit(move || wake.notify_one());
                            }
                            Ok::<_, NotificationsError>(Vec::new())
                        })
                    })
                    .await
                })
            })
            .await
            .map(drop)
    }

    /// A page of the customer's inbox, in the customer's language of today.
    ///
    /// # Errors
    /// [`NotificationsError`] if the database refuses or a message cannot be written out.
    pub async fn inbox(
        &self,
        customer_id: CustomerId,
        page: &Page<i64>,
    ) -> Result<InboxPage, NotificationsError> {
        let before = page.after().copied().unwrap_or(i64::MAX);
        let (head, stored) = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let head = messages::head(tx, customer_id).await?;
                    let stored = messages::list(tx, customer_id, before, page.limit()).await?;
                    Ok::<_, NotificationsError>((head, stored))
                })
            })
            .await?;
        let locale = head.locale.unwrap_or(Locale::FALLBACK);
        let (stored, next_page_token) = page.finish(stored, |last| last.number);
        let mut items = Vec::with_capacity(stored.len());
        for message in stored {
            let text = self.catalog.render(&message.template, locale, &message.facts)?;
            items.push(InboxItem {
                message_id: message.message_id,
                event_type: message.event_type,
                locale,
                title: text.title.to_string(),
                body: text.body.to_string(),
                read: message.read,
                create_time: message.create_time,
            });
        }
        Ok(InboxPage { items, next_page_token, unread: head.unread })
    }

    /// Marks messages of the customer's inbox as read: all of them, or none if one is not there.
    ///
    /// # Errors
    /// [`NotificationsError::MessageNotFound`] naming the first that is not in this inbox.
    pub async fn mark_read(
        &self,
        call: &Mutation,
        customer_id: CustomerId,
        message_ids: &[MessageId],
    ) -> Result<(), NotificationsError> {
        let now = self.clock.now();
        let scope = Scope { method: "MarkRead", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            for id in message_ids {
                                if !messages::mark_read(tx, customer_id, *id, now).await? {
                                    return Err(NotificationsError::MessageNotFound(id.to_string()));
                                }
                            }
                            Ok(Vec::new())
                        })
                    })
                    .await
                })
            })
            .await
            .map(drop)
    }
}
