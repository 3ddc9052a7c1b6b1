//! Cards that take another's place.

use bursar_ledger_engine::*;

use crate::support::*;

const NEXT: u128 = 301;
const THIRD: u128 = 302;

fn replace(world: &World, old: u128, new: u128, reason: CloseReason) -> Action {
    let replaces = Some(Replaces { card: id(old), reason });
    Action::RequestCard(Box::new(RequestCard { replaces, ..world.request(new) }))
}

fn pay_with(world: &mut World, card: u128, minor_units: i64) -> Decided {
    let ask = Authorize { card: id(card), ..world.purchase(minor_units) };
    world.authorize(ask)
}

#[test]
fn limits_and_counters_follow_a_whole_chain_and_come_back_exactly() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(100), Window::Month)]);
    let first = world.approve(60);
    world.run(replace(&world, CARD, NEXT, CloseReason::Lost));
    assert_eq!(world.card(CARD).status(), CardStatus::Closed(CloseReason::Lost));
    assert_eq!(world.card(CARD).replaced_by, Some(id(NEXT)));
    world.run(complete(NEXT));
    world.run(activate(NEXT));
    assert_eq!((world.card(NEXT).replaces, world.card(NEXT).chain()), (Some(id(CARD)), id(CARD)));

    let decision = pay_with(&mut world, NEXT, 41).decision;
    assert_eq!(
        (decision.reason, decision.failing[0].within),
        (Some(DeclineReason::AmountLimitExceeded), Some(40))
    );
    assert_eq!(pay_with(&mut world, NEXT, 40).decision.verdict, Verdict::Approved);
    // The old card's payment gives back what it counted, and the new card may use it.
    world.reverse(first, None);
    assert_eq!(pay_with(&mut world, NEXT, 60).decision.verdict, Verdict::Approved);

    world.run(replace(&world, NEXT, THIRD, CloseReason::Replaced));
    world.run(complete(THIRD));
    // What is set on one of a chain holds for all of it.
    world.set_controls(ControlScope::Card(id(THIRD)), vec![limit(1, Measure::Amount(130), Window::Month)]);
    assert_eq!(world.engine.controls(on_card()), world.engine.controls(ControlScope::Card(id(THIRD))));
    assert_eq!(pay_with(&mut world, NEXT, 31).decision.failing[0].within, Some(30));
    assert_eq!(pay_with(&mut world, NEXT, 30).decision.verdict, Verdict::Approved);
}

#[test]
fn a_worn_card_pays_until_its_successor_is_activated() {
    let mut world = World::with_card(1_000);
    world.run(replace(&world, CARD, NEXT, CloseReason::Replaced));
    world.run(complete(NEXT));
    world.approve(10);
    world.run(activate(NEXT));
    assert_eq!(world.card(CARD).status(), CardStatus::Closed(CloseReason::Replaced));
    let ask = world.purchase(10);
    assert_eq!(world.declined(ask), DeclineReason::CardClosed);
    assert_eq!(pay_with(&mut world, NEXT, 10).decision.verdict, Verdict::Approved);
}

#[test]
fn a_card_is_replaced_once_and_again_only_if_that_failed() {
    let mut world = World::with_card(1_000);
    world.run(replace(&world, CARD, NEXT, CloseReason::Stolen));
    assert_eq!(world.refused(replace(&world, CARD, THIRD, CloseReason::Stolen)), RefusalReason::CardState);
    world.run(Action::FailCardIssue { card: id(NEXT), reason: text("range exhausted") });
    assert_eq!(world.card(CARD).replaced_by, None);
    world.run(replace(&world, CARD, THIRD, CloseReason::Stolen));
    assert_eq!(world.card(CARD).replaced_by, Some(id(THIRD)));
}

#[test]
fn only_a_card_of_the_same_kind_takes_anothers_place() {
    let mut world = World::with_card(1_000);
    let mut other = world.request(NEXT);
    other.replaces = Some(Replaces { card: id(CARD), reason: CloseReason::Lost });
    other.single_use = true;
    assert_eq!(world.refused(Action::RequestCard(Box::new(other))), RefusalReason::InvalidField);
    assert_eq!(world.refused(replace(&world, 999, NEXT, CloseReason::Lost)), RefusalReason::CardNotFound);
    assert_eq!(
        world.refused(replace(&world, CARD, NEXT, CloseReason::SingleUse)),
        RefusalReason::InvalidField
    );
    world.run(Action::CloseCard {
        card: id(CARD),
        close: CloseReason::CustomerRequest,
        reason: text("done"),
        channel: text("app"),
    });
    assert_eq!(world.refused(replace(&world, CARD, NEXT, CloseReason::Lost)), RefusalReason::CardState);
}
