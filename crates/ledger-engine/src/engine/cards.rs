//! The life of a card: every step a record of who, why and when.

use bursar_types::id::CardId;

use super::calendar;
use super::state::{CardSlot, Controls, Due};
use super::step::{Handled, Step, refuse};
use crate::*;

/// What a transition says beside the states.
pub(crate) struct Why<'a> {
    pub(crate) freeze: Option<FreezeHolder>,
    pub(crate) reason: &'a Note,
    pub(crate) channel: &'a Name,
}

impl Step<'_> {
    pub(crate) fn request_card(&mut self, request: &RequestCard) -> Handled {
        if self.state.program.is_none() {
            return refuse(RefusalReason::ProgramNotConfigured, Subject::Program);
        }
        if self.state.cards.holds(&request.card) {
            return refuse(RefusalReason::AlreadyExists, Subject::Card);
        }
        let Some(product) = self.state.products.get(&request.product) else {
            return refuse(RefusalReason::ProductNotFound, Subject::Product);
        };
        let Some(version) = product.active() else {
            return refuse(RefusalReason::ProductState, Subject::Product);
        };
        let Some(account) = self.state.account(request.account) else {
            return refuse(RefusalReason::AccountNotFound, Subject::Account);
        };
        if account.closed_at.is_some() {
            return refuse(RefusalReason::AccountClosed, Subject::Account);
        }
        if account.asset != version.spec.asset {
            return refuse(RefusalReason::AssetMismatch, Subject::Account);
        }
        if account.owner != Some(request.customer) {
            return refuse(RefusalReason::NotOwner, Subject::Customer);
        }
        let standing = self.state.customers.get(&request.customer);
        if request.kyc_level < version.spec.min_kyc_level
            || standing.is_some_and(|standing| standing.status != CustomerStatus::Active)
        {
            return refuse(RefusalReason::KycLevelTooLow, Subject::Customer);
        }
        let root = request.replaces.map(|replaces| self.check_replaced(request, replaces)).transpose()?;
        let card = Card {
            id: request.card,
            product: request.product,
            product_version: version.version,
            account: request.account,
            customer: request.customer,
            stage: CardStage::Issuing,
            freezes: Vec::new(),
            masked_pan: None,
            expiry: None,
            single_use: request.single_use,
            merchant_lock: request.merchant_lock.clone(),
            requested_at: self.at,
            transitions: 0,
            root,
            replaces: request.replaces.map(|replaces| replaces.card),
            replaced_by: None,
        };
        let slot = CardSlot { card, controls: Controls::default(), counters: Vec::new() };
        self.state.cards.insert(request.card, slot);
        if let Some(slot) = self.state.accounts.get_mut(&request.account) {
            slot.open_cards = slot.open_cards.saturating_add(1);
        }
        let why = Why { freeze: None, reason: &Note::default(), channel: &request.channel };
        if let Some(replaces) = request.replaces {
            self.leave(replaces, request.card, &why)?;
        }
        Ok(self.transition(request.card, None, &why))
    }

    /// Whether a card can be replaced as asked; the first card of its chain.
    fn check_replaced(&self, request: &RequestCard, replaces: Replaces) -> Result<CardId, Refusal> {
        let Some(old) = self.state.card(replaces.card) else {
            return refuse(RefusalReason::CardNotFound, Subject::Card);
        };
        let same = old.product == request.product
            && old.account == request.account
            && old.customer == request.customer
            && old.single_use == request.single_use
            && old.merchant_lock == request.merchant_lock;
        if !same {
            return refuse(RefusalReason::InvalidField, Subject::Card);
        }
        if matches!(replaces.reason, CloseReason::IssueFailed | CloseReason::SingleUse | CloseReason::Expired)
        {
            return refuse(RefusalReason::InvalidField, Subject::Command);
        }
        let replaceable = match old.stage {
            CardStage::Active => true,
            CardStage::Closed(reason) => matches!(
                reason,
                CloseReason::Lost | CloseReason::Stolen | CloseReason::Compromised | CloseReason::Expired
            ),
            CardStage::Issuing | CardStage::PendingActivation => false,
        };
        if !replaceable || old.replaced_by.is_some() {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        Ok(old.chain())
    }

    /// Marks a card as replaced by `successor`, and closes it if it must not pay any more.
    fn leave(&mut self, replaces: Replaces, successor: CardId, why: &Why<'_>) -> Result<(), Refusal> {
        let old = self.card_mut(replaces.card)?;
        old.replaced_by = Some(successor);
        let from = old.status();
        let open = !matches!(old.stage, CardStage::Closed(_));
        if open && replaces.reason != CloseReason::Replaced {
            self.end_card(replaces.card, replaces.reason, why)?;
        } else {
            self.transition(replaces.card, Some(from), why);
        }
        Ok(())
    }

    /// A card to change.
    fn card_mut(&mut self, id: CardId) -> Result<&mut Card, Refusal> {
        let slot = self.state.cards.get_mut(&id);
        slot.map(|slot| &mut slot.card).ok_or(Refusal::new(RefusalReason::CardNotFound, Subject::Card))
    }

    /// Records the step from `from` to what the card is now.
    fn transition(&mut self, id: CardId, from: Option<CardStatus>, why: &Why<'_>) -> Outcome {
        let Some(slot) = self.state.cards.get_mut(&id) else { return Outcome::Done };
        let card = &mut slot.card;
        card.transitions = card.transitions.saturating_add(1);
        let to = card.status();
        let transition = CardTransition {
            card: id,
            sequence: card.transitions,
            from,
            to,
            freeze: why.freeze,
            reason: why.reason.clone(),
            channel: why.channel.clone(),
            actor: self.command.actor.clone(),
            at: self.at,
            request_id: self.command.request_id,
        };
        let (card, transition) = (Box::new(card.clone()), Box::new(transition));
        self.effects.push(Effect::CardChanged { card, transition });
        Outcome::Card { card: id, status: to }
    }

    pub(crate) fn complete_card_issue(
        &mut self,
        id: CardId,
        masked: &MaskedPan,
        expiry: CardExpiry,
    ) -> Handled {
        let zone = self.state.zone();
        let card = self.card_mut(id)?;
        if card.stage != CardStage::Issuing {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        let from = Some(card.status());
        card.stage = CardStage::PendingActivation;
        card.masked_pan = Some(masked.clone());
        card.expiry = Some(expiry);
        self.state.due.insert((calendar::end_of(expiry, zone), Due::card(id)));
        Ok(self.transition(
            id,
            from,
            &Why { freeze: None, reason: &Note::default(), channel: &Name::default() },
        ))
    }

    pub(crate) fn fail_card_issue(&mut self, id: CardId, reason: &Note) -> Handled {
        if self.card_mut(id)?.stage != CardStage::Issuing {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        let why = Why { freeze: None, reason, channel: &Name::default() };
        // Whom it would have replaced can be replaced again.
        if let Some(old) = self.card_mut(id)?.replaces {
            let old = self.card_mut(old)?;
            old.replaced_by = None;
            let (old, from) = (old.id, old.status());
            self.transition(old, Some(from), &why);
        }
        self.end_card(id, CloseReason::IssueFailed, &why)
    }

    pub(crate) fn activate_card(&mut self, id: CardId, channel: &Name) -> Handled {
        if self.command.actor.role == Role::Network {
            return refuse(RefusalReason::RoleNotAllowed, Subject::Card);
        }
        let card = self.card_mut(id)?;
        if card.stage != CardStage::PendingActivation {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        let from = Some(card.status());
        card.stage = CardStage::Active;
        let replaced = card.replaces;
        let why = Why { freeze: None, reason: &Note::default(), channel };
        let outcome = self.transition(id, from, &why);
        if let Some(old) = replaced
            && !matches!(self.card_mut(old)?.stage, CardStage::Closed(_))
        {
            self.end_card(old, CloseReason::Replaced, &why)?;
        }
        Ok(outcome)
    }

    pub(crate) fn freeze_card(
        &mut self,
        id: CardId,
        holder: FreezeHolder,
        reason: &Note,
        channel: &Name,
    ) -> Handled {
        if !holder.placeable_by(self.command.actor.role) {
            return refuse(RefusalReason::FreezeNotYours, Subject::Holder);
        }
        let now = self.at;
        let card = self.card_mut(id)?;
        if matches!(card.stage, CardStage::Closed(_)) {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        let from = card.status();
        match card.freezes.binary_search_by_key(&holder, |freeze| freeze.holder) {
            // It lies there already, since the first report.
            Ok(_) => return Ok(Outcome::Card { card: id, status: from }),
            Err(index) => card.freezes.insert(index, CardFreeze { holder, reason: reason.clone(), at: now }),
        }
        Ok(self.transition(id, Some(from), &Why { freeze: Some(holder), reason, channel }))
    }

    pub(crate) fn unfreeze_card(
        &mut self,
        id: CardId,
        holder: FreezeHolder,
        reason: &Note,
        channel: &Name,
    ) -> Handled {
        if !holder.liftable_by(self.command.actor.role) {
            return refuse(RefusalReason::FreezeNotYours, Subject::Holder);
        }
        let card = self.card_mut(id)?;
        if matches!(card.stage, CardStage::Closed(_)) {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        let from = card.status();
        let Ok(index) = card.freezes.binary_search_by_key(&holder, |freeze| freeze.holder) else {
            return refuse(RefusalReason::FreezeNotFound, Subject::Holder);
        };
        card.freezes.remove(index);
        Ok(self.transition(id, Some(from), &Why { freeze: Some(holder), reason, channel }))
    }

    pub(crate) fn close_card(&mut self, id: CardId, close: CloseReason, why: &Why<'_>) -> Handled {
        let role = self.command.actor.role;
        match close {
            // The engine's own to give.
            CloseReason::Expired | CloseReason::IssueFailed | CloseReason::SingleUse => {
                return refuse(RefusalReason::InvalidField, Subject::Command);
            }
            CloseReason::IssuerRequest | CloseReason::Replaced if role == Role::Customer => {
                return refuse(RefusalReason::RoleNotAllowed, Subject::Command);
            }
            _ if role == Role::Network => return refuse(RefusalReason::RoleNotAllowed, Subject::Command),
            _ => {}
        }
        if matches!(self.card_mut(id)?.stage, CardStage::Closed(_)) {
            return refuse(RefusalReason::CardState, Subject::Card);
        }
        self.end_card(id, close, why)
    }

    /// Ends a card that is not closed.
    pub(crate) fn end_card(&mut self, id: CardId, close: CloseReason, why: &Why<'_>) -> Handled {
        let zone = self.state.zone();
        let card = self.card_mut(id)?;
        let from = Some(card.status());
        let (account, expiry) = (card.account, card.expiry);
        card.stage = CardStage::Closed(close);
        if let Some(expiry) = expiry {
            self.state.due.remove(&(calendar::end_of(expiry, zone), Due::card(id)));
        }
        if let Some(slot) = self.state.accounts.get_mut(&account) {
            slot.open_cards = slot.open_cards.saturating_sub(1);
        }
        Ok(self.transition(id, from, why))
    }
}
