//! Decisions and edges: TFTP (RFC 1350), reading only, with the options blksize, tsize, timeout (RFC 2348, 2349) and
//! windowsize (RFC 7440).
//!
//! [`packet`] turns bytes into a message and back; [`transfer`] is one download as a machine without I/O, [`patience`] its
//! timer; [`server`] runs the downloads, whose datagrams `batch` receives and sends, many by one call.

mod batch;
pub mod packet;
pub mod patience;
pub mod server;
pub mod transfer;
