//! Edges: one run of the ramdisk: hello, tasks, and what happens when the agent is gone.

use std::{
    thread,
    time::{Duration, Instant},
};

use protocol::{
    hardware::HardwareReport,
    ramdisk::{BootArguments, FromAgent, FromRamdisk, Task},
    step::{CONFIG_DRIVE_BYTES_MAX, StepOutput, StepProgress},
};

use crate::{
    boot_entry, config_drive,
    disk::{self, Disk, DiskError},
    erase,
    link::{Link, LinkError, Received},
    say,
    write_image::ImageWriter,
};

/// How often the agent is dialled before a hello was accepted.
const CONNECT_TRIES_MAX: u32 = 15;
const CONNECT_PAUSE: Duration = Duration::from_secs(1);
/// After a lost connection the token is spent, so nothing more can be done: the server goes off after this time, which
/// leaves the reason on the console.
pub const LOST_AGENT_WAIT: Duration = Duration::from_secs(3);
/// Least time between two progress reports.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Why the ramdisk ends. Its server goes off in any case.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The agent told it to.
    #[error("the agent asked for power off")]
    Told,
    /// The agent did not accept the token.
    #[error("the agent refused us: {0}")]
    Refused(String),
    /// No connection, or no longer one.
    #[error("no agent: {0}")]
    Lost(#[from] LinkError),
    /// The agent broke the protocol.
    #[error("the agent said something unexpected")]
    Confused,
}

/// Says hello and carries tasks out until the end.
pub fn run(arguments: &BootArguments, look: &dyn Fn() -> HardwareReport) -> SessionEnd {
    let serve = || {
        let link = hello(arguments, Box::new(look()))?;
        Worker { link, look, root: None }.serve()
    };
    serve().err().unwrap_or(SessionEnd::Told)
}

fn hello(arguments: &BootArguments, hardware: Box<HardwareReport>) -> Result<Link, SessionEnd> {
    let hello = FromRamdisk::Hello { token: arguments.token.reveal().to_owned(), hardware };
    let mut tries = 0;
    loop {
        tries += 1;
        let answer = Link::connect(arguments.agent, &arguments.fingerprint).and_then(|mut link| {
            link.send(&hello)?;
            let answer = link.receive()?;
            Ok((link, answer))
        });
        match answer {
            Ok((link, Received::Message(FromAgent::Welcome { session }))) => {
                say!("agent {} welcomes us, session {session}", arguments.agent);
                return Ok(link);
            }
            Ok((_, Received::Message(FromAgent::Refused { reason }))) => {
                return Err(SessionEnd::Refused(reason));
            }
            Ok((
                _,
                Received::Message(FromAgent::Run { .. } | FromAgent::DataEnd { .. }) | Received::Data { .. },
            )) => {
                return Err(SessionEnd::Confused);
            }
            Err(error) if tries >= CONNECT_TRIES_MAX => return Err(error.into()),
            Err(error) => say!("try {tries} of {CONNECT_TRIES_MAX}: {error}"),
        }
        thread::sleep(CONNECT_PAUSE);
    }
}

struct Worker<'a> {
    link: Link,
    look: &'a dyn Fn() -> HardwareReport,
    /// The disk that the image was written to.
    root: Option<Disk>,
}

/// What a task may end in besides its answer.
enum Failed {
    Step(String),
    Session(SessionEnd),
}

impl From<DiskError> for Failed {
    fn from(error: DiskError) -> Self {
        Failed::Step(error.to_string())
    }
}

impl From<LinkError> for Failed {
    fn from(error: LinkError) -> Self {
        Failed::Session(error.into())
    }
}

