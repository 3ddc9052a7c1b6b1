//! Random work on the engine and on the slow and obvious model, side by side.

use std::time::Duration;

use bursar_ledger_engine::*;
use bursar_types::id::{PaymentId, TransferId};
use proptest::prelude::*;

use crate::model::*;
use crate::support::*;

const ACCOUNTS: [u128; 4] = [WALLET, SETTLEMENT, NOSTRO, RECEIVABLE];

/// One piece of random work; `pick` chooses among the holds or payments there are.
#[derive(Clone, Debug)]
enum Work {
    TopUp(i64),
    Post {
        out: bool,
        amount: i64,
    },
    Balancing(i64),
    Hold {
        amount: i64,
        days: u64,
        over: i64,
    },
    Capture {
        pick: usize,
        amount: i64,
        last: bool,
    },
    Raise {
        pick: usize,
        amount: i64,
    },
    Void {
        pick: usize,
        amount: Option<i64>,
    },
    Authorize {
        amount: i64,
        partial: bool,
        now: bool,
    },
    /// A purchase of all there is, or a little more or less.
    Edge {
        beyond: i64,
    },
    /// A transfer of the same kind.
    PostEdge {
        beyond: i64,
    },
    Increment {
        pick: usize,
        amount: i64,
    },
    Reverse {
        pick: usize,
        amount: Option<i64>,
    },
    Clear {
        pick: usize,
        amount: i64,
        last: bool,
        force: bool,
    },
    Refund {
        pick: usize,
        amount: i64,
    },
    Freeze(bool),
    Wait {
        hours: u64,
    },
    Tick,
}

fn work() -> impl Strategy<Value = Work> {
    let amount = || prop_oneof![8 => 1..200_i64, 1 => Just(0), 1 => Just(-5), 1 => 200..1_000_i64];
    let pick = || 0..50_usize;
    prop_oneof![
        2 => amount().prop_map(Work::TopUp),
        1 => (any::<bool>(), amount()).prop_map(|(out, amount)| Work::Post { out, amount }),
        1 => amount().prop_map(Work::Balancing),
        2 => (amount(), 1..4_u64, 0..30_i64).prop_map(|(amount, days, over)| Work::Hold { amount, days, over }),
        2 => (pick(), amount(), any::<bool>())
            .prop_map(|(pick, amount, last)| Work::Capture { pick, amount, last }),
        1 => (pick(), amount()).prop_map(|(pick, amount)| Work::Raise { pick, amount }),
        1 => (pick(), proptest::option::of(amount())).prop_map(|(pick, amount)| Work::Void { pick, amount }),
        5 => (amount(), any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(amount, partial, now)| Work::Authorize { amount, partial, now }),
        1 => (-1..2_i64).prop_map(|beyond| Work::Edge { beyond }),
        1 => (-1..2_i64).prop_map(|beyond| Work::PostEdge { beyond }),
        2 => (pick(), amount()).prop_map(|(pick, amount)| Work::Increment { pick, amount }),
        2 => (pick(), proptest::option::of(amount())).prop_map(|(pick, amount)| Work::Reverse { pick, amount }),
        4 => (pick(), amount(), any::<bool>(), any::<bool>())
            .prop_map(|(pick, amount, last, force)| Work::Clear { pick, amount, last, force }),
        2 => (pick(), amount()).prop_map(|(pick, amount)| Work::Refund { pick, amount }),
        1 => any::<bool>().prop_map(Work::Freeze),
        2 => (1..40_u64).prop_map(|hours| Work::Wait { hours }),
        1 => Just(Work::Tick),
    ]
}

/// What the model expects of a command.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Refused(RefusalReason),
    Booked,
    Moved(i64),
    Approved(i64),
    Declined(DeclineReason),
    Ended(u32),
}

/// The engine and the model, side by side.
struct Pair {
    world: World,
    model: Model,
    authorized: Vec<PaymentId>,
    holds: Vec<TransferId>,
}

impl Pair {
    fn new() -> Self {
        let mut world = World::with_card(0);
        world
            .done(Action::SetBalanceLimit { account: id(WALLET), limit: BalanceLimit::Overdraft(OVERDRAFT) });
        let count = Measure::Count(u32::try_from(COUNT_LIMIT).unwrap());
        world.set_controls(
            on_card(),
            vec![limit(1, Measure::Amount(DAY_LIMIT), Window::Day), limit(2, count, Window::Lifetime)],
        );
        let model = Model { now: world.at.as_seconds(), ..Model::default() };
        Self { world, model, authorized: Vec::new(), holds: Vec::new() }
    }

