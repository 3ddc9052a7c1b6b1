//! Bounds of a client.

use std::time::Duration;

/// Longest deadline the ledger takes from one message.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// Bytes of a message on the stream besides its command: the deadline with its key.
pub(crate) const FRAME_BYTES: usize = 11;

/// Bounds of a client.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Commands on their way at once. The ledger reads no more than 1024 of one stream, so more only wait elsewhere.
    pub in_flight_max: usize,
    /// Calls that wait for their turn beyond those; further ones wait to wait.
    pub queue_max: usize,
    /// How long a call may take, reconnecting and asking again included.
    pub deadline: Duration,
    /// Wait before the first new try to connect; doubled with each further one.
    pub backoff_first: Duration,
    /// Longest wait between two tries.
    pub backoff_max: Duration,
    /// Longest wait for the stream to open.
    pub connect_max: Duration,
    /// Largest message in bytes, as the ledger is configured (`service.max_message_bytes`): a larger one would end the
    /// stream for all, so it is refused here.
    pub message_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight_max: 1_024,
            queue_max: 1_024,
            deadline: Duration::from_secs(10),
            backoff_first: Duration::from_millis(20),
            backoff_max: Duration::from_secs(1),
            connect_max: Duration::from_secs(5),
            message_bytes_max: 4 * 1_024 * 1_024,
        }
    }
}

impl Options {
    /// The wait before the next try after `failures` of them, shortened by up to a quarter, so that many clients do
    /// not come back at the same moment.
    pub(crate) fn backoff(&self, failures: u32, random: u8) -> Duration {
        let wait = self.backoff_first.saturating_mul(1 << failures.min(16)).min(self.backoff_max);
        wait - wait / 1_024 * u32::from(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let options = Options::default();
        assert_eq!(options.backoff(0, 0), Duration::from_millis(20));
        assert_eq!(options.backoff(2, 0), Duration::from_millis(80));
        assert_eq!(options.backoff(u32::MAX, 0), Duration::from_secs(1));
        let shortened = options.backoff(u32::MAX, u8::MAX);
        assert!(shortened > Duration::from_millis(740) && shortened < Duration::from_millis(760));
    }
}
