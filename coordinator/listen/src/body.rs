//! Edges: bodies on their way: a request's with a clock, an answer's in parts that show whether they are taken.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{
    line::{Exchange, Request},
    terms::BodyPace,
};

/// Bytes of an answer that are handed over at a time. The next part is asked for when the client has taken most of those
/// before it.
const ANSWER_PART_BYTES: usize = 64 << 10;

/// Why a request's body is not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It came too slowly.
    #[error(
        "the request's body arrived too slowly ({received} bytes so far); send it again over a better connection"
    )]
    Slow {
        /// Bytes that came.
        received: u64,
    },
    /// The connection failed.
    #[error("the request's body could not be received")]
    Broken(#[from] hyper::Error),
}

/// A request's body.
pub(super) struct RequestBody {
    incoming: Incoming,
    request: Request,
    pace: Option<BodyPace>,
    received: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, mut request: Request, pace: Option<BodyPace>) -> Self {
        if incoming.is_end_stream() {
            request.whole();
        }
        Self { incoming, request, pace, received: 0, waited: Duration::ZERO, waiting: None }
    }

    fn came(&mut self, bytes: usize) {
        self.received += bytes as u64;
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        self.request.moved();
    }

    /// Whether it was waited for long enough.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let Some(pace) = self.pace else { return Poll::Pending };
        let (received, waited) = (self.received, self.waited);
        let wait = || (Instant::now(), Box::pin(sleep(pace.patience(received, waited))));
        let (_, timer) = self.waiting.get_or_insert_with(wait);
        timer.as_mut().poll(context).map(|()| BodyError::Slow { received })
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.came(frame.data_ref().map_or(0, Bytes::len));
                if self.incoming.is_end_stream() {
                    self.request.whole();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                self.request.whole();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_patience(context).map(|slow| Some(Err(slow))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer's body; the exchange ends with it.
pub(super) struct AnswerBody {
    answer: Body,
    rest: Bytes,
    exchange: Exchange,
}

impl AnswerBody {
    pub(super) fn new(answer: Body, exchange: Exchange) -> Self {
        Self { answer, rest: Bytes::new(), exchange }
    }

    fn next_part(&mut self) -> Option<Bytes> {
        let len = self.rest.len().min(ANSWER_PART_BYTES);
        (len > 0).then(|| self.rest.split_to(len))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(part) = self.next_part() {
            self.exchange.moved();
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let polled = Pin::new(&mut self.answer).poll_frame(context);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        self.exchange.moved();
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                Frame::data(self.next_part().unwrap_or_default())
            }
            Err(trailers) => trailers,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for before the first part is; afterwards nobody needs it.
        if self.rest.is_empty() { self.answer.size_hint() } else { SizeHint::default() }
    }
}
