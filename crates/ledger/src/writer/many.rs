//! Many commands in one piece of the queue, answered in groups: what a stream gives and gets. One channel for all of
//! them, where a call has one of its own.

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::{Answer, Order, Said};
use crate::error::LedgerError;

/// Answers that became known together, each with its command's tag.
pub(crate) type Group = Vec<(u32, Result<Said, LedgerError>)>;

/// One command of many.
#[derive(Debug)]
pub(crate) struct Tagged {
    /// The sender's name for it.
    pub(crate) tag: u32,
    /// The command.
    pub(crate) order: Order,
    /// A command that is still undecided then is not decided any more.
    pub(crate) deadline: Instant,
}

/// Commands on their way to the writer. Every one is answered, whatever becomes of them: those that are dropped
/// undecided, too.
///
/// The channel is not bounded: its sender bounds the commands that are not answered.
#[derive(Debug)]
pub(crate) struct Many {
    orders: Vec<Tagged>,
    reply: UnboundedSender<Group>,
}

impl Many {
    /// `orders`, whose answers go to `reply`.
    pub(crate) fn new(orders: Vec<Tagged>, reply: UnboundedSender<Group>) -> Self {
        Self { orders, reply }
    }

    /// How many commands these are.
    pub(crate) fn commands(&self) -> usize {
        self.orders.len()
    }

    /// How many transfers they ask for.
    pub(crate) fn transfers(&self) -> usize {
        self.orders.iter().map(|tagged| tagged.order.transfers()).sum()
    }

    /// Answers all of them alike.
    pub(super) fn refuse(mut self, error: impl Fn() -> LedgerError) {
        let tags = self.orders.drain(..).map(|tagged| (tagged.tag, Err(error())));
        send(&self.reply, tags.collect());
    }

    /// Keeps the first `most`; the others are refused for overload.
    pub(super) fn shed_beyond(&mut self, most: usize) {
        if most < self.orders.len() {
            let refused = self.orders.drain(most..).map(|tagged| (tagged.tag, Err(LedgerError::Overloaded)));
            send(&self.reply, refused.collect());
        }
    }

    /// The commands, and what their answers are gathered in.
    pub(super) fn begin(mut self) -> (Vec<Tagged>, Answers) {
        let orders = std::mem::take(&mut self.orders);
        let waiting = Vec::with_capacity(orders.len());
        (orders, Answers { at_once: Vec::new(), waiting, reply: self.reply.clone() })
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        if !self.orders.is_empty() {
            let lost = self.orders.drain(..).map(|tagged| (tagged.tag, Err(LedgerError::OutcomeUnknown)));
            send(&self.reply, lost.collect());
        }
    }
}

/// Answers of a group that is being decided.
pub(super) struct Answers {
    at_once: Group,
    waiting: Vec<(u32, Answer)>,
    reply: UnboundedSender<Group>,
}

impl Answers {
    /// An answer that rests on nothing that is not durable.
    pub(super) fn at_once(&mut self, tag: u32, said: Result<Said, LedgerError>) {
        self.at_once.push((tag, said));
    }

    /// An answer that may be given once the batch is durable.
    pub(super) fn when_durable(&mut self, tag: u32, answer: Answer) {
        self.waiting.push((tag, answer));
    }

    /// Gives the answers that need not wait; the others are owed.
    pub(super) fn owe(self) -> Option<Owed> {
        if !self.at_once.is_empty() {
            send(&self.reply, self.at_once);
        }
        Some(Owed { waiting: self.waiting, reply: self.reply }).filter(|owed| !owed.waiting.is_empty())
    }
}

/// Answers that wait for their batch. Dropped with it, they say that the outcome is not known.
pub(super) struct Owed {
    waiting: Vec<(u32, Answer)>,
    reply: UnboundedSender<Group>,
}

impl Owed {
    /// The batch is durable.
    pub(super) fn give(mut self) {
        let answers = self.waiting.drain(..).map(|(tag, answer)| (tag, Ok(Said::Answer(answer))));
        send(&self.reply, answers.collect());
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            let lost = self.waiting.drain(..).map(|(tag, _)| (tag, Err(LedgerError::OutcomeUnknown)));
            send(&self.reply, lost.collect());
        }
    }
}

fn send(reply: &UnboundedSender<Group>, group: Group) {
    // The stream may have gone; its commands stay, and asking again tells.
    let _ = reply.send(group);
}
