//! The coordinator: everything that knows OpenStack or Contrail.

pub mod port;
