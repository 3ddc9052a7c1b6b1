//! Payments: the decision and what follows it, what people are told, and that a freeze means it.

use std::sync::Arc;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::card_service_server::CardService as _;
use bursar_proto::ledger::v1::payment_service_server::PaymentService as _;
use bursar_service::Identity;
use bursar_service::events::EventSource as _;
use bursar_testkit::on_both_databases;
use bursar_types::ProofResult;
use prost::Message as _;
use tokio::task::JoinSet;

use super::world::{Wish, World, by, by_customer, customer, reason, uuid, yuan};
use crate::customers;
use crate::project::JournalEvents;
use crate::store::inbox::{self, CustomerNews};

on_both_databases! {
    async fn a_payment_is_held_cleared_and_shown(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(100_000).await;
        let message = world.authorize(&Wish::online(&holder.card, 31_240));
        let paid = node.pay(message.clone()).await.unwrap();
        assert_eq!(paid.state(), proto::PaymentState::Approved);
        assert_eq!(paid.authorization_code.len(), 6);
        assert_eq!((paid.held.clone(), paid.elements.len()), (yuan(31_240), 1));
        assert_eq!(node.balance(&holder.account.account_id).await.available, 68_760);

        // Asked again with a fresh proof, as a gateway does: the same answer.
        let fresh = proto::AuthorizeRequest {
            proof: world.proof(&Wish::online(&holder.card, 31_240)), ..message.clone()
        };
        assert_eq!(node.pay(fresh).await.unwrap(), paid);
        // The old proof serves nothing else.
        let reused = proto::AuthorizeRequest { request_id: uuid(), ..message.clone() };
        assert_eq!(reason(&node.pay(reused).await.unwrap_err()), "PROOF_INVALID");
        let dearer = proto::AuthorizeRequest { request_id: uuid(), amount: yuan(31_241), ..message.clone() };
        assert_eq!(reason(&node.pay(dearer).await.unwrap_err()), "PROOF_INVALID");
        let other = proto::AuthorizeRequest { partial_allowed: true, ..message };
        let refused = node.pay(other).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
        assert!(refused.message().contains("partial_allowed"), "{refused}");

        let clear = proto::ClearPaymentRequest {
            request_id: uuid(), payment_id: paid.payment_id.clone(), amount: yuan(20_000), last: false
        };
        let answer = node.api.clear_payment(by(Identity::Gateway, clear.clone())).await.unwrap().into_inner();
        let cleared = answer.payment.clone().unwrap();
        assert_eq!(cleared.state(), proto::PaymentState::PartiallyCleared);
        let reverse = proto::ReversePaymentRequest {
            request_id: uuid(), payment_id: paid.payment_id.clone(), amount: None,
            network: None,
        };
        let answer_after = node.api.reverse_payment(by(Identity::Gateway, reverse)).await.unwrap().into_inner();
        assert_eq!(answer_after.payment.unwrap().state(), proto::PaymentState::Cleared);
        // A repeated clearing is answered as it was before the reversal.
        let again = node.api.clear_payment(by(Identity::Gateway, clear)).await.unwrap().into_inner();
        assert_eq!(again, answer);
        assert_eq!(node.balance(&holder.account.account_id).await.available, 80_000);

        let get = proto::GetPaymentRequest { payment_id: paid.payment_id, ..Default::default() };
        let stranger = node.api.get_payment(by_customer(customer(), get.clone())).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        let seen = node.api.get_payment(by_customer(holder.customer, get)).await.unwrap().into_inner();
        let kinds: Vec<_> = seen.payment.as_ref().unwrap().elements.iter().map(|e| e.r#type.as_str()).collect();
        assert_eq!(kinds, ["authorization", "clearing", "reversal"]);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn declines_are_answers_with_their_reasons(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(60_000).await;
        let over = node.pay(world.authorize(&Wish::online(&holder.card, 50_001))).await.unwrap();
        assert_eq!(over.decline_reason(), proto::DeclineReason::AmountLimitExceeded);
        assert!(over.customer_message_en.contains("limit") && over.customer_message_zh.contains("限额"));
        assert_eq!(over.authorization_code, "");
        node.pay(world.authorize(&Wish::online(&holder.card, 40_000))).await.unwrap();
        let poor = node.pay(world.authorize(&Wish::online(&holder.card, 20_001))).await.unwrap();
        assert_eq!(poor.decline_reason(), proto::DeclineReason::InsufficientFunds);
        let wrong = Wish { verified: ProofResult::Mismatch, ..Wish::online(&holder.card, 100) };
        let wrong = node.pay(world.authorize(&wrong)).await.unwrap();
        assert_eq!(wrong.decline_reason(), proto::DeclineReason::CvvMismatch);
        let in_app = node.pay(world.authorize(&Wish::in_app(&holder.card, 5_000))).await.unwrap();
        assert_eq!(in_app.state(), proto::PaymentState::Cleared);
        let guess = Wish { verified: ProofResult::Mismatch, ..Wish::in_app(&holder.card, 100) };
        let guess = node.pay(world.authorize(&guess)).await.unwrap();
        assert_eq!(guess.decline_reason(), proto::DeclineReason::PinIncorrect);

        let list = |page_token| proto::ListPaymentsRequest { page_size: 2, page_token, ..Default::default() };
        let first = node.api.list_payments(by_customer(holder.customer, list(String::new()))).await.unwrap();
        let first = first.into_inner();
        assert_eq!(first.payments[0].payment_id, guess.payment_id, "newest first");
        assert!(first.payments.iter().all(|payment| payment.all_decline_reasons.is_empty()));
        let second = node.api.list_payments(by_customer(holder.customer, list(first.next_page_token))).await;
        assert_eq!(second.unwrap().into_inner().payments.len(), 2);
        let by_card = proto::ListPaymentsRequest { card_id: holder.card.clone(), ..Default::default() };
        let all = node.api.list_payments(by(Identity::Operator, by_card)).await.unwrap().into_inner();
        assert_eq!(all.payments.len(), 6);
        assert!(all.payments.iter().any(|payment| !payment.all_decline_reasons.is_empty()));
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn no_approval_stands_above_a_freeze(database: TestDatabase) {
        let world = World::new(database);
        let node = Arc::new(world.node().await);
        let holder = node.holder(1_000_000).await;
        let mut paying = JoinSet::new();
        for lane in 0..4 {
            let messages: Vec<_> =
                (0..30).map(|_| world.authorize(&Wish::online(&holder.card, 10 + lane))).collect();
            let node = Arc::clone(&node);
            paying.spawn(async move {
                let mut paid = Vec::new();
                for message in messages {
                    paid.push(node.pay(message).await.unwrap());
                }
                paid
            });
        }
        let freeze = proto::FreezeCardRequest {
            request_id: uuid(), card_id: holder.card.clone(), reason: "stop".into()
        };
        let frozen = node.api.freeze_card(by_customer(holder.customer, freeze)).await.unwrap().into_inner();
        let paid: Vec<_> = paying.join_all().await.into_iter().flatten().collect();
        assert!(paid.iter().any(|payment| payment.decline_reason() == proto::DeclineReason::CardFrozen));
        for payment in paid {
            let approved = payment.state() == proto::PaymentState::Approved;
            assert_eq!(approved, payment.position < frozen.position, "{payment:?} {}", frozen.position);
        }
        Arc::into_inner(node).unwrap().stop().await;
    }

    async fn what_identity_tells_decides(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let changed = |state: &str| bursar_proto::identity::v1::CustomerChanged {
            customer_id: holder.customer.to_string(), state: state.into(), kyc_level: 1
        };
        for (number, state) in (1..).zip(["SUSPENDED", "ACTIVE"]) {
            let event = bursar_proto::event::v1::Event {
                id: node.handle.shared.ids.next::<bursar_types::id::EventId>().to_string(),
                r#type: customers::TYPE.into(),
                position: number,
                data: Some(prost_types::Any { type_url: String::new(), value: changed(state).encode_to_vec() }),
                ..Default::default()
            };
            for _ in 0..2 {
                let event = &event;
                let kept = node.db.write(|tx| Box::pin(customers::keep(tx, event)));
                kept.await.unwrap();
            }
            let waiting: Vec<CustomerNews> = inbox::waiting(&node.db, 10).await.unwrap();
            assert_eq!(waiting.len(), 1, "an event is kept once");
            customers::journal(node.handle.clone(), node.db.clone()).await.unwrap();
            assert!(inbox::waiting(&node.db, 10).await.unwrap().is_empty());
            let paid = node.pay(world.authorize(&Wish::online(&holder.card, 100))).await.unwrap();
            let wanted = match state {
                "ACTIVE" => proto::DeclineReason::Unspecified,
                _ => proto::DeclineReason::KycIncomplete,
            };
            assert_eq!(paid.decline_reason(), wanted);
        }
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn everything_is_told_in_order(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let declined = node.pay(world.authorize(&Wish::online(&holder.card, 10_001))).await.unwrap();
        node.pay(world.authorize(&Wish::in_app(&holder.card, 100))).await.unwrap();
        node.handle.settled(0).await.unwrap();
        let source = JournalEvents {
            db: node.db.clone(),
            shard: node.handle.shared.shard,
            reached: Arc::clone(&node.handle.shared.reached),
        };
        let bounds = source.bounds().await.unwrap();
        assert_eq!(*source.head().borrow(), bounds.head);
        let mut events = Vec::new();
        while let Some(last) = source.page(events.len() as i64, 3).await.unwrap().into_iter().reduce(|a, b| {
            events.push(a);
            b
        }) {
            events.push(last);
        }
        let positions: Vec<_> = events.iter().map(|event| event.position).collect();
        assert_eq!(positions, (1..=bounds.head).collect::<Vec<_>>());
        let about = |subject: &str| {
            let found: Vec<_> = events.iter().filter(|event| event.subject == subject).collect();
            assert!(found.iter().zip(1..).all(|(event, version)| event.subject_version == version));
            found.iter().map(|event| event.r#type.clone()).collect::<Vec<_>>()
        };
        assert_eq!(about(&holder.card), ["ledger.card.issued", "ledger.card.activated"]);
        assert_eq!(about(&declined.payment_id), ["ledger.payment.declined"]);
        let data = events.iter().find(|event| event.subject == declined.payment_id).unwrap().data.clone().unwrap();
        assert_eq!(data.type_url, "type.googleapis.com/bursar.ledger.v1.PaymentChanged");
        let told = proto::PaymentChanged::decode(data.value.as_slice()).unwrap();
        assert_eq!(told.available_after, yuan(10_000));
        assert_eq!(told.masked_pan, "990000******1234");
        assert!(events.iter().any(|event| event.r#type == "ledger.payment.cleared"));
        assert!(events.iter().any(|event| event.r#type == "ledger.top_up.settled"));
        node.stop().await;
    }
}