    fn step(&mut self, work: &Work) {
        let Some((action, expected)) = self.prepare(work) else { return };
        let outcome = self.world.run(action.clone());
        assert_eq!(read(&outcome), expected, "{action:?} {outcome:?}");
        for account in ACCOUNTS {
            let credit = self.model.credit_balance(account);
            let posted = if matches!(account, NOSTRO | RECEIVABLE) { -credit } else { credit };
            assert_eq!(self.world.balances(account).0, posted, "account {account} after {action:?}");
        }
        let available = i128::from(self.model.spendable() - OVERDRAFT);
        assert_eq!(self.world.balances(WALLET).1, available, "after {action:?}");
    }

    fn prepare(&mut self, work: &Work) -> Option<(Action, Expected)> {
        match *work {
            Work::TopUp(amount) => {
                let credit = self.world.bank_credit("WALLET", amount);
                let expected = match self.moved(amount > 0, amount, (NOSTRO, WALLET)) {
                    Expected::Moved(_) => Expected::Booked,
                    refused => refused,
                };
                Some((Action::BookBankCredit(Box::new(credit)), expected))
            }
            Work::Post { out, amount } => {
                let (debit, credit) = if out { (WALLET, SETTLEMENT) } else { (SETTLEMENT, WALLET) };
                let order = self.world.order(debit, credit, amount, TransferMode::Post);
                let funds = !out || amount <= self.model.spendable();
                let expected = match funds || amount <= 0 {
                    true => self.moved(amount > 0, amount, (debit, credit)),
                    false => Expected::Refused(RefusalReason::InsufficientFunds),
                };
                Some((Action::Transfer(Box::new(order)), expected))
            }
            Work::Balancing(amount) => {
                let order = self.world.order(WALLET, SETTLEMENT, amount, TransferMode::Balancing);
                let there = amount.min(self.model.spendable());
                let expected = match there {
                    _ if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
                    ..=0 => Expected::Refused(RefusalReason::InsufficientFunds),
                    there => self.moved(true, there, (WALLET, SETTLEMENT)),
                };
                Some((Action::Transfer(Box::new(order)), expected))
            }
            Work::Hold { amount, days, over } => Some(self.hold(amount, days, over)),
            Work::Capture { pick, amount, last } => self.capture(pick, amount, last),
            Work::Raise { pick, amount } => self.raise(pick, amount),
            Work::Void { pick, amount } => self.void(pick, amount),
            Work::Authorize { amount, partial, now } => Some(self.authorize(amount, partial, now)),
            Work::Edge { beyond } => Some(self.authorize(self.model.spendable() + beyond, false, false)),
            Work::PostEdge { beyond } => {
                let amount = self.model.spendable() + beyond;
                self.prepare(&Work::Post { out: true, amount })
            }
            Work::Increment { pick, amount } => self.increment(pick, amount),
            Work::Reverse { pick, amount } => self.reverse(pick, amount),
            Work::Clear { pick, amount, last, force } => self.clear(pick, amount, last, force),
            Work::Refund { pick, amount } => self.refund(pick, amount),
            Work::Freeze(on) => {
                let role = Role::Customer;
                if on {
                    self.world.freeze_card(role, FreezeHolder::Customer);
                } else {
                    self.world.unfreeze_card(role, FreezeHolder::Customer);
                }
                self.model.frozen = on;
                None
            }
            Work::Wait { hours } => {
                self.world.wait(Duration::from_secs(3_600 * hours));
                self.model.now = self.world.at.as_seconds();
                None
            }
            Work::Tick => Some((Action::Tick { max: 1_000 }, Expected::Ended(self.model.expire()))),
        }
    }

    fn moved(&mut self, good: bool, amount: i64, between: (u128, u128)) -> Expected {
        if !good {
            return Expected::Refused(RefusalReason::InvalidAmount);
        }
        self.model.posted.push((between.0, between.1, amount));
        Expected::Moved(amount)
    }

    fn hold(&mut self, amount: i64, days: u64, over: i64) -> (Action, Expected) {
        let until = self.world.at.plus(Duration::from_secs(86_400 * days));
        let mode = TransferMode::Hold { expires_at: Some(until), over_capture: over };
        let order = self.world.order(WALLET, SETTLEMENT, amount, mode);
        let expected = match amount {
            ..=0 => Expected::Refused(RefusalReason::InvalidAmount),
            _ if amount > self.model.spendable() => Expected::Refused(RefusalReason::InsufficientFunds),
            _ => {
                let id = order.transfer;
                let until = until.as_seconds();
                self.model.holds.push(ModelHold { id, left: amount, over, until, payment: None });
                self.holds.push(id);
                Expected::Moved(amount)
            }
        };
        (Action::Transfer(Box::new(order)), expected)
    }

    fn pick_hold(&self, pick: usize) -> Option<(TransferId, Option<ModelHold>)> {
        let id = *self.holds.get(pick % self.holds.len().max(1))?;
        Some((id, self.model.holds.iter().find(|hold| hold.id == id).cloned()))
    }

