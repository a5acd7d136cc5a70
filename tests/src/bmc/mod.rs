//! Edges: virtual BMCs. Each owns one machine through [`chassis::Chassis`] and speaks IPMI or Redfish on a socket.

pub mod chassis;
