//! Edges: the promise of the pages: an administrator and two tenants at work in a browser, on the real services.

use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::{Discovery, Node, Pool, Proof, Server};

use super::super::{
    Lab,
    site::{SERVERS, STRANGER, import_file},
    step::{Steps, wait_for},
    story::{self, wait_state},
};
use crate::{
    browser::{Browser, Look, Tab},
    openstack::{OpenStack, PASSWORD},
};

/// The tenant's server.
const NAME: &str = "page1";
/// The server that is added by the form. Nothing answers at its BMC's address.
const ADDED: &str = "srv9";
/// How long a server may take to be deployed.
const DEPLOY_WAIT_MAX: Duration = Duration::from_secs(180);

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let browser = Browser::start().await?;
    let told = tell(lab, steps, &browser).await;
    browser.stop().await?;
    told
}

async fn tell(lab: &Lab, steps: &mut Steps, browser: &Browser) -> anyhow::Result<()> {
    let origin = format!("https://{}", lab.site.api());
    let (admin, tenant, other) = (browser.person().await?, browser.person().await?, browser.person().await?);
    steps.step("send a wrong password by the sign-in page", refused_sign_in(&admin, &origin)).await?;
    steps
        .step("sign in as administrator and two tenants", async {
            sign_in(&admin, &origin, "admin").await?;
            sign_in(&tenant, &origin, "demo").await?;
            sign_in(&other, &origin, "other").await
        })
        .await?;
    steps.step("show tenants no page of administrators", no_way_in(&tenant, &origin)).await?;
    steps
        .step("add a server by the form, with a bad MAC address at first", add(lab, &admin, &origin))
        .await?;
    steps.step("see the list change by itself", live_list(lab, &admin, &origin)).await?;
    steps
        .step(
            "see what an import file would do, with a fault at first, and import it",
            import(lab, &admin, &origin),
        )
        .await?;
    steps.step("scan by a page, and dismiss what was found", discoveries(lab, &admin, &origin)).await?;
    steps.step("make a pool and see its flavors and what it would move", pools(lab, &admin, &origin)).await?;
    steps.step("show the rest of a page while Glance is away", glance_away(lab, &tenant, &origin)).await?;
    let id = steps.step("ask for a server in one page", create(lab, &tenant, &origin)).await?;
    steps
        .step("see it become active by itself", async {
            tenant
                .until_within(
                    "document.querySelector('[data-state]').dataset.state === 'active'",
                    DEPLOY_WAIT_MAX,
                )
                .await?;
            ensure!(tenant.value::<bool>("window.same === true").await?, "the page was loaded anew");
            Ok(())
        })
        .await?;
    steps.step("show another tenant nothing of it", unseen(&other, &origin, &id)).await?;
    steps.step("see the proofs of isolation of its node", proofs(lab, &admin, &origin)).await?;
    steps.step("refuse to forget its node, with the reason", refuse_delete(lab, &admin, &origin)).await?;
    steps.step("give it back by its page", give_back(lab, &tenant)).await?;
    for (tab, who) in [(&admin, "administrator"), (&tenant, "tenant"), (&other, "other tenant")] {
        tab.check(&origin).with_context(|| format!("in the {who}'s browser"))?;
    }
    steps.step("sign out", sign_out(&tenant, &origin)).await
}

async fn fill_in(tab: &Tab, fields: &[(&str, &str)]) -> anyhow::Result<()> {
    for (field, text) in fields {
        tab.fill(&format!("#{field}"), text).await?;
    }
    Ok(())
}

async fn sign_in(tab: &Tab, origin: &str, user: &str) -> anyhow::Result<()> {
    // The front door leads people to the pages.
    tab.go(&format!("{origin}/")).await?;
    fill_in(tab, &[("user", user), ("password", PASSWORD), ("project", user)]).await?;
    tab.follow("button.main").await?;
    tab.says(&format!("{user} in {user}")).await
}

