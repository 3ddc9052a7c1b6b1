//! Which ways messages take: e-mail, quiet hours, what is switched off, digests, fallback, changes of contact; and the
//! inbox as it grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::Event;
use bursar_proto::notifications::v1::message_service_server::MessageService as _;
use bursar_proto::notifications::v1::{
    GetPreferencesRequest, MessageCategory, MessageChannel, Preferences, PutPreferencesRequest,
    PutRecipientRequest, QuietHours, StreamInboxRequest, SwitchedOff,
};
use bursar_service::reason_of;
use bursar_testkit::on_both_databases;
use bursar_types::Reason;
use bursar_types::id::{CustomerId, MessageId};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::support::{PATIENCE, World, call, customer_call, eventually, fresh, request_id};
use crate::grpc::messages::Messages;
use crate::providers::mailbox::{Letter, Query};
use crate::providers::{Carrier, Outgoing, SendError};
use crate::samples::{self, CUSTOMER};
use crate::store::dump::{dump, holds};
use crate::store::{messages as stored, sendings};

const PHONE: &str = "+8613800138000";
const EMAIL: &str = "li.na@example.com";

fn messages(world: &World) -> Messages {
    Messages::new(world.core.clone(), CancellationToken::new())
}

async fn put(world: &World, number: u8, phone: &str, email: &str) {
    let request = PutRecipientRequest {
        request_id: request_id(number),
        customer_id: CUSTOMER.into(),
        phone: phone.into(),
        email: email.into(),
        locale: "en".into(),
        time_zone: "Asia/Shanghai".into(),
    };
    messages(world).put_recipient(call(Identity::Identity, request)).await.unwrap();
}

async fn prefer(world: &World, number: u8, preferences: Preferences) {
    let request = PutPreferencesRequest { request_id: request_id(number), preferences: Some(preferences) };
    messages(world).put_preferences(customer_call(CUSTOMER, request)).await.unwrap();
}

async fn letters(world: &World, address: &str) -> Vec<Arc<Letter>> {
    let query = Query { address: address.parse().unwrap(), after: None, event_type: String::new() };
    world.mailbox.read(&query, Duration::ZERO).await.unwrap()
}

async fn wait_for_letters(world: &World, address: &str, number: usize) -> Vec<Arc<Letter>> {
    eventually(async || Some(letters(world, address).await).filter(|all| all.len() >= number)).await
}

fn payment(world: &World) -> Event {
    fresh(world, samples::event("ledger.payment.approved"))
}

async fn ways(world: &World, message_id: MessageId) -> Vec<(String, String, bool)> {
    let customer: CustomerId = CUSTOMER.parse().unwrap();
    world.db().read(|tx| Box::pin(sendings::states(tx, customer, message_id))).await.unwrap()
}

async fn newest(world: &World) -> MessageId {
    let customer: CustomerId = CUSTOMER.parse().unwrap();
    world.db().read(|tx| Box::pin(stored::list(tx, customer, i64::MAX, 1))).await.unwrap()[0].message_id
}

/// Fails every message until it is told otherwise, as it is told.
#[derive(Debug)]
struct Broken {
    inner: Arc<dyn Carrier>,
    mended: AtomicBool,
    error: SendError,
}

impl Carrier for Broken {
    fn send<'a>(&'a self, message: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        if self.mended.load(Ordering::SeqCst) {
            return self.inner.send(message);
        }
        Box::pin(async { Err(self.error.clone()) })
    }
}

