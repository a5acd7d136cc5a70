//! Edges: a BMC whose certificate is pinned shows another one: nothing is sent to whoever shows it, and it is told once, with the proof that
//! he has its key.

use std::{sync::Arc, time::Duration};

use agent::bmc::{Bmc, BmcError, BmcOptions, KeptSessions, connect_kept};
use protocol::{
    certificate_parts::key_info,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishBmc, Tls},
};

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_secs(2), tries: 2, min_gap: Duration::ZERO };

static TLS12_ALONE: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS12];

fn serve(tls: &Tls) -> RedfishBmc {
    let any = "127.0.0.1:0".parse().unwrap();
    let credentials = Credentials::new("admin", "calvin");
    redfish::serve(any, credentials, Arc::new(FakeChassis::default()), Some(tls.again())).unwrap()
}

/// The agent's connection to it, by this pin.
fn connect(bmc: &RedfishBmc, pin: &Tls) -> Box<dyn Bmc> {
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Redfish {
            system: None,
            certificate_sha256: Some(pin.fingerprint()),
            http: false,
        },
        address: bmc.addr.ip().to_string(),
        port: bmc.addr.port(),
        username: "admin".into(),
        password: Secret::new("calvin"),
        settings: Default::default(),
    };
    connect_kept(&endpoint, &Default::default(), OPTIONS, &KeptSessions::default())
}

#[tokio::test]
async fn nothing_is_sent_behind_another_certificate_and_it_is_told_once() {
    let (old, new) = (Tls::self_signed().unwrap(), Tls::self_signed().unwrap());
    for versions in [rustls::ALL_VERSIONS, &TLS12_ALONE] {
        let bmc = serve(&Tls { versions, ..old.again() });
        let connection = connect(&bmc, &old);
        assert!(connection.certificate_news().is_none(), "nothing was asked yet");
        connection.power_status().await.unwrap();
        let told = connection.certificate_news().expect("the pinned one is told too");
        assert_eq!((told.own(), told.is_expected), (&old.certificate[..], true));
        assert!(connection.certificate_news().is_none(), "it is told once");

        bmc.set_tls(Tls { versions, ..new.again() }).unwrap();
        let before = (bmc.stats().requests, bmc.stats().attempts);
        for _ in 0..2 {
            let refused = connect(&bmc, &old);
            let error = refused.power_status().await.unwrap_err();
            let words = error.to_string();
            assert!(matches!(error, BmcError::NotUnderstood { .. }), "{words}");
            assert!(words.contains("bmsctl bmc certificate accept"), "{words}");
            let told = refused.certificate_news().expect("it is told");
            assert_eq!((told.own(), told.is_expected), (&new.certificate[..], false));
            assert!(key_info(told.own()).is_some());
            refused.power_status().await.unwrap_err();
            assert!(refused.certificate_news().is_none(), "it is told once");
        }
        assert_eq!((bmc.stats().requests, bmc.stats().attempts), before, "it was sent something");

        let renewed = connect(&bmc, &new);
        renewed.power_status().await.unwrap();
        assert!(renewed.certificate_news().is_some_and(|told| told.is_expected));
    }
}

#[tokio::test]
async fn who_shows_a_certificate_without_having_its_key_is_not_told_of() {
    let (old, new) = (Tls::self_signed().unwrap(), Tls::self_signed().unwrap());
    for versions in [rustls::ALL_VERSIONS, &TLS12_ALONE] {
        // Somebody who has heard both certificates, and has the key of neither.
        let thief = Tls::self_signed().unwrap();
        for stolen in [&old, &new] {
            let bmc = serve(&Tls { certificate: stolen.certificate.clone(), versions, ..thief.again() });
            let connection = connect(&bmc, &old);
            connection.power_status().await.unwrap_err();
            assert!(connection.certificate_news().is_none());
            assert_eq!(bmc.stats().requests, 0);
        }
    }
}
