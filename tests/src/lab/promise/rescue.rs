//! Edges: the promise of a rescue: a tenant logs in to its server without its system, repairs its disk, and boots it again.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use api_types::{Event, Server};
use openstack::{Caller, nova::Nova};
use protocol::{boot::BootDevice, secret::Secret};
use uuid::Uuid;

use super::super::{
    Lab, frames, listen, secrets,
    site::ServerPlan,
    step::{Steps, wait_for},
    story::{
        FLAVOR, IMAGE, NETWORK, catalogue, fetch_page, now_us, physical, pull_plug, wait_isolated, wait_state,
    },
};
use crate::{
    contrail::VirtualMachine,
    openstack::{OpenStack, Who},
    qemu::Machine,
};

/// The tenant's server.
const NAME: &str = "hurt1";
/// The password of the second rescue, which Nova's own API begins.
const GIVEN: &str = "given-by-the-tenant";
/// What the tenant leaves on its disk.
const MARK: &str = "the tenant was here";
/// How long after Ironic's word the SSH server may take: the address is asked for every 4 s.
const LOGIN_WAIT_MAX: Duration = Duration::from_secs(40);
/// How long a state may take to be shown.
const SHOWN_WAIT_MAX: Duration = Duration::from_secs(180);
/// Mounts the file system of the tenant's image, which the rescue system does not touch by itself.
const MOUNT: &str = "mount -t vfat /dev/$(grep -l PARTNAME=esp /sys/class/block/*/uevent | cut -d/ -f5) /mnt && ls /mnt/tenant";

/// Plays it.
pub async fn play(lab: &Lab, steps: &mut Steps) -> anyhow::Result<()> {
    let network = catalogue(lab).await?;
    let vm =
        VirtualMachine::attach(&lab.contrail_url(), &lab.site.rack().fabric, network.id, &lab.vm_namespace())
            .await?;
    let told = tenancy(lab, steps, &vm, network.id).await;
    vm.detach().await?;
    told
}

