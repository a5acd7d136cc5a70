//! What others see of the coordinator: the REST API, the web pages, the two facades towards Ironic, the figures for Prometheus. None of
//! them decides anything about a server: each asks the core, or a service in the name of whoever asks.

pub mod access;
pub mod api;
pub mod audit;
pub mod facade;
pub mod ipmi_console;
pub mod metrics;
mod paper;
pub mod problem;
pub mod ramdisk_api;
pub mod redfish;
pub mod ui;
