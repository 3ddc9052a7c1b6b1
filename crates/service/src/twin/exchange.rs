//! One stream: what is ready is read, what is done is answered.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, Streaming};

use super::slots::Slots;
use super::{Answer, Incoming, Lost, Ticket, Twin};
use crate::{error, parse};

/// Commands of one stream that are not answered; beyond them the stream is not read. That is the flow control: HTTP/2
/// holds the sender up.
const IN_FLIGHT_MAX: usize = 1_024;
/// Longest life of a command on the stream.
const DEADLINE_MS_MAX: i32 = 60_000;
/// Answers that are taken at once.
const ANSWERS_MAX: usize = 1_024;

/// A stream of answers to a stream of commands.
pub struct Exchange<T: Twin> {
    twin: T,
    /// `None` once no more are read.
    messages: Option<Streaming<T::Message>>,
    /// What broke the messages off: told once all that was read is answered.
    broken: Option<Status>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    slots: Slots,
    done: UnboundedSender<Answer<T>>,
    outcomes: UnboundedReceiver<Answer<T>>,
    /// Rings when the first deadline passes.
    alarm: Pin<Box<Sleep>>,
    alarm_at: Option<Instant>,
    answers: VecDeque<T::Response>,
}

// Nothing in it is pinned in place.
impl<T: Twin> Unpin for Exchange<T> {}

impl<T: Twin> std::fmt::Debug for Exchange<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl<T: Twin> Exchange<T> {
    /// Answers `messages` until they end, or until the process drains.
    pub fn new(twin: T, messages: Streaming<T::Message>, draining: CancellationToken) -> Self {
        let (done, outcomes) = unbounded_channel();
        Self {
            twin,
            messages: Some(messages),
            broken: None,
            draining: Box::pin(draining.cancelled_owned()),
            slots: Slots::new(IN_FLIGHT_MAX),
            done,
            outcomes,
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
            alarm_at: None,
            answers: VecDeque::new(),
        }
    }

    /// Reads what is ready, at most one group. Pending: nothing is.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.messages.is_some() && self.draining.as_mut().poll(cx).is_ready() {
            // A process that stops reads no more; what it has read it answers.
            self.messages = None;
        }
        let now = Instant::now();
        for count in 0..T::GROUP_MAX {
            let Some(messages) = &mut self.messages else { break };
            if !self.slots.has_room() {
                break;
            }
            match messages.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => self.accept(message, now),
                Poll::Ready(Some(Err(status))) => {
                    self.broken = Some(status);
                    self.messages = None;
                }
                Poll::Ready(None) => self.messages = None,
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    fn accept(&mut self, message: T::Message, now: Instant) {
        let Incoming { request_id, deadline_ms, work } = self.twin.read(message);
        let deadline_ms = parse::number("deadline_ms", deadline_ms, 1..=DEADLINE_MS_MAX);
        let (deadline_ms, work) = match (deadline_ms, work) {
            (Ok(deadline_ms), Ok(work)) => (deadline_ms, work),
            (Err(wrong), _) => return self.answer(request_id, Err(wrong.into())),
            (_, Err(error)) => return self.answer(request_id, Err(error)),
        };
        let deadline = now + Duration::from_millis(deadline_ms.unsigned_abs().into());
        self.ring_at(deadline);
        let tag = self.slots.put(request_id, deadline);
        self.twin.begin(work, Ticket { tag, answers: Some(self.done.clone()) });
    }

    /// Takes what was done. Pending: nothing.
    fn poll_outcomes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outcomes = Vec::new();
        ready!(self.outcomes.poll_recv_many(cx, &mut outcomes, ANSWERS_MAX));
        for (tag, outcome) in outcomes {
            if let Some(request_id) = self.slots.done(tag) {
                self.answer(request_id, outcome);
            }
        }
        Poll::Ready(())
    }

    /// Answers those whose time is over. Pending: nobody's is.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm_at.is_none() {
            return Poll::Pending;
        }
        ready!(self.alarm.as_mut().poll(cx));
        let (over, next) = self.slots.expire(Instant::now());
        self.alarm_at = None;
        if let Some(next) = next {
            self.ring_at(next);
        }
        for request_id in over {
            self.answer(request_id, Err(Lost::DeadlineExceeded.into()));
        }
        Poll::Ready(())
    }

    /// Rings at `deadline` at the latest. Deadlines mostly come in their order, so this is rarely more than a look.
    fn ring_at(&mut self, deadline: Instant) {
        if self.alarm_at.is_none_or(|at| deadline < at) {
            self.alarm.as_mut().reset(deadline);
            self.alarm_at = Some(deadline);
        }
    }

    fn answer(&mut self, request_id: String, outcome: Result<T::Outcome, T::Error>) {
        let outcome = outcome.map_err(|error| error::told(&error));
        self.answers.push_back(T::response(request_id, outcome));
    }
}

impl<T: Twin> Stream for Exchange<T> {
    type Item = Result<T::Response, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut read = false;
        loop {
            if let Some(answer) = this.answers.pop_front() {
                return Poll::Ready(Some(Ok(answer)));
            }
            let mut moved = this.poll_outcomes(cx).is_ready();
            moved |= this.poll_alarm(cx).is_ready();
            if !this.answers.is_empty() {
                continue;
            }
            if this.messages.is_none() && this.slots.all_answered() {
                return Poll::Ready(this.broken.take().map(Err));
            }
            if read {
                // One group a turn: others want the processor, too.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if this.messages.is_some() && this.slots.has_room() && this.poll_messages(cx).is_ready() {
                (read, moved) = (true, true);
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }
}
