//! The life of a card.

use bursar_ledger_engine::*;

use crate::support::*;

fn status(outcome: &Outcome) -> CardStatus {
    match outcome {
        Outcome::Card { status, .. } => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_is_asked_for_made_and_activated_and_each_step_is_recorded() {
    let mut world = World::program();
    let request = world.request(CARD);
    assert_eq!(status(&world.run(Action::RequestCard(Box::new(request)))), CardStatus::Issuing);
    assert_eq!(world.refused(activate(CARD)), RefusalReason::CardState);
    assert_eq!(status(&world.run(complete(CARD))), CardStatus::PendingActivation);
    assert_eq!(world.refused(complete(CARD)), RefusalReason::CardState);
    assert_eq!(status(&world.run(activate(CARD))), CardStatus::Active);
    let Effect::CardChanged { card, transition } = &world.effects()[0] else { panic!() };
    assert_eq!(card.masked_pan.as_ref().unwrap().as_str(), "622848******1234");
    assert_eq!((transition.sequence, transition.from), (3, Some(CardStatus::PendingActivation)));
    assert_eq!((transition.at, transition.actor.role), (world.at, Role::Operator));
}

#[test]
fn an_issue_that_fails_ends_the_card() {
    let mut world = World::program();
    let request = world.request(CARD);
    world.run(Action::RequestCard(Box::new(request)));
    let fail = Action::FailCardIssue { card: id(CARD), reason: text("range exhausted") };
    assert_eq!(status(&world.run(fail.clone())), CardStatus::Closed(CloseReason::IssueFailed));
    assert_eq!(world.refused(fail), RefusalReason::CardState);
    assert_eq!(world.refused(complete(CARD)), RefusalReason::CardState);
    // The account is free of it.
    world.done(Action::CloseAccount { account: id(WALLET) });
}

#[test]
fn a_customer_lifts_only_their_own_freeze() {
    let mut world = World::with_card(100);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    world.freeze_card(Role::FraudDesk, FreezeHolder::Fraud);
    world.freeze_card(Role::LegalDesk, FreezeHolder::Legal);
    world.freeze_card(Role::Customer, FreezeHolder::Loss);
    for holder in [FreezeHolder::Fraud, FreezeHolder::Legal, FreezeHolder::Loss] {
        let refused = Refusal::new(RefusalReason::FreezeNotYours, Subject::Holder);
        assert_eq!(world.unfreeze_card(Role::Customer, holder), Outcome::Refused(refused));
    }
    let frozen = CardStatus::Frozen;
    assert_eq!(status(&world.unfreeze_card(Role::Customer, FreezeHolder::Customer)), frozen);
    assert_eq!(status(&world.unfreeze_card(Role::FraudDesk, FreezeHolder::Fraud)), frozen);
    assert_eq!(status(&world.unfreeze_card(Role::Operator, FreezeHolder::Loss)), frozen);
    assert_eq!(status(&world.unfreeze_card(Role::LegalDesk, FreezeHolder::Legal)), CardStatus::Active);
    let Effect::CardChanged { transition, .. } = &world.effects()[0] else { panic!() };
    assert_eq!((transition.freeze, transition.sequence), (Some(FreezeHolder::Legal), 11));
}

#[test]
fn who_may_place_and_lift_which_freeze() {
    let roles =
        [Role::Customer, Role::Operator, Role::FraudDesk, Role::LegalDesk, Role::Service, Role::Network];
    let table = |may: fn(FreezeHolder, Role) -> bool| -> Vec<String> {
        let row = |holder: &FreezeHolder| {
            roles.iter().map(|role| if may(*holder, *role) { 'x' } else { '-' }).collect()
        };
        FreezeHolder::ALL.iter().map(row).collect()
    };
    assert_eq!(table(FreezeHolder::placeable_by), ["xx--x-", "-xxxx-", "-xx-x-", "xxxxx-", "---x--"]);
    assert_eq!(table(FreezeHolder::liftable_by), ["xx----", "-xx---", "--x---", "-xx---", "---x--"]);
}

#[test]
fn the_same_freeze_again_changes_nothing() {
    let mut world = World::with_card(100);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    assert_eq!(status(&world.freeze_card(Role::Customer, FreezeHolder::Customer)), CardStatus::Frozen);
    assert!(world.effects().is_empty());
}

#[test]
fn a_frozen_card_pays_nothing_and_pays_again_once_it_is_free() {
    let mut world = World::with_card(100);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    let ask = world.purchase(10);
    assert_eq!(world.declined(ask), DeclineReason::CardFrozen);
    world.unfreeze_card(Role::Customer, FreezeHolder::Customer);
    world.approve(10);
}

#[test]
fn a_closed_card_stays_closed_and_its_reason_decides_the_answer() {
    for (reason, declined) in [
        (CloseReason::Lost, DeclineReason::CardLost),
        (CloseReason::Stolen, DeclineReason::CardStolen),
        (CloseReason::Compromised, DeclineReason::CardClosed),
        (CloseReason::CustomerRequest, DeclineReason::CardClosed),
    ] {
        let mut world = World::with_card(100);
        assert_eq!(status(&world.as_role(Role::Customer, close(reason))), CardStatus::Closed(reason));
        let ask = world.purchase(10);
        assert_eq!(world.declined(ask), declined);
        assert_eq!(world.refused(close(reason)), RefusalReason::CardState);
        assert_eq!(world.refused(activate(CARD)), RefusalReason::CardState);
    }
}

#[test]
fn some_endings_are_not_everyones_to_give() {
    let mut world = World::with_card(100);
    assert_eq!(world.refused(close(CloseReason::Expired)), RefusalReason::InvalidField);
    let refused = Outcome::Refused(Refusal::new(RefusalReason::RoleNotAllowed, Subject::Command));
    assert_eq!(world.as_role(Role::Customer, close(CloseReason::IssuerRequest)), refused);
    assert_eq!(world.as_role(Role::Network, close(CloseReason::Lost)), refused);
}

#[test]
fn a_card_ends_with_its_month_by_the_programs_clock() {
    let mut world = World::with_card(100);
    // 2029-11-30 23:59:59.999999 in China, then the next moment.
    let last = bursar_types::Timestamp::from_micros(1_890_662_400 * 1_000_000 + 86_400_000_000 - 1);
    world.at = last;
    assert_eq!(world.at.to_rfc3339(), "2029-11-30T15:59:59.999999Z");
    world.approve(1);
    world.at = last.plus(std::time::Duration::from_micros(1));
    let ask = world.purchase(1);
    assert_eq!(world.declined(ask), DeclineReason::CardExpired);
    assert_eq!(world.card(CARD).status(), CardStatus::Active, "before the timer came");
    world.tick();
    assert_eq!(world.card(CARD).status(), CardStatus::Closed(CloseReason::Expired));
}

#[test]
fn a_zone_that_moves_moves_the_cards_ends() {
    let mut world = World::with_card(100);
    let mut moved = settings();
    moved.zone = ZoneOffset::from_minutes(0).unwrap();
    let before = world.engine.next_due().unwrap();
    world.done(Action::ConfigureProgram(Box::new(moved)));
    assert_eq!(world.engine.next_due(), Some(before.plus(std::time::Duration::from_secs(8 * 3600))));
    let restored = Engine::restore(world.engine.snapshot()).unwrap();
    assert_eq!(restored.next_due(), world.engine.next_due());
}

#[test]
fn a_single_use_card_closes_with_its_payment() {
    let mut world = World::program();
    world.top_up(100);
    let mut request = world.request(CARD);
    request.single_use = true;
    world.run(Action::RequestCard(Box::new(request)));
    world.run(complete(CARD));
    world.run(activate(CARD));
    let ask = world.purchase(1_000);
    assert_eq!(world.declined(ask), DeclineReason::InsufficientFunds);
    let payment = world.approve(10);
    assert_eq!(world.card(CARD).status(), CardStatus::Closed(CloseReason::SingleUse));
    let ask = world.purchase(1);
    assert_eq!(world.declined(ask), DeclineReason::CardClosed);
    assert!(matches!(world.clear(payment, 10, true, false), Outcome::Payment(_)));
}

#[test]
fn products_are_versioned_and_the_last_active_version_rules() {
    let mut world = World::with_card(10_000);
    let mut stricter = spec();
    stricter.controls = vec![limit(1, Measure::Amount(50), Window::Payment)];
    let drafted = world.run(Action::DraftProduct { product: product(), spec: Box::new(stricter) });
    assert_eq!(drafted, Outcome::Drafted { version: 2 });
    world.approve(51);
    world.done(Action::ActivateProduct { product: product(), version: 2 });
    let states = |world: &World| -> Vec<_> {
        world.engine.product(product()).iter().map(|version| (version.state, version.effective)).collect()
    };
    assert_eq!(states(&world), [(ProductState::Retired, false), (ProductState::Active, true)]);
    let ask = world.purchase(51);
    let decided = world.authorize(ask);
    assert_eq!(decided.decision.reason, Some(DeclineReason::AmountLimitExceeded));
    assert_eq!(decided.decision.product_version, 2);
    world.done(Action::RetireProduct { product: product() });
    assert_eq!(states(&world), [(ProductState::Retired, false), (ProductState::Retired, true)]);
    // No new cards; the old ones still follow it.
    let request = world.request(301);
    assert_eq!(world.refused(Action::RequestCard(Box::new(request))), RefusalReason::ProductState);
    world.approve(50);
    let ask = world.purchase(51);
    assert_eq!(world.declined(ask), DeclineReason::AmountLimitExceeded);
}
