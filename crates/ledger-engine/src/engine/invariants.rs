//! What must always hold, recomputed from the parts.

use std::collections::BTreeMap;
use std::fmt::Display;

use bursar_types::Asset;
use bursar_types::id::{AccountId, TransferId};

use super::Engine;
use crate::*;

/// One way in which the state does not hold together. None is ever expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// The invariant's stable name: one of [`Engine::INVARIANTS`].
    pub invariant: &'static str,
    /// What does not hold, with ids and numbers.
    pub detail: String,
}

const SUM_ZERO: &str = "sum_zero";
const PENDING_IS_HOLDS: &str = "pending_is_holds";
const SUMS_IN_RANGE: &str = "sums_in_range";
const LIMITS_KEPT: &str = "limits_kept";
const HOLD_OPEN: &str = "hold_open";
const PAYMENT_HOLD: &str = "payment_hold";
const PAYMENT_SUMS: &str = "payment_sums";
const COUNTERS: &str = "counters";
const CLOSED_AT_ZERO: &str = "closed_at_zero";

/// The violations found so far.
struct Findings(Vec<Violation>);

impl Findings {
    fn need(&mut self, holds: bool, invariant: &'static str, detail: &dyn Display) {
        if !holds {
            self.0.push(Violation { invariant, detail: detail.to_string() });
        }
    }
}

