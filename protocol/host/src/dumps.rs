//! Edges: no core dump of this process is written: its memory holds passwords, tokens and keys.

use nix::sys::{
    prctl::set_dumpable,
    resource::{Resource, setrlimit},
};
use tracing::warn;

/// Forbids dumps of this process. The limit keeps the kernel from writing a file; a program that takes dumps by a pipe is not asked
/// for the limit, so the process is marked as one that is not dumped. A kernel that refuses either is no reason not to run.
pub fn forbid() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        warn!(%error, "the limit of core dumps was not set to nothing");
    }
    if let Err(error) = set_dumpable(false) {
        warn!(%error, "core dumps by a pipe were not forbidden");
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::{prctl::get_dumpable, resource::getrlimit};

    use super::*;

    #[test]
    fn no_core_dump_is_written() {
        forbid();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        assert!(!get_dumpable().unwrap());
    }
}
