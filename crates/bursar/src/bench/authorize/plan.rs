//! How long and how often each side is measured.

use std::time::Duration;

/// Rounds of one figure, and how long each side is measured in each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) rounds: usize,
    pub(super) length: Duration,
}

/// What a run of the bench does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) calls: Turns,
    pub(super) stream: Turns,
    pub(super) latency: Turns,
    pub(super) decision: Turns,
    pub(super) growth: Turns,
    /// Cards that payments are spread over.
    pub(super) cards: usize,
    /// Cards there are at the end of the growth.
    pub(super) grown: usize,
}

const fn turns(rounds: usize, milliseconds: u64) -> Turns {
    Turns { rounds, length: Duration::from_millis(milliseconds) }
}

impl Plan {
    /// Within a minute.
    pub(super) const QUICK: Self = Self {
        calls: turns(3, 1_000),
        stream: turns(3, 700),
        latency: turns(3, 1_000),
        decision: turns(5, 100),
        growth: turns(3, 1_000),
        cards: 1_000,
        grown: 10_000,
    };

    /// As long as it takes to issue a million cards, and ten minutes.
    pub(super) const FULL: Self = Self {
        calls: turns(7, 4_000),
        stream: turns(7, 3_000),
        latency: turns(7, 4_000),
        decision: turns(9, 500),
        growth: turns(5, 4_000),
        cards: 10_000,
        grown: 1_000_000,
    };
}
