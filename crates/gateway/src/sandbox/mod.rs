//! The outside world, played: shops and a network over real connections to our own listener, and a bank that sends files.
//! In the sandbox only.

mod bank;
mod messages;
mod network;

pub(crate) use bank::file;
pub(crate) use messages::{Card, Purchase};
pub(crate) use network::{Fault, Network, Said};

/// The played world cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's network: {0}")]
pub(crate) struct SandboxError(pub(crate) String);
