//! Edges: a farm of virtual BMCs with mixed faults: our client reads every healthy one, and of each faulty one it says what is wrong.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use agent::bmc::{Bmc, BmcOptions, LogIns, Power, account::Pace, connect_as, connect_with};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    quirk::Quirk,
};
use serde_json::{Value, json};
use tests::farm::{Farm, Fault, Running, VirtualBmc, machine::Started};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    task::JoinSet,
};

/// Patience of a test: what is there answers soon, also when hundreds are asked at once.
const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(500), tries: 2, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(10);
/// Longest wait for what comes soon.
const SOON: Duration = Duration::from_secs(30);
/// BMCs that are asked at a time.
const AT_ONCE: usize = 64;

async fn farm(text: &str) -> Running {
    Running::start(&Farm::parse(text).unwrap()).await.unwrap()
}

fn client(bmc: &VirtualBmc) -> Box<dyn Bmc> {
    connect_with(&bmc.endpoint(), OPTIONS)
}

/// The power of all, or what is said of them.
async fn readings(running: &Running) -> Vec<(String, Result<Power, String>)> {
    let (mut asked, mut readings) = (JoinSet::new(), Vec::new());
    for bmc in running.bmcs() {
        if asked.len() >= AT_ONCE {
            readings.extend(asked.join_next().await.map(Result::unwrap));
        }
        let (name, client) = (bmc.name.clone(), client(bmc));
        asked.spawn(async move { (name, client.power_status().await.map_err(|error| error.to_string())) });
    }
    while let Some(reading) = asked.join_next().await {
        readings.push(reading.unwrap());
    }
    readings
}

const MIXED: &str = r#"
    control = "127.0.0.1:0"
    [[group]]
    name = "ipmi"
    count = 200
    protocol = "ipmi"
    address = "127.0.0.1:0"
    password = "correct-horse"
    power = { on = true }
    some = [
        { every = 20, from = 1, faults = ["silent"] },
        { every = 20, from = 2, faults = ["garbage"] },
        { every = 20, from = 3, faults = ["refuses"] },
        { every = 20, from = 4, faults = [{ few-sessions = { sessions = 0 } }] },
        { every = 20, from = 5, faults = ["not-authenticated"] },
        { every = 20, from = 6, faults = [{ locks-out = { after = 0, for_s = 600 } }] },
        { every = 20, from = 7, faults = [{ slow = { answer_ms = 100 } }] },
        { every = 20, from = 8, faults = ["tag-zero"] },
        { every = 20, from = 9, faults = ["suite-three-granted"] },
        { every = 20, from = 10, faults = ["proof-of-privilege-only"] },
    ]
    [[group]]
    name = "key"
    protocol = "ipmi"
    address = "127.0.0.1:0"
    password = "correct-horse"
    k_g = "site-key"
    [[group]]
    name = "operator"
    count = 3
    protocol = "ipmi"
    address = "127.0.0.1:0"
    password = "correct-horse"
    operator_only = true
    power = { on = true }
    [[group]]
    name = "redfish"
    count = 60
    protocol = "redfish"
    address = "127.0.0.1:0"
    password = "correct-horse"
    power = { on = true }
    some = [
        { every = 10, from = 1, faults = ["silent"] },
        { every = 10, from = 2, faults = ["garbage"] },
        { every = 10, from = 3, faults = [{ locks-out = { after = 1, for_s = 600 } }, { wrong-for-a-while = { log_ins = 99 } }] },
        { every = 10, from = 4, faults = ["redirects"] },
        { every = 10, from = 5, faults = [{ slow = { answer_ms = 100 } }] },
        { every = 10, from = 6, faults = [{ lossy = { percent = 100 } }] },
    ]
    [[group]]
    name = "tls"
    count = 40
    protocol = "redfish-tls"
    address = "127.0.0.1:0"
    password = "correct-horse"
    power = { on = true }
"#;

