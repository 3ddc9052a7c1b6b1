//! Takes the events of the other services: each becomes a message to a person, deliveries of webhooks, both, or
//! nothing, in the transaction that moves the cursor. Applying an event twice does what applying it once does.

use bursar_proto::event::v1::Event;
use bursar_service::db::Tx;
use bursar_types::Timestamp;

use crate::core::Core;
use crate::error::NotificationsError;
use crate::people::decision::{self, Channel, Notice};
use crate::people::facts::LOCALE;
use crate::store::messages::{self, NewMessage};
use crate::store::{recipients, texts};

impl Core {
    /// Applies one event.
    ///
    /// # Errors
    /// [`NotificationsError`] if the event cannot be read, a message cannot be written, or the database refuses.
    pub async fn apply(&self, tx: &mut Tx<'_>, event: &Event) -> Result<(), NotificationsError> {
        let now = self.clock.now();
        if let Some(notice) = decision::decide(event)? {
            self.notify_customer(tx, event, &notice, now).await?;
        }
        self.fan_out(tx, event, now).await
    }

    async fn notify_customer(
        &self,
        tx: &mut Tx<'_>,
        event: &Event,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), NotificationsError> {
        // Before it is stored, so that whatever is in an inbox can be read there in every language.
        self.catalog.check(notice.rule.template, &notice.facts)?;
        let message = NewMessage {
            customer_id: notice.customer_id,
            message_id: self.ids.next(),
            event_id: &event.id,
            event_type: notice.rule.event_type,
            template: notice.rule.template,
            facts: &notice.facts,
            create_time: now,
        };
        if !messages::insert(tx, &message).await? {
            return Ok(());
        }
        if let Some(locale) = notice.facts.get(LOCALE).and_then(|tag| tag.parse().ok()) {
            messages::set_locale(tx, notice.customer_id, locale).await?;
        }
        if notice.rule.channels.contains(&Channel::Sms) {
            // Serializable: if the recipient is put at the same time, one of the two transactions sees the other.
            let known = recipients::locale(tx, notice.customer_id).await?.is_some();
            texts::insert(tx, notice.customer_id, message.message_id, known, now).await?;
            let wake = self.wake_texts.clone();
            tx.after_commit(move || wake.notify_one());
        }
        Ok(())
    }
}
