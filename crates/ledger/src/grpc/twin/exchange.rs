//! One stream: what is ready is read, what is decided is answered.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bursar_ledger_engine::MAX_BATCH;
use bursar_service::deadline::Deadline;
use bursar_service::{error, parse};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, Streaming};

use super::slots::Slots;
use super::{Conclusion, Incoming, Later, Twin, Work, concluded};
use crate::error::LedgerError;
use crate::writer::{Group, Many, Said, Tagged};

/// Commands of one stream that are not answered; beyond them the stream is not read. That is the flow control: HTTP/2
/// holds the sender up.
const IN_FLIGHT_MAX: usize = 1_024;
/// Longest life of a command on the stream.
const DEADLINE_MS_MAX: i32 = 60_000;
/// Transfers that go to the writer in one piece: as many as one bulk.
const GROUP_TRANSFERS_MAX: usize = MAX_BATCH;
/// Groups of answers that are taken at once.
const GROUPS_MAX: usize = 64;

/// A stream of answers to a stream of commands.
pub(in crate::grpc) struct Exchange<T: Twin> {
    twin: Arc<T>,
    /// `None` once no more are read.
    messages: Option<Streaming<T::Message>>,
    /// What broke the messages off: told once all that was read is answered.
    broken: Option<Status>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    slots: Slots<T::Kept>,
    reply: UnboundedSender<Group>,
    replies: UnboundedReceiver<Group>,
    /// Commands that wait for something else than the writer.
    slow: FuturesUnordered<BoxFuture<'static, (u32, Result<T::Outcome, LedgerError>)>>,
    /// Rings when the first deadline passes.
    alarm: Pin<Box<Sleep>>,
    alarm_at: Option<Instant>,
    answers: VecDeque<T::Response>,
}

/// Commands that were read together and go to the writer in one piece.
#[derive(Default)]
struct Gathered {
    orders: Vec<Tagged>,
    transfers: usize,
}

// Nothing in it is pinned in place.
impl<T: Twin> Unpin for Exchange<T> {}

impl<T: Twin> Exchange<T> {
    /// Answers `messages` until they end, or until the process drains.
    pub(in crate::grpc) fn new(
        twin: Arc<T>,
        messages: Streaming<T::Message>,
        draining: CancellationToken,
    ) -> Self {
        let (reply, replies) = unbounded_channel();
        Self {
            twin,
            messages: Some(messages),
            broken: None,
            draining: Box::pin(draining.cancelled_owned()),
            slots: Slots::new(IN_FLIGHT_MAX),
            reply,
            replies,
            slow: FuturesUnordered::new(),
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
        let mut gathered = Gathered::default();
        for count in 0..T::GROUP_MAX {
            let Some(messages) = &mut self.messages else { break };
            if !self.slots.has_room() || gathered.transfers >= GROUP_TRANSFERS_MAX {
                break;
            }
            match messages.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => self.accept(message, now, &mut gathered),
                Poll::Ready(Some(Err(status))) => {
                    self.broken = Some(status);
                    self.messages = None;
                }
                Poll::Ready(None) => self.messages = None,
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        self.decide(gathered);
        Poll::Ready(())
    }

    fn accept(&mut self, message: T::Message, now: Instant, gathered: &mut Gathered) {
        let Incoming { request_id, deadline_ms, work } = self.twin.read(message);
        let deadline_ms = parse::number("deadline_ms", deadline_ms, 1..=DEADLINE_MS_MAX);
        let (deadline_ms, work) = match (deadline_ms, work) {
            (Ok(deadline_ms), Ok(work)) => (deadline_ms, work),
            (Err(wrong), _) => return self.answer(request_id, Err(wrong.into())),
            (_, Err(error)) => return self.answer(request_id, Err(error)),
        };
        let deadline = now + Duration::from_millis(deadline_ms.unsigned_abs().into());
        self.ring_at(deadline);
        match work {
            Work::Decide(order, kept) => {
                let transfers = order.transfers();
                if gathered.transfers + transfers > GROUP_TRANSFERS_MAX {
                    self.decide(std::mem::take(gathered));
                }
                gathered.transfers += transfers;
                let tag = self.slots.put(request_id, Some(kept), deadline);
                gathered.orders.push(Tagged { tag, order, deadline });
            }
            Work::Later(later) => {
                let tag = self.slots.put(request_id, None, deadline);
                self.wait(tag, deadline, later);
            }
        }
    }

    fn decide(&self, gathered: Gathered) {
        if !gathered.orders.is_empty() {
            self.twin.handle().submit_many(Many::new(gathered.orders, self.reply.clone()));
        }
    }

    /// Waits for the outcome of a command within its deadline; what was begun about it is not undone.
    fn wait(&self, tag: u32, deadline: Instant, later: Later<T::Outcome>) {
        let deadline = Deadline::after(deadline.saturating_duration_since(Instant::now()));
        self.slow.push(Box::pin(async move {
            let outcome = deadline.bound(later).await;
            (tag, outcome.unwrap_or(Err(LedgerError::DeadlineExceeded)))
        }));
    }

    /// Takes what the writer says. Pending: nothing.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut groups = Vec::new();
        ready!(self.replies.poll_recv_many(cx, &mut groups, GROUPS_MAX));
        for (tag, said) in groups.into_iter().flatten() {
            // Each command is told of once.
            let Some((kept, deadline)) = self.slots.take_kept(tag) else { continue };
            let said = match said {
                Ok(Said::Answer(answer)) => Ok(answer),
                Err(error) => Err(error),
                Ok(Said::LookUp(order)) => {
                    let twin = Arc::clone(&self.twin);
                    let later: Later<T::Outcome> = Box::pin(async move {
                        let said = twin.handle().look_up(order).await;
                        concluded(twin, kept, said).await
                    });
                    self.wait(tag, deadline, later);
                    continue;
                }
            };
            match self.twin.conclude(kept, said) {
                Conclusion::Now(outcome) => self.finish(tag, outcome),
                Conclusion::Later(later) => self.wait(tag, deadline, later),
            }
        }
        Poll::Ready(())
    }

    /// Takes what was waited for. Pending: nothing.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.slow.is_empty() {
            return Poll::Pending;
        }
        if let Some((tag, outcome)) = ready!(self.slow.poll_next_unpin(cx)) {
            self.finish(tag, outcome);
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
            self.answer(request_id, Err(LedgerError::DeadlineExceeded));
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

    fn finish(&mut self, tag: u32, outcome: Result<T::Outcome, LedgerError>) {
        if let Some(request_id) = self.slots.done(tag) {
            self.answer(request_id, outcome);
        }
    }

    fn answer(&mut self, request_id: String, outcome: Result<T::Outcome, LedgerError>) {
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
            let mut moved = this.poll_replies(cx).is_ready();
            moved |= this.poll_slow(cx).is_ready();
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
