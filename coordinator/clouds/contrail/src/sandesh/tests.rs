//! Decisions: what a collector is told, in order, whatever happens to the connection.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn start() -> Instant {
    Instant::now()
}

fn session(now: Instant) -> Session {
    let identity = Identity {
        source: "host1".into(),
        module: "bms-coordinator".into(),
        node_type: "Analytics".into(),
        instance: "0".into(),
        pid: 42,
    };
    Session::new(identity, 2, now)
}

fn state(words: &[(u16, &str)]) -> Vec<Field> {
    words.iter().map(|(id, word)| field(*id, "f", Value::Text((*word).to_owned()))).collect()
}

fn answer(heard: u32, success: bool) -> Vec<u8> {
    let kind = Struct {
        name: "UVETypeInfo".into(),
        fields: vec![
            field(1, "type_name", Value::Text(node::MESSAGE.into())),
            field(2, "seq_num", Value::U32(heard)),
        ],
    };
    let fields =
        vec![field(1, "type_info", Value::Structs(vec![kind])), field(2, "success", Value::Bool(success))];
    let header = Header { kind: TYPE_REQUEST, hints: HINT_CONTROL, ..Header::default() };
    Message { header, name: ANSWER.into(), fields }.encode()
}

/// What one message says of a server: its key, hints, number and fields.
fn told(bytes: &[u8]) -> (String, i32, i32, Vec<Field>) {
    let message = Message::decode(bytes).unwrap();
    let Some(Value::Struct(data)) = message.field("data") else { panic!("no data in {message:?}") };
    let Value::Text(key) = &data.fields[0].value else { panic!("no key in {message:?}") };
    (key.clone(), message.header.hints, message.header.sequence, data.fields[1..].to_vec())
}

/// From a pause to the first thing that is told.
fn greet(session: &mut Session, now: Instant, heard: u32) {
    session.handle_timeout(now);
    assert!(matches!(session.poll_event(), Some(Event::Connect(_))), "{session:?}");
    session.handle_connected(now);
    let greeting = Message::decode(&session.poll_transmit(1).unwrap()).unwrap();
    assert_eq!(greeting.name, GREETING);
    assert!(session.poll_transmit(1).is_none(), "nothing is told before the answer");
    session.handle_bytes(&answer(heard, true), now);
    assert_eq!(session.poll_event(), Some(Event::Greeted));
}

