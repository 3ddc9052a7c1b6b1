//! Messages to people: once for each event, in the recipient's language, waiting for who is not known yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::notifications::v1::message_service_server::MessageService as _;
use bursar_proto::notifications::v1::{
    ListInboxRequest, ListInboxResponse, MarkReadRequest, MessageDelivered, PutRecipientRequest,
};
use bursar_service::reason_of;
use bursar_testkit::on_both_databases;
use bursar_types::Reason;
use bursar_types::id::CustomerId;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::support::{PATIENCE, World, call, customer_call, eventually, fresh, request_id};
use crate::grpc::messages::Messages;
use crate::people::facts::payload;
use crate::providers::mailbox::{Letter, Query};
use crate::providers::{Carrier, Outgoing, SendError};
use crate::samples::{self, CUSTOMER};

const PHONE: &str = "+8613800138000";

fn messages(world: &World) -> Messages {
    Messages::new(world.core.clone(), CancellationToken::new())
}

async fn put_recipient(world: &World, number: u8, locale: &str) {
    let request = PutRecipientRequest {
        request_id: request_id(number),
        customer_id: CUSTOMER.into(),
        phone: PHONE.into(),
        locale: locale.into(),
        ..Default::default()
    };
    messages(world).put_recipient(call(Identity::Identity, request)).await.unwrap();
}

async fn inbox(world: &World, customer: &str, page_size: i32, page_token: &str) -> ListInboxResponse {
    let request = ListInboxRequest { page_size, page_token: page_token.into() };
    messages(world).list_inbox(customer_call(customer, request)).await.unwrap().into_inner()
}

async fn letters(world: &World, wait: Duration) -> Vec<Arc<Letter>> {
    let query = Query { address: PHONE.parse().unwrap(), after: None, event_type: String::new() };
    world.mailbox.read(&query, wait).await.unwrap()
}

