//! The calls that wait for their answers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::stream_transfers_request::Command;
use bursar_proto::ledger::v1::stream_transfers_response::Result as Outcome;
use bursar_types::RequestId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::come_again;
use crate::options::DEADLINE_MAX;
use crate::{Failure, Options};

/// Waits between tries of one command double from here, where the ledger asks for no longer one.
const AGAIN_FIRST: Duration = Duration::from_millis(5);
/// And up to here.
const AGAIN_MAX: Duration = Duration::from_millis(500);

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) id: RequestId,
    pub(crate) command: Command,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<Outcome, Failure>>,
}

/// A command that is on its way, or is to be sent again.
#[derive(Debug)]
struct Current {
    ask: Ask,
    /// Commands are sent again in the order they came.
    order: u64,
    /// How often the ledger said "come again".
    tries: u32,
    /// Not to be sent before.
    again_at: Option<Instant>,
    /// Why, in the ledger's word.
    last: String,
}

/// All calls that wait, by request id. Of those with the same one only the first is on its way: answers are told apart
/// by it.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    current: HashMap<RequestId, Current>,
    behind: HashMap<RequestId, VecDeque<Ask>>,
    behind_count: usize,
    next: u64,
    again: BinaryHeap<Reverse<(Instant, RequestId)>>,
    /// No deadline is before.
    earliest: Option<Instant>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.current.len() + self.behind_count
    }

    /// Takes a call; the message to send, unless another with the same id is on its way.
    pub(crate) fn take(&mut self, ask: Ask, now: Instant) -> Option<proto::StreamTransfersRequest> {
        if ask.deadline <= now {
            tell(ask, Err(Failure::late("")));
            return None;
        }
        self.earliest = Some(self.earliest.map_or(ask.deadline, |earliest| earliest.min(ask.deadline)));
        if self.current.contains_key(&ask.id) {
            self.behind.entry(ask.id).or_default().push_back(ask);
            self.behind_count += 1;
            return None;
        }
        let message = message(&ask, now);
        self.next += 1;
        self.current
            .insert(ask.id, Current { ask, order: self.next, tries: 0, again_at: None, last: String::new() });
        Some(message)
    }

    /// Takes an answer; what is to be sent now.
    pub(crate) fn answered(
        &mut self,
        response: proto::StreamTransfersResponse,
        now: Instant,
    ) -> Option<proto::StreamTransfersRequest> {
        let id: RequestId = response.request_id.parse().ok()?;
        let current = self.current.get_mut(&id)?;
        let outcome = match response.result? {
            Outcome::Error(error) => {
                if let Some(wait) = come_again(&error) {
                    current.last = error.reason;
                    let doubled = AGAIN_FIRST.saturating_mul(1 << current.tries.min(16)).min(AGAIN_MAX);
                    let again_at = now + wait.max(doubled);
                    if again_at >= current.ask.deadline {
                        return self.end_late(id, now);
                    }
                    current.tries += 1;
                    current.again_at = Some(again_at);
                    self.again.push(Reverse((again_at, id)));
                    return None;
                }
                Err(error.into())
            }
            outcome => Ok(outcome),
        };
        self.end(id, outcome, now)
    }

    /// Ends a call whose deadline has passed; the message of the one behind it.
    fn end_late(&mut self, id: RequestId, now: Instant) -> Option<proto::StreamTransfersRequest> {
        let late = Failure::late(&self.current.get(&id)?.last);
        self.end(id, Err(late), now)
    }

    /// Answers the call that is on its way; the message of the one behind it.
    fn end(
        &mut self,
        id: RequestId,
        outcome: Result<Outcome, Failure>,
        now: Instant,
    ) -> Option<proto::StreamTransfersRequest> {
        tell(self.current.remove(&id)?.ask, outcome);
        let behind = self.behind.get_mut(&id)?;
        let next = behind.pop_front();
        if behind.is_empty() {
            self.behind.remove(&id);
        }
        let next = next?;
        self.behind_count -= 1;
        self.take(next, now)
    }

    /// When there is something to be done although nothing comes in.
    pub(crate) fn alarm(&self) -> Option<Instant> {
        let again = self.again.peek().map(|Reverse((at, _))| *at);
        self.earliest.into_iter().chain(again).min()
    }

    /// Ends the calls whose deadline has passed; what is to be sent now.
    pub(crate) fn ring(&mut self, now: Instant) -> Vec<proto::StreamTransfersRequest> {
        let mut due = Vec::new();
        if self.earliest.is_some_and(|earliest| earliest <= now) {
            due.extend(self.expire(now));
        }
        while let Some(Reverse((at, id))) = self.again.peek().copied()
            && at <= now
        {
            self.again.pop();
            // It may have ended meanwhile, or have been sent again on a new stream.
            if let Some(current) = self.current.get_mut(&id)
                && current.again_at == Some(at)
            {
                current.again_at = None;
                due.push(message(&current.ask, now));
            }
        }
        due
    }

    fn expire(&mut self, now: Instant) -> Vec<proto::StreamTransfersRequest> {
        for asks in self.behind.values_mut() {
            let (over, kept) = std::mem::take(asks).into_iter().partition(|ask| ask.deadline <= now);
            *asks = kept;
            let over: VecDeque<Ask> = over;
            self.behind_count -= over.len();
            for ask in over {
                tell(ask, Err(Failure::late("")));
            }
        }
        self.behind.retain(|_, asks| !asks.is_empty());
        let over: Vec<RequestId> =
            self.current.values().filter(|c| c.ask.deadline <= now).map(|c| c.ask.id).collect();
        let next = over.into_iter().filter_map(|id| self.end_late(id, now)).collect();
        let current = self.current.values().map(|current| current.ask.deadline);
        self.earliest = current.chain(self.behind.values().flatten().map(|ask| ask.deadline)).min();
        next
    }

    /// Everything that is to be sent on a new stream, in the order it came. Calls that nobody waits for are forgotten.
    pub(crate) fn all(&mut self, now: Instant) -> Vec<proto::StreamTransfersRequest> {
        let gone: Vec<RequestId> =
            self.current.values().filter(|c| c.ask.reply.is_closed()).map(|c| c.ask.id).collect();
        for id in gone {
            self.end(id, Err(Failure::Ended), now);
        }
        let mut current: Vec<&Current> = self.current.values().filter(|c| c.again_at.is_none()).collect();
        current.sort_unstable_by_key(|current| current.order);
        current.into_iter().map(|current| message(&current.ask, now)).collect()
    }

    /// Ends all of them alike.
    pub(crate) fn end_all(&mut self, failure: &Failure) {
        for (_, current) in self.current.drain() {
            tell(current.ask, Err(failure.clone()));
        }
        for ask in self.behind.drain().flat_map(|(_, asks)| asks) {
            tell(ask, Err(failure.clone()));
        }
        self.behind_count = 0;
        self.again.clear();
        self.earliest = None;
    }

    /// For how many more calls there is room.
    pub(crate) fn room(&self, options: &Options) -> usize {
        options.in_flight_max.max(1).saturating_sub(self.len())
    }
}

fn tell(ask: Ask, outcome: Result<Outcome, Failure>) {
    // The caller may have gone.
    let _ = ask.reply.send(outcome);
}

fn message(ask: &Ask, now: Instant) -> proto::StreamTransfersRequest {
    let left = ask.deadline.saturating_duration_since(now).min(DEADLINE_MAX).as_millis();
    let deadline_ms = i32::try_from(left).unwrap_or(i32::MAX).max(1);
    proto::StreamTransfersRequest { deadline_ms, command: Some(ask.command.clone()) }
}

#[cfg(test)]
mod tests;
