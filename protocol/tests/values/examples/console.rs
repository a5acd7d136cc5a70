//! Values: the streams of consoles.

use protocol::{
    console::{ConsoleDown, ConsoleNote, ConsoleUp, Grip, Manner, OpenConsole},
    id::ConsoleId,
};
use uuid::Uuid;

use super::SERVER;

pub(super) fn open_console(manner: Manner) -> OpenConsole {
    OpenConsole {
        id: ConsoleId(Uuid::from_u128(11)),
        server: SERVER,
        who: "alice".into(),
        manner,
        tenancy: None,
    }
}

/// One message of every kind on a console's stream, up.
pub fn examples_console_up() -> Vec<(&'static str, ConsoleUp)> {
    let id = ConsoleId(Uuid::from_u128(11));
    let note = ConsoleUp::Note;
    vec![
        ("console-up-hello", ConsoleUp::Hello { id, refused: None }),
        ("console-up-refused", ConsoleUp::Hello { id, refused: Some("because".into()) }),
        ("console-up-output", ConsoleUp::Output(b"login: ".to_vec())),
        ("console-up-opened", note(ConsoleNote::Opened)),
        ("console-up-lost", note(ConsoleNote::Lost("because".into()))),
        ("console-up-break", note(ConsoleNote::Break)),
        ("console-up-overrun", note(ConsoleNote::Overrun)),
        ("console-up-skipped", note(ConsoleNote::Skipped(300))),
        ("console-up-cannot", note(ConsoleNote::Cannot("because".into()))),
        ("console-up-keyboard", note(ConsoleNote::Keyboard)),
        ("console-up-held", note(ConsoleNote::Held("alice".into()))),
        ("console-up-free", note(ConsoleNote::Free)),
    ]
}

/// The same, down.
pub fn examples_console_down() -> Vec<(&'static str, ConsoleDown)> {
    vec![
        ("console-down-input", ConsoleDown::Input(b"root\r".to_vec())),
        ("console-down-break", ConsoleDown::Break),
        ("console-down-take", ConsoleDown::Take(Grip::IfFree)),
        ("console-down-take-by-force", ConsoleDown::Take(Grip::ByForce)),
    ]
}