on_both_databases! {
    async fn an_event_applied_twice_becomes_one_message(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        put_recipient(&world, 1, "en").await;
        let event = fresh(&world, samples::event("ledger.payment.approved"));
        world.apply(&[event.clone(), event.clone()]).await.unwrap();
        world.apply(&[event]).await.unwrap();
        let page = inbox(&world, CUSTOMER, 0, "").await;
        assert_eq!((page.messages.len(), page.unread), (1, 1));
        let letters = letters(&world, PATIENCE).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].event_type, "ledger.payment.approved");
        assert!(letters[0].body.starts_with("Bursar: You paid 312.40 CNY at Blue Bottle"), "{}", *letters[0].body);
        assert_eq!(page.messages[0].message_id, letters[0].message_id.to_string());
        world.supervisor.stop().await;
    }

    async fn a_message_to_a_stranger_waits_and_is_written_in_the_language_put_later(database: TestDatabase) {
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        world.apply(&[fresh(&world, samples::event("identity.session.opened"))]).await.unwrap();
        let unknown = inbox(&world, CUSTOMER, 0, "").await;
        assert_eq!(unknown.messages[0].locale, "zh-CN", "nothing is known yet");
        world.apply(&[fresh(&world, samples::event("identity.customer.registered"))]).await.unwrap();
        let registered = inbox(&world, CUSTOMER, 0, "").await;
        assert_eq!(registered.messages[0].title, "Welcome", "in the language of the sign-up");
        assert_eq!(registered.messages[1].title, "New login");
        assert!(letters(&world, Duration::ZERO).await.is_empty());
        put_recipient(&world, 1, "zh-CN").await;
        let letters = eventually(async || {
            let letters = letters(&world, PATIENCE).await;
            (letters.len() == 2).then_some(letters)
        })
        .await;
        let welcome = letters.iter().find(|letter| letter.event_type == "identity.customer.registered").unwrap();
        assert_eq!(*welcome.body, "【Bursar】您的账户已注册成功，完成实名认证后即可申请银行卡。");
        let page = inbox(&world, CUSTOMER, 0, "").await;
        assert_eq!((page.messages[0].title.as_str(), page.messages[0].locale.as_str()), ("欢迎使用", "zh-CN"));
        let delivered = eventually(async || {
            let all = world.published("notifications.message.delivered").await;
            all.into_iter().find(|event| event.subject == welcome.message_id.to_string())
        });
        let delivered: MessageDelivered = payload(&delivered.await).unwrap();
        assert_eq!(delivered.message_id, welcome.message_id.to_string());
        assert_eq!((delivered.customer_id.as_str(), delivered.channel.as_str()), (CUSTOMER, "sms"));
        world.supervisor.stop().await;
    }

    async fn what_waited_too_long_is_not_sent_any_more(database: TestDatabase) {
        let world = World::new(database).await;
        let old = fresh(&world, samples::event("identity.session.opened"));
        world.apply(&[old]).await.unwrap();
        world.advance(Duration::from_secs(4 * 24 * 3600));
        let new = fresh(&world, samples::event("vault.card.revealed"));
        world.apply(&[new]).await.unwrap();
        world.run_outbox(world.mailbox.clone());
        put_recipient(&world, 1, "zh-CN").await;
        let letters = letters(&world, PATIENCE).await;
        assert_eq!(letters.iter().map(|letter| letter.event_type.as_str()).collect::<Vec<_>>(), ["vault.card.revealed"]);
        world.supervisor.stop().await;
    }

    async fn an_inbox_is_paged_in_the_language_of_today_and_is_its_owners_alone(database: TestDatabase) {
        let world = World::new(database).await;
        put_recipient(&world, 1, "zh-CN").await;
        let types = ["identity.kyc.submitted", "identity.kyc.approved", "ledger.card.issued",
            "ledger.card.activated", "ledger.payment.declined"];
        for event_type in types {
            world.apply(&[fresh(&world, samples::event(event_type))]).await.unwrap();
        }
        let other: CustomerId = world.core.ids.next();
        world.apply(&[fresh(&world, samples::registered(&other.to_string()))]).await.unwrap();

        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = inbox(&world, CUSTOMER, 2, &token).await;
            assert!(page.messages.len() <= 2 && page.unread == 5);
            seen.extend(page.messages);
            token = page.next_page_token;
            if token.is_empty() { break; }
        }
        let told: Vec<_> = seen.iter().map(|message| message.event_type.as_str()).rev().collect();
        assert_eq!(told, types, "newest first");
        assert_eq!(seen[0].body, "您尾号1234的卡在Blue Bottle的312.40 CNY交易未成功。原因：余额不足。");
        put_recipient(&world, 2, "en").await;
        let page = inbox(&world, CUSTOMER, 1, "").await;
        assert_eq!(
            page.messages[0].body,
            "Your payment of 312.40 CNY at Blue Bottle with your card ending 1234 was declined. \
             Reason: The balance does not cover it."
        );

        // Another customer sees their own, cannot go on with this page's token, and cannot mark what is not theirs.
        let theirs = inbox(&world, &other.to_string(), 0, "").await;
        assert_eq!((theirs.messages.len(), theirs.unread), (1, 1));
        let stolen = ListInboxRequest { page_size: 1, page_token: page.next_page_token };
        let refused = messages(&world).list_inbox(customer_call(&other.to_string(), stolen)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::PageTokenInvalid);
        let mark = MarkReadRequest {
            request_id: request_id(9),
            message_ids: vec![theirs.messages[0].message_id.clone(), seen[0].message_id.clone()],
        };
        let refused = messages(&world).mark_read(customer_call(&other.to_string(), mark)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::NotFound);
        assert_eq!(inbox(&world, &other.to_string(), 0, "").await.unread, 1, "nothing was marked");
        assert_eq!(inbox(&world, CUSTOMER, 0, "").await.unread, 5);

        for number in [10, 11] {
            let ids = vec![seen[0].message_id.clone(), seen[1].message_id.clone(), seen[0].message_id.clone()];
            let mark = MarkReadRequest { request_id: request_id(number), message_ids: ids };
            messages(&world).mark_read(customer_call(CUSTOMER, mark)).await.unwrap();
            let page = inbox(&world, CUSTOMER, 0, "").await;
            assert_eq!(page.unread, 3, "marked once, however often it is asked");
            let read: Vec<_> = page.messages.iter().map(|message| message.read).collect();
            assert_eq!(read, [true, true, false, false, false]);
        }
    }

    async fn bad_input_is_named_and_changes_nothing(database: TestDatabase) {
        let world = World::new(database).await;
        let bad = PutRecipientRequest {
            request_id: String::new(),
            customer_id: "card_1".into(),
            phone: "13800138000".into(),
            locale: "fr".into(),
            ..Default::default()
        };
        let refused = messages(&world).put_recipient(call(Identity::Identity, bad)).await.unwrap_err();
        let fields: Vec<_> = bursar_service::error::violations_of(&refused).into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["request_id", "customer_id", "phone", "locale"]);
        assert!(!refused.to_string().contains("13800138000"), "{refused}");

        put_recipient(&world, 1, "en").await;
        put_recipient(&world, 1, "en").await;
        let other = PutRecipientRequest {
            request_id: request_id(1),
            customer_id: CUSTOMER.into(),
            phone: "+8613900139000".into(),
            locale: "en".into(),
            ..Default::default()
        };
        let refused = messages(&world).put_recipient(call(Identity::Identity, other)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::RequestIdReused);

        for count in [0, 1_001] {
            let mark = MarkReadRequest { request_id: request_id(2), message_ids: vec![String::new(); count] };
            let refused = messages(&world).mark_read(customer_call(CUSTOMER, mark)).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap().0, Reason::InvalidField);
        }
    }

    async fn a_failing_provider_is_asked_again_with_the_same_id_until_it_takes_the_message(database: TestDatabase) {
        let world = World::new(database).await;
        let provider = Arc::new(Flaky { failures: AtomicUsize::new(3), seen: Mutex::new(Vec::new()) });
        world.run_outbox(provider.clone());
        put_recipient(&world, 1, "en").await;
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        for attempts in 1..=4 {
            eventually(async || {
                world.advance(Duration::from_secs(if attempts == 1 { 0 } else { 300 }));
                (provider.seen.lock().await.len() >= attempts).then_some(())
            }).await;
        }
        eventually(async || {
            world.published("notifications.message.delivered").await.into_iter().next()
        }).await;
        let seen = provider.seen.lock().await;
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|id| *id == seen[0]), "the provider's idempotency key stays");
        world.supervisor.stop().await;
    }

    async fn phones_are_not_stored_in_plain(database: TestDatabase) {
        use crate::store::dump::{dump, holds};
        let world = World::new(database).await;
        world.run_outbox(world.mailbox.clone());
        put_recipient(&world, 1, "en").await;
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        assert_eq!(letters(&world, PATIENCE).await.len(), 1);
        let dump = dump(world.db(), &world.database).await;
        assert!(holds(&dump, CUSTOMER), "the dump shows what is there");
        assert!(!holds(&dump, PHONE) && !holds(&dump, &PHONE[1..]));
        world.supervisor.stop().await;
    }
}

/// Fails the first few times.
#[derive(Debug)]
struct Flaky {
    failures: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

impl Carrier for Flaky {
    fn send<'a>(&'a self, sms: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            self.seen.lock().await.push(sms.message_id.to_string());
            let left = self.failures.load(Ordering::SeqCst);
            if left == 0 {
                return Ok(());
            }
            self.failures.store(left - 1, Ordering::SeqCst);
            Err(SendError::TryAgain("the line is busy".into()))
        })
    }
}
