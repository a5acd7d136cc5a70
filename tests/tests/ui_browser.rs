//! The pages in Chromium, in front of fakes: every page in light, dark and narrow, live changes, forms with faults.
//!
//! The pictures of every page are left in the tests' temporary directory, to be looked at.

mod ui_common;

use std::path::PathBuf;

use coordinator_core::pki::{Authority, Clients, tls};
use listen::{Terms, terms::API_PLACES_OF_PEER};
use serde_json::json;
use store::clock::{Clock, SystemClock};
use tests::browser::{Browser, Look, Tab};
use tokio_util::sync::CancellationToken;
use ui_common::{Fakes, PASSWORD, foreign::Foreign};

/// Serves the pages as the coordinator does; gives their origin.
async fn serve(fakes: &Fakes) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let now_us = SystemClock.now_us();
    let authority = Authority::open_or_create(dir.path(), now_us).unwrap();
    let issued = authority.server_certificate(&["127.0.0.1".to_owned()], now_us).unwrap();
    let config = tls(&authority, &issued, Clients::Anonymous).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let router = fakes.router.clone();
    let terms = Terms::api(API_PLACES_OF_PEER, Vec::new());
    tokio::spawn(listen::serve(listener, Some(config), router, terms, CancellationToken::new()));
    origin
}

async fn sign_in(tab: &Tab, origin: &str, user: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/")).await?;
    tab.fill("#user", user).await?;
    tab.fill("#password", PASSWORD).await?;
    tab.fill("#project", user).await?;
    tab.follow("button.main").await
}

fn pictures() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ui");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_light_dark_and_narrow() {
    let fakes = ui_common::start().await;
    let origin = serve(&fakes).await;
    let browser = Browser::start().await.unwrap();
    let (admin, tenant) = (browser.person().await.unwrap(), browser.person().await.unwrap());
    admin.go(&format!("{origin}/ui/sign-in")).await.unwrap();
    look_at(&admin, "sign-in").await;
    sign_in(&admin, &origin, "admin").await.unwrap();
    sign_in(&tenant, &origin, "demo").await.unwrap();
    tenant.go(&format!("{origin}/ui/servers")).await.unwrap();
    look_at(&tenant, "servers-none").await;
    tenant.go(&format!("{origin}/ui/new")).await.unwrap();
    look_at(&tenant, "new").await;
    tenant.fill("#name", "web1").await.unwrap();
    tenant.follow("button.main").await.unwrap();
    look_at(&tenant, "server").await;
    let own: String = tenant.value("location.origin + location.pathname").await.unwrap();
    look_at_console(&tenant, &format!("{own}/console")).await;
    look_at_console(&admin, &format!("{origin}/ui/nodes/srv1/console")).await;
    let pages = [
        (&admin, "nodes"),
        (&admin, "nodes?find=none"),
        (&admin, "nodes/srv1"),
        (&admin, "nodes/srv4"),
        (&admin, "nodes/srv6"),
        (&admin, "add"),
        (&admin, "import"),
        (&admin, "events"),
        (&admin, "audit"),
        (&admin, "audit?user=nobody"),
        (&admin, "erase-certificates"),
        (&admin, "erase-certificates/3f2a0000-0000-4000-8000-000000000001"),
        (&admin, "agents"),
        (&admin, "flavors"),
        (&admin, "pools"),
        (&admin, "discoveries"),
        (&admin, "discoveries?all=true"),
        (&admin, "discovery-rules"),
        (&admin, "bmc-factory-passwords"),
        (&admin, "discoveries/3f2a0000-0000-4000-8000-000000000001"),
        (&admin, "discoveries/3f2a0000-0000-4000-8000-000000000002"),
        (&admin, "discoveries/3f2a0000-0000-4000-8000-000000000003"),
        (&tenant, "catalogue"),
        (&tenant, "servers"),
        (&tenant, "networks"),
        (&admin, "images"),
        (&tenant, "images"),
        (&tenant, "agents"),
        (&tenant, "nothing"),
    ];
    for (tab, page) in pages {
        tab.go(&format!("{origin}/ui/{page}")).await.unwrap();
        look_at(
            tab,
            &format!(
                "{}-{}",
                if std::ptr::eq(tab, &admin) { "admin" } else { "tenant" },
                page.replace(['/', '?'], "-")
            ),
        )
        .await;
    }
    for tab in [&admin, &tenant] {
        tab.check(&origin).unwrap();
    }
    browser.stop().await.unwrap();
}

