//! Edges: a drive's own commands, passed through the kernel to it (SCSI generic, NVMe admin), each made safe here.
#![allow(unsafe_code)] // Both requests pass a structure with the address of a buffer, which the kernel reads or fills.

use std::{ffi::c_void, io, os::fd::AsRawFd, ptr, time::Duration};

use nix::libc;

use super::command::{Bytes, NvmeCommand, ScsiReply};

/// Sense data that is asked for: SPC-4 allows 252 bytes.
const SENSE_BYTES: usize = 252;
/// `SG_INFO_OK_MASK` and the directions of `<scsi/sg.h>`.
const DIRECTION_NONE: libc::c_int = -1;
const DIRECTION_TO: libc::c_int = -2;
const DIRECTION_FROM: libc::c_int = -3;

/// `struct sg_io_hdr` of `<scsi/sg.h>`.
#[repr(C)]
struct SgIo {
    interface_id: libc::c_int,
    direction: libc::c_int,
    command_length: u8,
    sense_length: u8,
    segments: u16,
    data_length: u32,
    data: *mut c_void,
    command: *const u8,
    sense: *mut u8,
    timeout_ms: u32,
    flags: u32,
    pack_id: libc::c_int,
    user: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residual: libc::c_int,
    duration_ms: u32,
    info: u32,
}

/// `struct nvme_passthru_cmd` of `<linux/nvme_ioctl.h>`.
#[repr(C)]
#[derive(Default)]
struct NvmeAdmin {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    words_2_3: [u32; 2],
    metadata: u64,
    data: u64,
    metadata_length: u32,
    data_length: u32,
    words_10_15: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

mod request {
    use super::{NvmeAdmin, SgIo};

    nix::ioctl_readwrite_bad!(sg_io, 0x2285, SgIo);
    nix::ioctl_readwrite!(nvme_admin, b'N', 0x41, NvmeAdmin);
}

/// Gives a SCSI command to a device and waits for its end.
pub fn scsi(
    device: &impl AsRawFd,
    command: &[u8],
    bytes: Bytes<'_>,
    wait: Duration,
) -> io::Result<ScsiReply> {
    let mut sense = [0; SENSE_BYTES];
    let (direction, data, length) = match bytes {
        Bytes::None => (DIRECTION_NONE, ptr::null_mut(), 0),
        Bytes::From(buffer) => (DIRECTION_FROM, buffer.as_mut_ptr(), buffer.len()),
        Bytes::To(buffer) => (DIRECTION_TO, buffer.as_ptr().cast_mut(), buffer.len()),
    };
    let mut request = SgIo {
        interface_id: libc::c_int::from(b'S'),
        direction,
        command_length: u8::try_from(command.len()).unwrap_or(u8::MAX),
        sense_length: SENSE_BYTES as u8,
        segments: 0,
        data_length: u32::try_from(length).unwrap_or(u32::MAX),
        data: data.cast(),
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout_ms: milliseconds(wait),
        flags: 0,
        pack_id: 0,
        user: ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_written: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration_ms: 0,
        info: 0,
    };
    // SAFETY: the descriptor is open; the structure is as the kernel has it, and its three buffers outlive the call, are as long as it
    // says, and are written to only where they are ours to write (a buffer that goes to the drive is only read).
    unsafe { request::sg_io(device.as_raw_fd(), &mut request) }?;
    if request.host_status != 0 {
        let status = request.host_status;
        return Err(io::Error::other(format!(
            "the controller ended the command with host status {status:#04x}"
        )));
    }
    let written = usize::from(request.sense_written).min(SENSE_BYTES);
    Ok(ScsiReply { status: request.status, sense: sense[..written].to_vec() })
}

/// Gives an NVMe admin command to a device and waits for its end; the controller's status field, 0 when it did it.
pub fn nvme(
    device: &impl AsRawFd,
    command: NvmeCommand,
    bytes: Bytes<'_>,
    wait: Duration,
) -> io::Result<u16> {
    let (data, length) = match bytes {
        Bytes::None => (ptr::null(), 0),
        Bytes::From(buffer) => (buffer.as_mut_ptr().cast_const(), buffer.len()),
        Bytes::To(buffer) => (buffer.as_ptr(), buffer.len()),
    };
    let mut request = NvmeAdmin {
        opcode: command.opcode,
        namespace: command.namespace,
        data: data as u64,
        data_length: u32::try_from(length).unwrap_or(u32::MAX),
        words_10_15: [command.dword_10, command.dword_11, 0, 0, 0, 0],
        timeout_ms: milliseconds(wait),
        ..NvmeAdmin::default()
    };
    // SAFETY: the descriptor is open; the structure is as the kernel has it, and its buffer outlives the call and is as long as it
    // says. Whether the kernel reads or writes it follows from the command's number (NVMe base specification, 3.1.3.1).
    let status = unsafe { request::nvme_admin(device.as_raw_fd(), &mut request) }?;
    Ok(u16::try_from(status).unwrap_or(u16::MAX))
}

fn milliseconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}