async fn tenancy(lab: &Lab, steps: &mut Steps, vm: &VirtualMachine, network: Uuid) -> anyhow::Result<()> {
    let line = format!("server create {NAME} --flavor {FLAVOR} --image {IMAGE} --network {NETWORK}");
    let asked: Server = lab.tenant.json(&line).await?;
    let words = lab.tenant.refused(&format!("server rescue {NAME}")).await?;
    ensure!(words.contains("is building and not deployed"), "{words}");
    let server = steps.step("deploy a server", shows(lab, asked.id, "active")).await?;
    steps.step("fetch its page", fetch_page(vm, &server, 1)).await?;
    let plan = physical(lab, &server).await?;
    steps.step("refuse what makes no sense", refusals(lab, &server)).await?;

    let rescued: Server = steps
        .step("rescue it", async { lab.tenant.json(&format!("server rescue {NAME} --wait")).await })
        .await?;
    let password = rescued.rescue_password.clone().context("no password was told")?;
    ensure!(rescued.status.as_str() == "rescue" && rescued.address == server.address, "{rescued:?}");
    ensure!(rescued.state_since > server.state_since, "in rescue for as long as in use: {rescued:?}");
    let shell = Shell::at(lab, vm, &server).await?;
    let said = steps
        .step("log in by SSH at its own address, mount its disk, leave a mark", async {
            let command = format!("{MOUNT} && echo {MARK} > /mnt/mark.txt && umount /mnt && id -u");
            wait_for("somebody to log in", LOGIN_WAIT_MAX, async |seen| {
                let (done, said) = shell.run("rescue", password.reveal(), &command).await?;
                seen.clone_from(&said);
                Ok(done.then_some(said))
            })
            .await
        })
        .await?;
    ensure!(said.contains("kernel") && said.trim().ends_with('0'), "it did not see the disk: {said}");
    steps.step("let nobody else in", strangers(&shell, password.reveal())).await?;
    steps.step("see that it changed networks at the hand-over and not before", quiet(lab, plan)).await?;
    let now: Server = lab.tenant.json(&format!("server show {NAME}")).await?;
    ensure!(now.rescue_password.is_none() && now.next.contains("server unrescue"), "{now:?}");
    for line in ["start", "reboot", "reboot --hard"] {
        let words = lab.tenant.refused(&format!("server {line} {NAME}")).await?;
        ensure!(
            words.contains("does not survive a power-off") && words.contains("server unrescue"),
            "{line}: {words}"
        );
    }

    let off_us = pull_plug(lab, plan)?;
    let isolated = steps.step("pull its plug", wait_isolated(lab, plan, network, off_us)).await?;
    steps.measured("from the plug to isolated", isolated);
    ensure!(isolated < Duration::from_secs(5), "isolated only after {isolated:?}");
    steps.step("see it off", shows(lab, server.id, "off")).await?;
    let words = lab.tenant.refused(&format!("server start {NAME}")).await?;
    ensure!(words.contains("does not survive a power-off") && words.contains("server unrescue"), "{words}");
    let words = lab.admin.refused(&format!("node power on {}", plan.name)).await?;
    ensure!(words.contains("does not survive a power-off"), "the gate lets it on: {words}");
    steps.step("boot its own disk again", lab.tenant.run(&format!("server unrescue {NAME} --wait"))).await?;
    steps.step("fetch its page, from the same disk", fetch_page(vm, &server, 2)).await?;

    steps.step("rescue it once more, by Nova's own API", by_nova(lab, &server)).await?;
    let said = steps
        .step("log in with the password that Nova was given, and find the mark", async {
            wait_for("the mark", LOGIN_WAIT_MAX, async |seen| {
                let (done, said) =
                    shell.run("rescue", GIVEN, &format!("{MOUNT} && cat /mnt/mark.txt")).await?;
                seen.clone_from(&said);
                Ok(done.then_some(said))
            })
            .await
        })
        .await?;
    ensure!(said.contains(MARK), "{said}");
    let (old, _) = shell.run("rescue", password.reveal(), "id").await?;
    ensure!(!old, "the first rescue's password opens the second");
    steps
        .step("find neither password anywhere", async {
            let (run, words) = (lab.clone(), [password.reveal().to_owned(), GIVEN.to_owned()]);
            tokio::task::spawn_blocking(move || {
                words.iter().try_for_each(|word| secrets::nowhere(&run, word))
            })
            .await?
        })
        .await?;
    steps
        .step("give it back in the middle of the rescue", async {
            lab.tenant.run(&format!("server delete {NAME} --wait")).await?;
            wait_state(lab, plan.name, "available").await
        })
        .await
}

/// Waits for a status at rest.
async fn shows(lab: &Lab, id: Uuid, status: &str) -> anyhow::Result<Server> {
    wait_for(format!("{NAME} to be {status}"), SHOWN_WAIT_MAX, async |seen| {
        let now: Server = lab.tenant.json(&format!("server show {id}")).await?;
        *seen = format!("{} {:?} {:?}", now.status, now.reason, now.waiting_for);
        Ok((now.status.as_str() == status).then_some(now))
    })
    .await
}

async fn refusals(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    for verb in ["rescue", "unrescue"] {
        let words = lab.other.refused(&format!("server {verb} {}", server.id)).await?;
        ensure!(words.contains("there is no server"), "{verb} by another tenant: {words}");
    }
    let short = lab.site.run().join("short-password");
    tokio::fs::write(&short, "short\n").await?;
    let words =
        lab.tenant.refused(&format!("server rescue {NAME} --password-file {}", short.display())).await?;
    ensure!(words.contains("must have 8 to 128"), "{words}");
    let words = lab.tenant.refused(&format!("server rescue {NAME} --password-file -")).await?;
    ensure!(words.contains("must have 8 to 128"), "an empty standard input: {words}");
    let words = lab.tenant.refused(&format!("server unrescue {NAME}")).await?;
    ensure!(words.contains("only a server in rescue"), "{words}");
    let now: Server = lab.tenant.json(&format!("server show {}", server.id)).await?;
    ensure!(now.status.as_str() == "active", "something refused changed it: {now:?}");
    Ok(())
}

