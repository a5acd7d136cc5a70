//! The BMC addresses of two servers are exchanged by an import, and what must follow: nobody is cut off for another machine's
//! reading, nobody's machine is switched for another's, and somebody is told.

use domain::identity::*;
use domain::{
    events::EventKind,
    lifecycle::Confirmed,
    records::{NewServer, SeenPower, Server},
    rim::{ObservedNetwork, PowerRequest, RefusalKind},
    upkeep::{footprint::Traces, restore::Restore, rotation::Rotation},
};
use protocol::{
    bmc_facts::{FirmwareItem, PartFacts},
    footprint::Footprint,
    hardware::BmcIdentity,
    power::{PowerCause, PowerOffHow, PowerReading},
    secret::Secret,
};

use super::*;
use crate::{
    bench::{Bench, CLEANING, TENANT, new_server},
    power::take_power,
    visits::Wake,
};

const OURS: &str = "00112233-4455-6677-8899-aabbccddeeff";
const THEIRS: &str = "8899aabb-4455-6677-8899-aabbccddee01";

fn said(guid: &str) -> BmcIdentity {
    BmcIdentity { guid: guid.to_owned(), product: "R640".to_owned(), ..BmcIdentity::default() }
}

fn at(address: &str) -> NewServer {
    let mut new = new_server();
    new.bmc.address = address.to_owned();
    new
}

fn neighbour(address: &str) -> NewServer {
    let mut new = at(address);
    new.name = "n2".to_owned();
    new.ports[0].mac = "52:54:00:00:00:0c".parse().unwrap();
    new.ports[0].link.port = "xe-0/0/2".to_owned();
    new
}

/// A deployed server that is on, of which `known` is known, and a neighbour.
async fn bench(known: BmcIdentity) -> (Bench, Server) {
    let bench = Bench::deployed().await;
    bench.inventory.set_identity(bench.id, &known).await.unwrap();
    let other = bench.inventory.put_server(&neighbour("198.51.100.12")).await.unwrap();
    bench.inventory.set_identity(other.id, &said(THEIRS)).await.unwrap();
    (bench, other)
}

impl Bench {
    /// The file is imported: n1's BMC is at the one address, n2's at the other.
    async fn import(&self, other: &Server, first: &str, second: &str) {
        let wanted = [(Some(self.id), &at(first)), (Some(other.id), &neighbour(second))];
        self.inventory.put_servers(&wanted).await.unwrap();
    }

    async fn says(&self, identity: BmcIdentity) -> Heard {
        let server = self.server().await;
        let place = server.bmc.place();
        heard(&self.inventory, &server, Source::LogIn(&place), &identity).await.unwrap()
    }

    /// A report of the agent.
    async fn reads(&self, reading: PowerReading, cause: PowerCause) {
        let seen = SeenPower { reading, cause, at_us: 7 };
        take_power(&self.inventory, &Wake::default(), &self.server().await, seen).await.unwrap();
        self.reconcile.visit(self.id).await;
    }

    async fn alarms(&self) -> Vec<String> {
        let events = self.inventory.events(&Default::default()).await.unwrap();
        let alarms = events.into_iter().filter(|event| event.kind == EventKind::Alarm);
        alarms.map(|event| event.text).collect()
    }

    async fn assert_untouched(&self) {
        let server = self.server().await;
        assert_eq!(self.port(), ObservedNetwork::Tenant(TENANT), "its tenant is not cut off");
        assert_eq!((server.confirmed, server.untold_off), (Some(Confirmed::On), false));
        for call in ["move", "tell_power_off", "power", "reset"] {
            assert_eq!(self.world.count(call), 0, "{call}: {:?}", self.world.calls());
        }
        let shown = server.power_facts(true).now;
        let words = server.words_of(server.bmc_doubt.as_ref().expect("it is in doubt"));
        assert_eq!(shown, Some(PowerReading::Unreachable { reason: words.clone() }), "unknown is not off");
        for request in [PowerRequest::Off(PowerOffHow::Hard), PowerRequest::On, PowerRequest::Restart] {
            let refusal = self.gate.power(self.id, request).await.unwrap_err();
            assert_eq!((refusal.kind, refusal.message), (RefusalKind::State, words.clone()));
        }
        assert_eq!(self.world.count("power"), 0, "no command reaches somebody's machine");
    }
}

