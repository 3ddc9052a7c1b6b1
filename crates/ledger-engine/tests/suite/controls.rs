//! Controls, limits and their counters.

use std::time::Duration;

use bursar_ledger_engine::*;
use bursar_types::Timestamp;

use crate::support::*;

fn mccs(ranges: &[(u16, u16)]) -> Vec<MccRange> {
    let range = |(first, last): &(u16, u16)| MccRange {
        first: Mcc::new(*first).unwrap(),
        last: Mcc::new(*last).unwrap(),
    };
    ranges.iter().map(range).collect()
}

fn used(world: &World, control: u16) -> Vec<(i64, i64)> {
    let snapshot = world.engine.snapshot();
    let counters = snapshot.counters.iter().filter(|counter| counter.key.control == control);
    counters.flat_map(|counter| counter.slots.iter().map(|slot| (slot.amount, slot.count))).collect()
}

fn within(world: &mut World, minor_units: i64) -> Option<Option<i64>> {
    let ask = world.purchase(minor_units);
    world.authorize(ask).decision.failing.first().map(|failing| failing.within)
}

#[test]
fn all_failing_reasons_are_kept_and_the_ranking_one_answers() {
    let mut world = World::with_card(100);
    let deny =
        Control { when: Match { mccs: mccs(&[(5411, 5411)]), ..Match::default() }, ..control(1, Rule::Deny) };
    world.set_controls(ControlScope::Program, vec![limit(7, Measure::Amount(60), Window::Day)]);
    world.set_controls(on_card(), vec![deny, limit(2, Measure::Amount(50), Window::Payment)]);
    world.freeze_card(Role::Customer, FreezeHolder::Customer);
    let ask = world.purchase(500);
    let decision = world.authorize(ask).decision;
    let all: Vec<_> =
        decision.failing.iter().map(|failing| (failing.reason, failing.source, failing.within)).collect();
    let of = |scope, control| FailureSource::Control { scope, control };
    assert_eq!(
        all,
        [
            (DeclineReason::CardFrozen, FailureSource::Platform, None),
            (DeclineReason::AmountLimitExceeded, of(ControlScope::Program, 7), Some(60)),
            (DeclineReason::NotPermittedCardholder, of(on_card(), 1), None),
            (DeclineReason::AmountLimitExceeded, of(on_card(), 2), Some(50)),
            (DeclineReason::InsufficientFunds, FailureSource::Platform, Some(100)),
        ]
    );
    assert_eq!(decision.reason, Some(DeclineReason::NotPermittedCardholder));
}

#[test]
fn every_dimension_of_a_match_must_fit() {
    let online = Match { channels: vec![Channel::Online], ..Match::default() };
    let gambling = Match { mccs: mccs(&[(7995, 7995), (6051, 6051)]), ..Match::default() };
    let abroad = Match { countries: vec![Country::new("US").unwrap()], ..Match::default() };
    let shop = Match { merchants: vec![text("M-1")], ..Match::default() };
    let cross = Match { cross_border: Some(true), ..Match::default() };
    let both =
        Match { channels: vec![Channel::Online], countries: abroad.countries.clone(), ..Match::default() };
    // Denied for an online purchase of 6051 in the US at M-1, and for a domestic one at a terminal?
    for (when, foreign, domestic) in [
        (online, true, false),
        (gambling, true, false),
        (abroad, true, false),
        (shop, true, true),
        (cross, true, false),
        (both, true, false),
    ] {
        let mut world = World::with_card(1_000);
        world.set_controls(on_card(), vec![Control { when: when.clone(), ..control(1, Rule::Deny) }]);
        let mut ask = world.purchase(1);
        (ask.channel, ask.entry_mode, ask.merchant) =
            (Channel::Online, EntryMode::Keyed, merchant(6051, "US"));
        let verdict = |decided: Decided| decided.decision.verdict == Verdict::Declined;
        assert_eq!(verdict(world.authorize(ask)), foreign, "{when:?}");
        let ask = world.purchase(1);
        assert_eq!(verdict(world.authorize(ask)), domestic, "{when:?}");
        // An allow-list is the mirror image.
        world.set_controls(on_card(), vec![Control { when: when.clone(), ..control(1, Rule::AllowOnly) }]);
        let ask = world.purchase(1);
        assert_eq!(verdict(world.authorize(ask)), !domestic, "{when:?}");
    }
}

#[test]
fn what_a_denial_is_called_depends_on_what_can_be_done_about_it() {
    let mut world = World::with_card(100);
    let pos = Match { channels: vec![Channel::Pos], ..Match::default() };
    let mut deny = Control { when: pos, ..control(1, Rule::Deny) };
    world.set_controls(on_card(), vec![deny.clone()]);
    let ask = world.purchase(1);
    assert_eq!(world.declined(ask), DeclineReason::NotPermittedTerminal);
    deny.customer_can_change = true;
    world.set_controls(on_card(), vec![deny]);
    let ask = world.purchase(1);
    assert_eq!(world.declined(ask), DeclineReason::ControlForbids);
}

