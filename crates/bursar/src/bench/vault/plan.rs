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
    pub(super) issue: Turns,
    pub(super) open: Turns,
    /// Rounds of the rewrap, and records that are moved in each.
    pub(super) rewrap_rounds: usize,
    pub(super) rewrap_records: u64,
    /// Rounds of the growth, and cards there are at its beginning and at its end.
    pub(super) growth: Turns,
    pub(super) growth_from: u64,
    pub(super) growth_to: u64,
}

const fn turns(rounds: usize, milliseconds: u64) -> Turns {
    Turns { rounds, length: Duration::from_millis(milliseconds) }
}

impl Plan {
    /// Within a minute.
    pub(super) const QUICK: Self = Self {
        calls: turns(3, 1_500),
        stream: turns(3, 1_000),
        issue: turns(3, 1_000),
        open: turns(5, 100),
        rewrap_rounds: 3,
        rewrap_records: 10_000,
        growth: turns(3, 1_000),
        growth_from: 10_000,
        growth_to: 200_000,
    };

    /// Within ten minutes, but for the growth, which takes what it takes.
    pub(super) const FULL: Self = Self {
        calls: turns(7, 4_000),
        stream: turns(7, 3_000),
        issue: turns(7, 3_000),
        open: turns(9, 500),
        rewrap_rounds: 5,
        rewrap_records: 100_000,
        growth: turns(5, 4_000),
        growth_from: 10_000,
        growth_to: 10_000_000,
    };
}
