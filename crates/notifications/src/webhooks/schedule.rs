//! When a delivery is tried again.

use std::time::Duration;

use bursar_types::{Entropy, Timestamp};

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

/// What an endpoint may put an attempt off for by `Retry-After`, at any step of the schedule; twice the step if that is
/// longer.
const ASKED_MAX: Duration = Duration::from_secs(HOUR);

/// Wait after the failed attempt number `attempts` (1 for the first); `None`: it was the last. Never shorter than the
/// schedule says, or than the endpoint `asked` within reason, and up to a fifth longer.
pub fn wait_after(attempts: i64, asked: Option<Duration>, entropy: &dyn Entropy) -> Option<Duration> {
    let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let step = Duration::from_secs(*WAITS.get(index)?);
    let wait = asked.map_or(step, |asked| asked.clamp(step, ASKED_MAX.max(step * 2)));
    let mut random = [0_u8; 4];
    entropy.fill(&mut random);
    let share = u64::from(u32::from_le_bytes(random)) * 1_000 / (1 << 32);
    let most = u64::try_from((wait / JITTER_PARTS).as_millis()).unwrap_or(u64::MAX);
    Some(wait + Duration::from_millis(most.saturating_mul(share) / 1_000))
}

/// What a `Retry-After` header asks for (RFC 9110 §10.2.3): seconds, or a date. `None`: it cannot be read.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Timestamp::from_micros(date.as_microsecond()).since(now))
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
                let wait = wait_after(attempts, None, &entropy).unwrap();
                assert!(wait >= least && wait <= least + least / JITTER_PARTS, "{attempts}: {wait:?}");
            }
        }
        assert_eq!(wait_after(ATTEMPTS_MAX, None, &entropy), None);
        assert_eq!(wait_after(ATTEMPTS_MAX + 1, None, &entropy), None);
    }

    #[test]
    fn waits_differ_so_that_endpoints_are_not_called_together() {
        let entropy = SeededEntropy::new(1);
        let waits: std::collections::HashSet<_> = (0..20).map(|_| wait_after(4, None, &entropy)).collect();
        assert!(waits.len() > 15);
    }

    #[test]
    fn what_an_endpoint_asks_for_is_honoured_within_reason() {
        let entropy = SeededEntropy::new(1);
        let asked = |attempts, seconds| {
            let wait = wait_after(attempts, Some(Duration::from_secs(seconds)), &entropy).unwrap();
            wait.as_secs()
        };
        assert_eq!(asked(1, 1), 5, "never sooner than the schedule");
        assert!((60..=72).contains(&asked(1, 60)));
        assert!((3_600..=4_320).contains(&asked(1, 86_400)), "an hour at most");
        assert!((4 * HOUR..=5 * HOUR).contains(&asked(4, 1_000_000)), "or twice the step");
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let now = Timestamp::from_micros(784_111_777_000_000); // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:40:00 GMT", now), Some(Duration::ZERO));
        for odd in ["", "soon", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(retry_after(odd, now), None, "{odd}");
        }
    }
}
