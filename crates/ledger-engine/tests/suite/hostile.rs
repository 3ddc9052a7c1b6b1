//! Any command with any numbers, ids that meet and ids that do not: never a panic, never an invariant broken, never a
//! refusal that changed something, never an effect that tells less than the state. The world checks all of that.

use std::time::Duration;

use bursar_ledger_engine::*;
use bursar_types::Timestamp;
use proptest::prelude::*;

use crate::support::*;

/// Few ids, so that they meet.
fn some_id() -> BoxedStrategy<u128> {
    prop_oneof![
        Just(WALLET),
        Just(SETTLEMENT),
        Just(SUSPENSE),
        Just(RECEIVABLE),
        Just(CARD),
        Just(301),
        Just(CUSTOMER),
        Just(PRODUCT),
        600..606_u128,
        Just(u128::MAX),
    ]
    .boxed()
}

fn amount() -> BoxedStrategy<bursar_types::Money> {
    let units = prop_oneof![
        6 => 0..500_i64,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX / 2 + 1),
        1 => any::<i64>(),
    ];
    let code = prop_oneof![20 => Just("CNY"), 1 => Just("USD")];
    (units, code).prop_map(|(units, code)| bursar_types::Money::new(units, asset(code))).boxed()
}

fn reference() -> BoxedStrategy<Reference> {
    prop_oneof![Just("r-1"), Just("r-2"), Just("")].prop_map(text).boxed()
}

fn payment_ref() -> BoxedStrategy<PaymentRef> {
    prop_oneof![
        3 => some_id().prop_map(|n| PaymentRef::Id(id(n))),
        1 => reference().prop_map(PaymentRef::Network),
    ]
    .boxed()
}

fn holder() -> BoxedStrategy<FreezeHolder> {
    proptest::sample::select(FreezeHolder::ALL).boxed()
}

fn window() -> BoxedStrategy<Window> {
    prop_oneof![
        Just(Window::Payment),
        Just(Window::Day),
        Just(Window::Week),
        Just(Window::Month),
        Just(Window::Year),
        Just(Window::Lifetime),
        any::<u32>().prop_map(|seconds| Window::Rolling { seconds }),
        (10..100_u32).prop_map(|seconds| Window::Rolling { seconds }),
    ]
    .boxed()
}

fn some_control() -> BoxedStrategy<Control> {
    let measure = prop_oneof![any::<i64>().prop_map(Measure::Amount), any::<u32>().prop_map(Measure::Count)];
    let per = proptest::sample::select(vec![
        CountedPer::Card,
        CountedPer::Account,
        CountedPer::Product,
        CountedPer::Program,
    ]);
    let limit =
        (measure, window(), per).prop_map(|(measure, window, per)| Rule::Limit { measure, window, per });
    let rule = prop_oneof![6 => limit, 1 => Just(Rule::Deny), 1 => Just(Rule::AllowOnly)];
    let cross = proptest::option::of(any::<bool>());
    (0..4_u16, rule, cross, any::<bool>())
        .prop_map(|(id, rule, cross_border, customer_can_change)| Control {
            id,
            when: Match { cross_border, ..Match::default() },
            rule,
            customer_can_change,
            unless: None,
            except: Vec::new(),
            zone: None,
        })
        .boxed()
}

fn money_action() -> BoxedStrategy<Action> {
    let mode = prop_oneof![
        3 => Just(TransferMode::Post),
        1 => Just(TransferMode::Balancing),
        3 => (proptest::option::of(any::<i64>().prop_map(Timestamp::from_micros)), any::<i64>())
            .prop_map(|(expires_at, over_capture)| TransferMode::Hold { expires_at, over_capture }),
    ];
    let order =
        (some_id(), some_id(), some_id(), amount(), mode).prop_map(|(n, debit, credit, amount, mode)| {
            TransferOrder {
                transfer: id(n),
                debit: id(debit),
                credit: id(credit),
                amount,
                mode,
                code: TransferCode::TRANSFER,
                value_date: None,
                reference: Text::default(),
                description: Text::default(),
            }
        });
    let order = order.boxed();
    prop_oneof![
        4 => order.clone().prop_map(|order| Action::Transfer(Box::new(order))),
        1 => (proptest::collection::vec(order, 0..5), any::<bool>())
            .prop_map(|(orders, linked)| Action::TransferBatch { orders, linked }),
        2 => (some_id(), amount(), any::<bool>()).prop_map(|(n, amount, last)| {
            let (transfer, description) = (id(n.wrapping_add(1)), Text::default());
            let capture = CaptureHold { hold: id(n), transfer, amount, last, value_date: None, description };
            Action::CaptureHold(Box::new(capture))
        }),
        1 => (some_id(), amount()).prop_map(|(n, amount)| Action::IncrementHold { hold: id(n), amount }),
        1 => (some_id(), proptest::option::of(amount()))
            .prop_map(|(n, amount)| Action::VoidHold { hold: id(n), amount }),
        1 => (some_id(), some_id(), some_id(), amount()).prop_map(|(n, debit, credit, amount)| {
            Action::ReverseTransfer(Box::new(ReverseTransfer {
                transfer: id(1),
                original: id(n),
                original_debit: id(debit),
                original_credit: id(credit),
                original_amount: amount,
                reason: Text::default(),
            }))
        }),
        2 => (amount(), reference()).prop_map(|(amount, bank_transaction_id)| {
            Action::BookBankCredit(Box::new(BookBankCredit {
                transfer: id(1),
                funding_reference: text("WALLET"),
                amount,
                bank_reference: Text::default(),
                bank_transaction_id,
                value_date: None,
            }))
        }),
    ]
    .boxed()
}

