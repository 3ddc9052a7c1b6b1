//! What a record says, in plain words.

use bursar_ledger_engine::{
    Action, Actor, BalanceAfter, Decided, Outcome, PaymentRef, PaymentStep, RefundTarget, Role, Sums,
    TransferMode, TransferOrder, Transferred, Verdict, transfer_id,
};
use bursar_types::id::TransferId;
use bursar_types::{Asset, Money};

use crate::journal::Record;

/// What was asked and what became of it, a sentence each; `None` if that did not make `transfer`.
pub(super) fn of(record: &Record, transfer: TransferId) -> Option<Vec<String>> {
    let (asked, became) = told(record, transfer)?;
    let (by, request) = (actor(&record.command.actor), record.command.request_id);
    Some(vec![format!("{by} asked, with request {request}: {asked}."), became])
}

fn told(record: &Record, transfer: TransferId) -> Option<(String, String)> {
    match (&record.command.action, &record.outcome) {
        (Action::Transfer(order), Outcome::Transferred(done)) if order.transfer == transfer => {
            Some((ordered(order), moved(order, done)))
        }
        (Action::TransferBatch { orders, linked }, Outcome::Batch(items)) => {
            let at = orders.iter().position(|order| order.transfer == transfer)?;
            let (order, item) = (orders.get(at)?, items.get(at)?);
            let done = item.as_ref().ok()?;
            let all = if *linked { ", all or none" } else { "" };
            let asked = format!("{} (order {} of {}{all})", ordered(order), at + 1, orders.len());
            Some((asked, moved(order, done)))
        }
        (Action::CaptureHold(capture), Outcome::Transferred(done)) if capture.transfer == transfer => {
            let rest = if capture.last { " and give the rest back" } else { "" };
            let asked = format!("capture {} of hold {}{rest}", capture.amount, capture.hold);
            Some((asked, posted(done, done.amount.asset)))
        }
        (Action::ReverseTransfer(reversal), Outcome::Transferred(done)) if reversal.transfer == transfer => {
            let asked = format!(
                "reverse transfer {} of {} from {} to {} because “{}”",
                reversal.original,
                reversal.original_amount,
                reversal.original_debit,
                reversal.original_credit,
                reversal.reason
            );
            Some((asked, posted(done, done.amount.asset)))
        }
        (Action::BookBankCredit(credit), Outcome::Booked(done)) if credit.transfer == transfer => {
            let asked = format!(
                "book the bank's credit {} of {} for funding reference {}",
                credit.bank_transaction_id, credit.amount, credit.funding_reference
            );
            let found = if done.matched { "" } else { ", for nobody was found whose it is" };
            let after = after(&done.after, credit.amount.asset);
            Some((asked, format!("{} was credited to {}{found}. {after}", credit.amount, done.account)))
        }
        _ => told_of_payment(record, transfer),
    }
}

/// Payments make several transfers, each with its place in the block of ids that came with the command.
fn told_of_payment(record: &Record, transfer: TransferId) -> Option<(String, String)> {
    let is = |first: TransferId, n: u32, so: bool| so && transfer_id(first, n) == transfer;
    match (&record.command.action, &record.outcome) {
        (Action::Authorize(ask), Outcome::Decided(decided)) => {
            let (first, sums) = (ask.transfers, decided.sums);
            let part = if is(first, 0, decided.decision.approved > 0) {
                "the hold"
            } else if is(first, 1, decided.decision.fee > 0) {
                "the hold of the fee"
            } else {
                cleared(first, 2, sums, &is)?
            };
            let asked = format!(
                "authorize {} at {} ({}) with card {}",
                ask.amount, ask.merchant.name, ask.merchant.id, ask.card
            );
            Some((asked, decision(decided, ask.amount.asset, part)))
        }
        (Action::ClearPayment(clear), Outcome::Payment(step)) => {
            let part = cleared(clear.transfers, 0, step.sums, &is)?;
            let asked = format!("clear {} of payment {}", clear.amount, reference(&clear.payment));
            Some((asked, stepped(step, clear.amount.asset, part)))
        }
        (Action::ForcePost(post), Outcome::Payment(step)) => {
            let part = cleared(post.transfers, 0, step.sums, &is)?;
            let (amount, merchant) = (post.amount, &post.merchant);
            let asked = format!("post {amount} at {} with card {}, unasked before", merchant.name, post.card);
            Some((asked, stepped(step, amount.asset, part)))
        }
        (Action::RefundPayment(refund), Outcome::Payment(step)) => {
            let part = if is(refund.transfers, 0, step.amount > 0) {
                "the refund"
            } else if is(refund.transfers, 1, step.amount > 0) {
                "the part of the refund that paid back what was owed"
            } else {
                return None;
            };
            let target = match &refund.target {
                RefundTarget::Payment(payment) => format!("payment {}", reference(payment)),
                RefundTarget::Unlinked { card, .. } => format!("card {card}"),
            };
            let asked = format!("refund {} to {target}", refund.amount);
            Some((asked, stepped(step, refund.amount.asset, part)))
        }
        _ => None,
    }
}