#[test]
fn a_daily_limit_turns_at_local_midnight() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(100), Window::Day)]);
    // 23:59:59 in China.
    world.at = Timestamp::from_micros((NOON + 12 * 3600 - 1) * 1_000_000);
    world.approve(100);
    assert_eq!(within(&mut world, 1), Some(Some(0)));
    world.wait(Duration::from_secs(1));
    world.approve(100);
    assert_eq!(within(&mut world, 1), Some(Some(0)));
}

#[test]
fn each_window_forgets_when_it_should() {
    let day = 86_400;
    for (window, inside, outside) in [
        (Window::Day, 11 * 3600, 13 * 3600),
        // 2026-11-22 is a Sunday.
        (Window::Week, 11 * 3600, 13 * 3600),
        (Window::Month, 8 * day, 9 * day),
        (Window::Year, 39 * day, 40 * day),
        (Window::Lifetime, 39 * day, 0),
        (Window::Rolling { seconds: 6_000 }, 6_000, 6_101),
    ] {
        let mut world = World::with_card(1_000);
        world.set_controls(on_card(), vec![limit(1, Measure::Count(1), window)]);
        world.approve(1);
        let start = world.at;
        world.at = start.plus(Duration::from_secs(inside));
        assert_eq!(within(&mut world, 1), Some(Some(0)), "{window:?}");
        if outside > 0 {
            world.at = start.plus(Duration::from_secs(outside));
            assert_eq!(within(&mut world, 1), None, "{window:?}");
        }
    }
}

#[test]
fn a_rolling_window_counts_its_slots_and_forgets_the_oldest() {
    let mut world = World::with_card(10_000);
    let window = Window::Rolling { seconds: 600 };
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(1_000), window)]);
    for _ in 0..100 {
        world.approve(10);
        world.wait(Duration::from_secs(10));
    }
    let counter = &world.engine.snapshot().counters[0];
    assert_eq!(counter.slots.len(), 61);
    assert_eq!(within(&mut world, 1_000), Some(Some(400)), "sixty slots before the present one");
}

#[test]
fn counters_are_shared_as_the_limit_says() {
    for (per, shared) in [
        (CountedPer::Card, false),
        (CountedPer::Account, true),
        (CountedPer::Product, true),
        (CountedPer::Program, true),
    ] {
        let mut world = World::with_card(1_000);
        world.issue(301);
        let rule = Rule::Limit { measure: Measure::Amount(100), window: Window::Month, per };
        world.set_controls(ControlScope::Program, vec![control(1, rule)]);
        world.approve(100);
        let mut ask = world.purchase(1);
        ask.card = id(301);
        let declined = world.authorize(ask).decision.verdict == Verdict::Declined;
        assert_eq!(declined, shared, "{per:?}");
    }
}

#[test]
fn counters_come_back_exactly_with_the_hold() {
    let mut world = World::with_card(1_000);
    world.set_controls(
        on_card(),
        vec![
            limit(1, Measure::Amount(500), Window::Month),
            limit(2, Measure::Count(3), Window::Day),
            limit(3, Measure::Amount(400), Window::Rolling { seconds: 600 }),
        ],
    );
    let payment = world.approve(300);
    assert_eq!(used(&world, 1), [(300, 1)]);
    world.reverse(payment, Some(100));
    assert_eq!((used(&world, 1), used(&world, 2)), (vec![(200, 1)], vec![(200, 1)]));
    world.reverse(payment, None);
    assert_eq!(
        (used(&world, 1), used(&world, 2), used(&world, 3)),
        (vec![(0, 0)], vec![(0, 0)], vec![(0, 0)])
    );
    assert!(world.payment(payment).counted.is_empty());
    world.approve(400);
}

#[test]
fn what_was_counted_on_another_day_comes_back_there() {
    let mut world = World::with_card(1_000);
    world.set_controls(
        on_card(),
        vec![limit(1, Measure::Amount(500), Window::Month), limit(2, Measure::Amount(300), Window::Day)],
    );
    let payment = world.approve(300);
    world.days(1);
    let second = world.approve(50);
    assert_eq!((used(&world, 1), used(&world, 2)), (vec![(350, 2)], vec![(50, 1)]));
    world.reverse(payment, None);
    // The day has turned: only the month gives anything back.
    assert_eq!((used(&world, 1), used(&world, 2)), (vec![(50, 1)], vec![(50, 1)]));
    world.clear(second, 50, true, false);
    assert_eq!(used(&world, 1), [(50, 1)], "a clearing counts nothing twice");
}

#[test]
fn an_expired_hold_gives_back_and_a_late_clearing_counts_again() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(500), Window::Lifetime)]);
    let payment = world.approve(300);
    world.days(6);
    assert_eq!(world.tick(), 1);
    assert_eq!(used(&world, 1), [(0, 0)]);
    world.clear(payment, 300, true, false);
    assert_eq!(used(&world, 1), [(300, 1)]);
}

#[test]
fn a_clearing_below_gives_the_rest_back_and_one_above_counts_more() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(900), Window::Lifetime)]);
    let payment = world.approve(300);
    world.clear(payment, 200, true, false);
    assert_eq!(used(&world, 1), [(200, 1)]);
    world.clear(payment, 50, true, true);
    assert_eq!(used(&world, 1), [(250, 1)]);
}

