//! Transfers, batches, holds and reversals.

use bursar_ledger_engine::*;
use bursar_types::id::TransferId;

use crate::support::*;

fn balancing(world: &mut World, most: i64) -> Action {
    Action::Transfer(Box::new(world.order(WALLET, SETTLEMENT, most, TransferMode::Balancing)))
}

#[test]
fn an_outcome_tells_the_balances_after() {
    let mut world = World::program();
    world.top_up(100);
    let done = world.post(WALLET, SETTLEMENT, 30);
    assert_eq!(done.debit.balances.posted(NormalSide::Credit), 70);
    assert_eq!(done.credit.balances.posted(NormalSide::Credit), 30);
    assert!(matches!(&world.effects()[0], Effect::TransferPosted(posted) if posted.amount == cny(30)));
}

#[test]
fn a_balancing_transfer_moves_what_is_there() {
    let mut world = World::program();
    world.top_up(100);
    world.hold(30, None, 0);
    let action = balancing(&mut world, 500);
    assert_eq!(world.transferred(action).amount, cny(70));
    let action = balancing(&mut world, 500);
    assert_eq!(world.refused(action), RefusalReason::InsufficientFunds);
    world.top_up(100);
    let action = balancing(&mut world, 40);
    assert_eq!(world.transferred(action).amount, cny(40));
}

#[test]
fn the_value_date_is_the_given_one_or_the_local_day() {
    let mut world = World::program();
    world.top_up(10);
    // 23:30 in China is 15:30 in UTC: the same date; half an hour later it is not.
    world.at = bursar_types::Timestamp::from_micros((NOON + 12 * 3600) * 1_000_000);
    world.post(WALLET, SETTLEMENT, 1);
    let Effect::TransferPosted(posted) = &world.effects()[0] else { panic!() };
    let utc_day = i32::try_from(posted.booked_at.as_seconds().div_euclid(86_400)).unwrap();
    assert_eq!(posted.value_date, Day(utc_day + 1));
    let mut order = world.order(WALLET, SETTLEMENT, 1, TransferMode::Post);
    order.value_date = Some(Day(3));
    world.transferred(Action::Transfer(Box::new(order)));
    let Effect::TransferPosted(posted) = &world.effects()[0] else { panic!() };
    assert_eq!(posted.value_date, Day(3));
}

#[test]
fn a_linked_batch_happens_whole_or_not_at_all() {
    let mut world = World::program();
    world.top_up(100);
    let orders = |world: &mut World| {
        let hold = TransferMode::Hold { expires_at: None, over_capture: 0 };
        vec![
            world.order(WALLET, SETTLEMENT, 60, TransferMode::Post),
            world.order(WALLET, SETTLEMENT, 30, hold),
            world.order(WALLET, SETTLEMENT, 20, TransferMode::Post),
        ]
    };
    let all = orders(&mut world);
    let Outcome::Batch(items) = world.run(Action::TransferBatch { orders: all.clone(), linked: true }) else {
        panic!()
    };
    let reasons: Vec<_> = items.iter().map(|item| item.unwrap_err().reason).collect();
    let linked = RefusalReason::LinkedItemFailed;
    assert_eq!(reasons, [linked, linked, RefusalReason::InsufficientFunds]);
    assert_eq!(world.balances(WALLET), (100, 100));
    assert_eq!(world.engine.hold(all[1].transfer), None);

    let Outcome::Batch(items) = world.run(Action::TransferBatch { orders: all, linked: false }) else {
        panic!()
    };
    assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(world.balances(WALLET), (40, 10));
}

#[test]
fn a_hold_is_captured_in_any_number_of_parts() {
    let mut world = World::program();
    world.top_up(1_000);
    let hold = world.hold(600, Some(7), 0);
    for (part, left) in [(100, 500), (1, 499), (99, 400)] {
        let capture = world.capture(hold, part, false);
        assert_eq!(world.transferred(capture).outstanding, Some(left));
    }
    assert_eq!(world.balances(WALLET), (800, 400));
    let too_much = world.capture(hold, 401, false);
    assert_eq!(world.refused(too_much), RefusalReason::ExceedsHold);
    let capture = world.capture(hold, 150, true);
    assert_eq!(world.transferred(capture).outstanding, Some(0));
    assert_eq!(world.balances(WALLET), (650, 650));
    assert_eq!(world.engine.hold(hold), None);
    let again = world.capture(hold, 1, false);
    assert_eq!(world.refused(again), RefusalReason::HoldNotFound);
}

#[test]
fn over_capture_needs_permission_and_money() {
    let mut world = World::program();
    world.top_up(115);
    let hold = world.hold(100, None, 20);
    let beyond = world.capture(hold, 121, false);
    assert_eq!(world.refused(beyond), RefusalReason::ExceedsHold);
    let without_money = world.capture(hold, 116, false);
    assert_eq!(world.refused(without_money), RefusalReason::InsufficientFunds);
    let capture = world.capture(hold, 115, false);
    assert_eq!(world.transferred(capture).outstanding, Some(0));
    assert_eq!(world.balances(WALLET), (0, 0));
}

