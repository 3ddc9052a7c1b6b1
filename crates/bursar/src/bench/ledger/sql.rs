//! The hand-written transaction under load: which way of writing it, and how many at once, is best here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bursar_loadgen::closed_loop;

use super::load::{Dice, Ids, Spread};
use crate::bench::place::unique_name;
use crate::bench::tell;
use crate::cli::Bench;
use crate::exit::Exit;
use crate::store::reference::{ACCOUNTS, Move, Reference, Variant};

/// The reference's database and what its load shares.
pub(super) struct Sql {
    reference: Reference,
    ids: Arc<Ids>,
}

/// The best way to write it for a kind of load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    spread: Spread,
    variant: Variant,
    concurrency: usize,
}

impl Sql {
    /// On the server that `--reference-url` or `--database-url` names; without one in a file in `folder`.
    pub(super) async fn open(arguments: &Bench, folder: &Path) -> Result<Self, Exit> {
        let databases = &arguments.databases;
        let reference = match arguments.reference_url.as_ref().or(databases.database_url.as_ref()) {
            Some(url) => {
                let name = format!("{}_reference", unique_name(&databases.database_prefix));
                Reference::on_server(url, &name).await.map_err(Exit::unavailable)?
            }
            None => Reference::in_file(&folder.join("reference.sqlite")).await.map_err(Exit::software)?,
        };
        Ok(Self { reference, ids: Arc::new(Ids::new()) })
    }

    /// Takes its database away.
    pub(super) async fn close(self) {
        self.reference.remove().await;
    }

    /// Tries every way at a middling concurrency, then the best of them at each; `length` for each try.
    pub(super) async fn best(&self, spread: Spread, length: Duration) -> Result<Best, Exit> {
        let concurrencies = self.reference.concurrencies();
        let middling = concurrencies[concurrencies.len() / 2];
        let ways = self.reference.variants().iter();
        let ways = ways.map(|variant| Best { spread, variant: *variant, concurrency: middling });
        let (best, _) = self.fastest(ways, length).await?;
        let numbers = concurrencies.iter().map(|concurrency| Best { concurrency: *concurrency, ..best });
        let (best, rate) = self.fastest(numbers, length).await?;
        tell::line(&format!("hand-written transactions: {} do best, {rate:.0}/s", self.described(best)));
        Ok(best)
    }

    async fn fastest(
        &self,
        candidates: impl Iterator<Item = Best>,
        length: Duration,
    ) -> Result<(Best, f64), Exit> {
        let mut found = None;
        for candidate in candidates {
            let rate = self.rate(candidate, length).await?;
            if found.is_none_or(|(_, most)| rate > most) {
                found = Some((candidate, rate));
            }
        }
        found.ok_or_else(|| Exit::software("there is no way to write the reference"))
    }

    /// Transactions a second.
    pub(super) async fn rate(&self, best: Best, length: Duration) -> Result<f64, Exit> {
        let mut hands = Vec::with_capacity(best.concurrency);
        for _ in 0..best.concurrency {
            hands.push(self.reference.hand().await.map_err(Exit::unavailable)?);
        }
        let accounts = usize::try_from(ACCOUNTS).unwrap_or(usize::MAX);
        let mut seed = 0;
        let tally = closed_loop(best.concurrency, length, |run| {
            let (hand, ids) = (hands.pop(), Arc::clone(&self.ids));
            seed += 1;
            let mut dice = Dice::new(seed);
            async move {
                let Some(mut hand) = hand else { return Ok(()) };
                while run.goes_on() {
                    let (debit, credit) = dice.pair(accounts, best.spread);
                    let order = Move { id: ids.next_uuid(), debit: debit as i64, credit: credit as i64 };
                    hand.transfer(best.variant, order).await?;
                    run.count(1);
                }
                Ok::<_, String>(())
            }
        });
        Ok(tally.await.map_err(Exit::software)?.per_second())
    }

    /// What was compared with, for the report.
    pub(super) fn described(&self, best: Best) -> String {
        let hot = if best.spread == Spread::Hot { " on one hot account" } else { "" };
        format!(
            "hand-written transactions{hot} on {}, {}, {} at once",
            self.reference.engine(),
            best.variant,
            best.concurrency
        )
    }
}
