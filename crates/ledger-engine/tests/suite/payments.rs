//! What follows an authorization.

use bursar_ledger_engine::*;
use bursar_types::id::PaymentId;

use crate::support::*;

fn step(outcome: Outcome) -> PaymentStep {
    match outcome {
        Outcome::Payment(step) => step,
        other => panic!("{other:?}"),
    }
}

fn refusal(outcome: Outcome) -> RefusalReason {
    match outcome {
        Outcome::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

fn increment(world: &mut World, payment: PaymentId, minor_units: i64) -> Outcome {
    let payment = PaymentRef::Id(payment);
    world.run(Action::IncrementPayment(Box::new(IncrementPayment { payment, amount: cny(minor_units) })))
}

#[test]
fn clearing_equal_below_and_in_parts() {
    let mut world = World::with_card(1_000);
    let equal = world.approve(100);
    let done = step(world.clear(equal, 100, true, false));
    assert_eq!((done.status, done.sums.outstanding()), (PaymentStatus::Cleared, 0));
    let below = world.approve(100);
    let done = step(world.clear(below, 60, true, false));
    assert_eq!((done.sums.cleared, done.sums.released), (60, 40));
    let split = world.approve(100);
    assert_eq!(step(world.clear(split, 30, false, false)).status, PaymentStatus::PartiallyCleared);
    assert_eq!(step(world.clear(split, 30, false, false)).sums.outstanding(), 40);
    assert_eq!(step(world.clear(split, 40, false, false)).status, PaymentStatus::Cleared);
    assert_eq!(world.balances(WALLET), (740, 740));
    assert_eq!(world.balances(SETTLEMENT), (260, 260));
    let kinds: Vec<_> = world.payment(split).elements.iter().map(|element| element.kind).collect();
    assert_eq!(
        kinds,
        [ElementKind::Authorized, ElementKind::Cleared, ElementKind::Cleared, ElementKind::Cleared]
    );
}

#[test]
fn clearing_above_keeps_the_tolerance_of_the_category_or_is_forced() {
    let mut world = World::with_card(1_000);
    let shop = world.approve(100);
    assert_eq!(refusal(world.clear(shop, 101, true, false)), RefusalReason::ExceedsHold);
    let mut ask = world.purchase(100);
    ask.merchant = merchant(5812, "CN");
    let dinner = world.authorize(ask).payment;
    assert_eq!(refusal(world.clear(dinner, 121, true, false)), RefusalReason::ExceedsHold);
    assert_eq!(step(world.clear(dinner, 120, true, false)).sums.captured, 100);
    assert_eq!(refusal(world.clear(dinner, 1, true, false)), RefusalReason::ExceedsHold);
    assert_eq!(step(world.clear(shop, 101, true, true)).sums.cleared, 101);
    assert_eq!(world.balances(WALLET), (779, 779));
}

#[test]
fn what_the_balance_does_not_cover_becomes_a_receivable_and_a_refund_pays_it_first() {
    let mut world = World::with_card(100);
    let payment = world.approve(100);
    let done = step(world.clear(payment, 150, true, true));
    assert_eq!((done.sums.cleared, done.sums.captured, done.sums.shortfall), (150, 100, 50));
    assert_eq!((world.balances(WALLET), world.balances(RECEIVABLE)), ((0, 0), (50, 50)));
    assert_eq!(world.balances(SETTLEMENT), (150, 150));
    let done = step(world.refund(payment, 70));
    assert_eq!(done.sums.shortfall, 0);
    assert_eq!((world.balances(WALLET), world.balances(RECEIVABLE)), ((20, 20), (0, 0)));
}

#[test]
fn increments_are_decided_like_authorizations() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Count(1), Window::Day)]);
    let payment = world.approve(100);
    let Outcome::Decided(decided) = increment(&mut world, payment, 50) else { panic!() };
    assert_eq!((decided.decision.verdict, decided.sums.outstanding()), (Verdict::Approved, 150));
    assert_eq!(world.balances(WALLET), (1_000, 850));
    let Outcome::Decided(decided) = increment(&mut world, payment, 851) else { panic!() };
    assert_eq!(decided.decision.reason, Some(DeclineReason::InsufficientFunds));
    assert_eq!(world.payment(payment).elements.last().unwrap().kind, ElementKind::IncrementDeclined);
    assert_eq!(world.payment(payment).status(), PaymentStatus::Authorized);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    let Outcome::Decided(decided) = increment(&mut world, payment, 1) else { panic!() };
    assert_eq!(decided.decision.reason, Some(DeclineReason::CardFrozen));
    // What was promised is posted, frozen or not.
    assert_eq!(step(world.clear(payment, 150, true, false)).status, PaymentStatus::Cleared);
    assert_eq!(refusal(increment(&mut world, payment, 1)), RefusalReason::PaymentState);
}

