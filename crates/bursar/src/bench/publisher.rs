//! A service that has nothing but an event log, on a thread of its own: who publishes is not who is measured.

use std::sync::mpsc as std_mpsc;
use std::thread::{self, JoinHandle};

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{Merchant, Payment, PaymentChanged, PaymentElement, PaymentState};
use bursar_service::config::{self, LoadOptions};
use bursar_service::db::DbError;
use bursar_service::events::{EventLog, NewEvent};
use bursar_service::run::{self, Chassis, Parts, Running, Sources, Spec, StartError};
use bursar_types::id::{AccountId, CardId, CustomerId, PaymentId};
use bursar_types::{Clock, IdSource};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tonic::service::Routes;

use crate::exit::Exit;

/// Type of the events: one that no customer is told of, and whose webhook has some 700 bytes.
pub(super) const EVENT_TYPE: &str = "ledger.payment.expired";

/// Events of one transaction.
const BATCH: usize = 1_000;

type Settings = serde_json::Map<String, serde_json::Value>;

/// What it is told to do.
enum Said {
    Publish(usize, oneshot::Sender<Result<(), String>>),
}

/// A publisher that serves its log.
pub(super) struct Publisher {
    say: mpsc::UnboundedSender<Said>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Starts it as the service `identity`, with these settings (`key=value`).
    pub(super) fn start(identity: Identity, sets: Vec<String>) -> Result<Self, Exit> {
        let (say, mut said) = mpsc::unbounded_channel();
        let (started, wait) = std_mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error.to_string()))),
            };
            runtime.block_on(async {
                let running = match serve(identity, sets).await {
                    Ok(running) => running,
                    Err(error) => return drop(started.send(Err(error.to_string()))),
                };
                let _ = started.send(Ok(()));
                let chassis = running.chassis().clone();
                while let Some(Said::Publish(number, done)) = said.recv().await {
                    let published = publish(&chassis, number).await.map_err(|error| error.to_string());
                    let _ = done.send(published);
                }
                running.stop().await;
            });
        });
        match wait.recv() {
            Ok(Ok(())) => Ok(Self { say, thread: Some(thread) }),
            Ok(Err(what)) => Err(Exit::software(format!("the publisher does not start: {what}"))),
            Err(_) => Err(Exit::software("the publisher does not start")),
        }
    }

    /// Publishes so many events now.
    pub(super) async fn publish(&self, number: usize) -> Result<(), Exit> {
        let (done, wait) = oneshot::channel();
        let away = || Exit::software("the publisher has ended");
        self.say.send(Said::Publish(number, done)).map_err(|_| away())?;
        wait.await.map_err(|_| away())?.map_err(Exit::software)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // It ends when nobody can tell it anything any more.
        let (closed, _) = mpsc::unbounded_channel();
        self.say = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(identity: Identity, sets: Vec<String>) -> Result<Running, StartError> {
    fn nothing(_: Chassis, _: Settings) -> BoxFuture<'static, Result<Parts, StartError>> {
        Box::pin(async { Ok(Parts::new(Routes::default())) })
    }
    let spec = Spec::<Settings> { identity, defaults: "", migrations: &[], start: nothing };
    let options = LoadOptions { sets, ..LoadOptions::default() };
    run::start(spec, config::load(spec.defaults, &options)?, Sources::default()).await
}

async fn publish(chassis: &Chassis, number: usize) -> Result<(), DbError> {
    fill(&chassis.db, &chassis.events, &*chassis.clock, &chassis.ids, number).await
}

/// Publishes so many events in large transactions.
pub(super) async fn fill(
    db: &bursar_service::db::Db,
    events: &EventLog,
    clock: &dyn Clock,
    ids: &IdSource,
    number: usize,
) -> Result<(), DbError> {
    let mut left = number;
    while left > 0 {
        let batch: Vec<NewEvent> = (0..left.min(BATCH)).map(|_| event(clock, ids)).collect();
        left -= batch.len();
        let batch = &batch;
        db.write(|tx| {
            Box::pin(async move {
                for event in batch {
                    events.publish(tx, event.clone())?;
                }
                Ok::<_, DbError>(())
            })
        })
        .await?;
    }
    Ok(())
}

fn event(clock: &dyn Clock, ids: &IdSource) -> NewEvent {
    let money = |minor_units| Some(Money { minor_units, asset: "CNY".to_owned() });
    let (customer, account) = (ids.next::<CustomerId>(), ids.next::<AccountId>());
    let payment_id = ids.next::<PaymentId>();
    let payment = Payment {
        payment_id: payment_id.to_string(),
        card_id: ids.next::<CardId>().to_string(),
        account_id: account.to_string(),
        customer_id: customer.to_string(),
        state: PaymentState::Approved.into(),
        amount: money(31_240),
        merchant: Some(Merchant {
            merchant_id: "SHOP-1".to_owned(),
            name: "Corner Shop".to_owned(),
            mcc: "5411".to_owned(),
            country: "CN".to_owned(),
        }),
        elements: vec![PaymentElement {
            r#type: "authorization".to_owned(),
            amount: money(31_240),
            ..PaymentElement::default()
        }],
        create_time: Some(bursar_service::parse::timestamp_message(clock.now())),
        ..Payment::default()
    };
    let changed = PaymentChanged {
        payment: Some(payment),
        masked_pan: "622848******1234".to_owned(),
        available_after: money(68_760),
    };
    NewEvent::new(EVENT_TYPE, payment_id, &changed)
}
