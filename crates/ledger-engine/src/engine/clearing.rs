//! Clearing: a payment is posted, in whole, in part, above, late, or without ever having been authorized.

use bursar_types::Money;
use bursar_types::id::{AccountId, CardId, CustomerId, PaymentId, TransferId};

use super::step::{Handled, Power, Step, refuse};
use super::transfers::positive;
use crate::*;

/// Where in the block of transfer ids each of a clearing's or refund's transfers has its own.
pub(crate) const MAIN: u32 = 0;
pub(crate) const SHORTFALL: u32 = 1;
const FEE: u32 = 2;

/// What a clearing moves, and between whom.
pub(crate) struct ClearPlan<'a> {
    pub(crate) payment: PaymentId,
    /// Who pays; `None`: the card is not known, and suspense pays.
    pub(crate) payer: Option<AccountId>,
    pub(crate) hold: Option<TransferId>,
    pub(crate) fee_hold: Option<TransferId>,
    /// What the hold still keeps.
    pub(crate) outstanding: i64,
    pub(crate) amount: Money,
    pub(crate) last: bool,
    pub(crate) transfers: TransferId,
    pub(crate) value_date: Option<Day>,
    pub(crate) internal: AssetAccounts,
    pub(crate) merchant: &'a Merchant,
}

/// What a clearing moved, minor units.
pub(crate) struct Cleared {
    pub(crate) amount: i64,
    pub(crate) captured: i64,
    pub(crate) shortfall: i64,
    pub(crate) released: i64,
    pub(crate) fee: i64,
    pub(crate) last: bool,
    pub(crate) hold: Option<TransferId>,
    pub(crate) transfer: TransferId,
    pub(crate) fee_transfer: TransferId,
}

