//! Puts the service together.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_service::events::Consumer;
use bursar_service::run::{Chassis, Parts, Spec, StartError};
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::config::{BadConfig, Config, KeysConfig, MailConfig, MailProvider, Provider, SmsConfig};
use crate::core::Core;
use crate::grpc;
use crate::keys::{KeyError, Keys};
use crate::people::catalog::Catalog;
use crate::people::outbox::Outbox;
use crate::people::stream::Hub;
use crate::providers::Carrier;
use crate::providers::http::HttpProvider;
use crate::providers::mailbox::Mailbox;
use crate::providers::smtp::Smtp;
use crate::store::MIGRATIONS;
use crate::webhooks::address::Policy;
use crate::webhooks::book::Book;
use crate::webhooks::client::{HttpClient, SystemResolver};
use crate::webhooks::dispatcher::Dispatcher;
use crate::webhooks::wake::Wake;

/// The services whose event logs are read.
const SOURCES: [Identity; 4] = [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Gateway];

/// How often ended one-time codes are wiped from the mailbox, beyond being shown to nobody.
const FORGET_EVERY: Duration = Duration::from_secs(5);

/// The notifications service.
pub fn spec() -> Spec<Config> {
    Spec {
        identity: Identity::Notifications,
        defaults: include_str!("../default.toml"),
        migrations: MIGRATIONS,
        start: |chassis, config| -> BoxFuture<'static, Result<Parts, StartError>> {
            Box::pin(start(chassis, config))
        },
    }
}

async fn start(chassis: Chassis, config: Config) -> Result<Parts, StartError> {
    let keys = Arc::new(load_keys(&chassis, &config.keys)?);
    let catalog = Arc::new(Catalog::builtin().map_err(|error| StartError::Internal(error.to_string()))?);
    let caps = config.webhooks.caps()?;
    let extra_roots = match &config.webhooks.extra_ca {
        Some(path) => Some(tokio::fs::read(path).await.map_err(|error| {
            BadConfig::new(format!("webhooks.extra_ca: cannot read {}: {error}", path.display()))
        })?),
        None => None,
    };
    let policy = config.webhooks.policy(chassis.sandbox)?;
    let client = HttpClient::new(policy, Arc::new(SystemResolver), extra_roots.as_deref(), caps.attempt)
        .map_err(|error| BadConfig::new(format!("webhooks.extra_ca: {error}")))?;
    let (provider, mailbox) = provider(&chassis, &config.sms, &keys).await?;
    let mail = mail(&chassis, &config.mail, mailbox.as_ref())?;
    let core = Core {
        db: chassis.db.clone(),
        book: Arc::new(Book::new(Arc::clone(&keys))),
        keys,
        clock: Arc::clone(&chassis.clock),
        entropy: Arc::clone(&chassis.entropy),
        ids: chassis.ids.clone(),
        catalog,
        provider,
        mail,
        hub: Arc::new(Hub::default()),
        client,
        wake_texts: Arc::new(Notify::new()),
        wake_webhooks: Arc::new(Wake::default()),
    };
    spawn_engines(&chassis, &core, caps, mailbox.clone());
    spawn_consumers(&chassis, &core)?;
    Ok(Parts::new(grpc::routes(&core, mailbox, chassis.max_message_bytes(), chassis.draining.clone())))
}

fn load_keys(chassis: &Chassis, config: &KeysConfig) -> Result<Keys, KeyError> {
    if chassis.sandbox {
        Keys::load_or_make(&config.master_file, &*chassis.entropy)
    } else {
        Keys::load(&config.master_file)
    }
}

type ProviderAndMailbox = (Arc<dyn Carrier>, Option<Arc<Mailbox>>);

