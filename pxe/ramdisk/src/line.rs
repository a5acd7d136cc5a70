//! Edges: the session with the agent, over all its connections: a lost one is dialled again for a bounded time, and work
//! goes on meanwhile.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use protocol::{
    hardware::HardwareReport,
    id::{CommandId, RamdiskSessionId},
    ramdisk::{BootArguments, FromAgent, FromRamdisk, LastTask, Task},
    secret::Secret,
    step::{StepOutput, StepProgress},
};

use crate::{
    link::{Link, LinkError, Received},
    say,
    session_end::SessionEnd,
    stop::Stop,
};

/// How often the agent is dialled before a hello was accepted.
const CONNECT_TRIES_MAX: u32 = 15;
const CONNECT_PAUSE: Duration = Duration::from_secs(1);
/// While a task runs, its connection is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time between two progress reports.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// A task that works on without news is said to be at it this often: how long one request to a disk takes is up to the disk.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);
/// News of a running task that wait to be sent; its thread waits then.
const NEWS_MAX: usize = 4;

/// A session that the agent has accepted.
#[derive(Debug)]
pub struct Line<'a> {
    arguments: &'a BootArguments,
    hardware: Box<HardwareReport>,
    session: RamdiskSessionId,
    secret: Secret,
    resume_wait: Duration,
    connection: Connection,
    last: Option<LastTask>,
}

#[derive(Debug)]
enum Connection {
    Up(Box<Link>),
    Lost { since: Instant },
}

/// What a task's thread tells.
enum News {
    Progress(StepProgress),
    Ended(Result<StepOutput, String>),
}

impl<'a> Line<'a> {
    /// Dials and says hello until the agent has answered. A lost connection is then tried again for `resume_wait`.
    pub fn open(
        arguments: &'a BootArguments,
        hardware: Box<HardwareReport>,
        resume_wait: Duration,
    ) -> Result<Self, SessionEnd> {
        let hello = FromRamdisk::Hello { token: arguments.token.clone(), hardware: hardware.clone() };
        let mut tries = 0;
        loop {
            tries += 1;
            match greet(arguments, &hello) {
                Ok((link, Received::Message(FromAgent::Welcome { session, resume: secret }))) => {
                    say!("agent {} welcomes us, session {session}", arguments.agent);
                    let connection = Connection::Up(Box::new(link));
                    return Ok(Self {
                        arguments,
                        hardware,
                        session,
                        secret,
                        resume_wait,
                        connection,
                        last: None,
                    });
                }
                Ok((_, Received::Message(FromAgent::Refused { reason }))) => {
                    return Err(SessionEnd::Refused(reason));
                }
                Ok((
                    _,
                    Received::Message(
                        FromAgent::Run { .. }
                        | FromAgent::Stop { .. }
                        | FromAgent::DataEnd { .. }
                        | FromAgent::Resumed,
                    )
                    | Received::Data { .. },
                )) => return Err(SessionEnd::Confused),
                Err(error) if tries >= CONNECT_TRIES_MAX => return Err(error.into()),
                Err(error) => say!("try {tries} of {CONNECT_TRIES_MAX}: {error}"),
            }
            thread::sleep(CONNECT_PAUSE);
        }
    }

    /// Waits for the next task, taking the session up again as often as that is needed.
    pub fn next_task(&mut self) -> Result<(CommandId, Task), SessionEnd> {
        loop {
            match self.receive() {
                Some(Received::Message(FromAgent::Run { command, task })) => {
                    self.last = Some(LastTask::Running { command });
                    return Ok((command, task));
                }
                Some(_) => return Err(SessionEnd::Confused),
                None => {}
            }
            while let Connection::Lost { .. } = self.connection {
                self.resume()?;
                if let Connection::Lost { .. } = self.connection {
                    thread::sleep(CONNECT_PAUSE);
                }
            }
        }
    }

    /// The next frame, for a task that cannot go on without it; none: the connection is lost, and the task with it.
    pub fn receive(&mut self) -> Option<Received> {
        let Connection::Up(link) = &mut self.connection else { return None };
        match link.receive() {
            Ok(received) => Some(received),
            Err(error) => {
                self.lose(&error);
                None
            }
        }
    }

    /// Says how far the running task is; without a connection nobody needs to know.
    pub fn progress(&mut self, command: CommandId, progress: StepProgress) {
        self.tell(&FromRamdisk::Progress { command, progress });
    }

    /// Says how the task ended; without a connection that is said when the session is taken up again.
    pub fn finished(&mut self, command: CommandId, outcome: Result<StepOutput, String>) {
        self.last = Some(LastTask::Ended { command, outcome: outcome.clone() });
        self.tell(&FromRamdisk::Finished { command, outcome });
    }

    /// Sees to it that the agent has heard everything, before the server switches off.
    pub fn farewell(&mut self) {
        if let Connection::Up(link) = &mut self.connection {
            link.farewell();
        }
    }

    /// Waits until the agent knows the session no more, which is so once it has heard how the last task ended: until then a
    /// lost connection is one that is taken up again.
    pub fn let_go(&mut self) -> Result<(), SessionEnd> {
        match self.next_task() {
            Err(SessionEnd::Refused(_)) => Ok(()),
            Err(end) => Err(end),
            Ok(_) => Err(SessionEnd::Confused),
        }
    }

    /// The task was cut off with the connection: it is to be given again.
    pub fn cut_off(&mut self) {
        self.last = None;
    }

