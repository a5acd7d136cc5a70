//! Values: what the booted ramdisk and the agent of its rack say to each other, and the codec of it.
//!
//! ```text
//!   ramdisk                                agent
//!      | ------- Hello{token, hardware} ----> |   the token is good for one hello on one network
//!      | <------ Welcome{session, resume} --- |   or Refused{reason}, and the ramdisk switches itself off
//!      | <------ Run{command, task} --------- |   one task at a time
//!      | <------ D D D ... DataEnd{sha256} -- |   for tasks that carry bytes
//!      | ------- Progress ... Finished -----> |
//!
//!      the connection is lost, or the agent is killed and started again
//!
//!      | ------- Resume{session, secret,      |   the secret of its Welcome: good for this session, on this network,
//!      |           hardware, last} ---------> |   until the server's power goes off or its boot is called off
//!      | <------ Resumed -------------------- |   or Refused{reason}
//! ```
//!
//! A ramdisk without its agent goes on with the task that it has and tries for [`RESUME_WAIT_MAX`] to take its session up
//! again; the agent waits as long. `last` tells which command's task it is doing or has done, so that nothing is done twice.
//!
//! An erase is stopped by `Stop`: the ramdisk answers within [`STOP_WAIT_MAX`] what became of each disk, and the agent ends the session.
//! A ramdisk of before takes the word for a lost connection, which ends in the same way, without an answer.
//!
//! A ramdisk that has answered [`Task::HandOver`] waits for the agent to end the session: from its answer on the agent knows
//! neither session nor boot, so the connection is closed, and a `Resume` is refused. Only then is the server its tenant's.
//!
//! A frame is one kind byte, a big-endian u32 length, and that many bytes: kind `J` holds one JSON message, kind `D`
//! holds a big-endian u64 offset and bytes. The connection is TLS 1.3 with the agent's certificate pinned, so frames
//! carry no checksum of their own; the digest in `DataEnd` is for what the *disk* holds when it is read back.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId},
    root_device::RootDeviceHints,
    secret::Secret,
    step::{EraseOrder, StepOutput, StepProgress},
};

pub use crate::ramdisk_boot::{BootArguments, InvalidBootArguments};

/// For so long a ramdisk that lost its agent tries to take its session up again, and for so long an agent waits for that.
pub const RESUME_WAIT_MAX: Duration = Duration::from_secs(120);
/// For so long an agent waits for the answer of an erase that it has stopped.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(8);
/// Longest JSON message. A hardware report of a server with hundreds of disks stays far below.
pub const CONTROL_BYTES_MAX: usize = 1 << 20;
/// Most data bytes in one `D` frame.
pub const DATA_BYTES_MAX: usize = 1 << 20;
/// Bytes before the payload: kind and length.
pub const HEADER_BYTES: usize = 5;
const OFFSET_BYTES: usize = 8;
/// Longest frame, header included.
pub const FRAME_BYTES_MAX: usize = HEADER_BYTES + OFFSET_BYTES + DATA_BYTES_MAX;

const KIND_CONTROL: u8 = b'J';
const KIND_DATA: u8 = b'D';

/// What the ramdisk says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum FromRamdisk {
    /// First message of a session.
    Hello {
        /// The one-use token of the kernel command line, hex.
        token: Secret,
        /// What was found.
        hardware: Box<HardwareReport>,
    },
    /// First message of each further connection of a session.
    Resume {
        /// Which session.
        session: RamdiskSessionId,
        /// The secret of its Welcome.
        secret: Secret,
        /// What was found.
        hardware: Box<HardwareReport>,
        /// The task that it was given last; none also when it was cut off with the connection and is to be given again.
        last: Option<LastTask>,
    },
    /// The running task moved on; at most one a second is sent.
    Progress {
        /// Whose task.
        command: CommandId,
        /// How far.
        progress: StepProgress,
    },
    /// The task ended.
    Finished {
        /// Whose task.
        command: CommandId,
        /// How it ended; the text is for a person.
        outcome: Result<StepOutput, String>,
    },
}

