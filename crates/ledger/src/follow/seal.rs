//! Signing the Merkle log's checkpoints.

use std::sync::Arc;

use bursar_service::Identity;
use bursar_service::config::ConfigError;
use bursar_service::token::TokenSigner;
use bursar_transparency::{Checkpoint, SignedCheckpoint};
use bursar_types::id::ProgramId;
use bursar_types::{Clock, Timestamp};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::config::SigningConfig;
use crate::error::LedgerError;
use crate::journal::Hash;

/// What kind of statement the signature on a checkpoint is.
pub(crate) const AUDIENCE: &str = "bursar-checkpoint";

/// Begins the origin of every ledger's log.
const ORIGIN: &str = "bursar/ledger/";

/// The name of a program's log.
fn origin(shard: ProgramId) -> String {
    format!("{ORIGIN}{shard}")
}

/// Whose log a name is; `None` if it is no ledger's.
pub(crate) fn shard_of(origin: &str) -> Option<ProgramId> {
    origin.strip_prefix(ORIGIN)?.parse().ok()
}

/// What the signature covers: every line of the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    origin: String,
    size: u64,
    /// Base64, as in the text.
    root: String,
    /// Microseconds since the epoch.
    time: i64,
}

impl Claims {
    pub(crate) fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: BASE64.encode(&checkpoint.root),
            time: checkpoint.time.as_micros(),
        }
    }
}

/// Signs checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    signer: TokenSigner,
    /// The machine's: certificates live in its time, and nobody moves it.
    clock: Arc<dyn Clock>,
}

impl Seal {
    /// Reads the ledger's signing certificate and key.
    ///
    /// # Errors
    /// [`ConfigError`] that names the file: unreadable, not for signing, or another service's.
    pub(crate) fn load(config: &SigningConfig, machine_clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let signer = TokenSigner::load(&config.cert, &config.key)?;
        if signer.signer() != Identity::Ledger {
            return Err(ConfigError::new(format!(
                "signing.cert: {} is the signing certificate of {}, not the ledger's",
                config.cert.display(),
                signer.signer()
            )));
        }
        Ok(Self { signer, clock: machine_clock })
    }

    /// Signs what the log is now: the moment, and the checkpoint's text.
    pub(crate) fn sign(
        &self,
        shard: ProgramId,
        size: u64,
        root: Hash,
    ) -> Result<(Timestamp, String), LedgerError> {
        let time = self.clock.now();
        let checkpoint = Checkpoint { origin: origin(shard), size, root, time };
        let signature = self
            .signer
            .state(AUDIENCE, time, &Claims::of(&checkpoint))
            .map_err(|error| LedgerError::Internal(error.to_string()))?;
        Ok((time, SignedCheckpoint { checkpoint, signature }.to_string()))
    }
}
