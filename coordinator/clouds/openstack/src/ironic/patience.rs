//! Edges: Ironic locks a node while it looks after it, for seconds at a time. A person's wish that meets the lock waits for
//! its end, and not the person.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::Error;

/// How long a request waits for a node's lock: longer than a power sync or a heartbeat holds it, shorter than a client's
/// patience. Ironic itself has waited three seconds before each refusal.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(25);
/// Pause before the request is made again.
const LOCK_PAUSE: Duration = Duration::from_millis(300);

/// Asks again while the node is locked, for [`LOCK_WAIT_MAX`]; the last refusal is the answer then.
pub async fn when_unlocked<T, F>(ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    ask_for(LOCK_WAIT_MAX, ask).await
}

async fn ask_for<T, F>(wait_max: Duration, ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Instant::now() + wait_max;
    loop {
        match ask().await {
            Err(Error::Locked { .. }) if Instant::now() < deadline => sleep(LOCK_PAUSE).await,
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::*;
    use domain::rim::Service;

    fn locked() -> Error {
        Error::Locked { service: Service::Ironic, operation: String::new(), message: String::new() }
    }

    #[tokio::test]
    async fn a_lock_is_waited_for_and_not_for_ever() {
        let asked = Cell::new(0);
        let third = when_unlocked(|| {
            asked.set(asked.get() + 1);
            ready(if asked.get() < 3 { Err(locked()) } else { Ok(asked.get()) })
        });
        assert_eq!(third.await, Ok(3));
        let given_up = ask_for(Duration::ZERO, || ready(Err::<(), _>(locked())));
        assert_eq!(given_up.await, Err(locked()));
    }
}