async fn refused_sign_in(tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/nodes")).await?;
    fill_in(tab, &[("user", "admin"), ("password", "wrong"), ("project", "admin")]).await?;
    tab.follow("button.main").await?;
    tab.says("Keystone does not accept this user and password for this project").await?;
    let (user, password): (String, String) = tab.value("[user.value, password.value]").await?;
    ensure!((user.as_str(), password.as_str()) == ("admin", ""), "the form kept {user:?}, {password:?}");
    Ok(())
}

async fn no_way_in(tab: &Tab, origin: &str) -> anyhow::Result<()> {
    for page in [
        "nodes",
        "nodes/srv1",
        "add",
        "import",
        "events",
        "agents",
        "flavors",
        "pools",
        "discoveries",
        "discovery-rules",
        "bmc-factory-passwords",
    ] {
        tab.go(&format!("{origin}/ui/{page}")).await?;
        tab.says("for administrators").await?;
        let words = tab.words().await?;
        ensure!(!words.contains(SERVERS[0].name) || page.contains(SERVERS[0].name), "{page} shows {words}");
    }
    Ok(())
}

async fn add(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/add")).await?;
    let fields = [
        ("name", ADDED),
        ("driver", "ipmi"),
        ("bmc_address", "198.51.100.99"),
        ("bmc_user", "admin"),
        ("bmc_password", "<b>not&shown</b>"),
        ("mac", "52:54:00:0b:05:zz"),
        ("switch", "leaf1"),
        ("switch_port", "xe-0/0/9"),
    ];
    fill_in(tab, &fields).await?;
    tab.follow("button.main").await?;
    let said = tab.text("#mac-help").await?;
    ensure!(said.contains("52:54:00:0b:05:zz"), "at the MAC address stands {said:?}");
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    ensure!(!nodes.iter().any(|node| node.name == ADDED), "a refused server was added");
    fill_in(tab, &[("mac", "52:54:00:0b:05:99"), ("bmc_password", "secret")]).await?;
    tab.follow("button.main").await?;
    tab.says_within(&format!("{ADDED} enrolled"), Duration::from_secs(60)).await
}

/// The added server is forgotten by `bmsctl`; the open list must tell.
async fn live_list(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/nodes")).await?;
    tab.until("document.getElementById('live').innerText === 'live'").await?;
    tab.value::<bool>("window.same = true").await?;
    tab.until(&format!("!!document.querySelector('[data-row={ADDED}]')")).await?;
    // Ironic may still be trying its BMC.
    wait_for(format!("{ADDED} to be forgotten"), DEPLOY_WAIT_MAX, async |_| {
        lab.admin.run(&format!("node delete {ADDED}")).await?;
        Ok(Some(()))
    })
    .await?;
    tab.until(&format!("!document.querySelector('[data-row={ADDED}]')")).await?;
    ensure!(tab.value::<bool>("window.same === true").await?, "the page was loaded anew");
    tab.look(Look::Light, 390).await?;
    let out = tab.overflow().await?;
    tab.look(Look::Light, 1280).await?;
    ensure!(out.is_empty(), "too wide for a telephone: {out}");
    Ok(())
}

async fn import(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    let before = lab.admin.run("-o json node list").await?;
    let file = lab.site.run().join("page.yaml");
    tab.go(&format!("{origin}/ui/import")).await?;
    tokio::fs::write(&file, import_file().replace("xe-0/0/1", "xe-0/0/0")).await?;
    tab.choose_file("#file", &file).await?;
    tab.follow("button[value=check]").await?;
    tab.says("switch port leaf1:xe-0/0/0 is also used in nodes[0]").await?;
    tokio::fs::write(&file, import_file()).await?;
    tab.choose_file("#file", &file).await?;
    tab.follow("button[value=check]").await?;
    tab.says("The file is valid").await?;
    tab.says(&format!("{} unchanged", SERVERS.len())).await?;
    let after = lab.admin.run("-o json node list").await?;
    let names = |text: &str| text.matches("\"name\": \"srv").count();
    ensure!(names(&before) == names(&after), "a check changed the nodes from {before} to {after}");
    // Something that is not as it was shown is shown anew.
    tab.value::<()>("{ text.value = text.value.replace('srv1', 'srv7'); null }").await?;
    tab.follow("button[value=import]").await?;
    tab.says("have changed since the preview").await?;
    ensure!(tab.text("#diff").await?.contains("srv7"), "the diff does not show the other name");
    tab.choose_file("#file", &file).await?;
    tab.follow("button[value=check]").await?;
    tab.follow("button[value=import]").await?;
    tab.says("Imported.").await?;
    let after = lab.admin.run("-o json node list").await?;
    ensure!(!after.contains("srv7") && names(&before) == names(&after), "{after}");
    Ok(())
}