/// OpenSSH on the tenant's virtual machine.
struct Shell<'a> {
    vm: &'a VirtualMachine,
    address: String,
    askpass: PathBuf,
}

impl<'a> Shell<'a> {
    async fn at(lab: &Lab, vm: &'a VirtualMachine, server: &Server) -> anyhow::Result<Self> {
        let askpass = lab.site.run().join("askpass");
        tokio::fs::write(&askpass, "#!/bin/sh\nprintf '%s\\n' \"$RESCUE_PASSWORD\"\n").await?;
        tokio::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755)).await?;
        Ok(Self { vm, address: server.address.clone(), askpass })
    }

    /// Whether the command was run to a good end, and what was said. The password is in no argument.
    async fn run(&self, user: &str, password: &str, command: &str) -> anyhow::Result<(bool, String)> {
        let mut ssh = self.vm.ns.command("ssh");
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args([
                "-o",
                "PubkeyAuthentication=no",
                "-o",
                "NumberOfPasswordPrompts=1",
                "-o",
                "LogLevel=ERROR",
            ])
            .args(["-o", "ConnectTimeout=10", &format!("{user}@{}", self.address), command])
            .env("SSH_ASKPASS", &self.askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("RESCUE_PASSWORD", password)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let output = ssh.output().await.context("starting ssh (package openssh-client)")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }
}

async fn strangers(shell: &Shell<'_>, password: &str) -> anyhow::Result<()> {
    for (user, password) in [("rescue", "not-the-password"), ("root", password), ("root", "")] {
        let (done, said) = shell.run(user, password, "id").await?;
        ensure!(!done && said.contains("Permission denied"), "{user} was let in, or not asked: {said}");
    }
    Ok(())
}

/// From the boot of the ramdisk on, the listeners heard it on our network until it let go, and on the tenant's only after.
async fn quiet(lab: &Lab, plan: &ServerPlan) -> anyhow::Result<()> {
    let history: Vec<Event> = lab.admin.json(&format!("node history {} --limit 200", plan.name)).await?;
    let let_go =
        history.iter().filter(|event| event.text.contains("handed itself over")).map(|event| &event.at);
    let let_go: jiff::Timestamp = let_go.max().context("the history has no hand-over")?.parse()?;
    let let_go_us = u64::try_from(let_go.as_microsecond())?;
    let events = Machine::events(&lab.site.server(plan.name));
    let boot = events.iter().rev().find(|event| event.boot == Some(BootDevice::Pxe));
    let boot_us = boot.context("it never booted from the network")?.at_us;
    ensure!(boot_us < let_go_us && let_go_us < now_us()?, "booted at {boot_us}, let go at {let_go_us}");
    let seen = listen::read(&lab.site.frames());
    let strays = frames::rescue_strays(plan.name, plan.mac(), boot_us, let_go_us, &seen);
    ensure!(strays.is_empty(), "{} frames where they must not be:\n{}", strays.len(), strays.join("\n"));
    let since: Vec<_> = seen.into_iter().filter(|frame| frame.at_us >= boot_us).collect();
    let (ours, tenants) = frames::counts(plan.mac(), &since);
    ensure!(ours > 0 && tenants > 0, "the listeners heard {ours} and {tenants} frames: they prove nothing");
    Ok(())
}

/// As a tenant would without us: Nova's own action, with a password of the tenant's.
async fn by_nova(lab: &Lab, server: &Server) -> anyhow::Result<()> {
    let cloud = OpenStack::attach(&lab.site.run().join("openstack"))?;
    let nova = Nova::new(cloud.session(Who::Demo)?);
    let instance = server.instance.context("Nova has no server of it")?;
    nova.rescue_server(Caller::Service, instance, &Secret::new(GIVEN)).await?;
    shows(lab, server.id, "rescue").await.map(drop)
}
