//! Typed configuration in layers: the commented defaults in the repository, then a file, then `BURSAR_…` variables,
//! then flags; checked whole before a port opens.

mod common;
mod layers;
mod secret;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use common::{
    CommonConfig, DatabaseConfig, EventsConfig, LogFormat, PeersConfig, ServiceConfig, TelemetryConfig,
    TlsConfig,
};
pub(crate) use secret::read_private;
pub use secret::{HIDDEN, Secret};

/// The defaults of the sections that every service has, with a comment on each key.
pub const COMMON_DEFAULTS: &str = include_str!("../default.toml");

/// One line: what is wrong with the configuration and what to do. The process ends with exit code 64.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// The error with this text, put on one line.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Where the layers above the defaults come from.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The `section.key=value` of each `--set`.
    pub sets: Vec<String>,
    /// The environment, as names and values; names without the prefix `BURSAR_` are ignored.
    pub variables: Vec<(OsString, OsString)>,
}

impl LoadOptions {
    /// Options with the environment of this process.
    #[allow(clippy::disallowed_methods)] // the one place that reads the environment
    pub fn from_environment(file: Option<PathBuf>, sets: Vec<String>) -> Self {
        Self { file, sets, variables: std::env::vars_os().collect() }
    }
}

/// A configuration that was read and checked.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The service's own type.
    pub config: T,
    /// The shared sections.
    pub common: CommonConfig,
    /// All of it as TOML with secrets hidden, for `--check-config`.
    pub shown: String,
}

/// Reads the configuration of a service: `defaults` is its embedded, commented default.toml, which lies over
/// [`COMMON_DEFAULTS`].
///
/// # Errors
/// [`ConfigError`]: a file that cannot be read or parsed, a key that nobody knows (named, with where it stands), a
/// value of the wrong type or outside its bounds.
pub fn load<T: DeserializeOwned + Serialize>(
    defaults: &str,
    options: &LoadOptions,
) -> Result<Loaded<T>, ConfigError> {
    let layers = layers::Layers::read(defaults, options)?;
    let config: T = layers.typed()?;
    let common: CommonConfig = layers.typed()?;
    let shown = layers.shown(&config, &common)?;
    common.check()?;
    Ok(Loaded { config, common, shown })
}
