//! Every reason to refuse or decline, once: a reason that nothing reaches is dead, and one without a case fails here.

use std::collections::BTreeSet;
use std::time::Duration;

use bursar_ledger_engine::*;

use crate::support::*;

/// The refusal an action meets in a world.
fn refusal(mut world: World, action: impl FnOnce(&mut World) -> Action) -> RefusalReason {
    let action = action(&mut world);
    match world.run(action) {
        Outcome::Refused(refusal) => refusal.reason,
        Outcome::Batch(items) => items.into_iter().find_map(Result::err).unwrap().reason,
        other => panic!("{other:?}"),
    }
}

fn post(world: &mut World, change: impl FnOnce(&mut TransferOrder)) -> Action {
    let mut order = world.order(SETTLEMENT, WALLET, 1, TransferMode::Post);
    change(&mut order);
    Action::Transfer(Box::new(order))
}

fn card_request(world: &mut World, change: impl FnOnce(&mut RequestCard)) -> Action {
    let mut request = world.request(399);
    change(&mut request);
    Action::RequestCard(Box::new(request))
}

#[test]
fn every_refusal_is_reached() {
    use RefusalReason as R;
    let closed_wallet = || {
        let mut world = World::program();
        world.done(Action::CloseAccount { account: id(WALLET) });
        world
    };
    let reached: Vec<(R, R)> = vec![
        (R::InvalidAmount, refusal(World::program(), |w| post(w, |o| o.amount = cny(0)))),
        (R::AssetMismatch, refusal(World::program(), |w| post(w, |o| o.amount.asset = asset("USD")))),
        (R::AccountsMustDiffer, refusal(World::program(), |w| post(w, |o| o.credit = o.debit))),
        (
            R::InvalidField,
            refusal(World::program(), |w| {
                let expires_at = Some(w.at);
                post(w, |o| o.mode = TransferMode::Hold { expires_at, over_capture: 0 })
            }),
        ),
        (
            R::TooMany,
            refusal(World::program(), |_| Action::TransferBatch { orders: Vec::new(), linked: false }),
        ),
        (
            R::LinkedItemFailed,
            refusal(World::program(), |w| {
                let good = w.order(SETTLEMENT, WALLET, 1, TransferMode::Post);
                let bad = w.order(SETTLEMENT, WALLET, -1, TransferMode::Post);
                Action::TransferBatch { orders: vec![good, bad], linked: true }
            }),
        ),
        (R::ProgramNotConfigured, refusal(World::empty(), |w| Action::Authorize(Box::new(w.purchase(1))))),
        (
            R::AssetNotConfigured,
            refusal(World::program(), |w| {
                let mut credit = w.bank_credit("WALLET", 1);
                credit.amount.asset = asset("JPY");
                Action::BookBankCredit(Box::new(credit))
            }),
        ),
        (R::AccountNotFound, refusal(World::program(), |w| post(w, |o| o.credit = id(9)))),
        (R::HoldNotFound, refusal(World::program(), |_| Action::VoidHold { hold: id(9), amount: None })),
        (R::CardNotFound, refusal(World::program(), |_| activate(CARD))),
        (R::ProductNotFound, refusal(World::program(), |_| Action::RetireProduct { product: id(9) })),
        (
            R::PaymentNotFound,
            refusal(World::program(), |_| {
                Action::ReversePayment(Box::new(ReversePayment {
                    payment: PaymentRef::Id(id(9)),
                    amount: None,
                }))
            }),
        ),
        (
            R::FreezeNotFound,
            refusal(World::program(), |_| Action::UnfreezeAccount {
                account: id(WALLET),
                holder: FreezeHolder::Issuer,
                reason: text(""),
            }),
        ),
        (R::AlreadyExists, refusal(World::program(), |_| Action::OpenAccount(Box::new(wallet())))),
        (R::AccountFrozen, {
            let mut world = World::program();
            world.freeze_account(FreezeHolder::Fraud, FreezeScope::All);
            refusal(world, |w| post(w, |_| {}))
        }),
        (R::AccountClosed, refusal(closed_wallet(), |w| post(w, |_| {}))),
        (R::AccountNotEmpty, {
            let mut world = World::program();
            world.top_up(1);
            refusal(world, |_| Action::CloseAccount { account: id(WALLET) })
        }),
        (R::CardState, refusal(World::with_card(0), |_| activate(CARD))),
        (
            R::ProductState,
            refusal(World::program(), |_| Action::ActivateProduct { product: product(), version: 1 }),
        ),
        (R::PaymentState, {
            let mut world = World::with_card(0);
            let ask = world.purchase(1);
            let payment = world.authorize(ask).payment;
            refusal(world, |_| {
                Action::ReversePayment(Box::new(ReversePayment {
                    payment: PaymentRef::Id(payment),
                    amount: None,
                }))
            })
        }),
        (R::HoldOfPayment, {
            let mut world = World::with_card(1);
            let payment = world.approve(1);
            let hold = world.payment(payment).hold.unwrap();
            refusal(world, |_| Action::IncrementHold { hold, amount: cny(1) })
        }),
        (R::AlreadyReversed, {
            let mut world = World::program();
            let reversal = Action::ReverseTransfer(Box::new(ReverseTransfer {
                transfer: id(5),
                original: id(6),
                original_debit: id(WALLET),
                original_credit: id(SETTLEMENT),
                original_amount: cny(1),
                reason: text(""),
            }));
            world.run(reversal.clone());
            refusal(world, |_| reversal)
        }),
        (R::NotOwner, refusal(World::program(), |w| card_request(w, |r| r.customer = id(11)))),
        (R::KycLevelTooLow, refusal(World::program(), |w| card_request(w, |r| r.kyc_level = 0))),
        (R::HoldExpired, {
            let mut world = World::program();
            world.top_up(1);
            let hold = world.hold(1, Some(1), 0);
            world.days(1);
            refusal(world, |w| w.capture(hold, 1, false))
        }),
        (R::AccountInUse, refusal(World::with_card(0), |_| Action::CloseAccount { account: id(WALLET) })),
        (
            R::FreezeNotYours,
            refusal(World::with_card(0), |_| Action::UnfreezeCard {
                card: id(CARD),
                holder: FreezeHolder::Legal,
                reason: text(""),
                channel: text(""),
            }),
        ),
        (R::RoleNotAllowed, {
            let mut world = World::program();
            world.role = Role::Network;
            refusal(world, |_| activate(CARD))
        }),
        (
            R::InsufficientFunds,
            refusal(World::program(), |w| {
                post(w, |o| {
                    (o.debit, o.credit) = (o.credit, o.debit);
                })
            }),
        ),
        (R::ExceedsHold, {
            let mut world = World::program();
            world.top_up(1);
            let hold = world.hold(1, None, 0);
            refusal(world, |_| Action::VoidHold { hold, amount: Some(cny(2)) })
        }),
        (R::ExceedsCleared, {
            let mut world = World::with_card(1);
            let payment = world.approve(1);
            refusal(world, |_| {
                Action::RefundPayment(Box::new(RefundPayment {
                    target: RefundTarget::Payment(PaymentRef::Id(payment)),
                    transfers: id(7),
                    amount: cny(1),
                    value_date: None,
                }))
            })
        }),
        (R::Overflow, {
            let mut world = World::program();
            world.post(SETTLEMENT, SUSPENSE, i64::MAX);
            refusal(world, |w| post(w, |_| {}))
        }),
    ];
    for (wanted, got) in &reached {
        assert_eq!(wanted, got);
    }
    let reached: BTreeSet<_> = reached.into_iter().map(|(wanted, _)| wanted).collect();
    assert_eq!(reached, R::ALL.iter().copied().collect(), "a reason has no case");
}

