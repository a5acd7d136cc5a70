//! Edges: a Redfish BMC's stream of events: what it tells of its power is a hint to read it, over cuts of the stream and of sessions.

use std::{sync::Arc, time::Duration};

use agent::{
    bmc::{Bmc, BmcOptions, Events, LogIns, RedfishBmc, account::Pace, connect_redfish},
    poll::hints::{Patience, listen},
    rack::Input,
};
use protocol::{
    bmc_settings::BmcSettings,
    id::ServerId,
    quirk::{Quirk, SaidQuirk},
    redfish::event::StreamEvent,
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use tests::bmc::{
    Credentials,
    chassis::{Chassis, FakeChassis},
    redfish::{self, RedfishBmc as Server, RedfishOptions},
};
use tokio::{sync::mpsc, time::timeout};

/// Longest wait for anything that must happen.
const SOON: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(10);
const ID: ServerId = ServerId(uuid::Uuid::from_u128(7));

fn serve(quirks: &[Quirk]) -> (Server, RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new("admin", "correct-horse");
    let server =
        redfish::serve_on(listener, credentials, chassis.clone(), RedfishOptions::default()).unwrap();
    let settings = BmcSettings {
        quirks: quirks.iter().map(|quirk| SaidQuirk::Has(*quirk)).collect(),
        ..BmcSettings::default()
    };
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
        address: server.addr.ip().to_string(),
        port: server.addr.port(),
        username: "admin".into(),
        password: Secret::new("correct-horse"),
        settings,
    };
    let log_ins = LogIns { pace: Pace(SHORT), in_call: true };
    let bmc = connect_redfish(&endpoint, BmcOptions::default(), log_ins).expect("it speaks Redfish");
    (server, bmc, chassis)
}

/// The next event of a stream.
async fn next(events: &mut Events) -> StreamEvent {
    let one = async {
        loop {
            if let Some(event) = events.next().await.expect("the stream goes on").into_iter().next() {
                return event;
            }
        }
    };
    timeout(SOON, one).await.expect("an event comes")
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut() {
    let (server, bmc, _) = serve(&[]);
    let mut events = bmc.events(None).await.unwrap().expect("it has a stream");
    server.tell("Lab.1.0.First", "one");
    assert!(next(&mut events).await.data.contains("Lab.1.0.First"));
    server.tell("Lab.1.0.Second", "two");
    server.cut_streams();
    let ended = async { while events.next().await.is_some() {} };
    timeout(SOON, ended).await.expect("the stream ends");
    server.tell("Lab.1.0.Third", "three");
    // Whichever was the last that came, the next one follows it.
    let after = events.last_id().map(str::to_owned);
    let mut events = bmc.events(after.as_deref()).await.unwrap().expect("it has a stream");
    let mut told = next(&mut events).await.data;
    if after.as_deref() == Some("1") {
        assert!(told.contains("Lab.1.0.Second"), "{told}");
        told = next(&mut events).await.data;
    }
    assert!(told.contains("Lab.1.0.Third"), "{told}");
}

#[tokio::test]
async fn a_change_of_power_is_a_hint_over_every_cut() {
    let (server, bmc, chassis) = serve(&[]);
    let bmc: Arc<dyn Bmc> = Arc::new(bmc);
    let (back, mut inputs) = mpsc::channel(64);
    let listening = tokio::spawn(listen(Arc::downgrade(&bmc), ID, back, Patience { begin_after: SHORT }));
    let mut hint = async || {
        let input = timeout(SOON, inputs.recv()).await.expect("a hint comes");
        assert!(matches!(input, Some(Input::Hint { server: ID })), "{input:?}");
    };
    // Nothing is asked of a BMC that polling has not logged in to.
    tokio::time::sleep(SHORT * 5).await;
    assert_eq!(server.streams(), 0);
    bmc.power_status().await.unwrap();
    hint().await;
    chassis.power_on().await.unwrap();
    hint().await;
    // A stream that is opened anew is a hint by itself: who knows what was missed.
    server.cut_streams();
    hint().await;
    chassis.pull_the_plug();
    hint().await;
    server.forget_sessions();
    server.cut_streams();
    hint().await;
    assert!(server.streams() >= 3);
    // Nobody looks after it any more.
    drop(bmc);
    server.cut_streams();
    timeout(SOON, listening).await.expect("it stops listening").unwrap();
}

#[tokio::test]
async fn a_bmc_that_keeps_no_connection_is_asked_in_its_turn_only() {
    for quirk in [Quirk::ConnectionNotKept, Quirk::SessionNotKept] {
        let (server, bmc, _) = serve(&[quirk]);
        assert!(bmc.events(None).await.unwrap().is_none(), "{quirk}");
        assert_eq!(server.streams(), 0);
    }
}
