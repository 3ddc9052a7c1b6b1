//! From a configuration to a vault that is open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bursar_service::config::ConfigError;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::token::TokenSigner;
use bursar_service::{Backoff, Chassis, Identity, Parts, StartError};
use bursar_types::Timestamp;

use crate::audit::notary::{self, Notary};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::cases::{EVERY, RETENTION_MIN, RootSource, Seal, Vault, next_of, take_next};
use crate::config::{Config, Pkcs11Config, RootKind};
use crate::error::VaultError;
use crate::keys::hsm::Token;
use crate::keys::{self, KeyError, Keys, Root, RootKey};
use crate::password_hash::PasswordHasher;
use crate::proof::ProofSigner;
use crate::{group, grpc, harden, store};

/// Starts the vault on the chassis.
pub(crate) async fn start(chassis: Chassis, config: Config) -> Result<Parts, StartError> {
    harden::process();
    let signer = TokenSigner::load(&config.signing.cert, &config.signing.key)?;
    if signer.signer() != Identity::Vault {
        let cert = config.signing.cert.display();
        let text = format!(
            "signing.cert: {cert} is the signing certificate of {}, not the vault's",
            signer.signer()
        );
        return Err(ConfigError::new(text).into());
    }
    let retention = retention(config.purge.retention_days)?;
    let log_id = name_log(&chassis.db, &chassis.ids.next_uuid().to_string()).await?;
    let source = root_source(&config)?;
    let keys = Keys::sealed();
    let (queues, inboxes) = group::queues(&chassis.supervisor.shutdown());
    let vault = Vault {
        db: chassis.db.clone(),
        keys,
        seal: Seal::new(source),
        retention,
        rewrap_begun: Arc::default(),
        rewrap_per_second: config.rewrap.records_per_second,
        queues,
        notary: Notary::new(signer.clone(), Arc::clone(&chassis.machine_clock), &log_id),
        hasher: PasswordHasher::new(),
        proofs: ProofSigner::new(signer, Arc::clone(&chassis.machine_clock), chassis.ids.clone()),
        events: chassis.events.clone(),
        ids: chassis.ids.clone(),
        clock: Arc::clone(&chassis.clock),
        entropy: Arc::clone(&chassis.entropy),
    };
    unseal_by_itself(&vault, chassis.sandbox).await?;
    inboxes.run(&vault, &chassis.supervisor);
    run_loops(&vault, &chassis);
    let open = vault.keys.watch();
    let routes = grpc::routes(vault, chassis.draining.clone(), chassis.max_message_bytes());
    Ok(Parts::new(routes).with_serving(open))
}

/// What the vault does by itself.
fn run_loops(vault: &Vault, chassis: &Chassis) {
    let (keeper, shutdown) = (vault.clone(), chassis.supervisor.shutdown());
    chassis.supervisor.spawn_loop("upkeep", Backoff::default(), move || {
        let (keeper, shutdown) = (keeper.clone(), shutdown.clone());
        async move {
            keeper.keep_up().await?;
            let _ = tokio::time::timeout(EVERY, shutdown.cancelled()).await;
            Ok::<_, VaultError>(())
        }
    });
    let (notary, shutdown) = (vault.clone(), chassis.supervisor.shutdown());
    chassis.supervisor.spawn_loop("notary", Backoff::default(), move || {
        let (notary, shutdown) = (notary.clone(), shutdown.clone());
        async move {
            notary.refresh_keys().await?;
            notary.notarize().await?;
            let _ = tokio::time::timeout(notary::EVERY, shutdown.cancelled()).await;
            Ok::<_, VaultError>(())
        }
    });
    let rewrapper = vault.clone();
    chassis.supervisor.spawn_loop("rewrap", Backoff::default(), move || {
        let rewrapper = rewrapper.clone();
        async move { rewrapper.run_rewrap().await }
    });
}

/// How long closed cards are kept.
fn retention(days: u32) -> Result<Duration, StartError> {
    let retention = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    if retention < RETENTION_MIN {
        let least = RETENTION_MIN.as_secs() / (24 * 60 * 60);
        let text = format!("purge.retention_days: {days} is too short: at least {least}");
        return Err(ConfigError::new(text).into());
    }
    Ok(retention)
}

/// Where the configuration says that the root key comes from.
fn root_source(config: &Config) -> Result<RootSource, StartError> {
    let missing = |key: &str| StartError::from(ConfigError::new(format!("{key}: is not set")));
    Ok(match config.seal.root {
        RootKind::File if config.keys.root_file.as_os_str().is_empty() => {
            return Err(missing("keys.root_file"));
        }
        RootKind::File => RootSource::File(config.keys.root_file.clone()),
        RootKind::Shares => RootSource::Shares,
        RootKind::Pkcs11 => {
            let Pkcs11Config { module, token, pin_file } = &config.pkcs11;
            if module.as_os_str().is_empty() {
                return Err(missing("pkcs11.module"));
            }
            RootSource::Hsm(Token::open(module, token, pin_file).map_err(of_keys)?)
        }
    })
}