/// What would be markup and a program, and a long word.
const LONG: &str = " <script>window.zebra = 1</script><img src=x onerror=\"window.zebra = 1\">\u{202e}\
                    WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW";

#[tokio::test(flavor = "multi_thread")]
async fn no_page_runs_what_others_wrote() {
    let fakes = ui_common::start().await;
    for project in ["admin-id", "demo-id"] {
        let server = ui_common::shown::server(project, 1, "active");
        fakes.world.lock().unwrap().servers.push(serde_json::to_value(server).unwrap());
    }
    let origin = serve(&fakes).await;
    let browser = Browser::start().await.unwrap();
    let (admin, tenant) = (browser.person().await.unwrap(), browser.person().await.unwrap());
    sign_in(&admin, &origin, "admin").await.unwrap();
    sign_in(&tenant, &origin, "demo").await.unwrap();
    let foreign = Foreign { of_things: LONG, of_people: LONG, everywhere: false };
    fakes.world.lock().unwrap().foreign = Some(foreign);
    let pages = [
        (&admin, "nodes"),
        (&admin, "nodes/srv1"),
        (&admin, "nodes/srv4"),
        (&admin, "events"),
        (&admin, "audit"),
        (&admin, "erase-certificates"),
        (&admin, "erase-certificates/3f2a0000-0000-4000-8000-000000000001"),
        (&admin, "agents"),
        (&admin, "flavors"),
        (&admin, "pools"),
        (&admin, "discoveries"),
        (&admin, "discovery-rules"),
        (&admin, "bmc-factory-passwords"),
        (&admin, "discoveries/3f2a0000-0000-4000-8000-000000000001"),
        (&tenant, "catalogue"),
        (&tenant, "new"),
        (&tenant, "servers"),
        (&tenant, "servers/5e400000-0000-4000-8000-000000000001"),
        (&tenant, "networks"),
        (&admin, "images"),
        (&tenant, "images"),
    ];
    for (tab, page) in pages {
        tab.go(&format!("{origin}/ui/{page}")).await.unwrap();
        for (width, kind) in [(390, "narrow"), (1280, "light")] {
            tab.look(Look::Light, width).await.unwrap();
            assert_eq!(tab.overflow().await.unwrap(), "", "{page} is too wide at {width} px");
            let name = format!("foreign-{}-{kind}.png", page.replace('/', "-"));
            tab.picture(&pictures().join(name)).await.unwrap();
        }
        assert!(
            tab.value::<bool>("window.zebra === undefined").await.unwrap(),
            "{page} runs what others wrote"
        );
    }
    for tab in [&admin, &tenant] {
        tab.check(&origin).unwrap();
    }
    browser.stop().await.unwrap();
}

/// Takes its pictures, and finds what does not fit or has no name.
async fn look_at(tab: &Tab, name: &str) {
    for (look, width, kind) in
        [(Look::Dark, 1280, "dark"), (Look::Light, 390, "narrow"), (Look::Light, 1280, "light")]
    {
        tab.look(look, width).await.unwrap();
        assert_eq!(tab.overflow().await.unwrap(), "", "{name} is too wide at {width} px");
        tab.picture(&pictures().join(format!("{name}-{kind}.png"))).await.unwrap();
    }
    assert_eq!(tab.unnamed().await.unwrap(), Vec::<String>::new(), "{name} has controls without a name");
}

