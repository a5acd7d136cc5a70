//! Edges: whose turn it is to ask one BMC: power and commands, or what can wait.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::{Mutex, MutexGuard};

/// The line to one BMC. A command or a power reading has it for its whole length, and who reads sensors and logs for one request at
/// a time: so nobody who switches power waits for more than one of those.
#[derive(Debug, Default)]
pub struct Line {
    turn: Mutex<()>,
    answers: AtomicBool,
    /// Before each request that can wait.
    rest: Duration,
}

/// How long a BMC is left in peace before each request that can wait: by less than its budget of requests a second, so that a command
/// finds a whole second's requests to spend.
pub const REST: Duration = Duration::from_millis(25);

impl Line {
    /// To a BMC that others need too.
    pub fn shared() -> Self {
        Self { rest: REST, ..Self::default() }
    }

    /// Waits for the line, for one request that can wait.
    pub async fn spare_turn(&self) -> MutexGuard<'_, ()> {
        tokio::time::sleep(self.rest).await;
        self.turn().await
    }

    /// Waits for the line. It is given in the order in which it was asked for.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether the last power reading was one: a BMC that is silent or lets nobody in is asked for nothing else.
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// Says whether it answers.
    pub fn set_answers(&self, answers: bool) {
        self.answers.store(answers, Ordering::Relaxed);
    }
}
