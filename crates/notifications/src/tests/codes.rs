//! One-time codes and the mailbox: in memory only, once, and not after their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::notifications::v1::mailbox_service_server::MailboxService as _;
use bursar_proto::notifications::v1::message_service_server::MessageService as _;
use bursar_proto::notifications::v1::{MailboxMessage, ReadMailboxRequest, SendOneTimeCodeRequest};
use bursar_service::{parse, reason_of};
use bursar_testkit::on_both_databases;
use bursar_types::{Clock as _, Reason};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::support::{World, call, fresh, request_id};
use crate::grpc::mailbox::Mailboxes;
use crate::grpc::messages::Messages;
use crate::providers::{Carrier, Outgoing, SendError};
use crate::samples;
use crate::store::dump::{dump, holds};

const PHONE: &str = "+8613800138000";

fn order(world: &World, number: u8, code: &str) -> SendOneTimeCodeRequest {
    SendOneTimeCodeRequest {
        request_id: request_id(number),
        phone: PHONE.into(),
        locale: "en".into(),
        purpose: "sign_up".into(),
        code: code.into(),
        expire_time: Some(parse::timestamp_message(world.clock.now().plus(Duration::from_secs(300)))),
    }
}

async fn send(world: &World, order: SendOneTimeCodeRequest) -> Result<String, Status> {
    let messages = Messages::new(world.core.clone(), CancellationToken::new());
    let sent = messages.send_one_time_code(call(Identity::Identity, order)).await?;
    Ok(sent.into_inner().message_id)
}

async fn read(world: &World, change: impl FnOnce(&mut ReadMailboxRequest)) -> Vec<MailboxMessage> {
    let mut request = ReadMailboxRequest { address: PHONE.into(), ..Default::default() };
    change(&mut request);
    let mailboxes = Mailboxes::new(world.mailbox.clone());
    mailboxes.read_mailbox(call(Identity::Backend, request)).await.unwrap().into_inner().messages
}

