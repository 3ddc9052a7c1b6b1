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
    pub(super) unary: Turns,
    pub(super) stream: Turns,
    pub(super) latency: Turns,
    pub(super) bulk: Turns,
    pub(super) hot: Turns,
    /// How long each candidate is tried where the best of several is looked for.
    pub(super) search: Duration,
    /// Transfers of the whole growth, and how many of them are its beginning and its end.
    pub(super) growth: u64,
    pub(super) growth_part: u64,
    /// Rounds of verification, and transfers that are added before each.
    pub(super) verify_rounds: usize,
    pub(super) verify_part: u64,
    /// Starts, and accounts there are.
    pub(super) starts: usize,
    pub(super) start_accounts: usize,
}

const fn turns(rounds: usize, milliseconds: u64) -> Turns {
    Turns { rounds, length: Duration::from_millis(milliseconds) }
}

impl Plan {
    /// Within a minute.
    pub(super) const QUICK: Self = Self {
        unary: turns(3, 1_000),
        stream: turns(3, 700),
        latency: turns(3, 1_000),
        bulk: turns(3, 700),
        hot: turns(3, 700),
        search: Duration::from_millis(250),
        growth: 1_000_000,
        growth_part: 100_000,
        verify_rounds: 2,
        verify_part: 200_000,
        starts: 3,
        start_accounts: 50_000,
    };

    /// Within ten minutes, but for the growth, which takes what it takes.
    pub(super) const FULL: Self = Self {
        unary: turns(7, 4_000),
        stream: turns(7, 3_000),
        latency: turns(7, 4_000),
        bulk: turns(7, 4_000),
        hot: turns(7, 4_000),
        search: Duration::from_millis(1_000),
        growth: 10_000_000,
        growth_part: 1_000_000,
        verify_rounds: 3,
        verify_part: 1_000_000,
        starts: 5,
        start_accounts: 1_000_000,
    };
}
