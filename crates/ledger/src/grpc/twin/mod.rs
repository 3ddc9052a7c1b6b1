//! Streaming twins of calls: one message a command, each with its own request id and deadline, answered as they become
//! durable, in any order.
//!
//! A call costs a task, a channel and a header of its own; a message of a stream none of them. What is ready on the
//! stream is read in one go, goes to the writer in one piece, and its answers come back in groups.

mod exchange;
mod slots;

use std::sync::Arc;

use bursar_service::error::Told;
use futures::future::BoxFuture;

use crate::error::LedgerError;
use crate::writer::{Answer, Handle, Order};

pub(super) use exchange::Exchange;

/// Work that waits for something else than the writer's next batch: the database, as a rule.
pub(super) type Later<T> = BoxFuture<'static, Result<T, LedgerError>>;

/// The commands of one stream: how they are read, and how they are answered.
pub(super) trait Twin: Sized + Send + Sync + 'static {
    /// One message of the caller's.
    type Message: Send + 'static;
    /// One message of ours.
    type Response: Send + 'static;
    /// What a good answer holds.
    type Outcome: Send + 'static;
    /// What of a command is kept until it is answered.
    type Kept: Send + 'static;

    /// Messages that are read before others get the processor.
    const GROUP_MAX: usize;

    /// Who decides.
    fn handle(&self) -> &Handle;

    /// What a message asks for.
    fn read(self: &Arc<Self>, message: Self::Message) -> Incoming<Self>;

    /// What the answer says, now that the command is decided.
    fn conclude(
        self: &Arc<Self>,
        kept: Self::Kept,
        said: Result<Answer, LedgerError>,
    ) -> Conclusion<Self::Outcome>;

    /// The message that answers.
    fn response(request_id: String, outcome: Result<Self::Outcome, Told>) -> Self::Response;
}

/// A message that was read.
pub(super) struct Incoming<T: Twin> {
    /// Names the answer; may be anything.
    pub(super) request_id: String,
    /// Milliseconds the answer is of use.
    pub(super) deadline_ms: i32,
    /// What is to be done.
    pub(super) work: Result<Work<T>, LedgerError>,
}

/// What is to be done about a message.
pub(super) enum Work<T: Twin> {
    /// Have this decided.
    Decide(Order, T::Kept),
    /// Wait for this.
    Later(Later<T::Outcome>),
}

/// What follows from a decision.
pub(super) enum Conclusion<T> {
    /// The answer.
    Now(Result<T, LedgerError>),
    /// The answer, once it is found.
    Later(Later<T>),
}

/// As [`Conclusion`], waited for.
async fn concluded<T: Twin>(
    twin: Arc<T>,
    kept: T::Kept,
    said: Result<Answer, LedgerError>,
) -> Result<T::Outcome, LedgerError> {
    match twin.conclude(kept, said) {
        Conclusion::Now(outcome) => outcome,
        Conclusion::Later(later) => later.await,
    }
}
