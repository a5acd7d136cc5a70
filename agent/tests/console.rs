//! Edges: the consoles of a rack on a BMC that prints back what is typed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent::{
    bmc::{
        Bmc, BmcError, Power,
        console::{Console, Heard, Take, Typed, pair},
    },
    console::{
        Consoles, NoConsole, PIECES_MAX, Piece, WATCHERS_MAX, Watching,
        record::{Entry, Recorder, Room, What, read},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    console::{ConsoleDown, ConsoleNote, Manner},
    hardware::BmcIdentity,
    id::ServerId,
};
use tokio::time::timeout;
use uuid::Uuid;

/// Longest that anything here may take.
const WAIT_MAX: Duration = Duration::from_secs(30);
const SERVER: ServerId = ServerId(Uuid::from_u128(1));

/// A BMC whose server prints back what is typed; "lose" loses the console.
#[derive(Default)]
struct Echo {
    opened: AtomicUsize,
    open: Arc<AtomicUsize>,
}

#[async_trait]
impl Bmc for Echo {
    async fn power_status(&self) -> Result<Power, BmcError> {
        Ok(Power::On)
    }
    async fn power_on(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn power_off(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn soft_off(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn reset(&self) -> Result<(), BmcError> {
        Ok(())
    }
    async fn set_boot_device(&self, _: BootDevice, _: Persistence, _: BootMode) -> Result<(), BmcError> {
        Ok(())
    }
    async fn identity(&self) -> Result<BmcIdentity, BmcError> {
        Ok(BmcIdentity::default())
    }
    async fn console(&self, take: Take) -> Result<Console, BmcError> {
        assert_eq!(take, Take::IfFree, "nobody asked for more");
        if self.opened.fetch_add(1, Ordering::SeqCst) == 1 {
            let address = "the BMC".to_owned();
            return Err(BmcError::Refused { address, reason: "somebody else has the console".to_owned() });
        }
        let (console, mut far) = pair();
        let open = Arc::clone(&self.open);
        open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            while let Some(typed) = far.typed.recv().await {
                let heard = match typed {
                    Typed::Characters(characters) if &characters[..] == b"lose" => {
                        Heard::Lost("it started anew".to_owned())
                    }
                    Typed::Characters(characters) => Heard::Characters(characters),
                    Typed::Break => Heard::Break,
                };
                let is_lost = matches!(heard, Heard::Lost(_));
                if far.heard.send(heard).await.is_err() || is_lost {
                    break;
                }
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(console)
    }
}

async fn next(watching: &mut Watching) -> Option<Piece> {
    timeout(WAIT_MAX, watching.pieces.recv()).await.expect("something comes")
}

async fn hears(watching: &mut Watching, expected: Piece) {
    while next(watching).await.expect("it goes on") != expected {}
}

fn output(text: &str) -> Piece {
    Piece::Output(Bytes::copy_from_slice(text.as_bytes()))
}

async fn types(watching: &Watching, text: &str) {
    assert!(watching.said.say(ConsoleDown::Input(text.as_bytes().to_vec())).await);
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WAIT_MAX, waited).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_slow_watcher_loses_output_with_a_mark_and_holds_up_nobody() {
    let (consoles, bmc) = (Consoles::default(), Arc::new(Echo::default()));
    consoles.know(SERVER, bmc.clone());
    let mut quick = consoles.watch(SERVER, "quick", Manner::Types).await.unwrap();
    let mut slow = consoles.watch(SERVER, "slow", Manner::Looks).await.unwrap();
    hears(&mut quick, Piece::Note(ConsoleNote::Opened)).await;
    for number in 0..2 * PIECES_MAX {
        let text = format!("{number:04}");
        types(&quick, &text).await;
        hears(&mut quick, output(&text)).await;
    }
    // Its own place is full; what it has not taken is counted, and told before anything new.
    for _ in 0..PIECES_MAX {
        next(&mut slow).await.unwrap();
    }
    types(&quick, "last").await;
    let Some(Piece::Note(ConsoleNote::Skipped(bytes))) = next(&mut slow).await else { panic!("no mark") };
    assert!(bytes >= 4 * PIECES_MAX as u64, "{bytes}");
    assert_eq!(next(&mut slow).await, Some(output("last")));
    assert_eq!(bmc.opened.load(Ordering::SeqCst), 1, "one session for both");
    drop((quick, slow));
    until("the console is given back", || bmc.open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_lost_console_is_opened_again_and_each_reason_told_once() {
    let (consoles, bmc) = (Consoles::default(), Arc::new(Echo::default()));
    consoles.know(SERVER, bmc.clone());
    let mut alice = consoles.watch(SERVER, "alice", Manner::Types).await.unwrap();
    hears(&mut alice, Piece::Note(ConsoleNote::Opened)).await;
    types(&alice, "lose").await;
    let mut told = Vec::new();
    loop {
        match next(&mut alice).await.expect("it goes on") {
            Piece::Note(ConsoleNote::Opened) => break,
            // Who types is told beside what becomes of the console, before or after it.
            Piece::Note(ConsoleNote::Keyboard) => {}
            piece => told.push(piece),
        }
    }
    let lost = |why: &str| Piece::Note(ConsoleNote::Lost(why.to_owned()));
    let busy = "the BMC at the BMC refused the request: somebody else has the console";
    assert_eq!(told, [lost("it started anew"), lost(busy)]);
    types(&alice, "again").await;
    hears(&mut alice, output("again")).await;
}

#[tokio::test]
async fn where_all_is_recorded_a_console_is_open_without_a_watcher() {
    let dir = tempfile::tempdir().unwrap();
    let consoles = Consoles::recorded(Recorder::start(dir.path().to_owned(), Room::default()).unwrap());
    let bmc = Arc::new(Echo::default());
    consoles.know(SERVER, bmc.clone());
    let alice = consoles.watch(SERVER, "alice", Manner::Types).await.unwrap();
    until("the console is open", || bmc.open.load(Ordering::SeqCst) == 1).await;
    let recorded = || {
        let mut all = String::new();
        let tell = |entry: Entry| {
            match entry.what {
                What::Output(characters) => all.push_str(&String::from_utf8_lossy(&characters)),
                What::Note(note) => all.push_str(&note),
            }
            Ok(())
        };
        read(dir.path(), SERVER, 0..u64::MAX, tell).unwrap();
        all
    };
    until("its opening is recorded", || recorded() == "console open").await;
    types(&alice, "hello").await;
    until("it is recorded", || recorded() == "console openhello").await;
    drop(alice);
    let mut bob = consoles.watch(SERVER, "bob", Manner::Types).await.unwrap();
    types(&bob, "again").await;
    hears(&mut bob, output("again")).await;
    assert_eq!(bmc.opened.load(Ordering::SeqCst), 1, "it stayed open");
}

#[tokio::test]
async fn a_console_ends_with_its_server_and_places_are_bounded() {
    let (consoles, bmc) = (Consoles::default(), Arc::new(Echo::default()));
    let unknown = consoles.watch(SERVER, "alice", Manner::Looks).await.err();
    assert_eq!(unknown, Some(NoConsole::Unknown));
    consoles.know(SERVER, bmc.clone());
    let mut all = Vec::new();
    for _ in 0..WATCHERS_MAX {
        all.push(consoles.watch(SERVER, "alice", Manner::Looks).await.unwrap());
    }
    let full = consoles.watch(SERVER, "alice", Manner::Looks).await.err();
    assert_eq!(full, Some(NoConsole::Full));
    all.pop();
    all.push(consoles.watch(SERVER, "bob", Manner::Looks).await.unwrap());
    // Told again, the same connection changes nothing.
    consoles.know(SERVER, bmc.clone());
    consoles.forget(SERVER);
    for watching in &mut all {
        while next(watching).await.is_some() {}
    }
    until("the console is given back", || bmc.open.load(Ordering::SeqCst) == 0).await;
}
