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
        Consoles, NoConsole, PIECES_MAX, Piece, Visitor, WATCHERS_MAX, Watching, keep,
        record::{Entry, READERS_MAX, Recorder, Room, What, read, send},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    console::{ConsoleDown, ConsoleNote, Manner},
    console_record::{Recorded, WantedLines},
    hardware::BmcIdentity,
    id::{ServerId, TenancyId},
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

fn visitor(who: &str, manner: Manner) -> Visitor {
    Visitor { who: who.to_owned(), manner, tenancy: None }
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
    consoles.know(SERVER, bmc.clone(), None);
    let mut quick = consoles.watch(SERVER, visitor("quick", Manner::Types)).await.unwrap();
    let mut slow = consoles.watch(SERVER, visitor("slow", Manner::Looks)).await.unwrap();
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
    consoles.know(SERVER, bmc.clone(), None);
    let mut alice = consoles.watch(SERVER, visitor("alice", Manner::Types)).await.unwrap();
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
    consoles.know(SERVER, bmc.clone(), None);
    let alice = consoles.watch(SERVER, visitor("alice", Manner::Types)).await.unwrap();
    until("the console is open", || bmc.open.load(Ordering::SeqCst) == 1).await;
    let recorded = || {
        let mut all = String::new();
        let tell = |entry: Entry| {
            match entry.what {
                What::Output(characters) => all.push_str(&String::from_utf8_lossy(&characters)),
                What::Note(note) => all.push_str(&note),
                What::Lost(_) | What::Mark(_) => {}
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
    let mut bob = consoles.watch(SERVER, visitor("bob", Manner::Types)).await.unwrap();
    types(&bob, "again").await;
    hears(&mut bob, output("again")).await;
    assert_eq!(bmc.opened.load(Ordering::SeqCst), 1, "it stayed open");
}

#[tokio::test]
async fn a_console_ends_with_its_server_and_places_are_bounded() {
    let (consoles, bmc) = (Consoles::default(), Arc::new(Echo::default()));
    let unknown = consoles.watch(SERVER, visitor("alice", Manner::Looks)).await.err();
    assert_eq!(unknown, Some(NoConsole::Unknown));
    consoles.know(SERVER, bmc.clone(), None);
    let mut all = Vec::new();
    for _ in 0..WATCHERS_MAX {
        all.push(consoles.watch(SERVER, visitor("alice", Manner::Looks)).await.unwrap());
    }
    let full = consoles.watch(SERVER, visitor("alice", Manner::Looks)).await.err();
    assert_eq!(full, Some(NoConsole::Full));
    all.pop();
    all.push(consoles.watch(SERVER, visitor("bob", Manner::Looks)).await.unwrap());
    // Told again, the same connection changes nothing.
    consoles.know(SERVER, bmc.clone(), None);
    consoles.forget(SERVER);
    for watching in &mut all {
        while next(watching).await.is_some() {}
    }
    until("the console is given back", || bmc.open.load(Ordering::SeqCst) == 0).await;
}

/// What is found of it, as text, one line after the other.
async fn found(recorder: &Recorder, wanted: WantedLines) -> Vec<String> {
    let (to, mut lines) = tokio::sync::mpsc::channel(1000);
    send(recorder, SERVER, wanted, &to).await.unwrap();
    drop(to);
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        all.push(match line.what {
            Recorded::Printed(text) | Recorded::Note(text) => text,
            Recorded::Lost(why) => format!("lost: {why}"),
            Recorded::TenancyBegan(id) => format!("began {}", id.0.as_u128()),
            Recorded::TenancyEnded(id) => format!("ended {}", id.0.as_u128()),
        });
    }
    all
}

#[tokio::test]
async fn a_tenant_sees_and_reads_its_own_time_only_and_the_record_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Recorder::start(dir.path().to_owned(), Room::default()).unwrap();
    let consoles = Consoles::recorded(start());
    let bmc = Arc::new(Echo::default());
    let (first, second) = (TenancyId(Uuid::from_u128(1)), TenancyId(Uuid::from_u128(2)));
    let of = |tenancy| Visitor { tenancy: Some(tenancy), ..visitor("tenant", Manner::Looks) };
    consoles.know(SERVER, bmc.clone(), None);
    let mut admin = consoles.watch(SERVER, visitor("admin", Manner::Types)).await.unwrap();
    hears(&mut admin, Piece::Note(ConsoleNote::Opened)).await;
    let early = consoles.watch(SERVER, of(first)).await.err();
    assert_eq!(early, Some(NoConsole::NotTheirs), "it is in our hands");
    let print = async |admin: &mut Watching, text: &str| {
        types(admin, text).await;
        hears(admin, output(text)).await;
    };
    print(&mut admin, "ours 1\r\n").await;
    consoles.know(SERVER, bmc.clone(), Some(first));
    let mut tenant = consoles.watch(SERVER, of(first)).await.unwrap();
    print(&mut admin, "mine 1\r\n").await;
    // Nothing of before is shown to who comes; and at the end nothing more comes.
    hears(&mut tenant, output("mine 1\r\n")).await;
    consoles.take_back(SERVER);
    print(&mut admin, "ours 2\r\n").await;
    assert_eq!(next(&mut tenant).await, None, "it is parted before that is told");
    consoles.know(SERVER, bmc.clone(), Some(second));
    print(&mut admin, "mine 2\r\n").await;
    let again = consoles.watch(SERVER, of(first)).await.err();
    assert_eq!(again, Some(NoConsole::NotTheirs), "it is another's");

    let (place, recorder) = consoles.reader().unwrap();
    let all = ["console open", "ours 1", "began 1", "mine 1", "ended 1", "ours 2", "began 2", "mine 2"];
    let began = std::time::Instant::now();
    while found(&recorder, WantedLines::default()).await != all {
        assert!(began.elapsed() < WAIT_MAX, "{:?}", found(&recorder, WantedLines::default()).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop((admin, tenant, consoles, recorder, place));
    // Another run of the agent: what was recorded is there, and whose it is is known.
    let consoles = Consoles::recorded(start());
    consoles.know(SERVER, bmc.clone(), Some(second));
    let (_place, recorder) = consoles.reader().unwrap();
    let own = |tenancy| WantedLines { tenancy: Some(tenancy), ..WantedLines::default() };
    assert_eq!(found(&recorder, own(first)).await, ["began 1", "mine 1", "ended 1"]);
    let mut admin = consoles.watch(SERVER, visitor("admin", Manner::Types)).await.unwrap();
    hears(&mut admin, Piece::Note(ConsoleNote::Opened)).await;
    print(&mut admin, "mine 3\r\n").await;
    let began = std::time::Instant::now();
    while !found(&recorder, own(second)).await.ends_with(&["mine 3".to_owned()]) {
        assert!(began.elapsed() < WAIT_MAX, "{:?}", found(&recorder, own(second)).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        !found(&recorder, own(second)).await.iter().any(|line| line.contains('1') || line.contains("ours"))
    );
}

#[tokio::test]
async fn a_record_is_followed_and_a_prompt_without_an_end_of_line_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let consoles = Consoles::recorded(Recorder::start(dir.path().to_owned(), Room::default()).unwrap());
    consoles.know(SERVER, Arc::new(Echo::default()), None);
    let mut alice = consoles.watch(SERVER, visitor("alice", Manner::Types)).await.unwrap();
    hears(&mut alice, Piece::Note(ConsoleNote::Opened)).await;
    let (to, mut lines) = tokio::sync::mpsc::channel(8);
    let (_place, recorder) = consoles.reader().unwrap();
    let follow = WantedLines { text: "o".into(), follow: true, ..WantedLines::default() };
    let following = tokio::spawn(async move { send(&recorder, SERVER, follow, &to).await });
    let mut told = async |expected: &str| {
        let line = timeout(WAIT_MAX, lines.recv()).await.expect("it is told").expect("it goes on");
        let (Recorded::Printed(text) | Recorded::Note(text)) = line.what else { panic!("{line:?}") };
        assert_eq!(text, expected);
    };
    told("console open").await;
    types(&alice, "one\r\nskipped\r\nlogin: ").await;
    told("one").await;
    told("login:").await;
    types(&alice, "root\r\n").await;
    told("root").await;
    // Whoever leaves ends it.
    drop(lines);
    types(&alice, "no more\r\n").await;
    timeout(WAIT_MAX, following).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn readers_are_bounded_and_what_is_not_recorded_says_so() {
    assert_eq!(Consoles::default().reader().err(), Some(NoConsole::NotRecorded));
    let dir = tempfile::tempdir().unwrap();
    let consoles = Consoles::recorded(Recorder::start(dir.path().to_owned(), Room::default()).unwrap());
    let mut places: Vec<_> = (0..READERS_MAX).map(|_| consoles.reader().unwrap()).collect();
    assert_eq!(consoles.reader().err(), Some(NoConsole::FullOfReaders));
    places.pop();
    assert!(consoles.reader().is_ok());
}

#[tokio::test]
async fn what_was_typed_before_the_end_is_sent_and_the_console_is_given_back() {
    let bmc = Echo::default();
    let open = bmc.console(Take::IfFree).await.unwrap();
    let (Console { typed, mut heard }, far) = pair();
    for word in ["reboot", "\r"] {
        typed.send(Typed::Characters(Bytes::from_static(word.as_bytes()))).await.unwrap();
    }
    drop(typed);
    timeout(WAIT_MAX, keep(&bmc, Some(open), far)).await.expect("it ends");
    assert_eq!(bmc.open.load(Ordering::SeqCst), 0, "it is not given back");
    let mut echoed = Vec::new();
    while let Some(heard) = heard.recv().await {
        if let Heard::Characters(characters) = heard {
            echoed.extend_from_slice(&characters);
        }
    }
    assert_eq!(echoed, b"reboot\r");
}
