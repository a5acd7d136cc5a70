//! Edges: what a Redfish BMC is asked and told beside power and boot device, on services of different manners: it is read alike, changed as each
//! wants it, and read back; what cannot be is refused with a sentence.

use std::{sync::Arc, time::Duration};

use agent::bmc::{
    Bmc, BmcError, BmcOptions, LogIns, Medium, RedfishBmc, Update, account::Pace, connect_redfish,
};
use protocol::{
    bmc_facts::{BmcFacts, FactsPart, PowerLimit, SecureBootFacts},
    bmc_order::BmcOrder,
    bmc_settings::BmcSettings,
    power::RestorePolicy,
    quirk::{Quirk, SaidQuirk},
    redfish::read::{
        Health,
        bios::{Setting, Settings},
        firmware::TaskStage,
        media::MediaKind,
        power::Light,
        secure_boot::KeysReset,
    },
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use serde_json::json;
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishBmc as Server, RedfishOptions},
    redfish_manners::Manner,
    redfish_odd::{EtagWish, Odd},
};

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(200), tries: 4, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(5);
const IMAGE: &str = "https://images.example/rescue.iso";
const LOG: &str = "/redfish/v1/Systems/1/LogServices/SEL";
const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd";
const CPU: &str = "/redfish/v1/Systems/1/Processors/CPU1";
const BIOS_SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";

fn serve(manners: &[Manner], odd: &[Odd]) -> (Server, RedfishBmc, Arc<FakeChassis>) {
    serve_with(manners, odd, &[])
}

