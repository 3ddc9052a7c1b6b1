//! This service's own sections of the configuration; `default.toml` beside `src/` is their reference.

use std::path::PathBuf;
use std::time::Duration;

use bursar_service::config::Secret;
use serde::{Deserialize, Serialize};

use crate::providers::smtp::{Security, Server};
use crate::webhooks::address::{Network, Policy};
use crate::webhooks::dispatcher::Caps;
use crate::webhooks::target::Target;

/// This service's own sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Keys.
    pub keys: KeysConfig,
    /// Text messages.
    pub sms: SmsConfig,
    /// E-mail.
    pub mail: MailConfig,
    /// Webhooks.
    pub webhooks: WebhooksConfig,
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeysConfig {
    /// The file with the master key.
    pub master_file: PathBuf,
}

/// Who takes text messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The sandbox's mailbox.
    Mailbox,
    /// An HTTP gateway.
    Http,
}

/// `[sms]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SmsConfig {
    /// Who takes text messages.
    pub provider: Provider,
    /// Address of the HTTP gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Longest wait for its answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Who takes e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailProvider {
    /// Nobody.
    None,
    /// The sandbox's mailbox.
    Mailbox,
    /// An SMTP server.
    Smtp,
}

/// `[mail]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MailConfig {
    /// Who takes e-mail.
    pub provider: MailProvider,
    /// Name of the SMTP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// User it is logged in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Who writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Longest wait for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// File with further authorities (PEM) that the server's certificate may be under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<PathBuf>,
}

/// `[webhooks]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhooksConfig {
    /// Networks that are called though they are not public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_networks: Option<Vec<String>>,
    /// File with further authorities (PEM) that endpoints' certificates may be under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<PathBuf>,
    /// Longest time of an attempt, in milliseconds.
    pub attempt_ms_max: u64,
    /// Attempts under way in all.
    pub concurrency: usize,
    /// Attempts under way to one endpoint.
    pub concurrency_per_endpoint: usize,
    /// Hours of nothing but failures after which an endpoint is disabled.
    pub disable_after_hours: u64,
}

/// What is wrong with the configuration, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(String);

impl BadConfig {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What is allowed in the sandbox if the configuration does not say: this machine, where a developer's listener is.
const SANDBOX_NETWORKS: [&str; 2] = ["127.0.0.0/8", "::1/128"];

impl WebhooksConfig {
    /// Which addresses may be called.
    ///
    /// # Errors
    /// [`BadConfig`] if a network cannot be read.
    pub fn policy(&self, sandbox: bool) -> Result<Policy, BadConfig> {
        let texts = match &self.allow_networks {
            Some(texts) => texts.clone(),
            None if sandbox => SANDBOX_NETWORKS.map(str::to_owned).to_vec(),
            None => Vec::new(),
        };
        let allowed: Result<Vec<Network>, _> = texts.iter().map(|text| text.parse()).collect();
        let allowed = allowed.map_err(|error| BadConfig(format!("webhooks.allow_networks: {error}")))?;
        Ok(Policy::Vetted { allowed, plain_http: sandbox })
    }

    /// How much is done at once.
    ///
    /// # Errors
    /// [`BadConfig`] if a number is out of its bounds.
    pub fn caps(&self) -> Result<Caps, BadConfig> {
        let attempt_ms = within("webhooks.attempt_ms_max", self.attempt_ms_max, 100, 60_000)?;
        Ok(Caps {
            total: within("webhooks.concurrency", self.concurrency, 1, 10_000)?,
            per_endpoint: within(
                "webhooks.concurrency_per_endpoint",
                self.concurrency_per_endpoint,
                1,
                1_000,
            )?,
            attempt: Duration::from_millis(attempt_ms),
            disable_after: Duration::from_secs(
                3600 * within("webhooks.disable_after_hours", self.disable_after_hours, 48, 24 * 365)?,
            ),
        })
    }
}

impl MailConfig {
    /// The SMTP server.
    ///
    /// # Errors
    /// [`BadConfig`] that names the key if something is missing, or the connection is not encrypted outside the sandbox.
    pub fn server(&self, sandbox: bool) -> Result<Server, BadConfig> {
        let missing = |key: &str| {
            BadConfig::new(format!("mail.{key} is not set: it is needed for mail.provider = \"smtp\""))
        };
        if self.security == Security::None && !sandbox {
            return Err(BadConfig::new(
                "mail.security is \"none\", which only a sandbox may have: give \"starttls\" or \"tls\"",
            ));
        }
        let login = match (&self.user, &self.password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(missing("password")),
            (None, Some(_)) => return Err(missing("user")),
        };
        let extra_ca = self.extra_ca.as_ref().map(|path| {
            std::fs::read(path).map_err(|error| {
                BadConfig::new(format!("mail.extra_ca: cannot read {}: {error}", path.display()))
            })
        });
        Ok(Server {
            host: self.host.clone().ok_or_else(|| missing("host"))?,
            port: self.port,
            security: self.security,
            login,
            from: self.from.clone().ok_or_else(|| missing("from"))?,
            timeout: within("mail.timeout_ms", self.timeout_ms, 100, 60_000).map(Duration::from_millis)?,
            extra_ca: extra_ca.transpose()?,
        })
    }
}

impl SmsConfig {
    /// Longest wait for the gateway's answer.
    ///
    /// # Errors
    /// [`BadConfig`] if it is out of its bounds.
    pub fn timeout(&self) -> Result<Duration, BadConfig> {
        within("sms.timeout_ms", self.timeout_ms, 100, 60_000).map(Duration::from_millis)
    }

    /// The gateway's address.
    ///
    /// # Errors
    /// [`BadConfig`] if there is none, or it cannot be used: outside the sandbox it must be https, for one-time codes
    /// go over it.
    pub fn target(&self, sandbox: bool) -> Result<Target, BadConfig> {
        let url = self.url.as_ref().ok_or_else(|| {
            BadConfig::new("sms.url is not set: give the address of the SMS gateway as https://…")
        })?;
        let target: Target = url.parse().map_err(|error| BadConfig(format!("sms.url {error}")))?;
        if target.encrypted() || sandbox {
            Ok(target)
        } else {
            Err(BadConfig::new("sms.url must begin with https://: one-time codes go over it"))
        }
    }
}

fn within<N: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    value: N,
    least: N,
    most: N,
) -> Result<N, BadConfig> {
    if value >= least && value <= most {
        return Ok(value);
    }
    Err(BadConfig(format!("{key} is {value}: give a number from {least} to {most}")))
}