#[tokio::test]
async fn exchanged_addresses_isolate_nobody_and_switch_nobody_off() {
    let (bench, other) = bench(said(OURS)).await;
    bench.import(&other, "198.51.100.12", "198.51.100.11").await;
    bench.assert_untouched().await;
    // The neighbour is off. Whether that comes before or after who it is, it is not our server's.
    bench.reads(PowerReading::Off, PowerCause::First).await;
    bench.assert_untouched().await;
    assert_eq!(bench.says(said(THEIRS)).await, Heard::default());
    bench.reads(PowerReading::Off, PowerCause::Unasked).await;
    bench.assert_untouched().await;
    let alarms = bench.alarms().await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    for words in [OURS, THEIRS, "ipmi://198.51.100.12:623", "that is n2", "exchanged", "by an import"] {
        assert!(alarms[0].contains(words), "{words:?} is not in {:?}", alarms[0]);
    }
    assert_eq!(bench.says(said(THEIRS)).await, Heard::default());
    assert_eq!(bench.alarms().await.len(), 1, "it is told once");
    // What is n2's is not accepted as n1's.
    assert!(accept(&bench.server().await).unwrap_err().contains("is n2"));
    // A new process knows it, and the other's restart changes nothing.
    let bench = bench.restarted();
    bench.reads(PowerReading::Off, PowerCause::First).await;
    bench.assert_untouched().await;

    // Back again: a late word of the other BMC proves nothing, its own proves it, and then off is off.
    bench.import(&other, "198.51.100.11", "198.51.100.12").await;
    let server = bench.server().await;
    let late = Source::LogIn("ipmi://198.51.100.12:623");
    heard(&bench.inventory, &server, late, &said(OURS)).await.unwrap();
    bench.reads(PowerReading::Off, PowerCause::First).await;
    bench.assert_untouched().await;
    assert_eq!(bench.says(said(OURS)).await, Heard { is_news: true, reading: None });
    assert!(bench.server().await.bmc_doubt.is_none());
    assert!(bench.server().await.bmc_proved_us.is_some());
    bench.reads(PowerReading::On, PowerCause::First).await;
    assert_eq!(bench.port(), ObservedNetwork::Tenant(TENANT));
    bench.reads(PowerReading::Off, PowerCause::Unasked).await;
    assert_eq!(bench.port(), CLEANING, "rule 4 holds again");
}

#[tokio::test]
async fn a_first_reading_after_a_restart_counts_and_one_after_a_change_does_not() {
    let (bench, other) = bench(said(OURS)).await;
    let bench = bench.restarted();
    bench.reads(PowerReading::Off, PowerCause::First).await;
    assert_eq!(bench.port(), CLEANING, "a mere restart makes no doubt");
    drop((bench, other));

    // A BMC that has nothing of its own: what contradicts waits for a person, whose word lets the reading count.
    let (bench, other) = self::bench(said("")).await;
    bench.import(&other, "198.51.100.13", "198.51.100.12").await;
    bench.says(said("")).await;
    bench.reads(PowerReading::Off, PowerCause::First).await;
    bench.assert_untouched().await;
    let alarms = bench.alarms().await;
    assert!(alarms.len() == 1 && alarms[0].contains("bmc accept n1"), "{alarms:?}");
    let accepted = accept(&bench.server().await).unwrap();
    assert_eq!(accepted.reading, Some(PowerReading::Off));
    let done = bench.reconcile.enroll.accept_bmc(bench.id).await.unwrap();
    assert!(done.contains("ipmi://198.51.100.13:623"), "{done}");
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), CLEANING, "what was held back counts once somebody has said that it is n1's");
    drop(bench);

    // What agrees with what was known is the best that can be had of it.
    let (bench, other) = self::bench(said("")).await;
    bench.import(&other, "198.51.100.13", "198.51.100.12").await;
    bench.reads(PowerReading::On, PowerCause::First).await;
    bench.assert_untouched().await;
    bench.says(said("")).await;
    bench.reads(PowerReading::On, PowerCause::First).await;
    assert!(bench.server().await.bmc_doubt.is_none(), "it has said who it is, and it is on as it was");

    // One that was recognised and now says nothing of itself is a strange one, whatever it reads.
    let (bench, other) = self::bench(said(OURS)).await;
    bench.import(&other, "198.51.100.13", "198.51.100.12").await;
    bench.says(said("")).await;
    bench.reads(PowerReading::On, PowerCause::First).await;
    bench.assert_untouched().await;
}

#[tokio::test]
async fn another_user_or_password_makes_no_doubt() {
    let (bench, _) = bench(said(OURS)).await;
    let mut new = at("198.51.100.11");
    new.bmc.username = "operator".to_owned();
    new.bmc.password = Secret::new("another");
    bench.inventory.put_servers(&[(Some(bench.id), &new)]).await.unwrap();
    assert_eq!(bench.server().await.bmc_doubt, None);
}

