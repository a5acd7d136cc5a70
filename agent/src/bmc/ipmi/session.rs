//! Edges: turns the client machine's crank with the socket and the clock, only while there is something to ask.

use std::time::Instant;

use protocol::ipmi::{
    CipherSuite,
    client::{Client, ClientEvent, EndReason, RequestError, RequestId},
    command::{Request, Response},
};

use super::socket::Place;

/// How a request went.
pub(super) enum Asked {
    /// The BMC answered.
    Answered(Result<Response, RequestError>),
    /// The session is over without an answer.
    Ended(EndReason),
}

/// The machine and its place on the socket.
pub(super) struct Wire {
    pub(super) client: Client,
    pub(super) place: Place,
}

/// An open session. Dropped, it says goodbye, so that the BMC's slot is free at once.
pub(super) struct Session {
    /// None: somebody else has it now.
    wire: Option<Wire>,
    suite: CipherSuite,
}

impl Session {
    /// A new one, in the place that was kept for it.
    pub(super) async fn open(client: Client, place: Place) -> Result<Self, EndReason> {
        let mut session = Self { wire: Some(Wire { client, place }), suite: CipherSuite::Three };
        loop {
            match session.next_event().await {
                ClientEvent::Opened(suite) => {
                    session.suite = suite;
                    return Ok(session);
                }
                ClientEvent::Ended(reason) => return Err(reason),
                ClientEvent::Answered(..) => {}
            }
        }
    }

    pub(super) fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// The open session for somebody who turns its crank himself, and says the goodbye.
    pub(super) fn into_wire(mut self) -> Option<Wire> {
        self.wire.take()
    }

    pub(super) async fn ask(&mut self, request: Request) -> Asked {
        let asked = self.wire.as_mut().map(|wire| wire.client.request(request, Instant::now()));
        let Some(Ok(id)): Option<Result<RequestId, _>> = asked else {
            return Asked::Ended(EndReason::Closed);
        };
        loop {
            match self.next_event().await {
                ClientEvent::Answered(answered, answer) if answered == id => return Asked::Answered(answer),
                ClientEvent::Ended(reason) => return Asked::Ended(reason),
                // An answer to a caller that gave up waiting.
                ClientEvent::Answered(..) | ClientEvent::Opened(_) => {}
            }
        }
    }

    /// Sends, receives and waits until something happens. It ends: every wait of the machine is bounded, and an ended machine says so.
    async fn next_event(&mut self) -> ClientEvent {
        let Some(Wire { client, place }) = &mut self.wire else {
            return ClientEvent::Ended(EndReason::Closed);
        };
        loop {
            while let Some(datagram) = client.poll_transmit() {
                place.send(&datagram).await;
            }
            if let Some(event) = client.poll_event() {
                return event;
            }
            let Some(deadline) = client.poll_timeout() else {
                return ClientEvent::Ended(EndReason::Closed);
            };
            tokio::select! {
                // What is there already needs no timer.
                biased;
                datagram = place.receive() => client.handle_packet(&datagram, Instant::now()),
                () = tokio::time::sleep_until(deadline.into()) => client.handle_timeout(Instant::now()),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(Wire { client, place }) = &mut self.wire else { return };
        if !client.is_ended() {
            client.leave();
        }
        while let Some(datagram) = client.poll_transmit() {
            place.send_now(&datagram);
        }
    }
}