#[test]
fn reversals_take_back_what_is_held_and_no_more() {
    let mut world = World::with_card(1_000);
    let payment = world.approve(100);
    assert_eq!(refusal(world.reverse(payment, Some(101))), RefusalReason::ExceedsHold);
    assert_eq!(step(world.reverse(payment, Some(30))).sums.outstanding(), 70);
    assert_eq!(step(world.reverse(payment, None)).status, PaymentStatus::Reversed);
    assert_eq!(world.balances(WALLET), (1_000, 1_000));
    assert_eq!(refusal(world.reverse(payment, None)), RefusalReason::PaymentState);
    assert_eq!(refusal(world.clear(payment, 1, true, false)), RefusalReason::ExceedsHold);
    assert_eq!(step(world.clear(payment, 1, true, true)).status, PaymentStatus::Cleared);
}

#[test]
fn a_reversal_before_its_original_refuses_the_original() {
    let mut world = World::with_card(1_000);
    let reversal = |reference: &str| {
        Action::ReversePayment(Box::new(ReversePayment {
            payment: PaymentRef::Network(text(reference)),
            amount: None,
        }))
    };
    assert_eq!(world.run(reversal("net-9")), Outcome::ReversedEarly);
    assert_eq!(world.run(reversal("net-9")), Outcome::ReversedEarly);
    assert_eq!(world.run(reversal("net-10")), Outcome::ReversedEarly);
    let mut ask = world.purchase(10);
    ask.network_reference = Some(text("net-9"));
    assert_eq!(world.declined(ask.clone()), DeclineReason::AlreadyReversed);
    // Asked again, the stored answer.
    ask.payment = id(9_001);
    assert!(matches!(world.run(Action::Authorize(Box::new(ask))), Outcome::DecidedBefore(_)));
    assert_eq!(world.run(reversal("net-11")), Outcome::ReversedEarly);
    world.days(30);
    // Whether the timer has been there or not.
    for (reference, forgotten) in [("net-10", 2), ("net-11", 0)] {
        let mut ask = world.purchase(10);
        ask.network_reference = Some(text(reference));
        assert_eq!(world.authorize(ask).decision.verdict, Verdict::Approved);
        assert_eq!(world.tick(), forgotten);
    }
}

#[test]
fn a_hold_expires_and_a_late_clearing_still_posts() {
    let mut world = World::with_card(1_000);
    let payment = world.approve(300);
    world.clear(payment, 100, false, false);
    world.days(5);
    assert_eq!(refusal(increment(&mut world, payment, 1)), RefusalReason::PaymentState);
    assert_eq!(world.tick(), 1);
    assert_eq!(world.payment(payment).sums.expired, 200);
    assert_eq!(world.balances(WALLET), (900, 900));
    let done = step(world.clear(payment, 200, true, false));
    assert_eq!((done.sums.cleared, done.sums.captured), (300, 100));
    assert_eq!(world.balances(WALLET), (700, 700));
}