async fn discoveries(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/discoveries")).await?;
    tab.says("No machine is waiting to be accepted").await?;
    tab.click("#scan > summary").await?;
    fill_in(tab, &[("ranges", "198.51.100.8/29"), ("redfish", "ftp:21")]).await?;
    tab.follow("#scan button.main").await?;
    let said = tab.text("#redfish-help").await?;
    ensure!(said.contains("not a place for Redfish"), "at Redfish stands {said:?}");
    fill_in(tab, &[("redfish", "http:8000")]).await?;
    tab.follow("#scan button.main").await?;
    tab.says("The scan has started").await?;
    // The page fills by itself while the agent scans.
    tab.says(&format!("Machine with a BMC at {}", STRANGER.bmc_address().ip())).await?;
    tab.says("already known").await?;
    tab.until("(document.querySelector('#pending b')?.textContent ?? '').startsWith('1')").await?;
    tab.says("done").await?;
    tab.follow("td.do a.button").await?;
    fill_in(tab, &[("name", STRANGER.name), ("bmc_username", "admin"), ("bmc_password", "<b>not&shown</b>")])
        .await?;
    tab.follow("button.main").await?;
    tab.says("its interfaces are not known").await?;
    ensure!(!tab.words().await?.contains("not&shown"), "the password is shown");
    for (button, said) in [("button[value=ignore]", "Ignored."), ("button[value=forget]", "Forgotten.")] {
        tab.go(&format!("{origin}/ui/discoveries?all=true")).await?;
        tab.click("td.do details > summary").await?;
        tab.follow(button).await?;
        tab.says(said).await?;
        tab.says("No machine is waiting to be accepted").await?;
    }
    let left: Vec<Discovery> = lab.admin.json("discovery list --all").await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

async fn pools(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/pools")).await?;
    tab.says("No pools yet").await?;
    let fields = [("name", "pages"), ("resource_class", "pages"), ("match", "cpus>=many")];
    fill_in(tab, &fields).await?;
    tab.follow("button.main").await?;
    let said = tab.text("#match-help").await?;
    ensure!(said.contains("needs a whole number"), "at the conditions stands {said:?}");
    fill_in(tab, &[("match", "cpus>=1\nrack=rack1")]).await?;
    tab.follow("form.sheet button.main").await?;
    tab.says("Servers in the wrong pool").await?;
    ensure!(tab.words().await?.contains(SERVERS[0].name), "the page does not say what the pool would move");
    tab.click("td.do details > summary").await?;
    tab.follow("td.do button.danger").await?;
    tab.says("Deleted.").await?;
    let pools: Vec<Pool> = lab.admin.json("pool list").await?;
    ensure!(pools.is_empty(), "{pools:?}");
    Ok(())
}

async fn glance_away(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let url = lab.site.openstack().glance;
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default().parse()?;
    let interrupted = cloud.interrupt("glance", address).await?;
    let seen = async {
        tab.go(&format!("{origin}/ui/catalogue")).await?;
        tab.says("The images cannot be shown now").await?;
        tab.says("Glance did not answer").await?;
        ensure!(tab.words().await?.contains(story::FLAVOR), "the rest of the page is gone");
        tab.go(&format!("{origin}/ui/new")).await?;
        tab.says("Until then no server can be created").await?;
        ensure!(
            tab.value::<bool>("document.querySelector('button.main').disabled").await?,
            "the form can be sent"
        );
        Ok(())
    }
    .await;
    cloud.resume(&interrupted).await?;
    seen?;
    tab.go(&format!("{origin}/ui/catalogue")).await?;
    ensure!(tab.words().await?.contains(story::IMAGE), "{}", tab.words().await?);
    Ok(())
}

async fn proofs(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    let name = physical(lab).await?;
    tab.go(&format!("{origin}/ui/nodes/{name}")).await?;
    let said = tab.text("#proofs").await?;
    let stored: Vec<Proof> = lab.admin.json(&format!("node show {name} --proof")).await?;
    let newest = stored.iter().find(|proof| proof.holds).context("no proof holds")?;
    ensure!(said.contains(&newest.wanted) && said.contains("before power-on"), "{said} lacks {newest:?}");
    // What loses a tenant's disk is asked for twice.
    tab.click("#more > summary").await?;
    tab.click("#ask-reclaim > summary").await?;
    tab.click("#act-reclaim").await?;
    ensure!(
        tab.value::<bool>("document.querySelector('#sure-reclaim:invalid') !== null").await?,
        "it was not asked"
    );
    ensure!(physical(lab).await? == name, "it was reclaimed");
    Ok(())
}

/// Gives the id of what was made.
async fn create(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<String> {
    tab.go(&format!("{origin}/ui/new?flavor={}", story::FLAVOR)).await?;
    fill_in(
        tab,
        &[("name", "<script>alert(1)</script>"), ("flavor", story::FLAVOR), ("image", story::IMAGE)],
    )
    .await?;
    tab.follow("button.main").await?;
    let said = tab.text("#name-help").await?;
    ensure!(said.contains("letters, digits"), "at the name stands {said:?}");
    ensure!(
        tab.value::<String>("document.getElementById('name').value").await?.starts_with("<script>"),
        "not escaped"
    );
    fill_in(tab, &[("name", NAME), ("address_1", "203.0.113.9")]).await?;
    tab.follow("button.main").await?;
    let said = tab.text("#address_1-help").await?;
    ensure!(said.contains("cannot be used"), "at the address stands {said:?}");
    fill_in(tab, &[("address_1", "")]).await?;
    tab.follow("button.main").await?;
    tab.says("The server is being created").await?;
    tab.value::<bool>("window.same = true").await?;
    let servers: Vec<Server> = lab.tenant.json("server list").await?;
    let made = servers.iter().find(|server| server.name == NAME).context("no server was made")?;
    tab.says(&made.address).await?;
    Ok(made.id.to_string())
}

async fn unseen(tab: &Tab, origin: &str, id: &str) -> anyhow::Result<()> {
    tab.go(&format!("{origin}/ui/servers")).await?;
    tab.says("No servers yet").await?;
    tab.go(&format!("{origin}/ui/servers/{id}")).await?;
    tab.says("There is no server").await?;
    ensure!(!tab.words().await?.contains(NAME), "another tenant sees the server");
    Ok(())
}

async fn refuse_delete(lab: &Lab, tab: &Tab, origin: &str) -> anyhow::Result<()> {
    let name = physical(lab).await?;
    tab.go(&format!("{origin}/ui/nodes/{name}")).await?;
    tab.click("#more > summary").await?;
    tab.follow("#act-delete").await?;
    tab.says("carries the tenant's server").await?;
    tab.says("it was not deleted").await
}

/// The node that carries a tenant's server.
async fn physical(lab: &Lab) -> anyhow::Result<String> {
    let nodes: Vec<Node> = lab.admin.json("node list").await?;
    let carries = nodes.into_iter().find(|node| node.instance.is_some());
    Ok(carries.context("no node carries the server")?.name)
}

async fn give_back(lab: &Lab, tab: &Tab) -> anyhow::Result<()> {
    let name = physical(lab).await?;
    tab.click("#more > summary").await?;
    tab.follow("#act-delete").await?;
    tab.says("The server is being given back").await?;
    tab.says_within("No servers yet", DEPLOY_WAIT_MAX).await?;
    wait_state(lab, &name, "available").await
}

async fn sign_out(tab: &Tab, origin: &str) -> anyhow::Result<()> {
    tab.follow("header button.link").await?;
    tab.says("You are signed out").await?;
    tab.go(&format!("{origin}/ui/servers")).await?;
    tab.says("Sign in with your OpenStack account").await
}
