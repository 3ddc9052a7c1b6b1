//! Transfers, holds, reversals: what each answer tells, and everything that is refused.

use bursar_proto::ledger::v1 as proto;
use bursar_testkit::on_both_databases;

use super::desk::{Wrong, limit, opening, order, told};
use super::world::{Node, Wish, World, eventually, reason, uuid, yuan};

type Change = fn(&mut proto::CreateTransferRequest);

/// What makes an order wrong, with the reason and the field that are told.
const WRONG: &[(Change, &str, &str)] = &[
    (|o| o.amount = None, "INVALID_FIELD", "amount"),
    (|o| o.amount = yuan(0), "INVALID_AMOUNT", "amount.minor_units"),
    (|o| o.amount = yuan(-1), "INVALID_AMOUNT", "amount.minor_units"),
    (|o| o.amount.as_mut().unwrap().asset = "XXX".into(), "INVALID_FIELD", "amount.asset"),
    (|o| o.amount.as_mut().unwrap().asset = "USD".into(), "INVALID_AMOUNT", "debit_account_id"),
    (|o| o.debit_account_id = String::new(), "INVALID_FIELD", "debit_account_id"),
    (|o| o.credit_account_id = "card_x".into(), "INVALID_FIELD", "credit_account_id"),
    (|o| o.credit_account_id = o.debit_account_id.clone(), "ACCOUNTS_MUST_DIFFER", "credit_account_id"),
    (
        |o| o.debit_account_id = "acct_00000000000000000000000000".into(),
        "ACCOUNT_NOT_FOUND",
        "debit_account_id",
    ),
    (|o| o.reference = "r".repeat(65), "INVALID_FIELD", "reference"),
    (|o| o.reference = "a\nb".into(), "INVALID_FIELD", "reference"),
    (|o| o.description = "长".repeat(141), "INVALID_FIELD", "description"),
    (|o| o.value_date = "2026-02-30".into(), "INVALID_FIELD", "value_date"),
    (|o| o.value_date = "tomorrow".into(), "INVALID_FIELD", "value_date"),
    (|o| o.code = -1, "INVALID_FIELD", "code"),
    (|o| o.code = 999, "INVALID_FIELD", "code"),
    (|o| o.code = 65_536, "INVALID_FIELD", "code"),
    (|o| o.hold_seconds = -1, "INVALID_FIELD", "hold_seconds"),
    (|o| o.hold_seconds = 34_560_001, "INVALID_FIELD", "hold_seconds"),
    (|o| o.over_capture = 1, "INVALID_FIELD", "over_capture"),
    (|o| (o.hold_seconds, o.over_capture) = (1, -1), "INVALID_FIELD", "over_capture"),
    (|o| (o.hold_seconds, o.balancing) = (1, true), "INVALID_FIELD", "balancing"),
    (|o| (o.hold_seconds, o.value_date) = (1, "2026-02-03".into()), "INVALID_FIELD", "value_date"),
    (|o| o.request_id = String::new(), "REQUEST_ID_MISSING", "request_id"),
    (|o| o.request_id = "1".into(), "REQUEST_ID_MALFORMED", "request_id"),
];

/// What makes an order another one, with the field that differs.
const OTHER: &[(Change, &str)] = &[
    (|o| std::mem::swap(&mut o.debit_account_id, &mut o.credit_account_id), "debit_account_id"),
    (|o| o.amount = yuan(8), "amount"),
    (|o| o.hold_seconds = 60, "hold_seconds"),
    (|o| o.reference = "other".into(), "reference"),
    (|o| o.description = "other".into(), "description"),
    (|o| o.balancing = true, "balancing"),
    (|o| o.value_date = "2026-01-02".into(), "value_date"),
    (|o| o.code = 2_000, "code"),
];

