//! Whose turn it is: what is known in memory of each endpoint's deliveries. Pure, so that it can be tested without a
//! database.
//!
//! Each endpoint is a lane with a cap and, if it asks for one, a rate of its own, and lanes take turns, so that a dead
//! or slow endpoint holds up nothing but itself. An endpoint that failed last time gets one delivery at a time until it
//! answers again. A lane holds a page of what is due, however much waits in the table.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, WebhookEndpointId};
use tokio::time::Instant;

use super::book::{Open, Snapshot};
use crate::store::deliveries::Due;

/// Deliveries of a lane that are read at once, if few lanes have any.
const PAGE_MAX: usize = 64;
/// And if many have.
const PAGE_MIN: usize = 8;
/// Deliveries that all lanes together hold ready, as far as [`PAGE_MIN`] allows: what a backlog takes of memory.
const READY_MAX: usize = 4_096;
/// A rate may be exceeded for so long after a pause: timers are not exact.
const BURST: Duration = Duration::from_millis(100);

/// Most attempts under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In all.
    pub(super) total: usize,
    /// To one endpoint.
    pub(super) per_endpoint: usize,
}

struct Lane {
    open: Arc<Open>,
    /// Read and not begun.
    ready: VecDeque<Due>,
    /// Read and not written down: what the table still calls due, and must not be begun twice.
    held: HashSet<DeliveryId>,
    in_flight: usize,
    failing: bool,
    failing_since: Option<Timestamp>,
    /// Whether the table may hold more that is due.
    more: bool,
    in_rotation: bool,
    /// Whether its endpoint is about to be disabled.
    stopped: bool,
    /// When the next attempt may begin, where the endpoint has a rate.
    not_before: Instant,
}

/// What is wanted of the table: so many deliveries of this endpoint, those that are held included.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) endpoint_id: WebhookEndpointId,
    pub(super) ordered: bool,
    pub(super) limit: usize,
}

/// What is to be done next.
pub(super) enum Next {
    /// This.
    Start(Arc<Open>, Due),
    /// Nothing before this moment, as far as rates go.
    Wait(Instant),
    /// Nothing until something changes.
    Nothing,
}

/// All lanes.
pub(super) struct Lanes {
    room: Room,
    lanes: HashMap<WebhookEndpointId, Lane>,
    /// Lanes that have something ready, in the order of their turns.
    rotation: VecDeque<WebhookEndpointId>,
    in_flight: usize,
    /// Whether the table is being read, and what was written down meanwhile: the reader may not have seen it.
    reading: bool,
    written_meanwhile: HashSet<DeliveryId>,
}

