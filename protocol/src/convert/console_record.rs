//! Values: what is asked of a console's record, and its lines, to and from the wire.

use super::{InvalidMessage, optional_id, parse, present, server};
use crate::{
    console_record::{
        LINE_BYTES_MAX, ReadConsole, RecordLine, Recorded, SOUGHT_CHARS_MAX, TAIL_LINES_MAX, WantedLines,
    },
    grpc as wire,
};

impl From<ReadConsole> for wire::ReadConsole {
    fn from(read: ReadConsole) -> Self {
        let ReadConsole { id, server, wanted } = read;
        let WantedLines { tenancy, since_us, until_us, tail, text, follow } = wanted;
        Self {
            id: id.to_string(),
            server: server.to_string(),
            tenancy: tenancy.map(|tenancy| tenancy.to_string()),
            since_us,
            until_us,
            tail,
            text,
            follow,
        }
    }
}

impl TryFrom<wire::ReadConsole> for ReadConsole {
    type Error = InvalidMessage;
    fn try_from(read: wire::ReadConsole) -> Result<Self, InvalidMessage> {
        let wire::ReadConsole { id, server: of, tenancy, since_us, until_us, tail, text, follow } = read;
        if text.chars().count() > SOUGHT_CHARS_MAX {
            return Err(InvalidMessage::new(
                "ReadConsole.text",
                format!("has more than {SOUGHT_CHARS_MAX} characters"),
            ));
        }
        let wanted = WantedLines {
            tenancy: optional_id("ReadConsole.tenancy", tenancy.as_deref())?,
            since_us,
            until_us,
            tail: tail.map(|lines| lines.min(TAIL_LINES_MAX)),
            text,
            follow,
        };
        Ok(Self { id: parse("ReadConsole.id", &id)?, server: server("ReadConsole.server", &of)?, wanted })
    }
}

impl From<RecordLine> for wire::RecordLine {
    fn from(line: RecordLine) -> Self {
        use wire::record_line::What;
        let what = match line.what {
            Recorded::Printed(text) => What::Printed(text),
            Recorded::Note(words) => What::Note(words),
            Recorded::Lost(why) => What::Lost(why),
            Recorded::TenancyBegan(tenancy) => What::TenancyBegan(tenancy.to_string()),
            Recorded::TenancyEnded(tenancy) => What::TenancyEnded(tenancy.to_string()),
        };
        Self { at_us: line.at_us, what: Some(what) }
    }
}

impl TryFrom<wire::RecordLine> for RecordLine {
    type Error = InvalidMessage;
    fn try_from(line: wire::RecordLine) -> Result<Self, InvalidMessage> {
        use wire::record_line::What;
        let text = |field, text: String| {
            let is_bounded = text.len() <= LINE_BYTES_MAX;
            let too_long = || InvalidMessage::new(field, format!("has more than {LINE_BYTES_MAX} bytes"));
            is_bounded.then_some(text).ok_or_else(too_long)
        };
        let what = match present("RecordLine.what", line.what)? {
            What::Printed(printed) => Recorded::Printed(text("RecordLine.printed", printed)?),
            What::Note(note) => Recorded::Note(text("RecordLine.note", note)?),
            What::Lost(why) => Recorded::Lost(text("RecordLine.lost", why)?),
            What::TenancyBegan(id) => Recorded::TenancyBegan(parse("RecordLine.tenancy_began", &id)?),
            What::TenancyEnded(id) => Recorded::TenancyEnded(parse("RecordLine.tenancy_ended", &id)?),
        };
        Ok(Self { at_us: line.at_us, what })
    }
}
