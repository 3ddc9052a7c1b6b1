//! How fast a reader catches up with an event log, against a plain read of the same rows.
//!
//! The log is that of a real process (the vault, which calls nobody), filled before it starts; the reader is a client of
//! its own over mutual TLS that gives credit as it goes. The reference reads the rows themselves, in pages, through sqlx.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, in_turns};
use bursar_proto::access::Identity;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_proto::event::v1::subscribe_request::Message as Said;
use bursar_proto::event::v1::{Cursor, SubscribeCredit, SubscribeRequest, SubscribeStart};
use bursar_service::db::{Db, DbOptions};
use bursar_service::events::EventLog;
use bursar_service::migrate;
use bursar_types::{Clock as _, IdSource, OsEntropy, SystemClock};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::ledger::start::database_url;
use super::place::{Place, failed};
use super::{publisher, tell};
use crate::cli::Bench;
use crate::exit::Exit;
use crate::platform::{Platform, Running};
use crate::store::reference::read_events;

const CATCH_UP: Goal = Goal { name: "catch_up", unit: "1/s", bar: Bar::AtLeast(0.4), aim: 0.8 };

/// Events that a reader lets the server send ahead.
const CREDIT: u32 = 10_000;
/// Longest wait for the end of a round.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Measures it.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    let (rounds, events) = if arguments.quick { (5, 50_000) } else { (9, 500_000) };
    let place = Place::new(&arguments.databases)?;
    let measured = on(&place, rounds, events).await;
    place.remove().await;
    measured.map(|figure| vec![figure])
}

async fn on(place: &Place, rounds: usize, events: usize) -> Result<Figure, Exit> {
    let platform = Platform::prepare(place.setup()).await?;
    let url = database_url(&platform.config(Identity::Vault))?;
    tell::line(&format!("catch_up: filling a log with {events} events"));
    fill(&url, events).await.map_err(|error| Exit::software(error.to_string()))?;
    let running = platform.start_only(&[Identity::Vault], |_| {}).await?;
    let measured = in_turns(
        rounds,
        async || catch_up(&running, events).await,
        async || {
            let (found, took) = read_events(&url).await.map_err(Exit::software)?;
            // The service publishes some of its own, such as that its audit log was signed.
            match found >= events {
                true => Ok(found as f64 / took.as_secs_f64()),
                false => Err(Exit::software(format!("{found} events are stored, not {events}"))),
            }
        },
        |round| tell::round(CATCH_UP, round),
    );
    let measured = measured.await;
    running.stop().await;
    let note = format!("{events} events over one subscription with mutual TLS");
    measured.map(|pairs| Figure::of(CATCH_UP, &pairs).with_note(note))
}

async fn fill(url: &str, events: usize) -> Result<(), bursar_service::db::DbError> {
    let db = Db::connect(&DbOptions::new(url)).await?;
    migrate::run(&db, &[], SystemClock.now()).await?;
    let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
    let log = EventLog::open(db.clone(), "vault", Arc::new(SystemClock), ids.clone()).await?;
    publisher::fill(&db, &log, &SystemClock, &ids, events).await?;
    log.turn().await?;
    db.close().await;
    Ok(())
}

/// Events a second from the subscription to the last of `events`.
async fn catch_up(running: &Running, events: usize) -> Result<f64, Exit> {
    let channel = running.endpoints.channel(Identity::Vault, Identity::Operator)?;
    let mut client = EventServiceClient::new(channel);
    let began = Instant::now();
    let (say, requests) = mpsc::channel(64);
    let start = SubscribeStart {
        cursor: Some(Cursor::default()),
        initial_credit: CREDIT,
        ..SubscribeStart::default()
    };
    let closed = |_| Exit::software("the subscription ended");
    say.send(SubscribeRequest { message: Some(Said::Start(start)) }).await.map_err(closed)?;
    let reading = async {
        let subscribed = client.subscribe(ReceiverStream::new(requests)).await;
        let mut responses = subscribed.map_err(|status| failed(&status))?.into_inner();
        let mut position = 0;
        while position < events {
            let response = responses.message().await.map_err(|status| failed(&status))?;
            let response = response.ok_or_else(|| Exit::software("the subscription ended"))?;
            for event in &response.events {
                position += 1;
                if usize::try_from(event.position) != Ok(position) {
                    return Err(Exit::software(format!(
                        "event {} came where {position} was due",
                        event.position
                    )));
                }
            }
            let events = u32::try_from(response.events.len()).unwrap_or(u32::MAX);
            let credit = SubscribeCredit { events, durable_position: 0 };
            say.send(SubscribeRequest { message: Some(Said::Credit(credit)) }).await.map_err(closed)?;
        }
        Ok(events as f64 / began.elapsed().as_secs_f64())
    };
    tokio::time::timeout(ROUND_MAX, reading)
        .await
        .unwrap_or_else(|_| Err(Exit::software("the log did not come")))
}
