//! One command being applied: the state, what it changed so far, and how to take that back.

use bursar_types::Timestamp;
use bursar_types::id::{AccountId, TransferId};

use super::calendar;
use super::state::{Due, State};
use crate::*;

/// What a handler gives back.
pub(crate) type Handled = Result<Outcome, Refusal>;

/// Shorthand for a refusal.
pub(crate) const fn refuse<T>(reason: RefusalReason, subject: Subject) -> Result<T, Refusal> {
    Err(Refusal::new(reason, subject))
}

/// Which rules a movement must keep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Freezes and limits hold.
    Ordinary,
    /// The money is gone already (the network took it) or was promised before: neither freeze nor limit stops it.
    Forced,
}

/// The side of an account a movement touches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Debit,
    Credit,
}

enum Undo {
    Balances(AccountId, Balances),
    Hold(TransferId, Option<Box<Hold>>),
}

/// A point to go back to.
pub(crate) struct Mark {
    effects: usize,
    undo: usize,
}

/// One command being applied.
pub(crate) struct Step<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) command: &'a Command,
    pub(crate) at: Timestamp,
    pub(crate) effects: Vec<Effect>,
    undo: Vec<Undo>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(state: &'a mut State, command: &'a Command, at: Timestamp) -> Self {
        // Room for what an authorization does with six counters: growing would move it all twice.
        let effects = match command.action {
            Action::Authorize(_) => Vec::with_capacity(12),
            _ => Vec::new(),
        };
        Self { state, command, at, effects, undo: Vec::new() }
    }

    /// Where we are now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { effects: self.effects.len(), undo: self.undo.len() }
    }

    /// Takes back every movement since `mark`. Handlers change anything else only once nothing can be refused any more.
    pub(crate) fn back_to(&mut self, mark: &Mark) {
        while self.undo.len() > mark.undo {
            match self.undo.pop() {
                Some(Undo::Balances(id, balances)) => {
                    if let Some(slot) = self.state.accounts.get_mut(&id) {
                        slot.account.balances = balances;
                    }
                }
                Some(Undo::Hold(id, hold)) => self.swap_hold(id, hold.map(|hold| *hold)),
                None => {}
            }
        }
        self.effects.truncate(mark.effects);
    }

    /// Puts, changes or removes a hold, and keeps the list of what is due.
    fn swap_hold(&mut self, id: TransferId, hold: Option<Hold>) {
        let until = hold.as_ref().and_then(|hold| hold.expires_at);
        let old = match hold {
            Some(hold) => self.state.holds.insert(id, hold),
            None => self.state.holds.remove(&id),
        };
        let was_until = old.and_then(|old| old.expires_at);
        if was_until != until {
            if let Some(was) = was_until {
                self.state.due.remove(&(was, Due::hold(id)));
            }
            if let Some(until) = until {
                self.state.due.insert((until, Due::hold(id)));
            }
        }
    }

    /// The value date a movement gets that names none.
    pub(crate) fn value_date(&self, given: Option<Day>) -> Day {
        given.unwrap_or_else(|| calendar::value_day(self.at, self.state.zone()))
    }

    /// The account after all so far; it exists.
    pub(crate) fn after(&self, id: AccountId, subject: Subject) -> Result<BalanceAfter, Refusal> {
        self.state.after(id).ok_or(Refusal::new(RefusalReason::AccountNotFound, subject))
    }

    /// Moves one side of an account by `pending` and `posted` minor units (either may be negative or zero).
    fn shift(
        &mut self,
        id: AccountId,
        side: Side,
        pending: i64,
        posted: i64,
        power: Power,
    ) -> Result<(), Refusal> {
        let subject = match side {
            Side::Debit => Subject::DebitAccount,
            Side::Credit => Subject::CreditAccount,
        };
        let overflow = Refusal::new(RefusalReason::Overflow, Subject::Amount);
        let slot = self.state.accounts.get_mut(&id);
        let account = &mut slot.ok_or(Refusal::new(RefusalReason::AccountNotFound, subject))?.account;
        if account.closed_at.is_some() {
            return refuse(RefusalReason::AccountClosed, subject);
        }
        let mut next = account.balances;
        let (pending_sum, posted_sum) = match side {
            Side::Debit => (&mut next.pending_debits, &mut next.posted_debits),
            Side::Credit => (&mut next.pending_credits, &mut next.posted_credits),
        };
        *pending_sum = pending_sum.checked_add(pending).filter(|sum| *sum >= 0).ok_or(overflow)?;
        *posted_sum = posted_sum.checked_add(posted).filter(|sum| *sum >= 0).ok_or(overflow)?;

        if power == Power::Ordinary {
            let lowers = lowers(account.normal, side);
            let taken = i128::from(pending) + i128::from(posted);
            let frozen = account.frozen();
            // Taking out of a hold what was set aside lowers nothing; any freeze stops what does.
            let stopped = match frozen {
                Some(FreezeScope::All) => taken > 0 || posted > 0,
                Some(FreezeScope::Debits) => lowers && taken > 0,
                None => false,
            };
            if stopped {
                return refuse(RefusalReason::AccountFrozen, subject);
            }
            if lowers && taken > 0 && account.spendable().is_some_and(|spendable| spendable < taken) {
                return refuse(RefusalReason::InsufficientFunds, subject);
            }
        }
        self.undo.push(Undo::Balances(id, account.balances));
        account.balances = next;
        self.effects.push(Effect::BalanceMoved { account: id, balances: next, normal: account.normal });
        Ok(())
    }

    /// Posts a transfer, taking `from_hold` of it out of what both sides have pending.
    pub(crate) fn post(
        &mut self,
        transfer: PostedTransfer,
        from_hold: i64,
        power: Power,
    ) -> Result<(), Refusal> {
        let (debit, credit, amount) = (transfer.debit, transfer.credit, transfer.amount.minor_units);
        self.effects.push(Effect::TransferPosted(Box::new(transfer)));
        self.shift(debit, Side::Debit, -from_hold, amount, power)?;
        self.shift(credit, Side::Credit, -from_hold, amount, power)
    }

    /// Places a hold.
    pub(crate) fn place(&mut self, hold: Hold, power: Power) -> Result<(), Refusal> {
        let (id, debit, credit, amount) = (hold.id, hold.debit, hold.credit, hold.held.minor_units);
        if self.state.holds.holds(&id) {
            return refuse(RefusalReason::AlreadyExists, Subject::Transfer);
        }
        self.effects.push(Effect::HoldPlaced(Box::new(hold.clone())));
        self.shift(debit, Side::Debit, amount, 0, power)?;
        self.shift(credit, Side::Credit, amount, 0, power)?;
        self.undo.push(Undo::Hold(id, None));
        self.swap_hold(id, Some(hold));
        Ok(())
    }

    /// Raises a hold by `amount`.
    pub(crate) fn raise(&mut self, id: TransferId, amount: i64, power: Power) -> Result<HoldSums, Refusal> {
        let hold = self.hold(id)?;
        let (debit, credit) = (hold.debit, hold.credit);
        let sums = self.change_hold(id, HoldChange::Incremented(amount))?;
        self.shift(debit, Side::Debit, amount, 0, power)?;
        self.shift(credit, Side::Credit, amount, 0, power)?;
        Ok(sums)
    }

    /// Releases `amount` of a hold.
    pub(crate) fn release(
        &mut self,
        id: TransferId,
        amount: i64,
        change: HoldChange,
    ) -> Result<HoldSums, Refusal> {
        let hold = self.hold(id)?;
        let (debit, credit) = (hold.debit, hold.credit);
        let sums = self.change_hold(id, change)?;
        self.shift(debit, Side::Debit, -amount, 0, Power::Forced)?;
        self.shift(credit, Side::Credit, -amount, 0, Power::Forced)?;
        Ok(sums)
    }

    /// The open hold with this id.
    pub(crate) fn hold(&self, id: TransferId) -> Result<&Hold, Refusal> {
        self.state.holds.get(&id).ok_or(Refusal::new(RefusalReason::HoldNotFound, Subject::Hold))
    }

    /// Records a change of a hold, and forgets the hold when nothing is left; tells how it stands then. Balances are
    /// the caller's.
    pub(crate) fn change_hold(&mut self, id: TransferId, change: HoldChange) -> Result<HoldSums, Refusal> {
        let old = self.hold(id)?.clone();
        let mut hold = old.clone();
        let overflow = Refusal::new(RefusalReason::Overflow, Subject::Amount);
        let outstanding = hold.outstanding();
        match change {
            HoldChange::Placed(_) => {}
            HoldChange::Incremented(by) => {
                hold.held.minor_units = hold.held.minor_units.checked_add(by).ok_or(overflow)?;
            }
            HoldChange::Captured { amount, .. } => {
                let within = amount.min(outstanding);
                hold.captured = hold.captured.checked_add(within).ok_or(overflow)?;
                hold.over_captured = hold.over_captured.checked_add(amount - within).ok_or(overflow)?;
            }
            HoldChange::Voided(by) | HoldChange::Expired(by) => {
                hold.released = hold.released.checked_add(by.min(outstanding)).ok_or(overflow)?;
            }
        }
        let outstanding = hold.outstanding();
        self.effects.push(Effect::HoldChanged {
            hold: id,
            change,
            held: hold.held.minor_units,
            captured: hold.captured,
            over_captured: hold.over_captured,
            released: hold.released,
            expires_at: hold.expires_at,
            outstanding,
        });
        self.undo.push(Undo::Hold(id, Some(Box::new(old))));
        let sums = hold.sums();
        self.swap_hold(id, Some(hold).filter(|_| outstanding > 0));
        Ok(sums)
    }
}

/// Whether a movement on `side` lowers the balance of an account whose normal side is `normal`.
pub(crate) fn lowers(normal: NormalSide, side: Side) -> bool {
    matches!((normal, side), (NormalSide::Credit, Side::Debit) | (NormalSide::Debit, Side::Credit))
}
