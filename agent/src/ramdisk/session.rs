//! Edges: one ramdisk's session: turns the crank of its [`Conversation`] with its connections, the steps asked of it, and the clock.

use std::{sync::Arc, time::Duration};

use protocol::{
    boot::BootPlan,
    command::{Failure, FailureKind},
    hardware::HardwareReport,
    id::{RamdiskSessionId, ServerId},
    ramdisk::{FromAgent, FromRamdisk, LastTask},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    config,
    connection::Connection,
    control::Shared,
    conversation::{Conversation, Event, Transmit},
    payload::{Outgoing, Piece, StepRequest},
};
use crate::image::ImageError;

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
    pub events: mpsc::Sender<config::Event>,
    pub end: CancellationToken,
    /// Is told whether a ramdisk is connected.
    pub shared: Arc<Shared>,
    pub resume_wait: Duration,
    pub step_silence: Duration,
}

/// What happened next.
enum Input {
    Revoked,
    Arrived(Arrival),
    Lost(String),
    Message(FromRamdisk),
    Asked(StepRequest),
    Sent,
    PayloadEnded(Result<String, Failure>),
    Timeout,
}

/// A connection, and what remains to be sent on it.
struct Line {
    connection: Connection,
    outgoing: Outgoing,
}

impl Session {
    /// Carries steps until the session ends; returns why it ended.
    pub(super) async fn run(&mut self) -> String {
        let mut conversation = Conversation::new(self.resume_wait, self.step_silence, now());
        let mut line = None;
        let mut request: Option<StepRequest> = None;
        let mut is_revoked = false;
        loop {
            while let Some(event) = conversation.poll_event() {
                match event {
                    Event::Progress(progress) => {
                        if let Some(request) = &request {
                            (request.on_progress)(progress);
                        }
                    }
                    Event::StepEnded(outcome) => {
                        if let Some(request) = request.take() {
                            let _ = request.reply.send(outcome);
                        }
                    }
                    Event::Ended(reason) => return reason,
                }
            }
            let input = tokio::select! {
                () = self.end.cancelled(), if !is_revoked => Input::Revoked,
                arrived = self.arrivals.recv(), if !is_revoked => arrived.map_or(Input::Revoked, Input::Arrived),
                // What is being sent when one of these comes first goes down with its connection.
                input = turn(line.as_mut(), &mut conversation, request.as_ref(), &mut self.requests) => input,
            };
            match input {
                // The agent stops, and its ramdisks go on.
                Input::Revoked if self.shared.stop.is_cancelled() => conversation.handle_revoked(),
                Input::Revoked => {
                    is_revoked = true;
                    conversation.handle_wind_down(now());
                }
                Input::Arrived(Arrival { connection, answer, hardware, last }) => {
                    self.shared.linked(self.id, true);
                    let (server, session, plan) = (self.server, self.id, self.plan.clone());
                    let ready = config::Event::Ready { server, session, plan, hardware };
                    if self.events.send(ready).await.is_err() {
                        return "the agent is stopping".into();
                    }
                    line = Some(Line { connection, outgoing: Outgoing::nothing() });
                    conversation.handle_arrival(answer, last, now());
                }
                Input::Lost(reason) => {
                    line = None;
                    self.shared.linked(self.id, false);
                    conversation.handle_lost(now());
                    self.tell_lost(&reason, conversation.is_lost());
                }
                Input::Message(message) => conversation.handle_message(message, now()),
                Input::Asked(asked) => {
                    let (command, task) = (asked.command, asked.task.clone());
                    conversation.handle_step(command, task, asked.payload.bytes(), now());
                    request = Some(asked);
                }
                Input::Sent => conversation.handle_sent(now()),
                Input::PayloadEnded(end) => conversation.handle_payload_end(end, now()),
                Input::Timeout => conversation.handle_timeout(now()),
            }
        }
    }

    fn tell_lost(&self, reason: &str, is_waited_for: bool) {
        let (server, session) = (self.server, self.id);
        if is_waited_for {
            tracing::warn!(%server, %session, reason, "ramdisk's connection is lost, waiting for it to come back");
        } else {
            tracing::debug!(%server, %session, reason, "ramdisk said farewell and closed its connection");
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Sends what is to be sent, and waits for what comes next.
async fn turn(
    line: Option<&mut Line>,
    conversation: &mut Conversation,
    request: Option<&StepRequest>,
    requests: &mut mpsc::Receiver<StepRequest>,
) -> Input {
    let timeout = conversation.poll_timeout();
    let until = async {
        match timeout {
            Some(at) => sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    };
    let Some(line) = line else {
        until.await;
        return Input::Timeout;
    };
    while let Some(transmit) = conversation.poll_transmit() {
        let sent = match transmit {
            Transmit::Say(message) => line.connection.say(&message).await,
            Transmit::Payload => {
                line.outgoing =
                    request.map_or_else(Outgoing::nothing, |request| Outgoing::of(&request.payload));
                Ok(())
            }
        };
        if let Err(reason) = sent {
            return Input::Lost(reason);
        }
    }
    if !conversation.is_sending() {
        line.outgoing = Outgoing::nothing();
    }
    tokio::select! {
        message = line.connection.message() => message.map_or_else(Input::Lost, Input::Message),
        piece = line.outgoing.next() => match piece {
            Piece::Extent(extent) => match line.connection.send(&extent).await {
                Ok(()) => Input::Sent,
                Err(reason) => Input::Lost(reason),
            },
            Piece::Broken(error) => Input::PayloadEnded(Err(image_failed(&error))),
            Piece::End { sha256 } => Input::PayloadEnded(Ok(sha256)),
        },
        asked = requests.recv(), if conversation.takes_step() => asked.map_or(Input::Revoked, Input::Asked),
        () = until => Input::Timeout,
    }
}

fn image_failed(error: &ImageError) -> Failure {
    Failure { kind: FailureKind::ImageCorrupt, message: format!("the image cannot be written: {error}") }
}
