//! Opening, limiting, freezing and closing accounts.

use bursar_types::id::AccountId;

use super::state::{AccountSlot, Controls};
use super::step::{Handled, Step, refuse};
use crate::*;

impl Step<'_> {
    pub(crate) fn open_account(&mut self, open: &OpenAccount) -> Handled {
        if matches!(open.limit, BalanceLimit::Overdraft(bound) if bound < 0) {
            return refuse(RefusalReason::InvalidAmount, Subject::Limit);
        }
        if self.state.accounts.holds(&open.account) {
            return refuse(RefusalReason::AlreadyExists, Subject::Account);
        }
        if let Some(funding) = &open.funding_reference {
            if funding.is_empty() {
                return refuse(RefusalReason::InvalidField, Subject::FundingReference);
            }
            if self.state.funding.holds(funding) {
                return refuse(RefusalReason::AlreadyExists, Subject::FundingReference);
            }
        }
        let account = Account {
            id: open.account,
            asset: open.asset,
            normal: open.normal,
            limit: open.limit,
            code: open.code,
            owner: open.owner,
            funding_reference: open.funding_reference.clone(),
            reference: open.reference.clone(),
            metadata: open.metadata.clone(),
            opened_at: self.at,
            freezes: Vec::new(),
            closed_at: None,
            balances: Balances::default(),
        };
        if let Some(funding) = &open.funding_reference {
            self.state.funding.insert(funding.clone(), open.account);
        }
        self.effects.push(Effect::AccountOpened(Box::new(account.clone())));
        let slot =
            AccountSlot { account, controls: Controls::default(), counters: Vec::new(), open_cards: 0 };
        self.state.accounts.insert(open.account, slot);
        Ok(Outcome::Done)
    }

    /// An account that is not closed, to change it.
    fn open_slot(&mut self, id: AccountId) -> Result<&mut AccountSlot, Refusal> {
        match self.state.accounts.get_mut(&id) {
            None => refuse(RefusalReason::AccountNotFound, Subject::Account),
            Some(slot) if slot.account.closed_at.is_some() => {
                refuse(RefusalReason::AccountClosed, Subject::Account)
            }
            Some(slot) => Ok(slot),
        }
    }

    /// Records and tells the account as it is now.
    fn account_changed(&mut self, id: AccountId) -> Handled {
        let Some(account) = self.state.account(id) else {
            return refuse(RefusalReason::AccountNotFound, Subject::Account);
        };
        let account = Box::new(account.clone());
        self.effects.push(Effect::AccountChanged(account.clone()));
        Ok(Outcome::Account(account))
    }

    pub(crate) fn set_balance_limit(&mut self, id: AccountId, limit: BalanceLimit) -> Handled {
        if matches!(limit, BalanceLimit::Overdraft(bound) if bound < 0) {
            return refuse(RefusalReason::InvalidAmount, Subject::Limit);
        }
        let internal = self.is_internal(id);
        let account = &mut self.open_slot(id)?.account;
        if internal && limit != BalanceLimit::Unlimited {
            return refuse(RefusalReason::AccountInUse, Subject::Account);
        }
        let bound = match limit {
            BalanceLimit::NoOverdraft => Some(0),
            BalanceLimit::Overdraft(bound) => Some(bound),
            BalanceLimit::Unlimited => None,
        };
        if bound.is_some_and(|bound| account.available() + i128::from(bound) < 0) {
            return refuse(RefusalReason::InsufficientFunds, Subject::Limit);
        }
        account.limit = limit;
        self.account_changed(id)
    }

    pub(crate) fn freeze_account(
        &mut self,
        id: AccountId,
        holder: FreezeHolder,
        scope: FreezeScope,
        reason: &Note,
    ) -> Handled {
        if !holder.placeable_by(self.command.actor.role) {
            return refuse(RefusalReason::FreezeNotYours, Subject::Holder);
        }
        let freeze = AccountFreeze { holder, scope, reason: reason.clone(), at: self.at };
        let freezes = &mut self.open_slot(id)?.account.freezes;
        match freezes.binary_search_by_key(&holder, |freeze| freeze.holder) {
            Ok(index) => freezes[index] = freeze,
            Err(index) => freezes.insert(index, freeze),
        }
        self.account_changed(id)
    }

    pub(crate) fn unfreeze_account(&mut self, id: AccountId, holder: FreezeHolder) -> Handled {
        if !holder.liftable_by(self.command.actor.role) {
            return refuse(RefusalReason::FreezeNotYours, Subject::Holder);
        }
        let freezes = &mut self.open_slot(id)?.account.freezes;
        let Ok(index) = freezes.binary_search_by_key(&holder, |freeze| freeze.holder) else {
            return refuse(RefusalReason::FreezeNotFound, Subject::Holder);
        };
        freezes.remove(index);
        self.account_changed(id)
    }

    pub(crate) fn close_account(&mut self, id: AccountId) -> Handled {
        let internal = self.is_internal(id);
        let now = self.at;
        let slot = self.open_slot(id)?;
        if internal || slot.open_cards > 0 {
            return refuse(RefusalReason::AccountInUse, Subject::Account);
        }
        let sums = slot.account.balances;
        if slot.account.posted() != 0 || sums.pending_debits != 0 || sums.pending_credits != 0 {
            return refuse(RefusalReason::AccountNotEmpty, Subject::Account);
        }
        slot.account.closed_at = Some(now);
        self.account_changed(id)
    }

    /// Whether the program's settings name the account.
    fn is_internal(&self, id: AccountId) -> bool {
        let named = |a: &AssetAccounts| [a.settlement, a.nostro, a.suspense, a.fee_income, a.receivable];
        self.state.program.as_ref().is_some_and(|p| p.accounts.iter().any(|a| named(a).contains(&id)))
    }
}
