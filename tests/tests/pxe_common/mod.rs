//! Edges: a network with the real boot service on it, for tests: an agent, a client and a bridge between them, each in
//! a namespace of its own. Taking the namespaces away takes everything away.

#![allow(dead_code)] // every test program uses its own part of it

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use protocol::{
    boot::{BootLoader, BootMode, BootPlan, BootPurpose, BootStage},
    mac::MacAddr,
    network::BootNetwork,
};
use pxe::{
    BootEvent, BootFiles, BootTicket, Booter, Plan, Reach, Refusal, Service, ServiceConfig, files::Content,
};
use tests::netns::Netns;
use tokio::sync::{mpsc, oneshot};

/// The agent's address.
pub const AGENT: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);

/// The address of the client's network card.
pub const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x11]);

/// The command line that a permitted server is given.
pub const COMMAND_LINE: &str = "console=ttyS0 bms.agent=198.18.1.1:22030 bms.token=0123";

/// Longest wait for one thing that must happen.
pub const WAIT: Duration = Duration::from_secs(20);

/// When the kernel was changed last, after 1970.
pub const KERNEL_AGE: Duration = Duration::from_secs(1_000_000_000);

/// Permits what the test puts into it.
#[derive(Default)]
pub struct Plans {
    tickets: Mutex<HashMap<MacAddr, BootTicket>>,
    refusals: Mutex<Vec<(MacAddr, Refusal)>>,
}

impl Plans {
    /// Permits a boot.
    pub fn permit(&self, mac: MacAddr, boot_id: u64, network: BootNetwork) {
        self.permit_for(BootPurpose::Inspect, mac, boot_id, network);
    }

    /// Permits a boot for something else than an inspection.
    pub fn permit_for(&self, purpose: BootPurpose, mac: MacAddr, boot_id: u64, network: BootNetwork) {
        let plan = BootPlan { purpose, network };
        let ticket = BootTicket {
            boot_id,
            command_line: COMMAND_LINE.to_owned(),
            boot_mode: BootMode::Bios,
            loader: BootLoader::Ipxe,
            plan,
            own: None,
        };
        self.tickets.lock().unwrap().insert(mac, ticket);
    }

    /// Permits this boot.
    pub fn give(&self, mac: MacAddr, ticket: BootTicket) {
        self.tickets.lock().unwrap().insert(mac, ticket);
    }

    /// Takes the permission back.
    pub fn forbid(&self, mac: MacAddr) {
        self.tickets.lock().unwrap().remove(&mac);
    }

    /// Who was refused until now.
    pub fn refusals(&self) -> Vec<(MacAddr, Refusal)> {
        self.refusals.lock().unwrap().clone()
    }
}

impl Booter for Plans {
    fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan {
        match self.tickets.lock().unwrap().get(&mac) {
            Some(ticket) if ticket.plan.network == network => Plan::Here(ticket.clone()),
            Some(ticket) => Plan::Elsewhere(ticket.plan.network),
            None => Plan::Nowhere,
        }
    }

    fn refused(&self, mac: MacAddr, _network: BootNetwork, reason: Refusal) {
        self.refusals.lock().unwrap().push((mac, reason));
    }
}

/// The network.
pub struct World {
    /// Where the service runs, on `prov0`.
    pub agent: Netns,
    /// Where clients run, on `eth0`.
    pub client: Netns,
    /// Where the bridge `br0` is.
    pub rack: Netns,
    /// Who may boot.
    pub plans: Arc<Plans>,
    /// What was seen.
    pub events: mpsc::Receiver<BootEvent>,
    /// A directory for files, taken away at the end.
    pub dir: tempfile::TempDir,
    /// The way from the service to the client; to be gone in the agent's namespace.
    pub reach: Option<Reach>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Content that shows where it was cut or mixed up.
pub fn content(len: usize) -> Bytes {
    let mut state = 1_u32;
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 24) as u8
    };
    (0..len).map(|_| next(&mut state)).collect()
}

/// Files that are only fetched, never run.
pub fn plain_files() -> BootFiles {
    BootFiles {
        kernel: Content::held(&content(3_000_000), Some(SystemTime::UNIX_EPOCH + KERNEL_AGE)),
        initrd: content(1_000_001).into(),
        rescue_initrd: content(1_500_001).into(),
        snponly: content(220_000),
        undionly: content(1468 * 50),
        parts: None,
        virtual_servers: None,
        signed: None,
    }
}

impl World {
    /// Builds the network and starts the service; `name` is different in every test.
    pub async fn start(name: &str, files: BootFiles) -> anyhow::Result<Self> {
        Self::start_with(name, config(files)).await
    }

