//! The decision on an authorization.

use std::time::Duration;

use bursar_ledger_engine::*;

use crate::support::*;

#[test]
fn an_approval_holds_the_money_and_says_until_when() {
    let mut world = World::with_card(1_000);
    let ask = world.purchase(400);
    let hold = ask.transfers;
    let decided = world.authorize(ask);
    assert_eq!(decided.decision.verdict, Verdict::Approved);
    assert_eq!((decided.decision.approved, decided.decision.spendable_before), (400, Some(1_000)));
    assert_eq!(decided.decision.hold_until, Some(world.at.plus(Duration::from_secs(5 * 86_400))));
    assert_eq!(decided.approval_code, Some(text("A1B2C3")));
    assert_eq!(world.balances(WALLET), (1_000, 600));
    assert_eq!(world.engine.hold(hold).unwrap().payment, Some(decided.payment));
    assert_eq!(world.payment(decided.payment).status(), PaymentStatus::Authorized);
}

#[test]
fn holds_last_as_long_as_the_profile_says() {
    for (channel, entry, mcc, amount, days) in [
        (Channel::Pos, EntryMode::Chip, 5411, 500, 5),
        (Channel::Online, EntryMode::Keyed, 5411, 500, 10),
        (Channel::Online, EntryMode::Keyed, 7011, 500, 30),
        (Channel::Pos, EntryMode::Chip, 3501, 500, 30),
        (Channel::Pos, EntryMode::Chip, 5542, 100, 1),
        (Channel::Pos, EntryMode::Chip, 5542, 101, 5),
    ] {
        let mut world = World::with_card(1_000);
        let mut ask = world.purchase(amount);
        (ask.channel, ask.entry_mode, ask.merchant) = (channel, entry, merchant(mcc, "CN"));
        let until = world.authorize(ask).decision.hold_until.unwrap();
        assert_eq!(until.since(world.at), Duration::from_secs(86_400 * days), "{channel:?} {mcc} {amount}");
    }
}

#[test]
fn a_decline_is_recorded_and_moves_nothing() {
    let mut world = World::with_card(100);
    let ask = world.purchase(101);
    let payment = ask.payment;
    let decided = world.authorize(ask.clone());
    assert_eq!(decided.decision.reason, Some(DeclineReason::InsufficientFunds));
    assert_eq!(decided.decision.failing[0].within, Some(100));
    assert_eq!(decided.approval_code, None);
    assert_eq!(world.balances(WALLET), (100, 100));
    assert_eq!(world.payment(payment).status(), PaymentStatus::Declined);
    assert_eq!(world.payment(payment).elements[0].kind, ElementKind::Declined);
    assert_eq!(world.refused(Action::Authorize(Box::new(ask))), RefusalReason::AlreadyExists);
}

#[test]
fn a_terminal_that_can_takes_what_there_is() {
    let mut world = World::with_card(100);
    let mut ask = world.purchase(150);
    ask.partial_allowed = true;
    let decided = world.authorize(ask);
    assert_eq!((decided.decision.verdict, decided.decision.approved), (Verdict::PartiallyApproved, 100));
    assert_eq!(world.balances(WALLET), (100, 0));
    let mut ask = world.purchase(150);
    ask.partial_allowed = true;
    assert_eq!(world.declined(ask), DeclineReason::InsufficientFunds);
}

#[test]
fn an_account_check_holds_nothing() {
    let mut world = World::with_card(0);
    world.set_controls(on_card(), vec![limit(1, Measure::Count(0), Window::Day)]);
    let mut ask = world.purchase(0);
    ask.kind = PaymentKind::AccountCheck;
    let decided = world.authorize(ask);
    assert_eq!((decided.decision.verdict, decided.decision.hold_until), (Verdict::Approved, None));
    assert_eq!(world.payment(decided.payment).status(), PaymentStatus::Checked);
    assert!(matches!(world.clear(decided.payment, 1, true, true), Outcome::Refused(_)));
    let mut ask = world.purchase(1);
    ask.kind = PaymentKind::AccountCheck;
    assert_eq!(world.declined(ask), DeclineReason::InvalidAmount);
}

