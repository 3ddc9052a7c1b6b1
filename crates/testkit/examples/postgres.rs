//! A PostgreSQL of one's own to measure on: durable, empty, in a temporary folder, until Ctrl-C.
//!
//! `cargo xtask postgres` runs it.

use bursar_testkit::Postgres;

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout)] // where the server is, is the output
async fn main() -> std::io::Result<()> {
    let postgres = Postgres::for_measuring();
    postgres.ready().await;
    println!("{}", postgres.superuser_url());
    tokio::signal::ctrl_c().await
}
