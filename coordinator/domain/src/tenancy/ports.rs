//! Values: which ports a tenant's server has in Contrail.

use uuid::Uuid;

/// uuids of a tenant server's ports: they follow from the server's, so that a repeat finds them.
pub fn port_of(server: Uuid, position: usize) -> Uuid {
    match position {
        0 => Uuid::new_v5(&server, b"tenant-port"),
        further => Uuid::new_v5(&server, format!("tenant-port-{further}").as_bytes()),
    }
}
