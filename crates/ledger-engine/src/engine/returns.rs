//! What gives money back: reversals of what is held, also before their original, and refunds of what was posted.

use std::time::Duration;

use bursar_types::Money;
use bursar_types::id::TransferId;

use super::clearing::{ClearPlan, MAIN, SHORTFALL};
use super::state::Due;
use super::step::{Handled, Power, Step, refuse};
use super::transfers::positive;
use crate::*;

impl Step<'_> {
    pub(crate) fn reverse_payment(&mut self, reversal: &ReversePayment) -> Handled {
        if let PaymentRef::Network(reference) = &reversal.payment
            && self.state.find_payment(&reversal.payment).is_none()
        {
            return self.reverse_early(reference);
        }
        let payment = self.payment(&reversal.payment)?;
        let (id, before) = (payment.id, payment.sums);
        let open = before.outstanding().saturating_add(before.unheld);
        if open == 0 {
            return refuse(RefusalReason::PaymentState, Subject::Payment);
        }
        let asset = payment.asset;
        let amount = match reversal.amount {
            Some(amount) => self.at_its_rate(payment, amount)?,
            None => Money::new(open, asset),
        };
        positive(amount, Money::zero(asset))?;
        let amount = amount.minor_units;
        if amount > open {
            return refuse(RefusalReason::ExceedsHold, Subject::Amount);
        }
        let fee_hold = payment.fee_hold;
        // What no money is held for goes first.
        let from_unheld = amount.min(before.unheld);
        let hold = payment.hold.filter(|_| amount > from_unheld);
        if let Some(hold) = hold {
            let released = amount - from_unheld;
            self.release(hold, released, HoldChange::Voided(released))?;
        }
        if amount == open {
            self.release_fee(fee_hold, HoldChange::Voided)?;
        }
        let sums = Sums {
            reversed: before.reversed.saturating_add(amount),
            unheld: before.unheld - from_unheld,
            ..before
        };
        self.advance(id, ElementKind::Reversed, amount, hold, sums);
        self.recount(id, before);
        self.payment_step(id, amount)
    }

    /// Remembers a reversal whose original has not come yet.
    fn reverse_early(&mut self, reference: &Reference) -> Handled {
        if reference.is_empty() {
            return refuse(RefusalReason::InvalidField, Subject::NetworkReference);
        }
        if !self.state.early_reversals.holds(reference) {
            let until = self.at.plus(Duration::from_secs(86_400 * EARLY_REVERSAL_DAYS));
            self.state.early_reversals.insert(reference.clone(), until);
            self.state.due.insert((until, Due::EarlyReversal(reference.clone())));
            self.effects.push(Effect::EarlyReversalNoted { network_reference: reference.clone(), until });
        }
        Ok(Outcome::ReversedEarly)
    }

    /// Releases the held fee of a payment whose hold has ended with nothing posted.
    pub(crate) fn release_fee(
        &mut self,
        fee_hold: Option<TransferId>,
        change: impl FnOnce(i64) -> HoldChange,
    ) -> Result<(), Refusal> {
        let Some((hold, left)) =
            fee_hold.and_then(|hold| Some((hold, self.state.holds.get(&hold)?.outstanding())))
        else {
            return Ok(());
        };
        self.release(hold, left, change(left)).map(drop)
    }

    pub(crate) fn refund_payment(&mut self, refund: &RefundPayment) -> Handled {
        let (id, account, merchant, before, fresh, billed) = match &refund.target {
            RefundTarget::Payment(reference) => {
                let payment = self.payment(reference)?;
                let billed = self.in_asset(refund.amount, payment.asset, payment.exchange.as_deref())?;
                positive(billed, Money::zero(payment.asset))?;
                let sums = payment.sums;
                // Rates move: what was paid in another asset is paid back up to what was posted of that.
                let abroad = payment.exchange.as_ref().filter(|e| e.merchant.asset == refund.amount.asset);
                let (so_far, more, most) = match abroad.filter(|exchange| exchange.cleared > 0) {
                    Some(exchange) => (exchange.refunded, refund.amount.minor_units, exchange.cleared),
                    None => (sums.refunded, billed.minor_units, sums.cleared),
                };
                if i128::from(so_far) + i128::from(more) > i128::from(most) {
                    return refuse(RefusalReason::ExceedsCleared, Subject::Amount);
                }
                (payment.id, payment.account, payment.merchant.clone(), sums, None, billed)
            }
            RefundTarget::Unlinked { payment, card, merchant, channel } => {
                let billed = self.in_cards_asset(*card, refund.amount)?;
                if billed.minor_units <= 0 {
                    return refuse(RefusalReason::InvalidAmount, Subject::Amount);
                }
                self.check_new_payment(*payment, None)?;
                let Some(owner) = self.account_of(card, billed)? else {
                    return refuse(RefusalReason::CardNotFound, Subject::Card);
                };
                let mut fresh = self.bare_payment(*payment, *card, Some(owner), billed, merchant);
                fresh.channel = *channel;
                fresh.exchange = self.exchange_of(refund.amount, billed.asset);
                (*payment, Some(owner.0), merchant.clone(), Sums::default(), Some(fresh), billed)
            }
        };
        let amount = billed.minor_units;
        let Some(internal) = self.state.internal(billed.asset) else {
            return refuse(RefusalReason::AssetNotConfigured, Subject::Amount);
        };
        // What the customer still owes for this payment is paid back first.
        let repaid = amount.min(before.shortfall);
        let plan = ClearPlan {
            payment: id,
            payer: account,
            hold: None,
            fee_hold: None,
            outstanding: 0,
            amount: billed,
            last: true,
            transfers: refund.transfers,
            value_date: refund.value_date,
            internal,
            merchant: &merchant,
        };
        let target = account.filter(|account| self.takes_credit(*account)).unwrap_or(internal.suspense);
        let [main, short] = [MAIN, SHORTFALL].map(|n| transfer_id(refund.transfers, n));
        for (transfer, credit, part) in
            [(main, target, amount - repaid), (short, internal.receivable, repaid)]
        {
            if part > 0 {
                let cause = Cause::Payment(id);
                let mut posted =
                    self.payment_transfer(&plan, transfer, internal.settlement, credit, part, cause);
                posted.code = TransferCode::CARD_REFUND;
                self.post(posted, 0, Power::Forced)?;
            }
        }
        if let Some(fresh) = fresh {
            self.insert_payment(fresh);
        }
        let sums = Sums {
            refunded: before.refunded.saturating_add(amount),
            shortfall: before.shortfall - repaid,
            ..before
        };
        let transfer = if amount > repaid { main } else { short };
        self.advance(id, ElementKind::Refunded, amount, Some(transfer), sums);
        self.note_exchange(id, refund.amount, |exchange, refunded| {
            exchange.refunded = exchange.refunded.saturating_add(refunded);
        });
        self.payment_step(id, amount)
    }
}