on_both_databases! {
    async fn quiet_hours_put_off_what_is_not_a_security_notice(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        put(&world, 1, PHONE, "").await;
        // It is 16:30 in Shanghai.
        let quiet_hours = Some(QuietHours { start_minute: 16 * 60, end_minute: 18 * 60 });
        prefer(&world, 2, Preferences { quiet_hours, ..Default::default() }).await;
        world.apply(&[payment(&world), fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        let at_once = wait_for_letters(&world, PHONE, 1).await;
        assert_eq!(at_once.iter().map(|l| l.event_type.as_str()).collect::<Vec<_>>(), ["ledger.card.frozen"]);
        world.advance(Duration::from_secs(89 * 60));
        world.apply(&[fresh(&world, samples::event("ledger.card.unfrozen"))]).await.unwrap();
        assert_eq!(wait_for_letters(&world, PHONE, 2).await[1].event_type, "ledger.card.unfrozen");
        world.advance(Duration::from_secs(61));
        assert_eq!(wait_for_letters(&world, PHONE, 3).await[2].event_type, "ledger.payment.approved");
        world.supervisor.stop().await;
    }

    async fn what_is_switched_off_stays_in_the_inbox_and_security_cannot_be(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        put(&world, 1, PHONE, EMAIL).await;
        let off = |category: MessageCategory, channel: MessageChannel| SwitchedOff {
            category: category.into(),
            channel: channel.into(),
        };
        let preferences = Preferences {
            switched_off: vec![off(MessageCategory::Payments, MessageChannel::Sms)],
            ..Default::default()
        };
        prefer(&world, 2, preferences.clone()).await;
        let got = messages(&world).get_preferences(customer_call(CUSTOMER, GetPreferencesRequest {})).await.unwrap();
        assert_eq!(got.into_inner().preferences, Some(preferences));
        world.apply(&[payment(&world)]).await.unwrap();
        assert_eq!(ways(&world, newest(&world).await).await, []);
        // A large one is told all the same.
        let large = samples::payment("ledger.payment.approved", |changed| {
            changed.payment.as_mut().unwrap().approved = samples::cny(1_000_000);
        });
        world.apply(&[fresh(&world, large)]).await.unwrap();
        assert_eq!(wait_for_letters(&world, PHONE, 1).await[0].event_type, "ledger.payment.approved");
        for (category, channel) in [
            (MessageCategory::Security, MessageChannel::Sms),
            (MessageCategory::Payments, MessageChannel::Inbox),
            (MessageCategory::Unspecified, MessageChannel::Email),
        ] {
            let preferences = Some(Preferences { switched_off: vec![off(category, channel)], ..Default::default() });
            let request = PutPreferencesRequest { request_id: request_id(3), preferences };
            let refused = messages(&world).put_preferences(customer_call(CUSTOMER, request)).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap().0, Reason::InvalidField);
        }
        world.supervisor.stop().await;
    }

    async fn what_is_of_no_hurry_goes_by_mail_at_once_or_once_a_day(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        put(&world, 1, PHONE, EMAIL).await;
        world.apply(&[fresh(&world, samples::event("ledger.payment.cleared"))]).await.unwrap();
        let mail = wait_for_letters(&world, EMAIL, 1).await.remove(0);
        assert!(mail.mail && mail.title == "Payment booked", "{}", mail.title);
        prefer(&world, 2, Preferences { digest: true, digest_hour: 20, ..Default::default() }).await;
        let cleared: Vec<_> = (0..3).map(|_| fresh(&world, samples::event("ledger.payment.cleared"))).collect();
        world.apply(&cleared).await.unwrap();
        world.apply(&[payment(&world)]).await.unwrap();
        wait_for_letters(&world, PHONE, 1).await;
        assert_eq!(letters(&world, EMAIL).await.len(), 1, "not before 20:00");
        world.advance(Duration::from_secs(3 * 3600 + 31 * 60));
        let digest = wait_for_letters(&world, EMAIL, 2).await.remove(1);
        assert_eq!(digest.title, "3 messages");
        assert_eq!(digest.body.matches("\n- Payment booked").count(), 3, "{}", *digest.body);
        assert_eq!(letters(&world, EMAIL).await.len(), 2, "together");
        world.supervisor.stop().await;
    }

    async fn a_security_notice_goes_on_by_mail_if_the_gateway_refuses_it(database: TestDatabase) {
        let world = World::new(database).await;
        let error = SendError::Refused("the number is not served".into());
        let broken = Broken { inner: world.mailbox.clone(), mended: AtomicBool::new(false), error };
        world.run_outbox(Arc::new(broken));
        put(&world, 1, PHONE, EMAIL).await;
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        let mail = wait_for_letters(&world, EMAIL, 1).await.remove(0);
        assert_eq!((mail.event_type.as_str(), mail.title.as_str()), ("ledger.card.frozen", "Card frozen"));
        let id = newest(&world).await;
        let state = |channel: &str, state: &str| (channel.to_owned(), state.to_owned(), false);
        let wanted = vec![state("sms", "dead"), state("email", "sent")];
        eventually(async || (ways(&world, id).await == wanted).then_some(())).await;
        world.supervisor.stop().await;
    }

    async fn what_may_have_arrived_is_sent_again_with_the_same_id_and_marked(database: TestDatabase) {
        let world = World::new(database).await;
        let error = SendError::Uncertain("it did not answer in time".into());
        let broken = Arc::new(Broken { inner: world.mailbox.clone(), mended: AtomicBool::new(false), error });
        world.run_outbox(broken.clone());
        put(&world, 1, PHONE, "").await;
        world.apply(&[payment(&world)]).await.unwrap();
        let id = newest(&world).await;
        let uncertain = vec![("sms".to_owned(), "due".to_owned(), true)];
        eventually(async || (ways(&world, id).await == uncertain).then_some(())).await;
        broken.mended.store(true, Ordering::SeqCst);
        world.advance(Duration::from_secs(6));
        let letter = wait_for_letters(&world, PHONE, 1).await.remove(0);
        assert_eq!(letter.message_id, id);
        let sent = vec![("sms".to_owned(), "sent".to_owned(), true)];
        eventually(async || (ways(&world, id).await == sent).then_some(())).await;
        world.supervisor.stop().await;
    }

    async fn a_change_of_contact_is_told_to_the_old_address_and_the_new(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        let (other_phone, other_email) = ("+8613900139000", "na.li@example.org");
        put(&world, 1, PHONE, EMAIL).await;
        // All day long.
        let quiet_hours = Some(QuietHours { start_minute: 0, end_minute: 1_439 });
        prefer(&world, 2, Preferences { quiet_hours, ..Default::default() }).await;
        put(&world, 3, PHONE, EMAIL).await;
        assert!(letters(&world, PHONE).await.is_empty(), "nothing changed");
        put(&world, 4, other_phone, other_email).await;
        for address in [PHONE, other_phone, EMAIL, other_email] {
            let letter = wait_for_letters(&world, address, 1).await.remove(0);
            assert_eq!(letter.event_type, "notifications.contact.changed", "{address}");
            assert!(letter.body.contains("phone number and e-mail address"), "{}", *letter.body);
        }
        put(&world, 4, other_phone, other_email).await;
        assert_eq!(letters(&world, other_phone).await.len(), 1, "the same call tells nothing again");
        let dump = dump(world.db(), &world.database).await;
        for secret in [PHONE, EMAIL, other_phone, other_email] {
            assert!(!holds(&dump, secret), "{secret} is stored in plain");
        }
        world.supervisor.stop().await;
    }

    async fn an_inbox_is_watched_without_loss_and_without_repetition(database: TestDatabase) {
        let world = World::new(database).await;
        let open = async |after_number| {
            let request = customer_call(CUSTOMER, StreamInboxRequest { after_number });
            messages(&world).stream_inbox(request).await.unwrap().into_inner()
        };
        let mut watch = open(0).await;
        let first = watch.next().await.unwrap().unwrap();
        assert!(first.messages.is_empty(), "it says at once that nothing is there");
        let mut seen = Vec::new();
        let writing = async {
            for _ in 0..60 {
                world.apply(&[payment(&world)]).await.unwrap();
            }
        };
        let reading = async {
            while seen.len() < 60 {
                match tokio::time::timeout(PATIENCE, watch.next()).await.unwrap() {
                    Some(came) => seen.extend(came.unwrap().messages.into_iter().map(|message| message.number)),
                    None => unreachable!("it ends with its reader"),
                }
                // The connection breaks each time; the next goes on after the last that came.
                watch = open(seen.last().copied().unwrap_or(0)).await;
            }
        };
        tokio::join!(writing, reading);
        assert_eq!(seen, (1..=60).collect::<Vec<i64>>());
        let other = "cust_01j9zq8m7x4v6k2w3h5t8n0p2s";
        let request = customer_call(other, StreamInboxRequest { after_number: 0 });
        let mut stranger = messages(&world).stream_inbox(request).await.unwrap().into_inner();
        assert!(stranger.next().await.unwrap().unwrap().messages.is_empty());
    }

    async fn a_wrong_contact_is_refused_naming_the_fields(database: TestDatabase) {
        let world = World::new(database).await;
        let bad = PutRecipientRequest {
            request_id: request_id(1),
            customer_id: CUSTOMER.into(),
            phone: PHONE.into(),
            email: "li na@example.com".into(),
            locale: "en".into(),
            time_zone: "Mars/Olympus".into(),
        };
        let refused = messages(&world).put_recipient(call(Identity::Identity, bad)).await.unwrap_err();
        let fields: Vec<_> = bursar_service::error::violations_of(&refused).into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["email", "time_zone"]);
        assert!(!format!("{refused:?}").contains("li na"));
    }
}