/// Opens the vault, where its root key can be had without a person.
pub(crate) async fn unseal_by_itself(vault: &Vault, sandbox: bool) -> Result<(), StartError> {
    let stored = vault.db.read(|tx| Box::pin(async move { store::keys::all(tx).await })).await?;
    let now = vault.now();
    match &vault.seal.source {
        RootSource::File(path) => {
            let root = Arc::new(Root::Local(root_of_file(path, sandbox, stored.is_empty())?));
            if stored.is_empty() {
                make_keys(&vault.db, &root, now).await?;
            }
            open_file(vault, path, root).await?;
            let file = path.display();
            if sandbox {
                tracing::warn!(%file, "SANDBOX: the vault unsealed itself from a file; no person was asked");
            } else {
                tracing::warn!(%file, "the vault unsealed itself from a file: one person with this file and the database has every card number");
            }
        }
        RootSource::Hsm(token) => {
            if stored.is_empty() {
                let made = token.roots().map_err(of_keys)?.pop();
                let root = made.map_or_else(|| token.make_root(), Ok).map_err(of_keys)?;
                make_keys(&vault.db, &Root::Hsm(root), now).await?;
            }
            open_hsm(vault, token).await?;
            tracing::info!("the vault is open: its root key is in the hardware security module");
        }
        RootSource::Shares if stored.is_empty() => {
            tracing::warn!("the vault has no keys yet: initialize it (`bursar vault init`)");
        }
        RootSource::Shares => {
            tracing::warn!(
                "the vault is sealed: its custodians must give their shares (`bursar vault unseal`)"
            );
        }
    }
    Ok(())
}

fn root_of_file(path: &Path, sandbox: bool, new: bool) -> Result<RootKey, StartError> {
    // A key is never made where keys exist: it could open none of them, and would look as if all were well.
    if sandbox && new && !path.exists() {
        let root = RootKey::create(path).map_err(of_keys)?;
        tracing::warn!(file = %path.display(), "SANDBOX: made a root key; whoever has this file and the database has every card number");
        return Ok(root);
    }
    RootKey::load(path).map_err(of_keys)
}

/// Opens the keys with the root key of a file, or of the one that was about to take its place when the process died.
async fn open_file(vault: &Vault, path: &Path, root: Arc<Root>) -> Result<(), StartError> {
    let next = next_of(path);
    match vault.open_with(root).await {
        Err(VaultError::Key(KeyError::Wrapped { .. })) if next.exists() => {
            let root = RootKey::load(&next).map_err(of_keys)?;
            vault.open_with(Arc::new(Root::Local(root))).await.map_err(of_vault)?;
            take_next(path).map_err(of_keys)
        }
        opened => {
            if opened.is_ok() && next.exists() {
                // Nothing is wrapped under it: a change of the root key did not get through.
                let _ = std::fs::remove_file(&next);
            }
            opened.map_err(of_vault)
        }
    }
}

/// Opens the keys with whichever root key of the module does.
async fn open_hsm(vault: &Vault, token: &Arc<Token>) -> Result<(), StartError> {
    let mut last = Err(VaultError::from(KeyError::Hsm("the token holds no root key of a vault".into())));
    for root in token.roots().map_err(of_keys)? {
        last = vault.open_with(Arc::new(Root::Hsm(root.clone()))).await;
        if last.is_ok() {
            token.keep_only(&root).map_err(of_keys)?;
            break;
        }
    }
    last.map_err(of_vault)
}

/// The audit log's name, which it gets when it is begun.
pub(crate) async fn name_log(db: &Db, fresh_id: &str) -> Result<String, StartError> {
    let name = db
        .write_at(Isolation::ReadCommitted, |tx| {
            Box::pin(async move { store::audit::adopt(tx, fresh_id).await })
        })
        .await?;
    Ok(name)
}

/// Makes the first key set, unless another process was faster.
async fn make_keys(db: &Db, root: &Root, now: Timestamp) -> Result<(), StartError> {
    let fresh = keys::first_set(root, now).map_err(of_keys)?;
    let actor = Actor::vault();
    let record = AuditRecord::new(now, &actor, Operation::CreateKeys, "", Outcome::Allowed, "first start");
    let (fresh, record) = (&fresh, &record);
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            // Two that start at once: the second waits here, and finds the first's keys.
            let head = store::audit::lock(tx).await?;
            let found = store::keys::all(tx).await?;
            if !found.is_empty() {
                return Ok::<_, DbError>(());
            }
            for key in fresh {
                store::keys::insert(tx, key).await?;
            }
            store::audit::append_to(tx, head, std::slice::from_ref(record)).await
        })
    })
    .await?;
    Ok(())
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn of_keys(error: KeyError) -> StartError {
    match error {
        KeyError::RootFile(_) | KeyError::Wrapped { .. } | KeyError::Hsm(_) => {
            StartError::Configuration(error.to_string())
        }
        KeyError::Sealed | KeyError::Missing { .. } => StartError::Internal(error.to_string()),
    }
}

fn of_vault(error: VaultError) -> StartError {
    match error {
        VaultError::Key(error) => of_keys(error),
        VaultError::Db(error) => error.into(),
        other => StartError::Internal(other.to_string()),
    }
}
