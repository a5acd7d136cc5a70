//! Decisions and edges: TFTP (RFC 1350), reading only, with the options blksize, tsize, timeout (RFC 2348, 2349) and
//! windowsize (RFC 7440).
//!
//! [`packet`] turns bytes into a message and back; [`transfer`] is one download as a machine without I/O; [`server`]
//! gives each download a socket of its own.

pub mod packet;
pub mod server;
pub mod transfer;
