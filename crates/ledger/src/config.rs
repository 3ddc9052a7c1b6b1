//! The ledger's own configuration; default.toml is the reference.

use std::path::PathBuf;
use std::time::Duration;

use bursar_ledger_engine::{Country, Name, ZoneOffset};
use bursar_service::config::ConfigError;
use bursar_types::Asset;
use bursar_types::id::ProgramId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The ledger's sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The card program.
    pub program: ProgramConfig,
    /// The writer.
    pub writer: WriterConfig,
    /// The lease.
    pub lease: LeaseConfig,
    /// What checkpoints of the journal are signed with.
    pub signing: SigningConfig,
}

/// `[signing]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningConfig {
    /// Signing certificate (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM, PKCS #8).
    pub key: PathBuf,
}

/// A program's id in its text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramIdText(pub ProgramId);

impl Serialize for ProgramIdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProgramIdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// The card program whose books this ledger keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramConfig {
    /// Its id: the shard.
    pub id: ProgramIdText,
    /// Its name.
    pub name: String,
    /// Country of the issuer, ISO 3166-1 alpha-2.
    pub country: String,
    /// Assets its accounts can have.
    pub assets: Vec<String>,
    /// Offset of its calendar days from UTC, in minutes.
    pub utc_offset_minutes: i16,
}

/// Bounds of the writer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WriterConfig {
    /// Commands that may wait.
    pub queue_max: usize,
    /// Commands of one batch.
    pub batch_max: usize,
    /// Commands between two checkpoints.
    pub checkpoint_commands: i64,
}

/// Times of the lease.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LeaseConfig {
    /// Life of a lease that is not renewed, in milliseconds.
    pub ttl_ms: u64,
    /// Time between renewals, in milliseconds.
    pub renew_ms: u64,
}

impl LeaseConfig {
    /// Life of a lease that is not renewed.
    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// Time between renewals.
    pub fn renew_every(&self) -> Duration {
        Duration::from_millis(self.renew_ms)
    }
}

/// The program as the engine takes it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) id: ProgramId,
    pub(crate) name: Name,
    pub(crate) country: Country,
    pub(crate) assets: Vec<Asset>,
    pub(crate) zone: ZoneOffset,
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key.
    pub(crate) fn program(&self) -> Result<Program, ConfigError> {
        let program = &self.program;
        let wrong = |key: &str, what: &str| ConfigError::new(format!("{key}: {what}"));
        if self.writer.batch_max == 0 || self.writer.queue_max < self.writer.batch_max {
            return Err(wrong("writer", "batch_max must be at least 1 and queue_max at least batch_max"));
        }
        if self.writer.checkpoint_commands < 1 {
            return Err(wrong("writer.checkpoint_commands", "must be at least 1"));
        }
        if self.lease.renew_ms == 0 || self.lease.ttl_ms < 2 * self.lease.renew_ms {
            return Err(wrong("lease", "renew_ms must be at least 1 and ttl_ms at least twice renew_ms"));
        }
        let mut assets = Vec::new();
        for code in &program.assets {
            let asset =
                Asset::from_code(code).map_err(|error| wrong("program.assets", &error.to_string()))?;
            if assets.contains(&asset) {
                return Err(wrong("program.assets", &format!("{code} stands there twice")));
            }
            assets.push(asset);
        }
        if assets.is_empty() {
            return Err(wrong("program.assets", "name at least one asset, such as CNY"));
        }
        Ok(Program {
            id: program.id.0,
            name: Name::new(&program.name).map_err(|error| wrong("program.name", &error.to_string()))?,
            country: Country::new(&program.country)
                .ok_or_else(|| wrong("program.country", "give an ISO 3166-1 alpha-2 code such as CN"))?,
            assets,
            zone: ZoneOffset::from_minutes(program.utc_offset_minutes)
                .ok_or_else(|| wrong("program.utc_offset_minutes", "must be within 14 hours"))?,
        })
    }
}