#[test]
fn a_channel_gets_the_proof_it_needs() {
    let mut needy = spec();
    needy.needs = vec![
        ChannelNeeds { channel: Channel::Online, needs: Needs::CvvOrPassword },
        ChannelNeeds { channel: Channel::InApp, needs: Needs::Password },
        ChannelNeeds { channel: Channel::Moto, needs: Needs::Cvv },
        ChannelNeeds { channel: Channel::Atm, needs: Needs::Pin },
    ];
    let mut world = World::with_card_of(needy, 1_000);
    let cvv = Verification { cvv: CvvResult::Matched, ..Verification::NONE };
    let pin = Verification { pin: PinResult::Verified, ..Verification::NONE };
    let until = world.at.plus(Duration::from_secs(60));
    let password = |n: u8| {
        let proof = text(&format!("proof-{n}"));
        Verification {
            password: PasswordResult::Verified { proof, valid_until: until },
            ..Verification::NONE
        }
    };
    for (channel, verification, good) in [
        (Channel::Pos, Verification::NONE, true),
        (Channel::Online, Verification::NONE, false),
        (Channel::Online, cvv.clone(), true),
        (Channel::Online, password(1), true),
        (Channel::InApp, cvv.clone(), false),
        (Channel::InApp, password(2), true),
        (Channel::Moto, password(3), false),
        (Channel::Moto, cvv.clone(), true),
        (Channel::Atm, cvv, false),
        (Channel::Atm, pin, true),
    ] {
        let mut ask = world.purchase(1);
        (ask.channel, ask.entry_mode, ask.verification) = (channel, EntryMode::Unknown, verification.clone());
        let reason = world.authorize(ask).decision.reason;
        let wanted = (!good).then_some(DeclineReason::VerificationRequired);
        assert_eq!(reason, wanted, "{channel:?} {verification:?}");
    }
}

#[test]
fn a_proof_serves_once_and_in_time() {
    let mut world = World::with_card(1_000);
    let until = world.at.plus(Duration::from_secs(60));
    let with = |world: &mut World, proof: &str, amount: i64| {
        let mut ask = world.purchase(amount);
        let password = PasswordResult::Verified { proof: text(proof), valid_until: until };
        ask.verification = Verification { password, ..Verification::NONE };
        ask
    };
    // A decline burns nothing.
    let ask = with(&mut world, "p", 1_001);
    assert_eq!(world.declined(ask), DeclineReason::InsufficientFunds);
    let ask = with(&mut world, "p", 10);
    assert_eq!(world.authorize(ask).decision.verdict, Verdict::Approved);
    let ask = with(&mut world, "p", 10);
    assert_eq!(world.declined(ask), DeclineReason::SecurityViolation);
    world.wait(Duration::from_secs(61));
    let ask = with(&mut world, "q", 10);
    assert_eq!(world.declined(ask), DeclineReason::SecurityViolation);
    // Out of time, it need not be remembered.
    assert_eq!(world.tick(), 1);
    assert!(world.engine.snapshot().proofs.is_empty());
}

#[test]
fn the_same_message_again_gets_the_stored_answer_and_another_under_its_reference_none() {
    let mut world = World::with_card(1_000);
    let mut ask = world.purchase(100);
    ask.network_reference = Some(text("net-1"));
    let first = world.authorize(ask.clone());
    ask.payment = id(7_001);
    ask.transfers = id(7_002);
    assert_eq!(
        world.run(Action::Authorize(Box::new(ask.clone()))),
        Outcome::DecidedBefore(Decided { facts: None, ..first.clone() })
    );
    assert_eq!(world.balances(WALLET), (1_000, 900));
    ask.amount = cny(101);
    assert_eq!(world.declined(ask), DeclineReason::Duplicate);
    let stored = world.engine.payment_by_network(&text("net-1")).unwrap();
    assert_eq!(stored.id, first.payment);
}

