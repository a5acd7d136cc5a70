//! Edges: the bytes of a request, for as long as they come fast enough, their time is not over, and whoever sends them may.

use bytes::Bytes;
use coordinator_core::images::{Cut, FileBytes, Pace};
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};

use crate::access::{Held, until_gone};

/// A request's body for as long as it may come.
pub fn file_bytes<E: Send + 'static>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    held: Held,
) -> FileBytes {
    until_gone(paced(body, Pace::default()), held, |why| Err(Cut::Gone(why.said.detail))).boxed()
}

struct Coming<S> {
    body: S,
    pace: Pace,
    began: Instant,
    is_over: bool,
}

fn paced<E, S>(body: S, pace: Pace) -> impl Stream<Item = Result<Bytes, Cut>> + Send + 'static
where
    E: Send + 'static,
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
{
    let coming = Coming { body: Box::pin(body), pace, began: Instant::now(), is_over: false };
    stream::unfold(coming, |mut coming| async move {
        let piece = if coming.is_over { None } else { coming.next().await };
        coming.is_over = !matches!(piece, Some(Ok(_)));
        Some((piece?, coming))
    })
}

impl<E, S: Stream<Item = Result<Bytes, E>> + Unpin> Coming<S> {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let asked = Instant::now();
        let left = match self.pace.may_wait(self.began.elapsed()) {
            Ok(left) => left,
            Err(cut) => return Some(Err(cut)),
        };
        match timeout(left, self.body.next()).await {
            Ok(Some(Ok(piece))) => {
                self.pace.came(piece.len(), asked.elapsed());
                Some(Ok(piece))
            }
            Ok(Some(Err(_))) => Some(Err(Cut::Broken)),
            Ok(None) => None,
            Err(_) => Some(Err(self.pace.why(self.began.elapsed()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use coordinator_core::images::LEAST_TIME;

    #[tokio::test]
    async fn a_file_that_stops_coming_is_cut_off() {
        let check = async |pieces: Vec<Result<Bytes, ()>>, goes_on: bool, expected: Vec<Result<u8, Cut>>| {
            // Nearly a minute was waited for already.
            let mut pace = Pace::default();
            pace.came(0, LEAST_TIME - Duration::from_millis(20));
            let body = stream::iter(pieces);
            let body = if goes_on { body.chain(stream::pending()).boxed() } else { body.boxed() };
            let all = paced(body, pace).map(|piece| piece.map(|bytes| bytes[0])).collect::<Vec<_>>();
            let all = timeout(Duration::from_secs(20), all).await.expect("it is waited for without end");
            assert_eq!(all, expected);
        };
        let piece = |byte: u8| Ok(Bytes::from(vec![byte; 1]));
        check(vec![piece(1), piece(2)], false, vec![Ok(1), Ok(2)]).await;
        check(vec![piece(1)], true, vec![Ok(1), Err(Cut::Slow { came: 1 })]).await;
        check(vec![piece(1), Err(()), piece(2)], true, vec![Ok(1), Err(Cut::Broken)]).await;
    }
}
