//! From the chassis to a ledger that serves.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_service::events::Consumer;
use bursar_service::run::{Parts, Spec, StartError};
use bursar_service::{Backoff, Chassis, Identity};
use futures::future::BoxFuture;

use crate::config::{Config, Program};
use crate::follow::Seal;
use crate::grpc::{Api, Core, GrpcPeers};
use crate::issue::Issuer;
use crate::project::JournalEvents;
use crate::proof::Proofs;
use crate::writer::{self, Handle, Shared, SqlJournal};
use crate::{customers, program, store};

/// Longest wait of a start for the shard, beyond the life of a dead owner's lease. Past it the process serves all the
/// same and answers NOT_OWNER, as a stand-by does.
const LOAD_MAX: Duration = Duration::from_secs(20);

/// The ledger as the chassis runs it.
pub fn spec() -> Spec<Config> {
    Spec {
        identity: Identity::Ledger,
        defaults: include_str!("default.toml"),
        migrations: store::MIGRATIONS,
        start: |chassis, config| Box::pin(start(chassis, config)),
    }
}

async fn start(chassis: Chassis, config: Config) -> Result<Parts, StartError> {
    let program = config.program()?;
    store::tune(&chassis.db).await;
    let seal = Seal::load(&config.signing, Arc::clone(&chassis.machine_clock))?;
    let peers =
        GrpcPeers { identity: chassis.peer(Identity::Identity)?, vault: chassis.peer(Identity::Vault)? };
    let events = EventServiceClient::new(peers.identity.clone());
    let shared = Arc::new(Shared::new(
        chassis.db.clone(),
        Arc::clone(&chassis.clock),
        Arc::clone(&chassis.machine_clock),
        Arc::clone(&chassis.entropy),
        chassis.ids.clone(),
        config,
    ));
    let handle = Handle { shared: Arc::clone(&shared) };
    let supervisor = &chassis.supervisor;
    let journal = Arc::new(SqlJournal(chassis.db.clone()));
    supervisor.spawn("owner", writer::own(Arc::clone(&shared), journal, seal, supervisor.shutdown()));

    let issuer = Issuer { handle: handle.clone(), peers: Arc::new(peers) };
    {
        let issuer = issuer.clone();
        supervisor.spawn_loop("card issue", Backoff::default(), move || issuer.clone().resume());
    }
    let consumer = Consumer::new("ledger", "identity").types([customers::TYPE]).run(
        chassis.db.clone(),
        events,
        Arc::clone(&chassis.clock),
        supervisor.shutdown(),
        |tx, event| Box::pin(customers::keep(tx, event)),
    );
    supervisor.spawn("identity events", consumer);
    {
        let (handle, db) = (handle.clone(), chassis.db.clone());
        supervisor.spawn_loop("customers", Backoff::default(), move || {
            customers::journal(handle.clone(), db.clone())
        });
    }
    let ready = established(handle.clone(), program.clone());
    let longest = shared.config.lease.ttl() + LOAD_MAX;
    if tokio::time::timeout(longest, ready).await.is_err() {
        tracing::warn!("another process owns the shard, or it is not loaded yet: standing by");
        // Whenever it becomes ours, the program's settings are looked after.
        supervisor.spawn_once("program", established(handle.clone(), program.clone()));
    }
    let source =
        JournalEvents { db: chassis.db.clone(), shard: shared.shard, reached: Arc::clone(&shared.reached) };
    let proofs = Proofs {
        tokens: chassis.tokens.clone(),
        clock: Arc::clone(&chassis.clock),
        machine_clock: Arc::clone(&chassis.machine_clock),
    };
    let core = Core { handle, issuer, proofs, program, draining: chassis.draining.clone() };
    let routes = Api(Arc::new(core)).routes(chassis.max_message_bytes());
    Ok(Parts::new(routes).with_event_source(Arc::new(source)))
}

/// Waits for the shard and sees to the program's settings.
fn established(handle: Handle, program: Program) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut failures = 0;
        loop {
            handle.ready().await;
            match program::establish(&handle, &program).await {
                Ok(()) => return,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the program's settings could not be journaled yet");
                    tokio::time::sleep(Backoff::default().wait(failures)).await;
                }
            }
        }
    })
}