fn serve_with(
    manners: &[Manner],
    odd: &[Odd],
    quirks: &[SaidQuirk],
) -> (Server, RedfishBmc, Arc<FakeChassis>) {
    let chassis = Arc::new(FakeChassis::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options =
        RedfishOptions { odd: odd.to_vec(), manners: manners.to_vec(), ..RedfishOptions::default() };
    let server =
        redfish::serve_on(listener, Credentials::new("admin", "correct-horse"), chassis.clone(), options)
            .unwrap();
    let endpoint = BmcEndpoint {
        protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
        address: server.addr.ip().to_string(),
        port: server.addr.port(),
        username: "admin".into(),
        password: Secret::new("correct-horse"),
        settings: BmcSettings { quirks: quirks.to_vec(), ..BmcSettings::default() },
    };
    let log_ins = LogIns { pace: Pace(UNIT), in_call: true };
    let bmc = connect_redfish(&endpoint, OPTIONS, log_ins).expect("it speaks Redfish");
    (server, bmc, chassis)
}

/// A service in these manners, and our client of it.
fn one(manners: &[Manner]) -> (Server, RedfishBmc) {
    let (server, bmc, _) = serve(manners, &[]);
    (server, bmc)
}

/// The same of one of which the site says something.
fn one_with(manners: &[Manner], quirks: &[SaidQuirk]) -> (Server, RedfishBmc) {
    let (server, bmc, _) = serve_with(manners, &[], quirks);
    (server, bmc)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(said: Result<T, BmcError>, part: &str) {
    let error = said.expect_err("it is refused").to_string();
    assert!(error.contains(part), "no {part:?} in: {error}");
}

#[tokio::test]
async fn the_parts_of_a_server_are_read() {
    let (_server, bmc) = one(&[]);
    let found = bmc.inventory().await.unwrap();
    assert_eq!(found.missing, Vec::<String>::new());
    let processors: Vec<_> = found.processors.iter().map(|it| (it.name.as_str(), it.cores)).collect();
    assert_eq!(processors, [("CPU 1", Some(32))], "an empty socket is no processor");
    assert_eq!((found.memory[0].name.as_str(), found.memory[0].serial.as_deref()), ("DIMM A1", Some("4711")));
    let storage = &found.storage[0];
    assert_eq!(
        (storage.model.as_deref(), storage.drives[0].serial.as_deref()),
        (Some("SAS 9500"), Some("D0001"))
    );
    assert_eq!(storage.volumes[0].status.health, Some(Health::Warning));
    let neighbour = found.ports[0].neighbour.clone().unwrap();
    assert_eq!((neighbour.words().as_str(), neighbour.vlan), ("leaf-1 Ethernet1/7", None));
    let options = bmc.boot_options().await.unwrap().items;
    let order: Vec<_> = options.iter().map(|option| option.reference.as_str()).collect();
    assert_eq!(order, ["Boot0002", "Boot0001"]);
}

#[tokio::test]
async fn what_a_service_says_of_its_server_is_told_part_by_part() {
    let (_server, bmc) = one(&[]);
    let sixteen = Setting::Number(16.into());
    bmc.set_bios(&Settings::from([("LogicalCores".to_owned(), sixteen.clone())])).await.unwrap();
    let url = "https://u:p@images.example/rescue.iso?signature=1";
    let medium = Medium { image: url, is_write_protected: true, account: None };
    bmc.insert_media(Some("Cd"), MediaKind::Cd, medium).await.unwrap();
    let mut facts = BmcFacts::default();
    for part in FactsPart::ALL {
        facts.take(bmc.facts(part).await.unwrap().expect("Redfish has them all"));
    }
    assert_eq!(facts.system.manager_version, "1.2.3");
    assert_eq!((facts.system.light, facts.system.can_nmi), (Some(false), true));
    assert_eq!(facts.bios.pending.get("LogicalCores"), Some(&sixteen));
    assert_ne!(
        facts.bios.attributes.get("LogicalCores"),
        Some(&sixteen),
        "it holds after the next start only"
    );
    let SecureBootFacts { is_enabled, was_enabled, mode } = &facts.secure_boot;
    assert_eq!((*is_enabled, *was_enabled, mode.as_str()), (Some(false), Some(false), "UserMode"));
    let cd = facts.media.iter().find(|slot| slot.id == "Cd").expect("it has a drive");
    assert_eq!((cd.is_inserted, cd.image.as_str()), (true, IMAGE), "without what opens it");
    let versions: Vec<_> = facts.firmware.iter().map(|it| (it.id.as_str(), it.version.as_str())).collect();
    assert_eq!(versions, [("BIOS", "4.5"), ("BMC", "1.2.3")]);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_as_missing_and_what_leads_away_is_not_followed() {
    let (_server, bmc) = one(&[Manner::Broken(CPU)]);
    let found = bmc.inventory().await.unwrap();
    assert_eq!((found.processors.len(), found.memory.len()), (0, 1));
    assert!(
        matches!(found.missing.as_slice(), [only] if only.contains("CPU1: HTTP 500")),
        "{:?}",
        found.missing
    );
    let (_server, bmc) = one(&[Manner::MembersElsewhere]);
    let listed = bmc.processors().await.unwrap();
    assert!(matches!(listed.missing.as_slice(), [only] if only.contains("another service")), "{listed:?}");
}

#[tokio::test]
async fn sensors_read_alike_from_older_and_newer_resources() {
    for manners in [&[][..], &[Manner::NewerSensors], &[Manner::PowerByControl]] {
        let (_server, bmc) = one(manners);
        let found = bmc.sensors().await.unwrap();
        let said: Vec<String> = found
            .items
            .iter()
            .filter(|it| ["CPU1 Temp", "Inlet Temp", "FAN1", "PSU2"].contains(&it.name.as_str()))
            .map(|it| format!("{} {} {} {}", it.name, it.value.unwrap_or(-1.0), it.unit, it.health().name()))
            .collect();
        let expected =
            ["CPU1 Temp 47 °C ok", "Inlet Temp 43 °C warning", "FAN1 5400 rpm ok", "PSU2 0 W critical"];
        assert_eq!(said, expected, "{manners:?}");
        assert_eq!(bmc.power_control().await.unwrap().draw_w, Some(212.0), "{manners:?}");
        let limited = bmc.limit_power(Some(500)).await.unwrap();
        assert_eq!(limited.limit_w, Some(500.0), "{manners:?}");
        let mut facts = BmcFacts::default();
        facts.take(bmc.facts(FactsPart::System).await.unwrap().expect("Redfish has them all"));
        let limit = PowerLimit { limit_w: Some(500), most_w: Some(800) };
        assert_eq!(facts.system.power_limit, Some(limit), "{manners:?}");
        assert_eq!(bmc.limit_power(None).await.unwrap().limit_w, None, "{manners:?}");
    }
}

/// A request for each member is spared, unless the site says that the members are wrong.
#[tokio::test]
async fn members_are_asked_for_whole_where_the_service_says_so() {
    let read = async |manners: &[Manner], quirks: &[SaidQuirk]| {
        let (server, bmc) = one_with(manners, quirks);
        bmc.power_status().await.unwrap();
        let before = server.stats().requests;
        let (inventory, firmware) = (bmc.inventory().await.unwrap(), bmc.firmware().await.unwrap());
        assert_eq!(inventory.missing, Vec::<String>::new(), "{manners:?}");
        (server.stats().requests - before, inventory, firmware)
    };
    let said = [SaidQuirk::Has(Quirk::MembersOneByOne)];
    let (plain, inventory, firmware) = read(&[], &[]).await;
    let check = async |manners: &[Manner], quirks: &[SaidQuirk], is_as_many: &dyn Fn(u64) -> bool| {
        let (requests, found, listed) = read(manners, quirks).await;
        assert_eq!((&found, &listed), (&inventory, &firmware), "{manners:?}");
        assert!(is_as_many(requests), "{manners:?} {quirks:?}: {requests} requests, {plain} one by one");
    };
    check(&[Manner::ShowsMembersWhole], &[], &|requests| requests + 6 <= plain).await;
    check(&[Manner::ShowsMembersWhole], &said, &|requests| requests + 1 == plain).await;
    // What is refused is asked once.
    check(&[Manner::RefusesMembersWhole], &[], &|requests| requests == plain + 1).await;
    check(&[Manner::ShowsMembersInPart], &[], &|requests| requests <= plain).await;
    // What is wrong beyond recognition is the site's to say.
    for (quirks, model) in [(&[][..], None), (&said, Some("Virtual Processor 3"))] {
        let (_server, bmc, _) = serve_with(&[], &[Odd::MembersEmptied], quirks);
        let found = bmc.processors().await.unwrap().items;
        assert_eq!(found[0].model.as_deref(), model, "{quirks:?}");
    }
    // One that cannot be shown with the others is told as missing, as ever.
    let (_server, bmc) = one(&[Manner::ShowsMembersWhole, Manner::Broken(CPU)]);
    let found = bmc.inventory().await.unwrap();
    assert_eq!((found.processors.len(), found.memory.len()), (0, 1));
    assert!(
        matches!(found.missing.as_slice(), [only] if only.contains("CPU1: HTTP 500")),
        "{:?}",
        found.missing
    );
}

#[tokio::test]
async fn logs_are_read_from_all_pages_in_their_order_and_cleared() {
    for manners in [&[][..], &[Manner::PagedLog]] {
        let (_server, bmc) = one(manners);
        let logs = bmc.logs().await.unwrap().items;
        let ids: Vec<_> = logs.iter().map(|log| log.id.as_str()).collect();
        assert_eq!(ids, ["SEL", "Audit"], "that of events first");
        let entries = bmc.log_entries(&logs[0]).await.unwrap().items;
        let said: Vec<_> = entries.iter().map(|entry| entry.message.as_str()).collect();
        assert_eq!(
            said,
            ["log cleared", "Inlet Temp: upper non-critical going high", "PSU2: input lost"],
            "{manners:?}"
        );
        refused(bmc.clear_log(&logs[1]).await, "\"Audit\" cannot be cleared");
    }
    let (server, bmc) = one(&[]);
    let log = bmc.logs().await.unwrap().items.remove(0);
    bmc.clear_log(&log).await.unwrap();
    assert_eq!(bmc.log_entries(&log).await.unwrap().items, []);
    assert_eq!(server.document(&format!("{LOG}/Entries/1")), None);
}

#[tokio::test]
async fn users_are_made_changed_and_removed_as_a_service_wants_it() {
    for manners in [&[][..], &[Manner::PlacesForUsers]] {
        let (server, bmc) = one(manners);
        let password = Secret::new("first-one-42");
        let made = bmc.create_account("backup", &password, "Operator").await.unwrap();
        assert_eq!((made.role.as_deref(), made.enabled), (Some("Operator"), Some(true)), "{manners:?}");
        refused(bmc.create_account("backup", &password, "Operator").await, "has a user \"backup\" already");
        bmc.set_account_password(&made, &Secret::new("second-one-42")).await.unwrap();
        assert_eq!(bmc.set_account_role(&made, "ReadOnly").await.unwrap().role.as_deref(), Some("ReadOnly"));
        assert_eq!(bmc.enable_account(&made, false).await.unwrap().enabled, Some(false));
        assert_eq!(bmc.rename_account(&made, "other").await.unwrap().name, "other");
        let given: Vec<_> = server.told().passwords.iter().map(|(_, password)| password.clone()).collect();
        assert_eq!(given, ["first-one-42", "second-one-42"], "{manners:?}");
        let other = bmc.rename_account(&made, "backup").await.unwrap();
        bmc.delete_account(&other).await.unwrap();
        let left = bmc.accounts().await.unwrap().items;
        let names: Vec<_> = left.iter().filter(|it| !it.is_free()).map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["admin", "monitor"], "{manners:?}");
        refused(bmc.create_account("two words", &password, "Operator").await, "letters without spaces");
        refused(bmc.create_account("a", &Secret::new("line\nend"), "Operator").await, "control character");
    }
    let (_server, bmc) = one(&[Manner::Ignores("/redfish/v1/AccountService/Accounts/3")]);
    let monitor = bmc.accounts().await.unwrap().items.into_iter().find(|it| it.name == "monitor").unwrap();
    refused(
        bmc.enable_account(&monitor, false).await,
        "reads back name \"monitor\", role ReadOnly, enabled: yes",
    );
    refused(bmc.delete_account(&monitor).await, "still shows it");
}

#[tokio::test]
async fn firmware_settings_wait_for_the_next_start_and_are_read_back() {
    let wanted = |name: &str, value: Setting| Settings::from([(name.to_owned(), value)]);
    for manners in [&[][..], &[Manner::NoApplyTime], &[Manner::SettingsAtOnce]] {
        let (_server, bmc) = one(manners);
        let bios = bmc.set_bios(&wanted("LogicalCores", Setting::Number(16.into()))).await.unwrap();
        assert_eq!(bios.after_start("LogicalCores"), Some(&Setting::Number(16.into())), "{manners:?}");
        let is_at_once = manners.contains(&Manner::SettingsAtOnce);
        assert_eq!(bios.pending.is_empty(), is_at_once, "{manners:?}");
        refused(
            bmc.set_bios(&wanted("Cores", Setting::Unset)).await,
            "no setting \"Cores\"; it has LogicalCores",
        );
        bmc.reset_bios().await.unwrap();
    }
    let (_server, bmc) = one(&[Manner::Ignores(BIOS_SETTINGS)]);
    let said = bmc.set_bios(&wanted("Turbo", Setting::Flag(false))).await;
    refused(said, "accepted Turbo = false, and shows true for the next start");
}

#[tokio::test]
async fn secure_boot_is_switched_and_its_keys_are_reset() {
    let (server, bmc) = one(&[]);
    assert_eq!(bmc.enable_secure_boot(true).await.unwrap().enable, Some(true));
    bmc.reset_secure_boot_keys(KeysReset::ToDefault, None).await.unwrap();
    bmc.reset_secure_boot_keys(KeysReset::DeleteAll, Some("DB")).await.unwrap();
    let resets = server.told().resets;
    assert_eq!(
        resets,
        ["SecureBoot.ResetKeys ResetAllKeysToDefault", "SecureBootDatabase.ResetKeys DeleteAllKeys"]
    );
    refused(
        bmc.reset_secure_boot_keys(KeysReset::DeletePlatformKey, None).await,
        "only by ResetAllKeysToDefault",
    );
    refused(
        bmc.reset_secure_boot_keys(KeysReset::ToDefault, Some("dbx")).await,
        "no database \"dbx\" of Secure Boot, only: db",
    );
    let (_server, bmc) = one(&[Manner::Ignores("/redfish/v1/Systems/1/SecureBoot")]);
    refused(bmc.enable_secure_boot(true).await, "but it shows disabled");
}

#[tokio::test]
async fn an_image_is_put_into_a_drive_in_the_way_that_it_takes() {
    let secret = Secret::new("image-password");
    let medium = Medium { image: IMAGE, is_write_protected: true, account: Some(("fetch", &secret)) };
    for manners in [&[][..], &[Manner::MediaByPatch], &[Manner::MediaTyped]] {
        // A drive of this stand-in takes no account by PATCH.
        let is_by_patch = manners.contains(&Manner::MediaByPatch);
        let medium = Medium { account: medium.account.filter(|_| !is_by_patch), ..medium };
        let (server, bmc) = one(manners);
        let drive = bmc.insert_media(None, MediaKind::Cd, medium).await.unwrap();
        assert_eq!((drive.id.as_str(), drive.image.as_deref()), ("Cd", Some(IMAGE)), "{manners:?}");
        let requests = server.stats().requests;
        bmc.insert_media(Some("cd"), MediaKind::Cd, medium).await.unwrap();
        assert!(server.stats().requests - requests < 8, "what is so already is only read");
        let other = Medium { image: "https://images.example/other.iso", ..medium };
        let drive = bmc.insert_media(None, MediaKind::Cd, other).await.unwrap();
        assert_eq!(drive.image.as_deref(), Some(other.image), "the first one was taken out: {manners:?}");
        assert_eq!(bmc.eject_media(None).await.unwrap().len(), 1, "{manners:?}");
        assert_eq!(server.document(CD).unwrap()["Inserted"], json!(false), "{manners:?}");
        refused(
            bmc.insert_media(None, MediaKind::Floppy, medium).await,
            "it has: Cd (CD, DVD); Usb (USBStick)",
        );
    }
    let (_server, bmc) =
        one(&[Manner::Ignores("/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia")]);
    refused(
        bmc.insert_media(None, MediaKind::Cd, medium).await,
        "still shows nothing; look whether the BMC reaches",
    );
}

#[tokio::test]
async fn firmware_is_listed_and_updated_and_the_task_is_told() {
    let until_done = async |bmc: &RedfishBmc, update: Update| {
        let Update::UnderWay { task } = update else { panic!("it takes its time: {update:?}") };
        for _ in 0..50 {
            match bmc.task(&task).await.unwrap() {
                TaskStage::Running(percent) => assert!(percent.is_some()),
                ended => return ended,
            }
        }
        panic!("it never ends");
    };
    let (server, bmc) = one(&[]);
    let found = bmc.firmware().await.unwrap().items;
    let versions: Vec<_> = found.iter().map(|it| (it.id.as_str(), it.version.as_deref().unwrap())).collect();
    assert_eq!(versions, [("BIOS", "4.5"), ("BMC", "1.2.3")]);
    let targets = [found[1].path.clone()];
    let update = bmc.update_with("bmc.bin", b"\x00new firmware".to_vec(), &targets).await.unwrap();
    assert_eq!(until_done(&bmc, update).await, TaskStage::Done);
    let sent = server.told().updates.remove(0);
    for part in
        ["name=\"UpdateParameters\"", "FirmwareInventory/BMC", "filename=\"bmc.bin\"", "\0new firmware"]
    {
        assert!(sent.contains(part), "no {part:?} in {sent}");
    }
    bmc.update_from("http://images.example/bmc.bin", &[]).await.unwrap();
    assert!(
        server.told().updates[1].contains("\"TransferProtocol\":\"HTTP\""),
        "{:?}",
        server.told().updates
    );
    refused(bmc.update_from("nfs://images.example/bmc.bin", &[]).await, "by NFS, only by HTTP, HTTPS");
    let (server, bmc) = one(&[Manner::PushesBare, Manner::UpdateFails]);
    let update = bmc.update_with("bmc.bin", b"image".to_vec(), &[]).await.unwrap();
    let TaskStage::Failed(reason) = until_done(&bmc, update).await else { panic!("it fails") };
    assert!(reason.contains("The image is for another board."), "{reason}");
    assert_eq!(server.told().updates, ["image"]);
    refused(bmc.update_from(IMAGE, &[]).await, "send it the file");
}

#[tokio::test]
async fn lights_policy_interrupt_and_manager_are_told_and_read_back() {
    for manners in [&[][..], &[Manner::OlderLight]] {
        let (_server, bmc) = one(manners);
        assert_eq!(bmc.light().await.unwrap(), Some(Light::Off), "{manners:?}");
        bmc.set_light(Light::On).await.unwrap();
        assert_eq!(bmc.light().await.unwrap(), Some(Light::On), "{manners:?}");
        bmc.set_light(Light::Off).await.unwrap();
    }
    let (server, bmc) = one(&[]);
    bmc.set_restore_policy(RestorePolicy::AlwaysOff).await.unwrap();
    assert_eq!(bmc.restore_policy().await.unwrap(), Some(RestorePolicy::AlwaysOff));
    refused(bmc.nmi().await, "The server is off.");
    bmc.power_on().await.unwrap();
    bmc.nmi().await.unwrap();
    let now = bmc.set_manager_time("2026-11-30T12:00:00Z").await.unwrap();
    assert_eq!((now.time.as_deref(), now.firmware.as_deref()), (Some("2026-11-30T12:00:00Z"), Some("1.2.3")));
    bmc.reset_manager().await.unwrap();
    let told = server.told();
    assert_eq!((told.nmis, told.manager_resets), (1, 1));
    let (_server, bmc) = one(&[Manner::Ignores("/redfish/v1/Systems/1")]);
    refused(bmc.set_restore_policy(RestorePolicy::AlwaysOff).await, "shows \"LastState\"");
    refused(bmc.set_light(Light::On).await, "the light is as it was");
}

#[tokio::test]
async fn a_certificate_is_asked_for_and_replaced() {
    let (server, bmc) = one(&[]);
    let found = bmc.certificates().await.unwrap().items;
    assert_eq!(found[0].subject.as_deref(), Some("bmc.invalid"));
    let names = ["bmc-7.example".to_owned()];
    let request = bmc.certificate_request(&found[0], &names).await.unwrap();
    assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----\nbmc-7.example"), "{request}");
    bmc.replace_certificate(&found[0], "-----BEGIN CERTIFICATE-----\n").await.unwrap();
    assert_eq!(server.told().certificate.as_deref(), Some("-----BEGIN CERTIFICATE-----\n"));
}

#[tokio::test]
async fn a_lost_session_and_every_form_of_an_etag_are_no_hindrance() {
    for odd in [&[][..], &[Odd::Etag(EtagWish::InBody)], &[Odd::AbsoluteLinks], &[Odd::Redirects(308)]] {
        let (server, bmc, _) = serve(&[], odd);
        bmc.processors().await.unwrap();
        server.forget_sessions();
        assert_eq!(bmc.processors().await.unwrap().items.len(), 1, "{odd:?}");
        server.forget_sessions();
        bmc.set_restore_policy(RestorePolicy::AlwaysOff).await.unwrap();
        server.forget_sessions();
        let log = bmc.logs().await.unwrap().items.remove(0);
        bmc.clear_log(&log).await.unwrap();
        assert_eq!(bmc.power_status().await.map_err(|error| error.to_string()), Ok(agent::bmc::Power::Off));
    }
}

#[tokio::test]
async fn the_power_is_read_while_an_inventory_is() {
    let (server, bmc) = one(&[]);
    server
        .faults
        .set(tests::bmc::Faults { delay: Duration::from_millis(10), ..tests::bmc::Faults::default() });
    bmc.power_status().await.unwrap();
    let bmc = Arc::new(bmc);
    let inventory = tokio::spawn({
        let bmc = bmc.clone();
        async move { bmc.inventory().await.map(|found| found.processors.len()) }
    });
    let mut readings = 0;
    while !inventory.is_finished() {
        bmc.power_status().await.unwrap();
        readings += 1;
    }
    assert_eq!(inventory.await.unwrap(), Ok(1));
    assert!(readings > 3, "the inventory held all readings up: {readings}");
}

#[tokio::test]
async fn an_order_is_done_by_the_verb_behind_it_and_told_anew() {
    let (server, bmc) = one(&[]);
    bmc.power_on().await.unwrap();
    let check = async |order: BmcOrder, is_so: fn(&BmcFacts) -> bool| {
        bmc.obey(&order).await.unwrap_or_else(|error| panic!("{order}: {error}"));
        let mut facts = BmcFacts::default();
        if let Some(part) = order.part() {
            facts.take(bmc.facts(part).await.unwrap().expect("Redfish has them all"));
        }
        assert!(is_so(&facts), "{order}: {facts:?}");
    };
    let settings = Settings::from([("LogicalCores".to_owned(), Setting::Number(16.into()))]);
    let drive = || "Cd".to_owned();
    let insert = BmcOrder::InsertMedia { drive: drive(), image: IMAGE.to_owned(), is_write_protected: true };
    let inserted = |facts: &BmcFacts| facts.media.iter().any(|slot| slot.id == "Cd" && slot.image == IMAGE);
    check(BmcOrder::Light { is_on: true }, |facts| facts.system.light == Some(true)).await;
    check(BmcOrder::Light { is_on: false }, |facts| facts.system.light == Some(false)).await;
    check(BmcOrder::SecureBoot { is_enabled: true }, |facts| facts.waits(FactsPart::SecureBoot)).await;
    check(BmcOrder::ResetKeys { reset: KeysReset::ToDefault }, |facts| facts.secure_boot.is_known()).await;
    check(BmcOrder::SetBios { settings }, |facts| facts.waits(FactsPart::Bios)).await;
    check(BmcOrder::ResetBios, |facts| !facts.bios.attributes.is_empty()).await;
    check(insert, inserted).await;
    check(BmcOrder::EjectMedia { drive: drive() }, |facts| facts.media.iter().all(|slot| !slot.is_inserted))
        .await;
    check(BmcOrder::Look { part: FactsPart::Firmware }, |facts| !facts.firmware.is_empty()).await;
    check(BmcOrder::Interrupt, |_| true).await;
    assert_eq!(server.told().nmis, 1);
    refused(bmc.obey(&BmcOrder::EjectMedia { drive: "Tape".to_owned() }).await, "no such drive");
}