#[test]
fn the_greeting_is_as_contrail_expects_it() {
    let now = start();
    let mut session = session(now);
    session.handle_timeout(now);
    session.handle_connected(now);
    let bytes = session.poll_transmit(1_700_000_000_000_000).unwrap();
    let expected = include_str!("golden/greeting.xml").replace('\n', "");
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn everything_first_then_changes_only() {
    let now = start();
    let mut session = session(now);
    session.set("a", Some(state(&[(3, "available"), (4, "power off")])));
    greet(&mut session, now, 0);
    let mut check = |change: Option<(&str, Option<Vec<Field>>)>,
                     expected: Option<(&str, i32, i32, Vec<Field>)>| {
        if let Some((key, wanted)) = change {
            session.set(key, wanted);
        }
        let told = session.poll_transmit(1).map(|bytes| told(&bytes));
        assert_eq!(
            told,
            expected.map(|(key, hints, number, fields)| (key.to_owned(), hints, number, fields))
        );
    };
    check(None, Some(("a", HINT_KEY, 1, state(&[(3, "available"), (4, "power off")]))));
    check(None, None);
    let on = state(&[(3, "available"), (4, "power on")]);
    check(Some(("a", Some(on.clone()))), Some(("a", HINT_KEY, 2, state(&[(4, "power on")]))));
    check(Some(("a", Some(on))), None);
    check(Some(("a", None)), Some(("a", HINT_KEY, 3, vec![node::deleted()])));
    check(Some(("a", None)), None);
    check(Some(("b", None)), None);
    check(Some(("a", Some(state(&[(3, "enroll")])))), Some(("a", HINT_KEY, 4, state(&[(3, "enroll")]))));
}

#[test]
fn a_new_connection_gets_everything_again_and_the_next_collector_its_turn() {
    let now = start();
    let mut session = session(now);
    session.set("a", Some(state(&[(3, "x")])));
    session.set("b", Some(state(&[(3, "y")])));
    greet(&mut session, now, 0);
    assert_eq!(told(&session.poll_transmit(1).unwrap()).0, "a");
    // In the middle, before "b" is told.
    session.handle_disconnected(now);
    assert!(session.poll_transmit(1).is_none());
    session.set("a", Some(state(&[(3, "x"), (4, "new")])));
    let later = session.poll_timeout().unwrap();
    assert_eq!(later, now + PAUSE_FIRST);
    session.handle_timeout(now);
    assert_eq!(session.poll_event(), None, "not before its time");
    greet(&mut session, later, 0);
    let again = told(&session.poll_transmit(1).unwrap());
    assert_eq!(again, ("a".to_owned(), HINT_KEY, 2, state(&[(3, "x"), (4, "new")])));
    assert_eq!(told(&session.poll_transmit(1).unwrap()), ("b".to_owned(), HINT_KEY, 3, state(&[(3, "y")])));
    assert!(session.poll_transmit(1).is_none());
    // A collector that remembers is told only what it has not heard.
    session.handle_disconnected(later);
    let later = session.poll_timeout().unwrap();
    greet(&mut session, later, 2);
    assert_eq!(
        told(&session.poll_transmit(1).unwrap()),
        ("b".to_owned(), HINT_KEY | HINT_SYNC, 3, state(&[(3, "y")]))
    );
    assert!(session.poll_transmit(1).is_none());
}

#[test]
fn a_change_does_not_overtake_what_is_told_again() {
    let now = start();
    let mut session = session(now);
    for key in ["a", "b"] {
        session.set(key, Some(state(&[(3, "x")])));
    }
    greet(&mut session, now, 0);
    while session.poll_transmit(1).is_some() {}
    session.handle_disconnected(now);
    session.set("a", None);
    // A collector that has lost everything; the connection ends after the first message.
    let later = session.poll_timeout().unwrap();
    greet(&mut session, later, 0);
    let (key, _, heard, _) = told(&session.poll_transmit(1).unwrap());
    assert_eq!((key.as_str(), heard), ("b", 2));
    session.handle_disconnected(later);
    let later = session.poll_timeout().unwrap();
    greet(&mut session, later, 2);
    assert_eq!(
        told(&session.poll_transmit(1).unwrap()),
        ("a".to_owned(), HINT_KEY, 3, vec![node::deleted()])
    );
    assert!(session.poll_transmit(1).is_none());
}

#[test]
fn collectors_take_turns_with_pauses_that_grow_and_end() {
    let mut now = start();
    let mut session = session(now);
    let mut pauses = Vec::new();
    for attempt in 0..8 {
        session.handle_timeout(now);
        assert_eq!(session.poll_event(), Some(Event::Connect(attempt % 2)));
        match attempt % 3 {
            0 => session.handle_disconnected(now),
            1 => {
                now = session.poll_timeout().unwrap();
                session.handle_timeout(now);
                assert!(matches!(session.poll_event(), Some(Event::Disconnect(_))));
            }
            _ => {
                session.handle_connected(now);
                session.handle_bytes(&answer(0, false), now);
                assert!(matches!(session.poll_event(), Some(Event::Disconnect(_))));
            }
        }
        let until = session.poll_timeout().unwrap();
        pauses.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    greet(&mut session, now, 0);
    now += GOOD_AFTER;
    session.handle_disconnected(now);
    assert_eq!(session.poll_timeout(), Some(now + PAUSE_FIRST));
}

#[test]
fn nonsense_ends_the_connection_and_a_strange_message_does_not() {
    let now = start();
    let mut session = session(now);
    greet(&mut session, now, 0);
    session.handle_bytes(b"<sandesh length=\"0000000042\">***</sandesh>", now);
    assert!(session.is_telling() && session.poll_event().is_none());
    session.handle_bytes(b"HTTP/1.1 400 Bad Request\r\n", now);
    assert!(matches!(session.poll_event(), Some(Event::Disconnect(_))));
    assert!(!session.is_telling());
}

#[test]
fn memory_of_what_is_gone_is_bounded() {
    let now = start();
    let mut session = session(now);
    greet(&mut session, now, 0);
    for number in 0..2 * GONE_MAX {
        let key = number.to_string();
        session.set(&key, Some(state(&[(3, "x")])));
        assert!(session.poll_transmit(1).is_some());
        session.set(&key, None);
        assert!(session.poll_transmit(1).is_some());
    }
    assert_eq!(session.servers.len(), GONE_MAX);
    assert_eq!(session.keys().count(), 0);
}

/// A collector: what it understood, merged.
#[derive(Debug, Default)]
struct Collector {
    heard: i32,
    servers: BTreeMap<String, BTreeMap<u16, Value>>,
}

impl Collector {
    fn hear(&mut self, bytes: &[u8]) {
        let (key, hints, number, fields) = told(bytes);
        if hints & HINT_SYNC == 0 {
            assert!(number > self.heard, "{number} after {}", self.heard);
        }
        self.heard = self.heard.max(number);
        if fields == [node::deleted()] {
            self.servers.remove(&key);
            return;
        }
        let server = self.servers.entry(key).or_default();
        server.extend(fields.into_iter().map(|field| (field.id, field.value)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, Option<BTreeSet<u8>>),
    Hear(u8),
    Drop { forget: bool },
    Time(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = proptest::option::weighted(0.8, proptest::collection::btree_set(0..6_u8, 0..4));
    let step = prop_oneof![
        4 => (0..4_u8, words).prop_map(|(key, words)| Step::Set(key, words)),
        4 => (0..4_u8).prop_map(Step::Hear),
        1 => any::<bool>().prop_map(|forget| Step::Drop { forget }),
        2 => (0..40_u8).prop_map(Step::Time),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Brings the connection up if its time has come.
fn connect(session: &mut Session, collector: &mut Collector, now: Instant) {
    session.handle_timeout(now);
    while let Some(event) = session.poll_event() {
        if let Event::Connect(_) = event {
            session.handle_connected(now);
            session.poll_transmit(1).unwrap();
            session.handle_bytes(&answer(u32::try_from(collector.heard).unwrap(), true), now);
        }
    }
}

proptest! {
    /// Whatever happens on the way, a collector ends up knowing every server's newest state, and nothing else.
    #[test]
    fn the_latest_state_arrives_whatever_happens(steps in steps()) {
        let mut now = start();
        let mut session = session(now);
        let mut collector = Collector::default();
        let mut wanted = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(key, words) => {
                    // Words on both sides of one field, so that values change as well as come and go.
                    let fields = words.map(|words| {
                        let words: BTreeMap<u16, String> =
                            words.iter().map(|word| (3 + u16::from(word / 2), word.to_string())).collect();
                        words.iter().map(|(id, word)| field(*id, "f", Value::Text(word.clone()))).collect::<Vec<_>>()
                    });
                    session.set(&key.to_string(), fields.clone());
                    match fields {
                        Some(fields) => wanted.insert(key.to_string(), fields),
                        None => wanted.remove(&key.to_string()),
                    };
                }
                Step::Hear(messages) => {
                    for _ in 0..messages {
                        if let Some(bytes) = session.poll_transmit(1) {
                            collector.hear(&bytes);
                        }
                    }
                }
                Step::Drop { forget } => {
                    // What was on its way is lost, with one that does not count its messages.
                    if forget {
                        while session.poll_transmit(1).is_some() {}
                        collector = Collector::default();
                    }
                    session.handle_disconnected(now);
                }
                Step::Time(seconds) => {
                    now += Duration::from_secs(seconds.into());
                    connect(&mut session, &mut collector, now);
                }
            }
        }
        while !session.is_telling() {
            now = session.poll_timeout().unwrap();
            connect(&mut session, &mut collector, now);
        }
        while let Some(bytes) = session.poll_transmit(1) {
            collector.hear(&bytes);
        }
        let known: BTreeMap<String, BTreeMap<u16, Value>> = collector
            .servers
            .iter()
            .map(|(key, server)| {
                let set = server.iter().filter(|(_, value)| **value != Value::Text(String::new()));
                (key.clone(), set.map(|(id, value)| (*id, value.clone())).collect())
            })
            .collect();
        let wanted: BTreeMap<String, BTreeMap<u16, Value>> = wanted
            .into_iter()
            .map(|(key, fields)| (key, fields.into_iter().map(|field| (field.id, field.value)).collect()))
            .collect();
        prop_assert_eq!(known, wanted);
    }
}
