//! Edges: what a disk says of itself when it is asked by its own commands: who it is, whether it expects to fail, whether it is locked.
//!
//! ```text
//!   disk::all -> asked (once for each disk that appears) -> ask -> nvme | ata | scsi: bytes -> Asked
//!                                                            \---> tcg: discovery level 0, which all three have
//! ```
//!
//! What must stay true: a command that is not answered changes nothing, a name that the kernel knows stays (disks are told from each other by
//! it), and only questions are asked. Bridges to USB and volumes without such commands are asked nothing.

mod asked;
mod ata;
mod nvme;
mod scsi;
mod tcg;
mod text;

#[cfg(test)]
mod tests;

use std::{fs::File, time::Duration};

pub use asked::Asked;

use crate::{
    disk::Disk,
    erase::{
        command::Bytes,
        drive::{Interface, Kernel, Pass, interface},
        scsi::refusal,
    },
};

/// Longest time for one question: the kernel's own for a command to a disk. A shorter one would end in a reset of a disk that only spins up.
const ASK_WAIT: Duration = Duration::from_secs(30);

/// Asks a disk; one that cannot be opened says nothing.
pub fn ask(disk: &Disk) -> Asked {
    let interface = interface(disk);
    if interface == Interface::Plain {
        return Asked::default();
    }
    File::open(disk.path()).map_or_else(|_| Asked::default(), |file| ask_by(&Kernel(file), interface))
}

/// The same by any way to pass commands.
fn ask_by(pass: &dyn Pass, interface: Interface) -> Asked {
    let drive = Asking(pass);
    match interface {
        Interface::Nvme(namespace) => nvme::ask(&drive, namespace),
        Interface::Ata => ata::ask(&drive),
        Interface::Scsi => scsi::ask(&drive),
        Interface::Plain => Asked::default(),
    }
}

/// A disk that is asked.
struct Asking<'a>(&'a dyn Pass);

impl Asking<'_> {
    /// What it answers to a SCSI command; none: it refused, or nothing came.
    fn scsi<const LENGTH: usize>(&self, command: &[u8]) -> Option<[u8; LENGTH]> {
        let mut answer = [0; LENGTH];
        let reply = self.0.scsi(command, Bytes::From(&mut answer), ASK_WAIT).ok()?;
        refusal(&reply).is_none().then_some(answer)
    }

    /// The sense data that a command without data ends with; none: nothing came.
    fn sense(&self, command: &[u8]) -> Option<Vec<u8>> {
        self.0.scsi(command, Bytes::None, ASK_WAIT).ok().map(|reply| reply.sense)
    }

    /// What it answers to an NVMe admin command; none: it refused, or nothing came.
    fn nvme<const LENGTH: usize>(&self, command: crate::erase::command::NvmeCommand) -> Option<[u8; LENGTH]> {
        let mut answer = [0; LENGTH];
        let status = self.0.nvme(command, Bytes::From(&mut answer), ASK_WAIT).ok()?;
        (status == 0).then_some(answer)
    }
}