impl Engine {
    /// The names of all invariants and what each says.
    pub const INVARIANTS: &'static [(&'static str, &'static str)] = &[
        (SUM_ZERO, "per asset, posted debits equal posted credits, and pending debits pending credits"),
        (PENDING_IS_HOLDS, "an account's pending sums are the sums of its open holds"),
        (SUMS_IN_RANGE, "no sum of an account is negative"),
        (LIMITS_KEPT, "no account is below its limit"),
        (HOLD_OPEN, "a hold that is kept has something outstanding, and its parts add up"),
        (PAYMENT_HOLD, "a payment's outstanding amount is its hold's; a held fee is held only beside it"),
        (PAYMENT_SUMS, "a payment's sums are what its elements add up to"),
        (COUNTERS, "a counter is what the payments counted in it"),
        (CLOSED_AT_ZERO, "a closed account has no balance and no hold"),
    ];

    /// Recomputes every invariant from its parts. Reads the whole state.
    ///
    /// # Errors
    /// Everything that does not hold.
    pub fn check_invariants(&self) -> Result<(), Vec<Violation>> {
        let mut findings = Findings(Vec::new());
        self.check_accounts(&mut findings);
        self.check_payments(&mut findings);
        self.check_counters(&mut findings);
        if findings.0.is_empty() { Ok(()) } else { Err(findings.0) }
    }

    fn check_accounts(&self, findings: &mut Findings) {
        let mut pending: BTreeMap<AccountId, (i128, i128)> = BTreeMap::new();
        for (id, hold) in self.state.holds.sorted() {
            let outstanding = hold.outstanding();
            let parts = i128::from(hold.captured) + i128::from(hold.released) + i128::from(outstanding);
            let good = outstanding > 0 && parts == i128::from(hold.held.minor_units);
            findings.need(good, HOLD_OPEN, &format_args!("{id}: {hold:?}"));
            pending.entry(hold.debit).or_default().0 += i128::from(outstanding);
            pending.entry(hold.credit).or_default().1 += i128::from(outstanding);
        }
        let mut totals: BTreeMap<Asset, [i128; 4]> = BTreeMap::new();
        for (id, slot) in self.state.accounts.sorted() {
            let account = &slot.account;
            let sums = account.balances;
            let parts = [sums.posted_debits, sums.posted_credits, sums.pending_debits, sums.pending_credits];
            findings.need(parts.iter().all(|sum| *sum >= 0), SUMS_IN_RANGE, &format_args!("{id}: {sums:?}"));
            let total = totals.entry(account.asset).or_default();
            for (sum, part) in total.iter_mut().zip(parts) {
                *sum += i128::from(part);
            }
            let (debits, credits) = pending.remove(id).unwrap_or_default();
            let good =
                i128::from(sums.pending_debits) == debits && i128::from(sums.pending_credits) == credits;
            findings.need(
                good,
                PENDING_IS_HOLDS,
                &format_args!("{id}: {sums:?}, holds {debits} and {credits}"),
            );
            let within = account.spendable().is_none_or(|spendable| spendable >= 0);
            findings.need(within, LIMITS_KEPT, &format_args!("{id}: {sums:?}, {:?}", account.limit));
            let empty = account.posted() == 0 && sums.pending_debits == 0 && sums.pending_credits == 0;
            findings.need(
                account.closed_at.is_none() || empty,
                CLOSED_AT_ZERO,
                &format_args!("{id}: {sums:?}"),
            );
        }
        for (asset, [debits, credits, pending_debits, pending_credits]) in totals {
            let good = debits == credits && pending_debits == pending_credits;
            findings.need(
                good,
                SUM_ZERO,
                &format_args!(
                    "{asset}: {debits} and {credits} posted, {pending_debits} and {pending_credits} pending"
                ),
            );
        }
    }

    fn held(&self, hold: Option<TransferId>) -> i64 {
        hold.and_then(|hold| self.state.holds.get(&hold)).map_or(0, Hold::outstanding)
    }

    fn check_payments(&self, findings: &mut Findings) {
        for (id, payment) in self.state.payments.sorted() {
            let outstanding = payment.sums.outstanding();
            let fee_good = self.held(payment.fee_hold) == 0 || outstanding > 0;
            let good = self.held(payment.hold) == outstanding && fee_good;
            findings.need(good, PAYMENT_HOLD, &format_args!("{id}: {:?}", payment.sums));
            let sums = payment.sums;
            let recomputed = recompute(payment);
            let added = [
                sums.authorized,
                sums.incremented,
                sums.reversed,
                sums.cleared,
                sums.released,
                sums.expired,
                sums.refunded,
                sums.fees,
            ];
            let kept = [sums.captured, sums.shortfall];
            let good = added.map(i128::from) == recomputed
                && kept.iter().all(|part| *part >= 0 && *part <= sums.cleared)
                && self.exact_outstanding(payment) == i128::from(outstanding);
            findings.need(good, PAYMENT_SUMS, &format_args!("{id}: {sums:?}, elements {recomputed:?}"));
        }
        for (id, hold) in self.state.holds.sorted() {
            let owned = hold.payment.is_none_or(|payment| {
                let payment = self.state.payments.get(&payment);
                payment.is_some_and(|payment| payment.hold == Some(*id) || payment.fee_hold == Some(*id))
            });
            findings.need(owned, PAYMENT_HOLD, &format_args!("{id} is no payment's hold"));
        }
    }

    /// Outstanding without the floor at zero: it must not be needed.
    fn exact_outstanding(&self, payment: &Payment) -> i128 {
        let sums = payment.sums;
        let ended = [sums.unheld, sums.reversed, sums.captured, sums.released, sums.expired];
        i128::from(sums.authorized) + i128::from(sums.incremented)
            - ended.iter().map(|part| i128::from(*part)).sum::<i128>()
    }

    fn check_counters(&self, findings: &mut Findings) {
        let mut counted: BTreeMap<(CounterKey, Window, i64), (i128, i128)> = BTreeMap::new();
        for (_, payment) in self.state.payments.sorted() {
            for entry in &payment.counted {
                let sum = counted.entry((entry.key, entry.window, entry.slot)).or_default();
                sum.0 += i128::from(entry.amount);
                sum.1 += i128::from(entry.count);
            }
        }
        for counter in self.state.all_counters() {
            for slot in &counter.slots {
                let key = (counter.key, counter.window, slot.number);
                let sum = counted.get(&key).copied().unwrap_or_default();
                let good = sum == (i128::from(slot.amount), i128::from(slot.count));
                findings.need(good, COUNTERS, &format_args!("{key:?}: {slot:?}, payments {sum:?}"));
            }
        }
    }
}

/// What the elements add up to, in the order authorized, incremented, reversed, cleared, released, expired, refunded, fees.
fn recompute(payment: &Payment) -> [i128; 8] {
    let mut sums = [0_i128; 8];
    for element in &payment.elements {
        let index = match element.kind {
            ElementKind::Authorized => 0,
            ElementKind::Incremented => 1,
            ElementKind::Reversed => 2,
            ElementKind::Cleared => 3,
            ElementKind::Released => 4,
            ElementKind::Expired => 5,
            ElementKind::Refunded => 6,
            ElementKind::Fee => 7,
            ElementKind::Declined | ElementKind::Checked | ElementKind::IncrementDeclined => continue,
        };
        sums[index] += i128::from(element.amount);
    }
    sums
}
