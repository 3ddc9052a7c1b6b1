//! The writer's queue, bounded by what waits in it: commands, and transfers, of which a bulk has thousands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::{Many, Request};
use crate::error::LedgerError;

/// Transfers that may wait to be decided: sixteen of the largest bulks, some 50 MiB.
const TRANSFERS_MAX: usize = 16 * bursar_ledger_engine::MAX_BATCH;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    commands: AtomicUsize,
    transfers: AtomicUsize,
}

impl Waiting {
    /// How many commands wait.
    pub(super) fn commands(&self) -> usize {
        self.commands.load(Ordering::Relaxed)
    }

    /// These wait no more.
    pub(super) fn taken(&self, (commands, transfers): (usize, usize)) {
        self.commands.fetch_sub(commands, Ordering::Relaxed);
        self.transfers.fetch_sub(transfers, Ordering::Relaxed);
    }

    fn added(&self, (commands, transfers): (usize, usize)) {
        self.commands.fetch_add(commands, Ordering::Relaxed);
        self.transfers.fetch_add(transfers, Ordering::Relaxed);
    }
}

/// The way into the queue. Two that send at the same moment may overstep a bound by what they send.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
    waiting: Arc<Waiting>,
    commands_max: usize,
}

impl Queue {
    /// A queue for `commands_max` commands, and what the writer takes from it.
    pub(super) fn new(commands_max: usize) -> (Self, mpsc::Receiver<Request>, Arc<Waiting>) {
        let (sender, receiver) = mpsc::channel(commands_max);
        let waiting = Arc::new(Waiting::default());
        (Self { sender, waiting: Arc::clone(&waiting), commands_max }, receiver, waiting)
    }

    /// For what is no command: waits for a place.
    pub(super) async fn send_patiently(&self, request: Request) -> Result<(), LedgerError> {
        self.sender.send(request).await.map_err(|_| LedgerError::NotOwner)
    }

    /// Puts a read or one command into the queue.
    pub(super) fn send(&self, request: Request) -> Result<(), LedgerError> {
        let weight = request.weight();
        if weight.0 > self.room(weight.1) {
            return Err(overloaded(1));
        }
        self.waiting.added(weight);
        self.sender.try_send(request).map_err(|refused| {
            self.waiting.taken(weight);
            match refused {
                TrySendError::Full(_) => overloaded(1),
                TrySendError::Closed(_) => LedgerError::NotOwner,
            }
        })
    }

    /// Puts as many of `many` into the queue as fit; the others are answered.
    pub(super) fn send_many(&self, mut many: Many) {
        let room = self.room(many.transfers());
        if many.commands() > room {
            overloaded(many.commands() - room);
            many.shed_beyond(room);
        }
        if many.commands() == 0 {
            return;
        }
        let request = Request::DecideMany(many);
        let weight = request.weight();
        self.waiting.added(weight);
        let Err(refused) = self.sender.try_send(request) else { return };
        self.waiting.taken(weight);
        match refused {
            TrySendError::Full(Request::DecideMany(many)) => many.refuse(|| overloaded(1)),
            TrySendError::Closed(Request::DecideMany(many)) => many.refuse(|| LedgerError::NotOwner),
            TrySendError::Full(_) | TrySendError::Closed(_) => {}
        }
    }

    /// For how many more commands there is room, if together they ask for `transfers`.
    fn room(&self, transfers: usize) -> usize {
        // An empty queue takes anything that is within the bounds of one request.
        let waiting = self.waiting.transfers.load(Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(transfers) > TRANSFERS_MAX {
            return 0;
        }
        self.commands_max.saturating_sub(self.waiting.commands())
    }
}

fn overloaded(commands: usize) -> LedgerError {
    metrics::counter!("bursar_ledger_overloaded_total").increment(commands as u64);
    LedgerError::Overloaded
}
