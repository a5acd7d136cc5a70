//! Edges: the program that a server runs while we inspect, clean, deploy or rescue it, and how it is packed for the network.
//!
//! ```text
//!   kernel + initrd (HTTP) -> init: mount, a driver for each device, DHCP on the boot interface
//!          -> TLS to the rack agent (pinned), Hello{token, hardware} -> tasks, one at a time -> power off
//!                                                                       \-> hand-over: a rescue system of the tenant's
//! ```
//!
//! What must stay true: nothing here listens on a port before the hand-over; a ramdisk that does not find its lost agent again within a bound,
//! or was refused by it, switches its server off; a task reports success only for what it has read back from the disk.
//! Deliberately absent: a shell (but in the layer that only a rescue loads), a package manager, threads but for the one of the running task, one of each drive that it erases or asks, and those that load drivers, and anything that the tasks do not need: every byte is
//! carried to every server at every boot.

pub mod boot_entry;
pub mod boot_partition;
pub mod config_drive;
pub mod console;
pub mod dhcp;
pub mod disk;
pub mod driver;
pub mod efi;
pub mod erase;
pub mod hardware;
pub mod identify;
pub mod image_thread;
pub mod kernel;
pub mod line;
pub mod link;
pub mod lldp;
pub mod network;
pub mod pack;
pub mod power_button;
pub mod rescue;
pub mod session;
pub mod session_end;
pub mod spcr;
pub mod stale_entries;
pub mod stop;
pub mod system;
pub mod tls;
pub mod write_image;
