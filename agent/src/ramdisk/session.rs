//! Edges: one ramdisk's session over all its connections. A step that was given is followed to its end, on whichever
//! connection: one that the ramdisk still works on is not given again, one that was cut off is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use protocol::{
    boot::BootPlan,
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    ramdisk::{FromAgent, FromRamdisk, LastTask, Task},
    step::StepOutput,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Broken, Connection, Outgoing, StepRequest, step_result},
    control::Event,
};

const REVOKED: &str = "its power went off, its boot was called off, or it said hello anew";
const HANDED_OVER: &str = "it has handed itself over to its tenant";

/// A ramdisk that was let in, by its token or by its session's secret.
pub(super) struct Arrival {
    pub connection: Connection,
    /// What it is told.
    pub answer: FromAgent,
    pub hardware: Box<HardwareReport>,
    pub last: Option<LastTask>,
}

/// A session and its ends of the channels.
pub(super) struct Session {
    pub id: RamdiskSessionId,
    pub server: ServerId,
    pub plan: BootPlan,
    pub arrivals: mpsc::Receiver<Arrival>,
    pub requests: mpsc::Receiver<StepRequest>,
    pub events: mpsc::Sender<Event>,
    pub end: CancellationToken,
    /// Whether a ramdisk is connected, for whoever decides who is let in.
    pub is_linked: Arc<AtomicBool>,
    pub resume_wait: Duration,
}

impl Session {
    /// Carries steps until the session ends; returns why it ended.
    pub(super) async fn run(&mut self) -> String {
        let mut serving = Serving { request: None, farewell: false, handed_over: false };
        let mut newer = None;
        loop {
            let arrival = match newer.take() {
                Some(arrival) => arrival,
                None => tokio::select! {
                    () = self.end.cancelled() => return serving.revoked().into(),
                    arrived = tokio::time::timeout(self.resume_wait, self.arrivals.recv()) => match arrived {
                        Ok(Some(arrival)) => arrival,
                        Ok(None) => return serving.revoked().into(),
                        Err(_) => return format!(
                            "it lost its agent and did not come back within {} s",
                            self.resume_wait.as_secs()
                        ),
                    },
                },
            };
            let Arrival { mut connection, answer, hardware, last } = arrival;
            self.is_linked.store(true, Ordering::Relaxed);
            let (server, session, plan) = (self.server, self.id, self.plan.clone());
            if self.events.send(Event::Ready { server, session, plan, hardware }).await.is_err() {
                return "the agent is stopping".into();
            }
            let broken = tokio::select! {
                () = self.end.cancelled() => return serving.revoked().into(),
                arrived = self.arrivals.recv() => match arrived {
                    Some(arrival) => {
                        newer = Some(arrival);
                        continue;
                    }
                    None => return serving.revoked().into(),
                },
                broken = serving.serve(&mut connection, &answer, last, &mut self.requests) => broken,
            };
            self.is_linked.store(false, Ordering::Relaxed);
            match broken {
                Broken::Ended(reason) => return reason,
                Broken::Lost(reason) if serving.farewell => {
                    tracing::debug!(server = %self.server, session = %self.id, reason, "ramdisk said farewell and closed its connection");
                    return "it switched itself off".into();
                }
                Broken::Lost(reason) => {
                    tracing::warn!(server = %self.server, session = %self.id, reason, "ramdisk's connection is lost, waiting for it to come back");
                }
            }
        }
    }
}

/// What outlives a connection.
struct Serving {
    /// The step that was taken from the queue and not answered.
    request: Option<StepRequest>,
    /// The ramdisk has said that it switches off.
    farewell: bool,
    /// The ramdisk has let go of its server, and waits for its session to end.
    handed_over: bool,
}

impl Serving {
    /// Why the session was ended from outside.
    fn revoked(&self) -> &'static str {
        if self.handed_over { HANDED_OVER } else { REVOKED }
    }

    async fn serve(
        &mut self,
        connection: &mut Connection,
        answer: &FromAgent,
        last: Option<LastTask>,
        requests: &mut mpsc::Receiver<StepRequest>,
    ) -> Broken {
        match self.try_serve(connection, answer, last, requests).await {
            Ok(never) => match never {},
            Err(broken) => broken,
        }
    }

    async fn try_serve(
        &mut self,
        connection: &mut Connection,
        answer: &FromAgent,
        mut last: Option<LastTask>,
        requests: &mut mpsc::Receiver<StepRequest>,
    ) -> Result<std::convert::Infallible, Broken> {
        connection.say(answer).await?;
        loop {
            let Some(request) = &mut self.request else {
                tokio::select! {
                    request = requests.recv() => match request {
                        Some(request) => self.request = Some(request),
                        None => return Err(Broken::Ended(self.revoked().into())),
                    },
                    message = connection.message() => last = overheard(last, message?)?,
                }
                continue;
            };
            let outcome = match last.take() {
                Some(LastTask::Ended { command, outcome }) if command == request.command => {
                    step_result(outcome)
                }
                Some(LastTask::Running { command }) if command == request.command => {
                    connection.follow(request, Outgoing::Nothing).await?
                }
                // Something whose asker is gone; the ramdisk does one thing at a time.
                Some(running @ LastTask::Running { .. }) => {
                    last = overheard(Some(running), connection.message().await?)?;
                    continue;
                }
                Some(LastTask::Ended { .. }) | None => connection.run(request).await?,
            };
            if let Some(request) = self.request.take() {
                self.farewell |= outcome.is_ok() && matches!(request.task, Task::PowerOff);
                self.handed_over |= outcome == Ok(StepOutput::HandedOver);
                let _ = request.reply.send(outcome);
            }
        }
    }
}

/// A message while nothing is asked: only a task from before the connection may speak.
fn overheard(last: Option<LastTask>, message: FromRamdisk) -> Result<Option<LastTask>, Broken> {
    match (last, message) {
        (Some(LastTask::Running { command }), FromRamdisk::Progress { command: of, .. }) if of == command => {
            Ok(Some(LastTask::Running { command }))
        }
        (Some(LastTask::Running { command }), FromRamdisk::Finished { command: of, outcome })
            if of == command =>
        {
            Ok(Some(LastTask::Ended { command, outcome }))
        }
        (
            _,
            FromRamdisk::Hello { .. }
            | FromRamdisk::Resume { .. }
            | FromRamdisk::Progress { .. }
            | FromRamdisk::Finished { .. },
        ) => Err(Broken::Ended("it spoke without being asked".into())),
    }
}
