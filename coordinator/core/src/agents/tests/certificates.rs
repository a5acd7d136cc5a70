//! Edges: which certificates open a rack: stored ones, until they are replaced, revoked or over.

use std::collections::HashSet;

use domain::{certificate::Fingerprint, records::Origin};
use protocol::certificate::PublicKey;
use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

impl Papers {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
    }
}

impl Site {
    /// What comes of a hello with these papers; the agent leaves again.
    async fn tried(&self, papers: &Papers) -> Result<(), Status> {
        let channel = self.dial(papers, LOOPBACK).await.unwrap();
        let mut agent = FakeAgent::connect(channel, AgentBootId::random()).await;
        let first = agent.next().await.map(|_| ());
        drop(agent);
        tokio::time::timeout(WAIT_MAX, async {
            while self.hub.connected(&rack()).is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("it is seen to leave");
        first
    }

    /// A connected agent with these papers.
    async fn connected_with(&self, papers: &Papers) -> FakeAgent {
        let mut agent =
            FakeAgent::connect(self.dial(papers, LOOPBACK).await.unwrap(), AgentBootId::random()).await;
        for _ in 0..2 {
            agent.next().await.unwrap();
        }
        agent
    }

    /// Asks on the stream for a new certificate.
    async fn renewed(&self, agent: &mut FakeAgent) -> Result<Papers, String> {
        let key = KeyPair::generate().unwrap();
        let public = PublicKey::try_from(key.der_bytes()).unwrap();
        agent.up.send(FromAgent::Renew(public).into()).await.unwrap();
        match agent.next().await.unwrap() {
            ToAgent::Renewed(answer) => answer.map(|pem| Papers { pem, key: key.serialize_pem() }),
            other => panic!("{other:?}"),
        }
    }
}

fn refusal(tried: Result<(), Status>) -> String {
    let refused = tried.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("bms-coordinator issue-agent --rack rack1"), "a remedy: {refused}");
    refused.message().to_owned()
}

/// Papers as an earlier version made them, for this rack.
fn of_before(site: &Site) -> Papers {
    let key = KeyPair::generate().unwrap();
    let pki = site._dir.path().join("pki");
    let read = |name: &str| std::fs::read_to_string(pki.join(name)).unwrap();
    let authority = KeyPair::from_pem(&read("ca.key")).unwrap();
    let issuer = rcgen::Issuer::new(
        {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, "BMS Manager certificate authority");
            params
        },
        authority,
    );
    let like =
        site.issuer.authority.agent_certificate(&rack(), site.issuer.term(SystemClock.now_us())).unwrap();
    let der = CertificateDer::from_pem_slice(like.0.pem.as_bytes()).unwrap();
    let name = String::from_utf8_lossy(&der);
    let end = name.find(".rack.bms.internal").unwrap();
    let name = format!("{}.rack.bms.internal", &name[end - 40..end]);
    let mut params = CertificateParams::new(vec![name]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Papers { pem: params.signed_by(&key, &issuer).unwrap().pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn a_signature_alone_opens_nothing() {
    let site = Site::new().await;
    let term = site.issuer.term(SystemClock.now_us());
    let (made, key) = site.issuer.authority.agent_certificate(&rack(), term).unwrap();
    let unknown = Papers { pem: made.pem, key: key.to_string() };
    assert!(refusal(site.tried(&unknown).await).contains("is not known here"));
    let known = site.issue(&rack()).await;
    site.tried(&known).await.unwrap();
    assert!(refusal(site.tried(&unknown).await).contains(&unknown.fingerprint().short()));
}

#[tokio::test]
async fn the_first_certificate_of_before_is_taken_up_and_no_second_one() {
    let site = Site::new().await;
    let (first, second) = (of_before(&site), of_before(&site));
    site.tried(&first).await.unwrap();
    site.tried(&first).await.unwrap();
    assert!(refusal(site.tried(&second).await).contains("is not known here"));
    let known = site.inventory.certificates(Some(&rack())).await.unwrap();
    let known: Vec<_> = known.iter().map(|one| (one.fingerprint, one.origin)).collect();
    assert_eq!(known, [(first.fingerprint(), Origin::TakenUp)]);
    let told = site.told(EventKind::Agent).await;
    assert_eq!(told.iter().filter(|text| text.contains("used from 127.0.0.1")).count(), 1, "{told:?}");
    // Where one was issued since, none is taken up.
    let other = Site::new().await;
    other.issue(&rack()).await;
    refusal(other.tried(&of_before(&other)).await);
}

#[tokio::test]
async fn a_certificate_is_renewed_on_the_stream_and_the_old_one_ends_with_the_use_of_the_new_one() {
    let site = Site::new().await;
    let old = site.issue(&rack()).await;
    let mut agent = site.connected_with(&old).await;
    let lost = site.renewed(&mut agent).await.unwrap();
    let new = site.renewed(&mut agent).await.unwrap();
    agent.report(&site, 1, power(PowerReading::On)).await;
    agent.acknowledged(1).await;
    // Killed before it had stored the new one: the old one is good still.
    let mut agent = site.connected_with(&old).await;
    // It comes back with the new one while its old stream stands: it is the same agent.
    let mut again = site.connected_with(&new).await;
    assert!(agent.next().await.is_err(), "one stream per rack");
    assert_eq!(site.told(EventKind::Alarm).await, Vec::<String>::new());
    again.report(&site, 2, power(PowerReading::On)).await;
    again.acknowledged(2).await;
    drop(again);
    assert!(refusal(site.tried(&old).await).contains("was replaced at"));
    site.tried(&new).await.unwrap();
    assert_ne!(lost.fingerprint(), new.fingerprint());
    let told = site.told(EventKind::Agent).await;
    assert!(told.iter().any(|text| text.contains("uses its renewed certificate")), "{told:?}");
}

#[tokio::test]
async fn a_renewal_is_for_the_rack_of_the_certificate_and_of_a_good_one_only() {
    let site = Site::new().await;
    let old = site.issue(&rack()).await;
    let mut agent = site.connected_with(&old).await;
    let new = site.renewed(&mut agent).await.unwrap();
    let known = site.inventory.certificate(&new.fingerprint()).await.unwrap().unwrap();
    assert_eq!((known.rack, known.renewed_from), (rack(), Some(old.fingerprint())));
    assert!(new.pem.len() < 4096, "a certificate, not a chain");
    // Revoked in the inventory by another process, and not seen yet by the stream.
    site.inventory.revoke_certificates(&rack(), Some(&old.fingerprint())).await.unwrap();
    let refused = site.renewed(&mut agent).await.err().expect("a revoked certificate is followed by none");
    assert!(refused.contains("was revoked"), "{refused}");
}

#[tokio::test]
async fn a_revoked_certificate_ends_its_stream_at_once_and_opens_none() {
    let site = Site::new().await;
    let (old, new) = (site.issue(&rack()).await, site.issue(&rack()).await);
    let mut agent = site.connected_with(&old).await;
    let image_connection = site.dial(&old, LOOPBACK).await.unwrap();
    let revoked = site.hub.revoke(&rack(), Some(&old.fingerprint())).await.unwrap();
    assert_eq!(revoked, [old.fingerprint()]);
    assert!(agent.next().await.is_err(), "its stream ends");
    // What was connected is cut off, and what connects anew is told why.
    let fetch = async |channel: Channel| {
        let request = grpc::FetchImageRequest { id: "cirros".to_owned(), offset: 0 };
        AgentLinkClient::new(channel).fetch_image(request).await.expect_err("no image comes")
    };
    assert_ne!(fetch(image_connection).await.code(), Code::NotFound);
    let refused = fetch(site.dial(&old, LOOPBACK).await.unwrap()).await;
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("was revoked"), "{refused}");
    assert!(refusal(site.tried(&old).await).contains("was revoked at"));
    assert_eq!(site.hub.revoke(&rack(), Some(&old.fingerprint())).await.unwrap(), [], "it may be said twice");
    // The other one of the rack is as good as before.
    let mut agent = site.connected_with(&new).await;
    assert_eq!(site.hub.revoke(&rack(), None).await.unwrap(), [new.fingerprint()]);
    assert!(agent.next().await.is_err());
    refusal(site.tried(&new).await);
}

#[tokio::test]
async fn issuing_again_says_what_is_good_still_or_revokes_it() {
    let site = Site::new().await;
    let out = tempfile::tempdir().unwrap();
    let issue = async |older| {
        let issued = issue_agent(&site.inventory, &site.issuer, &rack(), out.path(), older).await.unwrap();
        let pem = std::fs::read_to_string(out.path().join("agent.pem")).unwrap();
        let papers = Papers { pem, key: std::fs::read_to_string(out.path().join("agent.key")).unwrap() };
        (issued.to_string(), papers)
    };
    let (said, first) = issue(Older::Keep).await;
    assert!(!said.contains("older"), "{said}");
    let (said, second) = issue(Older::Keep).await;
    assert!(said.contains(&first.fingerprint().short()) && said.contains("remain valid until"), "{said}");
    site.tried(&first).await.unwrap();
    let (said, third) = issue(Older::Revoke).await;
    assert!(said.contains(&second.fingerprint().short()) && said.contains("are revoked"), "{said}");
    refusal(site.tried(&first).await);
    refusal(site.tried(&second).await);
    site.tried(&third).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_nobody_renews_is_an_alarm_once() {
    let site = Site::new().await;
    let papers = site.issue(&rack()).await;
    let ends_us = site.inventory.certificates(None).await.unwrap()[0].ends_us;
    let day_us = 86_400_000_000;
    let mut told = HashSet::new();
    let mut alarms = async |now_us: u64| {
        site.clock.advance_us(now_us - site.clock.now_us());
        site.hub.tell_ending(&mut told).await.unwrap();
        site.told(EventKind::Alarm).await
    };
    assert_eq!(alarms(ends_us - 15 * day_us).await.len(), 0);
    let first = alarms(ends_us - 13 * day_us).await;
    assert_eq!(first.len(), 1);
    assert!(
        first[0].contains("rack rack1 expires at") && first[0].contains("issue-agent --rack rack1"),
        "{first:?}"
    );
    assert_eq!(alarms(ends_us - 12 * day_us).await.len(), 1, "once");
    // By our clock it is over now, whatever the handshake says.
    assert_eq!(alarms(ends_us + 1).await.len(), 1);
    assert!(refusal(site.tried(&papers).await).contains("expired at"));
}

/// Both ends of this listener are ours, so nothing before TLS 1.3 is spoken.
#[tokio::test]
async fn agents_are_spoken_to_by_tls_1_3_only() {
    let site = Site::new().await;
    let papers = site.issue(&rack()).await;
    let mut answers = Vec::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut roots = rustls::RootCertStore::empty();
        let authority = site.issuer.authority.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
        let certificate = CertificateDer::from_pem_slice(papers.pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(site.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let answer = match connector.connect(name, stream).await {
            Ok(mut stream) => {
                // The preface and empty settings (RFC 9113, section 3.4); the server's own settings answer them.
                let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]];
                stream.write_all(&begin.concat()).await.unwrap();
                tokio::time::timeout(WAIT_MAX, stream.read_u8()).await.unwrap().is_ok()
            }
            Err(_) => false,
        };
        answers.push(answer);
    }
    assert_eq!(answers, [false, true]);
}
