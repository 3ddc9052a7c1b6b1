//! What workers share: accounts to move money between, and request ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::CreateTransferRequest;
use bursar_types::{Clock as _, SystemClock};
use tonic::{Code, Status};
use uuid::Uuid;

/// Asset of all transfers.
pub(super) const ASSET: &str = "CNY";
/// Wait before a call that was put off is made again.
const COME_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A ledger that asks so often to come again does not work.
const PUT_OFF_MAX: u64 = 100_000;
/// Index of the account that everybody pays to.
const HOT: usize = 0;

/// Which accounts transfers move money between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Any two.
    Uniform,
    /// Any, and always the same other: all pay one shop.
    Hot,
}

/// What a worker needs to order transfers.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) accounts: Arc<[String]>,
    pub(super) ids: Arc<Ids>,
    /// Position of the last transfer that was acknowledged.
    pub(super) reached: Arc<AtomicI64>,
    /// Calls that were asked to come again.
    pub(super) put_off: Arc<AtomicU64>,
}

impl Load {
    /// Notes that the journal has acknowledged this position.
    pub(super) fn reached(&self, position: i64) {
        self.reached.fetch_max(position, Ordering::Relaxed);
    }

    /// Waits a little where the ledger asks to come again, as it does for a moment when it is overloaded or takes its
    /// shard anew. What was asked is not counted as done, so that the time is lost.
    ///
    /// # Errors
    /// The refusal itself, if it is another one or there were too many.
    pub(super) async fn come_again(&self, refusal: Status) -> Result<(), Status> {
        if self.is_put_off(refusal.code()) {
            tokio::time::sleep(COME_AGAIN_AFTER).await;
            return Ok(());
        }
        Err(refusal)
    }

    /// Counts a refusal that asks to come again; `false` if it is another one, or there were too many.
    pub(super) fn is_put_off(&self, code: Code) -> bool {
        matches!(code, Code::Unavailable | Code::ResourceExhausted)
            && self.put_off.fetch_add(1, Ordering::Relaxed) < PUT_OFF_MAX
    }

    /// The next transfer of one minor unit.
    pub(super) fn transfer(&self, dice: &mut Dice, spread: Spread) -> CreateTransferRequest {
        let (debit, credit) = dice.pair(self.accounts.len(), spread);
        CreateTransferRequest {
            request_id: self.ids.next(),
            debit_account_id: self.accounts[debit].clone(),
            credit_account_id: self.accounts[credit].clone(),
            amount: Some(Money { minor_units: 1, asset: ASSET.to_owned() }),
            ..CreateTransferRequest::default()
        }
    }
}

/// Request ids in the order of time (UUIDv7), without asking the system for randomness each time.
#[derive(Debug)]
pub(in crate::bench) struct Ids {
    milliseconds: u64,
    counter: AtomicU64,
}

impl Ids {
    pub(in crate::bench) fn new() -> Self {
        let milliseconds = u64::try_from(SystemClock.now().as_millis()).unwrap_or(0);
        Self { milliseconds, counter: AtomicU64::new(0) }
    }

    /// The next one.
    pub(super) fn next_uuid(&self) -> Uuid {
        let mut rest = [0_u8; 10];
        rest[2..].copy_from_slice(&self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(self.milliseconds, &rest).into_uuid()
    }

    /// The next one as text.
    pub(in crate::bench) fn next(&self) -> String {
        self.next_uuid().to_string()
    }
}

/// Repeatable choices (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// One of many that choose differently.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is above zero.
    fn below(&mut self, bound: usize) -> usize {
        // The high half of the product: as good as even for bounds this small.
        let product = u128::from(self.throw()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Two different ones of `count` accounts: the one to debit, the one to credit.
    pub(super) fn pair(&mut self, count: usize, spread: Spread) -> (usize, usize) {
        let debit = match spread {
            Spread::Uniform => self.below(count),
            Spread::Hot => 1 + self.below(count - 1),
        };
        let credit = match spread {
            Spread::Uniform => (debit + 1 + self.below(count - 1)) % count,
            Spread::Hot => HOT,
        };
        (debit, credit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn pairs_are_of_two_accounts_and_reach_all() {
        let mut dice = Dice::new(1);
        let (mut debits, mut credits) = (HashSet::new(), HashSet::new());
        for _ in 0..1_000 {
            let (debit, credit) = dice.pair(10, Spread::Uniform);
            assert!(debit != credit && debit < 10 && credit < 10);
            debits.insert(debit);
            credits.insert(credit);
            let (debit, credit) = dice.pair(10, Spread::Hot);
            assert!((1..10).contains(&debit) && credit == HOT);
        }
        assert_eq!((debits.len(), credits.len()), (10, 10));
    }

    #[test]
    fn ids_differ_and_ascend() {
        let ids = Ids::new();
        let made: Vec<String> = (0..1_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted() && made.iter().collect::<HashSet<_>>().len() == 1_000);
        assert!(made.iter().all(|id| id.parse::<bursar_types::RequestId>().is_ok()), "{made:?}");
    }
}