async fn provider(
    chassis: &Chassis,
    config: &SmsConfig,
    keys: &Arc<Keys>,
) -> Result<ProviderAndMailbox, StartError> {
    match config.provider {
        Provider::Mailbox if !chassis.sandbox => Err(BadConfig::new(
            "sms.provider is \"mailbox\", which only a sandbox has: set sms.provider = \"http\" and sms.url",
        )
        .into()),
        Provider::Mailbox => {
            let mailbox =
                Mailbox::open(chassis.db.clone(), Arc::clone(keys), Arc::clone(&chassis.clock)).await?;
            let mailbox = Arc::new(mailbox);
            Ok((Arc::clone(&mailbox) as Arc<dyn Carrier>, Some(mailbox)))
        }
        Provider::Http => {
            let client = HttpClient::new(Policy::Trusted, Arc::new(SystemResolver), None, config.timeout()?)
                .map_err(StartError::Internal)?;
            let target = config.target(chassis.sandbox)?;
            Ok((Arc::new(HttpProvider::new(client, target, config.token.clone())), None))
        }
    }
}

/// Who takes e-mail, if anybody is configured.
fn mail(
    chassis: &Chassis,
    config: &MailConfig,
    mailbox: Option<&Arc<Mailbox>>,
) -> Result<Option<Arc<dyn Carrier>>, StartError> {
    Ok(match config.provider {
        MailProvider::None => None,
        MailProvider::Mailbox => {
            let what =
                "mail.provider is \"mailbox\", which only a sandbox with sms.provider = \"mailbox\" has";
            let mailbox = mailbox.ok_or_else(|| BadConfig::new(what))?;
            Some(Arc::clone(mailbox) as Arc<dyn Carrier>)
        }
        MailProvider::Smtp => {
            let server = config.server(chassis.sandbox)?;
            let smtp = Smtp::new(&server).map_err(|what| BadConfig::new(format!("mail: {what}")))?;
            Some(Arc::new(smtp))
        }
    })
}

fn spawn_engines(
    chassis: &Chassis,
    core: &Core,
    caps: crate::webhooks::dispatcher::Caps,
    mailbox: Option<Arc<Mailbox>>,
) {
    let supervisor = &chassis.supervisor;
    let outbox = Outbox {
        db: core.db.clone(),
        events: chassis.events.clone(),
        keys: Arc::clone(&core.keys),
        clock: Arc::clone(&core.clock),
        catalog: Arc::clone(&core.catalog),
        provider: Arc::clone(&core.provider),
        mail: core.mail.clone(),
        wake: Arc::clone(&core.wake_texts),
    };
    supervisor.spawn("text messages", outbox.run(supervisor.shutdown()));
    let dispatcher = Dispatcher {
        db: core.db.clone(),
        events: chassis.events.clone(),
        book: Arc::clone(&core.book),
        clock: Arc::clone(&core.clock),
        machine_clock: Arc::clone(&chassis.machine_clock),
        entropy: Arc::clone(&core.entropy),
        ids: core.ids.clone(),
        client: core.client.clone(),
        caps,
        wake: Arc::clone(&core.wake_webhooks),
    };
    supervisor.spawn("webhooks", dispatcher.run(supervisor.shutdown()));
    if let Some(mailbox) = mailbox {
        let shutdown = supervisor.shutdown();
        supervisor.spawn("mailbox", async move {
            while tokio::time::timeout(FORGET_EVERY, shutdown.cancelled()).await.is_err() {
                mailbox.forget_ended_codes().await;
            }
        });
    }
}

fn spawn_consumers(chassis: &Chassis, core: &Core) -> Result<(), StartError> {
    for source in SOURCES {
        let feed = EventServiceClient::new(chassis.peer(source)?);
        let consumer = Consumer::new(Identity::Notifications.name(), source);
        let (db, clock) = (core.db.clone(), Arc::clone(&core.clock));
        let shutdown = chassis.supervisor.shutdown();
        let core = Arc::new(core.clone());
        let again = Arc::clone(&core);
        chassis.parked.leave(&consumer, db.clone(), move |tx, event| {
            let core = Arc::clone(&again);
            Box::pin(async move { core.apply(tx, event).await })
        });
        let consuming = consumer.run(db, feed, clock, shutdown, move |tx, event| {
            let core = Arc::clone(&core);
            Box::pin(async move { core.apply(tx, event).await })
        });
        chassis.supervisor.spawn("event consumer", consuming);
    }
    Ok(())
}

impl From<BadConfig> for StartError {
    fn from(error: BadConfig) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<KeyError> for StartError {
    fn from(error: KeyError) -> Self {
        Self::Configuration(error.to_string())
    }
}
