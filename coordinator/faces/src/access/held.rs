//! Edges: whoever keeps something open (a stream of events, a page, an upload) is asked for again now and then: it ends
//! with the token, or with the role that let it begin.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use protocol::secret::Secret;

use super::{authenticator::Authenticator, belief::Use, known::Known};
use crate::problem::Problem;

/// How often Keystone is asked whether the token is still good. Its own end is heeded to the moment.
pub const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(30);

/// Somebody who was let in, and goes on.
pub struct Held {
    authenticator: Arc<Authenticator>,
    token: Secret,
    known: Known,
}

impl Held {
    /// Let in by this token, as whom.
    pub fn new(authenticator: &Arc<Authenticator>, token: &Secret, known: &Known) -> Self {
        Self { authenticator: Arc::clone(authenticator), token: token.clone(), known: known.clone() }
    }

    /// Waits until it may not go on, and says why.
    pub fn gone(self) -> BoxFuture<'static, Problem> {
        async move {
            loop {
                let now_us = self.authenticator.clock.now_us();
                let left = Duration::from_micros(self.known.ends_us.saturating_sub(now_us));
                tokio::time::sleep(left.min(self.authenticator.look_again_every)).await;
                if let Some(why) = self.look().await {
                    return why;
                }
            }
        }
        .boxed()
    }

    /// Why it may not go on; none: it may. Keystone that is away ends nothing before the token's own end.
    async fn look(&self) -> Option<Problem> {
        if self.authenticator.clock.now_us() >= self.known.ends_us {
            return Some(over("the token has expired; log in again and start again"));
        }
        match self.authenticator.know(&self.token, Use::Change).await {
            Ok(known) if known.is_as(&self.known) => None,
            Ok(_) => Some(over("the roles of the token have changed; start again with the new ones")),
            Err(problem) => (problem.status < 500).then_some(problem),
        }
    }
}

fn over(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "ended", detail)
}

/// A stream until its caller may not go on; then why, as the last word.
pub fn until_gone<T: Send + 'static>(
    stream: impl Stream<Item = T> + Send + 'static,
    held: Held,
    last: impl Fn(Problem) -> T + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static {
    let gone = held.gone().shared();
    let why = gone.clone();
    // A stream that ends by itself ends without a word.
    let word = stream::once(async move { why.peek().cloned() });
    stream.take_until(gone).chain(word.filter_map(std::future::ready).map(last))
}
