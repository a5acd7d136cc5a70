//! Values: what goes over a wire between two of our programs, or to a BMC.
//!
//! ```text
//!   coordinator <--- gRPC: command, report, spec ---> agent <--- ramdisk ---> the booted server
//!                                                       |
//!                                                       +------- ipmi, redfish ---> BMC
//! ```
//!
//! What must stay true: nothing here opens a socket or reads a clock, nothing here names a cloud or a vendor,
//! and every byte that arrives from outside is checked before it becomes one of these values.

pub mod backoff;
pub mod bmc_facts;
pub mod bmc_health;
pub mod bmc_mark;
pub mod bmc_order;
pub mod bmc_settings;
pub mod boot;
pub mod certificate;
pub mod certificate_parts;
pub mod command;
pub mod console;
pub mod console_record;
#[cfg(feature = "grpc")]
pub mod convert;
pub mod der;
pub mod discovery;
pub mod erase;
#[cfg(feature = "erase-certificate")]
pub mod erase_certificate;
pub mod error_chain;
pub mod footprint;
pub mod hardware;
pub mod health;
pub mod heartbeat;
pub mod hex;
pub mod id;
pub mod identity;
pub mod image_cache;
#[cfg(feature = "ipmi")]
pub mod ipmi;
pub mod log_lines;
pub mod mac;
pub mod network;
pub mod pace;
pub mod places;
pub mod power;
pub mod power_budget;
pub mod qcow2;
pub mod quirk;
pub mod ramdisk;
mod ramdisk_boot;
pub mod redfish;
pub mod report;
pub mod root_device;
pub mod secret;
pub mod shown_certificate;
pub mod spec;
pub mod step;
pub mod text;
pub mod tunnel;
#[cfg(feature = "unpack")]
pub mod unpack;
pub mod update;
pub mod watch;
pub mod whole_disk;

/// The generated gRPC messages, client and server.
#[cfg(feature = "grpc")]
pub mod grpc {
    #![allow(missing_docs, clippy::all, unused_qualifications)]
    tonic::include_proto!("bms.agent.v1");
}
