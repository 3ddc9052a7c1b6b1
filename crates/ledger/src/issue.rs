//! The issue of a card: journaled here, made by the vault, completed here. Every step can be taken again, so after a
//! crash anywhere in between the background loop goes on where it stood.

use std::sync::Arc;
use std::time::Duration;

use bursar_ledger_engine::{
    Action, Actor, Card, CardExpiry, CardStage, Command, CustomerStatus, MaskedPan, Name, Note, Outcome,
    Reference, RefusalReason, Replaces, RequestCard,
};
use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId};
use bursar_types::{Failure as _, RequestId, Timestamp, TypedId as _};

use crate::derive;
use crate::error::LedgerError;
use crate::history::{self, Lookup};
use crate::journal::Fingerprint;
use crate::peers::{NumberAnswer, NumberWanted, Peers};
use crate::program::itself;
use crate::project::{CardRecord, Known};
use crate::store::read;
use crate::writer::{Answer, Handle, Order};

/// KYC level a card needs; products may ask for more.
const KYC_LEVEL_MIN: u8 = 1;
/// First wait before the vault is asked again; doubles to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Longest wait for what identity told to arrive: a reader of events that lost its connection comes back within it. A
/// call with less time is told that its deadline passed, and may ask again.
const STANDING_MAX: Duration = Duration::from_secs(15);
/// A card that is so young is still in the hands of the call that asked for it.
const RESUME_AFTER: Duration = Duration::from_secs(2);
/// Cards that one turn of the background loop looks at.
const RESUME_MAX: i64 = 100;
/// Time between turns of the background loop.
const RESUME_EVERY: Duration = Duration::from_millis(1_000);

/// Issues cards.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) handle: Handle,
    pub(crate) peers: Arc<dyn Peers>,
}

/// What a customer asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) request_id: RequestId,
    pub(crate) actor: Actor,
    pub(crate) customer: CustomerId,
    pub(crate) account: AccountId,
    pub(crate) product: CardProductId,
    pub(crate) single_use: bool,
    pub(crate) merchant_lock: Option<Reference>,
    /// The card whose place it takes.
    pub(crate) replaces: Option<Replaces>,
    pub(crate) body: (Fingerprint, Vec<&'static str>),
}

impl Issuer {
    /// The KYC level of a customer who asks for something: an error unless ACTIVE with level 1. What was granted before
    /// under this request id is still told, so a repetition is not refused; its command is not decided again.
    pub(crate) async fn verified_level(
        &self,
        customer: CustomerId,
        request_id: RequestId,
    ) -> Result<u8, LedgerError> {
        let facts = self.peers.customer(customer).await?;
        let level = u8::try_from(facts.kyc_level).unwrap_or(0);
        if facts.active && level >= KYC_LEVEL_MIN || self.is_known(request_id).await? {
            return Ok(level);
        }
        Err(LedgerError::Kyc { wanted: KYC_LEVEL_MIN, state: facts.state, level: facts.kyc_level })
    }

    /// Issues a card and waits until the vault has made its number.
    pub(crate) async fn issue(&self, wish: Wish) -> Result<(CardRecord, Known), LedgerError> {
        let kyc_level = self.verified_level(wish.customer, wish.request_id).await?;
        let order = RequestCard {
            card: self.handle.shared.ids.next(),
            product: wish.product,
            account: wish.account,
            customer: wish.customer,
            kyc_level,
            single_use: wish.single_use,
            merchant_lock: wish.merchant_lock,
            channel: Name::default(),
            replaces: wish.replaces,
        };
        let action = Action::RequestCard(Box::new(order));
        let command = Command { request_id: wish.request_id, actor: wish.actor, action };
        let order = Order { command, body: Some(wish.body), proof: None };
        let answer = self.submit_for_active(wish.customer, order).await?;
        let Outcome::Card { card, .. } = answer.known.outcome else {
            return Err(LedgerError::Internal("a request for a card has another outcome".into()));
        };
        let position = self.complete(card).await?;
        self.handle.projected(position.max(answer.known.position)).await?;
        let record = read::card(&self.handle.shared.db, self.handle.shared.shard, card).await?;
        let record = record.ok_or(LedgerError::NotFound("card"))?;
        match record.card.stage {
            CardStage::Closed(bursar_ledger_engine::CloseReason::IssueFailed) => {
                let why = record.steps.last().map(|step| step.transition.reason.to_string());
                Err(LedgerError::IssueFailed(why.unwrap_or_default()))
            }
            _ => Ok((record, answer.known)),
        }
    }

