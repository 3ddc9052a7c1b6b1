//! From the chassis to a service that serves.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_service::{Backoff, Chassis, Parts, Spec, StartError};
use futures::future::BoxFuture;

use crate::auth::housekeeping::HOUSEKEEPING_EVERY;
use crate::config::DEFAULTS;
use crate::grpc::{self, GrpcMessenger};
use crate::{Config, Core, Error, Surroundings, store};

/// How long the re-screening rests when everyone is up to the lists.
const RESCREEN_IDLE: Duration = Duration::from_secs(1);

/// The service, for `main.rs` and for `bursar serve identity`.
pub fn spec() -> Spec<Config> {
    Spec { identity: Identity::Identity, defaults: DEFAULTS, migrations: store::MIGRATIONS, start }
}

fn start(chassis: Chassis, config: Config) -> BoxFuture<'static, Result<Parts, StartError>> {
    Box::pin(async move {
        let messenger = GrpcMessenger::new(chassis.peer(Identity::Notifications)?);
        let surroundings = Surroundings {
            db: chassis.db.clone(),
            events: chassis.events.clone(),
            clock: Arc::clone(&chassis.clock),
            machine_clock: Arc::clone(&chassis.machine_clock),
            entropy: Arc::clone(&chassis.entropy),
            ids: chassis.ids.clone(),
            messenger: Arc::new(messenger),
            sandbox: chassis.sandbox,
        };
        let core = Core::build(config, surroundings).await?;
        background(&chassis, &core);
        Ok(Parts::new(grpc::routes(&core, chassis.max_message_bytes())))
    })
}

/// The loops: recipients to notifications, deadlines, what is past its time.
fn background(chassis: &Chassis, core: &Arc<Core>) {
    let recipients = Arc::clone(core);
    chassis.supervisor.spawn_loop("recipients", Backoff::default(), move || {
        let core = Arc::clone(&recipients);
        async move { core.tell_recipients().await }
    });
    let overdue = Arc::clone(core);
    chassis.supervisor.spawn_loop("overdue_cases", Backoff::default(), move || {
        let core = Arc::clone(&overdue);
        async move {
            core.tell_overdue_cases().await?;
            tokio::time::sleep(core.overdue_poll()).await;
            Ok::<_, Error>(())
        }
    });
    let lists = Arc::clone(core);
    chassis.supervisor.spawn_loop("watch_lists", Backoff::default(), move || {
        let core = Arc::clone(&lists);
        async move {
            tokio::time::sleep(core.reload_poll()).await;
            core.reload_lists().await.map(drop)
        }
    });
    let people = Arc::clone(core);
    chassis.supervisor.spawn_loop("rescreening", Backoff::default(), move || {
        let core = Arc::clone(&people);
        async move {
            let (taken, _) = core.rescreen_step().await?;
            if taken == 0 {
                tokio::time::sleep(RESCREEN_IDLE).await;
            }
            Ok::<_, Error>(())
        }
    });
    let house = Arc::clone(core);
    chassis.supervisor.spawn_loop("housekeeping", Backoff::default(), move || {
        let core = Arc::clone(&house);
        async move {
            core.keep_house().await?;
            tokio::time::sleep(HOUSEKEEPING_EVERY).await;
            Ok::<_, Error>(())
        }
    });
}