/// What is said of those with a fault; none: they are read.
fn words(group: &str, number: usize) -> Option<&'static str> {
    match (group, number % 20, number % 10) {
        ("key", ..) => Some("K_g"),
        ("ipmi", 1, _) => Some("cable"),
        ("ipmi", 2, _) => Some("datagrams came that could not be used"),
        ("ipmi", 3, _) => Some("0xff"),
        ("ipmi", 4, _) => Some("no free session"),
        ("ipmi", 5, _) => Some("not authenticated"),
        ("ipmi", 6, _) => Some("unknown user name"),
        ("redfish", _, 1) => Some("cable"),
        ("redfish", _, 2) => Some("JSON"),
        ("redfish", _, 3) => Some("401"),
        ("redfish", _, 6) => Some("closes its connections"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_healthy_bmc_is_read_and_each_faulty_one_has_its_sentence() {
    let running = farm(MIXED).await;
    let (mut good, mut bad) = (0, 0);
    for (name, reading) in readings(&running).await {
        let (group, number) = name.rsplit_once('-').unwrap();
        match (words(group, number.parse().unwrap()), reading) {
            (None, reading) => {
                assert_eq!(reading, Ok(Power::On), "{name}");
                good += 1;
            }
            (Some(words), reading) => {
                let said = reading.expect_err(&name);
                assert!(said.contains(words), "{name}: {words:?} is not in {said:?}");
                assert_eq!(said.contains("cable"), words == "cable", "{name}: {said}");
                bad += 1;
            }
        }
    }
    assert_eq!((good, bad), (140 + 3 + 36 + 40, 1 + 60 + 24));
}

async fn ask(method: reqwest::Method, url: String, body: Value) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn faults_are_switched_while_it_runs() {
    let running = farm(MIXED).await;
    let base = format!("http://{}", running.control().unwrap());
    let put = |path: &str, body| ask(reqwest::Method::PUT, format!("{base}/{path}"), body);
    let delete = |path: &str| ask(reqwest::Method::DELETE, format!("{base}/{path}"), Value::Null);
    let get = |path: &str| ask(reqwest::Method::GET, format!("{base}/{path}"), Value::Null);
    let of = |name: &str| running.bmcs().iter().find(|bmc| bmc.name == name).unwrap();

    // One that was silent is well again, with its sessions; then it restarts in the middle.
    assert_eq!(delete("bmcs/ipmi-1/faults").await, (200, json!({ "changed": 1 })));
    let bmc = client(of("ipmi-1"));
    assert_eq!(bmc.power_status().await, Ok(Power::On));
    assert_eq!(put("bmcs/ipmi-1/faults", json!([{ "reboots": { "for_ms": 300 } }])).await.0, 200);
    let deadline = Instant::now() + SOON;
    while bmc.power_status().await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
    }
    assert_eq!(of("ipmi-1").status().log_ins, 2, "its session was forgotten");

    // A whole group by TLS gets new certificates: a client that has seen the old one says so.
    let before = client(of("tls-1"));
    assert_eq!(before.power_status().await, Ok(Power::On));
    let old = connect_with(&of("tls-2").endpoint(), OPTIONS);
    assert_eq!(
        put("groups/tls/faults", json!(["certificate-renewed"])).await,
        (200, json!({ "changed": 40 }))
    );
    let said = old.power_status().await.unwrap_err().to_string();
    assert!(said.contains("TLS") && said.contains("if it was renewed"), "{said}");
    assert_eq!(client(of("tls-2")).power_status().await, Ok(Power::On), "with the new one's fingerprint");

    // What is not there is refused by name, and changes nothing.
    for (path, body, status, words) in [
        ("bmcs/ipmi-7/faults", json!(["mute"]), 400, "mute"),
        ("bmcs/ipmi-7/faults", json!([{ "slow": { "answer_s": 1 } }]), 400, "answer_s"),
        ("bmcs/ipmi-7/faults", json!([{ "deviation": "odd" }]), 400, "odd"),
        ("bmcs/redfish-7/faults", json!(["certificate-renewed"]), 400, "no TLS"),
        ("bmcs/ipmi-999/faults", json!([]), 404, "ipmi-999"),
        ("groups/none/faults", json!([]), 404, "none"),
    ] {
        let (answered, said) = put(path, body).await;
        assert_eq!(answered, status, "{path}: {said}");
        assert!(said.to_string().contains(words), "{path}: {said}");
    }
    let (status, list) = get("bmcs?group=ipmi").await;
    assert_eq!((status, list.as_array().unwrap().len()), (200, 200));
    assert_eq!(list[6]["faults"], json!([{ "slow": { "answer_ms": 100 } }]));
    let (_, faults) = get("faults").await;
    assert_eq!(faults.as_array().unwrap().len(), Fault::all().len());
}

/// A BMC of one protocol with one fault.
async fn one(protocol: &str, fault: Fault) -> Running {
    let farm_of_one = format!(
        "[[group]]\nname = \"one\"\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:0\"\npassword = \"correct-horse\"\n"
    );
    let running = farm(&farm_of_one).await;
    running.bmcs()[0].set_faults(vec![fault]).unwrap();
    running
}

fn patient(bmc: &VirtualBmc, quirk: Option<Quirk>) -> Box<dyn Bmc> {
    let mut endpoint = bmc.endpoint();
    endpoint.settings.quirks = quirk.into_iter().map(|quirk| quirk.name().parse().unwrap()).collect();
    let options = BmcOptions { tries: 4, ..OPTIONS };
    connect_as(&endpoint, options, LogIns { pace: Pace(UNIT), in_call: true })
}

/// Protocols in which a quirk shows.
fn protocols(quirk: Quirk) -> &'static [&'static str] {
    match quirk {
        Quirk::EfiDiskIsRemote
        | Quirk::ForgetsFirmwareMode
        | Quirk::BootFlagsNotRead
        | Quirk::AllClearingSuppressed
        | Quirk::BootOptionsAnnounced
        | Quirk::NetworkBootPersistent
        | Quirk::UnspecifiedPasses
        | Quirk::PauseBetweenRequests
        | Quirk::ProofWithoutNameBit
        | Quirk::UserNamePadded
        | Quirk::SuiteThreeFirst => &["ipmi"],
        Quirk::DiskBootLeftAlone | Quirk::ResetByOffAndOn | Quirk::SessionNotKept => &["ipmi", "redfish"],
        Quirk::BootAtSettings | Quirk::ConnectionNotKept | Quirk::BootSetOnceOnly => &["redfish"],
        // The mode has to be right already, and no virtual server starts so.
        Quirk::BootModeNotSent => &[],
        // Nothing of a start is a member: `bmc_redfish_verbs` reads them.
        Quirk::MembersOneByOne => &[],
        Quirk::OldTls => &["redfish-tls"],
        // Of new passwords, which this is not about: see bmc_passwords.rs.
        Quirk::PasswordSixteenMost
        | Quirk::PasswordNineteenMost
        | Quirk::PasswordTwentyMost
        | Quirk::PasswordTwentyLeast => &[],
    }
}