    /// Has a command decided for a customer whom identity calls active. What identity told before travels as events and
    /// may still be on its way: a refusal that rests on it burns nothing, and is waited out for a moment.
    async fn submit_for_active(&self, customer: CustomerId, order: Order) -> Result<Answer, LedgerError> {
        let late = tokio::time::Instant::now() + STANDING_MAX;
        let mut wait = WAIT_FIRST;
        loop {
            match self.handle.submit(order.clone()).await {
                Err(LedgerError::Refused(refusal))
                    if refusal.reason == RefusalReason::KycLevelTooLow
                        && tokio::time::Instant::now() + wait < late
                        && self.is_behind(customer).await? =>
                {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
                other => return other,
            }
        }
    }

    /// Whether the ledger was told last that the customer is not active.
    async fn is_behind(&self, customer: CustomerId) -> Result<bool, LedgerError> {
        let look = self.handle.read(move |engine, _| engine.customer(customer));
        Ok(look.await?.is_some_and(|standing| standing.status != CustomerStatus::Active))
    }

    async fn is_known(&self, id: RequestId) -> Result<bool, LedgerError> {
        self.handle.settled(0).await?;
        Ok(matches!(history::request(&self.handle.shared, id).await?, Lookup::Used(..)))
    }

    /// Asks the vault until the card is made or never will be. Returns the position of the end.
    async fn complete(&self, id: CardId) -> Result<i64, LedgerError> {
        let mut wait = WAIT_FIRST;
        loop {
            match self.step(id).await {
                Ok(position) => return Ok(position),
                // What may pass is waited for; the call's deadline bounds it from outside.
                Err(error) if error.reason().retryable() => {
                    tracing::info!(%error, card = %id, "the card's issue will go on");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// The rest of a card's issue, once.
    async fn step(&self, id: CardId) -> Result<i64, LedgerError> {
        let look = self.handle.read(move |engine, position| {
            let card = engine.card(id)?;
            let version = engine.product(card.product).iter().find(|v| v.version == card.product_version)?;
            let zone = engine.program().map_or(0, |program| program.zone.minutes());
            Some((card.clone(), version.spec.clone(), zone, position))
        });
        let Some((card, spec, zone, position)) = look.await? else {
            return Err(LedgerError::NotFound("card"));
        };
        if card.stage != CardStage::Issuing {
            return Ok(position);
        }
        let (year, month) = expiry(card.requested_at, zone, spec.validity_months)
            .ok_or_else(|| LedgerError::Internal("the card's expiry is outside the calendar".into()))?;
        let wanted = NumberWanted {
            request_id: derive::request_id("bursar.ledger.card-number", &[card.id.as_uuid().as_bytes()]),
            card: card.id,
            customer: card.customer,
            bin_range: spec.bin_range.to_string(),
            year,
            month,
        };
        let action = match self.peers.number(wanted).await? {
            NumberAnswer::Made { masked_pan, month, year } => made(&card, &masked_pan, month, year)?,
            NumberAnswer::Never(reason) => Action::FailCardIssue { card: id, reason: note(&reason) },
        };
        let request_id = derive::request_id("bursar.ledger.card-issued", &[card.id.as_uuid().as_bytes()]);
        let command = Command { request_id, actor: itself(), action };
        Ok(self.handle.submit(Order::internal(command)).await?.known.position)
    }

    /// One turn of the background loop: goes on with cards whose call is gone.
    pub(crate) async fn resume(self) -> Result<(), LedgerError> {
        self.handle.ready().await;
        let shared = &self.handle.shared;
        for record in read::issuing(&shared.db, shared.shard, RESUME_MAX).await? {
            if shared.clock.now().since(record.card.requested_at) >= RESUME_AFTER {
                self.step(record.card.id).await?;
                tracing::info!(card = %record.card.id, "the issue of a card was resumed");
            }
        }
        tokio::time::sleep(RESUME_EVERY).await;
        Ok(())
    }
}

fn made(card: &Card, masked_pan: &str, month: i32, year: i32) -> Result<Action, LedgerError> {
    let wrong = || LedgerError::Internal("the vault's answer is not a card".into());
    let expiry = u16::try_from(year).ok().zip(u8::try_from(month).ok());
    let expiry = expiry.and_then(|(year, month)| CardExpiry::new(year, month)).ok_or_else(wrong)?;
    let masked_pan = MaskedPan::new(masked_pan).map_err(|_| wrong())?;
    Ok(Action::CompleteCardIssue { card: card.id, masked_pan, expiry })
}

/// As much of a text as a note holds.
pub(crate) fn note(text: &str) -> Note {
    if let Ok(note) = Note::new(text) {
        return note;
    }
    let clean: String = text.chars().filter(|character| !character.is_control()).collect();
    let mut end = clean.len().min(Note::BYTES_MAX);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    Note::new(&clean[..end]).unwrap_or_default()
}

/// The last month of a card that was asked for at `at`: it follows from the request, so every try is the same.
fn expiry(at: Timestamp, zone_minutes: i16, validity_months: u16) -> Option<(u16, u8)> {
    let offset = jiff::tz::Offset::from_seconds(i32::from(zone_minutes) * 60).ok()?;
    let date = offset.to_datetime(jiff::Timestamp::from_microsecond(at.as_micros()).ok()?).date();
    let months = i32::from(date.year()) * 12 + i32::from(date.month()) - 1 + i32::from(validity_months);
    Some((u16::try_from(months / 12).ok()?, u8::try_from(months % 12 + 1).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_follows_from_the_request_in_the_programs_zone() {
        // 2026-12-31T23:30Z is already January in China.
        let at = Timestamp::from_micros(1_798_759_800_000_000);
        assert_eq!(expiry(at, 0, 36), Some((2029, 12)));
        assert_eq!(expiry(at, 480, 36), Some((2030, 1)));
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note(&"汉".repeat(256)).as_str().chars().count(), 256);
        assert_eq!(note(&"汉".repeat(400)).as_str().len(), 1_023);
        assert_eq!(note("a\nb").as_str(), "ab");
    }
}
