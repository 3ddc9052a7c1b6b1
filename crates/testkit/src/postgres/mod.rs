//! A private PostgreSQL for the test run, made from the binaries on the machine.
//!
//! The first test process of a run makes a server in a temporary directory, as an unprivileged user when the tests
//! run as root; the others join it. Who uses it holds the write end of a FIFO; a small shell supervisor reads it, and
//! two seconds after the last holder has gone, by return, panic or SIGKILL, it stops the server and removes all of
//! it. Where there are no binaries a test fails, with the command that installs them.

mod binaries;
mod server;

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};

use server::{Durability, Server};

/// Longest wait for a server that is starting up or has no connection free.
const READY_MAX: Duration = Duration::from_secs(30);

/// A PostgreSQL server of this test run.
pub struct Postgres {
    server: Server,
    durability: Durability,
    databases: AtomicU32,
    cleaned: tokio::sync::OnceCell<()>,
}

impl Postgres {
    /// The server of this test run, which does not wait for the disk. Starts it if this is the first to ask.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL on the machine, with the command that installs it, or it does not start.
    pub fn private() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::of(server::shared(Durability::Fast), Durability::Fast))
    }

    /// The server of this test run that is as durable as in production: for tests of what survives.
    ///
    /// # Panics
    ///
    /// As [`private`](Self::private).
    pub fn private_durable() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::of(server::shared(Durability::Durable), Durability::Durable))
    }

    /// A server of the caller's own, durable, to be [stopped](Self::stop) and [started](Self::start) at will. Ends
    /// with the value.
    ///
    /// # Panics
    ///
    /// As [`private`](Self::private).
    pub fn exclusive() -> Self {
        Self::of(server::exclusive(Durability::Durable), Durability::Durable)
    }

    /// A server of the caller's own to measure on: as durable as in production, and with room for what is measured.
    /// Ends with the value.
    ///
    /// # Panics
    ///
    /// As [`private`](Self::private).
    pub fn for_measuring() -> Self {
        Self::of(server::exclusive(Durability::Roomy), Durability::Roomy)
    }

    /// Waits until it takes connections.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn ready(&self) {
        let _ = self.connect().await.close().await;
    }

    fn of(server: Result<Server, String>, durability: Durability) -> Self {
        let server = server.unwrap_or_else(|error| panic!("\n{error}\n"));
        let databases = AtomicU32::new(0);
        Self { server, durability, databases, cleaned: tokio::sync::OnceCell::new() }
    }

    /// An empty database of the caller's own, by its address over a Unix socket.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    pub async fn create_database(&self) -> String {
        let name = self.create().await;
        format!("postgres://bursar@localhost:{}/{name}?host={}", self.server.port, self.server.dir.display())
    }

    /// As [`create_database`](Self::create_database), with an address over TCP and a password: as in production.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    pub async fn create_database_over_tcp(&self) -> String {
        let name = self.create().await;
        format!("postgres://bursar:{}@127.0.0.1:{}/{name}", self.server.password, self.server.port)
    }

    /// Address of the server's own database over TCP, as a superuser: for what makes roles and databases itself.
    pub fn superuser_url(&self) -> String {
        format!("postgres://bursar:{}@127.0.0.1:{}/postgres", self.server.password, self.server.port)
    }

    /// Stops the server as if the power failed: every connection breaks, what was not committed is gone. Only for an
    /// [exclusive](Self::exclusive) one.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn stop(&self) {
        self.server.control(&["-m", "immediate", "-w", "stop"]).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts it again.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(&self) {
        let settings = self.server.settings(self.durability);
        self.server.control(&["-o", &settings, "-w", "start"]).unwrap_or_else(|error| panic!("{error}"));
    }

    async fn create(&self) -> String {
        let mut connection = self.connect().await;
        self.cleaned.get_or_init(|| drop_abandoned(&mut connection)).await;
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let random = uuid::Uuid::new_v4().as_u128() as u32;
        let name = format!("t_{}_{number}_{random:08x}", std::process::id());
        let create = sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")));
        create.execute(&mut connection).await.unwrap_or_else(|error| panic!("CREATE DATABASE: {error}"));
        let _ = connection.close().await;
        name
    }

    async fn connect(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.server.dir)
            .port(self.server.port)
            .username("bursar")
            .database("postgres");
        let deadline = Instant::now() + READY_MAX;
        loop {
            match options.connect().await {
                Ok(connection) => return connection,
                Err(error) if Instant::now() >= deadline => panic!("PostgreSQL for the tests: {error}"),
                // Starting up, or too many at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Drops the databases of test processes that have ended, so that a long run does not fill the disk.
async fn drop_abandoned(connection: &mut PgConnection) {
    let names = sqlx::query("SELECT datname FROM pg_database WHERE datname LIKE 't\\_%'");
    let Ok(rows) = names.fetch_all(&mut *connection).await else { return };
    for row in rows {
        let name: String = row.get("datname");
        let pid =
            name.split('_').nth(1).and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)) {
            // Another process may be dropping it too.
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = sqlx::query(AssertSqlSafe(drop)).execute(&mut *connection).await;
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("port", &self.server.port).finish_non_exhaustive()
    }
}