    fn change_hold(&mut self, id: TransferId, change: impl FnOnce(&mut ModelHold)) {
        change(self.model.holds.iter_mut().find(|hold| hold.id == id).unwrap());
        self.model.drop_empty_holds();
    }

    fn capture(&mut self, pick: usize, amount: i64, last: bool) -> Option<(Action, Expected)> {
        let (id, hold) = self.pick_hold(pick)?;
        let action = self.world.capture(id, amount, last);
        let Some(hold) = hold else { return Some((action, Expected::Refused(RefusalReason::HoldNotFound))) };
        let over = (amount - hold.left).max(0);
        let expected = match () {
            () if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            () if hold.until <= self.model.now => Expected::Refused(RefusalReason::HoldExpired),
            () if over > hold.over => Expected::Refused(RefusalReason::ExceedsHold),
            () if over > 0 && over > self.model.spendable() => {
                Expected::Refused(RefusalReason::InsufficientFunds)
            }
            () => {
                self.change_hold(id, |hold| hold.left = if last { 0 } else { hold.left - (amount - over) });
                self.moved(true, amount, (WALLET, SETTLEMENT))
            }
        };
        Some((action, expected))
    }

    fn raise(&mut self, pick: usize, amount: i64) -> Option<(Action, Expected)> {
        let (id, hold) = self.pick_hold(pick)?;
        let action = Action::IncrementHold { hold: id, amount: cny(amount) };
        let expected = match hold {
            None => Expected::Refused(RefusalReason::HoldNotFound),
            _ if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            Some(hold) if hold.until <= self.model.now => Expected::Refused(RefusalReason::HoldExpired),
            _ if amount > self.model.spendable() => Expected::Refused(RefusalReason::InsufficientFunds),
            Some(_) => {
                self.change_hold(id, |hold| hold.left += amount);
                Expected::Moved(amount)
            }
        };
        Some((action, expected))
    }

    fn void(&mut self, pick: usize, amount: Option<i64>) -> Option<(Action, Expected)> {
        let (id, hold) = self.pick_hold(pick)?;
        let action = Action::VoidHold { hold: id, amount: amount.map(cny) };
        let Some(hold) = hold else { return Some((action, Expected::Refused(RefusalReason::HoldNotFound))) };
        let amount = amount.unwrap_or(hold.left);
        let expected = match amount {
            ..=0 => Expected::Refused(RefusalReason::InvalidAmount),
            _ if amount > hold.left => Expected::Refused(RefusalReason::ExceedsHold),
            _ => {
                self.change_hold(id, |hold| hold.left -= amount);
                Expected::Moved(amount)
            }
        };
        Some((action, expected))
    }

    fn authorize(&mut self, amount: i64, partial: bool, now: bool) -> (Action, Expected) {
        let mut ask = self.world.purchase(amount);
        (ask.partial_allowed, ask.capture_now) = (partial, now);
        let decided = self.model.why_not(amount, 1, partial);
        let until = self.model.now + 5 * 86_400;
        let approved = decided.unwrap_or(0);
        let declined = decided.is_err();
        let payment =
            ModelPayment { base: approved, left: approved, declined, until, ..ModelPayment::default() };
        self.model.payments.push((ask.payment, payment));
        self.authorized.push(ask.payment);
        if approved > 0 {
            let (id, payment) = (ask.transfers, Some(ask.payment));
            self.model.holds.push(ModelHold { id, left: approved, over: 0, until, payment });
            self.model.count(ask.payment);
            if now {
                self.model.clear(ask.payment, approved, true);
            }
        }
        (Action::Authorize(Box::new(ask)), decided.map_or_else(Expected::Declined, Expected::Approved))
    }

    fn pick_payment(&self, pick: usize) -> Option<(PaymentId, ModelPayment)> {
        let id = *self.authorized.get(pick % self.authorized.len().max(1))?;
        self.model.payments.iter().find(|(known, _)| *known == id).cloned()
    }

    fn increment(&mut self, pick: usize, amount: i64) -> Option<(Action, Expected)> {
        let (id, payment) = self.pick_payment(pick)?;
        let increment = IncrementPayment { payment: PaymentRef::Id(id), amount: cny(amount) };
        let expected = match () {
            () if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            () if payment.left == 0 || payment.until <= self.model.now => {
                Expected::Refused(RefusalReason::PaymentState)
            }
            () => match self.model.why_not(amount, 0, false) {
                Err(reason) => Expected::Declined(reason),
                Ok(amount) => {
                    self.model.hold_of(id).unwrap().left += amount;
                    let payment = self.model.payment(id);
                    (payment.base, payment.left) = (payment.base + amount, payment.left + amount);
                    self.model.count(id);
                    Expected::Approved(amount)
                }
            },
        };
        Some((Action::IncrementPayment(Box::new(increment)), expected))
    }

