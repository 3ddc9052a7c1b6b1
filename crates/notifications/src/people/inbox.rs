//! Recipients and their inboxes.

use std::time::Duration;

use bursar_service::db::Tx;
use bursar_service::idempotency::{Scope, once};
use bursar_service::paging::Page;
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, MessageId};

use super::catalog::CONTACT_CHANGED;
use super::decision::Channel;
use super::facts::Facts;
use super::locale::Locale;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::keys::Kind;
use crate::providers::email::Email;
use crate::providers::phone::Phone;
use crate::store::messages::{self, NewMessage, StoredMessage};
use crate::store::recipients::{self, Recipient};
use crate::store::sendings::{self, Begin, NewSending};

/// Longest time a text message waits for its recipient to become known: an older notice would only puzzle.
const RECIPIENT_WAIT_MAX: Duration = Duration::from_secs(3 * 24 * 3600);

/// Zone of who did not say: where the platform's customers are.
const DEFAULT_ZONE: &str = "Asia/Shanghai";

/// Type of the message that tells of a change.
const CONTACT_CHANGED_TYPE: &str = "notifications.contact.changed";

/// Where a customer can be reached.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Verified phone.
    pub phone: Phone,
    /// Verified e-mail address, if there is one.
    pub email: Option<Email>,
    /// Language.
    pub locale: Locale,
    /// Time zone by its IANA name; none: as before.
    pub time_zone: Option<String>,
}

/// A message as its reader sees it.
pub struct InboxItem {
    /// Its place in the inbox, from 1.
    pub number: i64,
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
    /// Notes where a customer can be reached, and lets go what waited for it. A change is told to the old address and the
    /// new one, whatever the customer prefers.
    ///
    /// # Errors
    /// [`NotificationsError`] if the request id was used otherwise, or the database refuses.
    pub async fn put_recipient(
        &self,
        call: &Mutation,
        customer_id: CustomerId,
        contact: &Contact,
    ) -> Result<(), NotificationsError> {
        let now = self.clock.now();
        let scope = Scope { method: "PutRecipient", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            let before = recipients::get(tx, customer_id).await?;
                            let after = self.sealed(customer_id, contact, before.as_ref());
                            recipients::put(tx, customer_id, &after, now).await?;
                            let oldest = now.minus(RECIPIENT_WAIT_MAX);
                            let mut due = sendings::release(tx, customer_id, oldest, now).await?;
                            if let Some(before) = before {
                                due += self.tell_change(tx, call, customer_id, &before, contact, now).await?;
                            }
                            if due > 0 {
                                let (wake, hub) = (self.wake_texts.clone(), self.hub.clone());
                                tx.after_commit(move || {
                                    wake.notify_one();
                                    hub.arrived(customer_id);
                                });
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

    fn sealed(&self, customer_id: CustomerId, contact: &Contact, before: Option<&Recipient>) -> Recipient {
        let owner = customer_id.to_string();
        let seal = |kind, text: &str| self.keys.seal(kind, &owner, text.as_bytes());
        let zone = contact.time_zone.clone().or_else(|| before.map(|before| before.time_zone.clone()));
        Recipient {
            phone: seal(Kind::Phone, contact.phone.expose()),
            email: contact.email.as_ref().map(|email| seal(Kind::Email, email.expose())),
            locale: contact.locale,
            time_zone: zone.unwrap_or_else(|| DEFAULT_ZONE.to_owned()),
        }
    }

    /// Tells a change of phone or e-mail address to the old address and the new. How many sendings that makes.
    async fn tell_change(
        &self,
        tx: &mut Tx<'_>,
        call: &Mutation,
        customer_id: CustomerId,
        before: &Recipient,
        contact: &Contact,
        now: Timestamp,
    ) -> Result<u64, NotificationsError> {
        let owner = customer_id.to_string();
        let differs =
            |kind, sealed: Option<&Vec<u8>>, now: Option<&str>| -> Result<bool, NotificationsError> {
                let before = sealed.map(|sealed| self.keys.open(kind, &owner, sealed)).transpose()?;
                Ok(before.as_ref().map(|before| before.as_slice()) != now.map(str::as_bytes))
            };
        let phone = differs(Kind::Phone, Some(&before.phone), Some(contact.phone.expose()))?;
        let email =
            differs(Kind::Email, before.email.as_ref(), contact.email.as_ref().map(|it| it.expose()))?;
        if !phone && !email {
            return Ok(0);
        }
        let (en, zh) = match (phone, email) {
            (true, false) => ("phone number", "手机号码"),
            (false, true) => ("e-mail address", "电子邮箱"),
            _ => ("phone number and e-mail address", "手机号码和电子邮箱"),
        };
        let facts = Facts::default().with("what_en", en).with("what_zh", zh);
        self.catalog.check(CONTACT_CHANGED, &facts)?;
        let event_id = format!("contact {}", call.request_id);
        let message = NewMessage {
            customer_id,
            message_id: self.ids.next(),
            event_id: &event_id,
            event_type: CONTACT_CHANGED_TYPE,
            template: CONTACT_CHANGED,
            facts: &facts,
            create_time: now,
        };
        if !messages::insert(tx, &message).await? {
            return Ok(0);
        }
        let due = |channel, address| NewSending { channel, address, begin: Begin::Due(now) };
        let mut ways = vec![due(Channel::Sms, None)];
        if phone {
            ways.push(due(Channel::Sms, Some(before.phone.clone())));
        }
        if self.mail.is_some() {
            ways.extend(contact.email.as_ref().map(|_| due(Channel::Email, None)));
            ways.extend(before.email.clone().filter(|_| email).map(|old| due(Channel::Email, Some(old))));
        }
        sendings::insert(tx, customer_id, message.message_id, &ways, now).await?;
        Ok(ways.len() as u64)
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
        let items = stored.into_iter().map(|message| self.item(message, locale)).collect::<Result<_, _>>()?;
        Ok(InboxPage { items, next_page_token, unread: head.unread })
    }

    /// What came into the customer's inbox after the message `after`, oldest first, and how many are not read.
    ///
    /// # Errors
    /// As [`Core::inbox`].
    pub async fn inbox_after(
        &self,
        customer_id: CustomerId,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<InboxItem>, i64), NotificationsError> {
        let (head, stored) = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let head = messages::head(tx, customer_id).await?;
                    let stored = messages::after(tx, customer_id, after, limit).await?;
                    Ok::<_, NotificationsError>((head, stored))
                })
            })
            .await?;
        let locale = head.locale.unwrap_or(Locale::FALLBACK);
        let items = stored.into_iter().map(|message| self.item(message, locale)).collect::<Result<_, _>>()?;
        Ok((items, head.unread))
    }

    fn item(&self, message: StoredMessage, locale: Locale) -> Result<InboxItem, NotificationsError> {
        let text = self.catalog.render(&message.template, locale, &message.facts)?;
        Ok(InboxItem {
            number: message.number,
            message_id: message.message_id,
            event_type: message.event_type,
            locale,
            title: text.title.to_string(),
            body: text.body.to_string(),
            read: message.read,
            create_time: message.create_time,
        })
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
