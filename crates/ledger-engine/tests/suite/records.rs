//! Records of decisions: what would have approved a payment, and approvals given in the engine's place.

use bursar_ledger_engine::*;

use crate::support::*;

fn explained(world: &mut World, ask: &Authorize) -> Vec<Change> {
    let decided = world.authorize(ask.clone());
    let record = world.engine.decision_record(ask, decided.facts.as_ref().unwrap()).unwrap();
    record.explain().changes
}

#[test]
fn the_smallest_changes_are_told_and_tried() {
    let mut world = World::with_card(400);
    let abroad = Match { cross_border: Some(true), ..Match::default() };
    let cross_border = Control { customer_can_change: true, ..Control::new(3, abroad, Rule::Deny) };
    world.set_controls(on_card(), vec![cross_border, limit(4, Measure::Amount(312), Window::Day)]);
    let mut ask = world.purchase(1_000);
    ask.merchant = merchant(5411, "US");
    let off = Change::ControlOff { scope: on_card(), control: 3 };
    // The limit leaves less than the balance: one smaller amount keeps to both.
    assert_eq!(explained(&mut world, &ask), [off, Change::AmountAtMost(312)]);
    // The explanation is true.
    (ask.payment, ask.transfers, ask.amount) = (id(9_001), id(9_002), cny(312));
    ask.merchant = merchant(5411, "CN");
    assert_eq!(world.authorize(ask).decision.verdict, Verdict::Approved);
    // Nothing is left of the day's limit, so it is the limit that would have to go, and less of the balance is left.
    let ask = world.purchase(50);
    let off = Change::ControlOff { scope: on_card(), control: 4 };
    assert_eq!(explained(&mut world, &ask), [off]);
}

#[test]
fn states_and_secrets_are_changes_and_what_is_for_good_is_not() {
    let mut world = World::with_card(400);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    let mut ask = world.purchase(10);
    ask.verification.cvv = CvvResult::Mismatched;
    ask.verification.expiry = CardExpiry::new(2031, 1);
    let changes = explained(&mut world, &ask);
    assert_eq!(changes, [Change::CardUnfrozen, Change::ExpiryRight, Change::Verified]);
    let mut ask = world.purchase(10);
    ask.outside = Some(DeclineReason::ExpiryMismatch);
    assert_eq!(explained(&mut world, &ask), [Change::ExpiryRight, Change::CardUnfrozen]);
    world.freeze_card(Role::LegalDesk, FreezeHolder::Legal);
    let ask = world.purchase(10);
    assert_eq!(explained(&mut world, &ask), []);
}

#[test]
fn a_fee_that_does_not_fit_is_part_of_the_smaller_amount() {
    let mut dear = spec();
    dear.fees = vec![FeeItem {
        id: 1,
        event: FeeEvent::NonDirect,
        flat: 5,
        basis_points: 0,
        min: 0,
        max: None,
        tiers: Vec::new(),
        free_per_month: 0,
    }];
    let mut world = World::with_card_of(dear.clone(), 100);
    let ask = world.purchase(100);
    assert_eq!(explained(&mut world, &ask), [Change::AmountAtMost(95)]);
    let mut world = World::with_card_of(dear, 3);
    let ask = world.purchase(2);
    assert_eq!(explained(&mut world, &ask), [Change::SpendableAtLeast(7)]);
}

#[test]
fn what_was_approved_in_the_engines_place_is_held_and_every_reason_kept() {
    let mut world = World::with_card(100);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    let ask = Authorize { stand_in: true, partial_allowed: true, ..world.purchase(250) };
    let decided = world.authorize(ask);
    assert_eq!((decided.decision.verdict, decided.decision.approved), (Verdict::Approved, 250));
    let reasons: Vec<_> = decided.decision.failing.iter().map(|failing| failing.reason).collect();
    assert_eq!(reasons, [DeclineReason::CardFrozen, DeclineReason::InsufficientFunds]);
    assert_eq!((world.balances(WALLET), decided.sums.unheld), ((100, 0), 150));
    let unknown = Authorize { stand_in: true, card: id(777), ..world.purchase(5) };
    assert_eq!(world.declined(unknown), DeclineReason::CardNotFound);
    world.clear(decided.payment, 250, true, false);
    assert_eq!((world.balances(WALLET), world.balances(RECEIVABLE)), ((0, 0), (150, 150)));
    // Without any money nothing is held; it can be taken back, and presented.
    for back in [Some(4), None] {
        let ask = Authorize { stand_in: true, ..world.purchase(9) };
        let decided = world.authorize(ask);
        assert_eq!(world.payment(decided.payment).status(), PaymentStatus::Authorized);
        world.reverse(decided.payment, back);
        let status = if back.is_some() { PaymentStatus::Authorized } else { PaymentStatus::Reversed };
        assert_eq!(world.payment(decided.payment).status(), status);
    }
}

#[test]
fn the_first_payments_of_a_month_are_free() {
    let mut product = spec();
    product.fees = vec![FeeItem {
        id: 7,
        event: FeeEvent::Purchase,
        flat: 3,
        basis_points: 0,
        min: 0,
        max: None,
        tiers: Vec::new(),
        free_per_month: 2,
    }];
    let mut world = World::with_card_of(product, 1_000);
    let fees = |world: &mut World| {
        let ask = world.purchase(10);
        world.authorize(ask).decision.fee
    };
    assert_eq!([fees(&mut world), fees(&mut world), fees(&mut world)], [0, 0, 3]);
    // What is taken back is free again.
    let paid = world.engine.snapshot().payments.first().unwrap().id;
    world.reverse(paid, None);
    assert_eq!([fees(&mut world), fees(&mut world)], [0, 3]);
    world.days(31);
    assert_eq!(fees(&mut world), 0);
}
