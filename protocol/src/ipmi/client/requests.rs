//! Decisions: requests in an open session: one at a time, each under a number of its own, and which answer belongs to it.

use std::time::Instant;

use super::{
    super::{
        bridge::{self, Meanwhile},
        command::{Request, Response},
        message::{CompletionCode, ResponseMessage},
        rmcp::PlusPacket,
    },
    Client, ClientEvent, EndReason, Fault, Owner, Pending, RequestError, Stage,
};

/// A request's number within its session has 6 bits (section 13.8).
const SEQUENCE_MASK: u8 = 0x3f;
/// An answer to one of so many requests before the present one is late; with any other number it is wrong.
const LATE_MAX: u32 = 4;

impl Client {
    pub(super) fn send(&mut self, owner: Owner, request: Request, now: Instant) {
        self.next_sequence();
        self.pending = Some(Pending { owner, request, sequence: self.sequence });
        self.start_tries(now);
        self.transmit();
    }

    pub(super) fn send_next(&mut self, now: Instant) {
        let Stage::Session(session) = &self.stage else { return };
        if !self.opened || self.pending.is_some() {
            return;
        }
        if self.closing {
            let request = Request::CloseSession(session.peer_id());
            self.send(Owner::Close, request, now);
        } else if let Some((id, request)) = self.queue.pop_front() {
            self.send(Owner::Caller(id), request, now);
        }
    }

    pub(super) fn response(&mut self, packet: &PlusPacket<'_>, now: Instant) -> Result<(), Fault> {
        let Stage::Session(session) = &mut self.stage else { return Ok(()) };
        // Some BMCs name session 0; whose it is, the key proves.
        if packet.header.session_id != self.console_id && packet.header.session_id != 0 {
            return Err(Fault::Strange);
        }
        if !packet.header.authenticated {
            return Err(Fault::Unauthenticated);
        }
        let message = session.open(packet)?;
        let response = ResponseMessage::parse(&message)?;
        let Some(pending) = self.pending else { return Ok(()) };
        let (netfn, command, _) = pending.request.encode();
        let response = match bridge::meanwhile(&pending.request, pending.sequence, &response) {
            Meanwhile::Usual => response,
            Meanwhile::Taken => return Ok(()),
            Meanwhile::Answer => ResponseMessage {
                netfn,
                command,
                sequence: pending.sequence,
                code: CompletionCode::OK,
                data: &message,
            },
        };
        if (response.netfn, response.command, response.sequence) != (netfn, command, pending.sequence) {
            return if self.is_late(response.sequence) { Ok(()) } else { Err(Fault::Strange) };
        }
        let last_try = self.tries.is_some_and(|tries| tries.next(tries.deadline()).is_none());
        if response.code.passes(pending.request.is_repeatable()) && !last_try {
            // Asked again under a new number when the wait is over: it counts as a try.
            self.next_sequence();
            self.pending = Some(Pending { sequence: self.sequence, ..pending });
            return Ok(());
        }
        self.pending = None;
        let took = self.tries.take().and_then(|tries| tries.took(now));
        if let Some(took) = took.filter(|_| pending.request.is_look()) {
            self.round_trip.took(took);
        }
        let name = pending.request.name();
        let answer = if response.code == CompletionCode::OK {
            Response::parse(&pending.request, response.data)
                .map_err(|source| RequestError::Malformed { request: name, source })
        } else {
            Err(RequestError::Refused { request: name, code: response.code })
        };
        self.answered(pending.owner, answer, now);
        Ok(())
    }

    pub(super) fn next_sequence(&mut self) {
        self.sequence = (self.sequence + 1) & SEQUENCE_MASK;
        self.numbered = self.numbered.saturating_add(1);
    }

    /// Whether this is the number of a request that was answered or repeated just before: its answer came twice, or late.
    fn is_late(&self, sequence: u8) -> bool {
        let behind = self.sequence.wrapping_sub(sequence) & SEQUENCE_MASK;
        (1..=LATE_MAX.min(self.numbered.saturating_sub(1))).contains(&behind.into())
    }

    fn answered(&mut self, owner: Owner, answer: Result<Response, RequestError>, now: Instant) {
        match owner {
            Owner::Login => self.privilege_answered(answer, now),
            Owner::Caller(id) => {
                self.events.push_back(ClientEvent::Answered(id, answer));
                self.send_next(now);
            }
            Owner::Close => self.end(EndReason::Closed),
        }
    }
}
