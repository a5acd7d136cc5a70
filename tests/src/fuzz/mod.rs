//! Values: every parser that reads from a network or a file, as a function of any bytes.
//!
//! Each target feeds its parser and asserts what must hold of whatever comes out: what is read and written is read again as the
//! same, nothing is longer than its bound, nothing depends on where a stream was cut. What panics, recurses without end
//! or stalls needs no assertion. `make test` runs every target on its corpus (`tests/fuzz/corpus/NAME/`) and on a fixed number of
//! changed copies, on a small stack (`tests/tests/fuzz.rs`); `make fuzz` runs the same functions for as long as one likes.
//! An input that failed once is put into the corpus.

mod boot_arguments;
mod certificate;
mod cloud_answers;
mod config_drive;
mod config_files;
mod contrail_objects;
mod dhcp;
mod dhcp6;
mod erase_certificate;
mod image_upload;
mod ipmi_calls;
mod ipmi_machines;
mod ipmi_packets;
mod ipxe_script;
mod iso9660;
mod journal;
mod lldp;
pub mod mutate;
mod names;
mod partition_tables;
mod pool_conditions;
mod qcow2;
mod ramdisk_commands;
mod ramdisk_dhcp;
mod ramdisk_frames;
mod redfish;
mod sandesh;
mod server_files;
mod stream_messages;
mod tftp;

/// One parser, or a few that read the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Feeds it; panics when something that must hold does not.
    pub run: fn(&[u8]),
    /// Longest input that is tried.
    pub bytes_max: usize,
    /// How many changed inputs `make test` tries: what a debug build does in about a second.
    pub rounds: u32,
}

const fn target(name: &'static str, run: fn(&[u8]), bytes_max: usize, rounds: u32) -> Target {
    Target { name, run, bytes_max, rounds }
}

/// All of them.
pub const TARGETS: [Target; 32] = [
    target("agent_message", stream_messages::from_agent, 4096, 20_000),
    target("boot_arguments", boot_arguments::run, 2048, 20_000),
    target("certificate", certificate::run, 4096, 20_000),
    target("cloud_answers", cloud_answers::run, 8192, 2000),
    target("config_drive", config_drive::run, 4096, 3000),
    target("config_files", config_files::run, 4096, 2000),
    target("contrail_objects", contrail_objects::run, 4096, 6000),
    target("coordinator_message", stream_messages::to_agent, 4096, 20_000),
    target("dhcp", dhcp::run, 1500, 20_000),
    target("dhcp6", dhcp6::run, 1500, 20_000),
    target("erase_certificate", erase_certificate::run, 8192, 1000),
    target("image_upload", image_upload::run, 64 << 10, 1000),
    target("ipmi_calls", ipmi_calls::run, 600, 4000),
    target("ipmi_machines", ipmi_machines::run, 2048, 4000),
    target("ipmi_packets", ipmi_packets::run, 600, 20_000),
    target("ipxe_script", ipxe_script::run, 2048, 20_000),
    target("iso9660", iso9660::run, 64 << 10, 3000),
    target("journal", journal::run, 4096, 20_000),
    target("lldp", lldp::run, 1600, 20_000),
    target("names", names::run, 300, 20_000),
    target("partition_tables", partition_tables::run, 32 << 10, 200),
    target("pool_conditions", pool_conditions::run, 300, 20_000),
    target("qcow2", qcow2::run, 64 << 10, 300),
    target("ramdisk_commands", ramdisk_commands::run, 4096, 10_000),
    target("ramdisk_dhcp", ramdisk_dhcp::run, 1500, 20_000),
    target("ramdisk_frames", ramdisk_frames::run, 4096, 10_000),
    target("redfish", redfish::run, 4096, 4000),
    target("sandesh", sandesh::run, 4096, 4000),
    target("server_file", server_files::described, 4096, 600),
    target("server_table", server_files::table, 4096, 3000),
    target("tftp", tftp::packet, 600, 20_000),
    target("tftp_transfer", tftp::transfer, 2048, 5000),
];

/// The target of this name.
pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Cuts one input into several: each is a byte with its length and so many bytes, as far as there are any.
fn pieces(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = data.split_first()?;
        let (piece, rest) = rest.split_at(rest.len().min(length.into()));
        data = rest;
        Some(piece)
    })
}
