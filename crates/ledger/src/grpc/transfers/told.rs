//! From answers to the contract's messages.

use bursar_ledger_engine::{
    Action, BalanceAfter, Day, Hold, HoldSums, Outcome, Refusal, RefusalReason, TransferMode, Transferred,
};
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1 as proto;
use bursar_service::parse::{money_message, timestamp_message};
use bursar_types::TypedId as _;
use bursar_types::id::TransferId;

use super::Stored;
use crate::day;
use crate::error::LedgerError;
use crate::grpc::Api;
use crate::project::public::{self, clamped};
use crate::store::projection;
use crate::writer::Answer;

/// What an answer needs besides command and outcome.
#[derive(Debug, Default)]
pub(super) struct Facts {
    hold: Option<Hold>,
    value_date: Option<Day>,
}

/// What of that is not in memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lacking {
    /// The value date of this transfer.
    ValueDate(TransferId),
    /// This hold.
    Hold(TransferId),
}

impl Facts {
    /// From memory: all of them for a command that was decided now.
    pub(super) fn in_memory(answer: &mut Answer) -> Result<Self, Lacking> {
        let now = &mut answer.now;
        let (value_date, hold) = (now.value_date, now.hold.take().map(|hold| *hold));
        match &answer.known.command.action {
            Action::Transfer(order) => match (order.mode, order.value_date.or(value_date)) {
                (TransferMode::Hold { .. }, _) => Ok(Self::default()),
                (_, None) => Err(Lacking::ValueDate(order.transfer)),
                (_, value_date) => Ok(Self { value_date, hold: None }),
            },
            Action::ReverseTransfer(reversal) if value_date.is_none() => {
                Err(Lacking::ValueDate(reversal.transfer))
            }
            Action::CaptureHold(capture) if hold.is_none() => Err(Lacking::Hold(capture.hold)),
            Action::IncrementHold { hold: id, .. } | Action::VoidHold { hold: id, .. } if hold.is_none() => {
                Err(Lacking::Hold(*id))
            }
            _ => Ok(Self { hold, value_date }),
        }
    }
}

impl Api {
    /// What an answer needs, from memory or from the projections.
    pub(super) async fn facts(&self, answer: &mut Answer) -> Result<Facts, LedgerError> {
        match Facts::in_memory(answer) {
            Ok(facts) => Ok(facts),
            Err(lacking) => self.stored_facts(answer, lacking).await,
        }
    }

    /// What is lacking, from the projections: for a request that was decided before.
    pub(super) async fn stored_facts(&self, answer: &Answer, lacking: Lacking) -> Result<Facts, LedgerError> {
        self.0.handle.projected(answer.known.position).await?;
        match lacking {
            Lacking::ValueDate(id) => match self.stored(id).await? {
                Some(Stored::Posted(record)) => {
                    Ok(Facts { value_date: Some(record.entry.value_date), hold: None })
                }
                _ => Err(LedgerError::Damaged(format!("transfer {id} is not in the projections"))),
            },
            Lacking::Hold(id) => {
                let (db, shard) = (&self.0.handle.shared.db, self.0.handle.shared.shard);
                let found = db.read(|tx| Box::pin(projection::hold_by_id(tx, shard, id))).await?;
                let record = found
                    .ok_or_else(|| LedgerError::Damaged(format!("hold {id} is not in the projections")))?;
                Ok(Facts { hold: Some(record.hold), value_date: None })
            }
        }
    }
}

fn mixed_up() -> LedgerError {
    LedgerError::Internal("a command has the outcome of another".into())
}

fn balance(after: &BalanceAfter) -> Option<proto::BalanceAfter> {
    let (sums, normal) = (&after.balances, after.normal);
    Some(proto::BalanceAfter {
        posted: sums.posted(normal),
        held: sums.holds(normal),
        available: clamped(sums.available(normal)),
    })
}

fn transferred(answer: &Answer) -> Result<&Transferred, LedgerError> {
    match &answer.known.outcome {
        Outcome::Transferred(done) => Ok(done),
        _ => Err(mixed_up()),
    }
}

/// The transfer or hold right after it was made. The texts of the request stand in it: whoever repeats a request
/// repeats them.
pub(super) fn created(
    message: proto::CreateTransferRequest,
    answer: &Answer,
    facts: &Facts,
) -> Result<proto::CreateTransferResponse, LedgerError> {
    let known = &answer.known;
    let done = transferred(answer)?;
    let Action::Transfer(order) = &known.command.action else { return Err(mixed_up()) };
    let (state, expires_at, over_capture) = match order.mode {
        TransferMode::Hold { expires_at, over_capture } => {
            (proto::TransferState::Held, expires_at, over_capture)
        }
        TransferMode::Post | TransferMode::Balancing => (proto::TransferState::Posted, None, 0),
    };
    let held = done.outstanding.unwrap_or(0);
    let transfer = proto::Transfer {
        transfer_id: done.transfer.text(),
        debit_account_id: message.debit_account_id,
        credit_account_id: message.credit_account_id,
        // A balancing order asked for more than it may have found.
        amount: message.amount.map(|asked| Money { minor_units: done.amount.minor_units, ..asked }),
        state: state.into(),
        captured: done.amount.minor_units.saturating_sub(held),
        held,
        reference: message.reference,
        expire_time: expires_at.map(timestamp_message),
        position: known.position,
        description: message.description,
        value_date: facts.value_date.map(day::text).unwrap_or_default(),
        book_time: Some(timestamp_message(known.time)),
        r#type: public::transfer_type(order.code).to_owned(),
        code: message.code,
        hold_id: String::new(),
        reverses_transfer_id: String::new(),
        reversed_by_transfer_id: String::new(),
        over_capture,
    };
    Ok(proto::CreateTransferResponse {
        transfer: Some(transfer),
        debit_after: balance(&done.debit),
        credit_after: balance(&done.credit),
    })
}

