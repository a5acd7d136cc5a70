//! Edges: how many files all our listeners and connections may have open at once, which the system has to allow.

use pxe::http::MAX_CONNECTIONS;

use crate::{metrics, ramdisk};

/// Networks on which we listen: provisioning, cleaning, discovery.
const NETWORKS: usize = 3;
/// Files beside the listeners' connections: two connections to each of a thousand BMCs, the uplink, the spool, images.
const OWN_FILES: usize = 2300;
/// Files that we may need in all; below the hard limit of old shells, 4096.
pub const FILES_NEEDED: usize = NETWORKS * (ramdisk::PLACES + MAX_CONNECTIONS) + metrics::PLACES + OWN_FILES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_fit_an_old_shells_limit() {
        const { assert!(FILES_NEEDED <= 4096) };
    }
}