on_both_databases! {
    async fn a_code_is_readable_until_its_end_and_nowhere_in_the_database(database: TestDatabase) {
        let world = World::new(database).await;
        let id = send(&world, order(&world, 1, "493817")).await.unwrap();
        let letters = read(&world, |_| {}).await;
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].message_id.as_str(), letters[0].one_time_code.as_str()), (id.as_str(), "493817"));
        assert_eq!(letters[0].event_type, "one_time_code");
        assert!(letters[0].body.contains("493817, valid for 5 min"), "{}", letters[0].body);
        assert!(read(&world, |request| request.address = "+8613900139000".into()).await.is_empty());
        let dump = dump(world.db(), &world.database).await;
        assert!(holds(&dump, &id), "the dump shows what is there");
        assert!(!holds(&dump, "493817"));
        assert!(!holds(&dump, PHONE));
        world.advance(Duration::from_secs(300));
        assert!(read(&world, |_| {}).await.is_empty(), "gone at its end");
    }

    async fn a_repeated_request_sends_nothing_and_another_code_is_refused(database: TestDatabase) {
        let world = World::new(database).await;
        let first = order(&world, 1, "493817");
        let id = send(&world, first.clone()).await.unwrap();
        assert_eq!(send(&world, first.clone()).await.unwrap(), id);
        assert_eq!(read(&world, |_| {}).await.len(), 1);
        let other = SendOneTimeCodeRequest { code: "493818".into(), ..first.clone() };
        let refused = send(&world, other).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::RequestIdReused);
        assert!(!refused.to_string().contains("493818"));
        world.advance(Duration::from_secs(301));
        assert_eq!(send(&world, first).await.unwrap(), id, "the same answer, also after the code's end");
        assert!(read(&world, |_| {}).await.is_empty());
    }

    async fn a_code_past_its_end_is_not_sent_and_burns_nothing(database: TestDatabase) {
        let world = World::new(database).await;
        let mut late = order(&world, 1, "493817");
        late.expire_time = Some(parse::timestamp_message(world.clock.now()));
        let refused = send(&world, late).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::CodeExpired);
        assert!(read(&world, |_| {}).await.is_empty());
        send(&world, order(&world, 1, "493817")).await.unwrap();
        for (field, change) in [
            ("phone", (|o| o.phone = "1".into()) as fn(&mut SendOneTimeCodeRequest)),
            ("locale", |o| o.locale = "zh".into()),
            ("purpose", |o| o.purpose = "fun".into()),
            ("code", |o| o.code = "12345".into()),
            ("code", |o| o.code = "12345a".into()),
            ("expire_time", |o| o.expire_time = None),
        ] {
            let mut bad = order(&world, 2, "493817");
            change(&mut bad);
            let refused = send(&world, bad).await.unwrap_err();
            let wrong = bursar_service::error::violations_of(&refused);
            assert_eq!(wrong.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), [field]);
            assert!(!format!("{refused:?}").contains("493817"));
        }
    }

    async fn the_owner_of_a_phone_is_told_of_a_sign_up_without_a_code(database: TestDatabase) {
        let world = World::new(database).await;
        let mut notice = order(&world, 1, "");
        notice.purpose = "account_exists".into();
        let with_code = SendOneTimeCodeRequest { code: "493817".into(), ..order(&world, 2, "") };
        let with_code = SendOneTimeCodeRequest { purpose: "account_exists".into(), ..with_code };
        let refused = send(&world, with_code).await.unwrap_err();
        assert_eq!(bursar_service::error::violations_of(&refused)[0].field, "code");
        send(&world, notice).await.unwrap();
        let letters = read(&world, |_| {}).await;
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].event_type.as_str(), letters[0].one_time_code.as_str()), ("account_exists", ""));
    }

    async fn after_a_failure_the_same_request_sends_the_code_with_the_same_id(database: TestDatabase) {
        let mut world = World::new(database).await;
        let mailbox = world.mailbox.clone();
        world.core.provider = Arc::new(FailsOnce { inner: mailbox, failed: AtomicBool::new(false) });
        let first = order(&world, 1, "493817");
        let failed = send(&world, first.clone()).await.unwrap_err();
        assert_eq!(reason_of(&failed).unwrap().0, Reason::PeerUnavailable);
        assert!(read(&world, |_| {}).await.is_empty());
        let id = send(&world, first).await.unwrap();
        let letters = read(&world, |_| {}).await;
        assert_eq!((letters.len(), letters[0].message_id.as_str()), (1, id.as_str()));
    }

    async fn a_reader_waits_until_something_arrives_and_goes_on_from_there(database: TestDatabase) {
        let world = World::new(database).await;
        let began = tokio::time::Instant::now();
        let (letters, id) = tokio::join!(
            read(&world, |request| request.wait_ms = 20_000),
            async {
                // The reader polls first (join! goes in order), so it is waiting when the code comes.
                tokio::task::yield_now().await;
                send(&world, order(&world, 1, "493817")).await.unwrap()
            }
        );
        assert_eq!(letters.len(), 1);
        assert!(began.elapsed() < Duration::from_secs(15), "woken, not timed out");

        // Text messages and codes in one order; both can be the place to go on from.
        let phone = bursar_proto::notifications::v1::PutRecipientRequest {
            request_id: request_id(2),
            customer_id: samples::CUSTOMER.into(),
            phone: PHONE.into(),
            locale: "en".into(),
            ..Default::default()
        };
        let messages = Messages::new(world.core.clone(), CancellationToken::new());
        messages.put_recipient(call(Identity::Identity, phone)).await.unwrap();
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        world.run_outbox(world.mailbox.clone());
        let after = |id: &str| {
            let id = id.to_owned();
            move |request: &mut ReadMailboxRequest| {
                request.after_message_id = id;
                request.wait_ms = 20_000;
            }
        };
        let frozen = read(&world, after(&id)).await;
        assert_eq!(frozen.iter().map(|l| l.event_type.as_str()).collect::<Vec<_>>(), ["ledger.card.frozen"]);
        let second = send(&world, order(&world, 3, "271828")).await.unwrap();
        let next = read(&world, after(&frozen[0].message_id)).await;
        assert_eq!(next.iter().map(|l| l.message_id.as_str()).collect::<Vec<_>>(), [second.as_str()]);
        let codes = read(&world, |request| request.event_type = "one_time_code".into()).await;
        assert_eq!(codes.len(), 2);
        assert_eq!(read(&world, |_| {}).await.len(), 3);
        world.supervisor.stop().await;
    }

    async fn a_wait_without_arrivals_ends_empty(database: TestDatabase) {
        let world = World::new(database).await;
        assert!(read(&world, |request| request.wait_ms = 1).await.is_empty());
        let mailboxes = Mailboxes::new(world.mailbox.clone());
        for wait_ms in [-1, 30_001] {
            let request = ReadMailboxRequest { address: PHONE.into(), wait_ms, ..Default::default() };
            let refused = mailboxes.read_mailbox(call(Identity::Backend, request)).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap().0, Reason::InvalidField);
        }
    }
}

/// Fails the first message, after which it passes all on.
#[derive(Debug)]
struct FailsOnce {
    inner: Arc<dyn Carrier>,
    failed: AtomicBool,
}

impl Carrier for FailsOnce {
    fn send<'a>(&'a self, sms: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        if self.failed.swap(true, Ordering::SeqCst) {
            self.inner.send(sms)
        } else {
            Box::pin(async { Err(SendError::TryAgain("the line is busy".into())) })
        }
    }
}
