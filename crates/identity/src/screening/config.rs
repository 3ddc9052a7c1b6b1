//! `[screening]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[screening]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScreeningConfig {
    /// One list; absent, as `list_files`: the made-up one that ships with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_file: Option<PathBuf>,
    /// Further lists: files, or folders with OFAC's set.
    #[serde(default)]
    pub list_files: Vec<PathBuf>,
    /// Least score of a hit, in basis points.
    pub threshold_bps: i32,
    /// How often files are looked at, in milliseconds.
    pub reload_poll_ms: u64,
    /// Most entries a list may lose at once, in hundredths.
    pub shrink_percent_max: u8,
    /// Age of the last good look at a list from which applications go to a person, in hours.
    pub stale_hours: u32,
    /// People screened again in one step after a list changed.
    pub rescreen_batch: u32,
}

impl ScreeningConfig {
    /// The files, in their order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.list_file.iter().chain(&self.list_files).cloned().collect()
    }

    /// How often files are looked at.
    pub fn reload_poll(&self) -> Duration {
        Duration::from_millis(self.reload_poll_ms)
    }

    /// Age from which a list is stale.
    pub fn stale(&self) -> Duration {
        Duration::from_secs(u64::from(self.stale_hours) * 3_600)
    }
}
