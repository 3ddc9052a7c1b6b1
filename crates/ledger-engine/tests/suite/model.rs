//! The slow and obvious model: lists that are added up anew at each question.

use bursar_ledger_engine::*;
use bursar_types::id::{PaymentId, TransferId};

use crate::support::*;

pub(crate) const DAY_LIMIT: i64 = 400;
pub(crate) const COUNT_LIMIT: usize = 8;
pub(crate) const OVERDRAFT: i64 = 50;

#[derive(Clone, Debug)]
pub(crate) struct ModelHold {
    pub(crate) id: TransferId,
    pub(crate) left: i64,
    pub(crate) over: i64,
    pub(crate) until: i64,
    pub(crate) payment: Option<PaymentId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ModelPayment {
    /// What was asked for and approved, increments included, less reversals and releases.
    pub(crate) base: i64,
    pub(crate) left: i64,
    pub(crate) cleared: i64,
    pub(crate) refunded: i64,
    pub(crate) owed: i64,
    pub(crate) declined: bool,
    pub(crate) until: i64,
    /// What it counts, by day, the latest last.
    pub(crate) counted: Vec<(i64, i64)>,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) now: i64,
    /// Debit, credit, amount.
    pub(crate) posted: Vec<(u128, u128, i64)>,
    pub(crate) holds: Vec<ModelHold>,
    pub(crate) payments: Vec<(PaymentId, ModelPayment)>,
    pub(crate) frozen: bool,
}

impl Model {
    pub(crate) fn credit_balance(&self, account: u128) -> i64 {
        self.posted
            .iter()
            .map(|(debit, credit, amount)| match account {
                _ if *credit == account => *amount,
                _ if *debit == account => -amount,
                _ => 0,
            })
            .sum()
    }

    pub(crate) fn held(&self) -> i64 {
        self.holds.iter().map(|hold| hold.left).sum()
    }

    pub(crate) fn spendable(&self) -> i64 {
        self.credit_balance(WALLET) - self.held() + OVERDRAFT
    }

    pub(crate) fn day(&self) -> i64 {
        (self.now + 8 * 3600).div_euclid(86_400)
    }

    pub(crate) fn counted_today(&self) -> i64 {
        let today = self.day();
        let all = self.payments.iter().flat_map(|(_, payment)| &payment.counted);
        all.filter(|(day, _)| *day == today).map(|(_, amount)| amount).sum()
    }

    pub(crate) fn payments_that_count(&self) -> usize {
        self.payments.iter().filter(|(_, payment)| !payment.counted.is_empty()).count()
    }

    pub(crate) fn payment(&mut self, id: PaymentId) -> &mut ModelPayment {
        &mut self.payments.iter_mut().find(|(known, _)| *known == id).unwrap().1
    }

    /// The one reason of highest rank, if the card cannot pay this now.
    pub(crate) fn why_not(&self, amount: i64, counts: usize, partial: bool) -> Result<i64, DeclineReason> {
        if amount <= 0 {
            return Err(DeclineReason::InvalidAmount);
        }
        if self.frozen {
            return Err(DeclineReason::CardFrozen);
        }
        if amount > DAY_LIMIT - self.counted_today() {
            return Err(DeclineReason::AmountLimitExceeded);
        }
        if self.payments_that_count() + counts > COUNT_LIMIT {
            return Err(DeclineReason::CountLimitExceeded);
        }
        match self.spendable() {
            enough if enough >= amount => Ok(amount),
            some if some > 0 && partial => Ok(some),
            _ => Err(DeclineReason::InsufficientFunds),
        }
    }

    pub(crate) fn hold_of(&mut self, payment: PaymentId) -> Option<&mut ModelHold> {
        self.holds.iter_mut().find(|hold| hold.payment == Some(payment))
    }

    /// Counts more on this day, or takes back, the latest first.
    pub(crate) fn count(&mut self, id: PaymentId) {
        let today = self.day();
        let payment = self.payment(id);
        let now = payment.left + payment.cleared;
        let mut delta = now - payment.counted.iter().map(|(_, amount)| amount).sum::<i64>();
        if delta > 0 {
            payment.counted.push((today, delta));
        }
        while delta < 0 {
            let last = payment.counted.last_mut().unwrap();
            let taken = last.1.min(-delta);
            last.1 -= taken;
            delta += taken;
            if last.1 == 0 {
                payment.counted.pop();
            }
        }
    }

    pub(crate) fn drop_empty_holds(&mut self) {
        self.holds.retain(|hold| hold.left > 0);
    }

    pub(crate) fn clear(&mut self, id: PaymentId, amount: i64, last: bool) {
        let left = self.payment(id).left;
        let captured = amount.min(left);
        let free = self.spendable().max(0);
        if let Some(hold) = self.hold_of(id) {
            hold.left -= captured;
            if last {
                hold.left = 0;
            }
        }
        // Beyond what the hold kept, only what is there is the payer's to give.
        let covered = (amount - captured).min(free);
        let owed = amount - captured - covered;
        if amount - owed > 0 {
            self.posted.push((WALLET, SETTLEMENT, amount - owed));
        }
        if owed > 0 {
            self.posted.push((RECEIVABLE, SETTLEMENT, owed));
        }
        let payment = self.payment(id);
        payment.left -= captured;
        payment.cleared += amount;
        payment.owed += owed;
        if last {
            payment.base -= payment.left;
            payment.left = 0;
        }
        self.drop_empty_holds();
        self.count(id);
    }

    pub(crate) fn expire(&mut self) -> u32 {
        let now = self.now;
        let due: Vec<_> = self.holds.iter().filter(|hold| hold.until <= now).cloned().collect();
        for hold in &due {
            if let Some(id) = hold.payment {
                self.payment(id).left = 0;
            }
            self.holds.retain(|kept| kept.id != hold.id);
            if let Some(id) = hold.payment {
                self.count(id);
            }
        }
        u32::try_from(due.len()).unwrap()
    }
}
