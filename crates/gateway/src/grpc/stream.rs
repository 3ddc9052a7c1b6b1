//! Calls that share one stream: a message a call, answered in any order. A message costs a small part of what a call does.
//! When the stream breaks, what waited is told so, and the next call opens another.

use std::collections::HashMap;
use std::time::Duration;

use bursar_service::Supervisor;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Messages on their way; the next call waits.
const IN_FLIGHT_MAX: usize = 1_024;
/// Longest wait for a stream to open.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// Wait after a stream could not be opened.
const OPEN_AGAIN: Duration = Duration::from_millis(20);

/// A method that is served on a stream.
pub(super) trait Twin: Send + Sync + 'static {
    type Ask: Send + 'static;
    type Reply: Send + 'static;

    /// Opens a stream.
    fn open(
        &self,
        asks: ReceiverStream<Self::Ask>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Reply>, Status>>;

    /// Whose reply it is.
    fn id(reply: &Self::Reply) -> &str;
}

/// A call that waits.
struct Item<T: Twin> {
    id: String,
    ask: T::Ask,
    reply: oneshot::Sender<Result<T::Reply, Status>>,
}

/// Makes calls over the stream. Clones share it.
pub(super) struct Shared<T: Twin> {
    items: mpsc::Sender<Item<T>>,
}

impl<T: Twin> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone() }
    }
}

impl<T: Twin> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl<T: Twin> Shared<T> {
    /// Over streams of `twin`; the first is opened by the first call.
    pub(super) fn new(twin: T, supervisor: &Supervisor) -> Self {
        let (items, waiting) = mpsc::channel(IN_FLIGHT_MAX);
        supervisor.spawn_once("stream", serve(twin, waiting));
        Self { items }
    }

    /// The reply to `ask`, which is known by `id`. Two of the same id at once get one reply between them: the second waits
    /// for it too.
    ///
    /// # Errors
    /// `UNAVAILABLE` if the stream broke: the call may have been made.
    pub(super) async fn ask(&self, id: String, ask: T::Ask) -> Result<T::Reply, Status> {
        let (reply, answer) = oneshot::channel();
        let gone = || Status::unavailable("the stream broke before the answer came");
        self.items.send(Item { id, ask, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

type Waiting<R> = HashMap<String, Vec<oneshot::Sender<Result<R, Status>>>>;

/// Serves calls until the last [`Shared`] is gone.
async fn serve<T: Twin>(twin: T, mut items: mpsc::Receiver<Item<T>>) {
    while let Some(first) = items.recv().await {
        let (asks, outgoing) = mpsc::channel(IN_FLIGHT_MAX);
        let mut waiting: Waiting<T::Reply> = HashMap::new();
        put(&mut waiting, &asks, first).await;
        let opened = tokio::time::timeout(OPEN_MAX, twin.open(ReceiverStream::new(outgoing))).await;
        let opened = opened.unwrap_or_else(|_| Err(Status::unavailable("the stream did not open in time")));
        let broken = match opened {
            Ok(replies) => carry::<T>(&mut items, &asks, replies, &mut waiting).await,
            Err(status) => {
                tokio::time::sleep(OPEN_AGAIN).await;
                Some(status)
            }
        };
        let Some(broken) = broken else { return };
        for sender in waiting.into_values().flatten() {
            let _ = sender.send(Err(broken.clone()));
        }
    }
}

async fn put<T: Twin>(waiting: &mut Waiting<T::Reply>, asks: &mpsc::Sender<T::Ask>, item: Item<T>) {
    let Item { id, ask, reply } = item;
    // Nobody waits any more: what was not asked need not be.
    if reply.is_closed() {
        return;
    }
    let known = waiting.entry(id).or_default();
    // Who stopped waiting makes room for nobody: what was asked is asked.
    known.retain(|sender| !sender.is_closed());
    known.push(reply);
    // If the stream has ended, the end is about to be seen.
    let _ = asks.send(ask).await;
}

/// Carries calls and replies until the stream breaks; `None` if nobody can call any more.
async fn carry<T: Twin>(
    items: &mut mpsc::Receiver<Item<T>>,
    asks: &mpsc::Sender<T::Ask>,
    mut replies: Streaming<T::Reply>,
    waiting: &mut Waiting<T::Reply>,
) -> Option<Status> {
    loop {
        tokio::select! {
            // Replies first: they make room.
            biased;
            reply = replies.next() => match reply {
                Some(Ok(reply)) => {
                    let Some(senders) = waiting.get_mut(T::id(&reply)) else { continue };
                    // Each ask has a reply of its own; the oldest that still waits gets it.
                    let next = (!senders.is_empty()).then(|| senders.remove(0));
                    if senders.is_empty() {
                        waiting.remove(T::id(&reply));
                    }
                    if let Some(sender) = next {
                        let _ = sender.send(Ok(reply));
                    }
                }
                Some(Err(status)) => return Some(status),
                None => return Some(Status::unavailable("the stream ended")),
            },
            item = items.recv(), if waiting.len() < IN_FLIGHT_MAX => match item {
                Some(item) => put(waiting, asks, item).await,
                None => return None,
            },
        }
    }
}
