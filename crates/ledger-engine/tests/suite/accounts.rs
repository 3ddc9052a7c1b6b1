//! Accounts: limits, freezes, closing, bank credits.

use bursar_ledger_engine::*;

use crate::support::*;

#[test]
fn a_wallet_never_goes_below_zero_and_an_overdraft_goes_to_its_bound() {
    let mut world = World::program();
    world.top_up(500);
    let too_much = world.order(WALLET, SETTLEMENT, 501, TransferMode::Post);
    assert_eq!(world.refused(Action::Transfer(Box::new(too_much))), RefusalReason::InsufficientFunds);
    world.post(WALLET, SETTLEMENT, 500);
    world.done(Action::SetBalanceLimit { account: id(WALLET), limit: BalanceLimit::Overdraft(100) });
    world.post(WALLET, SETTLEMENT, 100);
    let one_more = world.order(WALLET, SETTLEMENT, 1, TransferMode::Post);
    assert_eq!(world.refused(Action::Transfer(Box::new(one_more))), RefusalReason::InsufficientFunds);
    assert_eq!(world.balances(WALLET), (-100, -100));
    let narrower = Action::SetBalanceLimit { account: id(WALLET), limit: BalanceLimit::Overdraft(99) };
    assert_eq!(world.refused(narrower), RefusalReason::InsufficientFunds);
}

#[test]
fn holds_lower_what_is_available_and_not_what_is_posted() {
    let mut world = World::program();
    world.top_up(1_000);
    world.hold(400, None, 0);
    assert_eq!(world.balances(WALLET), (1_000, 600));
    // What settlement will get is not yet its own.
    assert_eq!(world.balances(SETTLEMENT), (0, 0));
}

#[test]
fn an_outcome_tells_the_account_as_it_is_after() {
    let mut world = World::program();
    world.top_up(10);
    let pair = |key, value| (text(key), text(value));
    let metadata = Metadata::new([pair("team", "growth")]).unwrap();
    let open =
        OpenAccount { account: id(77), funding_reference: None, metadata: metadata.clone(), ..wallet() };
    world.done(Action::OpenAccount(Box::new(open)));
    let told = |world: &mut World, action| match world.run(action) {
        Outcome::Account(account) => account,
        other => panic!("{other:?}"),
    };
    let limit = Action::SetBalanceLimit { account: id(77), limit: BalanceLimit::Overdraft(5) };
    let account = told(&mut world, limit);
    assert_eq!((account.limit, &account.metadata), (BalanceLimit::Overdraft(5), &metadata));
    let (holder, scope) = (FreezeHolder::Issuer, FreezeScope::All);
    let freeze = Action::FreezeAccount { account: id(77), holder, scope, reason: text("why") };
    assert_eq!(told(&mut world, freeze).freezes.len(), 1);
    let lift = Action::UnfreezeAccount { account: id(77), holder, reason: text("over") };
    assert!(told(&mut world, lift).freezes.is_empty());
    let closed = told(&mut world, Action::CloseAccount { account: id(77) });
    assert_eq!(closed.closed_at, Some(world.at));
    assert_eq!(world.engine.account(id(77)), Some(&*closed));
}

#[test]
fn a_freeze_of_debits_lets_money_in_and_a_freeze_of_all_lets_nothing_move() {
    let mut world = World::program();
    world.top_up(1_000);
    world.freeze_account(FreezeHolder::Issuer, FreezeScope::Debits);
    let out = world.order(WALLET, SETTLEMENT, 1, TransferMode::Post);
    assert_eq!(world.refused(Action::Transfer(Box::new(out.clone()))), RefusalReason::AccountFrozen);
    world.post(SETTLEMENT, WALLET, 1);
    world.freeze_account(FreezeHolder::Legal, FreezeScope::All);
    let into = world.order(SETTLEMENT, WALLET, 1, TransferMode::Post);
    assert_eq!(world.refused(Action::Transfer(Box::new(into))), RefusalReason::AccountFrozen);
    let lift = |holder| Action::UnfreezeAccount { account: id(WALLET), holder, reason: text("over") };
    assert_eq!(world.refused(lift(FreezeHolder::Legal)), RefusalReason::FreezeNotYours);
    assert!(matches!(world.as_role(Role::LegalDesk, lift(FreezeHolder::Legal)), Outcome::Account(_)));
    assert_eq!(world.refused(Action::Transfer(Box::new(out.clone()))), RefusalReason::AccountFrozen);
    world.done(lift(FreezeHolder::Issuer));
    world.transferred(Action::Transfer(Box::new(out)));
    assert_eq!(world.refused(lift(FreezeHolder::Issuer)), RefusalReason::FreezeNotFound);
}