#[test]
fn a_changed_limit_goes_on_with_its_counter_and_a_new_one_starts_empty() {
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(100), Window::Month)]);
    world.approve(100);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(150), Window::Month)]);
    assert_eq!(within(&mut world, 51), Some(Some(50)));
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(150), Window::Year)]);
    world.approve(150);
    world.set_controls(on_card(), vec![limit(1, Measure::Amount(150), Window::Month)]);
    assert_eq!(within(&mut world, 51), Some(Some(50)), "what was counted by month is there again");
}

#[test]
fn controls_that_contradict_themselves_are_refused() {
    let mut world = World::with_card(0);
    let rolling = |seconds| limit(1, Measure::Amount(1), Window::Rolling { seconds });
    let backwards = MccRange { first: Mcc::new(9).unwrap(), last: Mcc::new(8).unwrap() };
    for controls in [
        vec![control(1, Rule::AllowOnly)],
        vec![limit(1, Measure::Amount(-1), Window::Day)],
        vec![limit(1, Measure::Count(1), Window::Payment)],
        vec![rolling(9)],
        vec![rolling(31 * 86_400 + 1)],
        vec![control(1, Rule::Deny), control(1, Rule::Deny)],
        vec![Control { when: Match { mccs: vec![backwards], ..Match::default() }, ..control(1, Rule::Deny) }],
    ] {
        let action = Action::SetControls { scope: on_card(), controls: controls.clone() };
        assert_eq!(world.refused(action), RefusalReason::InvalidField, "{controls:?}");
    }
    let many = (0..=64).map(|n| control(n, Rule::Deny)).collect();
    assert_eq!(
        world.refused(Action::SetControls { scope: on_card(), controls: many }),
        RefusalReason::TooMany
    );
    let of_product = Action::SetControls { scope: ControlScope::Product(product()), controls: Vec::new() };
    assert_eq!(world.refused(of_product), RefusalReason::InvalidField);
}

/// Whether a purchase at `minute` of a day that is so many days after Monday, 2026-11-23 in the program's zone, is
/// declined.
fn declined_at(world: &mut World, day: u64, minute: u64) -> bool {
    // 2026-11-22T16:00:00Z is that Monday's first moment in China.
    world.at = Timestamp::from_micros(1_795_363_200_000_000);
    world.wait(Duration::from_secs(day * 86_400 + minute * 60));
    let ask = world.purchase(1);
    world.authorize(ask).decision.verdict == Verdict::Declined
}

#[test]
fn hours_are_in_their_zone_and_go_over_midnight() {
    let night = |zone| {
        let hours = Some(Hours { days: 0b000_0001, from: 22 * 60, until: 6 * 60 });
        let when = Match { hours, ..Match::default() };
        Control { zone, ..Control::new(1, when, Rule::Deny) }
    };
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![night(None)]);
    let answers = [(0, 0), (0, 1319), (0, 1320), (1, 0), (1, 359), (1, 360), (1, 1320)]
        .map(|(day, minute)| declined_at(&mut world, day, minute));
    assert_eq!(answers, [false, false, true, true, true, false, false]);
    // Two hours further west the same night begins two hours later.
    let mut world = World::with_card(1_000);
    world.set_controls(on_card(), vec![night(ZoneOffset::from_minutes(360))]);
    let answers =
        [(0, 1320), (1, 0), (1, 479), (1, 480)].map(|(day, minute)| declined_at(&mut world, day, minute));
    assert_eq!(answers, [false, true, true, false]);
}

#[test]
fn exceptions_are_left_alone() {
    let mut world = World::with_card(1_000);
    let everything = Control::new(1, Match::default(), Rule::Deny);
    let groceries = Match { mccs: mccs(&[(5411, 5411)]), ..Match::default() };
    let denies = |world: &mut World, control: Control| {
        world.set_controls(ControlScope::Program, vec![control]);
        let ask = world.purchase(1);
        world.authorize(ask).decision.verdict == Verdict::Declined
    };
    assert!(denies(&mut world, everything.clone()));
    assert!(!denies(&mut world, Control { unless: Some(Box::new(groceries)), ..everything.clone() }));
    for scope in [ControlScope::Product(product()), ControlScope::Account(id(WALLET)), on_card()] {
        assert!(!denies(&mut world, Control { except: vec![scope], ..everything.clone() }));
    }
    assert!(denies(
        &mut world,
        Control { except: vec![ControlScope::Card(id(4_444))], ..everything.clone() }
    ));
    let chip = Match { entry_modes: vec![EntryMode::Chip], ..Match::default() };
    assert!(denies(&mut world, Control { when: chip.clone(), ..everything.clone() }));
    assert!(!denies(&mut world, Control { when: chip, rule: Rule::AllowOnly, ..everything.clone() }));
    // What would hold for nothing at all is surely not meant.
    let nothing = Control { except: vec![ControlScope::Program], ..everything };
    let set = Action::SetControls { scope: ControlScope::Program, controls: vec![nothing] };
    assert_eq!(world.refused(set), RefusalReason::InvalidField);
}
