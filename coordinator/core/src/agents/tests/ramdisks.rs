//! Edges: ramdisks and their steps, over restarts of the agent and of the coordinator.

use super::*;

fn ready(session: RamdiskSessionId) -> ReportBody {
    let (purpose, network) = (BootPurpose::Clean, BootNetwork::Cleaning);
    ReportBody::RamdiskReady { session, purpose, network, hardware: Box::default() }
}

#[tokio::test]
async fn a_ramdisk_that_does_not_come_back_with_its_agent_is_gone() {
    let site = Site::with(Waits { ramdisk: Duration::from_millis(500), ..Waits::default() }).await;
    let mut signals = site.hub.ramdisk_signals();
    let session = RamdiskSessionId::random();
    let running = async || site.inventory.server(site.server.id).await.unwrap().unwrap().ramdisk;
    let mut agent = site.agent().await;
    agent.report(&site, 1, ready(session)).await;
    agent.acknowledged(1).await;
    assert!(matches!(signals.recv().await.unwrap(), RamdiskSignal::Ready(_)));
    // A broken stream says nothing of ramdisks, and one that is back is not gone.
    let agent = site.agent_of(agent.run).await;
    drop(agent);
    let mut agent = site.agent().await;
    agent.report(&site, 2, ready(session)).await;
    agent.acknowledged(2).await;
    assert!(matches!(signals.recv().await.unwrap(), RamdiskSignal::Ready(_)));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(running().await, Some(session), "it is back");
    let _agent = site.agent().await;
    let gone = tokio::time::timeout(WAIT_MAX, signals.recv()).await.expect("it is given up").unwrap();
    let RamdiskSignal::Gone { session: of, reason, .. } = gone else { panic!("{gone:?}") };
    assert_eq!(of, session);
    assert!(reason.contains("restarted") && reason.contains("rack1"), "{reason}");
    assert_eq!(running().await, None);
}

#[tokio::test]
async fn a_ramdisk_step_outlives_the_coordinator_under_its_id() {
    let mut site = Site::new().await;
    let step = Action::RunStep {
        session: RamdiskSessionId::random(),
        step: Step::EraseDisks(EraseOrder::default()),
    };
    let id = site.server.id;
    let begin = |site: &Site| {
        let (agents, step) = (site.agents(), step.clone());
        tokio::spawn(async move { agents.run(&rack(), id, step).await })
    };
    let first = begin(&site);
    let mut agent = site.agent().await;
    let command = agent.command().await;
    first.abort();
    site.restart().await;
    // Asked again while it runs: the same command, so that the agent answers from memory.
    let second = begin(&site);
    let mut agent = site.agent().await;
    assert_eq!(agent.command().await, command);
    second.abort();
    let _ = second.await;
    site.restart().await;
    // It ends while nobody waits: whoever asks next has the outcome.
    let mut agent = site.agent().await;
    let output = StepOutput::Erased { disks: vec![] };
    agent.report(&site, 1, done(&command, Success::Step(output.clone()))).await;
    agent.acknowledged(1).await;
    assert_eq!(begin(&site).await.unwrap(), Ok(Success::Step(output)));
    // Asked once more it is another command.
    let _third = begin(&site);
    assert_ne!(agent.command().await.id, command.id);
}

/// From its own answer on, what runs there is the tenant's: nobody may still take it for the ramdisk when Ironic says so.
#[tokio::test]
async fn a_hand_over_ends_the_boot_before_whoever_asked_hears_of_it() {
    let site = Site::new().await;
    let id = site.server.id;
    let plan = BootPlan { purpose: BootPurpose::Rescue, network: BootNetwork::Provisioning };
    site.inventory.set_boot_given(id, Some(&plan)).await.unwrap();
    let step = Step::HandOver { password_hash: Secret::new("$5$salt$hash") };
    let agents = site.agents();
    let asked = tokio::spawn(async move {
        let session = RamdiskSessionId::random();
        agents.run(&rack(), id, Action::RunStep { session, step }).await
    });
    let mut agent = site.agent().await;
    let command = agent.command().await;
    agent.report(&site, 1, done(&command, Success::Step(StepOutput::HandedOver))).await;
    assert_eq!(asked.await.unwrap(), Ok(Success::Step(StepOutput::HandedOver)));
    assert!(site.inventory.server(id).await.unwrap().unwrap().boot_given.is_none());
}

#[tokio::test]
async fn only_an_inspection_says_which_disks_a_server_has() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let disk = |serial: &str| Disk { serial: serial.into(), size_bytes: 8, ..Disk::default() };
    let mut seq = 0;
    let mut report = async |purpose: BootPurpose, serials: &[&str]| {
        seq += 1;
        let disks = serials.iter().map(|serial| disk(serial)).collect();
        let hardware = Box::new(HardwareReport { disks, ..HardwareReport::default() });
        let (session, network) = (RamdiskSessionId::random(), BootNetwork::Cleaning);
        let ready = ReportBody::RamdiskReady { session, purpose, network, hardware };
        agent.report(&site, seq, ready).await;
        agent.acknowledged(seq).await;
        let disks = site.inventory.disks(site.server.id).await.unwrap();
        disks.into_iter().map(|known| (known.disk.serial, known.present)).collect::<Vec<_>>()
    };
    let seen = |serial: &str, present| (serial.to_owned(), present);
    assert_eq!(report(BootPurpose::Clean, &["a"]).await, []);
    let both = [seen("a", true), seen("b", true)];
    assert_eq!(report(BootPurpose::Inspect, &["a", "b"]).await, both);
    for purpose in [BootPurpose::Clean, BootPurpose::Deploy, BootPurpose::Rescue] {
        assert_eq!(report(purpose, &["c"]).await, both, "{purpose:?}");
    }
    // Nobody has erased b: it stays, and somebody is called.
    assert_eq!(report(BootPurpose::Inspect, &["a"]).await, [seen("a", true), seen("b", false)]);
    let events = site.inventory.events_from(&EventFilter::default()).await.unwrap();
    let alarm = events.iter().find(|event| event.kind == EventKind::Alarm).expect("an alarm");
    assert!(alarm.text.contains("did not find disk 2 (serial b"), "{}", alarm.text);
    // Erased, it may go; given to a tenant since, it may not.
    let erasure = Erasure { at_us: 1, method: "zeroes".into(), erased_bytes: 8, verified_bytes: 8 };
    site.inventory.note_erasure(site.server.id, 1, &erasure, true).await.unwrap();
    site.inventory.give_disks(site.server.id).await.unwrap();
    site.inventory.note_erasure(site.server.id, 2, &erasure, true).await.unwrap();
    site.inventory.note_erasure(site.server.id, 2, &erasure, false).await.unwrap();
    assert_eq!(report(BootPurpose::Inspect, &[]).await, [seen("a", false)]);
}