impl Worker<'_> {
    fn serve(&mut self) -> Result<(), SessionEnd> {
        loop {
            let Received::Message(FromAgent::Run { number, task }) = self.link.receive()? else {
                return Err(SessionEnd::Confused);
            };
            let start = Instant::now();
            say!("task {number}: {task:?}");
            let last = matches!(task, Task::PowerOff);
            let outcome = match self.perform(number, task) {
                Ok(output) => Ok(output),
                Err(Failed::Step(reason)) => Err(reason),
                Err(Failed::Session(end)) => return Err(end),
            };
            match &outcome {
                Ok(_) => say!("task {number}: done in {} ms", start.elapsed().as_millis()),
                Err(reason) => say!("task {number}: failed: {reason}"),
            }
            self.link.send(&FromRamdisk::Finished { number, outcome })?;
            if last {
                return Ok(());
            }
        }
    }

    fn perform(&mut self, number: u32, task: Task) -> Result<StepOutput, Failed> {
        match task {
            Task::Inventory => Ok(StepOutput::Inventory { hardware: Box::new((self.look)()) }),
            Task::WriteImage { virtual_bytes } => self.write_image(number, virtual_bytes),
            Task::WriteConfigDrive { bytes } => self.write_config_drive(bytes),
            Task::InstallBootEntry => {
                boot_entry::install(&self.root()?.open()?)?;
                Ok(StepOutput::Done)
            }
            Task::EraseMetadata => {
                let disks = disk::all().iter().map(erase::metadata).collect::<Result<_, _>>()?;
                Ok(StepOutput::Erased { disks })
            }
            Task::EraseDisks => {
                let mut report = progress_reporter(&mut self.link, number);
                let disks = disk::all()
                    .iter()
                    .map(|disk| erase::whole(disk, &mut report))
                    .collect::<Result<_, _>>()?;
                Ok(StepOutput::Erased { disks })
            }
            Task::Sync | Task::PowerOff => {
                nix::unistd::sync();
                Ok(StepOutput::Done)
            }
        }
    }

    fn root(&self) -> Result<&Disk, Failed> {
        self.root
            .as_ref()
            .ok_or_else(|| Failed::Step("no image was written since this ramdisk was booted".into()))
    }

    fn write_image(&mut self, number: u32, virtual_bytes: u64) -> Result<StepOutput, Failed> {
        self.root = None;
        let found = disk::root_disk(&disk::all(), virtual_bytes);
        let mut writer =
            found.and_then(|disk| Ok((disk.clone(), ImageWriter::new(disk.open()?, virtual_bytes))));
        let mut last = Instant::now();
        // After a failure the rest is read and dropped: the agent may be in the middle of sending it.
        let sha256 = loop {
            match self.link.receive()? {
                Received::Data { offset, bytes } => {
                    let Ok((_, image)) = &mut writer else { continue };
                    match image.write(offset, &bytes) {
                        Ok(progress) if last.elapsed() >= PROGRESS_EVERY => {
                            last = Instant::now();
                            self.link.send(&FromRamdisk::Progress { number, progress })?;
                        }
                        Ok(_) => {}
                        Err(error) => writer = Err(error),
                    }
                }
                Received::Message(FromAgent::DataEnd { sha256 }) => break sha256,
                Received::Message(_) => return Err(Failed::Session(SessionEnd::Confused)),
            }
        };
        let (disk, image) = writer?;
        if sha256.is_empty() {
            return Err(Failed::Step("the agent gave up sending the image".into()));
        }
        let mut report = progress_reporter(&mut self.link, number);
        let output = image.finish(&sha256, &mut report)?;
        drop(report);
        self.root = Some(disk);
        Ok(output)
    }

    fn write_config_drive(&mut self, bytes: u64) -> Result<StepOutput, Failed> {
        let mut content = Vec::new();
        let fits = bytes <= CONFIG_DRIVE_BYTES_MAX as u64;
        loop {
            match self.link.receive()? {
                Received::Data { offset, bytes: piece } => {
                    let in_order = offset == content.len() as u64 && offset + piece.len() as u64 <= bytes;
                    if fits && in_order {
                        content.extend_from_slice(&piece);
                    }
                }
                Received::Message(FromAgent::DataEnd { .. }) => break,
                Received::Message(_) => return Err(Failed::Session(SessionEnd::Confused)),
            }
        }
        if content.is_empty() || content.len() as u64 != bytes {
            return Err(Failed::Step(format!(
                "{} of {bytes} bytes of the configuration drive came",
                content.len()
            )));
        }
        config_drive::write(&self.root()?.open()?, &content)?;
        Ok(StepOutput::Done)
    }
}

/// Sends progress now and then; a connection that fails meanwhile is noticed by the next message that matters.
fn progress_reporter(link: &mut Link, number: u32) -> impl FnMut(StepProgress) {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            let _ = link.send(&FromRamdisk::Progress { number, progress });
        }
    }
}
