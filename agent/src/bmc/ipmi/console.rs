//! Edges: serial over LAN: turns the crank of `protocol::ipmi::sol::line` over a session of the console's own.
//!
//! It does not share the session in which the power is read: BMCs are slow to answer while they print, and a console that ends takes
//! its session with it.

use std::time::Instant;

use protocol::ipmi::sol::line::{Line, LineEnd, LineEvent, Take};

use super::{
    IpmiBmc,
    session::{Session, Wire},
    socket::Place,
};
use crate::bmc::{
    BmcError,
    console::{self, Console, Far, Heard, Typed},
};

impl IpmiBmc {
    /// Opens the console. It is ours when this returns.
    pub(super) async fn open_console(&self, take: Take) -> Result<Console, BmcError> {
        let Wire { client, place } = self.session_of_its_own().await?;
        let now = Instant::now();
        let mut crank = Crank { line: Line::new(client, take, now), place };
        match crank.next().await {
            Some(LineEvent::Opened) => {}
            Some(LineEvent::Ended(end)) => return Err(self.no_console(&end)),
            Some(LineEvent::Characters(_) | LineEvent::Break | LineEvent::Overrun) | None => {
                return Err(self.no_console(&LineEnd::Closed));
            }
        }
        let (console, far) = console::pair();
        tokio::spawn(crank.run(far));
        Ok(console)
    }

    /// A session beside the one that is kept, with the BMC that is expected.
    async fn session_of_its_own(&self) -> Result<Wire, BmcError> {
        let mut state = self.state.lock().await;
        let kept = (state.session.take(), state.is_known);
        let begun = self.begin_session(&mut state).await;
        let own = state.session.take().and_then(Session::into_wire);
        (state.session, state.is_known) = kept;
        begun?;
        own.ok_or_else(|| self.unreachable("its session ended as soon as it began".to_owned()))
    }

    fn no_console(&self, end: &LineEnd) -> BmcError {
        match end {
            LineEnd::Session(reason) => self.ended(reason),
            LineEnd::Closed
            | LineEnd::Busy
            | LineEnd::Taken
            | LineEnd::Disabled
            | LineEnd::Refused { .. }
            | LineEnd::Malformed { .. }
            | LineEnd::Dead { .. } => self.refused(format!("no console: {end}")),
        }
    }
}

/// The machine with its place on the socket. Dropped, it says goodbye, and the BMC frees the console with the session.
struct Crank {
    line: Line,
    place: Place,
}

impl Drop for Crank {
    fn drop(&mut self) {
        if !self.line.is_over() {
            self.line.leave();
        }
        while let Some(datagram) = self.line.poll_transmit() {
            self.place.send_now(&datagram);
        }
    }
}

impl Crank {
    /// What happens next; none: it is over and everything was told.
    async fn next(&mut self) -> Option<LineEvent> {
        loop {
            self.transmit().await;
            if let Some(event) = self.line.poll_event() {
                return Some(event);
            }
            if self.line.is_over() {
                return None;
            }
            self.wait().await;
        }
    }

    async fn transmit(&mut self) {
        while let Some(datagram) = self.line.poll_transmit() {
            self.place.send(&datagram).await;
        }
    }

    /// Waits for a datagram or a time; nothing is lost when this is dropped.
    async fn wait(&mut self) {
        let Some(due) = self.line.poll_timeout() else {
            // Nothing is under way in it, which its end will say.
            self.line.leave();
            return;
        };
        tokio::select! {
            datagram = self.place.receive() => self.line.handle_packet(&datagram, Instant::now()),
            () = tokio::time::sleep_until(due.into()) => self.line.handle_timeout(Instant::now()),
        }
    }

    /// Carries characters both ways until the line ends or nobody holds the console any more.
    async fn run(mut self, far: Far) {
        let Far { mut typed, heard } = far;
        let mut rest = bytes::Bytes::new();
        let mut is_held = true;
        loop {
            self.transmit().await;
            while let Some(event) = self.line.poll_event() {
                if let Some(event) = as_heard(event) {
                    // Nobody listening is no fault: the line is closed below.
                    let _ = heard.send(event).await;
                }
            }
            if self.line.is_over() {
                return;
            }
            if !rest.is_empty() {
                let taken = self.line.write(&rest, Instant::now());
                let _ = rest.split_to(taken);
                self.transmit().await;
            }
            tokio::select! {
                () = self.wait() => {}
                asked = typed.recv(), if is_held && rest.is_empty() => match asked {
                    Some(Typed::Characters(characters)) => rest = characters,
                    Some(Typed::Break) => self.line.send_break(Instant::now()),
                    None => {
                        is_held = false;
                        self.line.close(Instant::now());
                    }
                },
            }
        }
    }
}

/// What is told of it; none: whoever holds the console knows.
fn as_heard(event: LineEvent) -> Option<Heard> {
    match event {
        LineEvent::Characters(characters) => Some(Heard::Characters(characters.into())),
        LineEvent::Break => Some(Heard::Break),
        LineEvent::Overrun => Some(Heard::Overrun),
        LineEvent::Opened | LineEvent::Ended(LineEnd::Closed) => None,
        LineEvent::Ended(end) => Some(Heard::Lost(end.to_string())),
    }
}