/// The reason an authorization is declined for in a world.
fn declined(mut world: World, change: impl FnOnce(&mut Authorize)) -> DeclineReason {
    let mut ask = world.purchase(10);
    change(&mut ask);
    world.declined(ask)
}

#[test]
fn every_decline_is_reached() {
    use DeclineReason as D;
    let card = || World::with_card(100);
    let with = |change: fn(&mut World)| {
        let mut world = card();
        change(&mut world);
        world
    };
    let sent = |cvv, pin, password: PasswordResult| {
        move |ask: &mut Authorize| ask.verification = Verification { cvv, pin, password, expiry: None }
    };
    let pin = |pin| sent(CvvResult::Absent, pin, PasswordResult::Absent);
    let password = |password| sent(CvvResult::Absent, PinResult::Absent, password);
    let deny = |when: Match, customer_can_change| {
        let mut world = card();
        world.set_controls(on_card(), vec![Control { when, customer_can_change, ..control(1, Rule::Deny) }]);
        world
    };
    let pos = || Match { channels: vec![Channel::Pos], ..Match::default() };
    // Found by who stands before the engine: gateway, vault client, the issuer's hook.
    let outside = [D::NoSuchIssuer, D::OriginalNotFound, D::IssuerUnavailable, D::GenericDecline];
    let mut reached: Vec<(D, D)> =
        outside.iter().map(|reason| (*reason, declined(card(), |ask| ask.outside = Some(*reason)))).collect();
    reached.extend([
        (D::FormatError, declined(card(), |ask| ask.channel = Channel::Online)),
        (D::CardNotFound, declined(card(), |ask| ask.card = id(4_711))),
        (D::Duplicate, {
            let mut world = card();
            let mut ask = world.purchase(5);
            ask.network_reference = Some(text("n"));
            world.authorize(ask);
            declined(world, |ask| ask.network_reference = Some(text("n")))
        }),
        (D::AlreadyReversed, {
            let mut world = card();
            world.run(Action::ReversePayment(Box::new(ReversePayment {
                payment: PaymentRef::Network(text("n")),
                amount: None,
            })));
            declined(world, |ask| ask.network_reference = Some(text("n")))
        }),
        (
            D::LegalBlock,
            declined(
                with(|w| {
                    w.freeze_card(Role::LegalDesk, FreezeHolder::Legal);
                }),
                |_| {},
            ),
        ),
        (
            D::CardStolen,
            declined(
                with(|w| {
                    w.run(close(CloseReason::Stolen));
                }),
                |_| {},
            ),
        ),
        (
            D::CardLost,
            declined(
                with(|w| {
                    w.run(close(CloseReason::Lost));
                }),
                |_| {},
            ),
        ),
        (
            D::CardClosed,
            declined(
                with(|w| {
                    w.run(close(CloseReason::Replaced));
                }),
                |_| {},
            ),
        ),
        (D::CardExpired, declined(with(|w| w.days(1_200)), |_| {})),
        (D::ExpiryMismatch, declined(card(), |ask| ask.verification.expiry = CardExpiry::new(2028, 1))),
        (
            D::SuspectedFraud,
            declined(
                with(|w| {
                    w.freeze_card(Role::FraudDesk, FreezeHolder::Fraud);
                }),
                |_| {},
            ),
        ),
        (D::SecurityViolation, declined(card(), password(PasswordResult::BadProof))),
        (D::PinTriesExceeded, declined(card(), pin(PinResult::Locked))),
        (D::PasswordTriesExceeded, declined(card(), password(PasswordResult::Locked))),
        (D::PinIncorrect, declined(card(), pin(PinResult::Wrong))),
        (D::PasswordIncorrect, declined(card(), password(PasswordResult::Wrong))),
        (
            D::CvvMismatch,
            declined(card(), sent(CvvResult::Mismatched, PinResult::Absent, PasswordResult::Absent)),
        ),
        (D::PinUnverifiable, declined(card(), pin(PinResult::Unverifiable))),
        (D::PasswordUnverifiable, declined(card(), password(PasswordResult::Unverifiable))),
        (D::VerificationRequired, {
            let mut needy = spec();
            needy.needs = vec![ChannelNeeds { channel: Channel::Pos, needs: Needs::Pin }];
            declined(World::with_card_of(needy, 100), |_| {})
        }),
        (D::NotPermittedCardholder, declined(deny(Match::default(), false), |_| {})),
        (D::NotPermittedTerminal, declined(deny(pos(), false), |_| {})),
        (D::InvalidMerchant, {
            let mut world = World::program();
            let mut request = world.request(CARD);
            request.merchant_lock = Some(text("M-2"));
            world.run(Action::RequestCard(Box::new(request)));
            world.run(complete(CARD));
            world.run(activate(CARD));
            declined(world, |_| {})
        }),
        (
            D::InvalidTransaction,
            declined(card(), |ask| {
                (ask.kind, ask.channel, ask.entry_mode) =
                    (PaymentKind::Cash, Channel::Online, EntryMode::Keyed);
            }),
        ),
        (D::InvalidAmount, declined(card(), |ask| ask.amount = cny(-1))),
        (
            D::KycIncomplete,
            declined(
                with(|w| {
                    let (customer, status) = (id(CUSTOMER), CustomerStatus::Suspended);
                    w.done(Action::SetCustomerStanding { customer, status, kyc_level: 2 });
                }),
                |_| {},
            ),
        ),
        (D::CardNotActivated, {
            let mut world = World::program();
            let request = world.request(CARD);
            world.run(Action::RequestCard(Box::new(request)));
            world.run(complete(CARD));
            declined(world, |_| {})
        }),
        (
            D::CardFrozen,
            declined(
                with(|w| {
                    w.freeze_card(Role::Customer, FreezeHolder::Loss);
                }),
                |_| {},
            ),
        ),
        (
            D::AccountFrozen,
            declined(
                with(|w| {
                    w.freeze_account(FreezeHolder::Issuer, FreezeScope::Debits);
                }),
                |_| {},
            ),
        ),
        (D::ControlForbids, declined(deny(pos(), true), |_| {})),
        (
            D::AmountLimitExceeded,
            declined(
                with(|w| {
                    w.set_controls(on_card(), vec![limit(1, Measure::Amount(9), Window::Payment)]);
                }),
                |_| {},
            ),
        ),
        (
            D::CountLimitExceeded,
            declined(
                with(|w| {
                    w.set_controls(on_card(), vec![limit(1, Measure::Count(0), Window::Day)]);
                }),
                |_| {},
            ),
        ),
        (D::InsufficientFunds, declined(card(), |ask| ask.amount = cny(101))),
        (D::SystemError, {
            let mut world = card();
            world.wait(Duration::from_secs(1));
            // Settlement's pending credits are full: no fault of the payment's.
            let mode = TransferMode::Hold { expires_at: None, over_capture: 0 };
            let order = world.order(NOSTRO, SETTLEMENT, i64::MAX - 5, mode);
            world.transferred(Action::Transfer(Box::new(order)));
            declined(world, |_| {})
        }),
    ]);
    for (wanted, got) in &reached {
        assert_eq!(wanted, got);
    }
    let reached: BTreeSet<_> = reached.into_iter().map(|(wanted, _)| wanted).collect();
    assert_eq!(reached, D::ALL.iter().copied().collect(), "a reason has no case");
}

#[test]
fn texts_of_declines_are_unique_and_rank_is_order() {
    let texts: BTreeSet<_> = DeclineReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(texts.len(), DeclineReason::ALL.len());
    assert!(DeclineReason::ALL.is_sorted());
    assert_eq!(DeclineReason::LegalBlock.disclosure(), Disclosure::Hide);
    assert_eq!(DeclineReason::InsufficientFunds.retry(), Retry::Later);
    assert_eq!(DeclineReason::InsufficientFunds.remedies(), [Remedy::TopUp, Remedy::PayLess]);
}