#[test]
fn an_account_closes_only_at_zero_without_holds_and_without_cards() {
    let mut world = World::with_card(100);
    let close = Action::CloseAccount { account: id(WALLET) };
    assert_eq!(world.refused(close.clone()), RefusalReason::AccountInUse);
    world.run(crate::support::close(CloseReason::CustomerRequest));
    assert_eq!(world.refused(close.clone()), RefusalReason::AccountNotEmpty);
    let hold = world.hold(100, None, 0);
    assert_eq!(world.refused(close.clone()), RefusalReason::AccountNotEmpty);
    let capture = world.capture(hold, 100, true);
    world.transferred(capture);
    world.done(close.clone());
    assert_eq!(world.refused(close), RefusalReason::AccountClosed);
    let own = Action::CloseAccount { account: id(SUSPENSE) };
    assert_eq!(world.refused(own), RefusalReason::AccountInUse);
    // The name by which the bank finds it stays taken, and its money goes to suspense.
    let again = OpenAccount { account: id(999), ..wallet() };
    assert_eq!(world.refused(Action::OpenAccount(Box::new(again))), RefusalReason::AlreadyExists);
    let late = world.bank_credit("WALLET", 5);
    let Outcome::Booked(booked) = world.run(Action::BookBankCredit(Box::new(late))) else { panic!() };
    assert_eq!((booked.matched, booked.account), (false, id(SUSPENSE)));
}

#[test]
fn a_bank_credit_reaches_its_account_once_and_suspense_when_nobody_is_found() {
    let mut world = World::program();
    let credit = world.bank_credit("WALLET", 700);
    let Outcome::Booked(booked) = world.run(Action::BookBankCredit(Box::new(credit.clone()))) else {
        panic!()
    };
    assert!(booked.matched);
    assert_eq!(world.balances(WALLET), (700, 700));
    assert_eq!(world.balances(NOSTRO), (700, 700));
    let mut again = credit.clone();
    again.transfer = id(77);
    let before = Outcome::BookedBefore { transfer: credit.transfer, account: id(WALLET), same: true };
    assert_eq!(world.run(Action::BookBankCredit(Box::new(again.clone()))), before);
    assert!(world.effects().is_empty());
    again.amount = cny(701);
    assert!(matches!(
        world.run(Action::BookBankCredit(Box::new(again))),
        Outcome::BookedBefore { same: false, .. }
    ));
    let unknown = world.bank_credit("NOBODY", 30);
    assert!(matches!(
        world.run(Action::BookBankCredit(Box::new(unknown))),
        Outcome::Booked(Booked { matched: false, .. })
    ));
    assert_eq!(world.balances(SUSPENSE), (30, 30));
    assert_eq!(world.balances(WALLET), (700, 700));
}

#[test]
fn a_bank_credit_in_another_asset_than_the_accounts_does_not_reach_it() {
    let mut world = World::program();
    let mut accounts = settings();
    for n in 0..5 {
        let mut open = internal(500 + n);
        open.asset = asset("USD");
        world.done(Action::OpenAccount(Box::new(open)));
    }
    accounts.accounts.push(AssetAccounts {
        asset: asset("USD"),
        settlement: id(500),
        nostro: id(501),
        suspense: id(502),
        fee_income: id(503),
        receivable: id(504),
    });
    world.done(Action::ConfigureProgram(Box::new(accounts)));
    let mut credit = world.bank_credit("WALLET", 9);
    credit.amount.asset = asset("USD");
    let Outcome::Booked(booked) = world.run(Action::BookBankCredit(Box::new(credit))) else { panic!() };
    assert_eq!((booked.matched, booked.account), (false, id(502)));
}

#[test]
fn sums_that_do_not_fit_are_refused_and_nothing_moved() {
    let mut world = World::program();
    world.post(NOSTRO, SUSPENSE, i64::MAX);
    let order = world.order(NOSTRO, WALLET, 1, TransferMode::Post);
    assert_eq!(world.refused(Action::Transfer(Box::new(order))), RefusalReason::Overflow);
    let credit = world.bank_credit("WALLET", 1);
    assert_eq!(world.refused(Action::BookBankCredit(Box::new(credit))), RefusalReason::Overflow);
}