/// A console with what a server prints on it, and somebody else at its keyboard.
async fn look_at_console(tab: &Tab, address: &str) {
    tab.go(address).await.unwrap();
    tab.says("open; ada has the keyboard").await.unwrap();
    tab.says("waiting for the next step").await.unwrap();
    look_at(tab, if address.contains("/nodes/") { "admin-console" } else { "tenant-console" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_change_by_themselves_and_forms_say_what_is_wrong() {
    let fakes = ui_common::start().await;
    let origin = serve(&fakes).await;
    let browser = Browser::start().await.unwrap();
    let told = async {
        let tab = browser.person().await?;
        sign_in(&tab, &origin, "admin").await?;
        tab.says("clean wait").await?;
        tab.until("document.getElementById('live').innerText === 'live'").await?;

        // A search that is being typed stays, and so does the page.
        tab.value::<bool>("window.same = true").await?;
        tab.fill("#find", "srv").await?;
        fakes.change_node("srv2", "provision_state", json!("available")).await;
        tab.until("document.querySelector('[data-row=srv2]').dataset.state === 'available'").await?;
        tab.until("document.getElementById('said').textContent === 'srv2: available'").await?;
        assert!(
            tab.value::<bool>(
                "window.same === true && document.activeElement.value === 'srv' && document.activeElement.id === 'find'"
            )
            .await?
        );
        assert_eq!(
            tab.value::<u32>("[...document.querySelectorAll('#rows tr')].filter(r => r.hidden).length")
                .await?,
            1
        );

        // An open menu is not taken away; when it is closed, the next news comes through.
        tab.go(&format!("{origin}/ui/nodes/srv2")).await?;
        tab.until("document.getElementById('live').innerText === 'live'").await?;
        tab.click("#more > summary").await?;
        fakes.change_node("srv2", "power", json!("off")).await;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert!(tab.value::<bool>("document.getElementById('more').open").await?);
        tab.follow("#act-delete").await?;
        tab.says("it was not deleted").await?;
        assert!(tab.words().await?.contains("carries <b>a tenant's server</b>"), "a refusal is not escaped");
        tab.says("off").await?;

        tab.go(&format!("{origin}/ui/add")).await?;
        for (field, text) in [
            ("name", "srv9"),
            ("bmc_address", "192.0.2.9"),
            ("bmc_user", "admin"),
            ("bmc_password", "secret"),
            ("mac", "52:54:zz"),
            ("switch", "leaf1"),
            ("switch_port", "xe-0/0/9"),
        ] {
            tab.fill(&format!("#{field}"), text).await?;
        }
        tab.follow("button.main").await?;
        assert!(tab.text("#mac-help").await?.contains("52:54:zz"), "{}", tab.words().await?);
        assert_eq!(
            tab.value::<String>("document.getElementById('bmc_password').value").await?,
            "",
            "a password came back"
        );
        assert_eq!(tab.value::<String>("document.getElementById('switch').value").await?, "leaf1");
        tab.picture(&pictures().join("add-fault-light.png")).await?;
        tab.fill("#mac", "52:54:00:00:00:09").await?;
        tab.fill("#bmc_password", "secret").await?;
        tab.follow("button.main").await?;
        assert_eq!(tab.text("h1").await?, "srv9");

        tab.go(&format!("{origin}/ui/import")).await?;
        let file = pictures().join("servers.yaml");
        std::fs::write(&file, "nodes:\n- name: srv8\n  colour: blue\n")?;
        tab.choose_file("#file", &file).await?;
        tab.follow("button[value=check]").await?;
        tab.says("nodes[0].colour").await?;
        tab.picture(&pictures().join("import-faults-light.png")).await?;
        tab.look(Look::Light, 390).await?;
        assert_eq!(tab.overflow().await?, "");
        tab.picture(&pictures().join("import-faults-narrow.png")).await?;
        assert!(!fakes.world.lock().unwrap().nodes.iter().any(|node| node["name"] == "srv8"));

        // Without scripts everything but the live changes works.
        tab.scripts(false).await?;
        tab.go(&format!("{origin}/ui/nodes?find=srv9")).await?;
        tab.says("srv9").await?;
        tab.scripts(true).await?;
        tab.check(&origin)
    }
    .await;
    told.unwrap();
    browser.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_machine_is_accepted_and_a_file_is_seen_before_it_is_imported() {
    let fakes = ui_common::start().await;
    let origin = serve(&fakes).await;
    let browser = Browser::start().await.unwrap();
    let told = async {
        let tab = browser.person().await?;
        sign_in(&tab, &origin, "admin").await?;
        assert_eq!(tab.text("#pending b").await?.replace('\n', " "), "3 pending");
        tab.follow("a[href='/ui/discoveries']").await?;
        tab.says("already known: srv1, srv2").await?;
        tab.says("May be the same machine as").await?;
        // The search forms open by the keyboard alone.
        tab.click("#scan > summary").await?;
        tab.picture(&pictures().join("discoveries-scan-light.png")).await?;
        tab.follow("td.do a[href='/ui/discoveries/3f2a0000-0000-4000-8000-000000000002']").await?;
        for (field, text) in [
            ("name", "srv7"),
            ("bmc", "ipmi://198.51.100.15"),
            ("bmc_username", "admin"),
            ("bmc_password", "wrong"),
            ("switch_eth0", "leaf1"),
            ("port_eth0", "xe-0/0/15"),
        ] {
            tab.fill(&format!("#{field}"), text).await?;
        }
        tab.follow("button.main").await?;
        tab.says("the BMC refuses <b>it</b>").await?;
        tab.picture(&pictures().join("discovery-refused-light.png")).await?;
        assert_eq!(tab.value::<String>("document.getElementById('port_eth0').value").await?, "xe-0/0/15");
        assert_eq!(tab.value::<String>("document.getElementById('bmc_password').value").await?, "");
        tab.fill("#bmc_password", "secret").await?;
        tab.follow("button.main").await?;
        tab.says("Accepted").await?;
        assert_eq!(tab.text("h1").await?, "srv7");
        assert_eq!(tab.text("#pending b").await?.replace('\n', " "), "2 pending");
        let asked = fakes.world.lock().unwrap().asked.pop().unwrap().1;
        assert_eq!(asked["ports"], json!([{ "nic": "eth0", "switch": "leaf1", "port": "xe-0/0/15" }]));

        tab.go(&format!("{origin}/ui/nodes/srv6")).await?;
        tab.click("#ask-provide > summary").await?;
        tab.picture(&pictures().join("provide-light.png")).await?;
        tab.click("#sure-provide").await?;
        tab.follow("#act-provide").await?;
        tab.says("Requested.").await?;

        tab.go(&format!("{origin}/ui/import")).await?;
        let file = pictures().join("two.yaml");
        let node = |name: &str, last: u8| {
            format!(
                "- name: {name}\n  driver_info: {{ipmi_address: 192.0.2.{last}, ipmi_username: a, ipmi_password: b}}\n  \
                 ports:\n  - {{name: eth0, mac_address: \"52:54:00:00:01:0{last}\", switch_name: leaf1, port_name: xe-0/0/{last}, pxe_enabled: true}}\n"
            )
        };
        std::fs::write(&file, format!("nodes:\n{}{}", node("srv1", 1), node("srv8", 8)))?;
        tab.choose_file("#file", &file).await?;
        tab.follow("button[value=check]").await?;
        tab.says("The file is valid").await?;
        let diff = tab.text("#diff").await?;
        assert!(diff.contains("srv8") && diff.contains("198.51.100.11") && diff.contains("192.0.2.1"), "{diff}");
        tab.picture(&pictures().join("import-diff-light.png")).await?;
        tab.look(Look::Light, 390).await?;
        assert_eq!(tab.overflow().await?, "");
        tab.picture(&pictures().join("import-diff-narrow.png")).await?;
        tab.look(Look::Light, 1280).await?;
        // What is imported is what was shown; something else is shown anew.
        tab.value::<()>("{ text.value = text.value.replace('srv8', 'srv9'); null }").await?;
        tab.follow("button[value=import]").await?;
        tab.says("have changed since the preview").await?;
        assert!(!fakes.world.lock().unwrap().nodes.iter().any(|node| node["name"] == "srv9"));
        tab.follow("button[value=import]").await?;
        tab.says("Imported.").await?;
        assert!(fakes.world.lock().unwrap().nodes.iter().any(|node| node["name"] == "srv9"));
        import_factory_passwords(&fakes, &tab, &origin).await?;
        tab.check(&origin)
    }
    .await;
    told.unwrap();
    browser.stop().await.unwrap();
}

/// A vendor's file: refused with its line, then imported; and a line of the list is removed.
async fn import_factory_passwords(fakes: &Fakes, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/discoveries")).await?;
    tab.follow("a[href='/ui/bmc-factory-passwords']").await?;
    let file = pictures().join("delivery.csv");
    std::fs::write(&file, "serial,username,password\n7X0AB20,root,hunter2\n,root,hunter3\n")?;
    tab.choose_file("#file", &file).await?;
    tab.follow("form.sheet button.main").await?;
    tab.says("Not done.").await?;
    tab.picture(&pictures().join("factory-passwords-refused-light.png")).await?;
    anyhow::ensure!(!tab.value::<String>("document.documentElement.outerHTML").await?.contains("hunter"));
    std::fs::write(&file, "serial,username,password\n7X0AB20,root,hunter2\n")?;
    tab.choose_file("#file", &file).await?;
    tab.follow("form.sheet button.main").await?;
    tab.says("What becomes of each line is shown below").await?;
    let asked = fakes.world.lock().unwrap().asked.pop();
    assert_eq!(asked.map(|(_, told)| told), Some(json!({ "format": "csv", "lines": 1 })));
    tab.click("tr[data-row='7X0AB12'] summary").await?;
    tab.follow("tr[data-row='7X0AB12'] button.danger").await?;
    tab.says("Deleted.").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_two_networks_is_asked_for_without_a_script() {
    let fakes = ui_common::start().await;
    let origin = serve(&fakes).await;
    let browser = Browser::start().await.unwrap();
    let told = async {
        let tab = browser.person().await?;
        sign_in(&tab, &origin, "demo").await?;
        tab.go(&format!("{origin}/ui/new")).await?;
        tab.fill("#name", "up1").await?;
        tab.follow("#more-networks").await?;
        assert_eq!(tab.value::<String>("document.getElementById('name').value").await?, "up1");
        for (field, text) in
            [("network_1", "blue"), ("address_1", "192.0.2.1"), ("network_2", "green"), ("vlan_2", "100")]
        {
            tab.fill(&format!("#{field}"), text).await?;
        }
        tab.click("[name='group_5ec00000-0000-4000-8000-000000000002']").await?;
        tab.follow("button.main").await?;
        assert!(tab.text("#address_1-help").await?.contains("it is the gateway's"), "{}", tab.words().await?);
        for (look, width, kind) in
            [(Look::Dark, 1280, "dark"), (Look::Light, 390, "narrow"), (Look::Light, 1280, "light")]
        {
            tab.look(look, width).await?;
            assert_eq!(tab.overflow().await?, "");
            tab.picture(&pictures().join(format!("new-refused-{kind}.png"))).await?;
        }
        assert_eq!(tab.unnamed().await?, Vec::<String>::new());
        tab.fill("#address_1", "192.0.2.50").await?;
        tab.follow("button.main").await?;
        tab.says("The server is being created").await?;
        let asked = fakes.world.lock().unwrap().asked.pop().unwrap().1;
        let (blue, green) = ("3f0e6f0e-1111-4222-8333-444455556666", "3f0e6f0e-1111-4222-8333-444455556667");
        assert_eq!(
            asked["networks"],
            json!([{ "network": blue, "address": "192.0.2.50" }, { "network": green, "vlan": 100 }])
        );
        assert_eq!(asked["security_groups"], json!(["5ec00000-0000-4000-8000-000000000002"]));
        tab.says("VLAN tag 100").await?;
        tab.click("#rebuild > summary").await?;
        tab.picture(&pictures().join("server-rebuild-light.png")).await?;
        tab.look(Look::Light, 390).await?;
        assert_eq!(tab.overflow().await?, "");
        tab.picture(&pictures().join("server-rebuild-narrow.png")).await?;
        fakes.world.lock().unwrap().away = vec![("/v1/images", "Glance"), ("/v1/flavors", "Nova")];
        tab.look(Look::Light, 1280).await?;
        tab.go(&format!("{origin}/ui/catalogue")).await?;
        tab.picture(&pictures().join("catalogue-away-light.png")).await?;
        tab.check(&origin)
    }
    .await;
    told.unwrap();
    browser.stop().await.unwrap();
}