/// Boots from network and disk, and resets, on a BMC with the quirk's deviation.
async fn is_overcome(protocol: &str, quirk: Quirk) {
    let running = one(protocol, Fault::Deviation(quirk)).await;
    let bmc = &running.bmcs()[0];
    let client = patient(bmc, Some(quirk));
    let what = format!("{protocol}, {}", quirk.name());
    for (device, persistence) in
        [(BootDevice::Pxe, Persistence::Once), (BootDevice::Disk, Persistence::Persistent)]
    {
        let boot = client.set_boot_device(device, persistence, BootMode::Uefi).await;
        boot.unwrap_or_else(|error| panic!("{what}: {device:?}: {error}"));
        client.power_on().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(client.power_status().await, Ok(Power::On), "{what}");
        let (used, went) = bmc.server.last_start().unwrap();
        assert_eq!(went, Started::Well, "{what}");
        if used.map(|setting| setting.device) != Some(device) {
            // The firmware's own order decides, where the disk is not to be chosen.
            assert_eq!((device, used), (BootDevice::Disk, None), "{what}");
        }
        client.reset().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(bmc.server.last_start().unwrap().1, Started::Well, "{what}: reset");
        client.power_off().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(client.power_status().await, Ok(Power::Off), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deviation_of_each_quirk_is_overcome_by_the_quirk() {
    let mut all = JoinSet::new();
    for quirk in Quirk::ALL {
        for protocol in protocols(quirk) {
            all.spawn(is_overcome(protocol, quirk));
        }
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn the_program_serves_a_file_and_stops_when_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("farm.toml");
    std::fs::write(&file, MIXED).unwrap();
    let program = env!("CARGO_BIN_EXE_virtual-bmcs");
    let mut child = Command::new(program)
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with("304 BMCs are running"), "{first}");
    let second = lines.next_line().await.unwrap().unwrap();
    let control = second.strip_prefix("control address: ").expect("the second line says where").to_owned();
    let (status, list) = ask(reqwest::Method::GET, format!("{control}/bmcs"), Value::Null).await;
    assert_eq!((status, list.as_array().unwrap().len()), (200, 304));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = tokio::time::timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");

    std::fs::write(&file, MIXED.replace("garbage", "rubbish")).unwrap();
    let output = Command::new(program).arg(&file).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("rubbish") && said.contains("farm.toml"), "{said}");
    let output = Command::new(program).arg("--faults").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().count(), Fault::all().len(), "{said}");
}
