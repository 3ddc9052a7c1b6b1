//! PostgreSQL that goes away: before the commit, during it, and for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bursar_service::db::{Db, DbError, DbOptions, Tx};
use bursar_service::migrate;
use bursar_testkit::Postgres;
use bursar_types::{Failure as _, Reason, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::support::{SCHEMA, count_up, counter, eventually};

/// When the proxy cuts a connection.
#[derive(Clone, Copy)]
enum Cut {
    /// When a statement with this text is sent: it does not arrive.
    Before(&'static [u8]),
    /// When such a statement was sent and answered: the answer does not arrive.
    After(&'static [u8]),
}

/// A proxy before `server` that cuts one connection, once it is armed.
struct Proxy {
    address: SocketAddr,
    armed: Arc<AtomicU32>,
}

impl Proxy {
    async fn start(server: String, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let armed = Arc::new(AtomicU32::new(0));
        let shots = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, cut, Arc::clone(&shots)));
            }
        });
        Self { address, armed }
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Cut, shots: Arc<AtomicU32>) {
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let mut swallow = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(n @ 1..) = read else { return };
                let text = match cut { Cut::Before(text) | Cut::After(text) => text };
                let hit = up[..n].windows(text.len()).any(|window| window == text)
                    && shots.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
                if hit && matches!(cut, Cut::Before(_)) {
                    return;
                }
                swallow |= hit;
                if server.write_all(&up[..n]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(n @ 1..) = read else { return };
                if swallow || client.write_all(&down[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A database behind a proxy, and the same without it.
async fn behind_proxy(cut: Cut) -> (Db, Db, Proxy) {
    let url = Postgres::private().create_database_over_tcp().await;
    let (head, tail) = url.rsplit_once('@').unwrap();
    let (server, name) = tail.split_once('/').unwrap();
    let proxy = Proxy::start(server.to_owned(), cut).await;
    let direct = Db::connect(&DbOptions::new(&url)).await.unwrap();
    migrate::run(&direct, SCHEMA, Timestamp::from_micros(1)).await.unwrap();
    let proxied = Db::connect(&DbOptions::new(format!("{head}@{}/{name}", proxy.address))).await.unwrap();
    (proxied, direct, proxy)
}

async fn count_with_mark(tx: &mut Tx<'_>, tries: &AtomicU32) -> Result<i64, DbError> {
    tries.fetch_add(1, Ordering::SeqCst);
    let n = count_up(tx, "a").await?;
    tx.query("SELECT 1 AS break_here").fetch_one().await?;
    Ok(n)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_the_commit_is_replaced_and_counts_once() {
    let (db, direct, proxy) = behind_proxy(Cut::Before(b"break_here")).await;
    proxy.armed.store(1, Ordering::SeqCst);
    let tries = AtomicU32::new(0);
    let n = db.write(|tx| Box::pin(count_with_mark(tx, &tries))).await.unwrap();
    assert_eq!((n, tries.load(Ordering::SeqCst)), (1, 2));
    assert_eq!(counter(&direct, "a").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_keeps_breaking_is_given_up() {
    let (db, direct, proxy) = behind_proxy(Cut::Before(b"break_here")).await;
    proxy.armed.store(u32::MAX, Ordering::SeqCst);
    let tries = AtomicU32::new(0);
    let error = db.write(|tx| Box::pin(count_with_mark(tx, &tries))).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseUnavailable);
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    assert_eq!(counter(&direct, "a").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_reported_as_unknown_and_not_repeated() {
    let (db, direct, proxy) = behind_proxy(Cut::After(b"COMMIT")).await;
    db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap();
    proxy.armed.store(1, Ordering::SeqCst);
    let error = db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(error.reason(), Reason::DatabaseUnavailable);
    // It did take place: a repetition would have counted twice.
    assert_eq!(counter(&direct, "a").await, 2);
    assert_eq!(db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let postgres = Postgres::exclusive();
    let options = DbOptions {
        acquire_max: Duration::from_millis(500),
        ..DbOptions::new(postgres.create_database().await)
    };
    let db = Db::connect(&options).await.unwrap();
    migrate::run(&db, SCHEMA, Timestamp::from_micros(1)).await.unwrap();
    for n in 1..=20 {
        assert_eq!(db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap(), n);
    }
    postgres.stop();
    let error = db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DatabaseUnavailable, "{error}");
    assert!(db.ping().await.is_err());
    postgres.start();
    eventually("the pool finds the server again", async || db.ping().await.is_ok()).await;
    assert_eq!(db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap(), 21);
}
