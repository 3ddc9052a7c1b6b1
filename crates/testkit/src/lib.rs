//! What tests need: a private PostgreSQL, the whole platform as real processes, fault injection.

mod databases;
mod platform;
mod postgres;

pub use databases::{TestDatabase, both_databases};
#[doc(hidden)]
pub use databases::{run_on_postgres, run_on_sqlite};
pub use platform::{Databases, Platform, bursar, bursar_binary, eventually, service_processes};
pub use postgres::Postgres;
