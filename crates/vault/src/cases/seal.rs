//! The seal: how the vault is made, opened, closed, and given another root key.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bursar_service::db::Isolation;
use bursar_types::{Failure as _, Timestamp};
use zeroize::Zeroizing;

use super::Vault;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::crypto::secret::Key256;
use crate::error::VaultError;
use crate::keys::{self, Gathered, KeyError, KeyRing, Root, RootKey, Share, split};
use crate::store;

/// Longest time between the first share and the last.
const GATHERING_MAX: Duration = Duration::from_secs(10 * 60);

/// Where the root key comes from.
#[derive(Clone, Debug)]
pub(crate) enum RootSource {
    /// A file that this process may read.
    File(PathBuf),
    /// Custodians' shares.
    Shares,
    /// A hardware security module; the key never leaves it.
    Hsm(Arc<keys::hsm::Token>),
}

impl RootSource {
    /// As it is told.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Shares => "shares",
            Self::Hsm(_) => "pkcs11",
        }
    }
}

/// The seal of a process.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    pub(crate) source: RootSource,
    gathering: Arc<Mutex<Gathering>>,
}

#[derive(Debug, Default)]
struct Gathering {
    shares: Gathered,
    since: Option<Timestamp>,
}

impl Seal {
    pub(crate) fn new(source: RootSource) -> Self {
        Self { source, gathering: Arc::default() }
    }

    fn gathering(&self) -> std::sync::MutexGuard<'_, Gathering> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the seal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealStatus {
    pub(crate) initialized: bool,
    pub(crate) open: bool,
    pub(crate) root: &'static str,
    pub(crate) shares_total: u8,
    pub(crate) shares_given: u8,
}

/// The shares of a root key, told once.
pub(crate) type Told = Vec<Zeroizing<String>>;

