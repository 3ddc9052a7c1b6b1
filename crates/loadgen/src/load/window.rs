//! A stream of messages of which so many are under way, each answer making room for the next.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;

#[derive(Debug)]
struct Shared {
    free: AtomicUsize,
    waker: AtomicWaker,
}

/// The side that reads the answers.
#[derive(Debug)]
pub struct Window(Arc<Shared>);

impl Window {
    /// Makes room for `answers` more messages.
    pub fn answered(&self, answers: usize) {
        self.0.free.fetch_add(answers, Ordering::Release);
        self.0.waker.wake();
    }
}

/// The messages: to be given to a client as its stream of requests.
#[derive(Debug)]
pub struct Feed<F> {
    shared: Arc<Shared>,
    next: F,
}

/// A feed that takes messages from `next`, at most `in_flight` more than were [answered](Window::answered). It ends when
/// `next` gives none; that is noticed when there is room.
pub fn window<M, F: FnMut() -> Option<M>>(in_flight: usize, next: F) -> (Feed<F>, Window) {
    let shared = Arc::new(Shared { free: AtomicUsize::new(in_flight), waker: AtomicWaker::new() });
    (Feed { shared: Arc::clone(&shared), next }, Window(shared))
}

impl<M, F: FnMut() -> Option<M> + Unpin> Stream for Feed<F> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<M>> {
        if !self.take() {
            self.shared.waker.register(cx.waker());
            // An answer may have come before the waker was there.
            if !self.take() {
                return Poll::Pending;
            }
        }
        Poll::Ready((self.next)())
    }
}

impl<F> Feed<F> {
    /// Takes a place; this side alone does, so none is taken twice.
    fn take(&self) -> bool {
        let taken = self.shared.free.load(Ordering::Acquire) > 0;
        if taken {
            self.shared.free.fetch_sub(1, Ordering::Acquire);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::task::noop_waker_ref;

    use super::*;

    #[test]
    fn no_more_than_the_window_is_under_way() {
        let mut numbers = 0..5;
        let (mut feed, window) = window(2, move || numbers.next());
        let mut cx = Context::from_waker(noop_waker_ref());
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(Some(0)));
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(Some(1)));
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Pending);
        window.answered(1);
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(Some(2)));
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Pending);
        window.answered(3);
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(Some(3)));
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(Some(4)));
        assert_eq!(feed.poll_next_unpin(&mut cx), Poll::Ready(None));
    }

    #[tokio::test]
    async fn an_answer_wakes_the_feed() {
        let mut numbers = 0..10_000;
        let (mut feed, window) = window(16, move || numbers.next());
        let mut seen = Vec::new();
        let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
        let feeding = async move {
            while let Some(number) = feed.next().await {
                sender.send(number).unwrap();
            }
        };
        let answering = async {
            while let Some(number) = sent.recv().await {
                seen.push(number);
                window.answered(1);
            }
        };
        tokio::join!(feeding, answering);
        assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
    }
}