/// Which transfer of a clearing whose ids begin with the `from`-th of the block.
fn cleared(
    first: TransferId,
    from: u32,
    sums: Sums,
    is: &impl Fn(TransferId, u32, bool) -> bool,
) -> Option<&'static str> {
    if is(first, from, sums.cleared > 0) {
        Some("the posting")
    } else if is(first, from + 1, sums.shortfall > 0) {
        Some("the part that the balance did not cover")
    } else if is(first, from + 2, sums.fees > 0) {
        Some("the fee")
    } else {
        None
    }
}

fn ordered(order: &TransferOrder) -> String {
    let from_to = format!("{} from {} to {}", order.amount, order.debit, order.credit);
    let mut text = match order.mode {
        TransferMode::Post => format!("transfer {from_to}"),
        TransferMode::Balancing => format!("transfer what is there, up to {from_to}"),
        TransferMode::Hold { expires_at: Some(until), .. } => format!("hold {from_to} until {until}"),
        TransferMode::Hold { expires_at: None, .. } => format!("hold {from_to}"),
    };
    if !order.reference.is_empty() {
        text.push_str(&format!(", reference {}", order.reference));
    }
    if !order.description.is_empty() {
        text.push_str(&format!(", “{}”", order.description));
    }
    text
}

fn moved(order: &TransferOrder, done: &Transferred) -> String {
    match order.mode {
        TransferMode::Hold { .. } => {
            let (debit, credit) =
                (after(&done.debit, done.amount.asset), after(&done.credit, done.amount.asset));
            format!("{} was held. {debit} {credit}", done.amount)
        }
        TransferMode::Post | TransferMode::Balancing => posted(done, done.amount.asset),
    }
}

fn posted(done: &Transferred, asset: Asset) -> String {
    format!("{} was posted. {} {}", done.amount, after(&done.debit, asset), after(&done.credit, asset))
}

fn decision(decided: &Decided, asset: Asset, part: &str) -> String {
    let of = |minor_units| Money::new(minor_units, asset);
    let verdict = match decided.decision.verdict {
        Verdict::Approved => "It was approved".to_owned(),
        Verdict::PartiallyApproved => format!("{} of it was approved", of(decided.decision.approved)),
        Verdict::Declined => "It was declined".to_owned(),
    };
    let then = decided.account.map(|account| format!(" {}", after(&account, asset))).unwrap_or_default();
    format!("{verdict} as payment {}; the transfer is {part}.{then}", decided.payment)
}

fn stepped(step: &PaymentStep, asset: Asset, part: &str) -> String {
    let moved = Money::new(step.amount, asset);
    let then = step.account.map(|account| format!(" {}", after(&account, asset))).unwrap_or_default();
    format!("It was done for {moved} in payment {}; the transfer is {part}.{then}", step.payment)
}

fn reference(payment: &PaymentRef) -> String {
    match payment {
        PaymentRef::Id(id) => id.to_string(),
        PaymentRef::Network(reference) => format!("with the network's reference {reference}"),
    }
}

fn after(account: &BalanceAfter, asset: Asset) -> String {
    let posted = Money::new(account.balances.posted(account.normal), asset);
    let held = Money::new(account.balances.holds(account.normal), asset);
    format!("After it {} has {posted} posted and {held} held.", account.account)
}

fn actor(actor: &Actor) -> String {
    let role = match actor.role {
        Role::Customer => "The customer",
        Role::Operator => "An operator",
        Role::FraudDesk => "The fraud desk",
        Role::LegalDesk => "The legal desk",
        Role::Service => "A service",
        Role::Network => "The network",
    };
    if actor.name.is_empty() { role.to_owned() } else { format!("{role} ({})", actor.name) }
}
