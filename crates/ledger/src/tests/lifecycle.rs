//! A payment after its authorization: increments, reversals before and after, presentments, refunds, advices.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::card_service_server::CardService as _;
use bursar_proto::ledger::v1::payment_service_server::PaymentService as _;
use bursar_service::Identity;
use bursar_testkit::on_both_databases;

use super::world::{Holder, Node, Wish, World, by, by_customer, reason, uuid, yuan};

fn network(stan: &str) -> Option<proto::NetworkReference> {
    Some(proto::NetworkReference {
        acquirer_id: "990001".into(),
        stan: stan.into(),
        rrn: format!("0000{stan}"),
        transmission_time: "1126120000".into(),
    })
}

/// An authorization over the network.
async fn pay(world: &World, node: &Node, holder: &Holder, stan: &str, amount: i64) -> proto::Payment {
    let asked = world.authorize(&Wish::online(&holder.card, amount));
    node.pay(proto::AuthorizeRequest { network: network(stan), ..asked }).await.unwrap()
}

fn presentment(holder: &Holder, amount: i64) -> proto::PostPresentmentRequest {
    proto::PostPresentmentRequest {
        request_id: uuid(),
        card_id: holder.card.clone(),
        amount: yuan(amount),
        merchant: Some(proto::Merchant {
            merchant_id: "M-1".into(),
            name: "Tea House".into(),
            mcc: "5814".into(),
            country: String::new(),
        }),
        channel: proto::Channel::Ecommerce.into(),
        ..proto::PostPresentmentRequest::default()
    }
}

async fn present(
    node: &Node,
    message: proto::PostPresentmentRequest,
) -> (proto::Payment, proto::PresentmentMatch) {
    let answer = node.api.post_presentment(by(Identity::Gateway, message)).await.unwrap().into_inner();
    let found = answer.r#match();
    (answer.payment.unwrap(), found)
}

async fn end(node: Node) {
    assert_eq!(node.findings().await, Vec::<String>::new());
    node.stop().await;
}