impl Lanes {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            lanes: HashMap::new(),
            rotation: VecDeque::new(),
            in_flight: 0,
            reading: false,
            written_meanwhile: HashSet::new(),
        }
    }

    /// Attempts under way.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Something may be due at this endpoint.
    pub(super) fn touch(&mut self, id: WebhookEndpointId, snapshot: &Snapshot) {
        let Some(open) = snapshot.endpoints.get(&id).filter(|open| !open.disabled) else { return };
        let lane = self.lanes.entry(id).or_insert_with(|| Lane::new(Arc::clone(open)));
        lane.more = !lane.stopped;
    }

    /// Nothing more goes to this endpoint until it is known to be disabled, and enabled again.
    pub(super) fn stop(&mut self, id: WebhookEndpointId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.clear();
            lane.stopped = true;
        }
    }

    /// Takes what is newly known of endpoints. Those that get nothing any more give up what is ready.
    pub(super) fn take_over(&mut self, snapshot: &Snapshot) {
        for (id, lane) in &mut self.lanes {
            match snapshot.endpoints.get(id) {
                Some(open) if !open.disabled => lane.open = Arc::clone(open),
                _ => {
                    lane.clear();
                    lane.stopped = false;
                }
            }
        }
        let listed = |id: &WebhookEndpointId| snapshot.endpoints.get(id).is_some_and(|open| !open.disabled);
        self.lanes.retain(|id, lane| lane.in_flight > 0 || !lane.held.is_empty() || listed(id));
    }

    /// What should be read from the table now. Call [`loaded`](Self::loaded) for each, then [`read`](Self::read).
    pub(super) fn wanted(&mut self) -> Vec<Wanted> {
        let hungry =
            |lane: &Lane| lane.more && lane.ready.len() < PAGE_MIN.max(lane.cap(self.room.per_endpoint));
        let busy = self.lanes.values().filter(|lane| lane.more || !lane.ready.is_empty()).count();
        let page = (READY_MAX / busy.max(1)).clamp(PAGE_MIN, PAGE_MAX);
        let wanted: Vec<Wanted> = self
            .lanes
            .iter()
            .filter(|(_, lane)| hungry(lane))
            .map(|(id, lane)| Wanted {
                endpoint_id: *id,
                ordered: lane.open.ordered,
                limit: page + lane.held.len(),
            })
            .collect();
        self.reading = !wanted.is_empty();
        wanted
    }

    /// What the table had.
    pub(super) fn loaded(&mut self, wanted: &Wanted, found: Vec<Due>) {
        let Some(lane) = self.lanes.get_mut(&wanted.endpoint_id) else { return };
        if lane.stopped {
            return;
        }
        // Of an ordered lane more comes into view only when something is written down.
        lane.more = !wanted.ordered && found.len() == wanted.limit;
        for due in found {
            if !self.written_meanwhile.contains(&due.id) && lane.held.insert(due.id) {
                lane.ready.push_back(due);
            }
        }
        if !lane.ready.is_empty() && !lane.in_rotation {
            lane.in_rotation = true;
            self.rotation.push_back(wanted.endpoint_id);
        }
    }

    /// The table was read, or could not be: then what was wanted still is.
    pub(super) fn read(&mut self) {
        self.reading = false;
        self.written_meanwhile.clear();
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        if self.in_flight >= self.room.total {
            return Next::Nothing;
        }
        let mut wait: Option<Instant> = None;
        for _ in 0..self.rotation.len() {
            let Some(id) = self.rotation.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let cap = lane.cap(self.room.per_endpoint);
            if lane.ready.is_empty() || lane.in_flight >= cap {
                // It comes back when something is read, or ends.
                lane.in_rotation = false;
                continue;
            }
            if lane.not_before > now {
                wait = Some(wait.map_or(lane.not_before, |wait| wait.min(lane.not_before)));
                self.rotation.push_back(id);
                continue;
            }
            let Some(due) = lane.ready.pop_front() else { continue };
            lane.started(now);
            self.in_flight += 1;
            lane.in_rotation = !lane.ready.is_empty() && lane.in_flight < cap;
            if lane.in_rotation {
                self.rotation.push_back(id);
            }
            return Next::Start(Arc::clone(&lane.open), due);
        }
        wait.map_or(Next::Nothing, Next::Wait)
    }

    /// An attempt came to its end, well or not.
    pub(super) fn ended(&mut self, id: WebhookEndpointId, well: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.failing = !well;
        if !lane.in_rotation && !lane.ready.is_empty() {
            lane.in_rotation = true;
            self.rotation.push_back(id);
        }
    }

    /// What came of an attempt is in the table; or the attempt is lost, and the table says so.
    pub(super) fn written(&mut self, id: WebhookEndpointId, delivery_id: DeliveryId) {
        if self.reading {
            self.written_meanwhile.insert(delivery_id);
        }
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.held.remove(&delivery_id);
        // The next of its subject may go.
        lane.more |= lane.open.ordered && !lane.stopped;
    }

    /// Since when nothing but failures came from this endpoint.
    pub(super) fn failing_since(&self, id: WebhookEndpointId) -> Option<Timestamp> {
        self.lanes.get(&id).and_then(|lane| lane.failing_since)
    }

    /// Notes since when nothing but failures came.
    pub(super) fn set_failing_since(&mut self, id: WebhookEndpointId, since: Option<Timestamp>) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.failing_since = since;
        }
    }
}

