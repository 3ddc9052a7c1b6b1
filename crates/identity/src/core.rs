//! What every use case of identity stands on.

use std::sync::Arc;

use bursar_service::config::ConfigError;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::events::EventLog;
use bursar_service::run::StartError;
use bursar_service::token::TokenSigner;
use bursar_types::{Clock, Entropy, IdSource, Timestamp};
use tokio::sync::{Notify, Semaphore};

use crate::config::Config;
use crate::keys::Keys;
use crate::kyc::applicant::AgePolicy;
use crate::messenger::Messenger;
use crate::password::PasswordHasher;
use crate::screening::Screener;
use crate::{phone, store};

/// Uploads at once: each holds up to 10 MiB of memory until it is stored.
const UPLOADS_MAX: usize = 16;

/// What a process gives: its database, time, randomness, and the way to notifications.
pub struct Surroundings {
    /// The database, its schema up to date.
    pub db: Db,
    /// The event log in it.
    pub events: EventLog,
    /// The platform's time, which a sandbox moves: deadlines of cases, ages.
    pub clock: Arc<dyn Clock>,
    /// The machine's time, which nobody moves: codes, sessions, tokens, lock-outs.
    pub machine_clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Fresh ids.
    pub ids: IdSource,
    /// The way to notifications.
    pub messenger: Arc<dyn Messenger>,
    /// Whether this is a sandbox.
    pub sandbox: bool,
}

/// The service without its gRPC. Shared by all calls and background tasks.
pub struct Core {
    pub(crate) db: Db,
    pub(crate) events: EventLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) machine_clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ids: IdSource,
    pub(crate) keys: Keys,
    pub(crate) passwords: PasswordHasher,
    pub(crate) signer: TokenSigner,
    pub(crate) messenger: Arc<dyn Messenger>,
    pub(crate) screener: Screener,
    pub(crate) age_policy: AgePolicy,
    pub(crate) config: Config,
    /// Wakes the loop that tells notifications of new customers.
    pub(crate) new_customer: Arc<Notify>,
    pub(crate) uploads: Semaphore,
}

impl Core {
    /// Builds the service: keys and signing certificate are read, the watch list loaded, the master key compared
    /// with the one the database knows.
    ///
    /// # Errors
    /// [`StartError`] that says what and what to do.
    pub async fn build(config: Config, surroundings: Surroundings) -> Result<Arc<Self>, StartError> {
        config.check()?;
        let Surroundings { db, events, clock, machine_clock, entropy, ids, messenger, sandbox } =
            surroundings;
        let path = &config.keys.master_file;
        let secret = crate::config::master_key(path, sandbox, &*entropy)?;
        let keys = Keys::from_hex(secret.expose(), Arc::clone(&entropy))
            .map_err(|error| ConfigError::new(format!("keys.master_file: {} {error}", path.display())))?;
        let signer = TokenSigner::load(&config.signing.cert, &config.signing.key)?;
        let passwords = PasswordHasher::new(config.password, keys.pepper(), Arc::clone(&entropy))
            .map_err(|error| StartError::Configuration(error.to_string()))?;
        check_master_key(&db, &keys).await.and_then(|same| {
            if same {
                Ok(())
            } else {
                let text = format!(
                    "keys.master_file: {} is not the master key this database was made with; give that one",
                    path.display()
                );
                Err(StartError::Configuration(text))
            }
        })?;
        phone::warm_up();
        let screener = Screener::load(&config.screening, Arc::clone(&machine_clock));
        let age_policy = config.kyc.age_policy()?;
        Ok(Arc::new(Self {
            db,
            events,
            clock,
            machine_clock,
            entropy,
            ids,
            keys,
            passwords,
            signer,
            messenger,
            screener,
            age_policy,
            config,
            new_customer: Arc::new(Notify::new()),
            uploads: Semaphore::new(UPLOADS_MAX),
        }))
    }

    /// The platform's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The machine's time.
    pub(crate) fn machine_now(&self) -> Timestamp {
        self.machine_clock.now()
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

async fn check_master_key(db: &Db, keys: &Keys) -> Result<bool, StartError> {
    let check_value = keys.check_value();
    let same: Result<bool, DbError> = db
        .write_at(Isolation::ReadCommitted, |tx| {
            Box::pin(async move { store::is_same_master_key(tx, check_value).await })
        })
        .await;
    Ok(same?)
}
