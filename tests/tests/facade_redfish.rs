//! The Redfish facade over HTTP: who may see what, what a Reset answers, and that no body brings it down.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    firmware::update::{Given, Update},
    rim::{FacadeServer, PowerRequest, Refusal, RefusalKind},
};
use faces::redfish::RedfishFacade;
use hyper::{Request, StatusCode, header::AUTHORIZATION};
use proptest::prelude::*;
use protocol::{
    bmc_order::BmcOrder,
    boot::BootMode,
    hardware::HardwareReport,
    id::ServerId,
    power::{PowerOffHow, PowerReading},
    redfish::read::{
        bios::{Setting, Settings},
        secure_boot::KeysReset,
    },
    update::{FirmwareSeen, UpdateStage},
};
use serde_json::{Value, json};
use tests::fake_hardware::{FakeHardware, bmc_facts, sensors};
use tower::ServiceExt;

struct Bench {
    hardware: Arc<FakeHardware>,
    router: Router,
    id: ServerId,
    other: ServerId,
}

fn server(id: ServerId) -> FacadeServer {
    FacadeServer {
        id,
        name: "rack1-7".into(),
        power: Some(PowerReading::Off),
        boot_mode: BootMode::Uefi,
        macs: vec!["52:54:00:00:00:01".parse().unwrap()],
        hardware: Some(HardwareReport { memory_mib: 4096, ..HardwareReport::default() }),
        ramdisk: None,
        root_device: Default::default(),
    }
}

fn bench() -> Bench {
    let hardware = Arc::new(FakeHardware::default());
    let (id, other) = (ServerId::random(), ServerId::random());
    hardware.add(server(id), &format!("bms-{id}"), "secret");
    hardware.add(server(other), &other.to_string(), "another");
    let router = RedfishFacade::with_reset_wait(hardware.clone(), Duration::from_millis(200)).router();
    Bench { hardware, router, id, other }
}

struct Reply {
    status: StatusCode,
    token: Option<String>,
    location: Option<String>,
    body: Value,
}

impl Bench {
    fn system(&self) -> String {
        format!("/redfish/v1/Systems/{}", self.id)
    }

    fn basic(&self) -> Auth {
        Auth::Basic(format!("bms-{}", self.id), "secret".into())
    }

    async fn ask(&self, method: &str, path: &str, auth: Auth, body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        request = match auth {
            Auth::None => request,
            Auth::Basic(user, password) => request
                .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
            Auth::Token(token) => request.header("X-Auth-Token", token),
        };
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, token, location) = (response.status(), header("x-auth-token"), header("location"));
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Reply { status, token, location, body }
    }

    async fn reset(&self, kind: &str) -> Reply {
        let path = format!("{}/Actions/ComputerSystem.Reset", self.system());
        self.ask("POST", &path, self.basic(), json!({"ResetType": kind}).to_string()).await
    }
}

#[derive(Clone)]
enum Auth {
    None,
    Basic(String, String),
    Token(String),
}

#[tokio::test]
async fn a_user_sees_its_own_server_and_no_other() {
    let bench = bench();
    let check = async |path: &str, auth: Auth, expected: u16| {
        let reply = bench.ask("GET", path, auth, "").await;
        assert_eq!(reply.status.as_u16(), expected, "{path}: {}", reply.body);
        if expected >= 400 {
            assert!(reply.body["error"]["message"].is_string(), "{}", reply.body);
        }
    };
    let mine = bench.basic();
    let wrong = Auth::Basic(format!("bms-{}", bench.id), "Secret".into());
    let theirs = Auth::Basic(format!("bms-{}", bench.other), "secret".into());
    let id = bench.id;
    check("/redfish/v1/", Auth::None, 200).await;
    check("/redfish", Auth::None, 200).await;
    check(&bench.system(), Auth::None, 401).await;
    check(&bench.system(), wrong, 401).await;
    check(&bench.system(), theirs, 401).await;
    check(&bench.system(), Auth::Basic("admin".into(), "secret".into()), 401).await;
    check(&bench.system(), Auth::Token("x".into()), 401).await;
    check(&format!("/redfish/v1/Systems/{}", bench.other), mine.clone(), 404).await;
    check(&format!("/redfish/v1/Systems/{}", ServerId::random()), mine.clone(), 404).await;
    check("/redfish/v1/Nothing", mine.clone(), 404).await;
    check("/", mine.clone(), 404).await;
    for path in [
        "Systems".to_owned(),
        format!("Systems/{id}"),
        format!("Systems/{id}/Processors"),
        format!("Systems/{id}/Processors/CPU"),
        format!("Systems/{id}/Memory"),
        format!("Systems/{id}/Memory/RAM"),
        format!("Systems/{id}/EthernetInterfaces"),
        format!("Systems/{id}/EthernetInterfaces/NIC0"),
        format!("Systems/{id}/Storage"),
        format!("Systems/{id}/Storage/Disks"),
        "Managers".to_owned(),
        format!("Managers/{id}"),
        format!("Managers/{id}/VirtualMedia"),
        "Chassis".to_owned(),
        format!("Chassis/{id}"),
        format!("Chassis/{id}/Drives"),
        "SessionService".to_owned(),
        "SessionService/Sessions".to_owned(),
    ] {
        check(&format!("/redfish/v1/{path}"), mine.clone(), 200).await;
    }
    check(&format!("/redfish/v1/Systems/{id}/EthernetInterfaces/NIC1"), mine.clone(), 404).await;
    check(&format!("/redfish/v1/Chassis/{id}/Drives/0"), mine.clone(), 404).await;
    let reply = bench.ask("GET", "/redfish/v1/Systems", mine, "").await;
    assert_eq!(reply.body["Members"], json!([{"@odata.id": bench.system()}]));
}

