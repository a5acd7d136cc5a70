//! A vendor's list of factory passwords: BMCs that a scan finds are logged in to by their own, once, and get another one when they are enrolled.

mod factory_common;

use std::{net::Ipv4Addr, sync::Arc};

use factory_common::Site;
use protocol::mac::MacAddr;
use serde_json::{Value, json};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    ipmi::{self, IpmiBmc},
    redfish::{self, RedfishBmc, RedfishOptions, Tls},
};
use uuid::Uuid;

/// What the vendor's tags say; none of them may be seen anywhere.
const TAGS: [&str; 4] = ["tag-A1B2C3", "tag-D4E5F6", "tag-G7H8I9", "tag-J1K2L3"];
/// What a site tries at BMCs of which it knows nothing.
const OF_SITE: &str = "site-default";

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 78, 1, last)
}

fn ipmi_bmc(last: u8, user: &str, password: &str, uuid: Uuid) -> IpmiBmc {
    let credentials = Credentials::new(user, password);
    ipmi::serve_as((at(last), 623).into(), credentials, Arc::new(FakeChassis::default()), uuid).unwrap()
}

fn redfish_bmc(last: u8, user: &str, password: &str, uuid: Uuid, root_says: Value) -> RedfishBmc {
    let listener = std::net::TcpListener::bind((at(last), 8443)).unwrap();
    let options = RedfishOptions {
        tls: Some(Tls::self_signed().unwrap()),
        uuid: Some(uuid),
        root_says,
        ..RedfishOptions::default()
    };
    let credentials = Credentials::new(user, password);
    redfish::serve_on(listener, credentials, Arc::new(FakeChassis::default()), options).unwrap()
}

fn stages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["stage"].as_str().unwrap_or_default()).collect()
}

fn scan() -> Value {
    json!({
        "rack": "rack1",
        "ranges": ["127.78.1.11-127.78.1.16"],
        "redfish": ["https:8443"],
        "credentials": [{ "username": "admin", "password": OF_SITE }],
    })
}

/// Log-ins that were begun and did not succeed.
fn failed(bmc: &IpmiBmc) -> u64 {
    bmc.stats().attempts - bmc.stats().logins
}

