//! The chassis of every Bursar process, used by all five services and nowhere duplicated.
//!
//! A service is a [`run::Spec`]: its name, its commented default configuration, its schema, and a function that makes
//! its gRPC routes from a [`Chassis`]. Everything else is here: [`config`], mutual [`tls`] and the caller policy of
//! the contract, deadlines, load shedding, [`telemetry`], health and reflection, the one way from an [`error`] to an
//! answer, customers' [`token`]s, the [`supervisor`] of background tasks, and the graceful stop; and for data the
//! [`db`], [`migrate`], [`idempotency`], [`events`] and [`paging`].
//!
//! Nothing here knows about any one service.

pub mod cert;
pub mod client;
pub mod config;
pub mod context;
pub mod db;
pub mod deadline;
pub mod error;
pub mod events;
pub mod idempotency;
pub mod migrate;
pub mod paging;
pub mod parse;
pub mod run;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod token;
pub mod twin;

mod sandbox;
mod server;

/// Every process of the platform is made of this crate, so all of them allocate with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use bursar_proto::access::Identity;
pub use client::{PeerChannel, never_arrived};
pub use context::{CallContext, CustomerClaims};
pub use deadline::Deadline;
pub use error::{Invalid, OrStatus, PeerError, reason_of, status};
pub use run::{Chassis, Parts, Spec, StartError};
pub use server::Door;
pub use supervisor::{Backoff, Supervisor};
