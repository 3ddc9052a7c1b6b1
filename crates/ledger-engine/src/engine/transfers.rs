//! Transfers, holds, reversals and bank credits.

use bursar_types::Money;
use bursar_types::id::{AccountId, TransferId};

use super::step::{Handled, Power, Side, Step, lowers, refuse};
use crate::*;

impl Step<'_> {
    pub(crate) fn transfer(&mut self, order: &TransferOrder) -> Result<Transferred, Refusal> {
        let amount = self.checked_amount(order)?;
        match order.mode {
            TransferMode::Post | TransferMode::Balancing => {
                let posted = PostedTransfer {
                    id: order.transfer,
                    debit: order.debit,
                    credit: order.credit,
                    amount,
                    code: order.code,
                    cause: Cause::Order,
                    booked_at: self.at,
                    value_date: self.value_date(order.value_date),
                    reference: order.reference.clone(),
                    description: order.description.clone(),
                    request_id: self.command.request_id,
                };
                self.post(posted, 0, Power::Ordinary)?;
                self.transferred(order.transfer, amount, None, order.debit, order.credit)
            }
            TransferMode::Hold { expires_at, over_capture } => {
                if over_capture < 0 {
                    return refuse(RefusalReason::InvalidAmount, Subject::Limit);
                }
                if expires_at.is_some_and(|until| until <= self.at) {
                    return refuse(RefusalReason::InvalidField, Subject::Expiry);
                }
                let hold = Hold {
                    id: order.transfer,
                    debit: order.debit,
                    credit: order.credit,
                    held: amount,
                    captured: 0,
                    over_captured: 0,
                    released: 0,
                    over_capture,
                    expires_at,
                    payment: None,
                    code: order.code,
                    placed_at: self.at,
                    reference: order.reference.clone(),
                    description: order.description.clone(),
                };
                let sums = hold.sums();
                self.place(hold, Power::Ordinary)?;
                self.transferred(order.transfer, amount, Some(sums), order.debit, order.credit)
            }
        }
    }

    /// The order's own form, its accounts, and the amount: for a balancing transfer, what is there.
    fn checked_amount(&self, order: &TransferOrder) -> Result<Money, Refusal> {
        if order.amount.minor_units <= 0 {
            return refuse(RefusalReason::InvalidAmount, Subject::Amount);
        }
        if order.debit == order.credit {
            return refuse(RefusalReason::AccountsMustDiffer, Subject::CreditAccount);
        }
        let mut most = i128::from(order.amount.minor_units);
        for (id, side, subject) in [
            (order.debit, Side::Debit, Subject::DebitAccount),
            (order.credit, Side::Credit, Subject::CreditAccount),
        ] {
            let Some(account) = self.state.account(id) else {
                return refuse(RefusalReason::AccountNotFound, subject);
            };
            if account.asset != order.amount.asset {
                return refuse(RefusalReason::AssetMismatch, subject);
            }
            if lowers(account.normal, side) {
                most = most.min(account.spendable().unwrap_or(most));
            }
        }
        if self.state.holds.holds(&order.transfer) {
            return refuse(RefusalReason::AlreadyExists, Subject::Transfer);
        }
        if order.mode != TransferMode::Balancing {
            return Ok(order.amount);
        }
        match i64::try_from(most) {
            Ok(most) if most > 0 => Ok(Money::new(most, order.amount.asset)),
            _ => refuse(RefusalReason::InsufficientFunds, Subject::Amount),
        }
    }

    fn transferred(
        &self,
        transfer: TransferId,
        amount: Money,
        hold: Option<HoldSums>,
        debit: AccountId,
        credit: AccountId,
    ) -> Result<Transferred, Refusal> {
        Ok(Transferred {
            transfer,
            amount,
            outstanding: hold.as_ref().map(HoldSums::outstanding),
            debit: self.after(debit, Subject::DebitAccount)?,
            credit: self.after(credit, Subject::CreditAccount)?,
            hold,
        })
    }

    pub(crate) fn transfer_batch(&mut self, orders: &[TransferOrder], linked: bool) -> Handled {
        if orders.is_empty() || orders.len() > MAX_BATCH {
            return refuse(RefusalReason::TooMany, Subject::Items);
        }
        let start = self.mark();
        let mut outcomes = Vec::with_capacity(orders.len());
        for (index, order) in orders.iter().enumerate() {
            let mark = self.mark();
            let outcome = self.transfer(order);
            if outcome.is_err() {
                self.back_to(&mark);
                if linked {
                    self.back_to(&start);
                    let linked = Refusal::new(RefusalReason::LinkedItemFailed, Subject::Items);
                    outcomes = vec![Err(linked); orders.len()];
                    outcomes[index] = outcome;
                    break;
                }
            }
            outcomes.push(outcome);
        }
        Ok(Outcome::Batch(outcomes))
    }

    /// An open hold that is not a payment's.
    fn free_hold(&self, id: TransferId) -> Result<&Hold, Refusal> {
        let hold = self.hold(id)?;
        if hold.payment.is_some() {
            return refuse(RefusalReason::HoldOfPayment, Subject::Hold);
        }
        Ok(hold)
    }

    pub(crate) fn capture_hold(&mut self, capture: &CaptureHold) -> Handled {
        let hold = self.free_hold(capture.hold)?;
        positive(capture.amount, hold.held)?;
        if hold.expires_at.is_some_and(|until| until <= self.at) {
            return refuse(RefusalReason::HoldExpired, Subject::Hold);
        }
        let amount = capture.amount.minor_units;
        let outstanding = hold.outstanding();
        let within = amount.min(outstanding);
        if amount - within > hold.over_capture {
            return refuse(RefusalReason::ExceedsHold, Subject::Amount);
        }
        let posted = PostedTransfer {
            id: capture.transfer,
            debit: hold.debit,
            credit: hold.credit,
            amount: capture.amount,
            code: hold.code,
            cause: Cause::Capture(hold.id),
            booked_at: self.at,
            value_date: self.value_date(capture.value_date),
            reference: hold.reference.clone(),
            description: capture.description.clone(),
            request_id: self.command.request_id,
        };
        let (debit, credit) = (hold.debit, hold.credit);
        let change = HoldChange::Captured { amount, transfer: capture.transfer };
        let mut sums = self.change_hold(capture.hold, change)?;
        self.post(posted, within, Power::Ordinary)?;
        let left = outstanding - within;
        if capture.last && left > 0 {
            sums = self.release(capture.hold, left, HoldChange::Voided(left))?;
        }
        self.transferred(capture.transfer, capture.amount, Some(sums), debit, credit)
            .map(Outcome::Transferred)
    }

    pub(crate) fn increment_hold(&mut self, id: TransferId, amount: Money) -> Handled {
        let hold = self.free_hold(id)?;
        positive(amount, hold.held)?;
        if hold.expires_at.is_some_and(|until| until <= self.at) {
            return refuse(RefusalReason::HoldExpired, Subject::Hold);
        }
        let (debit, credit) = (hold.debit, hold.credit);
        let sums = self.raise(id, amount.minor_units, Power::Ordinary)?;
        self.transferred(id, amount, Some(sums), debit, credit).map(Outcome::Transferred)
    }

    pub(crate) fn void_hold(&mut self, id: TransferId, amount: Option<Money>) -> Handled {
        let hold = self.free_hold(id)?;
        let outstanding = hold.outstanding();
        let amount = amount.unwrap_or(Money::new(outstanding, hold.held.asset));
        positive(amount, hold.held)?;
        if amount.minor_units > outstanding {
            return refuse(RefusalReason::ExceedsHold, Subject::Amount);
        }
        let (debit, credit) = (hold.debit, hold.credit);
        let sums = self.release(id, amount.minor_units, HoldChange::Voided(amount.minor_units))?;
        self.transferred(id, amount, Some(sums), debit, credit).map(Outcome::Transferred)
    }

    pub(crate) fn reverse_transfer(&mut self, reversal: &ReverseTransfer) -> Handled {
        let amount = reversal.original_amount;
        if amount.minor_units <= 0 {
            return refuse(RefusalReason::InvalidAmount, Subject::Amount);
        }
        if reversal.original_debit == reversal.original_credit {
            return refuse(RefusalReason::AccountsMustDiffer, Subject::CreditAccount);
        }
        if self.state.reversed.holds(&reversal.original) {
            return refuse(RefusalReason::AlreadyReversed, Subject::Transfer);
        }
        // The sides change places.
        let (debit, credit) = (reversal.original_credit, reversal.original_debit);
        for (id, subject) in [(debit, Subject::DebitAccount), (credit, Subject::CreditAccount)] {
            match self.state.account(id) {
                None => return refuse(RefusalReason::AccountNotFound, subject),
                Some(account) if account.asset != amount.asset => {
                    return refuse(RefusalReason::AssetMismatch, subject);
                }
                Some(_) => {}
            }
        }
        let posted = PostedTransfer {
            id: reversal.transfer,
            debit,
            credit,
            amount,
            code: TransferCode::REVERSAL,
            cause: Cause::Reversal(reversal.original),
            booked_at: self.at,
            value_date: self.value_date(None),
            reference: Reference::default(),
            description: reversal.reason.clone(),
            request_id: self.command.request_id,
        };
        self.post(posted, 0, Power::Ordinary)?;
        let done = self.transferred(reversal.transfer, amount, None, debit, credit)?;
        self.state.reversed.insert(reversal.original, ());
        self.effects.push(Effect::TransferReversed { original: reversal.original, by: reversal.transfer });
        Ok(Outcome::Transferred(done))
    }

    pub(crate) fn book_bank_credit(&mut self, credit: &BookBankCredit) -> Handled {
        if credit.amount.minor_units <= 0 {
            return refuse(RefusalReason::InvalidAmount, Subject::Amount);
        }
        if credit.bank_transaction_id.is_empty() {
            return refuse(RefusalReason::InvalidField, Subject::BankTransactionId);
        }
        if let Some(before) = self.state.bank_credits.get(&credit.bank_transaction_id) {
            return Ok(Outcome::BookedBefore {
                transfer: before.transfer,
                account: before.account,
                same: before.amount == credit.amount && before.funding_reference == credit.funding_reference,
            });
        }
        if self.state.program.is_none() {
            return refuse(RefusalReason::ProgramNotConfigured, Subject::Program);
        }
        let Some(internal) = self.state.internal(credit.amount.asset) else {
            return refuse(RefusalReason::AssetNotConfigured, Subject::Amount);
        };
        let found = self.state.funding.get(&credit.funding_reference).copied().filter(|id| {
            self.takes_credit(*id) && self.state.account(*id).is_some_and(|a| a.asset == credit.amount.asset)
        });
        let account = found.unwrap_or(internal.suspense);
        let posted = PostedTransfer {
            id: credit.transfer,
            debit: internal.nostro,
            credit: account,
            amount: credit.amount,
            code: TransferCode::TOP_UP,
            cause: Cause::BankCredit,
            booked_at: self.at,
            value_date: self.value_date(credit.value_date),
            reference: credit.bank_transaction_id.clone(),
            description: credit.bank_reference.clone(),
            request_id: self.command.request_id,
        };
        self.post(posted, 0, Power::Forced)?;
        let after = self.after(account, Subject::CreditAccount)?;
        let booking = BankBooking {
            transfer: credit.transfer,
            account,
            amount: credit.amount,
            funding_reference: credit.funding_reference.clone(),
            matched: found.is_some(),
        };
        let bank_transaction_id = credit.bank_transaction_id.clone();
        self.state.bank_credits.insert(bank_transaction_id.clone(), booking.clone());
        self.effects.push(Effect::BankCreditBooked { bank_transaction_id, booking });
        Ok(Outcome::Booked(Booked { transfer: credit.transfer, account, matched: found.is_some(), after }))
    }

    /// Whether money may be put on an account: open, and no freeze on all of it.
    pub(crate) fn takes_credit(&self, id: AccountId) -> bool {
        self.state
            .account(id)
            .is_some_and(|account| account.closed_at.is_none() && account.frozen() != Some(FreezeScope::All))
    }
}

/// Whether `amount` is above zero and counts what `like` counts.
pub(crate) fn positive(amount: Money, like: Money) -> Result<(), Refusal> {
    if amount.minor_units <= 0 {
        return refuse(RefusalReason::InvalidAmount, Subject::Amount);
    }
    if amount.asset != like.asset {
        return refuse(RefusalReason::AssetMismatch, Subject::Amount);
    }
    Ok(())
}
