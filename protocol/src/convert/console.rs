//! Values: what goes over a console's stream, to and from the wire.

use super::{InvalidMessage, optional_id, parse, present, server};
use crate::{
    console::{
        ConsoleDown, ConsoleNote, ConsoleUp, Grip, Manner, OpenConsole, PIECE_BYTES_MAX, WHO_CHARS_MAX,
    },
    grpc as wire,
    text::bounded,
};

impl From<OpenConsole> for wire::OpenConsole {
    fn from(open: OpenConsole) -> Self {
        let OpenConsole { id, server, who, manner, tenancy } = open;
        Self {
            id: id.to_string(),
            server: server.to_string(),
            who,
            types: manner == Manner::Types,
            tenancy: tenancy.map(|tenancy| tenancy.to_string()),
        }
    }
}

impl TryFrom<wire::OpenConsole> for OpenConsole {
    type Error = InvalidMessage;
    fn try_from(open: wire::OpenConsole) -> Result<Self, InvalidMessage> {
        Ok(Self {
            id: parse("OpenConsole.id", &open.id)?,
            server: server("OpenConsole.server", &open.server)?,
            who: bounded(&open.who, WHO_CHARS_MAX).into_owned(),
            manner: if open.types { Manner::Types } else { Manner::Looks },
            tenancy: optional_id("OpenConsole.tenancy", open.tenancy.as_deref())?,
        })
    }
}

impl From<ConsoleUp> for wire::ConsoleUp {
    fn from(up: ConsoleUp) -> Self {
        use wire::console_up::Message;
        let message = match up {
            ConsoleUp::Hello { id, refused } => Message::Hello(wire::ConsoleHello {
                id: id.to_string(),
                refused: refused.unwrap_or_default(),
            }),
            ConsoleUp::Output(bytes) => Message::Output(bytes),
            ConsoleUp::Note(note) => Message::Note(note.into()),
            ConsoleUp::Line(line) => Message::Line(line.into()),
            ConsoleUp::End(end) => Message::End(wire::RecordEnd { cut: end.err().unwrap_or_default() }),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::ConsoleUp> for ConsoleUp {
    type Error = InvalidMessage;
    fn try_from(up: wire::ConsoleUp) -> Result<Self, InvalidMessage> {
        use wire::console_up::Message;
        match present("ConsoleUp.message", up.message)? {
            Message::Hello(hello) => Ok(Self::Hello {
                id: parse("ConsoleHello.id", &hello.id)?,
                refused: Some(hello.refused).filter(|why| !why.is_empty()),
            }),
            Message::Output(bytes) => Ok(Self::Output(piece("ConsoleUp.output", bytes)?)),
            Message::Note(note) => Ok(Self::Note(note.try_into()?)),
            Message::Line(line) => Ok(Self::Line(line.try_into()?)),
            Message::End(wire::RecordEnd { cut }) => {
                Ok(Self::End(if cut.is_empty() { Ok(()) } else { Err(cut) }))
            }
        }
    }
}

impl From<ConsoleNote> for wire::ConsoleNote {
    fn from(note: ConsoleNote) -> Self {
        use wire::console_note::Kind;
        let (kind, text, count) = match note {
            ConsoleNote::Opened => (Kind::Opened, String::new(), 0),
            ConsoleNote::Lost(why) => (Kind::Lost, why, 0),
            ConsoleNote::Break => (Kind::Break, String::new(), 0),
            ConsoleNote::Overrun => (Kind::Overrun, String::new(), 0),
            ConsoleNote::Skipped(bytes) => (Kind::Skipped, String::new(), bytes),
            ConsoleNote::Cannot(why) => (Kind::Cannot, why, 0),
            ConsoleNote::Keyboard => (Kind::Keyboard, String::new(), 0),
            ConsoleNote::Held(by) => (Kind::Held, by, 0),
            ConsoleNote::Free => (Kind::Free, String::new(), 0),
        };
        Self { kind: kind.into(), text, count }
    }
}

impl TryFrom<wire::ConsoleNote> for ConsoleNote {
    type Error = InvalidMessage;
    fn try_from(note: wire::ConsoleNote) -> Result<Self, InvalidMessage> {
        use wire::console_note::Kind;
        let wire::ConsoleNote { kind, text, count } = note;
        let unknown = || InvalidMessage::new("ConsoleNote.kind", format!("is {kind}, which we do not know"));
        match Kind::try_from(kind).map_err(|_| unknown())? {
            Kind::Unspecified => Err(unknown()),
            Kind::Opened => Ok(Self::Opened),
            Kind::Lost => Ok(Self::Lost(text)),
            Kind::Break => Ok(Self::Break),
            Kind::Overrun => Ok(Self::Overrun),
            Kind::Skipped => Ok(Self::Skipped(count)),
            Kind::Cannot => Ok(Self::Cannot(text)),
            Kind::Keyboard => Ok(Self::Keyboard),
            Kind::Held => Ok(Self::Held(text)),
            Kind::Free => Ok(Self::Free),
        }
    }
}

impl From<ConsoleDown> for wire::ConsoleDown {
    fn from(down: ConsoleDown) -> Self {
        use wire::console_down::Message;
        let message = match down {
            ConsoleDown::Input(bytes) => Message::Input(bytes),
            ConsoleDown::Break => Message::SendBreak(wire::ConsoleBreak {}),
            ConsoleDown::Take(grip) => Message::Take(wire::TakeKeyboard { force: grip == Grip::ByForce }),
        };
        Self { message: Some(message) }
    }
}

impl TryFrom<wire::ConsoleDown> for ConsoleDown {
    type Error = InvalidMessage;
    fn try_from(down: wire::ConsoleDown) -> Result<Self, InvalidMessage> {
        use wire::console_down::Message;
        match present("ConsoleDown.message", down.message)? {
            Message::Input(bytes) => Ok(Self::Input(piece("ConsoleDown.input", bytes)?)),
            Message::SendBreak(wire::ConsoleBreak {}) => Ok(Self::Break),
            Message::Take(wire::TakeKeyboard { force }) => {
                Ok(Self::Take(if force { Grip::ByForce } else { Grip::IfFree }))
            }
        }
    }
}

fn piece(field: &'static str, bytes: Vec<u8>) -> Result<Vec<u8>, InvalidMessage> {
    if bytes.len() > PIECE_BYTES_MAX {
        return Err(InvalidMessage::new(
            field,
            format!("has {} bytes, above {PIECE_BYTES_MAX}", bytes.len()),
        ));
    }
    Ok(bytes)
}
