//! What only the customer knows: kept by the demo while it plays, told only if a test asks for it.

use std::path::Path;

use serde::Serialize;

use crate::exit::Exit;
use crate::platform::remember;

/// The secrets of a run, by kind.
#[derive(Default, Serialize)]
pub(super) struct Secrets {
    pub(super) pan: Vec<String>,
    pub(super) cvv2: Vec<String>,
    pub(super) card_password: Vec<String>,
    pub(super) one_time_code: Vec<String>,
    pub(super) password: Vec<String>,
}

impl Secrets {
    /// Writes them to a file that only its owner can read.
    pub(super) fn tell(&self, file: &Path) -> Result<(), Exit> {
        remember(file, self)
    }
}
