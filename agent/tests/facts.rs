//! Edges: what BMCs say of themselves is read part by part once they have let us in, and told of the BMC that is still the server's.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agent::{
    bmc::{Bmc, BmcError, Power},
    facts::Facts,
    uplink::outbox::Outbox,
};
use async_trait::async_trait;
use protocol::{
    bmc_facts::{FactsPart, PartFacts, SecureBootFacts, SystemFacts},
    boot::{BootDevice, BootMode, Persistence},
    hardware::BmcIdentity,
    id::ServerId,
    power::{PowerCause, PowerReading},
    report::{Report, ReportBody},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

/// A BMC that has a version, refuses to tell its firmware, and then may go silent.
struct Told {
    version: &'static str,
    is_let_in: bool,
    is_silent: bool,
    /// Before it tells its version somebody looks, and lets it go on.
    held: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

impl Told {
    fn new(version: &'static str) -> Self {
        Self { version, is_let_in: true, is_silent: false, held: Mutex::new(None) }
    }
}

#[async_trait]
impl Bmc for Told {
    async fn facts(&self, part: FactsPart) -> Result<Option<PartFacts>, BmcError> {
        let address = "a".to_owned();
        let held = self.held.lock().unwrap().take();
        if let Some((reached, go_on)) = held {
            reached.send(()).unwrap();
            go_on.await.unwrap();
        }
        match part {
            FactsPart::System => {
                let manager_version = self.version.to_owned();
                Ok(Some(PartFacts::System(SystemFacts { manager_version, ..SystemFacts::default() })))
            }
            FactsPart::Firmware => Err(BmcError::Refused { address, reason: "it lists no firmware".into() }),
            FactsPart::SecureBoot if self.is_silent => {
                Err(BmcError::Unreachable { address, reason: "no answer".into() })
            }
            FactsPart::SecureBoot => Ok(Some(PartFacts::SecureBoot(SecureBootFacts::default()))),
            FactsPart::Media => Ok(None),
            FactsPart::Bios => Ok(Some(PartFacts::Bios(Default::default()))),
        }
    }
    async fn seen(&self) -> Option<BmcIdentity> {
        self.is_let_in.then(BmcIdentity::default)
    }
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
}

struct Running {
    facts: Arc<Facts>,
    seen: mpsc::Receiver<agent::uplink::client::Seen>,
    stop: CancellationToken,
}

impl Running {
    fn start() -> Self {
        let (facts, stop) = (Arc::new(Facts::default()), CancellationToken::new());
        let (seen_in, seen) = mpsc::channel(64);
        tokio::spawn(Arc::clone(&facts).run(seen_in, stop.clone()));
        Self { facts, seen, stop }
    }

    fn know(&self, server: ServerId, bmc: Told) {
        let bmc: Arc<dyn Bmc> = Arc::new(bmc);
        self.facts.know(server, &bmc);
    }

    /// The next part that is told, and of whom.
    async fn next(&mut self) -> (ServerId, String) {
        let seen = timeout(SOON, self.seen.recv()).await.expect("something is told").unwrap();
        let ReportBody::Facts { part } = seen.body else { panic!("{:?}", seen.body) };
        let word = match part {
            PartFacts::System(system) => system.manager_version,
            PartFacts::Bios(_) => "bios".into(),
            PartFacts::SecureBoot(_) => "secure boot".into(),
            PartFacts::Media(_) => "media".into(),
            PartFacts::Firmware(_) => "firmware".into(),
        };
        (seen.server, word)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_bmc_tells_its_parts_and_a_refused_one_does_not_end_them() {
    let (mut running, server) = (Running::start(), ServerId::random());
    running.know(server, Told::new("1"));
    for word in ["1", "secure boot", "bios"] {
        assert_eq!(running.next().await, (server, word.to_owned()));
    }
}

#[tokio::test]
async fn a_silent_one_and_one_that_has_not_let_us_in_are_not_asked_on() {
    let (mut running, [silent, stranger, last]) = (Running::start(), [(); 3].map(|()| ServerId::random()));
    running.know(stranger, Told { is_let_in: false, ..Told::new("never") });
    running.know(silent, Told { is_silent: true, ..Told::new("silent") });
    assert_eq!(running.next().await, (silent, "silent".to_owned()));
    running.know(last, Told::new("last"));
    for word in ["last", "secure boot", "bios"] {
        assert_eq!(running.next().await, (last, word.to_owned()), "nothing more of the others");
    }
}

#[tokio::test]
async fn what_a_former_bmc_says_is_not_told() {
    let (mut running, server) = (Running::start(), ServerId::random());
    let ((reached_in, reached), (go_on, go_on_out)) = (oneshot::channel(), oneshot::channel());
    let former = Told::new("former");
    *former.held.lock().unwrap() = Some((reached_in, go_on_out));
    running.know(server, former);
    timeout(SOON, reached).await.expect("it is asked").unwrap();
    running.know(server, Told::new("new"));
    assert_eq!(running.next().await, (server, "new".to_owned()));
    go_on.send(()).unwrap();
    for word in ["secure boot", "bios"] {
        assert_eq!(running.next().await, (server, word.to_owned()));
    }
    running.facts.forget(server);
}

#[test]
fn what_bmcs_say_is_given_up_for_a_power_report() {
    let server = ServerId::random();
    let mut outbox = Outbox::new(1, 4000);
    let facts = || {
        let manager_version = "x".repeat(100);
        PartFacts::System(SystemFacts { manager_version, ..SystemFacts::default() })
    };
    for _ in 0..100 {
        outbox.push(0, server, ReportBody::Facts { part: facts() }).expect("older facts make room");
    }
    let power = || ReportBody::Power { reading: PowerReading::Off, cause: PowerCause::Unasked };
    let mut told = 0;
    while outbox.push(0, server, power()).is_ok() {
        told += 1;
    }
    let is_power = |report: &&Report| matches!(report.body, ReportBody::Power { .. });
    assert_eq!(outbox.pending().filter(is_power).count(), told, "no power report was given up");
    assert_eq!(outbox.pending().count(), told, "and power has all the room");
}
