//! The gateway's own sections; `default.toml` is their reference.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the gateway is configured by, beside the shared sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// The ISO 8583 listener.
    pub iso8583: Iso8583Config,
    /// The HTTP listener.
    pub http: HttpConfig,
}

/// `[iso8583]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iso8583Config {
    /// Address.
    pub listen: SocketAddr,
    /// Name of the profile.
    pub profile: String,
    /// Connections at once.
    pub connections_max: usize,
    /// Messages of one connection at once.
    pub in_flight_max: usize,
    /// Silence after which a connection is closed, in seconds.
    pub idle_s_max: u64,
    /// Time for one answer, in milliseconds.
    pub answer_ms_max: u64,
}

impl Iso8583Config {
    /// Silence after which a connection is closed.
    pub fn idle_max(&self) -> Duration {
        Duration::from_secs(self.idle_s_max)
    }

    /// Time for one answer.
    pub fn answer_max(&self) -> Duration {
        Duration::from_millis(self.answer_ms_max)
    }
}

/// `[http]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address.
    pub listen: SocketAddr,
}