    fn reverse(&mut self, pick: usize, amount: Option<i64>) -> Option<(Action, Expected)> {
        let (id, payment) = self.pick_payment(pick)?;
        let reversal = ReversePayment { payment: PaymentRef::Id(id), amount: amount.map(cny) };
        let amount = amount.unwrap_or(payment.left);
        let expected = match () {
            () if payment.left == 0 => Expected::Refused(RefusalReason::PaymentState),
            () if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            () if amount > payment.left => Expected::Refused(RefusalReason::ExceedsHold),
            () => {
                self.model.hold_of(id).unwrap().left -= amount;
                let payment = self.model.payment(id);
                (payment.base, payment.left) = (payment.base - amount, payment.left - amount);
                self.model.drop_empty_holds();
                self.model.count(id);
                Expected::Moved(amount)
            }
        };
        Some((Action::ReversePayment(Box::new(reversal)), expected))
    }

    fn clear(&mut self, pick: usize, amount: i64, last: bool, force: bool) -> Option<(Action, Expected)> {
        let (id, payment) = self.pick_payment(pick)?;
        let clear = ClearPayment {
            payment: PaymentRef::Id(id),
            transfers: crate::support::id(self.world.fresh()),
            amount: cny(amount),
            last,
            force,
            value_date: None,
        };
        let expected = match () {
            () if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            () if payment.declined => Expected::Refused(RefusalReason::PaymentState),
            () if !force && amount > (payment.base - payment.cleared).max(0) => {
                Expected::Refused(RefusalReason::ExceedsHold)
            }
            () => {
                self.model.clear(id, amount, last);
                Expected::Moved(amount)
            }
        };
        Some((Action::ClearPayment(Box::new(clear)), expected))
    }

    fn refund(&mut self, pick: usize, amount: i64) -> Option<(Action, Expected)> {
        let (id, payment) = self.pick_payment(pick)?;
        let refund = RefundPayment {
            target: RefundTarget::Payment(PaymentRef::Id(id)),
            transfers: crate::support::id(self.world.fresh()),
            amount: cny(amount),
            value_date: None,
        };
        let expected = match () {
            () if amount <= 0 => Expected::Refused(RefusalReason::InvalidAmount),
            () if payment.refunded + amount > payment.cleared => {
                Expected::Refused(RefusalReason::ExceedsCleared)
            }
            () => {
                let owed = payment.owed.min(amount);
                self.model.posted.push((SETTLEMENT, WALLET, amount - owed));
                self.model.posted.push((SETTLEMENT, RECEIVABLE, owed));
                let payment = self.model.payment(id);
                (payment.refunded, payment.owed) = (payment.refunded + amount, payment.owed - owed);
                Expected::Moved(amount)
            }
        };
        Some((Action::RefundPayment(Box::new(refund)), expected))
    }
}

fn read(outcome: &Outcome) -> Expected {
    match outcome {
        Outcome::Refused(refusal) => Expected::Refused(refusal.reason),
        Outcome::Booked(_) => Expected::Booked,
        Outcome::Transferred(done) => Expected::Moved(done.amount.minor_units),
        Outcome::Payment(step) => Expected::Moved(step.amount),
        Outcome::Decided(decided) => match decided.decision.reason {
            Some(reason) => Expected::Declined(reason),
            None => Expected::Approved(decided.decision.approved),
        },
        Outcome::Ticked { ended, more: false } => Expected::Ended(*ended),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Outcomes and balances are the model's; every invariant holds after each command (the world checks them);
    /// the same commands on a fresh engine, and on one restored half-way, give the same state and the same answers.
    #[test]
    fn the_engine_does_what_the_model_says(work in proptest::collection::vec(work(), 1..80)) {
        let mut pair = Pair::new();
        pair.world.top_up(500);
        pair.model.posted.push((NOSTRO, WALLET, 500));
        let mut half_way = None;
        for (index, piece) in work.iter().enumerate() {
            if index == work.len() / 2 {
                half_way = Some((pair.world.log.len(), pair.world.engine.snapshot()));
            }
            pair.step(piece);
        }
        let last = pair.world.engine.snapshot();
        let (from, snapshot) = half_way.unwrap();
        for (mut engine, log) in [
            (Engine::new(), &pair.world.log[..]),
            (Engine::restore(snapshot).unwrap(), &pair.world.log[from..]),
        ] {
            // Only what changed something need be replayed.
            for (at, command, applied) in log.iter().filter(|(_, _, applied)| !applied.effects.is_empty()) {
                prop_assert_eq!(&engine.apply(*at, command), applied);
            }
            prop_assert_eq!(engine.snapshot(), last.clone());
            prop_assert_eq!(engine.next_due(), pair.world.engine.next_due());
        }
    }
}
