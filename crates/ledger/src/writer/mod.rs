//! The writer: one owner decides a shard's commands in memory, one after another, and makes them durable batch by
//! batch. While one batch is being made durable the next one is collected and decided.

mod counts;
mod filter;
mod handle;
mod load;
mod many;
mod owner;
mod queue;
mod recent;
mod run;
mod shard;

use std::fmt;

use bursar_ledger_engine::{Action, Command, Day, Engine, Hold};
use bursar_types::RequestId;
use tokio::sync::oneshot;

use crate::error::LedgerError;
use crate::journal::{Fingerprint, UsedProof};
use crate::project::{Known, PaymentRecord};

pub(crate) use handle::{Handle, Shared};
pub(crate) use many::{Group, Many, Tagged};
#[cfg(test)]
pub(crate) use owner::JournalStore;
pub(crate) use owner::{SqlJournal, own};
pub(crate) use shard::{decode, redo, replay};

/// A command on its way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The command.
    pub(crate) command: Command,
    /// The body of the caller's request, and the names of its fields.
    pub(crate) body: Option<(Fingerprint, Vec<&'static str>)>,
    /// The proof that comes with it: it serves once.
    pub(crate) proof: Option<UsedProof>,
}

impl Order {
    /// A command of the ledger's own: without a caller's body. Its request id makes it happen once.
    pub(crate) fn internal(command: Command) -> Self {
        // The digest of nothing: a repetition is never another request.
        let (body, names) = crate::journal::Body::new("internal", "ledger").finish();
        Self { command, body: Some((body, names)), proof: None }
    }

    /// How many transfers it asks for; 1 for anything but a bulk.
    pub(crate) fn transfers(&self) -> usize {
        match &self.command.action {
            Action::TransferBatch { orders, .. } => orders.len().max(1),
            _ => 1,
        }
    }
}

/// What became of a command, durable.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The command as it was decided, now or when its request id was first used.
    pub(crate) known: Known,
    /// Whether the request id had been used before.
    pub(crate) repeated: bool,
    /// What only memory knows of a command that was decided now.
    pub(crate) now: Decision,
}

/// What an answer tells of a command that has just been decided, besides its outcome. For a repeated one the
/// projections must be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// The payment right after its authorization.
    pub(crate) payment: Option<Box<PaymentRecord>>,
    /// The hold that was captured, raised or voided, as it was before; the outcome says how it stands now.
    pub(crate) hold: Option<Box<Hold>>,
    /// Value date of the first transfer that was posted.
    pub(crate) value_date: Option<Day>,
}

/// What the writer says to a command.
#[derive(Debug)]
pub(crate) enum Said {
    /// It is durable.
    Answer(Answer),
    /// Its request id may have been used before the commands the writer remembers: ask the database, and come again
    /// with what it says.
    LookUp(Box<Order>),
}

/// Sends the result of a read once it is certain.
pub(crate) type Release = Box<dyn FnOnce() + Send>;
/// Reads the state at one position.
pub(crate) type Read = Box<dyn FnOnce(&Engine, i64) -> Release + Send>;

/// What the writer's queue holds.
pub(crate) enum Request {
    /// Decide this.
    Decide {
        /// The command.
        order: Box<Order>,
        /// Up to this row the projections do not know the request id.
        unknown_up_to: Option<i64>,
        /// Whom to tell.
        reply: oneshot::Sender<Result<Said, LedgerError>>,
    },
    /// Decide these: what was ready on one stream.
    DecideMany(Many),
    /// Read this.
    Read(Read),
    /// Request ids of the past, for the filter; the last come with `true`.
    Learn(Vec<RequestId>, bool),
}

impl Request {
    /// How many commands wait with it, and for how many transfers they ask.
    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Decide { order, .. } => (1, order.transfers()),
            Self::DecideMany(many) => (many.commands(), many.transfers()),
            Self::Read(_) | Self::Learn(..) => (0, 0),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decide { .. } => "Decide",
            Self::DecideMany(_) => "DecideMany",
            Self::Read(_) => "Read",
            Self::Learn(..) => "Learn",
        })
    }
}