/// What became of each of many.
pub(super) fn batched(answer: &Answer) -> Result<proto::BatchCreateTransfersResponse, LedgerError> {
    let Outcome::Batch(items) = &answer.known.outcome else { return Err(mixed_up()) };
    let results = items.iter().map(|item| match item {
        Ok(done) => proto::TransferResult {
            transfer_id: done.transfer.text(),
            amount: done.amount.minor_units,
            debit_after: balance(&done.debit),
            credit_after: balance(&done.credit),
            ..proto::TransferResult::default()
        },
        Err(refusal) => refused(*refusal),
    });
    Ok(proto::BatchCreateTransfersResponse { results: results.collect(), position: answer.known.position })
}

/// Many of which none happened.
pub(super) fn all_refused(refusals: Vec<Refusal>) -> proto::BatchCreateTransfersResponse {
    proto::BatchCreateTransfersResponse { results: refusals.into_iter().map(refused).collect(), position: 0 }
}

fn refused(refusal: Refusal) -> proto::TransferResult {
    let field = match refusal.reason {
        // It is about another order.
        RefusalReason::LinkedItemFailed => "",
        _ => refusal.subject.as_str(),
    };
    proto::TransferResult {
        error_reason: refusal.reason.reason().as_str().to_owned(),
        error_field: field.to_owned(),
        ..proto::TransferResult::default()
    }
}

/// The hold right after the step, with the balances.
struct Step {
    transfer: Option<proto::Transfer>,
    debit_after: Option<proto::BalanceAfter>,
    credit_after: Option<proto::BalanceAfter>,
}

fn step(answer: &Answer, facts: &Facts) -> Result<Step, LedgerError> {
    let done = transferred(answer)?;
    let hold = facts.hold.as_ref().ok_or_else(mixed_up)?;
    // The first release did not write how the hold stood: what it is now is all there is.
    let sums: HoldSums = done.hold.unwrap_or_else(|| hold.sums());
    Ok(Step {
        transfer: Some(public::hold_as_it_stood(hold, sums, answer.known.position)),
        debit_after: balance(&done.debit),
        credit_after: balance(&done.credit),
    })
}

/// After a capture.
pub(super) fn captured(answer: &Answer, facts: &Facts) -> Result<proto::CaptureHoldResponse, LedgerError> {
    let posted_transfer_id = transferred(answer)?.transfer.text();
    let Step { transfer, debit_after, credit_after } = step(answer, facts)?;
    Ok(proto::CaptureHoldResponse { transfer, posted_transfer_id, debit_after, credit_after })
}

/// After a raise.
pub(super) fn incremented(
    answer: &Answer,
    facts: &Facts,
) -> Result<proto::IncrementHoldResponse, LedgerError> {
    let Step { transfer, debit_after, credit_after } = step(answer, facts)?;
    Ok(proto::IncrementHoldResponse { transfer, debit_after, credit_after })
}

/// After a void.
pub(super) fn voided(answer: &Answer, facts: &Facts) -> Result<proto::VoidHoldResponse, LedgerError> {
    let Step { transfer, debit_after, credit_after } = step(answer, facts)?;
    Ok(proto::VoidHoldResponse { transfer, debit_after, credit_after })
}

/// The transfer that reverses another.
pub(super) fn reversed(
    answer: &Answer,
    facts: &Facts,
) -> Result<proto::ReverseTransferResponse, LedgerError> {
    let known = &answer.known;
    let done = transferred(answer)?;
    let Action::ReverseTransfer(reversal) = &known.command.action else { return Err(mixed_up()) };
    let transfer = proto::Transfer {
        transfer_id: done.transfer.text(),
        debit_account_id: reversal.original_credit.text(),
        credit_account_id: reversal.original_debit.text(),
        amount: Some(money_message(done.amount)),
        state: proto::TransferState::Posted.into(),
        captured: done.amount.minor_units,
        position: known.position,
        description: reversal.reason.to_string(),
        value_date: facts.value_date.map(day::text).unwrap_or_default(),
        book_time: Some(timestamp_message(known.time)),
        r#type: public::transfer_type(bursar_ledger_engine::TransferCode::REVERSAL).to_owned(),
        reverses_transfer_id: reversal.original.text(),
        ..proto::Transfer::default()
    };
    Ok(proto::ReverseTransferResponse {
        transfer: Some(transfer),
        debit_after: balance(&done.debit),
        credit_after: balance(&done.credit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_among_many_is_refused_with_its_own_field() {
        use bursar_ledger_engine::Subject;

        let told = refused(Refusal::new(RefusalReason::InsufficientFunds, Subject::DebitAccount));
        assert_eq!(
            (told.error_reason.as_str(), told.error_field.as_str()),
            ("INSUFFICIENT_FUNDS", "debit_account_id")
        );
        let linked = refused(Refusal::new(RefusalReason::LinkedItemFailed, Subject::Items));
        assert_eq!((linked.error_reason.as_str(), linked.error_field.as_str()), ("LINKED_ITEM_FAILED", ""));
    }
}