#[test]
fn a_force_post_always_posts() {
    let mut world = World::with_card(100);
    world.freeze_account(FreezeHolder::Legal, FreezeScope::All);
    world.run(close(CloseReason::Stolen));
    let force = |world: &mut World, card: u128, reference: &str| {
        let (payment, transfers) = (id(world.fresh()), id(world.fresh()));
        Action::ForcePost(Box::new(ForcePost {
            payment,
            transfers,
            card: id(card),
            amount: cny(130),
            channel: Channel::Pos,
            merchant: merchant(5411, "CN"),
            network_reference: Some(text(reference)),
            value_date: None,
        }))
    };
    let action = force(&mut world, CARD, "f-1");
    let done = step(world.run(action));
    assert_eq!((done.sums.cleared, done.sums.shortfall, done.status), (130, 30, PaymentStatus::Cleared));
    let action = force(&mut world, CARD, "f-1");
    assert_eq!(world.refused(action), RefusalReason::AlreadyExists);
    let action = force(&mut world, 4_711, "f-2");
    assert_eq!(step(world.run(action)).account, None);
    assert_eq!(world.balances(SUSPENSE), (-130, -130));
    assert_eq!(world.balances(SETTLEMENT), (260, 260));
    // An authorization under a reference that was posted is something else.
    let mut ask = world.purchase(1);
    ask.network_reference = Some(text("f-1"));
    let decision = world.authorize(ask).decision;
    assert!(decision.failing.iter().any(|failing| failing.reason == DeclineReason::Duplicate));
}

#[test]
fn refunds_come_back_up_to_what_was_posted_even_to_a_closed_card() {
    let mut world = World::with_card(1_000);
    let payment = world.approve(300);
    assert_eq!(refusal(world.refund(payment, 1)), RefusalReason::ExceedsCleared);
    world.clear(payment, 300, true, false);
    world.run(close(CloseReason::Lost));
    assert_eq!(step(world.refund(payment, 100)).status, PaymentStatus::Cleared);
    assert_eq!(world.balances(WALLET), (800, 800));
    assert_eq!(refusal(world.refund(payment, 201)), RefusalReason::ExceedsCleared);
    world.freeze_account(FreezeHolder::Legal, FreezeScope::All);
    assert_eq!(step(world.refund(payment, 200)).status, PaymentStatus::Refunded);
    assert_eq!((world.balances(WALLET), world.balances(SUSPENSE)), ((800, 800), (200, 200)));
}

#[test]
fn a_refund_without_a_payment_makes_one() {
    let mut world = World::with_card(0);
    let target = |card: u128| RefundTarget::Unlinked {
        payment: id(5_000 + card),
        card: id(card),
        merchant: merchant(5411, "CN"),
        channel: Channel::Pos,
    };
    let refund = |card: u128| {
        Action::RefundPayment(Box::new(RefundPayment {
            target: target(card),
            transfers: id(6_000),
            amount: cny(25),
            value_date: None,
        }))
    };
    assert_eq!(step(world.run(refund(CARD))).status, PaymentStatus::Refunded);
    assert_eq!(world.balances(WALLET), (25, 25));
    assert_eq!(world.refused(refund(CARD)), RefusalReason::AlreadyExists);
    assert_eq!(world.refused(refund(4_711)), RefusalReason::CardNotFound);
}

#[test]
fn a_payments_hold_moves_only_with_the_payment() {
    let mut world = World::with_card(100);
    let payment = world.approve(100);
    let hold = world.payment(payment).hold.unwrap();
    assert_eq!(world.refused(Action::VoidHold { hold, amount: None }), RefusalReason::HoldOfPayment);
    let capture = world.capture(hold, 1, false);
    assert_eq!(world.refused(capture), RefusalReason::HoldOfPayment);
}

#[test]
fn a_payment_takes_a_bounded_number_of_elements() {
    let mut world = World::with_card(2_000);
    let payment = world.approve(1_500);
    for _ in 1..MAX_ELEMENTS {
        let reversal = ReversePayment { payment: PaymentRef::Id(payment), amount: Some(cny(1)) };
        let command = Command {
            request_id: bursar_types::RequestId::from_uuid(bursar_types::id::Uuid::from_u128(1)),
            actor: Actor { role: Role::Network, name: text("") },
            action: Action::ReversePayment(Box::new(reversal)),
        };
        assert!(matches!(world.engine.apply(world.at, &command).outcome, Outcome::Payment(_)));
    }
    world.mirror = world.engine.snapshot();
    assert_eq!(refusal(world.reverse(payment, Some(1))), RefusalReason::TooMany);
}
