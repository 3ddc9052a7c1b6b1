//! Streaming twins of calls: one message a command, each with its own request id and deadline, answered as they are done,
//! in any order.
//!
//! A call costs a task, a channel and a header of its own; a message of a stream none of them. What is ready on the
//! stream is read in one go, so that whoever does the work gets it in one piece.

mod exchange;
mod slots;

use bursar_types::Failure;
use tokio::sync::mpsc::UnboundedSender;

pub use exchange::Exchange;

use crate::error::{Invalid, Told};

/// The commands of one stream: how they are read, done, and answered.
pub trait Twin: Sized + Send + Sync + 'static {
    /// One message of the caller's.
    type Message: Send + 'static;
    /// One message of ours.
    type Response: Send + 'static;
    /// What is to be done about a message.
    type Work: Send;
    /// What came of it.
    type Outcome: Send + 'static;
    /// Why nothing did.
    type Error: Failure + From<Invalid> + From<Lost> + Send + 'static;

    /// Messages that are read before others get the processor.
    const GROUP_MAX: usize;

    /// What a message asks for.
    fn read(&self, message: Self::Message) -> Incoming<Self>;

    /// Begins the work; `ticket` takes the outcome, from wherever it is done.
    fn begin(&self, work: Self::Work, ticket: Ticket<Self>);

    /// The message that answers.
    fn response(request_id: String, outcome: Result<Self::Outcome, Told>) -> Self::Response;
}

/// A message that was read.
#[derive(Debug)]
pub struct Incoming<T: Twin> {
    /// Names the answer; may be anything.
    pub request_id: String,
    /// Milliseconds the answer is of use.
    pub deadline_ms: i32,
    /// What is to be done.
    pub work: Result<T::Work, T::Error>,
}

/// Why a command of a stream has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its deadline passed.
    DeadlineExceeded,
    /// Its work ended without one: a fault of ours.
    Dropped,
}

/// The right to answer one command. Dropped without an answer, the command is answered as [`Lost::Dropped`].
pub struct Ticket<T: Twin> {
    tag: u32,
    answers: Option<UnboundedSender<Answer<T>>>,
}

/// A command's number, and what became of it.
type Answer<T> = (u32, Result<<T as Twin>::Outcome, <T as Twin>::Error>);

impl<T: Twin> std::fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl<T: Twin> Ticket<T> {
    /// Answers the command.
    pub fn answer(mut self, outcome: Result<T::Outcome, T::Error>) {
        if let Some(answers) = self.answers.take() {
            // The stream may have ended.
            let _ = answers.send((self.tag, outcome));
        }
    }

    /// Whether nobody waits for any answer of this stream any more.
    pub fn is_abandoned(&self) -> bool {
        self.answers.as_ref().is_none_or(UnboundedSender::is_closed)
    }
}

impl<T: Twin> Drop for Ticket<T> {
    fn drop(&mut self) {
        if let Some(answers) = self.answers.take() {
            let _ = answers.send((self.tag, Err(Lost::Dropped.into())));
        }
    }
}
