//! So many calls in flight, each followed by the next: finds out how much a server can do.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// A run that is under way, shared by its workers.
#[derive(Clone, Debug)]
pub struct Run {
    done: Arc<AtomicU64>,
    until: Instant,
}

impl Run {
    /// Whether another call should be made.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Notes that `items` more are done.
    pub fn count(&self, items: u64) {
        self.done.fetch_add(items, Ordering::Relaxed);
    }
}

/// What a run has done, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Items done.
    pub done: u64,
    /// When the run began.
    pub began: Instant,
}

impl Tally {
    /// Items a second from the run's beginning until now: call it when the last effect of the run is there.
    pub fn per_second(&self) -> f64 {
        crate::rounds::float(self.done) / self.began.elapsed().as_secs_f64()
    }
}

/// Runs `in_flight` workers side by side for `length`. A worker makes its calls one after another while
/// [`Run::goes_on`], and [counts](Run::count) what it has done. What was begun within the time is finished and counted.
///
/// # Errors
/// The first error of a worker; the others are dropped.
///
/// # Panics
/// If a worker panics.
pub async fn closed_loop<F, E>(
    in_flight: usize,
    length: Duration,
    mut worker: impl FnMut(Run) -> F,
) -> Result<Tally, E>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    let began = Instant::now();
    let run = Run { done: Arc::default(), until: began + length };
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        workers.spawn(worker(run.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    Ok(Tally { done: run.done.load(Ordering::Relaxed), began })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_worker_works_until_the_time_is_over() {
        let length = Duration::from_millis(30);
        let tally = closed_loop(4, length, |run| async move {
            let mut calls = 0_u64;
            while run.goes_on() {
                tokio::task::yield_now().await;
                run.count(2);
                calls += 1;
            }
            assert!(calls > 0);
            Ok::<_, ()>(())
        });
        let tally = tally.await.unwrap();
        assert!(tally.done >= 8 && tally.done.is_multiple_of(2), "{tally:?}");
        assert!(tally.began.elapsed() >= length);
        assert!(tally.per_second() > 0.0);
    }

    #[tokio::test]
    async fn an_error_ends_the_run() {
        let endless = Duration::from_secs(3600);
        let ended = closed_loop(2, endless, |_| async { Err::<(), _>("refused") }).await;
        assert_eq!(ended.unwrap_err(), "refused");
    }
}
