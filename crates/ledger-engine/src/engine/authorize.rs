//! Authorizations and increments: decide, hold, count, record, in one step.

use bursar_types::id::{PaymentId, TransferId};
use bursar_types::{Money, Timestamp};

use super::cards::Why;
use super::clearing::ClearPlan;
use super::decide::{Ask, Assessment, fail};
use super::state::Due;
use super::step::{Handled, Power, Step, refuse};
use super::transfers::positive;
use crate::*;

/// Where in the block of transfer ids each of an authorization's transfers has its own.
const HOLD: u32 = 0;
const FEE_HOLD: u32 = 1;
const CLEARING: u32 = 2;

/// How a network's reference that came before is answered.
enum Seen {
    Never,
    /// The same authorization: the stored answer.
    Same(PaymentId),
    /// Something else under the same reference.
    Other,
}

impl Step<'_> {
    pub(crate) fn authorize(&mut self, ask: &Authorize) -> Handled {
        let rate = self.state.rate_for(ask.card, ask.amount);
        let exchanged = rate.and_then(|rate| Some((ask.exchanged(rate)?, rate.clone())));
        match exchanged {
            Some((billed, rate)) => self.authorize_billed(&billed, Some((ask.amount, rate))),
            None => self.authorize_billed(ask, None),
        }
    }

    /// `ask` is in the account's asset; `exchanged` is what the merchant asked for where that was another, and the rate.
    fn authorize_billed(&mut self, ask: &Authorize, exchanged: Option<(Money, ExchangeRate)>) -> Handled {
        if self.state.program.is_none() {
            return refuse(RefusalReason::ProgramNotConfigured, Subject::Program);
        }
        if self.state.payments.holds(&ask.payment) {
            return refuse(RefusalReason::AlreadyExists, Subject::Payment);
        }
        let ids = [transfer_id(ask.transfers, HOLD), transfer_id(ask.transfers, FEE_HOLD)];
        if ids.iter().any(|id| self.state.holds.holds(id)) {
            return refuse(RefusalReason::AlreadyExists, Subject::Transfer);
        }
        let seen = self.seen(ask, exchanged.as_ref().map_or(ask.amount, |(amount, _)| *amount));
        if let Seen::Same(before) = seen
            && let Some(decided) = self.decided(before)
        {
            return Ok(Outcome::DecidedBefore(decided));
        }
        let reversed_early = self.early_reversal(ask.network_reference.as_ref());
        let outside = match seen {
            Seen::Never if reversed_early.is_some() => Some(DeclineReason::AlreadyReversed),
            Seen::Never => ask.outside,
            Seen::Same(_) | Seen::Other => Some(DeclineReason::Duplicate),
        };
        let mut assessment = self.state.assess(&Ask::of(ask, exchanged.is_some()), outside, self.at);
        assessment.facts.rate = exchanged.as_ref().map(|(_, rate)| rate.clone());
        let mark = self.mark();
        let cleared = match self.set_aside(ask, &assessment) {
            Ok(cleared) => cleared,
            Err(_) => {
                // Sums that do not fit: no fault of the payment's, and nothing to hold.
                self.back_to(&mark);
                fail(&mut assessment.decision);
                assessment.facts.carried_out = false;
                None
            }
        };
        let keeps_reference = matches!(seen, Seen::Never);
        let exchange =
            exchanged.map(|(merchant, rate)| Box::new(Exchange { merchant, rate, cleared: 0, refunded: 0 }));
        self.open_payment(ask, &assessment, keeps_reference, exchange);
        if let Some((reference, until)) = reversed_early {
            self.state.early_reversals.remove(&reference);
            self.state.due.remove(&(until, Due::EarlyReversal(reference.clone())));
            self.effects.push(Effect::EarlyReversalForgotten(reference));
        }
        self.record_decision(ask, &assessment.decision);
        if let Some(cleared) = cleared {
            self.record_clearing(ask.payment, &cleared);
        }
        let decided = self.decided(ask.payment).map(|decided| {
            let facts = Some(Box::new(assessment.facts));
            Outcome::Decided(Decided { facts, ..decided })
        });
        decided.ok_or(Refusal::new(RefusalReason::PaymentNotFound, Subject::Payment))
    }

    fn seen(&self, ask: &Authorize, asked: Money) -> Seen {
        let Some(before) = ask.network_reference.as_ref().and_then(|text| self.state.network.get(text))
        else {
            return Seen::Never;
        };
        let same = self.state.payments.get(before).is_some_and(|payment| {
            payment.card == ask.card
                && payment.kind == ask.kind
                && asked_of(payment) == asked
                && payment.decision.is_some()
        });
        if same { Seen::Same(*before) } else { Seen::Other }
    }

    fn early_reversal(&self, reference: Option<&Reference>) -> Option<(Reference, Timestamp)> {
        let reference = reference?;
        let until = *self.state.early_reversals.get(reference)?;
        // The timer may not have forgotten it yet.
        (until > self.at).then(|| (reference.clone(), until))
    }

    /// Moves the money of an approval: holds it and its fee, and posts both at once if that was asked for.
    fn set_aside(
        &mut self,
        ask: &Authorize,
        assessment: &Assessment,
    ) -> Result<Option<super::clearing::Cleared>, Refusal> {
        let decision = &assessment.decision;
        let (Some(account), Some(internal)) = (assessment.account, assessment.internal) else {
            return Ok(None);
        };
        if decision.approved == 0 {
            return Ok(None);
        }
        let asset = ask.amount.asset;
        let held = held(decision, ask);
        let hold = Hold {
            id: transfer_id(ask.transfers, HOLD),
            debit: account,
            credit: internal.settlement,
            held: Money::new(held, asset),
            captured: 0,
            over_captured: 0,
            released: 0,
            over_capture: 0,
            expires_at: decision.hold_until,
            payment: Some(ask.payment),
            code: TransferCode::CARD_PAYMENT,
            placed_at: self.at,
            reference: ask.merchant.id.clone(),
            description: ask.merchant.name.widen(),
        };
        let fee_hold = (decision.fee > 0).then(|| Hold {
            id: transfer_id(ask.transfers, FEE_HOLD),
            credit: internal.fee_income,
            held: Money::new(decision.fee, asset),
            // It ends with the payment's hold.
            expires_at: None,
            code: TransferCode::FEE,
            ..hold.clone()
        });
        let (hold_id, fee_hold_id) = (hold.id, fee_hold.as_ref().map(|hold| hold.id));
        let power = if ask.stand_in { Power::Forced } else { Power::Ordinary };
        if held > 0 {
            self.place(hold, power)?;
        }
        if let Some(fee_hold) = fee_hold {
            self.place(fee_hold, power)?;
        }
        if !ask.capture_now {
            return Ok(None);
        }
        let plan = ClearPlan {
            payment: ask.payment,
            payer: Some(account),
            hold: Some(hold_id).filter(|_| held > 0),
            fee_hold: fee_hold_id,
            outstanding: held,
            amount: Money::new(decision.approved, asset),
            last: true,
            transfers: transfer_id(ask.transfers, CLEARING),
            value_date: None,
            internal,
            merchant: &ask.merchant,
        };
        self.clear_money(&plan).map(Some)
    }

    fn open_payment(
        &mut self,
        ask: &Authorize,
        assessment: &Assessment,
        keeps_reference: bool,
        exchange: Option<Box<Exchange>>,
    ) {
        let decision = &assessment.decision;
        let holds = held(decision, ask) > 0;
        let payment = Payment {
            id: ask.payment,
            card: ask.card,
            account: assessment.account,
            customer: assessment.customer,
            asset: ask.amount.asset,
            kind: ask.kind,
            channel: ask.channel,
            entry_mode: ask.entry_mode,
            merchant: ask.merchant.clone(),
            network_reference: ask.network_reference.clone().filter(|_| keeps_reference),
            approval_code: ask.approval_code.clone().filter(|_| decision.verdict != Verdict::Declined),
            requested: ask.amount.minor_units,
            decision: Some(decision.clone()),
            hold: holds.then(|| transfer_id(ask.transfers, HOLD)),
            fee_hold: (holds && decision.fee > 0).then(|| transfer_id(ask.transfers, FEE_HOLD)),
            sums: Sums::default(),
            elements: Vec::new(),
            counted: Vec::new(),
            created_at: self.at,
            exchange,
        };
        self.insert_payment(payment);
    }

    /// Puts a new payment into the state, and tells it.
    pub(crate) fn insert_payment(&mut self, payment: Payment) {
        self.effects.push(Effect::PaymentOpened(Box::new(payment.clone())));
        if let Some(reference) = &payment.network_reference {
            self.state.network.insert(reference.clone(), payment.id);
        }
        self.state.payments.insert(payment.id, payment);
    }

    fn record_decision(&mut self, ask: &Authorize, decision: &Decision) {
        let before = Sums::default();
        let held = held(decision, ask);
        let sums = Sums { authorized: decision.approved, unheld: decision.approved - held, ..before };
        let hold = (held > 0).then(|| transfer_id(ask.transfers, HOLD));
        let (kind, amount) = match decision.verdict {
            Verdict::Declined => (ElementKind::Declined, ask.amount.minor_units),
            _ if decision.approved == 0 => (ElementKind::Checked, 0),
            _ => (ElementKind::Authorized, decision.approved),
        };
        self.advance(ask.payment, kind, amount, hold, sums);
        if decision.verdict == Verdict::Declined {
            return;
        }
        self.recount(ask.payment, before);
        if let PasswordResult::Verified { proof, valid_until } = &ask.verification.password {
            self.use_proof(proof, *valid_until);
        }
        let single_use = self.state.card(ask.card).is_some_and(|card| card.single_use);
        if single_use && decision.approved > 0 {
            let why = Why { freeze: None, reason: &Note::default(), channel: &Name::default() };
            // The card is there and active: it has just been approved.
            let _ = self.end_card(ask.card, CloseReason::SingleUse, &why);
        }
    }

    /// Records what happened to a payment.
    pub(crate) fn advance(
        &mut self,
        id: PaymentId,
        kind: ElementKind,
        amount: i64,
        transfer: Option<TransferId>,
        sums: Sums,
    ) {
        let Some(payment) = self.state.payments.get_mut(&id) else { return };
        let sequence = u32::try_from(payment.elements.len()).unwrap_or(u32::MAX).saturating_add(1);
        let element =
            Element { sequence, kind, amount, transfer, at: self.at, request_id: self.command.request_id };
        payment.elements.push(element);
        payment.sums = sums;
        let status = payment.status();
        self.effects.push(Effect::PaymentAdvanced { payment: id, element, sums, status });
    }

    /// The stored decision of a payment with its sums as they are now.
    fn decided(&self, id: PaymentId) -> Option<Decided> {
        let payment = self.state.payments.get(&id)?;
        Some(Decided {
            payment: id,
            decision: payment.decision.clone()?,
            approval_code: payment.approval_code.clone(),
            sums: payment.sums,
            account: payment.account.and_then(|account| self.state.after(account)),
            facts: None,
        })
    }

    pub(crate) fn increment_payment(&mut self, increment: &IncrementPayment) -> Handled {
        let payment = self.payment(&increment.payment)?;
        let exchanged = increment.amount.asset != payment.asset;
        let billed = self.in_asset(increment.amount, payment.asset, payment.exchange.as_deref())?;
        positive(billed, Money::zero(payment.asset))?;
        let (id, before, approval_code) = (payment.id, payment.sums, payment.approval_code.clone());
        let live = |hold: &Hold| hold.expires_at.is_none_or(|until| until > self.at);
        let Some(hold) =
            payment.hold.filter(|hold| before.outstanding() > 0 && self.hold(*hold).is_ok_and(live))
        else {
            return refuse(RefusalReason::PaymentState, Subject::Payment);
        };
        let again = Ask {
            card: payment.card,
            kind: payment.kind,
            amount: billed,
            channel: payment.channel,
            entry_mode: payment.entry_mode,
            merchant: &payment.merchant,
            verification: None,
            partial_allowed: false,
            stand_in: false,
            exchanged,
        };
        let mut assessment = self.state.assess(&again, None, self.at);
        let amount = billed.minor_units;
        let decision = &mut assessment.decision;
        if decision.verdict != Verdict::Declined {
            let mark = self.mark();
            if self.raise(hold, amount, Power::Ordinary).is_err() {
                self.back_to(&mark);
                fail(decision);
            }
        }
        if decision.verdict == Verdict::Declined {
            self.advance(id, ElementKind::IncrementDeclined, amount, None, before);
        } else {
            let sums = Sums { incremented: before.incremented.saturating_add(amount), ..before };
            self.advance(id, ElementKind::Incremented, amount, Some(hold), sums);
            self.recount(id, before);
        }
        let payment = self.payment(&PaymentRef::Id(id))?;
        Ok(Outcome::Decided(Decided {
            payment: id,
            decision: assessment.decision,
            approval_code,
            sums: payment.sums,
            account: payment.account.and_then(|account| self.state.after(account)),
            facts: None,
        }))
    }

    /// The payment a later message is about, if it can still grow.
    pub(crate) fn payment(&self, reference: &PaymentRef) -> Result<&Payment, Refusal> {
        let Some(payment) = self.state.find_payment(reference) else {
            return refuse(RefusalReason::PaymentNotFound, Subject::Payment);
        };
        if payment.elements.len() >= MAX_ELEMENTS {
            return refuse(RefusalReason::TooMany, Subject::Payment);
        }
        Ok(payment)
    }
}

/// How much of what is approved money is held for: all of it, unless it was approved in the engine's place.
fn held(decision: &Decision, ask: &Authorize) -> i64 {
    match decision.spendable_before {
        Some(spendable) if ask.stand_in => decision.approved.min(spendable.max(0)),
        _ => decision.approved,
    }
}

/// What a payment's merchant asked for.
fn asked_of(payment: &Payment) -> Money {
    payment
        .exchange
        .as_ref()
        .map_or(Money::new(payment.requested, payment.asset), |exchange| exchange.merchant)
}
