//! The BMC of a deployed server shows another certificate than the pinned one, and what must follow: nobody is cut off, nothing is sent to
//! whoever shows it, what ends is isolated all the same, and somebody is told.

use domain::{
    certificate::Fingerprint,
    events::EventKind,
    lifecycle::{Confirmed, ProvisionState},
    records::NewServer,
    rim::{ObservedNetwork, PowerRequest, RefusalKind},
    upkeep::certificate::SiteRenewals,
};
use protocol::{power::PowerOffHow, shown_certificate::ShownCertificate, spec::BmcProtocol};

use super::heard;
use crate::bench::{Bench, CLEANING, TENANT, new_server};

fn certificate() -> (Vec<u8>, rcgen::KeyPair) {
    let made = rcgen::generate_simple_self_signed(vec!["bmc.invalid".to_owned()]).unwrap();
    (made.cert.der().to_vec(), made.signing_key)
}

/// Another certificate of this key.
fn renewed(key: &rcgen::KeyPair) -> Vec<u8> {
    let params = rcgen::CertificateParams::new(vec!["renewed.invalid".to_owned()]).unwrap();
    params.self_signed(key).unwrap().der().to_vec()
}

fn pinned_to(der: &[u8]) -> NewServer {
    let mut new = new_server();
    let certificate_sha256 = Some(Fingerprint::of(der).to_string());
    new.bmc.protocol = BmcProtocol::Redfish { system: None, certificate_sha256, http: false };
    new
}

/// A deployed server whose BMC is pinned to this certificate, which it has shown.
async fn deployed(der: &[u8]) -> Bench {
    let bench = Bench::deployed().await;
    bench.inventory.put_servers(&[(Some(bench.id), &pinned_to(der))]).await.unwrap();
    // Another language is another BMC until somebody says that it is the same.
    bench.reconcile.enroll.accept_bmc(bench.id).await.unwrap();
    assert!(!bench.shows(der).await);
    bench
}

impl Bench {
    async fn shows(&self, der: &[u8]) -> bool {
        let server = self.server().await;
        let shown = ShownCertificate::new(vec![der.to_vec()], false).unwrap();
        let place = server.bmc.place();
        heard(&self.inventory, &SiteRenewals::default(), &server, &place, &shown).await.unwrap()
    }

    async fn pin(&self) -> String {
        self.server().await.pinned_certificate().unwrap().to_string()
    }

    async fn told(&self, kind: EventKind) -> Vec<String> {
        let events = self.inventory.events(&Default::default()).await.unwrap();
        events.into_iter().filter(|event| event.kind == kind).map(|event| event.text).collect()
    }
}

#[tokio::test]
async fn a_certificate_of_the_same_key_is_pinned_and_told_and_an_old_file_does_not_bring_the_old_one_back() {
    let (old, key) = certificate();
    let bench = deployed(&old).await;
    let new = renewed(&key);
    assert!(bench.shows(&new).await, "its agent must be told");
    assert_eq!(bench.pin().await, Fingerprint::of(&new).to_string());
    assert!(bench.told(EventKind::Upkeep).await.concat().contains("it has the same key"));
    assert_eq!(bench.told(EventKind::Alarm).await.len(), 0);
    let import = async |der: &[u8]| {
        bench.inventory.put_servers(&[(Some(bench.id), &pinned_to(der))]).await.unwrap();
        bench.pin().await
    };
    assert_eq!(import(&old).await, Fingerprint::of(&new).to_string(), "the file is older than the renewal");
    let (another, _) = certificate();
    assert_eq!(import(&another).await, Fingerprint::of(&another).to_string(), "set by hand");
}

#[tokio::test]
async fn another_key_is_asked_about_and_nothing_is_cut_off_or_sent_meanwhile() {
    let (old, _) = certificate();
    let bench = deployed(&old).await;
    let (new, _) = certificate();
    let before = bench.world.count("declare n1");
    for _ in 0..2 {
        assert!(!bench.shows(&new).await);
    }
    let alarms = bench.told(EventKind::Alarm).await;
    assert_eq!(alarms.len(), 1, "it is told once: {alarms:?}");
    for words in ["bmsctl bmc certificate show n1", &Fingerprint::of(&new).to_string(), "another key"] {
        assert!(alarms[0].contains(words), "{words:?} is not in {:?}", alarms[0]);
    }
    // Its tenant keeps its network and its power, and whoever shows the other certificate is told nothing.
    bench.reconcile.visit(bench.id).await;
    assert_eq!(bench.port(), ObservedNetwork::Tenant(TENANT));
    assert_eq!(bench.server().await.confirmed, Some(Confirmed::On));
    assert_eq!(bench.pin().await, Fingerprint::of(&old).to_string());
    for request in [PowerRequest::Off(PowerOffHow::Hard), PowerRequest::On, PowerRequest::Restart] {
        let refusal = bench.gate.power(bench.id, request).await.unwrap_err();
        assert_eq!((refusal.kind, &refusal.message), (RefusalKind::State, &alarms[0]));
    }
    assert_eq!((bench.world.count("power"), bench.world.count("declare n1")), (0, before));

    // Refused, it stays so until the pinned one is back.
    bench.reconcile.enroll.refuse_certificate(bench.id, None, "ada").await.unwrap();
    let words = bench.server().await.certificate_words().unwrap();
    assert!(words.contains("ada has refused"), "{words}");
    assert!(!bench.shows(&new).await);
    assert_eq!(bench.told(EventKind::Alarm).await.len(), 1);
    bench.shows(&old).await;
    assert_eq!(bench.server().await.certificate_words(), None);

    // Accepted is what was looked at.
    bench.shows(&new).await;
    let looked_at = Some(Fingerprint::of(&old));
    let refused = bench.reconcile.enroll.accept_certificate(bench.id, looked_at).await.unwrap_err();
    assert!(refused.message.contains("another certificate by now"), "{refused}");
    let looked_at = Some(Fingerprint::of(&new));
    bench.reconcile.enroll.accept_certificate(bench.id, looked_at).await.unwrap();
    assert_eq!(bench.pin().await, Fingerprint::of(&new).to_string());
    assert_eq!(bench.world.count("declare n1"), before + 1, "its agent is told");
    assert_eq!(bench.server().await.certificate_words(), None);
    let nothing = bench.reconcile.enroll.accept_certificate(bench.id, None).await.unwrap_err();
    assert!(nothing.message.contains("nothing to decide"), "{nothing}");
}

#[tokio::test]
async fn a_tenancy_that_ends_is_isolated_though_its_bmc_cannot_be_asked() {
    for state in ["deleting", "error", "clean failed"] {
        let (old, _) = certificate();
        let bench = deployed(&old).await;
        bench.shows(&certificate().0).await;
        bench.set_node(|node| node.provision_state = ProvisionState::from(state)).await;
        bench.reconcile.visit(bench.id).await;
        // One that is given back stays unplugged until it is seen to be off, which cannot be asked.
        let isolated = [CLEANING, ObservedNetwork::Nothing];
        assert!(isolated.contains(&bench.port()), "{state}: {:?}", bench.port());
        assert_eq!(bench.world.count("power"), 0, "{state}");
    }
}
