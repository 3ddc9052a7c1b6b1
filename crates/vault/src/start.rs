//! From a configuration to a vault that is open.

use std::path::Path;
use std::sync::Arc;

use bursar_service::config::ConfigError;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::token::TokenSigner;
use bursar_service::{Backoff, Chassis, Identity, Parts, StartError};
use bursar_types::Timestamp;

use crate::audit::notary::{self, Notary};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::cases::{EVERY, Vault};
use crate::config::Config;
use crate::error::VaultError;
use crate::keys::{self, KeyError, KeyRing, Keys, RootKey};
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
    let log_id = name_log(&chassis.db, &chassis.ids.next_uuid().to_string()).await?;
    let ring = open_keys(&chassis.db, &config.keys.root_file, chassis.sandbox, chassis.clock.now()).await?;
    let keys = Keys::sealed();
    keys.open(ring);
    let (queues, inboxes) = group::queues(&chassis.supervisor.shutdown());
    let vault = Vault {
        db: chassis.db.clone(),
        keys,
        queues,
        notary: Notary::new(signer.clone(), Arc::clone(&chassis.machine_clock), &log_id),
        hasher: PasswordHasher::new(),
        proofs: ProofSigner::new(signer, Arc::clone(&chassis.machine_clock), chassis.ids.clone()),
        events: chassis.events.clone(),
        ids: chassis.ids.clone(),
        clock: Arc::clone(&chassis.clock),
        entropy: Arc::clone(&chassis.entropy),
    };
    inboxes.run(&vault, &chassis.supervisor);
    run_loops(&vault, &chassis);
    Ok(Parts::new(grpc::routes(vault, chassis.draining.clone(), chassis.max_message_bytes())))
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
            notary.notarize().await?;
            let _ = tokio::time::timeout(notary::EVERY, shutdown.cancelled()).await;
            Ok::<_, VaultError>(())
        }
    });
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

/// Opens the keys with the root key's file; makes them where there are none yet.
pub(crate) async fn open_keys(
    db: &Db,
    root_file: &Path,
    sandbox: bool,
    now: Timestamp,
) -> Result<KeyRing, StartError> {
    let stored = db.read(|tx| Box::pin(async move { store::keys::all(tx).await })).await?;
    // A key is never made where keys exist: it could open none of them, and would look as if all were well.
    let root = if sandbox && stored.is_empty() && !root_file.exists() {
        let root = RootKey::create(root_file).map_err(of_keys)?;
        tracing::warn!(file = %root_file.display(), "SANDBOX: made a root key; whoever has this file and the database has every card number");
        root
    } else {
        RootKey::load(root_file).map_err(of_keys)?
    };
    let stored = if stored.is_empty() { make_keys(db, &root, now).await? } else { stored };
    let ring = KeyRing::open(root, &stored).map_err(of_keys)?;
    let file = root_file.display();
    if sandbox {
        tracing::warn!(%file, "SANDBOX: the vault unsealed itself from a file; no person was asked");
    } else {
        tracing::warn!(%file, "the vault unsealed itself from a file: one person with this file and the database has every card number");
    }
    Ok(ring)
}

/// Makes the first key set, unless another process was faster; gives what is stored then.
async fn make_keys(db: &Db, root: &RootKey, now: Timestamp) -> Result<Vec<keys::StoredKey>, StartError> {
    let fresh = keys::first_set(root, now);
    let actor = Actor { caller: Identity::Vault, customer: None, principal: "service/vault".to_owned() };
    let record = AuditRecord::new(now, &actor, Operation::CreateKeys, "", Outcome::Allowed, "first start");
    let (fresh, record) = (&fresh, &record);
    let stored = db
        .write_at(Isolation::ReadCommitted, |tx| {
            Box::pin(async move {
                // Two that start at once: the second waits here, and finds the first's keys.
                let head = store::audit::lock(tx).await?;
                let found = store::keys::all(tx).await?;
                if !found.is_empty() {
                    return Ok::<_, DbError>(found);
                }
                for key in fresh {
                    store::keys::insert(tx, key).await?;
                }
                store::audit::append_to(tx, head, std::slice::from_ref(record)).await?;
                store::keys::all(tx).await
            })
        })
        .await?;
    Ok(stored)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn of_keys(error: KeyError) -> StartError {
    match error {
        KeyError::RootFile(_) | KeyError::Wrapped { .. } => StartError::Configuration(error.to_string()),
        KeyError::Sealed | KeyError::Missing { .. } => StartError::Internal(error.to_string()),
    }
}
