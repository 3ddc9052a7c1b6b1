//! Bodies with bounds: requests whose messages may not be larger than configured, and answers that end when the
//! caller's deadline passes or the process stops.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::Shared;
use super::refusal::Refusal;
use crate::deadline::Deadline;
use crate::error;

/// Length of the head of a gRPC message: a flag and four bytes of length.
const HEAD_BYTES: usize = 5;

/// A request body that refuses a message by its head, before any of it is kept.
pub(super) struct Bounded<B> {
    inner: B,
    max: usize,
    head: [u8; HEAD_BYTES],
    /// Bytes of the head seen so far.
    seen: usize,
    /// Bytes of the current message still to come.
    left: usize,
}

impl<B> Bounded<B> {
    pub(super) fn new(inner: B, max: usize) -> Self {
        Self { inner, max, head: [0; HEAD_BYTES], seen: 0, left: 0 }
    }

    /// Follows the messages through a piece of the body.
    fn check(&mut self, mut piece: &[u8]) -> Result<(), Refusal> {
        while !piece.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(piece.len());
                self.left -= passed;
                piece = &piece[passed..];
                continue;
            }
            self.head[self.seen] = piece[0];
            piece = &piece[1..];
            self.seen += 1;
            if self.seen == HEAD_BYTES {
                let [_, a, b, c, d] = self.head;
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                if length > self.max {
                    return Err(Refusal::TooLarge { max: self.max });
                }
                (self.seen, self.left) = (0, length);
            }
        }
        Ok(())
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Bounded<B>
where
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let checked = frame.data_ref().map_or(Ok(()), |piece| self.check(piece));
                Poll::Ready(Some(checked.map(|()| frame).map_err(|refusal| error::status(&refusal))))
            }
            Poll::Ready(Some(Err(failure))) => Poll::Ready(Some(Err(Status::from_error(failure.into())))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body that ends with a reason of ours when its time is over.
pub(super) struct Ending {
    inner: Body,
    deadline: Option<Deadline>,
    shared: Arc<Shared>,
    /// Made when the body first has to wait: the answer of an ordinary call never does.
    over: Option<Pin<Box<dyn Future<Output = Refusal> + Send>>>,
    done: bool,
}

impl Ending {
    pub(super) fn new(inner: Body, deadline: Option<Deadline>, shared: Arc<Shared>) -> Self {
        Self { inner, deadline, shared, over: None, done: false }
    }
}

async fn over(deadline: Option<Deadline>, shared: Arc<Shared>) -> Refusal {
    let expired = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.instant()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = expired => Refusal::Expired,
        () = shared.streams_end() => Refusal::Stopping,
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.done {
            return Poll::Ready(None);
        }
        // The end comes first: a stream that always has more must end as well.
        if let Some(over) = &mut self.over
            && let Poll::Ready(refusal) = over.as_mut().poll(cx)
        {
            return self.end(&refusal);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending if self.over.is_none() => {
                let mut waiting = Box::pin(over(self.deadline, Arc::clone(&self.shared)));
                match waiting.as_mut().poll(cx) {
                    Poll::Ready(refusal) => self.end(&refusal),
                    Poll::Pending => {
                        self.over = Some(waiting);
                        Poll::Pending
                    }
                }
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Ending {
    fn end(&mut self, refusal: &Refusal) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.done = true;
        // The handler's stream ends now, not when the peer has read the trailers.
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        let status = error::status(refusal);
        Poll::Ready(Some(match status.add_header(&mut trailers) {
            Ok(()) => Ok(Frame::trailers(trailers)),
            Err(status) => Err(status),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.resize(HEAD_BYTES + length, 7);
        bytes
    }

    proptest! {
        /// However the network cuts the body into pieces, the first message above the bound is seen, and no other.
        #[test]
        fn messages_are_followed_over_any_pieces(
            lengths in prop::collection::vec(0_usize..40, 1..6),
            max in 0_usize..40,
            piece in 1_usize..50,
        ) {
            let body: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let mut bounded = Bounded::new((), max);
            let outcome = body.chunks(piece).try_for_each(|chunk| bounded.check(chunk));
            let wanted = if lengths.iter().any(|length| *length > max) {
                Err(Refusal::TooLarge { max })
            } else {
                Ok(())
            };
            prop_assert_eq!(outcome, wanted);
        }
    }

    #[test]
    fn a_head_that_promises_too_much_is_refused_before_its_message_comes() {
        let mut bounded = Bounded::new((), 1_024);
        assert_eq!(bounded.check(&[0, 0xff, 0xff, 0xff, 0xff]), Err(Refusal::TooLarge { max: 1_024 }));
    }
}