#[tokio::test]
async fn nothing_of_a_former_bmc_is_mixed_with_the_one_that_took_its_place() {
    let (bench, _) = bench(said(OURS)).await;
    let id = bench.id;
    let traces = Traces { before: Footprint::default(), read_us: 1, had_by: None, found: None, hold: false };
    bench.inventory.set_traces(id, &traces).await.unwrap();
    let firmware =
        FirmwareItem { name: "BMC".to_owned(), version: "1".to_owned(), ..FirmwareItem::default() };
    bench.inventory.put_facts(id, &PartFacts::Firmware(vec![firmware]), 1).await.unwrap();
    let restore = Restore::settled(&bench.server().await, None, 1);
    bench.inventory.set_restore(id, &restore).await.unwrap();
    // Its password was changed once, and is to be changed again.
    let first = bench.server().await.bmc.password;
    bench.inventory.finish_rotation(&bench.server().await, &Secret::new("rotated")).await.unwrap();
    bench.inventory.set_rotation(id, Some(&Rotation::planned("it was time", 0, 0))).await.unwrap();

    bench.says(said("00112233-0000-6677-8899-aabbccddee99")).await;
    bench.assert_untouched().await;
    assert!(bench.server().await.upkeep.traces.is_some(), "nothing is forgotten before a person has said so");
    let done = bench.reconcile.enroll.accept_bmc(id).await.unwrap();
    assert!(done.contains("import that one"), "{done}");
    let upkeep = bench.server().await.upkeep;
    assert_eq!(upkeep, Default::default());
    assert!(bench.inventory.facts(id).await.unwrap().firmware().is_empty());
    // The board came from the factory with the password that the former one had at first: the file says so, and is believed.
    let mut file = at("198.51.100.11");
    file.bmc.password = first.clone();
    bench.inventory.put_servers(&[(Some(id), &file)]).await.unwrap();
    assert_eq!(bench.server().await.bmc.password, first);
}

#[tokio::test]
async fn a_replaced_board_is_accepted_by_a_person_and_one_machine_twice_is_told() {
    let (bench, other) = bench(said(OURS)).await;
    // Somebody else answers at the same address: a board was replaced, or the address is another machine's now.
    let new = said("00112233-0000-6677-8899-aabbccddee99");
    bench.says(new.clone()).await;
    bench.assert_untouched().await;
    let done = bench.reconcile.enroll.accept_bmc(bench.id).await.unwrap();
    assert!(done.contains(OURS) && done.contains(&new.guid), "what it was and what it is: {done}");
    assert_eq!(bench.world.count("declare n1"), 1, "its agent is told whom to expect");
    assert_eq!(bench.server().await.identity, Some(new.clone()));
    assert_eq!(bench.says(new).await, Heard::default());
    let refusal = bench.reconcile.enroll.accept_bmc(bench.id).await.unwrap_err();
    assert!(refusal.message.contains("is not in doubt"), "{refusal}");

    // A new server that is an enrolled one: it is held, and both are named.
    let mut twice = neighbour("198.51.100.14");
    twice.name = "n3".to_owned();
    twice.ports[0].mac = "52:54:00:00:00:0d".parse().unwrap();
    twice.ports[0].link.port = "xe-0/0/3".into();
    let twice = bench.inventory.put_server(&twice).await.unwrap();
    heard(&bench.inventory, &twice, Source::Asked, &said(THEIRS)).await.unwrap();
    let twice = bench.inventory.server(twice.id).await.unwrap().unwrap();
    assert_eq!(twice.identity, None, "it is not learned");
    let words = twice.words_of(twice.bmc_doubt.as_ref().expect("it is held"));
    assert!(words.contains("that is n2") && words.contains("the same machine"), "{words}");
    assert!(bench.alarms().await.contains(&words));
    drop(other);
}

fn changed(identity: Option<BmcIdentity>, reading: Option<PowerReading>) -> Doubt {
    Doubt::Changed { at_us: 1, from: "ipmi://198.51.100.11:623".to_owned(), heard: identity, reading }
}

#[tokio::test]
async fn another_language_proves_by_what_others_say_and_never_the_contrary() {
    let (bench, _) = bench(said(OURS)).await;
    let mut server = bench.server().await;
    server.bmc.protocol =
        protocol::spec::BmcProtocol::Redfish { system: None, certificate_sha256: None, http: false };
    server.bmc_doubt = Some(changed(None, None));
    assert!(matches!(judge(&server, &[], &said(OURS)), Judgement::Proved(_)));
    assert!(matches!(judge(&server, &[], &said("00112233-4455-6677-8899-000000000001")), Judgement::Open(_)));
    server.bmc_doubt = None;
    let judged = judge(&server, &[], &said("00112233-4455-6677-8899-000000000001"));
    assert_eq!(judged, Judgement::Other { differs: Some("UUID"), whose: None });
}
