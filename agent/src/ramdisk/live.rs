//! Values: where ramdisks run. Kept beside the register, whose lock is held while the disk is written: whoever answers packets must not
//! wait for a disk.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{id::ServerId, network::BootNetwork};

/// Addresses of the ramdisks that are connected, or about to come back.
#[derive(Debug, Default)]
pub struct Live(Mutex<HashMap<(BootNetwork, Ipv4Addr), ServerId>>);

impl Live {
    /// The server whose ramdisk runs at this address.
    pub fn at(&self, network: BootNetwork, address: Ipv4Addr) -> Option<ServerId> {
        self.lock().get(&(network, address)).copied()
    }

    /// All there are.
    pub(crate) fn replace(&self, all: impl Iterator<Item = (BootNetwork, Ipv4Addr, ServerId)>) {
        *self.lock() = all.map(|(network, address, server)| ((network, address), server)).collect();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(BootNetwork, Ipv4Addr), ServerId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
