//! Values: commands to drives, and how they ended.

/// The bytes that go with a command.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// None do.
    None,
    /// From the drive.
    From(&'a mut [u8]),
    /// To the drive.
    To(&'a [u8]),
}

/// How a SCSI command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScsiReply {
    /// The device's status byte.
    pub status: u8,
    /// Its sense data.
    pub sense: Vec<u8>,
}

/// An NVMe admin command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvmeCommand {
    /// Its number.
    pub opcode: u8,
    /// The namespace; 0: none, 0xffffffff: all.
    pub namespace: u32,
    /// Command dword 10.
    pub dword_10: u32,
    /// Command dword 11.
    pub dword_11: u32,
}
