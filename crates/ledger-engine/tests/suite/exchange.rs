//! Payments in another asset than the account's.

use bursar_ledger_engine::*;
use bursar_types::{Asset, Money};

use crate::support::*;

fn usd(minor_units: i64) -> Money {
    Money::new(minor_units, Asset::from_code("USD").unwrap())
}

/// One dollar is so many ten-thousandths of a yuan.
fn rate(world: &World, mantissa: i64) -> Action {
    let rate = ExchangeRate {
        from: usd(0).asset,
        to: cny(0).asset,
        mantissa,
        scale: 4,
        source: text("desk"),
        at: world.at,
    };
    Action::SetExchangeRates { rates: vec![rate] }
}

fn abroad(mut world: World, mantissa: i64) -> World {
    let set = rate(&world, mantissa);
    world.done(set);
    world
}

fn pay(world: &mut World, minor_units: i64) -> Decided {
    let ask = Authorize { amount: usd(minor_units), merchant: merchant(5411, "US"), ..world.purchase(1) };
    world.authorize(ask)
}

fn clear(world: &mut World, payment: bursar_types::id::PaymentId, amount: Money) -> Outcome {
    let transfers = id(world.fresh());
    world.run(Action::ClearPayment(Box::new(ClearPayment {
        payment: PaymentRef::Id(payment),
        transfers,
        amount,
        last: true,
        force: true,
        value_date: None,
    })))
}

fn refund(world: &mut World, payment: bursar_types::id::PaymentId, amount: Money) -> Outcome {
    let transfers = id(world.fresh());
    let target = RefundTarget::Payment(PaymentRef::Id(payment));
    world.run(Action::RefundPayment(Box::new(RefundPayment { target, transfers, amount, value_date: None })))
}

#[test]
fn a_payment_abroad_is_held_posted_and_refunded_each_at_the_rate_of_its_day() {
    let mut world = abroad(World::with_card(10_000), 71_250);
    let decided = pay(&mut world, 1_000);
    assert_eq!((decided.decision.verdict, decided.decision.approved), (Verdict::Approved, 7_125));
    assert_eq!(world.balances(WALLET), (10_000, 2_875));
    let id = decided.payment;
    let exchange = world.payment(id).exchange.clone().unwrap();
    assert_eq!((exchange.merchant, exchange.rate.mantissa), (usd(1_000), 71_250));
    assert_eq!((world.payment(id).requested, world.payment(id).asset), (7_125, cny(0).asset));

    // The dollar has fallen when it is posted, and risen when it comes back.
    world.days(2);
    let set = rate(&world, 71_000);
    world.done(set);
    clear(&mut world, id, usd(1_000));
    assert_eq!(world.balances(WALLET), (2_900, 2_900));
    assert_eq!(world.payment(id).sums.released, 25);
    let set = rate(&world, 72_000);
    world.done(set);
    refund(&mut world, id, usd(400));
    assert_eq!(world.balances(WALLET), (2_900 + 2_880, 2_900 + 2_880));
    let over = Refusal::new(RefusalReason::ExceedsCleared, Subject::Amount);
    assert_eq!(refund(&mut world, id, usd(601)), Outcome::Refused(over));
    // More yuan come back than were paid: the merchant gives back its dollars.
    refund(&mut world, id, usd(600));
    assert_eq!(world.balances(WALLET).0, 2_900 + 7_200);
    let payment = world.payment(id);
    assert_eq!(
        (payment.status(), payment.sums.cleared, payment.sums.refunded),
        (PaymentStatus::Refunded, 7_100, 7_200)
    );
    let exchange = payment.exchange.as_ref().unwrap();
    assert_eq!((exchange.cleared, exchange.refunded), (1_000, 1_000));
}

#[test]
fn without_a_rate_another_asset_is_declined() {
    let mut world = World::with_card(10_000);
    let decision = pay(&mut world, 10).decision;
    assert_eq!(decision.reason, Some(DeclineReason::InvalidAmount));
    let set = rate(&world, 71_250);
    assert_eq!(
        world.as_role(Role::Customer, set.clone()),
        Outcome::Refused(Refusal::new(RefusalReason::RoleNotAllowed, Subject::Command))
    );
    let Action::SetExchangeRates { rates } = set else { panic!() };
    for wrong in [
        ExchangeRate { mantissa: 0, ..rates[0].clone() },
        ExchangeRate { to: rates[0].from, ..rates[0].clone() },
        ExchangeRate { scale: 13, ..rates[0].clone() },
    ] {
        assert_eq!(
            world.refused(Action::SetExchangeRates { rates: vec![wrong] }),
            RefusalReason::InvalidField
        );
    }
}

