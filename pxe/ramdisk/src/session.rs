//! Edges: one run of the ramdisk: hello, tasks, and what happens when the agent is gone.

use std::time::{Duration, Instant};

use protocol::{
    hardware::{self, HardwareReport},
    id::CommandId,
    ramdisk::{BootArguments, FromAgent, RESUME_WAIT_MAX, Task},
    root_device::RootDeviceHints,
    step::{CONFIG_DRIVE_BYTES_MAX, EraseOrder, StepOutput},
};

use crate::{
    boot_entry, config_drive,
    disk::{self, Disk, DiskError},
    erase::{self, Depth},
    image_thread::{ImageThread, News},
    line::{HEARTBEAT_EVERY, Heartbeat, Line, PROGRESS_EVERY},
    link::Received,
    rescue, say,
    session_end::SessionEnd,
    stale_entries,
    stop::Stop,
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
    /// The disk that the image was written to, and what tells it from others.
    root: Option<(Disk, hardware::Disk)>,
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
            Task::WriteImage { virtual_bytes, root_device } => {
                self.write_image(command, virtual_bytes, &root_device)?
            }
            Task::WriteConfigDrive { bytes } => self.write_config_drive(command, bytes)?,
            Task::InstallBootEntry => match self.root() {
                Ok((root, described)) => self.line.attend(command, move |_| {
                    let installed = root.open().and_then(|disk| boot_entry::install(&disk));
                    installed.map_err(|error| told(&error, &described))?;
                    Ok(StepOutput::Done)
                })?,
                Err(reason) => Err(reason),
            },
            Task::EraseMetadata(order) => self.erase(command, Depth::Metadata, order)?,
            Task::EraseDisks(order) => self.erase(command, Depth::Whole, order)?,
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

    fn erase(&mut self, command: CommandId, depth: Depth, order: EraseOrder) -> Result<Outcome, SessionEnd> {
        let stop = Stop::default();
        let heard = stop.clone();
        self.line.attend_until(command, &stop, move |progress| {
            let done = erase::every_disk(depth, &order, &heard, progress)?;
            // What was left out may be booted from, and so may what was not erased to its end.
            if depth == Depth::Whole && order.left_out.is_empty() && !heard.is_said() {
                remove_stale_entries();
            }
            Ok(done)
        })
    }

    fn root(&self) -> Result<(Disk, hardware::Disk), String> {
        self.root.clone().ok_or_else(|| "no image was written since this ramdisk was booted".into())
    }

    fn write_image(
        &mut self,
        command: CommandId,
        virtual_bytes: u64,
        root_device: &RootDeviceHints,
    ) -> Result<Outcome, Cut> {
        self.root = None;
        let found = disk::root_disk(root_device, virtual_bytes);
        if let Ok((_, described)) = &found {
            say!("the image goes to {described}");
        }
        let begun = found.map_err(text).and_then(|(disk, described)| {
            let open = disk.open().map_err(|error| told(&error, &described))?;
            let image = ImageWriter::new(open, described.clone(), virtual_bytes);
            Ok((disk, described.clone(), ImageThread::start(image, described, told)))
        });
        let (disk, described, mut thread) = match begun {
            Ok(begun) => begun,
            Err(reason) => return self.drop_image().map(|()| Err(reason)),
        };
        let taken = self.take_image(command, &mut thread);
        // Whatever happens next, nobody else writes to this disk.
        let image = thread.end();
        let (sha256, image) = match (taken?, image) {
            (Ok(sha256), Ok(image)) => (sha256, image),
            (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
        };
        if sha256.is_empty() {
            return Ok(Err("the agent gave up sending the image".into()));
        }
        let of = described.clone();
        let outcome = self.line.attend(command, move |progress| {
            image.finish(&sha256, progress).map_err(|error| told(&error, &of))
        })?;
        if outcome.is_ok() {
            self.root = Some((disk, described));
        }
        Ok(outcome)
    }

    /// Hands the image's pieces on to its thread until the last one is written; gives the SHA-256 that the agent sent.
    fn take_image(
        &mut self,
        command: CommandId,
        thread: &mut ImageThread,
    ) -> Result<Result<String, String>, Cut> {
        let mut heartbeat = Heartbeat::new(Instant::now(), HEARTBEAT_EVERY);
        loop {
            match self.line.receive().ok_or(Cut::Off)? {
                Received::Data { offset, bytes } => {
                    while thread.is_full() {
                        if let Err(reason) = self.follow(command, thread, &mut heartbeat) {
                            return self.drop_image().map(|()| Err(reason));
                        }
                    }
                    thread.give(offset, bytes);
                }
                Received::Message(FromAgent::DataEnd { sha256 }) => {
                    while !thread.is_idle() {
                        if let Err(reason) = self.follow(command, thread, &mut heartbeat) {
                            return Ok(Err(reason));
                        }
                    }
                    return Ok(Ok(sha256));
                }
                Received::Message(_) => return Err(Cut::Session(SessionEnd::Confused)),
            }
        }
    }

    /// Waits a moment for the image's thread, and says how far it is when that is due.
    fn follow(
        &mut self,
        command: CommandId,
        thread: &mut ImageThread,
        heartbeat: &mut Heartbeat,
    ) -> Result<(), String> {
        match thread.news(PROGRESS_EVERY) {
            News::Written(progress) => {
                if heartbeat.is_after(PROGRESS_EVERY, Instant::now()) {
                    heartbeat.moved(progress.clone(), Instant::now());
                    self.line.progress(command, progress);
                }
            }
            News::None => {
                if let Some(progress) = heartbeat.due(Instant::now()) {
                    self.line.progress(command, progress);
                }
            }
            News::Failed(reason) => return Err(reason),
        }
        Ok(())
    }

    /// Reads and drops the rest of an image: the agent may be in the middle of sending it.
    fn drop_image(&mut self) -> Result<(), Cut> {
        loop {
            match self.line.receive().ok_or(Cut::Off)? {
                Received::Data { .. } => {}
                Received::Message(FromAgent::DataEnd { .. }) => return Ok(()),
                Received::Message(_) => return Err(Cut::Session(SessionEnd::Confused)),
            }
        }
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
        let (root, described) = match self.root() {
            Ok(root) => root,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(self.line.attend(command, move |_| {
            let written = root.open().and_then(|disk| config_drive::write(&disk, &content));
            written.map_err(|error| told(&error, &described))?;
            Ok(StepOutput::Done)
        })?)
    }
}

/// A failure with which disk it was: its name in the kernel is another one at the next boot.
fn told(error: &DiskError, disk: &hardware::Disk) -> String {
    match error {
        DiskError::Io { .. } | DiskError::ReadBack { .. } => format!("{error}; the disk is {disk}"),
        DiskError::Unfit(why) => why.clone(),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An entry that stays is no byte of a tenant's: it is told, and fails nothing.
fn remove_stale_entries() {
    match stale_entries::remove() {
        Ok(removed) => removed.iter().for_each(|entry| say!("boot entry removed: {entry}")),
        Err(error) => say!("boot entries that lead to erased disks are not removed: {error}"),
    }
}
