//! Edges: who may boot on the discovery network: machines that nobody knows, while the window is open. It asks the boot
//! table only to know whom *not* to answer; no server's boot permit is good here.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use protocol::{
    boot::{BootMode, BootPlan, BootPurpose},
    id::ServerId,
    mac::MacAddr,
    network::BootNetwork,
    ramdisk::BootArguments,
    secret::Secret,
};
use pxe::{BootTicket, Booter, Plan, Refusal};
use uuid::Uuid;

use super::window::{Ended, Silence, Window};
use crate::{
    boot::{BootTable, permits::KERNEL_WORDS},
    ramdisk::{Control, Live},
};

/// Switches speak every 30 s; one that has not spoken by then does not speak LLDP.
const LLDP_SECONDS: u16 = 35;

/// The name under which discovery's own sockets and tokens know their one network. They share nothing with those of the
/// network that really has this name: see decision 0013.
pub(super) const LABEL: BootNetwork = BootNetwork::Provisioning;

/// What every discovery boot is for.
pub(super) fn plan() -> BootPlan {
    BootPlan { purpose: BootPurpose::Inspect, network: LABEL }
}

/// Answers boots on the discovery network.
pub(super) struct DiscoveryBooter {
    boot_table: Arc<BootTable>,
    ramdisks: Control,
    address: SocketAddr,
    live: Arc<Live>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    window: Window,
    tickets: HashMap<ServerId, (u64, Secret)>,
}