impl Lane {
    fn new(open: Arc<Open>) -> Self {
        Self {
            failing_since: open.failing_since,
            open,
            ready: VecDeque::new(),
            held: HashSet::new(),
            in_flight: 0,
            failing: false,
            more: false,
            in_rotation: false,
            stopped: false,
            not_before: Instant::now(),
        }
    }

    fn cap(&self, configured: usize) -> usize {
        match (self.failing, self.open.concurrency) {
            (true, _) => 1,
            (false, 0) => configured,
            (false, own) => own,
        }
    }

    fn started(&mut self, now: Instant) {
        self.in_flight += 1;
        if self.open.rate_per_second > 0 {
            let interval = Duration::from_secs(1) / self.open.rate_per_second;
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            self.not_before = self.not_before.max(earliest) + interval;
        }
    }

    fn clear(&mut self) {
        for due in self.ready.drain(..) {
            self.held.remove(&due.id);
        }
        self.more = false;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bursar_types::id::TypedId as _;
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::webhooks::filter::Filter;

    fn id<I: bursar_types::id::TypedId>(number: u128) -> I {
        I::from_uuid(bursar_types::id::Uuid::from_u128(number))
    }

    fn open(number: u128, ordered: bool, rate_per_second: u32) -> Arc<Open> {
        Arc::new(Open {
            id: id(number),
            uri: None,
            keys: Vec::new(),
            filter: Filter { patterns: Vec::new(), merchant_id: String::new() },
            ordered,
            rate_per_second,
            concurrency: 0,
            disabled: false,
            failing_since: None,
        })
    }

    fn due(number: u128) -> Due {
        Due {
            id: id(number),
            event_id: String::new(),
            event_type: String::new(),
            audience: String::new(),
            attempts: 0,
            schedule_start: 0,
            create_time: Timestamp::from_micros(0),
            body: Bytes::new(),
        }
    }

    fn snapshot(opens: Vec<Arc<Open>>) -> Snapshot {
        let endpoints: BTreeMap<_, _> = opens.into_iter().map(|open| (open.id, open)).collect();
        Snapshot::of(endpoints)
    }

    /// Lanes over a table that is a list: what the dispatcher does, without its database.
    struct Bench {
        lanes: Lanes,
        table: BTreeMap<u128, Vec<u128>>,
        under_way: Vec<(u128, u128)>,
        begun: Vec<(u128, u128)>,
    }

    impl Bench {
        fn new(room: Room, endpoints: u128, each: u128) -> Self {
            let mut lanes = Lanes::new(room);
            let all = snapshot((0..endpoints).map(|n| open(n, false, 0)).collect());
            for n in 0..endpoints {
                lanes.touch(id(n), &all);
            }
            let table = (0..endpoints).map(|n| (n, (0..each).map(|d| n * 1_000_000 + d).collect())).collect();
            Self { lanes, table, under_way: Vec::new(), begun: Vec::new() }
        }

        fn read(&mut self) {
            for wanted in self.lanes.wanted() {
                let number = wanted.endpoint_id.as_uuid().as_u128();
                let found = self.table[&number].iter().take(wanted.limit).map(|d| due(*d)).collect();
                self.lanes.loaded(&wanted, found);
            }
            self.lanes.read();
        }

        fn start(&mut self) {
            while let Next::Start(open, due) = self.lanes.next(Instant::now()) {
                let pair = (open.id.as_uuid().as_u128(), due.id.as_uuid().as_u128());
                self.under_way.push(pair);
                self.begun.push(pair);
            }
        }

        fn end(&mut self, index: usize, well: bool) {
            let (endpoint, delivery) = self.under_way.remove(index);
            self.lanes.ended(id(endpoint), well);
            if well {
                self.table.get_mut(&endpoint).unwrap().retain(|other| *other != delivery);
            }
            self.lanes.written(id(endpoint), id(delivery));
        }
    }

    proptest! {
        #[test]
        fn everything_is_begun_once_and_the_caps_hold(
            steps in proptest::collection::vec((any::<u8>(), any::<u16>()), 1..400),
            total in 1_usize..20,
            per_endpoint in 1_usize..6,
        ) {
            let mut bench = Bench::new(Room { total, per_endpoint }, 5, 30);
            for (step, pick) in steps {
                match step % 3 {
                    0 => bench.read(),
                    1 => bench.start(),
                    _ if !bench.under_way.is_empty() => bench.end(usize::from(pick) % bench.under_way.len(), true),
                    _ => {}
                }
                prop_assert!(bench.under_way.len() <= total);
                for endpoint in 0..5 {
                    let own = bench.under_way.iter().filter(|(e, _)| *e == endpoint).count();
                    prop_assert!(own <= per_endpoint);
                }
            }
            // Left to itself it comes to its end.
            for _ in 0..2_000 {
                bench.read();
                bench.start();
                if !bench.under_way.is_empty() {
                    bench.end(0, true);
                }
            }
            let mut begun = bench.begun.clone();
            begun.sort_unstable();
            begun.dedup();
            prop_assert_eq!(begun.len(), bench.begun.len(), "nothing was begun twice");
            prop_assert_eq!(begun.len(), 150);
        }
    }

    #[test]
    fn lanes_take_turns() {
        let mut bench = Bench::new(Room { total: 10, per_endpoint: 8 }, 5, 100);
        bench.read();
        bench.start();
        for endpoint in 0..5 {
            assert_eq!(bench.under_way.iter().filter(|(e, _)| *e == endpoint).count(), 2, "{endpoint}");
        }
    }

    #[test]
    fn an_endpoint_that_fails_gets_one_at_a_time_until_it_answers() {
        let mut bench = Bench::new(Room { total: 10, per_endpoint: 4 }, 1, 100);
        bench.read();
        bench.start();
        for _ in 0..4 {
            bench.end(0, false);
        }
        bench.start();
        assert_eq!(bench.under_way.len(), 1);
        bench.end(0, true);
        bench.start();
        assert_eq!(bench.under_way.len(), 4);
    }

    #[test]
    fn what_was_written_down_while_the_table_was_read_is_not_begun_again() {
        let mut bench = Bench::new(Room { total: 1, per_endpoint: 1 }, 1, 1);
        bench.read();
        bench.start();
        bench.lanes.touch(id(0), &snapshot(vec![open(0, false, 0)]));
        let wanted = bench.lanes.wanted().remove(0);
        // Read before the end was written down, told after.
        let found = vec![due(0)];
        bench.end(0, true);
        bench.lanes.loaded(&wanted, found);
        bench.lanes.read();
        bench.start();
        assert_eq!(bench.begun.len(), 1);
    }

    #[test]
    fn a_rate_is_kept_and_holds_up_nobody_else() {
        let mut lanes = Lanes::new(Room { total: 1_000, per_endpoint: 1_000 });
        let all = snapshot(vec![open(0, false, 50), open(1, false, 0)]);
        for endpoint in 0..2 {
            lanes.touch(id(endpoint), &all);
        }
        for wanted in lanes.wanted() {
            let first = wanted.endpoint_id.as_uuid().as_u128() * 1_000;
            lanes.loaded(&wanted, (first..first + 60).map(due).collect());
        }
        let (began, mut begun) = (Instant::now(), [0, 0]);
        let mut now = began;
        while begun[0] < 60 {
            match lanes.next(now) {
                Next::Start(open, _) => begun[usize::from(open.rate_per_second == 0)] += 1,
                Next::Wait(until) => now = until,
                Next::Nothing => break,
            }
            if begun[0] == 10 {
                assert_eq!(begun[1], 60, "the other does not wait");
            }
        }
        let took = now - began;
        assert!((1_070..1_200).contains(&took.as_millis()), "60 at 50 a second took {took:?}");
    }
}
