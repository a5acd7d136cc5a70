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

/// An open session. Dropped, it says goodbye, so that the BMC's slot is free at once.
pub(super) struct Session {
    client: Client,
    place: Place,
    suite: CipherSuite,
}

impl Session {
    /// A new one, in the place that was kept for it.
    pub(super) async fn open(client: Client, place: Place) -> Result<Self, EndReason> {
        let mut session = Self { client, place, suite: CipherSuite::Three };
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

    pub(super) async fn ask(&mut self, request: Request) -> Asked {
        let Ok(id): Result<RequestId, _> = self.client.request(request, Instant::now()) else {
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
        loop {
            while let Some(datagram) = self.client.poll_transmit() {
                self.place.send(&datagram).await;
            }
            if let Some(event) = self.client.poll_event() {
                return event;
            }
            let Some(deadline) = self.client.poll_timeout() else {
                return ClientEvent::Ended(EndReason::Closed);
            };
            tokio::select! {
                datagram = self.place.receive() => match datagram {
                    Some(datagram) => self.client.handle_packet(&datagram, Instant::now()),
                    None => return ClientEvent::Ended(EndReason::Closed),
                },
                () = tokio::time::sleep_until(deadline.into()) => self.client.handle_timeout(Instant::now()),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.client.is_ended() {
            self.client.leave();
        }
        while let Some(datagram) = self.client.poll_transmit() {
            self.place.send_now(&datagram);
        }
    }
}
