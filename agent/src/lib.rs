//! agent

pub mod image;
pub mod ramdisk;