impl Vault {
    /// What the seal is now.
    pub(crate) async fn seal_status(&self) -> Result<SealStatus, VaultError> {
        let (initialized, known) = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let keys = store::keys::all(tx).await?;
                    Ok::<_, VaultError>((!keys.is_empty(), store::keys::shares(tx).await?))
                })
            })
            .await?;
        let (given, of) = self.seal.gathering().shares.count();
        Ok(SealStatus {
            initialized,
            open: self.keys.ring().is_ok(),
            root: self.seal.source.name(),
            shares_total: known.max(of),
            shares_given: given,
        })
    }

    /// Makes the keys of a new vault, under a root key of which only the custodians will know.
    pub(crate) async fn initialize(&self, actor: &Actor, shares: u8) -> Result<Told, VaultError> {
        if !matches!(self.seal.source, RootSource::Shares) {
            return Err(VaultError::WrongState(
                "the root key does not come from shares: the vault makes its keys when it starts",
            ));
        }
        let key = Key256::generate();
        let told = split(&key, shares).iter().map(Share::text).collect();
        let root = Arc::new(Root::Local(RootKey::new(key)));
        let now = self.now();
        let fresh = keys::first_set(&root, now)?;
        let record = AuditRecord::new(
            now,
            actor,
            Operation::CreateKeys,
            "",
            Outcome::Allowed,
            format!("{shares} shares"),
        );
        let (fresh, record) = (&fresh, std::slice::from_ref(&record));
        let made = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let head = store::audit::lock(tx).await?;
                    if !store::keys::all(tx).await?.is_empty() {
                        return Err(VaultError::WrongState("the vault has keys already: unseal it"));
                    }
                    for key in fresh {
                        store::keys::insert(tx, key).await?;
                    }
                    store::keys::set_shares(tx, shares).await?;
                    store::audit::append_to(tx, head, record).await.map_err(VaultError::from)
                })
            })
            .await;
        self.audited(actor, Operation::CreateKeys, "", made).await?;
        self.open_with(root).await?;
        Ok(told)
    }

    /// Takes a share; the last one opens the vault.
    pub(crate) async fn unseal(&self, actor: &Actor, share: Share) -> Result<(), VaultError> {
        if !matches!(self.seal.source, RootSource::Shares) {
            return Err(VaultError::WrongState("the root key does not come from shares"));
        }
        if self.keys.ring().is_ok() {
            return Err(VaultError::WrongState("the vault is open"));
        }
        let number = share.number;
        let key = {
            let now = self.now();
            let mut gathering = self.seal.gathering();
            if gathering.since.is_some_and(|since| now.since(since) > GATHERING_MAX) {
                *gathering = Gathering::default();
            }
            let key = gathering.shares.take(share);
            let (given, _) = gathering.shares.count();
            gathering.since = (given > 0).then(|| gathering.since.unwrap_or(now));
            key
        };
        let opened = match key {
            None => Ok(format!("share {number}")),
            Some(key) => {
                let opened = self.open_with(Arc::new(Root::Local(RootKey::new(key)))).await;
                match opened {
                    Ok(()) => Ok(format!("share {number}, open")),
                    Err(VaultError::Key(KeyError::Wrapped { .. })) => Err(VaultError::SharesWrong),
                    Err(other) => Err(other),
                }
            }
        };
        let (outcome, reason) = match &opened {
            Ok(what) => (Outcome::Allowed, what.clone()),
            Err(error) => (Outcome::Refused, error.reason().as_str().to_owned()),
        };
        self.record(&AuditRecord::new(self.now(), actor, Operation::Unseal, "", outcome, reason)).await?;
        opened.map(drop)
    }

    /// Forgets all keys.
    pub(crate) async fn seal_vault(&self, actor: &Actor, reason: &str) -> Result<(), VaultError> {
        // First the keys, then the record: who seals wants it now, also where nothing can be written.
        self.keys.seal();
        *self.seal.gathering() = Gathering::default();
        tracing::warn!("the vault was sealed by an operator");
        self.record(&AuditRecord::new(self.now(), actor, Operation::Seal, "", Outcome::Allowed, reason)).await
    }

    /// Makes another root key and wraps all keys under it.
    pub(crate) async fn rekey(&self, actor: &Actor, shares: u8) -> Result<Told, VaultError> {
        let ring = self.keys.ring()?;
        let by_shares = matches!(self.seal.source, RootSource::Shares);
        if by_shares != (shares > 0) {
            return Err(VaultError::WrongState(if by_shares {
                "say among how many custodians the new root key is split"
            } else {
                "the root key does not come from shares: ask for none"
            }));
        }
        let (root, told) = match &self.seal.source {
            RootSource::File(path) => (Root::Local(RootKey::create(&next_of(path))?), Told::new()),
            RootSource::Shares => {
                let key = Key256::generate();
                let told = split(&key, shares).iter().map(Share::text).collect();
                (Root::Local(RootKey::new(key)), told)
            }
            RootSource::Hsm(token) => (Root::Hsm(token.make_root()?), Told::new()),
        };
        let root = Arc::new(root);
        let record = AuditRecord::new(
            self.now(),
            actor,
            Operation::Rekey,
            "",
            Outcome::Allowed,
            self.seal.source.name(),
        );
        let (old, new, record) = (ring.root(), &root, std::slice::from_ref(&record));
        let done = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let head = store::audit::lock(tx).await?;
                    for key in store::keys::all(tx).await? {
                        if let Some(rewrapped) = key.rewrapped(old, new)? {
                            store::keys::replace_wrapped(tx, &rewrapped).await?;
                        }
                    }
                    store::keys::set_shares(tx, shares).await?;
                    store::audit::bump_keys(tx).await?;
                    store::audit::append_to(tx, head, record).await?;
                    Ok::<_, VaultError>(())
                })
            })
            .await;
        if let (Err(_), RootSource::File(path)) = (&done, &self.seal.source) {
            // Of no use, and in the way of the next one.
            let _ = std::fs::remove_file(next_of(path));
        }
        done?;
        match &self.seal.source {
            RootSource::File(path) => take_next(path)?,
            RootSource::Hsm(token) => {
                if let Root::Hsm(root) = &*root {
                    token.keep_only(root)?;
                }
            }
            RootSource::Shares => {}
        }
        self.open_with(root).await?;
        Ok(told)
    }

    /// Opens the keys in the database with `root`, and with them the vault.
    pub(crate) async fn open_with(&self, root: Arc<Root>) -> Result<(), VaultError> {
        let (stored, generation) = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let stored = store::keys::all(tx).await?;
                    Ok::<_, VaultError>((stored, store::audit::head(tx).await?.keys()))
                })
            })
            .await?;
        self.keys.open(KeyRing::open(root, &stored, generation)?);
        Ok(())
    }

    /// Takes up keys that were made, or taken away, elsewhere. Nothing to do while sealed.
    pub(crate) async fn refresh_keys(&self) -> Result<(), VaultError> {
        let Ok(ring) = self.keys.ring() else { return Ok(()) };
        let head = self.db.read(|tx| Box::pin(async move { store::audit::head(tx).await })).await?;
        if head.keys() == ring.generation() {
            return Ok(());
        }
        let refreshed = self.open_with(Arc::clone(ring.root())).await;
        if let Err(VaultError::Key(error @ KeyError::Wrapped { .. })) = &refreshed {
            // Another process gave the vault another root: this one does not have it.
            tracing::error!(%error, "the keys do not open any more: sealed");
            self.keys.seal();
        }
        refreshed
    }

    async fn record(&self, record: &AuditRecord) -> Result<(), VaultError> {
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move { store::audit::append(tx, record).await.map_err(VaultError::from) })
            })
            .await
    }
}

/// Where the next root key lies until everything is wrapped under it.
pub(crate) fn next_of(root_file: &Path) -> PathBuf {
    let mut name = root_file.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

/// Puts the next root key in the place of the one before it.
pub(crate) fn take_next(root_file: &Path) -> Result<(), KeyError> {
    let failed = |error: std::io::Error| {
        KeyError::RootFile(format!("{} cannot take its place: {error}", next_of(root_file).display()))
    };
    std::fs::rename(next_of(root_file), root_file).map_err(failed)?;
    let folder = root_file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
