//! When a delivery is tried again.

use std::time::Duration;

use bursar_types::Entropy;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Waits after the first, second, … failed attempt, in seconds: the schedule that the Standard Webhooks specification
/// recommends. Ten attempts in some 76 hours outlast a weekend.
const WAITS: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// Attempts of a delivery before it is dead.
pub const ATTEMPTS_MAX: i64 = 1 + WAITS.len() as i64;

/// Most that is added to a wait, in parts of it: a fifth. Endpoints that failed together are not called together.
const JITTER_PARTS: u32 = 5;

/// Wait after the failed attempt number `attempts` (1 for the first); `None`: it was the last. Never shorter than the
/// schedule says, and up to a fifth longer.
pub fn wait_after(attempts: i64, entropy: &dyn Entropy) -> Option<Duration> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let wait = Duration::from_secs(*WAITS.get(index)?);
    let mut random = [0_u8; 4];
    entropy.fill(&mut random);
    let share = u64::from(u32::from_le_bytes(random)) * 1_000 / (1 << 32);
    let most = u64::try_from((wait / JITTER_PARTS).as_millis()).unwrap_or(u64::MAX);
    Some(wait + Duration::from_millis(most.saturating_mul(share) / 1_000))
}

#[cfg(test)]
mod tests {
    use bursar_types::SeededEntropy;

    use super::*;

    #[test]
    fn ten_attempts_at_the_times_of_the_specification() {
        let entropy = SeededEntropy::new(1);
        let hours = |h: u64| Duration::from_secs(h * HOUR);
        let expected = [
            Duration::from_secs(5),
            Duration::from_secs(300),
            Duration::from_secs(1800),
            hours(2),
            hours(5),
            hours(10),
            hours(14),
            hours(20),
            hours(24),
        ];
        for (attempts, least) in (1..).zip(expected) {
            for _ in 0..100 {
                let wait = wait_after(attempts, &entropy).unwrap();
                assert!(wait >= least && wait <= least + least / JITTER_PARTS, "{attempts}: {wait:?}");
            }
        }
        assert_eq!(wait_after(ATTEMPTS_MAX, &entropy), None);
        assert_eq!(wait_after(ATTEMPTS_MAX + 1, &entropy), None);
    }

    #[test]
    fn waits_differ_so_that_endpoints_are_not_called_together() {
        let entropy = SeededEntropy::new(1);
        let waits: std::collections::HashSet<_> = (0..20).map(|_| wait_after(4, &entropy)).collect();
        assert!(waits.len() > 15);
    }
}
