//! Edges: one run of the ramdisk: hello, tasks, and what happens when the agent is gone.

use std::time::{Duration, Instant};

use protocol::{
    hardware::HardwareReport,
    id::CommandId,
    ramdisk::{BootArguments, FromAgent, RESUME_WAIT_MAX, Task},
    step::{CONFIG_DRIVE_BYTES_MAX, StepOutput},
};

use crate::{
    boot_entry, config_drive,
    disk::{self, Disk},
    erase::{self, Depth},
    line::{Line, PROGRESS_EVERY},
    link::Received,
    rescue, say,
    session_end::SessionEnd,
    write_image::ImageWriter,
};

/// When nothing more can be done the server goes off after this time, which leaves the reason on the console.
pub const LOST_AGENT_WAIT: Duration = Duration::from_secs(3);

/// Says hello and carries tasks out until the end.
pub fn run(arguments: &BootArguments, look: &dyn Fn() -> HardwareReport) -> SessionEnd {
    run_for(arguments, look, RESUME_WAIT_MAX)
}

/// The same, with the longest time for which a lost agent is looked for.
pub fn run_for(
    arguments: &BootArguments,
    look: &dyn Fn() -> HardwareReport,
    resume_wait: Duration,
) -> SessionEnd {
    let serve = || {
        let line = Line::open(arguments, Box::new(look()), resume_wait)?;
        Worker { line, look, root: None }.serve()
    };
    serve().err().unwrap_or(SessionEnd::Told)
}

struct Worker<'a> {
    line: Line<'a>,
    look: &'a dyn Fn() -> HardwareReport,
    /// The disk that the image was written to.
    root: Option<Disk>,
}

/// What keeps a task from ending in an answer.
enum Cut {
    /// Bytes that it needs do not come: the agent gives it again.
    Off,
    /// The ramdisk ends.
    Session(SessionEnd),
}

impl From<SessionEnd> for Cut {
    fn from(end: SessionEnd) -> Self {
        Cut::Session(end)
    }
}

/// How a task ended; a failure is for a person.
type Outcome = Result<StepOutput, String>;

