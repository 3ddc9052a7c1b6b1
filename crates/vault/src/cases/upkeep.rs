//! What the vault does by itself from time to time.

use std::time::Duration;

use bursar_service::db::Isolation;

use super::{CVV2_WINDOW, Vault};
use crate::error::VaultError;
use crate::store;

/// How often.
pub(crate) const EVERY: Duration = Duration::from_secs(60);
/// Ranges whose fill is told as a metric.
const RANGES_MAX: i64 = 1_000;

impl Vault {
    /// Forgets numbers whose last CVV2 is a day old, and tells how full the ranges are.
    pub(crate) async fn keep_up(&self) -> Result<(), VaultError> {
        self.thin_checkpoints().await?;
        let before = self.now().minus(CVV2_WINDOW);
        self.db.write_at(Isolation::ReadCommitted, |tx| Box::pin(store::cvv2::forget(tx, before))).await?;
        if self.keys.ring().is_err() {
            return Ok(());
        }
        self.purge_due().await?;
        let ranges: Vec<_> =
            self.db.read(|tx| Box::pin(async move { store::ranges::page(tx, "", RANGES_MAX).await })).await?;
        for range in ranges {
            let name = range.id.to_string();
            let (issued, capacity) = (range.issued as f64, range.shape.capacity() as f64);
            metrics::gauge!("bursar_vault_bin_range_issued", "bin_range" => name.clone()).set(issued);
            metrics::gauge!("bursar_vault_bin_range_capacity", "bin_range" => name).set(capacity);
        }
        Ok(())
    }
}
