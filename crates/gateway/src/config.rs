//! The gateway's own sections; `default.toml` is their reference.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the gateway is configured by, beside the shared sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// The connections to card networks.
    pub iso8583: Iso8583Config,
    /// The HTTP listener.
    pub http: HttpConfig,
    /// The keys.
    #[serde(default)]
    pub keys: KeysConfig,
}

/// `[keys]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// File of the key that seals card data which wait for the ledger.
    pub master_file: Option<PathBuf>,
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
    /// Time from the first byte of a message to its last, in seconds.
    pub message_s_max: u64,
    /// More partners, each with a connection of its own kind.
    #[serde(default)]
    pub partners: BTreeMap<String, PartnerConfig>,
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The partner does: we listen.
    Server,
    /// We do, again and again, and sign on.
    Client,
}

/// `[iso8583.partners.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerConfig {
    /// Who opens the connection.
    pub role: Role,
    /// Where to listen, or whom to call: `host:port`.
    pub address: String,
    /// Name of a profile that is built in, or a file with one (`*.toml`).
    pub profile: String,
    /// Time for one answer, in milliseconds; absent: that of `[iso8583]`.
    pub answer_ms_max: Option<u64>,
    /// Whether the partner must sign on before it asks.
    #[serde(default)]
    pub sign_on: bool,
    /// Silence after which we ask whether the partner is there, in seconds; as a client only.
    #[serde(default = "echo_default")]
    pub echo_s: u64,
    /// TLS on this connection; absent: plain TCP.
    pub tls: Option<PartnerTls>,
    /// Message authentication on this connection; absent: none.
    pub mac: Option<MacConfig>,
}

const fn echo_default() -> u64 {
    60
}

/// `[iso8583.partners.NAME.tls]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerTls {
    /// Authorities of the partner's certificate (PEM). As a server without them: partners show none.
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM). As a client without one: we show none.
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// Name that the partner's certificate must have; as a client only. Absent: the host of the address.
    pub name: Option<String>,
}

/// `[iso8583.partners.NAME.mac]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacConfig {
    /// File of the key: 32 or 64 hexadecimal digits, for AES-128 or AES-256 (CMAC, NIST SP 800-38B).
    pub key_file: PathBuf,
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

    /// Time from the first byte of a message to its last.
    pub fn message_max(&self) -> Duration {
        Duration::from_secs(self.message_s_max)
    }
}

/// `[http]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address.
    pub listen: SocketAddr,
    /// Address of the interface in JSON, over mutual TLS; absent: it is not served.
    pub api_listen: Option<SocketAddr>,
}
