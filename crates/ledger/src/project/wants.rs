//! What the projector must read before it can apply batches.

use std::collections::BTreeSet;

use bursar_ledger_engine::{ControlScope, Effect};
use bursar_types::id::{AccountId, CardId, PaymentId, TransferId};

use super::events::top_up_id;
use super::model::Model;
use super::step::Batch;

/// What a model must hold before batches can be applied to it, as far as their effects tell.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) holds: BTreeSet<TransferId>,
    pub(crate) cards: BTreeSet<CardId>,
    pub(crate) payments: BTreeSet<PaymentId>,
    pub(crate) subjects: BTreeSet<String>,
}

impl Model {
    /// What `batches` need that this model does not hold. Payments it holds, or that begin in `batches`, bring their
    /// card with them: give the payments first and ask again until nothing is wanted.
    pub(crate) fn wants(&self, batches: &[Batch]) -> Wants {
        let mut wants = Wants::default();
        let mut made = Wants::default();
        for effect in batches.iter().flat_map(|batch| &batch.steps).flat_map(|step| &step.effects) {
            match effect {
                Effect::AccountOpened(account) => {
                    made.accounts.insert(account.id);
                    wants.subjects.insert(account.id.to_string());
                }
                Effect::HoldPlaced(hold) => {
                    made.holds.insert(hold.id);
                }
                Effect::HoldChanged { hold, .. } => {
                    wants.holds.insert(*hold);
                }
                Effect::CardChanged { card, transition } => {
                    if transition.sequence == 1 {
                        made.cards.insert(card.id);
                    } else {
                        wants.cards.insert(card.id);
                    }
                    wants.subjects.insert(card.id.to_string());
                }
                Effect::ControlsSet { scope: ControlScope::Card(card), .. } => {
                    wants.cards.insert(*card);
                }
                Effect::PaymentOpened(payment) => {
                    made.payments.insert(payment.id);
                    wants.subjects.insert(payment.id.to_string());
                    wants.cards.insert(payment.card);
                }
                Effect::PaymentAdvanced { payment, .. } => {
                    wants.payments.insert(*payment);
                    wants.subjects.insert(payment.to_string());
                    if let Some(known) = self.payments.get(payment) {
                        wants.cards.insert(known.payment.card);
                    }
                }
                Effect::PaymentExchanged { payment, .. } => {
                    wants.payments.insert(*payment);
                }
                Effect::BankCreditBooked { booking, .. } => {
                    wants.accounts.insert(booking.account);
                    wants.subjects.insert(top_up_id(booking.transfer).to_string());
                }
                _ => {}
            }
        }
        wants.accounts.retain(|id| !made.accounts.contains(id) && !self.accounts.contains_key(id));
        wants.holds.retain(|id| !made.holds.contains(id) && !self.holds.contains_key(id));
        wants.cards.retain(|id| !made.cards.contains(id) && !self.cards.contains_key(id));
        wants.payments.retain(|id| !made.payments.contains(id) && !self.payments.contains_key(id));
        wants.subjects.retain(|subject| !self.subjects.knows(subject));
        wants
    }
}

impl Wants {
    /// Whether nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
            && self.holds.is_empty()
            && self.cards.is_empty()
            && self.payments.is_empty()
            && self.subjects.is_empty()
    }
}