fn payment_action() -> BoxedStrategy<Action> {
    let ask = (some_id(), some_id(), amount(), any::<[bool; 4]>(), proptest::option::of(reference()));
    let kind = proptest::sample::select(vec![
        PaymentKind::Purchase,
        PaymentKind::Purchase,
        PaymentKind::Cash,
        PaymentKind::AccountCheck,
    ]);
    let authorize = (ask, kind, proptest::sample::select(Channel::ALL)).prop_map(
        |(
            (payment, card, amount, [partial_allowed, capture_now, abroad, known], network_reference),
            kind,
            channel,
        )| {
            Action::Authorize(Box::new(Authorize {
                payment: id(payment),
                transfers: id(payment.wrapping_add(1_000)),
                card: id(if known { CARD } else { card }),
                kind,
                amount,
                channel,
                entry_mode: EntryMode::Unknown,
                merchant: merchant(5812, if abroad { "US" } else { "CN" }),
                verification: Verification::NONE,
                partial_allowed,
                capture_now,
                network_reference,
                approval_code: None,
                outside: None,
                stand_in: false,
            }))
        },
    );
    let increment = (payment_ref(), amount()).prop_map(|(payment, amount)| {
        Action::IncrementPayment(Box::new(IncrementPayment { payment, amount }))
    });
    let reverse = (payment_ref(), proptest::option::of(amount()))
        .prop_map(|(payment, amount)| Action::ReversePayment(Box::new(ReversePayment { payment, amount })));
    let clear = (payment_ref(), some_id(), amount(), any::<bool>(), any::<bool>()).prop_map(
        |(payment, n, amount, last, force)| {
            let transfers = id(n.wrapping_add(5_000));
            let clear = ClearPayment { payment, transfers, amount, last, force, value_date: None };
            Action::ClearPayment(Box::new(clear))
        },
    );
    let force = (some_id(), some_id(), amount(), proptest::option::of(reference())).prop_map(
        |(payment, card, amount, network_reference)| {
            Action::ForcePost(Box::new(ForcePost {
                payment: id(payment),
                transfers: id(payment.wrapping_add(6_000)),
                card: id(card),
                amount,
                channel: Channel::Pos,
                merchant: merchant(5411, "CN"),
                network_reference,
                value_date: None,
            }))
        },
    );
    let refund =
        (payment_ref(), some_id(), amount(), any::<bool>()).prop_map(|(reference, n, amount, linked)| {
            let unlinked = RefundTarget::Unlinked {
                payment: id(n),
                card: id(CARD),
                merchant: merchant(5411, "CN"),
                channel: Channel::Pos,
            };
            Action::RefundPayment(Box::new(RefundPayment {
                target: if linked { RefundTarget::Payment(reference) } else { unlinked },
                transfers: id(n.wrapping_add(7_000)),
                amount,
                value_date: None,
            }))
        });
    prop_oneof![5 => authorize, 2 => increment, 3 => reverse, 3 => clear, 1 => force, 1 => refund].boxed()
}