on_both_databases! {
    async fn every_field_of_an_order_is_checked(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let good = order(&from, &to, 7);
        for (change, reason, field) in WRONG {
            let mut wrong = good.clone();
            change(&mut wrong);
            let refused = node.create(wrong.clone()).await.unwrap_err();
            assert_eq!(told(&refused), (*reason, (*field).to_owned()), "{wrong:?}");
        }
        // None of them used the request id up.
        node.create(good.clone()).await.unwrap();
        for (change, field) in OTHER {
            let mut other = good.clone();
            change(&mut other);
            let refused = node.create(other).await.unwrap_err();
            assert_eq!(told(&refused), ("REQUEST_ID_REUSED", (*field).to_owned()));
        }
        // A sum that does not fit.
        node.create(order(&from, &to, i64::MAX - 7)).await.unwrap();
        let refused = node.create(order(&from, &to, 1)).await.unwrap_err();
        assert_eq!(told(&refused), ("INVALID_AMOUNT", "amount".to_owned()));
        let (_, metadata) = bursar_service::reason_of(&refused).unwrap();
        assert_eq!(metadata.get("refusal").map(String::as_str), Some("OVERFLOW"));
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn an_answer_tells_all_and_is_the_same_for_ever(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let full = proto::CreateTransferRequest {
            reference: "参".repeat(64),
            description: "工资".repeat(70),
            value_date: "2026-11-25".into(),
            code: 65_535,
            ..order(&from, &to, 700)
        };
        let first = node.create(full.clone()).await.unwrap();
        let transfer = first.transfer.clone().unwrap();
        assert_eq!((transfer.state(), transfer.captured, transfer.held), (proto::TransferState::Posted, 700, 0));
        assert_eq!((transfer.code, transfer.r#type.as_str()), (65_535, "transfer"));
        assert_eq!(transfer.value_date, "2026-11-25");
        assert_eq!((transfer.reference.clone(), transfer.description.clone()), (full.reference.clone(), full.description.clone()));
        let after = |posted, held| Some(proto::BalanceAfter { posted, held, available: posted - held });
        assert_eq!((first.debit_after, first.credit_after), (after(-700, 0), after(700, 0)));
        assert_eq!(node.transfer(&transfer.transfer_id).await.unwrap(), transfer);

        let plain = order(&from, &to, 1);
        let second = node.create(plain.clone()).await.unwrap();
        // The booking day of the program, eight hours east of Greenwich.
        let booked = second.transfer.clone().unwrap().book_time.unwrap().seconds + 8 * 3_600;
        let day = bursar_ledger_engine::Day(i32::try_from(booked / 86_400).unwrap());
        assert_eq!(second.transfer.clone().unwrap().value_date, crate::day::text(day));
        assert_eq!(second.transfer.clone().unwrap().code, 0);

        // Move what is there.
        let (to_id, sink) = (to.clone(), node.open(opening(None)).await.unwrap().account_id);
        let balancing = proto::CreateTransferRequest { balancing: true, ..order(&to_id, &sink, 10_000) };
        let moved = node.create(balancing.clone()).await.unwrap();
        assert_eq!(moved.transfer.clone().unwrap().amount, yuan(701));
        assert_eq!(moved.debit_after, after(0, 0));
        let again = proto::CreateTransferRequest { request_id: uuid(), ..balancing.clone() };
        assert_eq!(reason(&node.create(again).await.unwrap_err()), "INSUFFICIENT_FUNDS");

        // From memory, and from the journal.
        for (message, answer) in [(&full, &first), (&plain, &second), (&balancing, &moved)] {
            assert_eq!(&node.create(message.clone()).await.unwrap(), answer);
        }
        node.stop().await;
        let node = world.node().await;
        for (message, answer) in [(&full, &first), (&plain, &second), (&balancing, &moved)] {
            assert_eq!(&node.create(message.clone()).await.unwrap(), answer);
        }
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_hold_is_captured_raised_and_given_back(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let placed = proto::CreateTransferRequest {
            hold_seconds: 600, over_capture: 30, reference: "trip".into(), code: 4_000, ..order(&from, &to, 100)
        };
        let hold = node.create(placed.clone()).await.unwrap();
        let id = hold.transfer.clone().unwrap().transfer_id;
        let shown = hold.transfer.clone().unwrap();
        assert_eq!((shown.state(), shown.held, shown.over_capture), (proto::TransferState::Held, 100, 30));
        assert_eq!((shown.value_date.as_str(), shown.code), ("", 4_000));
        assert_eq!(hold.debit_after, Some(proto::BalanceAfter { posted: 0, held: 100, available: -100 }));
        assert_eq!(node.transfer(&id).await.unwrap(), shown);

        let raise = proto::IncrementHoldRequest { request_id: uuid(), transfer_id: id.clone(), amount: yuan(50) };
        let raised = node.raise(raise.clone()).await.unwrap();
        assert_eq!(raised.transfer.clone().unwrap().held, 150);
        assert_eq!(raised.transfer.clone().unwrap().amount, yuan(150));
        assert_eq!(raised.debit_after.unwrap().held, 150);
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(),
            transfer_id: id.clone(),
            amount: yuan(60),
            value_date: "2026-12-01".into(),
            description: "first night".into(),
            ..Default::default()
        };
        let captured = node.capture(capture.clone()).await.unwrap();
        assert_eq!((captured.transfer.clone().unwrap().captured, captured.transfer.clone().unwrap().held), (60, 90));
        assert_eq!(captured.credit_after.unwrap().posted, 60);
        let posted = node.transfer(&captured.posted_transfer_id).await.unwrap();
        assert_eq!((posted.hold_id.as_str(), posted.reference.as_str()), (id.as_str(), "trip"));
        assert_eq!((posted.value_date.as_str(), posted.description.as_str()), ("2026-12-01", "first night"));
        let void = proto::VoidHoldRequest { request_id: uuid(), transfer_id: id.clone(), amount: yuan(40) };
        let voided = node.void(void.clone()).await.unwrap();
        assert_eq!((voided.transfer.clone().unwrap().held, voided.debit_after.unwrap().held), (50, 50));

        // More than is held, and more than may be taken beyond it.
        let much = proto::VoidHoldRequest { request_id: uuid(), amount: yuan(51), ..void.clone() };
        assert_eq!(told(&node.void(much).await.unwrap_err()), ("INVALID_AMOUNT", "amount".to_owned()));
        let last = proto::CaptureHoldRequest { request_id: uuid(), amount: yuan(81), ..capture.clone() };
        assert_eq!(told(&node.capture(last.clone()).await.unwrap_err()), ("INVALID_AMOUNT", "amount".to_owned()));
        let last = proto::CaptureHoldRequest { amount: yuan(80), ..last };
        let ended = node.capture(last.clone()).await.unwrap();
        let shown = ended.transfer.clone().unwrap();
        assert_eq!((shown.state(), shown.captured, shown.held), (proto::TransferState::Posted, 140, 0));
        assert_eq!(node.transfer(&id).await.unwrap(), shown);

        // It has ended.
        let gone = proto::CaptureHoldRequest { request_id: uuid(), amount: yuan(1), ..capture.clone() };
        assert_eq!(told(&node.capture(gone).await.unwrap_err()), ("HOLD_NOT_OPEN", "transfer_id".to_owned()));
        let gone = proto::IncrementHoldRequest { request_id: uuid(), ..raise.clone() };
        assert_eq!(reason(&node.raise(gone).await.unwrap_err()), "HOLD_NOT_OPEN");
        let gone = proto::VoidHoldRequest { request_id: uuid(), amount: None, ..void.clone() };
        assert_eq!(reason(&node.void(gone).await.unwrap_err()), "HOLD_NOT_OPEN");

        // Whoever asks again is told how it stood then, not how it stands now: from memory, and from the journal.
        let all_again = async |node: &Node| {
            assert_eq!(node.create(placed.clone()).await.unwrap(), hold);
            assert_eq!(node.raise(raise.clone()).await.unwrap(), raised);
            assert_eq!(node.capture(capture.clone()).await.unwrap(), captured);
            assert_eq!(node.void(void.clone()).await.unwrap(), voided);
            assert_eq!(node.capture(last.clone()).await.unwrap(), ended);
        };
        all_again(&node).await;
        node.stop().await;
        let node = world.node().await;
        all_again(&node).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn what_a_step_of_a_hold_must_say_is_checked(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let placed = proto::CreateTransferRequest { hold_seconds: 60, ..order(&from, &to, 100) };
        let id = node.create(placed).await.unwrap().transfer.unwrap().transfer_id;
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(), transfer_id: id.clone(), amount: yuan(1), ..Default::default()
        };
        let wrong: &[Wrong<proto::CaptureHoldRequest>] = &[
            (|c| c.request_id = String::new(), "REQUEST_ID_MISSING", "request_id"),
            (|c| c.transfer_id = String::new(), "INVALID_FIELD", "transfer_id"),
            (|c| c.transfer_id = "tran_00000000000000000000000000".into(), "HOLD_NOT_OPEN", "transfer_id"),
            (|c| c.amount = None, "INVALID_FIELD", "amount"),
            (|c| c.amount = yuan(0), "INVALID_AMOUNT", "amount.minor_units"),
            (|c| c.amount.as_mut().unwrap().asset = "USD".into(), "INVALID_AMOUNT", "amount"),
            (|c| c.amount = yuan(101), "INVALID_AMOUNT", "amount"),
            (|c| c.value_date = "26-01-01".into(), "INVALID_FIELD", "value_date"),
            (|c| c.description = "x".repeat(141), "INVALID_FIELD", "description"),
        ];
        for (change, reason, field) in wrong {
            let mut message = capture.clone();
            change(&mut message);
            let refused = node.capture(message.clone()).await.unwrap_err();
            assert_eq!(told(&refused), (*reason, (*field).to_owned()), "{message:?}");
        }
        node.capture(capture.clone()).await.unwrap();
        let other = proto::CaptureHoldRequest { last: true, ..capture.clone() };
        assert_eq!(told(&node.capture(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "last".to_owned()));
        let other = proto::CaptureHoldRequest { description: "other".into(), ..capture.clone() };
        assert_eq!(told(&node.capture(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "description".to_owned()));
        let raise = proto::IncrementHoldRequest { request_id: uuid(), transfer_id: id.clone(), amount: yuan(-1) };
        assert_eq!(reason(&node.raise(raise).await.unwrap_err()), "INVALID_AMOUNT");
        let void = proto::VoidHoldRequest { request_id: uuid(), transfer_id: id.clone(), amount: yuan(0) };
        assert_eq!(reason(&node.void(void).await.unwrap_err()), "INVALID_AMOUNT");

        // Its time is over, whether or not it has been ended yet.
        world.clock.advance(std::time::Duration::from_secs(60));
        let late = proto::CaptureHoldRequest { request_id: uuid(), ..capture };
        assert_eq!(reason(&node.capture(late).await.unwrap_err()), "HOLD_NOT_OPEN");
        eventually("the hold expires", async || {
            node.transfer(&id).await.unwrap().state() == proto::TransferState::Expired
        })
        .await;
        node.stop().await;
    }

    async fn a_transfer_is_reversed_once(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let posted = node.create(order(&from, &to, 500)).await.unwrap().transfer.unwrap().transfer_id;
        let placed = proto::CreateTransferRequest { hold_seconds: 60, ..order(&from, &to, 100) };
        let hold = node.create(placed).await.unwrap().transfer.unwrap().transfer_id;
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(), transfer_id: hold.clone(), amount: yuan(40), ..Default::default()
        };
        let captured = node.capture(capture).await.unwrap().posted_transfer_id;

        let reversal = |id: &str| proto::ReverseTransferRequest {
            request_id: uuid(), transfer_id: id.into(), reason: "booked twice".into()
        };
        let asked = reversal(&posted);
        let reversed = node.reverse(asked.clone()).await.unwrap();
        let shown = reversed.transfer.clone().unwrap();
        assert_eq!((shown.debit_account_id.as_str(), shown.credit_account_id.as_str()), (to.as_str(), from.as_str()));
        assert_eq!((shown.r#type.as_str(), shown.description.as_str()), ("reversal", "booked twice"));
        assert_eq!(shown.reverses_transfer_id, posted);
        assert_eq!(reversed.debit_after.unwrap().posted, 40);
        assert_eq!(node.transfer(&shown.transfer_id).await.unwrap(), shown);
        assert_eq!(node.transfer(&posted).await.unwrap().reversed_by_transfer_id, shown.transfer_id);
        node.reverse(reversal(&captured)).await.unwrap();

        let twice = node.reverse(reversal(&posted)).await.unwrap_err();
        assert_eq!(told(&twice), ("ALREADY_EXISTS", "transfer_id".to_owned()));
        let other = proto::ReverseTransferRequest { reason: "another".into(), ..asked.clone() };
        assert_eq!(told(&node.reverse(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "reason".to_owned()));
        for (id, wanted) in [("", "INVALID_FIELD"), ("tran_00000000000000000000000000", "NOT_FOUND")] {
            assert_eq!(reason(&node.reverse(reversal(id)).await.unwrap_err()), wanted);
        }
        for text in [String::new(), "r".repeat(141)] {
            let wrong = proto::ReverseTransferRequest { reason: text, ..reversal(&posted) };
            assert_eq!(told(&node.reverse(wrong).await.unwrap_err()), ("INVALID_FIELD", "reason".to_owned()));
        }

        // What does not stand for itself is not reversed by itself.
        let holder = node.holder(1_000).await;
        let paid = node.pay(world.authorize(&Wish::in_app(&holder.card, 30))).await.unwrap();
        assert_eq!(paid.state(), proto::PaymentState::Cleared);
        let mut others = vec![(hold, "hold"), (shown.transfer_id, "reversal")];
        for (position, kind) in [(0, "payment"), (1, "top_up")] {
            let entry = node.entries(&holder.account.account_id).await.swap_remove(position);
            assert_eq!(entry.r#type, kind);
            others.push((entry.transfer_id, kind));
        }
        for (id, kind) in others {
            let refused = node.reverse(reversal(&id)).await.unwrap_err();
            assert_eq!(reason(&refused), "WRONG_STATE", "{kind}");
            let (_, metadata) = bursar_service::reason_of(&refused).unwrap();
            assert_eq!(metadata.get("type").map(String::as_str), Some(kind));
        }

        // For ever.
        assert_eq!(node.reverse(asked.clone()).await.unwrap(), reversed);
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.reverse(asked).await.unwrap(), reversed);
        let twice = node.reverse(reversal(&posted)).await.unwrap_err();
        assert_eq!(reason(&twice), "ALREADY_EXISTS");
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_reversal_needs_the_money_to_be_there(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let gone = node.open(opening(limit(None))).await.unwrap().account_id;
        let posted = node.create(order(&from, &to, 500)).await.unwrap().transfer.unwrap().transfer_id;
        node.create(order(&to, &gone, 1)).await.unwrap();
        let asked = proto::ReverseTransferRequest {
            request_id: uuid(), transfer_id: posted.clone(), reason: "x".into()
        };
        assert_eq!(reason(&node.reverse(asked.clone()).await.unwrap_err()), "INSUFFICIENT_FUNDS");
        node.create(order(&gone, &to, 1)).await.unwrap();
        node.reverse(asked).await.unwrap();
        let unknown = node.transfer("tran_00000000000000000000000000").await.unwrap_err();
        assert_eq!(reason(&unknown), "NOT_FOUND");
        node.stop().await;
    }
}
