//! What ends by time: holds, cards, early reversals, used proofs. Oldest first, a bounded number at a go.

use bursar_types::id::{CardId, TransferId, Uuid};
use bursar_types::{Timestamp, TypedId};

use super::cards::Why;
use super::state::Due;
use super::step::{Handled, Step, refuse};
use crate::*;

impl Step<'_> {
    pub(crate) fn tick(&mut self, max: u32) -> Handled {
        if max == 0 || max > MAX_TICK {
            return refuse(RefusalReason::InvalidAmount, Subject::Limit);
        }
        let mut ended = 0;
        while ended < max {
            let Some(entry) = self.state.due.first().filter(|(when, _)| *when <= self.at).cloned() else {
                break;
            };
            self.end(&entry.1);
            // Whatever became of it, it is not due any more: a tick always ends.
            self.state.due.remove(&entry);
            ended += 1;
        }
        let more = self.state.due.first().is_some_and(|(when, _)| *when <= self.at);
        Ok(Outcome::Ticked { ended, more })
    }

    fn end(&mut self, due: &Due) {
        match due {
            Due::Hold(id) => {
                let mark = self.mark();
                if self.expire_hold(TransferId::from_uuid(Uuid::from_u128(*id))).is_err() {
                    self.back_to(&mark);
                }
            }
            Due::Card(id) => self.expire_card(CardId::from_uuid(Uuid::from_u128(*id))),
            Due::EarlyReversal(reference) => {
                if self.state.early_reversals.remove(reference).is_some() {
                    self.effects.push(Effect::EarlyReversalForgotten(reference.clone()));
                }
            }
            Due::Proof(proof) => {
                if self.state.proofs.remove(proof).is_some() {
                    self.effects.push(Effect::ProofForgotten(proof.clone()));
                }
            }
        }
    }

    fn expire_hold(&mut self, id: TransferId) -> Result<(), Refusal> {
        let hold = self.hold(id)?;
        let (left, payment) = (hold.outstanding(), hold.payment);
        self.release(id, left, HoldChange::Expired(left))?;
        let Some(payment) = payment.and_then(|payment| self.state.payments.get(&payment)) else {
            return Ok(());
        };
        let (payment, before, fee_hold) = (payment.id, payment.sums, payment.fee_hold);
        self.release_fee(fee_hold, HoldChange::Expired)?;
        let ended = left.saturating_add(before.unheld);
        let sums = Sums { expired: before.expired.saturating_add(ended), unheld: 0, ..before };
        self.advance(payment, ElementKind::Expired, ended, Some(id), sums);
        self.recount(payment, before);
        Ok(())
    }

    fn expire_card(&mut self, id: CardId) {
        let open = self.state.card(id).is_some_and(|card| !matches!(card.stage, CardStage::Closed(_)));
        if open {
            let why = Why { freeze: None, reason: &Note::default(), channel: &Name::default() };
            // It was just found; there is nothing else that could be refused.
            let _ = self.end_card(id, CloseReason::Expired, &why);
        }
    }

    /// Marks a proof as used until it is out of time by itself.
    pub(crate) fn use_proof(&mut self, proof: &Reference, until: Timestamp) {
        self.state.proofs.insert(proof.clone(), until);
        self.state.due.insert((until, Due::Proof(proof.clone())));
        self.effects.push(Effect::ProofUsed { proof: proof.clone(), until });
    }
}
