//! Edges: what an agent tells of what BMCs say.

use domain::identity::Doubt;
use protocol::{
    bmc_facts::{FirmwareItem, PartFacts, SecureBootFacts, SystemFacts},
    convert::ToAgent,
    health::HardwareChange,
    report::ReportBody,
};

use super::Site;

#[tokio::test]
async fn what_a_bmc_says_is_kept_part_by_part_and_the_newest_counts() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let system = |version: &str| {
        PartFacts::System(SystemFacts { manager_version: version.into(), ..SystemFacts::default() })
    };
    let firmware = |versions: &[&str]| {
        let item = |version: &&str| FirmwareItem {
            name: "NIC".into(),
            version: (*version).into(),
            ..FirmwareItem::default()
        };
        PartFacts::Firmware(versions.iter().map(item).collect())
    };
    // What is told, and then: the BMC's version and the versions of all firmware.
    let steps: [(PartFacts, &str, &[&str]); 4] = [
        (system("1"), "1", &["1"]),
        (firmware(&["7", "8"]), "1", &["7", "8"]),
        (system("2"), "2", &["7", "8"]),
        (firmware(&["9"]), "2", &["9"]),
    ];
    for (seq, (part, version, all)) in (1..).zip(steps) {
        agent.report(&site, seq, ReportBody::Facts { part }).await;
        agent.acknowledged(seq).await;
        let known = site.inventory.facts(site.server.id).await.unwrap();
        assert_eq!(known.facts.system.manager_version, version, "after report {seq}");
        let versions: Vec<_> = known.firmware().into_iter().map(|item| item.version).collect();
        assert_eq!(versions, all, "after report {seq}");
        let of_all = site.inventory.all_firmware().await.unwrap();
        assert_eq!(of_all[&site.server.id].firmware(), known.firmware(), "after report {seq}");
    }
}

#[tokio::test]
async fn what_somebody_says_while_it_is_in_doubt_whose_bmc_answers_is_nothing_of_the_servers() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let doubt = Doubt::Changed { at_us: 1, from: "ipmi://192.0.2.9:623".into(), heard: None, reading: None };
    site.inventory.set_bmc_doubt(&site.server, &doubt).await.unwrap();
    let item = FirmwareItem { name: "NIC".into(), version: "7".into(), ..FirmwareItem::default() };
    agent.report(&site, 1, ReportBody::Facts { part: PartFacts::Firmware(vec![item]) }).await;
    let change = HardwareChange::Unread { reason: "it has no sensors".into() };
    agent.report(&site, 2, ReportBody::Hardware { change }).await;
    agent.acknowledged(1).await;
    agent.acknowledged(2).await;
    assert!(site.inventory.facts(site.server.id).await.unwrap().firmware().is_empty());
    assert_eq!(site.inventory.hardware(site.server.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_of_secure_boot_is_told_to_the_agent_that_chooses_the_loader() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let (on, off) = (Some(true), Some(false));
    // What the BMC says, and what is known then; told once.
    let steps = [
        (SecureBootFacts { is_enabled: on, ..Default::default() }, on, true),
        (SecureBootFacts { is_enabled: on, was_enabled: on, ..Default::default() }, on, false),
        (SecureBootFacts { is_enabled: off, was_enabled: on, ..Default::default() }, off, true),
        (SecureBootFacts::default(), None, true),
    ];
    for (seq, (facts, expected, is_told)) in (1..).zip(steps) {
        agent.report(&site, seq, ReportBody::Facts { part: PartFacts::SecureBoot(facts) }).await;
        if is_told {
            let ToAgent::Declare(told) = agent.next().await.unwrap() else { panic!("it is told") };
            assert_eq!(told.servers[0].secure_boot, expected, "after report {seq}");
        }
        agent.acknowledged(seq).await;
        let stored = site.inventory.server(site.server.id).await.unwrap().unwrap();
        assert_eq!(stored.secure_boot, expected, "after report {seq}");
    }
}
