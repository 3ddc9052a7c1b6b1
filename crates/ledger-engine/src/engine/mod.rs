//! The engine: one shard's state and the one way to change it.

mod accounts;
mod authorize;
mod calendar;
mod cards;
mod clearing;
mod counting;
mod decide;
mod exchanging;
mod explain;
mod fees;
mod invariants;
mod limits;
mod load;
mod returns;
mod setup;
mod state;
mod step;
mod table;
mod tick;
mod transfers;

use std::collections::BTreeMap;

use bursar_types::id::{AccountId, CardId, CardProductId, PaymentId, TransferId};
use bursar_types::{Asset, RequestId, Timestamp};

use crate::*;
use cards::Why;
pub use explain::{Change, Explanation};
pub use fees::{Quote, QuotedFee};
pub use invariants::Violation;
pub use load::{Restore, RestoreError};
use state::State;
use step::{Handled, Step};

/// The state of one shard.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    state: State,
}

impl Engine {
    /// An empty shard.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides `command` at the moment `at`. Time never goes back: a moment before that of the last change counts as
    /// that one. Never panics. A command without effects left no trace, not even of its time, whatever its outcome:
    /// a refusal, a repetition that got the stored answer, a tick with nothing due. It need not be journaled.
    pub fn apply(&mut self, at: Timestamp, command: &Command) -> Applied {
        let before = self.state.now;
        let now = before.max(at);
        self.state.now = now;
        let mut step = Step::new(&mut self.state, command, now);
        let start = step.mark();
        let outcome = step.dispatch().unwrap_or_else(Outcome::Refused);
        if outcome.is_refusal() {
            step.back_to(&start);
        }
        let effects = step.effects;
        if effects.is_empty() {
            self.state.now = before;
        }
        Applied { outcome, effects }
    }

    /// What would be decided on `ask` at the moment `at`, with nothing changed: duplicates and early reversals, which
    /// concern the message and not the card, are not looked at. For quotes and explanations.
    pub fn assess(&self, at: Timestamp, ask: &Authorize) -> Decision {
        let rate = self.state.rate_for(ask.card, ask.amount);
        let exchanged = rate.and_then(|rate| ask.exchanged(rate));
        let asked = decide::Ask::of(exchanged.as_ref().unwrap_or(ask), exchanged.is_some());
        self.state.assess(&asked, ask.outside, self.state.now.max(at)).decision
    }

    /// What a payment would cost at the moment `at`, each fee by itself, and how it would be decided. What counts as free
    /// this month is free.
    pub fn quote(&self, at: Timestamp, ask: &Authorize) -> Quote {
        let at = self.state.now.max(at);
        let decision = self.assess(at, ask);
        let rate = self.state.rate_for(ask.card, ask.amount);
        let exchanged = rate.and_then(|rate| ask.exchanged(rate));
        let asked = exchanged.as_ref().unwrap_or(ask);
        let fees = self.state.fees(&decide::Ask::of(asked, exchanged.is_some()), at);
        let rate = exchanged.as_ref().and(rate).cloned();
        Quote { fees, decision, at, billed: asked.amount, rate }
    }

    /// The whole record of a decision, if the controls it was taken under are still in force.
    pub fn decision_record(&self, ask: &Authorize, facts: &DecisionFacts) -> Option<DecisionRecord> {
        let mut record = DecisionRecord {
            ask: ask.clone(),
            facts: facts.clone(),
            spec: None,
            program_controls: Vec::new(),
            account_controls: Vec::new(),
            card_controls: Vec::new(),
        };
        let Some(card) = &facts.card else { return Some(record) };
        let version =
            self.product(card.product).iter().find(|version| version.version == card.product_version)?;
        record.spec = Some(version.spec.clone());
        let current = |scope, set_by: Option<RequestId>| match (self.control_set(scope), set_by) {
            (None, None) => Some(Vec::new()),
            (Some(set), Some(by)) if set.set_by == Some(by) => Some(set.controls),
            _ => None,
        };
        record.program_controls = current(ControlScope::Program, card.program_controls)?;
        record.account_controls = current(ControlScope::Account(card.account), card.account_controls)?;
        record.card_controls = current(ControlScope::Card(card.chain), card.card_controls)?;
        Some(record)
    }

    /// The controls of the program, an account or a card, with what set them; `None` if it has none of its own.
    pub fn control_set(&self, scope: ControlScope) -> Option<ControlSet> {
        match scope {
            ControlScope::Program => self.state.program_controls.told(scope),
            ControlScope::Product(_) => None,
            ControlScope::Account(id) => self.state.accounts.get(&id)?.controls.told(scope),
            ControlScope::Card(id) => {
                let chain = self.state.card(id)?.chain();
                self.state.cards.get(&chain)?.controls.told(ControlScope::Card(chain))
            }
        }
    }

    /// The latest moment at which something changed.
    pub fn now(&self) -> Timestamp {
        self.state.now
    }