impl DiscoveryBooter {
    pub(super) fn new(boot_table: Arc<BootTable>, ramdisks: Control, address: SocketAddr) -> Self {
        let live = ramdisks.live();
        Self { boot_table, ramdisks, address, live, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the window; an earlier one has ended.
    pub(super) fn open(&self, order: Uuid, time: Duration, never: Vec<MacAddr>) -> Option<Ended> {
        let ended = self.lock().window.open(order, Instant::now() + time, never);
        self.revoke(ended.as_ref());
        ended
    }

    /// Closes it: whoever is booting is refused from now on, and switches itself off.
    pub(super) fn close(&self) -> Option<Ended> {
        let ended = self.lock().window.close();
        self.revoke(ended.as_ref());
        ended
    }

    fn revoke(&self, ended: Option<&Ended>) {
        for machine in ended.iter().flat_map(|ended| &ended.machines) {
            self.lock().tickets.remove(machine);
            self.ramdisks.revoke(*machine);
        }
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.lock().window.until()
    }

    /// A machine's ramdisk spoke. Says by which order it is there.
    pub(super) fn found(&self, id: ServerId, macs: Vec<MacAddr>) -> Option<Uuid> {
        self.lock().window.found(id, macs)
    }

    fn ask(&self, mac: MacAddr) -> Result<(u64, Secret), Silence> {
        if self.boot_table.knows(mac) {
            return Err(Silence::Enrolled);
        }
        let mut inner = self.lock();
        let id = inner.window.ask(mac, Instant::now(), ServerId::random())?;
        // At most once for each machine of a window: this one writes the tokens' digests to the disk.
        let issue = || (rand::random(), self.ramdisks.issue(id, plan()));
        Ok(inner.tickets.entry(id).or_insert_with(issue).clone())
    }
}

impl Booter for DiscoveryBooter {
    fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan {
        let Some((boot_id, token)) = self.ask(mac).ok().filter(|_| network == LABEL) else {
            return Plan::Nowhere;
        };
        let arguments = BootArguments {
            agent: self.address,
            fingerprint: self.ramdisks.fingerprint().to_owned(),
            token,
            mac: Some(mac),
            address: None,
            lldp_seconds: Some(LLDP_SECONDS),
            parts_port: None,
        };
        Plan::Here(BootTicket {
            boot_id,
            command_line: format!("{KERNEL_WORDS} {arguments}"),
            // Nobody knows yet; either is served.
            boot_mode: BootMode::Bios,
            loader: self.boot_table.loaders().choose(None, None),
            plan: plan(),
            own: None,
        })
    }

    fn ramdisk_at(&self, address: Ipv4Addr, network: BootNetwork) -> Option<Vec<MacAddr>> {
        let machine = self.live.at(network, address)?;
        Some(self.lock().window.macs(machine))
    }

    fn refused(&self, mac: MacAddr, _: BootNetwork, reason: Refusal) {
        let why = self.ask(mac).err();
        tracing::info!(%mac, ?why, %reason, "not answered on the discovery network");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::spec::{BmcEndpoint, BmcProtocol, ServerSpec};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        boot::RamdiskEntry,
        image::{Cache, ImageStream, Upstream, UpstreamError},
        ramdisk::{ControlConfig, Listener},
    };

    struct NoImages;

    #[async_trait::async_trait]
    impl Upstream for NoImages {
        async fn fetch(&self, _: &str, _: u64) -> Result<ImageStream, UpstreamError> {
            Ok(Box::pin(futures::stream::empty()))
        }
    }

    const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OTHER_RACKS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const STRANGER: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);

    #[tokio::test]
    async fn a_servers_interface_is_never_answered_whatever_it_is_permitted() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("images"), 1 << 20, Arc::new(NoImages)).unwrap();
        let config = ControlConfig {
            listeners: vec![Listener {
                network: LABEL,
                interface: "lo".into(),
                address: "127.0.0.1:0".parse().unwrap(),
                prefix_len: 8,
            }],
            state_dir: dir.path().to_owned(),
            boots: Vec::new(),
            resume_wait: Duration::from_secs(1),
            step_silence: crate::ramdisk::STEP_SILENCE_MAX,
        };
        let ramdisks = Control::start(config, Arc::new(cache), mpsc::channel(8).0).unwrap();
        let entry = RamdiskEntry {
            addresses: HashMap::new(),
            fingerprint: "ab".repeat(32),
            parts_port: None,
            loaders: Default::default(),
        };
        let issue = |_, _| Secret::new("cd".repeat(32));
        let boots = dir.path().join("boots.json");
        let table = Arc::new(BootTable::open(&boots, entry, mpsc::channel(8).0, issue).unwrap());
        let bmc = BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            address: "192.0.2.1".into(),
            port: 623,
            username: String::new(),
            password: Secret::new(""),
            settings: Default::default(),
        };
        let server = ServerSpec {
            id: ServerId::random(),
            name: "n".into(),
            bmc,
            macs: vec![SERVER],
            other_macs: vec![],
            boot_mode: BootMode::Bios,
            boot_loader: None,
            secure_boot: None,
            expected: Default::default(),
            next_password: None,
            tenancy: None,
        };
        table.know(&server);
        // Even a server that may boot on the network of this name gets nothing here.
        table.permit(server.id, plan(), Secret::new("ef".repeat(32)));
        let booter = DiscoveryBooter::new(table, ramdisks.clone(), "198.18.3.1:8444".parse().unwrap());
        let check = |expected: [bool; 3], when: &str| {
            let answered = [SERVER, OTHER_RACKS, STRANGER].map(|mac| booter.plan(mac, LABEL).is_here());
            assert_eq!(answered, expected, "{when}");
        };
        check([false; 3], "closed");
        booter.open(Uuid::nil(), Duration::from_secs(60), vec![OTHER_RACKS]);
        check([false, false, true], "open");
        let ticket = booter.plan(STRANGER, LABEL).ticket().unwrap();
        assert_eq!(booter.plan(STRANGER, LABEL), Plan::Here(ticket.clone()), "one boot, one token");
        let arguments = BootArguments::parse(&ticket.command_line).unwrap();
        assert_eq!(
            (arguments.agent.to_string().as_str(), arguments.lldp_seconds),
            ("198.18.3.1:8444", Some(35))
        );
        assert_eq!(booter.plan(STRANGER, BootNetwork::Cleaning), Plan::Nowhere, "another network");
        // Where a machine's ramdisk runs, nobody else is.
        let (address, machine) = (
            Ipv4Addr::new(198, 18, 3, 50),
            booter.lock().window.ask(STRANGER, Instant::now(), ServerId::random()).unwrap(),
        );
        ramdisks.live().replace([(LABEL, address, machine)].into_iter());
        assert_eq!(booter.ramdisk_at(address, LABEL), Some(vec![STRANGER]));
        assert_eq!(booter.ramdisk_at(Ipv4Addr::new(198, 18, 3, 51), LABEL), None);
        assert!(booter.close().is_some());
        ramdisks.live().replace([(LABEL, address, machine)].into_iter());
        assert_eq!(booter.ramdisk_at(address, LABEL), Some(vec![]), "whose it is was forgotten");
        check([false; 3], "closed again");
        ramdisks.stop().await;
    }
}
