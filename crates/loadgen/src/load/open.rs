//! Calls at moments fixed in advance, whether or not the earlier ones are answered: finds out how long callers wait.

use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::histogram::Histogram;

/// When calls are made: evenly spaced, for a time.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Calls a second; above zero.
    pub rate: f64,
    /// For how long.
    pub length: Duration,
    /// Calls that may be in flight. One that is due beyond it is made late, and charged for its wait all the same.
    pub in_flight_max: usize,
}

impl Schedule {
    /// When the call with this index is due, from the beginning; `None` after the end.
    fn due(&self, index: u32) -> Option<Duration> {
        let due = Duration::try_from_secs_f64(f64::from(index) / self.rate).ok()?;
        (due < self.length).then_some(due)
    }
}

/// Makes a call at each moment of `schedule`, and gives the latencies in nanoseconds, each from the moment its call was
/// due: waiting to be made counts like waiting for the answer ("coordinated omission" leaves it out).
///
/// # Errors
/// The first error of a call; the others are dropped.
///
/// # Panics
/// If a call panics.
pub async fn open_loop<F, E>(schedule: Schedule, mut call: impl FnMut() -> F) -> Result<Histogram, E>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let (sender, mut due) = mpsc::unbounded_channel();
    // A timer of the runtime is right to a millisecond, longer than a call takes; a thread's sleep to some 60 µs.
    let pacer = thread::spawn(move || pace(schedule, &sender));
    let slots = Arc::new(Semaphore::new(schedule.in_flight_max));
    let mut calls = JoinSet::new();
    let mut latencies = Histogram::default();
    let mut all_made = false;
    while !all_made || !calls.is_empty() {
        tokio::select! {
            moment = due.recv(), if !all_made => match moment {
                Some(moment) => {
                    let answer = call();
                    let slots = Arc::clone(&slots);
                    calls.spawn(async move {
                        let _slot = slots.acquire_owned().await;
                        answer.await.map(|()| Instant::elapsed(&moment))
                    });
                }
                None => all_made = true,
            },
            Some(answered) = calls.join_next() => {
                let latency = answered.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
                latencies.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
            }
        }
    }
    // It sent its last moment before the channel closed.
    let _ = pacer.join();
    Ok(latencies)
}

/// Sends each moment when it has come; ends early if nobody listens any more.
fn pace(schedule: Schedule, due: &mpsc::UnboundedSender<Instant>) {
    let began = Instant::now();
    for moment in (0..).map_while(|index| schedule.due(index)) {
        let moment = began + moment;
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        if due.send(moment).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule =
        Schedule { rate: 1_000.0, length: Duration::from_millis(100), in_flight_max: 1_000 };

    #[tokio::test]
    async fn calls_are_made_at_the_rate_whatever_the_answers_do() {
        let began = Instant::now();
        let latencies = open_loop(SCHEDULE, || async { Ok::<_, ()>(()) }).await.unwrap();
        assert_eq!(latencies.count(), 100);
        assert!(began.elapsed() >= Duration::from_millis(99));
    }

    #[tokio::test]
    async fn a_stall_is_charged_to_every_call_it_kept_waiting() {
        let (door, stalled) = (Arc::new(Semaphore::new(1)), Duration::from_millis(60));
        let schedule = Schedule { in_flight_max: 1, ..SCHEDULE };
        let latencies = open_loop(schedule, || {
            let door = Arc::clone(&door);
            async move {
                // Only the first call is slow: whoever measures from the sending finds one slow call in a hundred.
                if let Ok(permit) = door.try_acquire() {
                    permit.forget();
                    tokio::time::sleep(stalled).await;
                }
                Ok::<_, ()>(())
            }
        });
        let latencies = latencies.await.unwrap();
        assert_eq!(latencies.count(), 100);
        // Those due during the stall waited 60 ms, 59 ms and so on: a quarter of all for more than 30 ms.
        assert!(latencies.quantile(0.75) > 30_000_000, "{} ns", latencies.quantile(0.75));
    }

    #[tokio::test]
    async fn an_error_ends_the_run() {
        let ended = open_loop(SCHEDULE, || async { Err::<(), _>("refused") }).await;
        assert_eq!(ended.unwrap_err(), "refused");
    }
}