on_both_databases! {
    async fn an_increment_is_decided_like_a_payment(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(40_000).await;
        let paid = pay(&world, &node, &holder, "000001", 30_000).await;
        let more = |amount| proto::IncrementPaymentRequest {
            request_id: uuid(), amount: yuan(amount), network: network("000001"), payment_id: String::new(),
        };
        let asked = more(5_000);
        let answer = node.api.increment_payment(by(Identity::Gateway, asked.clone())).await.unwrap().into_inner();
        let raised = answer.payment.clone().unwrap();
        assert_eq!((raised.payment_id.as_str(), raised.held), (paid.payment_id.as_str(), yuan(35_000)));
        assert_eq!(raised.sums.as_ref().unwrap().incremented, 5_000);
        let again = node.api.increment_payment(by(Identity::Gateway, asked)).await.unwrap().into_inner();
        assert_eq!(again, answer);
        let over = node.api.increment_payment(by(Identity::Gateway, more(5_001))).await.unwrap().into_inner();
        assert_eq!(over.decline_reason(), proto::DeclineReason::InsufficientFunds);
        assert_eq!(over.payment.unwrap().held, yuan(35_000));
        let mut unknown = more(1);
        unknown.network = network("777777");
        let refused = node.api.increment_payment(by(Identity::Gateway, unknown)).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_FOUND");
        end(node).await;
    }

    async fn a_reversal_before_its_original_declines_it_when_it_comes(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(40_000).await;
        let reverse = |stan: &str, amount| proto::ReversePaymentRequest {
            request_id: uuid(), amount, network: network(stan), payment_id: String::new(),
        };
        let early = node.api.reverse_payment(by(Identity::Gateway, reverse("000002", None))).await.unwrap();
        assert_eq!(early.into_inner(), proto::ReversePaymentResponse { payment: None, remembered: true });
        let late = pay(&world, &node, &holder, "000002", 100).await;
        assert_eq!(late.state(), proto::PaymentState::Declined);

        let paid = pay(&world, &node, &holder, "000003", 1_000).await;
        let part = node.api.reverse_payment(by(Identity::Gateway, reverse("000003", yuan(400)))).await.unwrap();
        let part = part.into_inner().payment.unwrap();
        assert_eq!((part.payment_id, part.held), (paid.payment_id, yuan(600)));
        let rest = node.api.reverse_payment(by(Identity::Gateway, reverse("000003", None))).await.unwrap();
        assert_eq!(rest.into_inner().payment.unwrap().state(), proto::PaymentState::Reversed);
        let over = node.api.reverse_payment(by(Identity::Gateway, reverse("000003", None))).await.unwrap_err();
        assert_eq!(reason(&over), "WRONG_STATE");
        let nothing = proto::ReversePaymentRequest { request_id: uuid(), ..Default::default() };
        let refused = node.api.reverse_payment(by(Identity::Gateway, nothing)).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELD");
        end(node).await;
    }

    async fn a_presentment_finds_its_payment_or_is_posted_by_itself(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(49_000).await;
        let by_network = pay(&world, &node, &holder, "000010", 1_000).await;
        let by_code = pay(&world, &node, &holder, "000011", 2_000).await;
        let by_amount = pay(&world, &node, &holder, "000012", 3_000).await;

        // Far above the tolerance: the network has taken the money.
        let asked = proto::PostPresentmentRequest { network: network("000010"), ..presentment(&holder, 5_000) };
        let (posted, found) = present(&node, asked.clone()).await;
        assert_eq!((posted.payment_id.as_str(), found), (by_network.payment_id.as_str(), proto::PresentmentMatch::Network));
        assert_eq!((posted.state(), posted.cleared.clone()), (proto::PaymentState::Cleared, yuan(5_000)));
        assert_eq!(present(&node, asked).await, (posted, found), "asked again, answered the same");

        let code = by_code.authorization_code.clone();
        let asked = proto::PostPresentmentRequest {
            authorization_code: code, more_to_come: true, ..presentment(&holder, 500)
        };
        let (posted, found) = present(&node, asked).await;
        let wanted = (by_code.payment_id.as_str(), proto::PresentmentMatch::AuthorizationCode);
        assert_eq!((posted.payment_id.as_str(), found), wanted);
        assert_eq!((posted.state(), posted.held), (proto::PaymentState::PartiallyCleared, yuan(1_500)));

        let (posted, found) = present(&node, presentment(&holder, 3_000)).await;
        let wanted = (by_amount.payment_id.as_str(), proto::PresentmentMatch::MerchantAndAmount);
        assert_eq!((posted.payment_id.as_str(), found), wanted);

        // The same amount once more belongs to nothing: it is posted by itself, and what is not there is a receivable.
        let (posted, found) = present(&node, presentment(&holder, 60_000)).await;
        assert_eq!((posted.state(), found), (proto::PaymentState::Cleared, proto::PresentmentMatch::None));
        let sums = posted.sums.unwrap();
        assert_eq!((sums.authorized, sums.cleared, sums.shortfall), (0, 60_000, 60_000 - (49_000 - 5_000 - 2_000 - 3_000)));
        // A declined payment is not posted; its clearing still is, by itself.
        let declined = pay(&world, &node, &holder, "000013", 9_000_000).await;
        assert_eq!(declined.state(), proto::PaymentState::Declined);
        let asked = proto::PostPresentmentRequest { network: network("000013"), ..presentment(&holder, 7) };
        let (posted, found) = present(&node, asked).await;
        assert_eq!(found, proto::PresentmentMatch::None);
        assert_ne!(posted.payment_id, declined.payment_id);
        // Nobody's card: suspense pays.
        let mut nobodys = presentment(&holder, 11);
        nobodys.card_id = "card_00000000000000000000000001".into();
        let (posted, found) = present(&node, nobodys).await;
        assert_eq!((posted.account_id.as_str(), found), ("", proto::PresentmentMatch::None));
        end(node).await;
    }

    async fn refunds_are_linked_or_not_and_reach_closed_cards(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let paid = pay(&world, &node, &holder, "000020", 4_000).await;
        present(&node, proto::PostPresentmentRequest { network: network("000020"), ..presentment(&holder, 4_000) }).await;
        let refund = |payment_id: &str, card_id: &str, amount| proto::RefundPaymentRequest {
            request_id: uuid(),
            payment_id: payment_id.into(),
            card_id: card_id.into(),
            amount: yuan(amount),
            merchant: presentment(&holder, 1).merchant.filter(|_| !card_id.is_empty()),
        };
        let asked = refund(&paid.payment_id, "", 1_500);
        let answer = node.api.refund_payment(by(Identity::Gateway, asked.clone())).await.unwrap().into_inner();
        assert_eq!(answer.payment.as_ref().unwrap().sums.as_ref().unwrap().refunded, 1_500);
        let again = node.api.refund_payment(by(Identity::Gateway, asked)).await.unwrap().into_inner();
        assert_eq!(again, answer);
        let too_much = node.api.refund_payment(by(Identity::Gateway, refund(&paid.payment_id, "", 2_501))).await;
        assert_eq!(reason(&too_much.unwrap_err()), "INVALID_AMOUNT");

        let close = proto::CloseCardRequest {
            request_id: uuid(),
            card_id: holder.card.clone(),
            close_reason: proto::CardCloseReason::CustomerRequest.into(),
            reason: "no longer needed".into(),
        };
        let closed = node.api.close_card(by_customer(holder.customer, close)).await.unwrap().into_inner();
        let closed = closed.card.unwrap();
        assert_eq!(closed.state(), proto::CardState::Closed);
        assert_eq!(closed.close_reason(), proto::CardCloseReason::CustomerRequest);
        let unlinked = node.api.refund_payment(by(Identity::Gateway, refund("", &holder.card, 700))).await.unwrap();
        assert_eq!(unlinked.into_inner().payment.unwrap().state(), proto::PaymentState::Refunded);
        assert_eq!(node.balance(&holder.account.account_id).await.available, 10_000 - 4_000 + 1_500 + 700);
        for (wrong, field) in [(refund("", "", 1), "payment_id"), (refund(&paid.payment_id, &holder.card, 1), "card_id")] {
            let refused = node.api.refund_payment(by(Identity::Gateway, wrong)).await.unwrap_err();
            assert_eq!(bursar_service::error::violations_of(&refused)[0].field, field);
        }
        end(node).await;
    }

    async fn an_advice_is_booked_whatever_speaks_against_it(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(1_000).await;
        let asked = proto::AuthorizeRequest {
            stand_in: true,
            authorization_code: "SI0001".into(),
            network: network("000030"),
            ..world.authorize(&Wish::online(&holder.card, 2_500))
        };
        let paid = node.pay(asked).await.unwrap();
        assert_eq!((paid.state(), paid.approved.clone()), (proto::PaymentState::Approved, yuan(2_500)));
        assert_eq!(paid.authorization_code, "SI0001");
        assert_eq!(paid.all_decline_reasons, [i32::from(proto::DeclineReason::InsufficientFunds)]);
        // What is there is held; the rest is the bank's risk until it is presented.
        assert_eq!((paid.held, node.balance(&holder.account.account_id).await.available), (yuan(1_000), 0));
        let (posted, _) = present(&node, proto::PostPresentmentRequest {
            network: network("000030"), ..presentment(&holder, 2_500)
        }).await;
        assert_eq!(posted.sums.unwrap().shortfall, 1_500);
        end(node).await;
    }

    async fn payments_are_found_by_what_people_remember(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(90_000).await;
        let first = pay(&world, &node, &holder, "000040", 100).await;
        world.clock.advance(std::time::Duration::from_secs(3_600));
        let second = pay(&world, &node, &holder, "000041", 200).await;
        pay(&world, &node, &holder, "000042", 60_000).await;
        let list = async |narrowed: proto::ListPaymentsRequest| {
            let answer = node.api.list_payments(by(Identity::Operator, narrowed)).await.unwrap().into_inner();
            answer.payments.into_iter().map(|payment| payment.amount.unwrap().minor_units).collect::<Vec<_>>()
        };
        let all = || proto::ListPaymentsRequest { card_id: holder.card.clone(), ..Default::default() };
        assert_eq!(list(all()).await, [60_000, 200, 100]);
        let state = proto::PaymentState::Declined.into();
        assert_eq!(list(proto::ListPaymentsRequest { state, ..all() }).await, [60_000]);
        assert_eq!(list(proto::ListPaymentsRequest { merchant: "tea".into(), ..all() }).await.len(), 3);
        assert_eq!(list(proto::ListPaymentsRequest { merchant: "coffee".into(), ..all() }).await, Vec::<i64>::new());
        assert_eq!(list(proto::ListPaymentsRequest { mcc: "5411".into(), ..all() }).await, Vec::<i64>::new());
        assert_eq!(list(proto::ListPaymentsRequest { until: second.create_time, ..all() }).await, [100]);
        assert_eq!(list(proto::ListPaymentsRequest { from: second.create_time, ..all() }).await, [60_000, 200]);
        let by_network = proto::GetPaymentRequest { network: network("000040"), ..Default::default() };
        let found = node.api.get_payment(by(Identity::Gateway, by_network)).await.unwrap().into_inner();
        assert_eq!(found.payment.unwrap().payment_id, first.payment_id);
        end(node).await;
    }
}
