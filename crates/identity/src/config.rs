//! Identity's own sections of the configuration; `default.toml` is their reference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar_service::config::{ConfigError, Secret};
use bursar_types::Entropy;
use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::kyc::applicant::AgePolicy;
use crate::password::PasswordConfig;
use crate::screening::{PERFECT, ScreeningConfig};

/// The defaults, with a comment on each key.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Identity's own sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Keys at rest.
    pub keys: KeysConfig,
    /// Access tokens.
    pub signing: SigningConfig,
    /// Cost of password hashes.
    pub password: PasswordConfig,
    /// Wrong passwords.
    pub login: LoginConfig,
    /// Sessions and their tokens.
    pub sessions: SessionsConfig,
    /// Applications and cases.
    pub kyc: KycConfig,
    /// The watch list.
    pub screening: ScreeningConfig,
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeysConfig {
    /// File of the master key.
    pub master_file: PathBuf,
}

/// `[signing]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningConfig {
    /// Signing certificate (PEM).
    pub cert: PathBuf,
    /// Its key (PEM, PKCS #8).
    pub key: PathBuf,
}

/// `[login]`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LoginConfig {
    /// Wait after the fifth wrong password, in seconds.
    pub delay_seconds_first: u32,
    /// Longest wait, in seconds.
    pub delay_seconds_max: u32,
}

/// `[sessions]`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SessionsConfig {
    /// Life of an access token, in seconds.
    pub access_seconds: u32,
    /// Life of an unused refresh token, in days.
    pub refresh_days: u32,
    /// Longest life of a session, in days.
    pub session_days: u32,
}

impl SessionsConfig {
    /// Life of an access token.
    pub fn access(&self) -> Duration {
        Duration::from_secs(self.access_seconds.into())
    }

    /// Life of an unused refresh token.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(u64::from(self.refresh_days) * DAY)
    }

    /// Longest life of a session.
    pub fn session(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_days) * DAY)
    }
}

/// `[kyc]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KycConfig {
    /// Least age in full years.
    pub age_years_min: u8,
    /// IANA time zone.
    pub time_zone: String,
    /// Time to decide, in hours.
    pub deadline_hours: u32,
    /// How often it is looked for overdue cases, in milliseconds.
    pub overdue_poll_ms: u64,
}

impl KycConfig {
    /// Time to decide.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.deadline_hours) * 60 * 60)
    }

    /// Who may apply.
    ///
    /// # Errors
    /// [`ConfigError`] if the time zone is unknown.
    pub fn age_policy(&self) -> Result<AgePolicy, ConfigError> {
        let time_zone = TimeZone::get(&self.time_zone).map_err(|_| {
            ConfigError::new(format!(
                "kyc.time_zone: `{}` is no IANA time zone such as Asia/Shanghai",
                self.time_zone
            ))
        })?;
        Ok(AgePolicy { years_min: self.age_years_min, time_zone })
    }
}

impl Config {
    /// What types alone do not check.
    ///
    /// # Errors
    /// [`ConfigError`] that names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::new(format!("{key} is {value}: give a number from {least} to {most}")))
        };
        // Below these costs a stolen database is guessed at leisure; above, one login takes a machine.
        within("password.memory_kib", self.password.memory_kib.into(), 64, 1024 * 1024)?;
        within("password.iterations", self.password.iterations.into(), 1, 64)?;
        within("password.lanes", self.password.lanes.into(), 1, 16)?;
        within("login.delay_seconds_first", self.login.delay_seconds_first.into(), 1, 3_600)?;
        let first = self.login.delay_seconds_first.into();
        within("login.delay_seconds_max", self.login.delay_seconds_max.into(), first, DAY)?;
        within("sessions.access_seconds", self.sessions.access_seconds.into(), 30, 3_600)?;
        within("sessions.refresh_days", self.sessions.refresh_days.into(), 1, 365)?;
        within("sessions.session_days", self.sessions.session_days.into(), 1, 3_650)?;
        within("kyc.age_years_min", self.kyc.age_years_min.into(), 0, 120)?;
        within("kyc.deadline_hours", self.kyc.deadline_hours.into(), 1, 24 * 30)?;
        within("kyc.overdue_poll_ms", self.kyc.overdue_poll_ms, 10, 3_600_000)?;
        within("screening.reload_poll_ms", self.screening.reload_poll_ms, 10, 24 * 3_600_000)?;
        within("screening.shrink_percent_max", self.screening.shrink_percent_max.into(), 0, 100)?;
        within("screening.stale_hours", self.screening.stale_hours.into(), 1, 24 * 365)?;
        within("screening.rescreen_batch", self.screening.rescreen_batch.into(), 1, 10_000)?;
        let threshold = u64::try_from(self.screening.threshold_bps).unwrap_or(0);
        within("screening.threshold_bps", threshold, 1, u64::try_from(PERFECT).unwrap_or(0))?;
        self.kyc.age_policy().map(drop)
    }
}

/// The master key in the file at `path`. In the sandbox a missing file is made, for the owner alone.
///
/// # Errors
/// [`ConfigError`] if it cannot be read or made, or is open to group or others.
pub fn master_key(path: &Path, sandbox: bool, entropy: &dyn Entropy) -> Result<Secret, ConfigError> {
    let told = |what: String| ConfigError::new(format!("keys.master_file: {what}"));
    if sandbox && !path.exists() {
        let mut bytes = Zeroizing::new([0_u8; crate::keys::KEY_LENGTH]);
        entropy.fill(&mut *bytes);
        let text = Zeroizing::new(HEXLOWER.encode(&*bytes));
        write_private(path, text.as_bytes())
            .map_err(|error| told(format!("cannot make {}: {error}", path.display())))?;
        tracing::info!(path = %path.display(), "master key made for the sandbox");
    }
    Secret::from_file(path).map_err(told)
}

/// Writes a new file that only its owner can read; never over an existing one.
fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use bursar_types::OsEntropy;

    use super::*;

    #[test]
    fn a_sandbox_makes_its_master_key_once_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(master_key(&path, false, &OsEntropy).is_err());
        let made = master_key(&path, true, &OsEntropy).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(master_key(&path, true, &OsEntropy).unwrap().expose(), made.expose());
    }

    #[test]
    fn a_master_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, "0".repeat(64)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = master_key(&path, true, &OsEntropy).unwrap_err().to_string();
        assert!(error.contains("keys.master_file") && error.contains("chmod"), "{error}");
    }
}
