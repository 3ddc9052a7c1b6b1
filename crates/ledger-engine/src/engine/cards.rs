//! The life of a card: every step a record of who, why and when.

use bursar_types::id::CardId;

use super::calendar;
use super::state::{CardSlot, Due};
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
        };
        let slot = CardSlot { card, controls: Vec::new(), counters: Vec::new() };
        self.state.cards.insert(request.card, slot);
        if let Some(slot) = self.state.accounts.get_mut(&request.account) {
            slot.open_cards = slot.open_cards.saturating_add(1);
        }
        let why = Why { freeze: None, reason: &Note::default(), channel: &request.channel };
        Ok(self.transition(request.card, None, &why))
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
        Ok(self.transition(id, from, &Why { freeze: None, reason: &Note::default(), channel }))
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