#[test]
fn fees_are_held_with_the_amount_and_need_their_own_money() {
    let mut dear = spec();
    let fee = |id, event, flat, basis_points| FeeItem {
        id,
        event,
        flat,
        basis_points,
        min: 0,
        max: None,
        tiers: Vec::new(),
        free_per_month: 0,
    };
    dear.fees = vec![fee(1, FeeEvent::CrossBorder, 0, 150), fee(2, FeeEvent::Cash, 20, 0)];
    let mut world = World::with_card_of(dear, 1_000);
    let mut ask = world.purchase(1_000);
    assert_eq!(world.authorize(ask.clone()).decision.fee, 0);
    world.reverse(ask.payment, None);

    ask = world.purchase(1_000);
    ask.merchant = merchant(5411, "US");
    assert_eq!(world.declined(ask.clone()), DeclineReason::InsufficientFunds);
    ask.payment = id(8_001);
    ask.partial_allowed = true;
    let decided = world.authorize(ask);
    assert_eq!((decided.decision.approved, decided.decision.fee), (985, 15));
    assert_eq!(world.balances(WALLET), (1_000, 0));
    world.clear(decided.payment, 985, true, false);
    assert_eq!((world.balances(WALLET), world.balances(FEES)), ((0, 0), (15, 15)));
    assert_eq!(world.payment(decided.payment).sums.fees, 15);
    let posted: Vec<_> = world
        .effects()
        .iter()
        .filter_map(|effect| match effect {
            Effect::TransferPosted(posted) => Some((posted.code, posted.cause)),
            _ => None,
        })
        .collect();
    assert_eq!(posted[1].0, TransferCode::FEE);
    assert!(matches!(posted[1].1, Cause::PaymentCapture { payment, .. } if payment == decided.payment));
}

#[test]
fn a_fee_that_was_held_goes_back_with_the_hold() {
    for by_time in [false, true] {
        let mut dear = spec();
        dear.fees = vec![FeeItem {
            id: 1,
            event: FeeEvent::Purchase,
            flat: 7,
            basis_points: 0,
            min: 0,
            max: None,
            tiers: Vec::new(),
            free_per_month: 0,
        }];
        let mut world = World::with_card_of(dear, 1_000);
        let payment = world.approve(100);
        assert_eq!(world.balances(WALLET), (1_000, 893));
        if by_time {
            world.days(5);
            world.tick();
        } else {
            world.reverse(payment, Some(40));
            assert_eq!(world.balances(WALLET), (1_000, 933));
            world.reverse(payment, None);
        }
        assert_eq!(world.balances(WALLET), (1_000, 1_000));
    }
}

#[test]
fn an_in_app_payment_is_posted_at_once() {
    let mut world = World::with_card(1_000);
    let mut ask = world.purchase(400);
    (ask.channel, ask.entry_mode, ask.capture_now) = (Channel::InApp, EntryMode::InApp, true);
    let decided = world.authorize(ask);
    assert_eq!((decided.sums.cleared, decided.sums.outstanding()), (400, 0));
    assert_eq!((world.balances(WALLET), world.balances(SETTLEMENT)), ((600, 600), (400, 400)));
    assert_eq!(world.payment(decided.payment).status(), PaymentStatus::Cleared);
}

#[test]
fn the_customers_standing_counts() {
    let mut world = World::with_card(1_000);
    for (status, kyc_level, reason) in [
        (CustomerStatus::Active, 0, Some(DeclineReason::KycIncomplete)),
        (CustomerStatus::Suspended, 3, Some(DeclineReason::KycIncomplete)),
        (CustomerStatus::Closed, 3, Some(DeclineReason::NotPermittedCardholder)),
        (CustomerStatus::Active, 1, None),
    ] {
        world.done(Action::SetCustomerStanding { customer: id(CUSTOMER), status, kyc_level });
        let ask = world.purchase(1);
        assert_eq!(world.authorize(ask).decision.reason, reason);
    }
}
