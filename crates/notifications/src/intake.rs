//! Takes the events of the other services: each becomes a message to a person, deliveries of webhooks, both, or
//! nothing, in the transaction that moves the cursor. Applying an event twice does what applying it once does.

use bursar_proto::event::v1::Event;
use bursar_service::db::Tx;
use bursar_types::Timestamp;
use jiff::tz::TimeZone;

use crate::core::Core;
use crate::error::NotificationsError;
use crate::people::decision::{self, Channel, Notice};
use crate::people::facts::LOCALE;
use crate::people::plan::{Reach, Step, When, Wish, plan};
use crate::store::messages::{self, NewMessage};
use crate::store::preferences;
use crate::store::recipients::{self, Recipient};
use crate::store::sendings::{self, Begin, NewSending};

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
        let sendings = self.ways(tx, notice, now).await?;
        if !sendings.is_empty() {
            sendings::insert(tx, notice.customer_id, message.message_id, &sendings, now).await?;
            let wake = self.wake_texts.clone();
            tx.after_commit(move || wake.notify_one());
        }
        let (hub, customer_id) = (self.hub.clone(), notice.customer_id);
        tx.after_commit(move || hub.arrived(customer_id));
        Ok(())
    }

    /// The ways of a message beside the inbox.
    async fn ways(
        &self,
        tx: &mut Tx<'_>,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<Vec<NewSending>, NotificationsError> {
        // Serializable: if the recipient is put at the same time, one of the two transactions sees the other.
        let Some(recipient) = recipients::get(tx, notice.customer_id).await? else {
            let waits = notice.rule.channels.contains(&Channel::Sms);
            let sms = NewSending { channel: Channel::Sms, address: None, begin: Begin::Waiting };
            return Ok(waits.then_some(sms).into_iter().collect());
        };
        let preferences = preferences::get(tx, notice.customer_id).await?;
        let reach = self.reach(&recipient);
        let (class, category) = (notice.class, notice.rule.category);
        let wish = Wish { class, category, channels: notice.rule.channels };
        Ok(plan(wish, &preferences, &reach, now).into_iter().map(sending).collect())
    }

    /// Where a recipient can be reached.
    pub(crate) fn reach(&self, recipient: &Recipient) -> Reach {
        // A zone that this release's table does not know any more is as good as none.
        let zone = TimeZone::get(&recipient.time_zone).unwrap_or(TimeZone::UTC);
        Reach { sms: true, email: recipient.email.is_some() && self.mail.is_some(), zone }
    }
}

/// A step of the plan, to be stored.
fn sending(step: Step) -> NewSending {
    let begin = match step.when {
        When::At(then) => Begin::Due(then),
        When::Spare => Begin::Spare,
        When::Digest(then) => Begin::Digest(then),
    };
    NewSending { channel: step.channel, address: None, begin }
}
