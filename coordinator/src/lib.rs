//! The coordinator: everything that knows OpenStack or Contrail.

pub mod openstack;
pub mod port;