    /// When the next thing is due that an [`Action::Tick`] would end.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.state.due.first().map(|(when, _)| *when)
    }

    /// The program's settings.
    pub fn program(&self) -> Option<&ProgramSettings> {
        self.state.program.as_ref()
    }

    /// The versions of a product, the first first; empty if there is no such product.
    pub fn product(&self, id: CardProductId) -> &[ProductVersion] {
        self.state.products.get(&id).map_or(&[], |slot| &slot.versions)
    }

    /// An account.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.state.account(id)
    }

    /// The account a bank credit with this text would find.
    pub fn account_by_funding(&self, funding: &Reference) -> Option<&Account> {
        self.state.account(*self.state.funding.get(funding)?)
    }

    /// The sums over all accounts, by asset.
    pub fn totals(&self) -> BTreeMap<Asset, Totals> {
        let mut totals: BTreeMap<Asset, Totals> = BTreeMap::new();
        self.state.accounts.each(|slot| {
            totals.entry(slot.account.asset).or_default().add(&slot.account.balances);
        });
        totals
    }

    /// A card.
    pub fn card(&self, id: CardId) -> Option<&Card> {
        self.state.card(id)
    }

    /// The controls of the program, an account or a card, or of a product's version in force.
    pub fn controls(&self, scope: ControlScope) -> &[Control] {
        match scope {
            ControlScope::Program => &self.state.program_controls.list,
            ControlScope::Product(id) => self
                .state
                .products
                .get(&id)
                .and_then(|slot| slot.effective())
                .map_or(&[], |version| &version.spec.controls),
            ControlScope::Account(id) => self.state.accounts.get(&id).map_or(&[], |slot| &slot.controls.list),
            ControlScope::Card(id) => {
                let chain = self.state.card(id).map_or(id, Card::chain);
                self.state.cards.get(&chain).map_or(&[], |slot| &slot.controls.list)
            }
        }
    }

    /// The rates of exchange, by pair.
    pub fn rates(&self) -> impl Iterator<Item = &ExchangeRate> {
        self.state.rates.values()
    }

    /// A payment.
    pub fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.state.payments.get(&id)
    }

    /// The payment with this reference of the network's.
    pub fn payment_by_network(&self, reference: &Reference) -> Option<&Payment> {
        self.state.payments.get(self.state.network.get(reference)?)
    }

    /// An open hold.
    pub fn hold(&self, id: TransferId) -> Option<&Hold> {
        self.state.holds.get(&id)
    }

    /// How a bank credit with this id of the bank's was booked.
    pub fn bank_credit(&self, bank_transaction_id: &Reference) -> Option<&BankBooking> {
        self.state.bank_credits.get(bank_transaction_id)
    }

    /// How a customer stands, if the ledger was told.
    pub fn customer(&self, id: bursar_types::id::CustomerId) -> Option<CustomerStanding> {
        self.state.customers.get(&id).copied()
    }
}

impl Step<'_> {
    fn dispatch(&mut self) -> Handled {
        let command = self.command;
        match &command.action {
            Action::ConfigureProgram(settings) => self.configure_program(settings),
            Action::DraftProduct { product, spec } => self.draft_product(*product, spec),
            Action::ActivateProduct { product, version } => self.activate_product(*product, *version),
            Action::RetireProduct { product } => self.retire_product(*product),
            Action::SetControls { scope, controls } => self.set_controls(*scope, controls),
            Action::SetCustomerStanding { customer, status, kyc_level } => {
                self.set_customer_standing(*customer, *status, *kyc_level)
            }
            Action::OpenAccount(open) => self.open_account(open),
            Action::SetBalanceLimit { account, limit } => self.set_balance_limit(*account, *limit),
            Action::FreezeAccount { account, holder, scope, reason } => {
                self.freeze_account(*account, *holder, *scope, reason)
            }
            Action::UnfreezeAccount { account, holder, .. } => self.unfreeze_account(*account, *holder),
            Action::CloseAccount { account } => self.close_account(*account),
            Action::Transfer(order) => self.transfer(order).map(Outcome::Transferred),
            Action::TransferBatch { orders, linked } => self.transfer_batch(orders, *linked),
            Action::CaptureHold(capture) => self.capture_hold(capture),
            Action::IncrementHold { hold, amount } => self.increment_hold(*hold, *amount),
            Action::VoidHold { hold, amount } => self.void_hold(*hold, *amount),
            Action::ReverseTransfer(reversal) => self.reverse_transfer(reversal),
            Action::BookBankCredit(credit) => self.book_bank_credit(credit),
            Action::RequestCard(request) => self.request_card(request),
            Action::CompleteCardIssue { card, masked_pan, expiry } => {
                self.complete_card_issue(*card, masked_pan, *expiry)
            }
            Action::FailCardIssue { card, reason } => self.fail_card_issue(*card, reason),
            Action::ActivateCard { card, channel } => self.activate_card(*card, channel),
            Action::FreezeCard { card, holder, reason, channel } => {
                self.freeze_card(*card, *holder, reason, channel)
            }
            Action::UnfreezeCard { card, holder, reason, channel } => {
                self.unfreeze_card(*card, *holder, reason, channel)
            }
            Action::CloseCard { card, close, reason, channel } => {
                self.close_card(*card, *close, &Why { freeze: None, reason, channel })
            }
            Action::Authorize(ask) => self.authorize(ask),
            Action::IncrementPayment(increment) => self.increment_payment(increment),
            Action::ReversePayment(reversal) => self.reverse_payment(reversal),
            Action::ClearPayment(clear) => self.clear_payment(clear),
            Action::ForcePost(force) => self.force_post(force),
            Action::RefundPayment(refund) => self.refund_payment(refund),
            Action::SetExchangeRates { rates } => self.set_exchange_rates(rates),
            Action::Tick { max } => self.tick(*max),
        }
    }
}