impl Worker<'_> {
    fn serve(&mut self) -> Result<(), SessionEnd> {
        loop {
            let (command, task) = self.line.next_task()?;
            let start = Instant::now();
            say!("task {command}: {task:?}");
            let (last, heir) = match &task {
                Task::PowerOff => (true, None),
                Task::HandOver { password_hash } => (false, Some(password_hash.clone())),
                Task::Inventory
                | Task::WriteImage { .. }
                | Task::WriteConfigDrive { .. }
                | Task::InstallBootEntry
                | Task::EraseMetadata(_)
                | Task::EraseDisks(_)
                | Task::Sync => (false, None),
            };
            let outcome = match self.perform(command, task) {
                Ok(outcome) => outcome,
                Err(Cut::Off) => {
                    say!("task {command}: cut off");
                    self.line.cut_off();
                    continue;
                }
                Err(Cut::Session(end)) => return Err(end),
            };
            match &outcome {
                Ok(_) => say!("task {command}: done in {} ms", start.elapsed().as_millis()),
                Err(reason) => say!("task {command}: failed: {reason}"),
            }
            let done = outcome.is_ok();
            self.line.finished(command, outcome);
            if last {
                self.line.farewell();
                return Ok(());
            }
            if let Some(password_hash) = heir.filter(|_| done) {
                self.line.let_go()?;
                return Err(SessionEnd::HandedOver { password_hash });
            }
        }
    }

    fn perform(&mut self, command: CommandId, task: Task) -> Result<Outcome, Cut> {
        let outcome = match task {
            Task::Inventory => Ok(StepOutput::Inventory { hardware: Box::new((self.look)()) }),
            Task::WriteImage { virtual_bytes } => self.write_image(command, virtual_bytes)?,
            Task::WriteConfigDrive { bytes } => self.write_config_drive(command, bytes)?,
            Task::InstallBootEntry => match self.root() {
                Ok(root) => self.line.attend(command, move |_| {
                    root.open().and_then(|disk| boot_entry::install(&disk)).map_err(text)?;
                    Ok(StepOutput::Done)
                })?,
                Err(reason) => Err(reason),
            },
            Task::EraseMetadata(order) => self
                .line
                .attend(command, move |progress| erase::every_disk(Depth::Metadata, &order, progress))?,
            Task::EraseDisks(order) => self
                .line
                .attend(command, move |progress| erase::every_disk(Depth::Whole, &order, progress))?,
            Task::Sync | Task::PowerOff => self.line.attend(command, |_| {
                nix::unistd::sync();
                Ok(StepOutput::Done)
            })?,
            Task::HandOver { password_hash } => self.line.attend(command, move |_| {
                rescue::prepare(&password_hash).map_err(text)?;
                Ok(StepOutput::HandedOver)
            })?,
        };
        Ok(outcome)
    }

    fn root(&self) -> Result<Disk, String> {
        self.root.clone().ok_or_else(|| "no image was written since this ramdisk was booted".into())
    }

    fn write_image(&mut self, command: CommandId, virtual_bytes: u64) -> Result<Outcome, Cut> {
        self.root = None;
        let found = disk::root_disk(&disk::all(), virtual_bytes);
        let of = found.as_ref().map(|disk| format!(" ({})", disk.describe().identity())).unwrap_or_default();
        let mut writer =
            found.and_then(|disk| Ok((disk.clone(), ImageWriter::new(disk.open()?, virtual_bytes))));
        let mut last = Instant::now();
        // After a failure the rest is read and dropped: the agent may be in the middle of sending it.
        let sha256 = loop {
            match self.line.receive().ok_or(Cut::Off)? {
                Received::Data { offset, bytes } => {
                    let Ok((_, image)) = &mut writer else { continue };
                    match image.write(offset, &bytes) {
                        Ok(progress) if last.elapsed() >= PROGRESS_EVERY => {
                            last = Instant::now();
                            self.line.progress(command, progress);
                        }
                        Ok(_) => {}
                        Err(error) => writer = Err(error),
                    }
                }
                Received::Message(FromAgent::DataEnd { sha256 }) => break sha256,
                Received::Message(_) => return Err(Cut::Session(SessionEnd::Confused)),
            }
        };
        let (disk, image) = match writer {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(format!("{error}{of}"))),
        };
        if sha256.is_empty() {
            return Ok(Err("the agent gave up sending the image".into()));
        }
        let outcome = self.line.attend(command, move |progress| {
            image.finish(&sha256, progress).map_err(|error| format!("{error}{of}"))
        })?;
        if outcome.is_ok() {
            self.root = Some(disk);
        }
        Ok(outcome)
    }

    fn write_config_drive(&mut self, command: CommandId, bytes: u64) -> Result<Outcome, Cut> {
        let mut content = Vec::new();
        let fits = bytes <= CONFIG_DRIVE_BYTES_MAX as u64;
        loop {
            match self.line.receive().ok_or(Cut::Off)? {
                Received::Data { offset, bytes: piece } => {
                    let in_order = offset == content.len() as u64 && offset + piece.len() as u64 <= bytes;
                    if fits && in_order {
                        content.extend_from_slice(&piece);
                    }
                }
                Received::Message(FromAgent::DataEnd { .. }) => break,
                Received::Message(_) => return Err(Cut::Session(SessionEnd::Confused)),
            }
        }
        if content.is_empty() || content.len() as u64 != bytes {
            return Ok(Err(format!("{} of {bytes} bytes of the configuration drive came", content.len())));
        }
        let root = match self.root() {
            Ok(root) => root,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(self.line.attend(command, move |_| {
            root.open().and_then(|disk| config_drive::write(&disk, &content)).map_err(text)?;
            Ok(StepOutput::Done)
        })?)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
