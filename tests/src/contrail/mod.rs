//! Values: a stand-in for Contrail: its VNC API, the switch that the API commands, and its DHCP for tenants.
//!
//! It is not Contrail. It answers as the real VNC API server was seen to answer, as far as bare metal needs it, and
//! moves taps between bridges as switches would move ports between networks, only because the objects say so:
//!
//! ```text
//!   HTTP -> api -> request (kind, store, view, check; binding, group, claims, ipam, page)   objects, pure
//!        | token, if the server asks Keystone; home
//!                     | changed
//!                  switch, filter (pure: objects -> networks and filter of every port)
//!                     | leaf (pure: commits, whole or nothing), commits -> mover  taps, bridges, tags, filters
//!                     |                                             -> gateway, dhcp  a gateway and DHCP per tenant network
//!                  fault  bad days, switched on at the admin address
//!   Sandesh -> collector (sandesh, pure)   what generators told it
//! ```
//!
//! Deliberately absent: rights of single objects, policies, and what nobody has to do with bare metal. What of
//! the real server is done here is what `contrail_standin.rs`, `contrail_objects.rs` and `contrail_client.rs` ask of both.

pub mod address;
pub mod api;
pub mod binding;
pub mod check;
pub mod claims;
pub mod collector;
pub mod commits;
pub mod config;
pub mod dhcp;
pub mod fault;
pub mod filter;
pub mod fresh;
pub mod gateway;
pub mod group;
pub mod home;
pub mod ipam;
pub mod kind;
pub mod leaf;
pub mod members;
pub mod mover;
pub mod page;
pub mod refusal;
pub mod request;
pub mod sandesh;
pub mod scripted;
pub mod standin;
pub mod store;
pub mod switch;
pub mod token;
pub mod view;
pub mod vm;

pub use config::Config;
pub use fault::Fault;
pub use standin::{Standin, run};
pub use vm::VirtualMachine;
