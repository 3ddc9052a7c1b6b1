//! One-time codes: handed to the provider at once, or not at all.
//!
//! What is stored is that a code was asked for, and whether it was handed over; the code itself is in the request, and
//! a caller who got no answer repeats the request and with it the code. A repetition after the code was handed over
//! sends nothing; one after a crash in between hands it over with the same message id.

use bursar_service::db::DbError;
use bursar_service::idempotency::{Scope, once};
use bursar_types::Timestamp;
use bursar_types::id::MessageId;

use zeroize::Zeroizing;

use super::facts::Facts;
use super::locale::Locale;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::providers::code::{EVENT_TYPE, OneTimeCode, Purpose};
use crate::providers::phone::Phone;
use crate::providers::{Address, Outgoing};
use crate::store::codes;

/// A code to be sent.
#[derive(Debug)]
pub struct CodeOrder {
    /// To whom.
    pub phone: Phone,
    /// Language of the message.
    pub locale: Locale,
    /// What it is for.
    pub purpose: Purpose,
    /// The code; none for a purpose that has none.
    pub code: Option<OneTimeCode>,
    /// Moment after which it is not sent any more.
    pub expire_time: Timestamp,
}

impl Core {
    /// Sends a one-time code now. Its message's id.
    ///
    /// # Errors
    /// [`NotificationsError::CodeEnded`] if its time is over, [`NotificationsError::NotSent`] if the provider did not
    /// take it: repeat with the same request id.
    pub async fn send_code(
        &self,
        call: &Mutation,
        order: &CodeOrder,
    ) -> Result<MessageId, NotificationsError> {
        let (message_id, handed_over) = self.accept_code(call, order.expire_time).await?;
        if handed_over {
            return Ok(message_id);
        }
        let now = self.clock.now();
        if order.expire_time <= now {
            return Err(NotificationsError::CodeEnded);
        }
        let sms = self.write_code(message_id, order, now)?;
        self.provider.send(&sms).await.map_err(NotificationsError::NotSent)?;
        self.db.write(|tx| Box::pin(codes::set_handed_over(tx, message_id))).await?;
        Ok(message_id)
    }

    /// Notes that the code was asked for. The id of its message, and whether it was handed over before.
    async fn accept_code(
        &self,
        call: &Mutation,
        expire_time: Timestamp,
    ) -> Result<(MessageId, bool), NotificationsError> {
        let now = self.clock.now();
        let scope = Scope { method: "SendOneTimeCode", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let stored = once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            if expire_time <= now {
                                return Err(NotificationsError::CodeEnded);
                            }
                            let message_id: MessageId = self.ids.next();
                            codes::insert(tx, message_id, expire_time).await?;
                            Ok(message_id.to_string().into_bytes())
                        })
                    })
                    .await?;
                    let message_id = message_id_from(&stored)?;
                    Ok((message_id, codes::handed_over(tx, message_id).await?))
                })
            })
            .await
    }

    fn write_code(
        &self,
        message_id: MessageId,
        order: &CodeOrder,
        now: Timestamp,
    ) -> Result<Outgoing, NotificationsError> {
        // Rounded up: nobody should be told a time that is over before the code is.
        let minutes = order.expire_time.since(now).as_secs().div_ceil(60).max(1);
        let mut facts = Facts::default();
        if let Some(code) = &order.code {
            facts = facts.with("code", code.expose()).with("minutes", minutes.to_string());
        }
        let text = self.catalog.render_sms(order.purpose.template(), order.locale, &facts)?;
        Ok(Outgoing {
            message_id,
            address: Address::Phone(order.phone.clone()),
            title: Zeroizing::default(),
            locale: order.locale,
            event_type: if order.code.is_some() { EVENT_TYPE } else { order.purpose.as_str() }.to_owned(),
            text,
            code: order.code.clone().map(|code| (code, order.expire_time)),
        })
    }
}

fn message_id_from(stored: &[u8]) -> Result<MessageId, DbError> {
    let text = std::str::from_utf8(stored).unwrap_or_default();
    text.parse().map_err(|_| DbError::Corrupt { what: "a stored response of SendOneTimeCode".into() })
}
