//! Edges: what agents tell of a boot is kept with its attempt.

use domain::boots::What;
use protocol::mac::MacAddr;

use super::*;

#[tokio::test]
async fn what_is_told_of_a_boot_is_kept_with_its_attempt() {
    let site = Site::new().await;
    let (id, mac) = (site.server.id, site.server.ports[0].mac);
    let plan = BootPlan { purpose: BootPurpose::Inspect, network: BootNetwork::Provisioning };
    let mut agent = site.agent().await;
    let mut seq = 0;
    let mut hear = async |body| {
        seq += 1;
        agent.report(&site, seq, body).await;
        agent.acknowledged(seq).await;
    };
    hear(power(PowerReading::Off)).await;
    site.inventory.begin_boot(id, &plan).await.unwrap();
    let reached = |stage| {
        let network = BootNetwork::Provisioning;
        ReportBody::Boot(BootProgress { stage, network, mac, detail: "here".to_owned() })
    };
    hear(power(PowerReading::On)).await;
    hear(reached(BootStage::DhcpDiscover)).await;
    let (network, planned) = (BootNetwork::Cleaning, Some(BootNetwork::Provisioning));
    let reason = "elsewhere".to_owned();
    hear(ReportBody::BootRefused { network, mac: Some(mac), planned, reason }).await;
    // What its agent says of an interface by which it does not boot.
    let other = MacAddr([2, 0, 0, 0, 0, 9]);
    let reason = "02:00:00:00:00:09 is an interface by which this server does not boot".to_owned();
    hear(ReportBody::BootRefused { network, mac: Some(other), planned: None, reason }).await;
    let session = RamdiskSessionId::random();
    let faults = vec!["no disk behind 1000:0097".to_owned()];
    let hardware = Box::new(HardwareReport { faults, ..HardwareReport::default() });
    let ready = ReportBody::RamdiskReady { session, purpose: plan.purpose, network: plan.network, hardware };
    hear(ready.clone()).await;
    // After an outage it is told again.
    hear(ready).await;
    hear(ReportBody::RamdiskGone { session, reason: "the server is off".to_owned() }).await;
    hear(power(PowerReading::Off)).await;

    let boots = site.inventory.boots(id).await.unwrap();
    let [boot] = &boots[..] else { panic!("{boots:?}") };
    let words: Vec<_> = boot.marks.iter().map(|mark| mark.what.words()).collect();
    assert_eq!(
        words,
        [
            "boot ordered on the provisioning network",
            &format!("DHCP request ({mac}): here"),
            "asked on the cleaning network and got no answer: elsewhere",
            "asked on the cleaning network by 02:00:00:00:00:09, an interface by which it does not boot",
            "the ramdisk has connected; no disk behind 1000:0097",
            "the ramdisk has ended: the server is off",
            "power off",
        ]
    );
    assert!(matches!(boot.marks[0].what, What::Ordered(_)));
    assert_eq!(boot.marks[1].at_us, 3, "by the agent's clock");
}