#[test]
fn the_markup_is_a_fee_of_its_own_and_ends_with_its_payment() {
    let mut dear = spec();
    dear.fees = vec![FeeItem {
        id: 1,
        event: FeeEvent::Exchange,
        flat: 0,
        basis_points: 200,
        min: 0,
        max: None,
        tiers: Vec::new(),
        free_per_month: 0,
    }];
    let mut world = abroad(World::with_card_of(dear, 10_000), 70_000);
    let ask = Authorize { amount: usd(1_000), ..world.purchase(1) };
    let quote = world.engine.quote(world.at, &ask);
    assert_eq!((quote.billed, quote.fees[0].amount, quote.rate.unwrap().mantissa), (cny(7_000), 140, 70_000));
    let decided = world.authorize(ask);
    assert_eq!((decided.decision.approved, decided.decision.fee), (7_000, 140));
    world.reverse(decided.payment, None);
    assert_eq!(world.balances(WALLET), (10_000, 10_000));
    // Nothing is exchanged, so nothing is charged.
    let ask = world.purchase(100);
    assert_eq!(world.authorize(ask).decision.fee, 0);
}

#[test]
fn parts_are_taken_back_at_the_rate_of_the_authorization() {
    let mut world = abroad(World::with_card(10_000), 70_000);
    let id = pay(&mut world, 1_000).payment;
    let set = rate(&world, 90_000);
    world.done(set);
    world.run(Action::ReversePayment(Box::new(ReversePayment {
        payment: PaymentRef::Id(id),
        amount: Some(usd(250)),
    })));
    assert_eq!(world.payment(id).sums.outstanding(), 5_250);
    // An increment is a decision of its own, at the rate of its moment.
    world.run(Action::IncrementPayment(Box::new(IncrementPayment {
        payment: PaymentRef::Id(id),
        amount: usd(100),
    })));
    assert_eq!(world.payment(id).sums.outstanding(), 5_250 + 900);
    world.reverse(id, None);
    assert_eq!(world.balances(WALLET), (10_000, 10_000));
}

#[test]
fn the_same_message_is_known_by_what_the_merchant_asked_for() {
    let mut world = abroad(World::with_card(10_000), 70_000);
    let mut ask = Authorize { amount: usd(10), network_reference: Some(text("net-1")), ..world.purchase(1) };
    world.authorize(ask.clone());
    let set = rate(&world, 75_000);
    world.done(set);
    (ask.payment, ask.transfers) = (id(9_101), id(9_102));
    assert!(matches!(world.run(Action::Authorize(Box::new(ask.clone()))), Outcome::DecidedBefore(_)));
    ask.amount = usd(11);
    assert_eq!(world.declined(ask), DeclineReason::Duplicate);
}

#[test]
fn what_would_have_approved_it_is_told_in_the_accounts_asset() {
    let mut world = abroad(World::with_card(500), 70_000);
    let ask = Authorize { amount: usd(100), ..world.purchase(1) };
    let decided = world.authorize(ask.clone());
    assert_eq!(decided.decision.reason, Some(DeclineReason::InsufficientFunds));
    let record = world.engine.decision_record(&ask, decided.facts.as_ref().unwrap()).unwrap();
    assert_eq!(record.explain().changes, [Change::AmountAtMost(500)]);
}

#[test]
fn what_nobody_authorized_is_exchanged_too() {
    let mut world = abroad(World::with_card(10_000), 70_000);
    let post = ForcePost {
        payment: id(9_201),
        transfers: id(9_202),
        card: id(CARD),
        amount: usd(100),
        channel: Channel::Pos,
        merchant: merchant(5411, "US"),
        network_reference: None,
        value_date: None,
    };
    world.run(Action::ForcePost(Box::new(post)));
    assert_eq!(world.balances(WALLET), (9_300, 9_300));
    assert_eq!(world.payment(id(9_201)).exchange.as_ref().unwrap().cleared, 100);
}