fn other_action() -> BoxedStrategy<Action> {
    let closes = vec![CloseReason::Lost, CloseReason::Replaced, CloseReason::Expired];
    prop_oneof![
        (some_id(), any::<i64>()).prop_map(|(n, bound)| {
            let mut open = internal(n);
            open.limit = BalanceLimit::Overdraft(bound);
            Action::OpenAccount(Box::new(open))
        }),
        (some_id(), any::<i64>()).prop_map(|(n, bound)| {
            Action::SetBalanceLimit { account: id(n), limit: BalanceLimit::Overdraft(bound) }
        }),
        (some_id(), holder(), any::<bool>()).prop_map(|(n, holder, all)| Action::FreezeAccount {
            account: id(n),
            holder,
            scope: if all { FreezeScope::All } else { FreezeScope::Debits },
            reason: Text::default(),
        }),
        (some_id(), holder()).prop_map(|(n, holder)| Action::UnfreezeAccount {
            account: id(n),
            holder,
            reason: Text::default()
        }),
        some_id().prop_map(|n| Action::CloseAccount { account: id(n) }),
        (some_id(), some_id()).prop_map(|(card, account)| {
            let mut request = World::empty().request(card);
            request.account = id(account);
            Action::RequestCard(Box::new(request))
        }),
        some_id().prop_map(complete),
        some_id().prop_map(activate),
        (some_id(), holder()).prop_map(|(n, holder)| Action::FreezeCard {
            card: id(n),
            holder,
            reason: Text::default(),
            channel: Text::default(),
        }),
        (some_id(), holder()).prop_map(|(n, holder)| Action::UnfreezeCard {
            card: id(n),
            holder,
            reason: Text::default(),
            channel: Text::default(),
        }),
        proptest::sample::select(closes).prop_map(close),
        (some_id(), proptest::collection::vec(some_control(), 0..4)).prop_map(|(n, controls)| {
            let scope = if n == CARD { ControlScope::Card(id(n)) } else { ControlScope::Account(id(n)) };
            Action::SetControls { scope, controls }
        }),
        proptest::collection::vec(some_control(), 0..3)
            .prop_map(|controls| Action::SetControls { scope: ControlScope::Program, controls }),
        (-900..900_i16).prop_map(|minutes| {
            let mut moved = settings();
            moved.zone = ZoneOffset::from_minutes(minutes).unwrap_or_default();
            Action::ConfigureProgram(Box::new(moved))
        }),
        (any::<u32>(), 0..3_u32)
            .prop_map(|(max, small)| Action::Tick { max: if small > 0 { small } else { max } }),
        (0..3_u32).prop_map(|version| Action::ActivateProduct { product: product(), version }),
        Just(Action::RetireProduct { product: product() }),
        Just(Action::DraftProduct { product: product(), spec: Box::new(spec()) }),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_command_breaks_anything(
        work in proptest::collection::vec(
            (
                prop_oneof![3 => money_action(), 4 => payment_action(), 2 => other_action()],
                prop_oneof![3 => Just(0), 1 => 0..5_000_000_i64, 1 => Just(-100_000)],
                proptest::sample::select(vec![Role::Customer, Role::Operator, Role::LegalDesk, Role::Network]),
            ),
            1..60,
        ),
        items in 0_usize..5,
    ) {
        let mut world = World::with_card(1_000);
        for (action, seconds, role) in work {
            let forward = Duration::from_secs(seconds.unsigned_abs());
            world.at = if seconds < 0 { world.at.minus(forward) } else { world.at.plus(forward) };
            world.role = role;
            world.run(action);
        }
        let snapshot = world.engine.snapshot();
        let restored = Engine::restore(snapshot.clone()).unwrap();
        prop_assert_eq!(restored.next_due(), world.engine.next_due());
        prop_assert_eq!(restored.snapshot(), snapshot.clone());

        // The same in slices, of whatever size.
        let mut restore = Restore::new();
        let added = world.engine.slices(items, |slice| {
            assert!(lengths(&slice).into_iter().all(|length| length <= items.max(1)));
            restore.add(slice)
        });
        prop_assert_eq!(added, Ok(()));
        let restored = restore.finish();
        prop_assert_eq!(restored.next_due(), world.engine.next_due());
        prop_assert_eq!(restored.snapshot(), snapshot);
    }
}

fn lengths(slice: &Snapshot) -> [usize; 12] {
    [
        slice.products.len(),
        slice.controls.len(),
        slice.customers.len(),
        slice.accounts.len(),
        slice.holds.len(),
        slice.cards.len(),
        slice.payments.len(),
        slice.counters.len(),
        slice.bank_credits.len(),
        slice.reversed.len(),
        slice.proofs.len(),
        slice.early_reversals.len(),
    ]
}

#[test]
fn slices_end_with_the_first_error_and_need_what_they_refer_to() {
    let world = World::with_card(1_000);
    let mut told = 0;
    let stopped = world.engine.slices(1, |_| {
        told += 1;
        if told == 3 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((stopped, told), (Err("enough"), 3));
    let cards = Snapshot { cards: world.engine.snapshot().cards, ..Snapshot::default() };
    assert!(matches!(Restore::new().add(cards), Err(RestoreError::Dangling { what: "card", .. })));
    let mut twice = Restore::new();
    twice.add(world.engine.snapshot()).unwrap();
    let accounts = Snapshot { accounts: world.engine.snapshot().accounts, ..Snapshot::default() };
    assert!(matches!(twice.add(accounts), Err(RestoreError::Twice { .. })));
}

#[test]
fn the_ends_of_time_are_moments_like_others() {
    for moment in [i64::MIN, i64::MAX] {
        let mut world = World::with_card(100);
        world.at = Timestamp::from_micros(moment);
        world.set_controls(
            on_card(),
            [Window::Day, Window::Week, Window::Month, Window::Year, Window::Rolling { seconds: 10 }]
                .into_iter()
                .zip(1..)
                .map(|(window, n)| limit(n, Measure::Amount(1_000), window))
                .collect(),
        );
        let ask = world.purchase(1);
        world.authorize(ask);
        world.tick();
    }
}
