//! A small program to try commands on. After each command it checks the invariants, that a refusal changed nothing,
//! and that the effects alone rebuild the state.

use std::time::Duration;

use bursar_ledger_engine::*;
use bursar_types::id::{AccountId, CardId, PaymentId, TransferId, Uuid};
use bursar_types::{RequestId, Timestamp};

pub(crate) use crate::fixtures::*;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) at: Timestamp,
    pub(crate) role: Role,
    pub(crate) mirror: Snapshot,
    pub(crate) log: Vec<(Timestamp, Command, Applied)>,
    next: u128,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self {
            engine: Engine::new(),
            at: Timestamp::from_micros(NOON * 1_000_000),
            role: Role::Operator,
            mirror: Snapshot::default(),
            log: Vec::new(),
            next: 1_000,
        }
    }

    /// A program in China with its internal accounts, a product, a customer with a wallet, no card.
    pub(crate) fn program() -> Self {
        Self::with_product(spec())
    }

    pub(crate) fn with_product(spec: ProductSpec) -> Self {
        let mut world = Self::empty();
        for (account, normal, code) in [
            (SETTLEMENT, NormalSide::Credit, AccountCode::NETWORK_SETTLEMENT),
            (NOSTRO, NormalSide::Debit, AccountCode::BANK_NOSTRO),
            (SUSPENSE, NormalSide::Credit, AccountCode::SUSPENSE),
            (FEES, NormalSide::Credit, AccountCode::FEE_INCOME),
            (RECEIVABLE, NormalSide::Debit, AccountCode::RECEIVABLE),
        ] {
            let mut open = internal(account);
            (open.normal, open.code) = (normal, code);
            world.done(Action::OpenAccount(Box::new(open)));
        }
        world.done(Action::ConfigureProgram(Box::new(settings())));
        world.done(Action::OpenAccount(Box::new(wallet())));
        world.run(Action::DraftProduct { product: id(PRODUCT), spec: Box::new(spec) });
        world.done(Action::ActivateProduct { product: id(PRODUCT), version: 1 });
        world
    }

    /// The same with an active card and this much money.
    pub(crate) fn with_card(minor_units: i64) -> Self {
        Self::with_card_of(spec(), minor_units)
    }

    pub(crate) fn with_card_of(spec: ProductSpec, minor_units: i64) -> Self {
        let mut world = Self::with_product(spec);
        if minor_units > 0 {
            world.top_up(minor_units);
        }
        world.issue(CARD);
        world
    }

    pub(crate) fn issue(&mut self, card: u128) {
        let request = self.request(card);
        self.run(Action::RequestCard(Box::new(request)));
        self.run(complete(card));
        self.run(activate(card));
        assert_eq!(self.card(card).status(), CardStatus::Active);
    }

    pub(crate) fn request(&self, card: u128) -> RequestCard {
        RequestCard {
            card: id(card),
            product: id(PRODUCT),
            account: id(WALLET),
            customer: id(CUSTOMER),
            kyc_level: 1,
            single_use: false,
            merchant_lock: None,
            channel: text("app"),
            replaces: None,
        }
    }

    pub(crate) fn fresh(&mut self) -> u128 {
        self.next += 1_000;
        self.next
    }

    /// Applies a command and checks all that must hold after any.
    pub(crate) fn run(&mut self, action: Action) -> Outcome {
        let command = Command {
            request_id: RequestId::from_uuid(Uuid::from_u128(self.fresh())),
            actor: Actor { role: self.role, name: text("someone") },
            action,
        };
        let before = self.engine.snapshot();
        let foretold = match &command.action {
            Action::Authorize(ask) => Some(self.engine.assess(self.at, ask)),
            _ => None,
        };
        let applied = self.engine.apply(self.at, &command);
        let after = self.engine.snapshot();
        check_foretold(foretold, &applied.outcome);
        check_replay(&self.engine, &command, &applied.outcome);
        if applied.outcome.is_refusal() {
            assert_eq!(before, after, "a refusal changed something: {command:?}");
            assert!(applied.effects.is_empty(), "a refusal has effects: {applied:?}");
        }
        self.mirror.absorb(self.at, &applied);
        assert_eq!(self.mirror, after, "the effects do not tell all: {command:?} {applied:#?}");
        self.engine.check_invariants().unwrap_or_else(|all| panic!("{all:?} after {command:?}"));
        let outcome = applied.outcome.clone();
        self.log.push((self.at, command, applied));
        outcome
    }

    pub(crate) fn done(&mut self, action: Action) {
        let outcome = self.run(action);
        assert!(matches!(outcome, Outcome::Done | Outcome::Account(_)), "{outcome:?}");
    }

    pub(crate) fn refused(&mut self, action: Action) -> RefusalReason {
        match self.run(action) {
            Outcome::Refused(refusal) => refusal.reason,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub(crate) fn effects(&self) -> &[Effect] {
        &self.log.last().unwrap().2.effects
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.at = self.at.plus(duration);
    }

    pub(crate) fn days(&mut self, days: u64) {
        self.wait(Duration::from_secs(86_400 * days));
    }

    pub(crate) fn tick(&mut self) -> u32 {
        match self.run(Action::Tick { max: 100 }) {
            Outcome::Ticked { ended, more: false } => ended,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn top_up(&mut self, minor_units: i64) {
        let credit = self.bank_credit("WALLET", minor_units);
        assert!(matches!(
            self.run(Action::BookBankCredit(Box::new(credit))),
            Outcome::Booked(Booked { matched: true, .. })
        ));
    }

    pub(crate) fn bank_credit(&mut self, funding: &str, minor_units: i64) -> BookBankCredit {
        let n = self.fresh();
        BookBankCredit {
            transfer: id(n),
            funding_reference: text(funding),
            amount: cny(minor_units),
            bank_reference: text("salary"),
            bank_transaction_id: text(&format!("bank-{n}")),
            value_date: None,
        }
    }

    pub(crate) fn purchase(&mut self, minor_units: i64) -> Authorize {
        let (payment, transfers) = (self.fresh(), self.fresh());
        Authorize {
            payment: id(payment),
            transfers: id(transfers),
            card: id(CARD),
            kind: PaymentKind::Purchase,
            amount: cny(minor_units),
            channel: Channel::Pos,
            entry_mode: EntryMode::Chip,
            merchant: merchant(5411, "CN"),
            verification: Verification::NONE,
            partial_allowed: false,
            capture_now: false,
            network_reference: None,
            approval_code: Some(text("A1B2C3")),
            outside: None,
            stand_in: false,
        }
    }

    pub(crate) fn authorize(&mut self, ask: Authorize) -> Decided {
        match self.run(Action::Authorize(Box::new(ask))) {
            Outcome::Decided(decided) => decided,
            other => panic!("{other:?}"),
        }
    }

    /// An approved purchase.
    pub(crate) fn approve(&mut self, minor_units: i64) -> PaymentId {
        let ask = self.purchase(minor_units);
        let decided = self.authorize(ask);
        assert_eq!(decided.decision.verdict, Verdict::Approved, "{decided:?}");
        decided.payment
    }

    /// The reason a purchase is declined for.
    pub(crate) fn declined(&mut self, ask: Authorize) -> DeclineReason {
        let decision = self.authorize(ask).decision;
        assert_eq!((decision.verdict, decision.approved), (Verdict::Declined, 0));
        decision.reason.unwrap()
    }

    pub(crate) fn clear(&mut self, payment: PaymentId, minor_units: i64, last: bool, force: bool) -> Outcome {
        let transfers = id(self.fresh());
        self.run(Action::ClearPayment(Box::new(ClearPayment {
            payment: PaymentRef::Id(payment),
            transfers,
            amount: cny(minor_units),
            last,
            force,
            value_date: None,
        })))
    }

    pub(crate) fn reverse(&mut self, payment: PaymentId, minor_units: Option<i64>) -> Outcome {
        let amount = minor_units.map(cny);
        self.run(Action::ReversePayment(Box::new(ReversePayment {
            payment: PaymentRef::Id(payment),
            amount,
        })))
    }

    pub(crate) fn refund(&mut self, payment: PaymentId, minor_units: i64) -> Outcome {
        let transfers = id(self.fresh());
        let target = RefundTarget::Payment(PaymentRef::Id(payment));
        self.run(Action::RefundPayment(Box::new(RefundPayment {
            target,
            transfers,
            amount: cny(minor_units),
            value_date: None,
        })))
    }

    pub(crate) fn order(
        &mut self,
        debit: u128,
        credit: u128,
        minor_units: i64,
        mode: TransferMode,
    ) -> TransferOrder {
        TransferOrder {
            transfer: id(self.fresh()),
            debit: id(debit),
            credit: id(credit),
            amount: cny(minor_units),
            mode,
            code: TransferCode::TRANSFER,
            value_date: None,
            reference: text("ref"),
            description: text("words"),
        }
    }

    /// Posts a transfer that is not refused.
    pub(crate) fn post(&mut self, debit: u128, credit: u128, minor_units: i64) -> Transferred {
        let order = self.order(debit, credit, minor_units, TransferMode::Post);
        self.transferred(Action::Transfer(Box::new(order)))
    }

    pub(crate) fn transferred(&mut self, action: Action) -> Transferred {
        match self.run(action) {
            Outcome::Transferred(transferred) => transferred,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn hold(&mut self, minor_units: i64, days: Option<u64>, over_capture: i64) -> TransferId {
        let expires_at = days.map(|days| self.at.plus(Duration::from_secs(86_400 * days)));
        let mode = TransferMode::Hold { expires_at, over_capture };
        let order = self.order(WALLET, SETTLEMENT, minor_units, mode);
        self.transferred(Action::Transfer(Box::new(order))).transfer
    }

    pub(crate) fn capture(&mut self, hold: TransferId, minor_units: i64, last: bool) -> Action {
        Action::CaptureHold(Box::new(CaptureHold {
            hold,
            transfer: id(self.fresh()),
            amount: cny(minor_units),
            last,
            value_date: None,
            description: text("part"),
        }))
    }

    pub(crate) fn freeze_card(&mut self, role: Role, holder: FreezeHolder) -> Outcome {
        self.as_role(
            role,
            Action::FreezeCard { card: id(CARD), holder, reason: text("why"), channel: text("app") },
        )
    }

    pub(crate) fn unfreeze_card(&mut self, role: Role, holder: FreezeHolder) -> Outcome {
        self.as_role(
            role,
            Action::UnfreezeCard { card: id(CARD), holder, reason: text("ok"), channel: text("app") },
        )
    }

    pub(crate) fn as_role(&mut self, role: Role, action: Action) -> Outcome {
        let before = std::mem::replace(&mut self.role, role);
        let outcome = self.run(action);
        self.role = before;
        outcome
    }

    pub(crate) fn freeze_account(&mut self, holder: FreezeHolder, scope: FreezeScope) -> Outcome {
        let role = if holder == FreezeHolder::Legal { Role::LegalDesk } else { Role::Operator };
        self.as_role(role, Action::FreezeAccount { account: id(WALLET), holder, scope, reason: text("why") })
    }

    pub(crate) fn set_controls(&mut self, scope: ControlScope, controls: Vec<Control>) {
        self.done(Action::SetControls { scope, controls });
    }

    pub(crate) fn balances(&self, account: u128) -> (i64, i128) {
        let account = self.engine.account(id::<AccountId>(account)).unwrap();
        (account.posted(), account.available())
    }

    pub(crate) fn card(&self, card: u128) -> &Card {
        self.engine.card(id::<CardId>(card)).unwrap()
    }

    pub(crate) fn payment(&self, payment: PaymentId) -> &Payment {
        self.engine.payment(payment).unwrap()
    }
}

/// A decision comes out the same from its record, and what is said to have approved a declined one would have.
fn check_replay(engine: &Engine, command: &Command, outcome: &Outcome) {
    let (Action::Authorize(ask), Outcome::Decided(decided)) = (&command.action, outcome) else { return };
    let record = engine.decision_record(ask, decided.facts.as_ref().unwrap()).unwrap();
    assert_eq!(record.replay(), decided.decision);
    if decided.decision.verdict == Verdict::Approved && !ask.stand_in {
        assert_eq!(record.explain(), Explanation::default());
    }
}

/// What would be decided is what is decided, but for what concerns the message alone.
fn check_foretold(foretold: Option<Decision>, outcome: &Outcome) {
    let (Some(foretold), Outcome::Decided(decided)) = (foretold, outcome) else { return };
    let message = [DeclineReason::Duplicate, DeclineReason::AlreadyReversed, DeclineReason::SystemError];
    if !decided.decision.failing.iter().any(|failing| message.contains(&failing.reason)) {
        assert_eq!(foretold, decided.decision);
    }
}