#[test]
fn a_hold_can_be_raised_voided_in_part_and_voided() {
    let mut world = World::program();
    world.top_up(100);
    let hold = world.hold(50, None, 0);
    let raise = |amount| Action::IncrementHold { hold, amount: cny(amount) };
    assert_eq!(world.refused(raise(51)), RefusalReason::InsufficientFunds);
    assert_eq!(world.transferred(raise(50)).outstanding, Some(100));
    let void = |amount: Option<i64>| Action::VoidHold { hold, amount: amount.map(cny) };
    assert_eq!(world.refused(void(Some(101))), RefusalReason::ExceedsHold);
    assert_eq!(world.transferred(void(Some(30))).outstanding, Some(70));
    assert_eq!(world.balances(WALLET), (100, 30));
    assert_eq!(world.transferred(void(None)).amount, cny(70));
    assert_eq!(world.balances(WALLET), (100, 100));
    assert_eq!(world.refused(void(None)), RefusalReason::HoldNotFound);
}

#[test]
fn an_outcome_tells_how_the_hold_stands() {
    let mut world = World::program();
    world.top_up(1_000);
    let order =
        world.order(WALLET, SETTLEMENT, 100, TransferMode::Hold { expires_at: None, over_capture: 5 });
    let hold = order.transfer;
    let placed = world.transferred(Action::Transfer(Box::new(order)));
    let sums =
        |held, captured, over_captured, released| Some(HoldSums { held, captured, over_captured, released });
    assert_eq!(placed.hold, sums(100, 0, 0, 0));
    let raised = world.transferred(Action::IncrementHold { hold, amount: cny(50) });
    assert_eq!((raised.hold, raised.outstanding), (sums(150, 0, 0, 0), Some(150)));
    let capture = world.capture(hold, 60, false);
    assert_eq!(world.transferred(capture).hold, sums(150, 60, 0, 0));
    let voided = world.transferred(Action::VoidHold { hold, amount: Some(cny(40)) });
    assert_eq!((voided.hold, voided.outstanding), (sums(150, 60, 0, 40), Some(50)));
    // The state forgets a hold that has ended; the outcome tells how it did.
    let capture = world.capture(hold, 55, false);
    let ended = world.transferred(capture);
    assert_eq!((ended.hold, ended.outstanding), (sums(150, 110, 5, 40), Some(0)));
    assert_eq!(world.engine.hold(hold), None);
    let rest = world.hold(100, None, 0);
    let capture = world.capture(rest, 30, true);
    assert_eq!(world.transferred(capture).hold, sums(100, 30, 0, 70));
    assert_eq!(world.post(WALLET, SETTLEMENT, 1).hold, None);
}

#[test]
fn holds_expire_by_time_oldest_first_and_a_bounded_number_at_a_time() {
    let mut world = World::program();
    world.top_up(100);
    let later = world.hold(10, Some(2), 0);
    let sooner = world.hold(20, Some(1), 0);
    let never = world.hold(5, None, 0);
    assert_eq!(world.tick(), 0);
    world.days(2);
    let capture = world.capture(sooner, 1, false);
    assert_eq!(world.refused(capture), RefusalReason::HoldExpired);
    assert_eq!(
        world.refused(Action::IncrementHold { hold: sooner, amount: cny(1) }),
        RefusalReason::HoldExpired
    );
    assert_eq!(world.run(Action::Tick { max: 1 }), Outcome::Ticked { ended: 1, more: true });
    assert_eq!(world.engine.hold(sooner), None);
    assert_eq!(world.run(Action::Tick { max: 1 }), Outcome::Ticked { ended: 1, more: false });
    assert_eq!(world.engine.hold(later), None);
    assert!(world.engine.hold(never).is_some());
    assert_eq!(world.engine.next_due(), None);
    assert_eq!(world.balances(WALLET), (100, 95));
}

#[test]
fn a_transfer_is_reversed_once() {
    let mut world = World::program();
    world.top_up(100);
    let original = world.post(WALLET, SETTLEMENT, 40);
    let reversal = |transfer: TransferId| {
        Action::ReverseTransfer(Box::new(ReverseTransfer {
            transfer,
            original: original.transfer,
            original_debit: id(WALLET),
            original_credit: id(SETTLEMENT),
            original_amount: cny(40),
            reason: text("wrong account"),
        }))
    };
    world.transferred(reversal(id(901)));
    assert_eq!(world.balances(WALLET), (100, 100));
    let Effect::TransferPosted(posted) = &world.effects()[0] else { panic!() };
    assert_eq!(posted.cause, Cause::Reversal(original.transfer));
    assert_eq!(world.refused(reversal(id(902))), RefusalReason::AlreadyReversed);
}

#[test]
fn time_never_goes_back() {
    let mut world = World::program();
    world.top_up(100);
    let before = world.at;
    world.days(1);
    world.post(WALLET, SETTLEMENT, 1);
    let latest = world.at;
    world.at = before;
    world.post(WALLET, SETTLEMENT, 1);
    let Effect::TransferPosted(posted) = &world.effects()[0] else { panic!() };
    assert_eq!((posted.booked_at, world.engine.now()), (latest, latest));
}

#[test]
fn what_changes_nothing_leaves_no_trace_of_its_time() {
    let mut world = World::program();
    let credit = world.bank_credit("WALLET", 5);
    world.run(Action::BookBankCredit(Box::new(credit.clone())));
    let before = world.engine.snapshot();
    world.days(3);
    assert!(matches!(world.run(Action::BookBankCredit(Box::new(credit))), Outcome::BookedBefore { .. }));
    assert_eq!(world.tick(), 0);
    assert_eq!(world.engine.snapshot(), before);
}
