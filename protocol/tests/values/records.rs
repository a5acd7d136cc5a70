//! What is asked of a console's record, and what is told of it.

use proptest::prelude::*;
use protocol::{
    console::ConsoleUp,
    console_record::{ReadConsole, RecordLine, Recorded, WantedLines},
    convert::ToAgent,
    id::{ConsoleId, ServerId, TenancyId},
};
use uuid::Uuid;

const TENANCY: TenancyId = TenancyId(Uuid::from_u128(12));

/// Readings, least and most.
pub fn examples_down() -> Vec<(&'static str, ToAgent)> {
    let read = |wanted| {
        let (id, server) = (ConsoleId(Uuid::from_u128(11)), super::examples::SERVER);
        ToAgent::ReadConsole(ReadConsole { id, server, wanted })
    };
    let all = WantedLines {
        tenancy: Some(TENANCY),
        since_us: Some(1_700_000_000_000_000),
        until_us: Some(1_700_000_001_000_000),
        tail: Some(100),
        text: "panic".into(),
        follow: true,
    };
    vec![("down-read-console-all", read(WantedLines::default())), ("down-read-console", read(all))]
}

/// One line of every kind, and both ends.
pub fn examples_up() -> Vec<(&'static str, ConsoleUp)> {
    let line = |what| ConsoleUp::Line(RecordLine { at_us: 1_700_000_000_000_000, what });
    vec![
        ("console-up-line", line(Recorded::Printed("login:".into()))),
        ("console-up-line-note", line(Recorded::Note("console open".into()))),
        ("console-up-line-lost", line(Recorded::Lost("because".into()))),
        ("console-up-line-began", line(Recorded::TenancyBegan(TENANCY))),
        ("console-up-line-ended", line(Recorded::TenancyEnded(TENANCY))),
        ("console-up-end", ConsoleUp::End(Ok(()))),
        ("console-up-cut", ConsoleUp::End(Err("because".into()))),
    ]
}

/// Any reading.
pub fn read() -> impl Strategy<Value = ToAgent> {
    let times = (proptest::option::of(any::<u64>()), proptest::option::of(any::<u64>()));
    let rest = (proptest::option::of(any::<u128>()), proptest::option::of(0u32..10_000), ".{0,20}");
    (any::<[u128; 2]>(), times, rest, any::<bool>()).prop_map(
        |([id, server], (since_us, until_us), (tenancy, tail, text), follow)| {
            let tenancy = tenancy.map(|id| TenancyId(Uuid::from_u128(id)));
            let wanted = WantedLines { tenancy, since_us, until_us, tail, text, follow };
            let (id, server) = (ConsoleId(Uuid::from_u128(id)), ServerId(Uuid::from_u128(server)));
            ToAgent::ReadConsole(ReadConsole { id, server, wanted })
        },
    )
}