    /// The same, set up otherwise.
    pub async fn start_with(name: &str, config: ServiceConfig) -> anyhow::Result<Self> {
        let id = format!("pxe{}{name}", std::process::id());
        let agent = Netns::create(&format!("{id}a")).await?;
        let client = Netns::create(&format!("{id}c")).await?;
        let rack = Netns::create(&format!("{id}r")).await?;
        rack.ip_batch(&format!(
            "link add br0 type bridge\n\
             link set br0 up\n\
             link add to_agent type veth peer name prov0 netns {0}\n\
             link add to_client type veth peer name eth0 address {CLIENT} netns {1}\n\
             link set to_agent master br0 up\n\
             link set to_client master br0 up\n",
            agent.0, client.0
        ))
        .await?;
        agent.ip_batch(&format!("address add {AGENT}/24 dev prov0\nlink set prov0 up\n")).await?;
        if let Some(ipv6) = &config.ipv6 {
            let (own, len) = (ipv6.address, ipv6.prefix_len);
            agent.ip_batch(&format!("address add {own}/{len} dev prov0 nodad\n")).await?;
        }
        client.ip(&["link", "set", "eth0", "up"]).await?;

        let plans = Arc::new(Plans::default());
        let (_, events) = mpsc::channel(1);
        let dir = tempfile::tempdir()?;
        let mut world =
            Self { agent, client, rack, plans, events, dir, reach: None, stop: None, thread: None };
        world.serve(config).await?;
        Ok(world)
    }

    /// Stops the service and starts it again, as a restart of the agent does.
    pub async fn serve(&mut self, config: ServiceConfig) -> anyhow::Result<()> {
        self.end();
        let (sender, events) = mpsc::channel(64);
        let (stop, stopped) = oneshot::channel();
        let (started, result) = oneshot::channel();
        let (ns, booter) = (self.agent.clone(), Arc::clone(&self.plans));
        // Sockets belong to the namespace of the thread that opens them, so the service has a thread of its own.
        let thread = std::thread::spawn(move || {
            let serve = async {
                match Service::start(config, booter, sender) {
                    Ok(service) => {
                        let _ = started.send(Ok(service.reach()));
                        let _ = stopped.await;
                        service.stop().await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            };
            ns.enter_thread().expect("the namespace was made above");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime needs nothing special").block_on(serve);
        });
        (self.events, self.stop, self.thread) = (events, Some(stop), Some(thread));
        self.reach = Some(result.await.context("the service's thread ended")??);
        Ok(())
    }

    /// Ends the service.
    pub fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Runs a program as the client, with a limit, and gives what it wrote.
    pub fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<Output> {
        Command::new("timeout")
            .args(["20", "ip", "netns", "exec", &self.client.0, program])
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("starting {program}"))
    }

    /// Asks for an address with a client that nobody here wrote, and takes it. `None`: there was no answer.
    pub fn dhcp(&self, args: &[&str]) -> anyhow::Result<Option<HashMap<String, String>>> {
        let script = self.dir.path().join("udhcpc.sh");
        let lease = self.dir.path().join("lease");
        let _ = std::fs::remove_file(&lease);
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nenv > {}\nip address flush dev $interface\n\
             ip address add $ip/$mask dev $interface\n",
            lease.display()
        );
        std::fs::write(&script, text)?;
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let script = script.display().to_string();
        let mut all = vec!["udhcpc", "-f", "-q", "-n", "-t", "2", "-T", "1", "-i", "eth0", "-s", &script];
        all.extend(args);
        let output = self.run("busybox", &all)?;
        match std::fs::read_to_string(&lease) {
            Ok(text) => {
                let pairs = text.lines().filter_map(|line| line.split_once('='));
                Ok(Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
            }
            Err(_) if String::from_utf8_lossy(&output.stderr).contains("no lease") => Ok(None),
            Err(error) => bail!("{error}: udhcpc said {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// The next stage that is reported.
    pub async fn next_event(&mut self) -> anyhow::Result<BootEvent> {
        let event = tokio::time::timeout(WAIT, self.events.recv()).await;
        event.context("no further boot stage was reported")?.context("the service is gone")
    }

    /// Waits for a stage and gives all that came until then, it included.
    pub async fn stages_until(&mut self, last: BootStage, wait: Duration) -> anyhow::Result<Vec<BootStage>> {
        let start = Instant::now();
        let deadline = start + wait;
        let mut seen = Vec::new();
        while seen.last() != Some(&last) {
            let event = tokio::time::timeout_at(deadline.into(), self.events.recv()).await;
            let event = event.with_context(|| format!("{last:?} did not come, only {seen:?}"))?;
            let progress = event.context("the service is gone")?.progress;
            eprintln!("{:8.3} s  {:?}: {}", start.elapsed().as_secs_f64(), progress.stage, progress.detail);
            seen.push(progress.stage);
        }
        Ok(seen)
    }

    /// A file in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// How the service is set up.
pub fn config(files: BootFiles) -> ServiceConfig {
    ServiceConfig {
        network: BootNetwork::Provisioning,
        name: "provisioning",
        interface: "prov0".to_owned(),
        address: AGENT,
        prefix_len: 24,
        range: (Ipv4Addr::new(198, 18, 1, 10), Ipv4Addr::new(198, 18, 1, 99)),
        relays: Vec::new(),
        ipv6: None,
        leases: None,
        files,
        http_port: 80,
        alone: None,
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
        for ns in [&self.client, &self.rack, &self.agent] {
            let _ = Command::new("ip").args(["netns", "del", &ns.0]).status();
        }
    }
}
