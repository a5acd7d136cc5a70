//! Decisions and edges: the kernel's modules: which one drives a device, loading them as devices appear, and what nothing drives.
//!
//! ```text
//!   /lib/modules/*.index (pack) --> index: names, needs, aliases -----------------+
//!   /sys/bus/*/devices/*/modalias, and again at each `add` of the kernel --> seek: workers --> load: finit_module
//!   what was not loaded with the ramdisk <-- the rack agent (fetch), once there is a network -----> load
//!   the kernel's own wishes (/sbin/modprobe is this program) ---------------------> load
//!   PCI devices, their drivers, interfaces and disks (look) --> faults: what stays unused, and why
//! ```
//!
//! What must stay true: a module that fails, or takes long, keeps no other from being loaded.

pub mod alias;
pub mod faults;
pub mod fetch;
pub mod index;
pub mod load;
pub mod look;
pub mod seek;