/// What became of the task that a ramdisk was given last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "last")]
pub enum LastTask {
    /// It is at it, and will say so when it has ended.
    Running {
        /// Whose task.
        command: CommandId,
    },
    /// It has ended.
    Ended {
        /// Whose task.
        command: CommandId,
        /// How.
        outcome: Result<StepOutput, String>,
    },
}

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum FromAgent {
    /// The hello was accepted.
    Welcome {
        /// The name of this run.
        session: RamdiskSessionId,
        /// Takes this session up again, after a lost connection.
        resume: Secret,
    },
    /// The session goes on.
    Resumed,
    /// The hello was not accepted; switch off.
    Refused {
        /// Why, for the console.
        reason: String,
    },
    /// Do a task.
    Run {
        /// Whose it is, to be repeated in the answers.
        command: CommandId,
        /// What to do.
        task: Task,
    },
    /// Stop the erase that is running, and answer how far it is. Only an erase is stopped so, by an agent that ends the session then.
    Stop {
        /// Whose task.
        command: CommandId,
    },
    /// No more data frames for the running task.
    DataEnd {
        /// SHA-256 over all data bytes in the order sent, lower-case hex; empty when the agent gave up.
        sha256: String,
    },
}

/// A step as the ramdisk gets it: bytes follow as data frames instead of standing in the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "task")]
pub enum Task {
    /// Look at the hardware again.
    Inventory,
    /// Write the extents that follow, in rising order, to the root disk; everything between them reads as zero after.
    WriteImage {
        /// Size of the disk image.
        virtual_bytes: u64,
        /// Which disk is the root disk.
        #[serde(default, skip_serializing_if = "RootDeviceHints::is_empty")]
        root_device: RootDeviceHints,
    },
    /// Write the bytes that follow, offsets from 0, into a partition `config-2` at the end of the root disk.
    WriteConfigDrive {
        /// How many.
        bytes: u64,
    },
    /// Put the disk first into the firmware's boot order.
    InstallBootEntry,
    /// Zero both ends of every disk and partition.
    EraseMetadata(EraseOrder),
    /// Zero every disk.
    EraseDisks(EraseOrder),
    /// Flush.
    Sync,
    /// Flush, answer, and switch off.
    PowerOff,
    /// Answer; forget the agent when it says that it knows the session no more; then wait for an address elsewhere, and let
    /// the tenant log in there.
    HandOver {
        /// Hash of the tenant's password.
        password_hash: Secret,
    },
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A JSON message, not yet parsed.
    Control(Vec<u8>),
    /// Bytes for a place on a disk.
    Data {
        /// Where.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
}

/// Why bytes are not a frame or a message.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A kind byte that means nothing here: not our peer, or out of step.
    #[error("frame kind {0:#04x} is neither J nor D; the peer does not speak this protocol")]
    Kind(u8),
    /// A length outside the bounds.
    #[error("frame of kind {kind:?} says {length} bytes; allowed are {min} to {max}")]
    Length {
        /// `J` or `D`.
        kind: char,
        /// What it says.
        length: usize,
        /// Least.
        min: usize,
        /// Most.
        max: usize,
    },
    /// Not the JSON that is expected here.
    #[error("message is not understood")]
    Message(#[from] serde_json::Error),
}

impl Frame {
    /// Reads the message of a control frame.
    pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// The bytes of a control frame.
pub fn encode_control<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut out = vec![KIND_CONTROL, 0, 0, 0, 0];
    serde_json::to_writer(&mut out, message)?;
    let length = out.len() - HEADER_BYTES;
    check_length(KIND_CONTROL, length)?;
    out[1..HEADER_BYTES].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(out)
}

/// The bytes of a data frame. At most [`DATA_BYTES_MAX`] bytes, and at least one.
pub fn encode_data(offset: u64, bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = OFFSET_BYTES + bytes.len();
    check_length(KIND_DATA, length)?;
    let mut out = Vec::with_capacity(HEADER_BYTES + length);
    out.push(KIND_DATA);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(out)
}

fn check_length(kind: u8, length: usize) -> Result<(), FrameError> {
    let (min, max) = match kind {
        KIND_CONTROL => (1, CONTROL_BYTES_MAX),
        KIND_DATA => (OFFSET_BYTES + 1, OFFSET_BYTES + DATA_BYTES_MAX),
        other => return Err(FrameError::Kind(other)),
    };
    if (min..=max).contains(&length) {
        Ok(())
    } else {
        Err(FrameError::Length { kind: kind as char, length, min, max })
    }
}

/// Turns received bytes into frames. Holds at most one frame and what was received with it.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Takes received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or none until more bytes are pushed. After an error the connection is of no more use.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some((header, rest)) = pending.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [kind, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        check_length(kind, length)?;
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = match payload.split_first_chunk::<OFFSET_BYTES>() {
            Some((offset, bytes)) if kind == KIND_DATA => {
                Frame::Data { offset: u64::from_be_bytes(*offset), bytes: bytes.to_vec() }
            }
            _ => Frame::Control(payload.to_vec()),
        };
        self.start += HEADER_BYTES + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let data = (any::<u64>(), prop::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(offset, bytes)| Frame::Data { offset, bytes });
        let control =
            "[a-z]{0,40}".prop_map(|text| Frame::Control(serde_json::to_vec(&text).expect("a text is JSON")));
        prop::collection::vec(prop_oneof![data, control], 0..8)
    }

    proptest! {
        #[test]
        fn frames_survive_any_split(frames in frames(), cut in 1usize..64) {
            let mut wire = Vec::new();
            for frame in &frames {
                match frame {
                    Frame::Control(text) => {
                        let text: String = serde_json::from_slice(text).unwrap();
                        wire.extend(encode_control(&text).unwrap());
                    }
                    Frame::Data { offset, bytes } => wire.extend(encode_data(*offset, bytes).unwrap()),
                }
            }
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.next_frame() {
                if let Frame::Control(text) = frame {
                    let _ = Frame::parse::<FromRamdisk>(&text);
                    let _ = Frame::parse::<FromAgent>(&text);
                }
            }
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let check = |kind: u8, length: usize, good: bool| {
            let mut decoder = Decoder::default();
            decoder.push(&[&[kind][..], &(length as u32).to_be_bytes()].concat());
            assert_eq!(decoder.next_frame().is_ok(), good, "{kind} {length}");
        };
        check(b'J', 1, true);
        check(b'J', 0, false);
        check(b'J', CONTROL_BYTES_MAX, true);
        check(b'J', CONTROL_BYTES_MAX + 1, false);
        check(b'D', 8, false);
        check(b'D', 9, true);
        check(b'D', DATA_BYTES_MAX + 8, true);
        check(b'D', DATA_BYTES_MAX + 9, false);
        check(b'X', 9, false);
    }

    #[test]
    fn messages_keep_their_bytes() {
        let command = CommandId(uuid::Uuid::from_u128(7));
        let id = "00000000-0000-0000-0000-000000000007";
        let check = |wire: Vec<u8>, text: String| {
            assert_eq!(String::from_utf8_lossy(&wire[HEADER_BYTES..]), text);
        };
        let run = FromAgent::Run {
            command,
            task: Task::WriteImage { virtual_bytes: 1 << 26, root_device: RootDeviceHints::default() },
        };
        let task = r#"{"task":"write_image","virtual_bytes":67108864}"#;
        check(encode_control(&run).unwrap(), format!(r#"{{"say":"run","command":"{id}","task":{task}}}"#));
        let session = RamdiskSessionId(command.0);
        let last = Some(LastTask::Ended { command, outcome: Ok(StepOutput::Done) });
        let resume =
            FromRamdisk::Resume { session, secret: Secret::new("s"), hardware: Box::default(), last };
        let wire = encode_control(&resume).unwrap();
        assert_eq!(Frame::parse::<FromRamdisk>(&wire[HEADER_BYTES..]).unwrap(), resume);
        assert!(!format!("{resume:?}").contains("\"s\""), "a secret is not printed: {resume:?}");
        assert_eq!(encode_data(258, b"ab").unwrap(), b"D\0\0\0\x0a\0\0\0\0\0\0\x01\x02ab");
    }
}