#[tokio::test]
async fn a_session_lives_until_it_is_closed_or_the_password_changes() {
    let bench = bench();
    let sessions = "/redfish/v1/SessionService/Sessions";
    let open = async |password: &str| {
        let body = json!({"UserName": format!("bms-{}", bench.id), "Password": password}).to_string();
        bench.ask("POST", sessions, Auth::None, body).await
    };
    assert_eq!(open("wrong").await.status, 401);
    let reply = open("secret").await;
    assert_eq!(reply.status, 201);
    let token = Auth::Token(reply.token.unwrap());
    assert_eq!(bench.ask("GET", &bench.system(), token.clone(), "").await.status, 200);
    assert_eq!(bench.ask("DELETE", &reply.location.unwrap(), token.clone(), "").await.status, 204);
    assert_eq!(bench.ask("GET", &bench.system(), token, "").await.status, 401);
    let token = Auth::Token(open("secret").await.token.unwrap());
    assert_eq!(bench.ask("GET", &bench.system(), token.clone(), "").await.status, 200);
    bench.hardware.set_password(bench.id, "changed");
    assert_eq!(bench.ask("GET", &bench.system(), token, "").await.status, 401);
}

#[tokio::test]
async fn a_reset_is_answered_when_the_gate_has_decided() {
    let bench = bench();
    let check = async |kind: &str, expected: PowerRequest| {
        let reply = bench.reset(kind).await;
        assert_eq!(reply.status, 204, "{kind}: {}", reply.body);
        assert_eq!(bench.hardware.take_power(), vec![(bench.id, expected)]);
    };
    check("On", PowerRequest::On).await;
    check("ForceOff", PowerRequest::Off(PowerOffHow::Hard)).await;
    check("GracefulShutdown", PowerRequest::Off(PowerOffHow::Soft)).await;
    check("ForceRestart", PowerRequest::Restart).await;
    assert_eq!(bench.reset("PushPowerButton").await.status, 400);
    assert!(bench.hardware.take_power().is_empty());

    let message = "port leaf1:xe-0/0/7 is on no network, and must be on cleaning".to_owned();
    bench.hardware.refuse_power_on(Some(Refusal { kind: RefusalKind::Gate, message: message.clone() }));
    let reply = bench.reset("On").await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.body["error"]["message"], message);
    bench.hardware.refuse_power_on(None);

    bench.hardware.hold(true);
    assert_eq!(bench.reset("On").await.status, 503, "a gate that does not decide");
    let busy = bench.reset("On").await;
    assert_eq!(busy.status, 503);
    assert!(busy.body["error"]["message"].as_str().unwrap().contains("in progress"), "{}", busy.body);
    assert_eq!(bench.reset("ForceOff").await.status, 204, "off is always possible");
    bench.hardware.hold(false);
    let second = async {
        while bench.reset("On").await.status != 204 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), second).await.expect("the turn is given back");
}