    /// Lets a task run on a thread of its own, and looks after the connection until it has ended. The agent hears of it at least every
    /// [`HEARTBEAT_EVERY`], whatever the task says of itself.
    pub fn attend(
        &mut self,
        command: CommandId,
        work: impl FnOnce(&mut dyn FnMut(StepProgress)) -> Result<StepOutput, String> + Send + 'static,
    ) -> Result<Result<StepOutput, String>, SessionEnd> {
        self.attend_until(command, &Stop::default(), work)
    }

    /// The same of a task that stops when `stop` says so, which the agent does.
    pub fn attend_until(
        &mut self,
        command: CommandId,
        stop: &Stop,
        work: impl FnOnce(&mut dyn FnMut(StepProgress)) -> Result<StepOutput, String> + Send + 'static,
    ) -> Result<Result<StepOutput, String>, SessionEnd> {
        let (tell, news) = mpsc::sync_channel(NEWS_MAX);
        thread::spawn(move || {
            let mut last = Instant::now();
            let outcome = work(&mut |progress| {
                if last.elapsed() >= PROGRESS_EVERY {
                    last = Instant::now();
                    let _ = tell.send(News::Progress(progress));
                }
            });
            let _ = tell.send(News::Ended(outcome));
        });
        let mut heartbeat = Heartbeat::new(Instant::now(), HEARTBEAT_EVERY);
        loop {
            match news.recv_timeout(LOOK_EVERY) {
                Ok(News::Ended(outcome)) => return Ok(outcome),
                Ok(News::Progress(progress)) => {
                    heartbeat.moved(progress.clone(), Instant::now());
                    self.progress(command, progress);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(progress) = heartbeat.due(Instant::now()) {
                        self.progress(command, progress);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Err("the task ended without a word".into()));
                }
            }
            match &mut self.connection {
                Connection::Up(link) => match link.overheard() {
                    Ok(None) => {}
                    Ok(Some(Received::Message(FromAgent::Stop { command: of }))) if of == command => {
                        say!("task {command}: the agent stops it");
                        stop.say();
                    }
                    Ok(Some(_)) => self.lose(&LinkError::Closed),
                    Err(error) => self.lose(&error),
                },
                Connection::Lost { .. } => self.resume()?,
            }
        }
    }

    fn tell(&mut self, message: &FromRamdisk) {
        if let Connection::Up(link) = &mut self.connection
            && let Err(error) = link.send(message)
        {
            self.lose(&error);
        }
    }

    fn lose(&mut self, error: &LinkError) {
        say!("lost the agent, trying for {} s: {error}", self.resume_wait.as_secs());
        self.connection = Connection::Lost { since: Instant::now() };
    }

    /// Tries once to take the session up again.
    fn resume(&mut self) -> Result<(), SessionEnd> {
        let Connection::Lost { since } = self.connection else { return Ok(()) };
        let resume = FromRamdisk::Resume {
            session: self.session,
            secret: self.secret.clone(),
            hardware: self.hardware.clone(),
            last: self.last.clone(),
        };
        match greet(self.arguments, &resume) {
            Ok((link, Received::Message(FromAgent::Resumed))) => {
                say!("session {} goes on after {} ms", self.session, since.elapsed().as_millis());
                self.connection = Connection::Up(Box::new(link));
                Ok(())
            }
            Ok((_, Received::Message(FromAgent::Refused { reason }))) => Err(SessionEnd::Refused(reason)),
            Ok((
                _,
                Received::Message(
                    FromAgent::Run { .. }
                    | FromAgent::Stop { .. }
                    | FromAgent::DataEnd { .. }
                    | FromAgent::Welcome { .. },
                )
                | Received::Data { .. },
            )) => Err(SessionEnd::Confused),
            Err(error) if since.elapsed() >= self.resume_wait => Err(error.into()),
            Err(_) => Ok(()),
        }
    }
}

/// When a task that says nothing is to be spoken of, and how far it was.
#[derive(Debug)]
pub struct Heartbeat {
    every: Duration,
    said: Instant,
    progress: StepProgress,
}

impl Heartbeat {
    /// Of a task that begins now.
    pub fn new(now: Instant, every: Duration) -> Self {
        Self { every, said: now, progress: StepProgress { done_bytes: 0, total_bytes: 0 } }
    }

    /// It has come so far, and that is said.
    pub fn moved(&mut self, progress: StepProgress, now: Instant) {
        (self.progress, self.said) = (progress, now);
    }

    /// Whether the last word is so long ago.
    pub fn is_after(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.said) >= time
    }

    /// What to say now, if it is time.
    pub fn due(&mut self, now: Instant) -> Option<StepProgress> {
        (now.saturating_duration_since(self.said) >= self.every).then(|| {
            self.said = now;
            self.progress.clone()
        })
    }
}

fn greet(arguments: &BootArguments, message: &FromRamdisk) -> Result<(Link, Received), LinkError> {
    let mut link = Link::connect(arguments.agent, &arguments.fingerprint)?;
    let answer = link.greet(message)?;
    Ok((link, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_without_news_is_spoken_of_again_and_again() {
        let (start, every) = (Instant::now(), Duration::from_secs(30));
        let at = |seconds| start + Duration::from_secs(seconds);
        let progress = |done_bytes| StepProgress { done_bytes, total_bytes: 9 };
        let mut heartbeat = Heartbeat::new(start, every);
        assert_eq!(heartbeat.due(at(29)), None);
        assert_eq!(heartbeat.due(at(30)), Some(StepProgress { done_bytes: 0, total_bytes: 0 }));
        assert_eq!(heartbeat.due(at(31)), None);
        heartbeat.moved(progress(4), at(50));
        assert_eq!(heartbeat.due(at(79)), None);
        for seconds in [80, 110, 100_000] {
            assert_eq!(heartbeat.due(at(seconds)), Some(progress(4)), "{seconds}");
        }
    }
}