#[tokio::test]
async fn a_bmc_of_the_list_is_claimed_by_its_own_password_which_is_changed_at_once() {
    let uuids =
        [1, 2, 3, 4].map(|number| Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_ee00 + number));
    let by_mac = ipmi_bmc(11, "admin", TAGS[0], uuids[0]);
    let dell = json!({ "Oem": { "Dell": { "ServiceTag": "7X0AB12" } } });
    let by_serial = redfish_bmc(12, "admin", TAGS[1], uuids[1], dell);
    let wrong = ipmi_bmc(13, "admin", "another", uuids[2]);
    let unlisted = ipmi_bmc(14, "admin", OF_SITE, uuids[3]);
    // Somebody who says that he is a BMC of the list, behind another Ethernet address.
    let pretended = json!({ "Oem": { "Dell": { "ServiceTag": "7X0AB99" } } });
    let pretender = redfish_bmc(15, "admin", TAGS[3], Uuid::new_v4(), pretended);
    let site = Site::start(
        "127.78.1.11 0x1 0x2 3c:ec:ef:00:00:01 * eno1\n127.78.1.13 0x1 0x2 3c:ec:ef:00:00:03 * eno1\n\
         127.78.1.15 0x1 0x2 3c:ec:ef:00:00:15 * eno1\n",
    )
    .await;

    let file = format!(
        "serial,mac,username,password\n,3c:ec:ef:00:00:01,admin,{}\n7X0AB12,,admin,{}\n,3c:ec:ef:00:00:03,admin,{}\n\
         7X0AB99,3c:ec:ef:00:00:99,admin,{}\n",
        TAGS[0], TAGS[1], TAGS[2], TAGS[3]
    );
    let import = async |file: String| site.ask("POST", "/v1/bmc-factory-passwords", file).await;
    assert_eq!(import(file.clone()).await, (200, json!({ "added": 4, "unchanged": 0 })));
    assert_eq!(import(file.clone()).await, (200, json!({ "added": 0, "unchanged": 4 })));
    let (status, refused) = import(file.replace(TAGS[1], "tag-other")).await;
    assert_eq!((status, &refused["faults"][0]["line"]), (422, &json!(3)), "{refused}");

    site.scan(scan()).await;
    let is_settled = |lines: &[Value]| stages(lines) == ["accepted", "accepted", "refused", "waiting"];
    let lines = site.list_when(is_settled).await;
    assert_eq!(lines[2]["bmc"], "127.78.1.13:623 in rack rack1");
    // Nothing but its own was tried at any of them, and a wrong one once.
    assert_eq!([failed(&by_mac), failed(&wrong), failed(&unlisted)], [0, 1, 0]);
    assert_eq!(by_serial.stats().attempts - by_serial.stats().logins, 0);
    assert_eq!(pretender.stats().attempts, 0, "somebody else was told a password");

    let names = ["n1", "n2"];
    for (number, (name, uuid)) in (1..).zip(names.iter().zip(uuids)) {
        site.boots(uuid, MacAddr([2, 0, 0, 0, 0, number]), &format!("xe-0/0/{number}")).await;
        let (_, found) = site.ask("GET", "/v1/discoveries", "").await;
        let is_it = |entry: &&Value| entry["uuid"] == uuid.to_string();
        let entry = found["items"].as_array().unwrap().iter().find(is_it).expect("it was found both ways");
        assert_eq!(entry["missing"], json!([]), "{entry}");
        let path = format!("/v1/discoveries/{}/accept", entry["id"].as_str().unwrap());
        let (status, enrolled) = site.ask("POST", &path, json!({ "name": name }).to_string()).await;
        assert_eq!(status, 201, "{enrolled}");
    }
    let changed = [site.changed("n1").await, site.changed("n2").await];
    for (server, (bmc, tag)) in
        changed.iter().zip([(&by_mac.password, TAGS[0]), (&by_serial.password, TAGS[1])])
    {
        assert_eq!(bmc.get(), server.bmc.password, "{} is locked out", server.name);
        assert_ne!(bmc.get().reveal(), tag, "{} has its factory's password still", server.name);
        assert!(server.upkeep.factory_us.is_some());
    }
    let lines = site.list_when(|lines| stages(lines) == ["claimed", "claimed", "refused", "waiting"]).await;
    assert_eq!((&lines[0]["node"], &lines[1]["node"]), (&json!("n1"), &json!("n2")));
    assert_eq!(failed(&by_mac), 0);

    // Found again, none of them is given anything again.
    let before = (by_mac.stats().attempts, wrong.stats().attempts, by_serial.stats().attempts);
    site.scan(scan()).await;
    site.scan(scan()).await;
    assert_eq!((by_mac.stats().attempts, by_serial.stats().attempts), (before.0, before.2));
    // The site's own credential may be tried where the list's was wrong, as at any BMC: once in each scan.
    assert!(wrong.stats().attempts <= before.1 + 2, "{:?}", wrong.stats());

    let told = site.told().await.join("\n");
    let (_, audit) = site.ask("GET", "/v1/audit", "").await;
    let (_, shown) = site.ask("GET", "/v1/bmc-factory-passwords", "").await;
    for text in [told.clone(), audit.to_string(), shown.to_string(), refused.to_string()] {
        for tag in TAGS {
            assert!(!text.contains(tag), "{text}");
        }
    }
    for words in [
        "n1 was claimed by the factory password",
        "refused its factory password",
        "it shows mac:3c:ec:ef:00:00:15",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert!(audit.to_string().contains("/v1/bmc-factory-passwords"), "{audit}");
}