#[tokio::test]
async fn the_boot_override_is_echoed_and_used_up() {
    let bench = bench();
    let patch = async |boot: Value| {
        let body = json!({"Boot": boot}).to_string();
        let reply = bench.ask("PATCH", &bench.system(), bench.basic(), body).await;
        // Some clients take only 200 for a success; what they get is the system as it is then.
        assert!(
            reply.status != 200 || reply.body["Boot"]["BootSourceOverrideMode"] == "UEFI",
            "{}",
            reply.body
        );
        reply.status.as_u16()
    };
    let boot = async || bench.ask("GET", &bench.system(), bench.basic(), "").await.body["Boot"].clone();
    assert_eq!(
        patch(json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"})).await,
        200
    );
    assert_eq!(boot().await["BootSourceOverrideTarget"], "Pxe");
    assert_eq!(boot().await["BootSourceOverrideMode"], "UEFI");
    assert_eq!(bench.reset("On").await.status, 204);
    assert_eq!(boot().await["BootSourceOverrideEnabled"], "Disabled");
    assert_eq!(patch(json!({"BootSourceOverrideMode": "Legacy"})).await, 400);
    assert_eq!(patch(json!({"BootSourceOverrideTarget": "Cd"})).await, 400);
}

#[tokio::test]
async fn an_unreachable_bmc_is_neither_on_nor_off() {
    let bench = bench();
    let reason = "198.51.100.11 did not answer 3 times".to_owned();
    bench.hardware.change(bench.id, |server| server.power = Some(PowerReading::Unreachable { reason }));
    let reply = bench.ask("GET", &bench.system(), bench.basic(), "").await;
    assert!(reply.status.is_client_error(), "a 5xx would be repeated ten times: {}", reply.status);
    assert!(reply.body["error"]["message"].as_str().unwrap().contains("198.51.100.11"), "{}", reply.body);
    // Its agent has only just gone: it is waited for, and what it says is shown.
    bench.hardware.comes_back(PowerReading::On);
    let reply = bench.ask("GET", &bench.system(), bench.basic(), "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["PowerState"]), (200, &json!("On")));
    bench.hardware.change(bench.id, |server| server.power = None);
    let reply = bench.ask("GET", &bench.system(), bench.basic(), "").await;
    assert_eq!((reply.status.as_u16(), reply.body.get("PowerState")), (200, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_is_answered(
        method in "(GET|POST|PATCH|PUT|DELETE|HEAD)",
        path in prop_oneof![
            Just("SYSTEM".to_owned()),
            Just("SYSTEM/Actions/ComputerSystem.Reset".to_owned()),
            Just("/redfish/v1/SessionService/Sessions".to_owned()),
            "/redfish/v1/[A-Za-z0-9./%-]{0,40}",
            "/[ -~&&[^ ]]{0,40}",
        ],
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "\\{\"(Boot|ResetType|UserName)\":[\\[\\]{}\",:a-z0-9]{0,60}\\}".prop_map(String::into_bytes),
            Just(vec![b'['; 70_000]),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = bench();
            let path = path.replace("SYSTEM", &bench.system());
            if path.parse::<hyper::Uri>().is_ok() {
                let reply = bench.ask(&method, &path, bench.basic(), body).await;
                prop_assert!(reply.status.as_u16() >= 200);
                prop_assert_ne!(reply.status.as_u16(), 500);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn links_are_opened_as_a_query_says_and_no_further() {
    let bench = bench();
    let id = bench.id;
    for server in [id, bench.other] {
        bench.hardware.set_facts(server, bmc_facts());
    }
    bench.hardware.set_sensors(id, sensors());
    let (system, chassis) = (bench.system(), format!("/redfish/v1/Chassis/{id}"));
    let check = async |path: &str, pointer: &str, expected: Value| {
        let reply = bench.ask("GET", path, bench.basic(), "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_eq!(
            reply.body.pointer(pointer).unwrap_or(&Value::Null),
            &expected,
            "{path} {pointer}: {}",
            reply.body
        );
    };
    // As Ironic's client asks for its sensors.
    check(&format!("{chassis}?$expand=.($levels=1)"), "/Thermal/Temperatures/0/ReadingCelsius", 41.5.into())
        .await;
    check(&format!("{chassis}?$expand=.($levels=1)"), "/Links/ComputerSystems/0/Name", Value::Null).await;
    check(&format!("{chassis}?%24expand=%2A"), "/Links/ComputerSystems/0/Name", "rack1-7".into()).await;
    check(&format!("{chassis}?$expand=~"), "/Thermal/Name", Value::Null).await;
    check("/redfish/v1/Systems?$expand=.", "/Members/0/Name", "rack1-7".into()).await;
    check("/redfish/v1/Systems?$expand=.", "/Members/0/Bios/Attributes", Value::Null).await;
    check("/redfish/v1/Systems?$expand=.($levels=2)", "/Members/0/Bios/Attributes/Cores", 8.into()).await;
    check("/redfish/v1?$expand=.($levels=2)", "/Systems/Members/0/Name", "rack1-7".into()).await;
    check("/redfish/v1/Systems?only", "/Name", "rack1-7".into()).await;
    check(&format!("{system}?pretty=1"), "/Name", "rack1-7".into()).await;
    // A part of it, also of what was opened; what identifies it is there all the same.
    check(&format!("{system}?$select=PowerState,Status/Health"), "/Name", Value::Null).await;
    check(&format!("{system}?$select=PowerState,Status/Health"), "/PowerState", "Off".into()).await;
    check(&format!("{system}?$select=PowerState"), "/@odata.id", system.as_str().into()).await;
    check("/redfish/v1/Systems?$expand=.&$select=Members/Name", "/Members/0/Name", "rack1-7".into()).await;
    check("/redfish/v1/Systems?$expand=.&$select=Members/Name", "/Members/0/PowerState", Value::Null).await;
    // However deep, nobody else's server is in it, and it ends.
    let deep = bench.ask("GET", "/redfish/v1?$expand=*($levels=3)", bench.basic(), "").await;
    assert!(!deep.body.to_string().contains(&bench.other.to_string()), "{}", deep.body);
    let refused = async |query: &str, auth: Auth, expected: u16| {
        let reply = bench.ask("GET", &format!("/redfish/v1/Systems?{query}"), auth, "").await;
        assert_eq!(reply.status.as_u16(), expected, "{query}: {}", reply.body);
        assert!(reply.body["error"]["message"].is_string(), "{}", reply.body);
    };
    refused("$expand=.($levels=4)", bench.basic(), 400).await;
    refused("$expand=Members", bench.basic(), 400).await;
    refused("$select=", bench.basic(), 400).await;
    refused("only&$select=Name", bench.basic(), 400).await;
    refused("$filter=Name%20eq%20x", bench.basic(), 501).await;
    refused("$expand=.", Auth::None, 401).await;
    let strangers = bench.ask("GET", "/redfish/v1?$expand=.", Auth::None, "").await;
    assert_eq!(strangers.status, 401, "{}", strangers.body);
    let root = bench.ask("GET", "/redfish/v1", Auth::None, "").await.body;
    assert_eq!(root["ProtocolFeaturesSupported"]["ExpandQuery"]["MaxLevels"], 3);
    let version = bench.ask("GET", "/redfish/v1?$select=RedfishVersion", Auth::None, "").await.body;
    assert_eq!((&version["RedfishVersion"], &version["Systems"]), (&root["RedfishVersion"], &Value::Null));
}

#[tokio::test]
async fn what_the_bmc_says_is_shown_of_the_users_own_server() {
    let bench = bench();
    let (system, id) = (bench.system(), bench.id);
    let manager = format!("/redfish/v1/Managers/{id}");
    let get = async |path: &str| bench.ask("GET", path, bench.basic(), "").await;
    for path in
        [format!("{system}/Bios"), format!("{system}/SecureBoot"), format!("{system}/VirtualMedia/Cd")]
    {
        assert_eq!(get(&path).await.status, 404, "{path}: nothing was said of it");
    }
    bench.hardware.set_facts(bench.other, bmc_facts());
    assert_eq!(get(&system).await.body["BiosVersion"], Value::Null, "it is another server's");
    assert_eq!(get("/redfish/v1/UpdateService/FirmwareInventory").await.body["Members"], json!([]));
    bench.hardware.set_facts(id, bmc_facts());
    let check = async |path: &str, pointer: &str, expected: Value| {
        let reply = get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_eq!(reply.body["@odata.id"], path, "each resource says where it is");
        assert_eq!(
            reply.body.pointer(pointer).unwrap_or(&Value::Null),
            &expected,
            "{path} {pointer}: {}",
            reply.body
        );
    };
    check(&system, "/BiosVersion", "U30 v2.1".into()).await;
    check(&system, "/IndicatorLED", "Lit".into()).await;
    check(&system, "/LocationIndicatorActive", true.into()).await;
    check(&system, "/Bios/@odata.id", format!("{system}/Bios").into()).await;
    check(&manager, "/FirmwareVersion", "2.78".into()).await;
    check(&format!("{system}/Bios"), "/Attributes", json!({"Cores": 8, "Turbo": true})).await;
    check(&format!("{system}/Bios/Settings"), "/Attributes", json!({"Cores": 4, "Turbo": true})).await;
    check(&format!("{system}/SecureBoot"), "/SecureBootEnable", true.into()).await;
    check(&format!("{system}/SecureBoot"), "/SecureBootCurrentBoot", "Disabled".into()).await;
    for owner in [&system, &manager] {
        check(&format!("{owner}/VirtualMedia"), "/Members@odata.count", 1.into()).await;
        check(&format!("{owner}/VirtualMedia/Cd"), "/Image", "http://192.0.2.9/a.iso".into()).await;
        check(&format!("{owner}/VirtualMedia/Cd"), "/MediaTypes", json!(["CD"])).await;
    }
    let items = "/redfish/v1/UpdateService/FirmwareInventory";
    check("/redfish/v1/UpdateService", "/FirmwareInventory/@odata.id", items.into()).await;
    check(&format!("{items}/0"), "/Version", "14.2".into()).await;
    check(&format!("{items}/0"), "/SoftwareId", "NIC/1".into()).await;
}

/// An image of a site's source, and one of anywhere.
const IMAGE: &str = "https://images.example/a.iso";

#[tokio::test]
async fn what_the_bmc_has_is_changed_by_orders_and_shown_as_it_is_then() {
    let bench = bench();
    bench.hardware.set_facts(bench.id, bmc_facts());
    let (system, manager) = (bench.system(), format!("/redfish/v1/Managers/{}", bench.id));
    let check = async |ask: (&str, &str, Value), order: BmcOrder, shown: (&str, &str, Value)| {
        let (method, path, body) = ask;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = bench.ask(method, path, bench.basic(), body).await;
        let expected = if method == "PATCH" && path == system { 200 } else { 204 };
        assert_eq!(reply.status, expected, "{method} {path}: {}", reply.body);
        assert_eq!(bench.hardware.take_orders(), [order], "{method} {path}");
        let (path, pointer, expected) = shown;
        let body = bench.ask("GET", path, bench.basic(), "").await.body;
        assert_eq!(body.pointer(pointer).unwrap_or(&Value::Null), &expected, "{path} {pointer}: {body}");
    };
    let light = |is_on| BmcOrder::Light { is_on };
    check(
        ("PATCH", &system, json!({"LocationIndicatorActive": false})),
        light(false),
        (&system, "/IndicatorLED", "Off".into()),
    )
    .await;
    check(
        ("PATCH", &system, json!({"IndicatorLED": "Blinking"})),
        light(true),
        (&system, "/LocationIndicatorActive", true.into()),
    )
    .await;
    check(
        ("POST", &format!("{system}/Actions/ComputerSystem.Reset"), json!({"ResetType": "Nmi"})),
        BmcOrder::Interrupt,
        (&system, "/Actions/#ComputerSystem.Reset/ResetType@Redfish.AllowableValues/6", "Nmi".into()),
    )
    .await;
    let secure_boot = format!("{system}/SecureBoot");
    check(
        ("PATCH", &secure_boot, json!({"SecureBootEnable": false})),
        BmcOrder::SecureBoot { is_enabled: false },
        (&secure_boot, "/SecureBootEnable", false.into()),
    )
    .await;
    check(
        (
            "POST",
            &format!("{secure_boot}/Actions/SecureBoot.ResetKeys"),
            json!({"ResetKeysType": "DeleteAllKeys"}),
        ),
        BmcOrder::ResetKeys { reset: KeysReset::DeleteAll },
        (&secure_boot, "/SecureBootMode", "SetupMode".into()),
    )
    .await;
    let (bios, settings) = (format!("{system}/Bios"), format!("{system}/Bios/Settings"));
    check(
        ("PATCH", &settings, json!({"Attributes": {"Turbo": false}})),
        BmcOrder::SetBios { settings: Settings::from([("Turbo".to_owned(), Setting::Flag(false))]) },
        (&settings, "/Attributes", json!({"Cores": 4, "Turbo": false})),
    )
    .await;
    check(
        ("POST", &format!("{bios}/Actions/Bios.ResetBios"), Value::Null),
        BmcOrder::ResetBios,
        (&settings, "/Attributes", json!({"Cores": 8, "Turbo": true})),
    )
    .await;
    let chassis = format!("/redfish/v1/Chassis/{}", bench.id);
    let limit = format!("{chassis}/Controls/PowerLimit");
    check(
        ("PATCH", &limit, json!({"SetPoint": 500})),
        BmcOrder::LimitPower { watts: Some(500) },
        (&limit, "/SetPoint", 500.into()),
    )
    .await;
    let shown = bench.ask("GET", &format!("{chassis}/Controls"), bench.basic(), "").await.body;
    assert_eq!(shown["Members"], json!([{"@odata.id": limit}]));
    check(
        ("PATCH", &limit, json!({"ControlMode": "Disabled"})),
        BmcOrder::LimitPower { watts: None },
        (&limit, "/SetPoint", Value::Null),
    )
    .await;
    let eject = BmcOrder::EjectMedia { drive: "Cd".to_owned() };
    let insert =
        BmcOrder::InsertMedia { drive: "Cd".to_owned(), image: IMAGE.to_owned(), is_write_protected: true };
    for owner in [&system, &manager] {
        let drive = format!("{owner}/VirtualMedia/Cd");
        check(
            ("POST", &format!("{drive}/Actions/VirtualMedia.EjectMedia"), json!({})),
            eject.clone(),
            (&drive, "/Inserted", false.into()),
        )
        .await;
        check(
            ("POST", &format!("{drive}/Actions/VirtualMedia.InsertMedia"), json!({"Image": IMAGE})),
            insert.clone(),
            (&drive, "/Image", IMAGE.into()),
        )
        .await;
    }
}

#[tokio::test]
async fn an_order_that_is_refused_says_why_and_what_is_not_there_is_not_ordered() {
    let bench = bench();
    let system = bench.system();
    let asks = |system: &str| {
        let light = json!({"LocationIndicatorActive": true});
        [
            ("PATCH", system.to_owned(), light),
            ("PATCH", format!("{system}/SecureBoot"), json!({"SecureBootEnable": true})),
            (
                "POST",
                format!("{system}/SecureBoot/Actions/SecureBoot.ResetKeys"),
                json!({"ResetKeysType": "DeletePK"}),
            ),
            ("PATCH", format!("{system}/Bios/Settings"), json!({"Attributes": {"Turbo": false}})),
            ("POST", format!("{system}/Bios/Actions/Bios.ResetBios"), json!({})),
            (
                "POST",
                format!("{system}/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia"),
                json!({"Image": IMAGE}),
            ),
            ("POST", format!("{system}/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia"), json!({})),
        ]
    };
    // Nothing was said of it; whether it has a light, the BMC knows.
    for (method, path, body) in &asks(&system)[1..] {
        assert_eq!(bench.ask(method, path, bench.basic(), body.to_string()).await.status, 404, "{path}");
    }
    bench.hardware.set_facts(bench.id, bmc_facts());
    let other = format!("/redfish/v1/Systems/{}", bench.other);
    bench.hardware.set_facts(bench.other, bmc_facts());
    for (method, path, body) in asks(&other) {
        assert_eq!(bench.ask(method, &path, bench.basic(), body.to_string()).await.status, 404, "{path}");
    }
    assert_eq!(bench.hardware.take_orders(), []);
    let check = async |kind: RefusalKind, expected: u16, code: &str| {
        let message = "rack1-7: the BMC shows no Secure Boot".to_owned();
        bench.hardware.refuse_orders(Some(Refusal { kind, message: message.clone() }));
        for (method, path, body) in asks(&system) {
            let reply = bench.ask(method, &path, bench.basic(), body.to_string()).await;
            assert_eq!(reply.status.as_u16(), expected, "{path}: {}", reply.body);
            assert_eq!(reply.body["error"]["message"], message, "{path}");
            assert_eq!(reply.body["error"]["@Message.ExtendedInfo"][0]["MessageId"], code, "{path}");
        }
    };
    check(RefusalKind::State, 422, "Bms.1.0.State").await;
    check(RefusalKind::Hardware, 502, "Bms.1.0.Hardware").await;
    check(RefusalKind::AgentAway, 503, "Bms.1.0.AgentAway").await;
    bench.hardware.take_orders();
    // What is not understood is not ordered.
    for (method, path, _) in asks(&system) {
        let reply = bench.ask(method, &path, bench.basic(), r#"{"Oem": {}}"#).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.body);
    }
    assert_eq!(bench.hardware.take_orders(), []);
}

#[tokio::test]
async fn what_waits_for_a_start_is_read_anew_for_whoever_asks() {
    let bench = bench();
    bench.hardware.set_facts(bench.id, bmc_facts());
    let system = bench.system();
    let get = async |path: &str| bench.ask("GET", &format!("{system}/{path}"), bench.basic(), "").await.body;
    assert_eq!(get("Bios").await["Attributes"]["Cores"], 8);
    assert_eq!(get("SecureBoot").await["SecureBootCurrentBoot"], "Disabled");
    assert_eq!(bench.reset("On").await.status, 204);
    assert_eq!(get("Bios").await["Attributes"]["Cores"], 4, "the start has applied it");
    assert_eq!(get("SecureBoot").await["SecureBootCurrentBoot"], "Enabled");
    // A BMC that cannot be asked: what was told last.
    bench.hardware.set_facts(bench.id, bmc_facts());
    let message = "the agent is away".to_owned();
    bench.hardware.refuse_orders(Some(Refusal { kind: RefusalKind::AgentAway, message }));
    assert_eq!(get("Bios").await["Attributes"]["Cores"], 8);
}

/// Ironic's client takes the monitor from `Location`, and a status other than 202 for the end.
#[tokio::test]
async fn an_update_of_firmware_is_a_task_that_goes_on_until_the_update_is_over() {
    let bench = bench();
    bench.hardware.set_facts(bench.id, bmc_facts());
    let action = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
    let target = "/redfish/v1/UpdateService/FirmwareInventory/0";
    let body = json!({"ImageURI": "https://images.example/nic.bin", "TransferProtocol": "HTTP", "Targets": [target]});
    let asked = bench.ask("POST", action, bench.basic(), body.to_string()).await;
    assert_eq!((asked.status.as_u16(), &asked.body), (202, &Value::Null));
    let monitor = asked.location.unwrap();
    let mine = || bench.basic();
    let check = async |status: u16, state: &str, message: &str| {
        let seen = bench.ask("GET", &monitor, mine(), "").await;
        assert_eq!(seen.status.as_u16(), status, "{}", seen.body);
        assert_eq!(seen.body["TaskState"], state, "{}", seen.body);
        let said = seen.body["Messages"][0]["Message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(said, message, "{}", seen.body);
        let task = bench.ask("GET", seen.body["@odata.id"].as_str().unwrap(), mine(), "").await;
        assert_eq!((task.status.as_u16(), task.body), (200, seen.body));
    };
    check(202, "New", "").await;
    let step = |change: fn(Update) -> Update| bench.hardware.carry_on(bench.id, change);
    step(|update| update.waiting_for("one at a time".to_owned(), 1));
    check(202, "New", "one at a time").await;
    step(|update| update.giving(Vec::new(), 1).given(Given::Taken { task: Some("/t/1".to_owned()) }, 2));
    let paused = |stage| FirmwareSeen {
        stage,
        items: Vec::new(),
        manager_version: String::new(),
        bios_version: String::new(),
    };
    let running = paused(UpdateStage::Running(Some(40)));
    bench.hardware.carry_on(bench.id, |update| update.looked(&running, 3));
    // Not "Running": Ironic would restart the server.
    check(202, "New", "").await;
    let paused = paused(UpdateStage::Paused);
    bench.hardware.carry_on(bench.id, |update| Update { trouble: None, ..update.looked(&paused, 4) });
    check(202, "Pending", "").await;
    let again = bench.ask("POST", action, bench.basic(), body.to_string()).await;
    assert_eq!(again.status.as_u16(), 422, "{}", again.body);
    step(|update| update.failed("the image is for another board".to_owned(), 5));
    check(200, "Exception", "the image is for another board").await;
    // Nobody else sees it, and what is not an update is refused with a sentence.
    let theirs = Auth::Basic(bench.other.to_string(), "another".into());
    assert_eq!(bench.ask("GET", &monitor, theirs, "").await.status.as_u16(), 404);
    let wrong = bench.ask("POST", action, bench.basic(), "{}").await;
    assert_eq!(wrong.status.as_u16(), 400, "{}", wrong.body);
}
