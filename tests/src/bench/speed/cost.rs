//! Edges: processor time and memory of this process, and of the children whose end it has waited for.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// Bytes that are allocated now, as the program's allocator counts them; 0 in a program whose allocator does not count.
pub static ALLOCATED: AtomicI64 = AtomicI64::new(0);

/// Bytes that are allocated now.
pub fn allocated() -> i64 {
    ALLOCATED.load(Ordering::Relaxed)
}

/// Processor time of this process so far, its threads and the kernel's work for it included.
pub fn own() -> anyhow::Result<Duration> {
    Ok(of(&getrusage(UsageWho::RUSAGE_SELF)?))
}

/// The same of all children that have ended.
pub fn of_children() -> anyhow::Result<Duration> {
    Ok(of(&getrusage(UsageWho::RUSAGE_CHILDREN)?))
}

fn of(usage: &Usage) -> Duration {
    let part = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    part(user.tv_sec(), user.tv_usec()) + part(system.tv_sec(), system.tv_usec())
}

/// Microseconds of each of so many.
pub fn micros_each(used: Duration, count: usize) -> f64 {
    used.as_secs_f64() * 1e6 / count.max(1) as f64
}
