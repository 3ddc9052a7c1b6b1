//! What a service's start function gets from the chassis.

use std::sync::Arc;

use bursar_proto::access::Identity;
use bursar_types::{Clock, Entropy, IdSource, ShiftedClock};
use tokio_util::sync::CancellationToken;

use crate::client::{self, PeerChannel};
use crate::config::{CommonConfig, ConfigError};
use crate::db::Db;
use crate::events::{EventLog, ParkedDesk};
use crate::supervisor::Supervisor;
use crate::tls::Tls;
use crate::token::TokenVerifier;

/// What every service needs, made once. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Chassis {
    /// Which service this is.
    pub identity: Identity,
    /// The database, its schema up to date.
    pub db: Db,
    /// The event log.
    pub events: EventLog,
    /// The platform's time; the sandbox may move it.
    pub clock: Arc<dyn Clock>,
    /// The machine's time, which nobody moves: certificates, tokens and sessions live in it.
    pub machine_clock: Arc<dyn Clock>,
    /// The handle that moves [`Chassis::clock`]: in sandbox processes only.
    pub sandbox_clock: Option<Arc<ShiftedClock>>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Fresh ids.
    pub ids: IdSource,
    /// The tasks of the process.
    pub supervisor: Supervisor,
    /// Cancelled when the process begins to drain: streams that can end in good order do so now. Those that do not
    /// are cut with `UNAVAILABLE`, reason `SHUTTING_DOWN`, a moment later.
    pub draining: CancellationToken,
    /// The certificates.
    pub tls: Tls,
    /// Checks customers' tokens and card proofs.
    pub tokens: TokenVerifier,
    /// Where consumers of other logs leave what applies their parked events again, for operators.
    pub parked: ParkedDesk,
    /// Whether this is a sandbox.
    pub sandbox: bool,
    /// The shared sections of the configuration.
    pub common: Arc<CommonConfig>,
}

impl Chassis {
    /// The connection to another service, at the address in `[peers]`. One connection per call of this: clone the
    /// channel instead of asking again.
    ///
    /// # Errors
    /// [`ConfigError`] that names the key if the address is not configured.
    pub fn peer(&self, peer: Identity) -> Result<PeerChannel, ConfigError> {
        client::channel(self.common.peers.address(peer)?, peer, &self.tls)
    }

    /// Largest request message in bytes, for `FooServer::new(…).max_decoding_message_size(…)`; without that call
    /// tonic takes 4 MiB at most, whatever is configured.
    pub fn max_message_bytes(&self) -> usize {
        self.common.service.max_message_bytes
    }
}