impl Step<'_> {
    /// Moves the money of a clearing: first out of the hold, then out of what the payer has, then out of the receivable.
    pub(crate) fn clear_money(&mut self, plan: &ClearPlan<'_>) -> Result<Cleared, Refusal> {
        let ClearPlan { internal, outstanding, .. } = *plan;
        let amount = plan.amount.minor_units;
        let captured = amount.min(outstanding);
        let over = amount - captured;
        let payer = plan.payer.unwrap_or(internal.suspense);
        let shortfall = over - self.covers(payer, over);
        let [main, short, fee_id] = [MAIN, SHORTFALL, FEE].map(|n| transfer_id(plan.transfers, n));

        let paid = amount - shortfall;
        if paid > 0 {
            let cause = match plan.hold.filter(|_| captured > 0) {
                Some(hold) => {
                    self.change_hold(hold, HoldChange::Captured { amount: captured, transfer: main })?;
                    Cause::PaymentCapture { payment: plan.payment, hold }
                }
                None => Cause::Payment(plan.payment),
            };
            let posted = self.payment_transfer(plan, main, payer, internal.settlement, paid, cause);
            self.post(posted, captured, Power::Forced)?;
        }
        if shortfall > 0 {
            let mut posted = self.payment_transfer(
                plan,
                short,
                internal.receivable,
                internal.settlement,
                shortfall,
                Cause::Payment(plan.payment),
            );
            posted.code = TransferCode::SHORTFALL;
            self.post(posted, 0, Power::Forced)?;
        }
        let rest = outstanding - captured;
        let released = if plan.last { rest } else { 0 };
        if let Some(hold) = plan.hold.filter(|_| released > 0) {
            self.release(hold, released, HoldChange::Voided(released))?;
        }
        let fee = self.clear_fee(plan, payer, fee_id)?;
        Ok(Cleared {
            amount,
            captured,
            shortfall,
            released,
            fee,
            last: plan.last,
            hold: plan.hold,
            transfer: if paid > 0 { main } else { short },
            fee_transfer: fee_id,
        })
    }

    /// Posts the fee that is held with a payment, with its first clearing.
    fn clear_fee(&mut self, plan: &ClearPlan<'_>, payer: AccountId, id: TransferId) -> Result<i64, Refusal> {
        let Some((hold, fee)) =
            plan.fee_hold.and_then(|hold| Some((hold, self.state.holds.get(&hold)?.outstanding())))
        else {
            return Ok(0);
        };
        self.change_hold(hold, HoldChange::Captured { amount: fee, transfer: id })?;
        let cause = Cause::PaymentCapture { payment: plan.payment, hold };
        let mut posted = self.payment_transfer(plan, id, payer, plan.internal.fee_income, fee, cause);
        posted.code = TransferCode::FEE;
        self.post(posted, fee, Power::Forced)?;
        Ok(fee)
    }

    /// How much of `amount` an account can give beyond its holds.
    fn covers(&self, id: AccountId, amount: i64) -> i64 {
        match self.state.account(id) {
            Some(account) if account.closed_at.is_none() => match account.spendable() {
                Some(spendable) => {
                    i64::try_from(spendable.clamp(0, i128::from(amount.max(0)))).unwrap_or(amount)
                }
                None => amount,
            },
            _ => 0,
        }
    }

    pub(crate) fn payment_transfer(
        &self,
        plan: &ClearPlan<'_>,
        id: TransferId,
        debit: AccountId,
        credit: AccountId,
        amount: i64,
        cause: Cause,
    ) -> PostedTransfer {
        PostedTransfer {
            id,
            debit,
            credit,
            amount: Money::new(amount, plan.amount.asset),
            code: TransferCode::CARD_PAYMENT,
            cause,
            booked_at: self.at,
            value_date: self.value_date(plan.value_date),
            reference: plan.merchant.id.clone(),
            description: plan.merchant.name.widen(),
            request_id: self.command.request_id,
        }
    }

    /// Records a clearing on its payment.
    pub(crate) fn record_clearing(&mut self, id: PaymentId, cleared: &Cleared) {
        let Some(payment) = self.state.payments.get(&id) else { return };
        let before = payment.sums;
        let mut sums = before;
        // That these fit was seen before money moved.
        sums.cleared = sums.cleared.saturating_add(cleared.amount);
        sums.captured = sums.captured.saturating_add(cleared.captured);
        sums.shortfall = sums.shortfall.saturating_add(cleared.shortfall);
        self.advance(id, ElementKind::Cleared, cleared.amount, Some(cleared.transfer), sums);
        // After the last nothing more will be presented of what no money is held for.
        let unheld = if cleared.last { sums.unheld } else { 0 };
        let released = cleared.released.saturating_add(unheld);
        if released > 0 {
            sums.unheld -= unheld;
            sums.released = sums.released.saturating_add(released);
            self.advance(id, ElementKind::Released, released, cleared.hold, sums);
        }
        if cleared.fee > 0 {
            sums.fees = sums.fees.saturating_add(cleared.fee);
            self.advance(id, ElementKind::Fee, cleared.fee, Some(cleared.fee_transfer), sums);
        }
        self.recount(id, before);
    }

    pub(crate) fn clear_payment(&mut self, clear: &ClearPayment) -> Handled {
        let payment = self.payment(&clear.payment)?;
        let billed = self.in_asset(clear.amount, payment.asset, payment.exchange.as_deref())?;
        positive(billed, Money::zero(payment.asset))?;
        let sums = payment.sums;
        if matches!(payment.status(), PaymentStatus::Declined | PaymentStatus::Checked) {
            return refuse(RefusalReason::PaymentState, Subject::Payment);
        }
        let amount = billed.minor_units;
        if sums.cleared.checked_add(amount).is_none() {
            return refuse(RefusalReason::Overflow, Subject::Amount);
        }
        if !clear.force && i128::from(amount) > self.may_clear(payment) {
            return refuse(RefusalReason::ExceedsHold, Subject::Amount);
        }
        let Some(internal) = self.state.internal(payment.asset) else {
            return refuse(RefusalReason::AssetNotConfigured, Subject::Amount);
        };
        let merchant = payment.merchant.clone();
        let plan = ClearPlan {
            payment: payment.id,
            payer: payment.account,
            hold: payment.hold,
            fee_hold: payment.fee_hold,
            outstanding: sums.outstanding(),
            amount: billed,
            last: clear.last,
            transfers: clear.transfers,
            value_date: clear.value_date,
            internal,
            merchant: &merchant,
        };
        let cleared = self.clear_money(&plan)?;
        self.record_clearing(plan.payment, &cleared);
        self.note_exchange(plan.payment, clear.amount, |exchange, cleared| {
            exchange.cleared = exchange.cleared.saturating_add(cleared);
        });
        self.payment_step(plan.payment, amount)
    }

    /// How much more may be cleared without force: what was authorized and not taken back by the merchant (an expired
    /// hold may still be presented late), with the tolerance of the merchant's category.
    fn may_clear(&self, payment: &Payment) -> i128 {
        let sums = &payment.sums;
        let base = i128::from(sums.authorized) + i128::from(sums.incremented)
            - i128::from(sums.reversed)
            - i128::from(sums.released);
        if base <= 0 {
            return 0;
        }
        let spec = self.state.card(payment.card).and_then(|card| self.state.ruling(card));
        let tolerances = spec.map_or(&[][..], |version| &version.spec.tolerances);
        let fits = |t: &&Tolerance| {
            t.mccs.is_empty() || t.mccs.iter().any(|range| range.holds(payment.merchant.mcc))
        };
        let tolerance = tolerances
            .iter()
            .find(fits)
            .map_or(0, |t| base * i128::from(t.basis_points) / 10_000 + i128::from(t.flat));
        base + tolerance - i128::from(sums.cleared)
    }

    pub(crate) fn payment_step(&self, id: PaymentId, amount: i64) -> Handled {
        let Some(payment) = self.state.payments.get(&id) else {
            return refuse(RefusalReason::PaymentNotFound, Subject::Payment);
        };
        Ok(Outcome::Payment(PaymentStep {
            payment: id,
            amount,
            status: payment.status(),
            sums: payment.sums,
            account: payment.account.and_then(|account| self.state.after(account)),
        }))
    }

    pub(crate) fn force_post(&mut self, force: &ForcePost) -> Handled {
        if force.amount.minor_units <= 0 {
            return refuse(RefusalReason::InvalidAmount, Subject::Amount);
        }
        if self.state.program.is_none() {
            return refuse(RefusalReason::ProgramNotConfigured, Subject::Program);
        }
        self.check_new_payment(force.payment, force.network_reference.as_ref())?;
        let billed = self.in_cards_asset(force.card, force.amount)?;
        let Some(internal) = self.state.internal(billed.asset) else {
            return refuse(RefusalReason::AssetNotConfigured, Subject::Amount);
        };
        let payer = self.account_of(&force.card, billed)?;
        let plan = ClearPlan {
            payment: force.payment,
            payer: payer.map(|(account, _)| account),
            hold: None,
            fee_hold: None,
            outstanding: 0,
            amount: billed,
            last: true,
            transfers: force.transfers,
            value_date: force.value_date,
            internal,
            merchant: &force.merchant,
        };
        let cleared = self.clear_money(&plan)?;
        let mut payment = self.bare_payment(force.payment, force.card, payer, billed, &force.merchant);
        payment.exchange = self.exchange_of(force.amount, billed.asset);
        payment.channel = force.channel;
        payment.network_reference = force.network_reference.clone();
        self.insert_payment(payment);
        self.record_clearing(force.payment, &cleared);
        self.note_exchange(force.payment, force.amount, |exchange, cleared| exchange.cleared = cleared);
        self.payment_step(force.payment, billed.minor_units)
    }

    pub(crate) fn check_new_payment(
        &self,
        id: PaymentId,
        reference: Option<&Reference>,
    ) -> Result<(), Refusal> {
        if self.state.payments.holds(&id) {
            return refuse(RefusalReason::AlreadyExists, Subject::Payment);
        }
        match reference {
            Some(text) if text.is_empty() => refuse(RefusalReason::InvalidField, Subject::NetworkReference),
            Some(text) if self.state.network.holds(text) => {
                refuse(RefusalReason::AlreadyExists, Subject::NetworkReference)
            }
            _ => Ok(()),
        }
    }

    /// The account and customer of a card, whatever its state; `None` if the card is not known.
    pub(crate) fn account_of(
        &self,
        card: &CardId,
        amount: Money,
    ) -> Result<Option<(AccountId, CustomerId)>, Refusal> {
        let Some(card) = self.state.card(*card) else { return Ok(None) };
        match self.state.account(card.account) {
            Some(account) if account.asset != amount.asset => {
                refuse(RefusalReason::AssetMismatch, Subject::Amount)
            }
            _ => Ok(Some((card.account, card.customer))),
        }
    }

    /// A payment that no authorization began.
    pub(crate) fn bare_payment(
        &self,
        id: PaymentId,
        card: CardId,
        payer: Option<(AccountId, CustomerId)>,
        amount: Money,
        merchant: &Merchant,
    ) -> Payment {
        Payment {
            id,
            card,
            account: payer.map(|(account, _)| account),
            customer: payer.map(|(_, customer)| customer),
            asset: amount.asset,
            kind: PaymentKind::Purchase,
            channel: Channel::Pos,
            entry_mode: EntryMode::Unknown,
            merchant: merchant.clone(),
            network_reference: None,
            approval_code: None,
            requested: amount.minor_units,
            decision: None,
            hold: None,
            fee_hold: None,
            sums: Sums::default(),
            elements: Vec::new(),
            counted: Vec::new(),
            created_at: self.at,
            exchange: None,
        }
    }
}
