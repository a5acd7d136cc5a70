//! Edges: the boot table: it answers the packet path by its permits, and keeps them on disk, so that a boot goes on after a restart
//! of the agent.
//!
//! What must stay true: a server is in here from the start of its power-on until its power is off or its ramdisk has handed
//! itself over, never else; the file holds no token.

pub mod loader;
pub(crate) mod permits;

use std::{
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use host::whole_file;
use protocol::{
    boot::BootPlan, id::ServerId, mac::MacAddr, network::BootNetwork, secret::Secret, spec::ServerSpec,
};
use pxe::{Booter, Plan, Refusal};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use self::permits::{Interfaces, Kept, Permit, Permits};
pub use self::{
    loader::{LoaderRule, Loaders},
    permits::{Booting, RamdiskEntry},
};
use crate::{metrics, rack::Input, ramdisk::Live};

/// The boot table.
#[derive(Debug)]
pub struct BootTable {
    entry: RamdiskEntry,
    path: PathBuf,
    refusals: mpsc::Sender<Input>,
    permits: Mutex<Permits>,
    live: Arc<Live>,
    /// Counts the boots that were permitted, and those that are over.
    changes: watch::Sender<u64>,
}

/// The boot table's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the boot table {path}; check the state directory, or remove the file: boots under way are then lost"
)]
pub struct BootTableError {
    /// Which file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl BootTable {
    /// The boots that were under way when the agent ended.
    pub fn under_way(path: &Path) -> Result<Vec<(ServerId, BootPlan)>, BootTableError> {
        Ok(read(path)?.into_iter().map(|kept| (kept.server, kept.plan)).collect())
    }

    /// Opens the table; the boots that were under way get tokens from `issue`. Refused boots are told to `refusals`.
    pub fn open(
        path: &Path,
        entry: RamdiskEntry,
        refusals: mpsc::Sender<Input>,
        issue: impl Fn(ServerId, BootPlan) -> Secret,
    ) -> Result<Self, BootTableError> {
        let kept = read(path)?;
        let mut permits = Permits::default();
        for Kept { server, plan, interfaces } in kept {
            let token = issue(server, plan.clone());
            permits.permit(server, Permit::new(plan, token));
            permits.know(server, interfaces);
        }
        Ok(Self {
            entry,
            path: path.to_owned(),
            refusals,
            permits: Mutex::new(permits),
            live: Arc::default(),
            changes: watch::Sender::default(),
        })
    }

    /// The same, told where ramdisks run.
    pub fn knowing(self, live: Arc<Live>) -> Self {
        Self { live, ..self }
    }

    /// Which loaders there are.
    pub fn loaders(&self) -> Loaders {
        self.entry.loaders
    }

    /// A new or changed server.
    pub fn know(&self, spec: &ServerSpec) {
        self.lock().know(spec.id, Interfaces::of(spec));
    }

    /// A server that is nobody's business any more.
    pub fn forget(&self, server: ServerId) {
        let mut permits = self.lock();
        if permits.forget(server) {
            self.keep(&permits);
            self.changed();
        }
    }

    /// Whether this is an interface of a server that we look after.
    pub fn knows(&self, mac: MacAddr) -> bool {
        self.lock().knows(mac)
    }

    /// From now on this server may boot so.
    pub fn permit(&self, server: ServerId, plan: BootPlan, token: Secret) {
        let mut permits = self.lock();
        permits.permit(server, Permit::new(plan, token));
        self.keep(&permits);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The boot that a server is permitted now.
    pub fn booting(&self, server: ServerId) -> Option<Booting> {
        self.lock().booting(server)
    }

    /// Waits until this boot of a server is over.
    pub async fn until_over(&self, server: ServerId, boot_id: u64) {
        let mut changes = self.changes.subscribe();
        while self.booting(server).is_some_and(|booting| booting.boot_id == boot_id) {
            // It is ours, so it ends with us alone.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// No more.
    pub fn forbid(&self, server: ServerId) {
        let mut permits = self.lock();
        if permits.forbid(server) {
            self.keep(&permits);
            self.changed();
        }
    }

    /// Without the file a restart loses the boots under way, and nothing else; that is no reason to refuse them.
    fn keep(&self, permits: &Permits) {
        let written = serde_json::to_vec(&permits.kept())
            .map_err(io::Error::from)
            .and_then(|bytes| whole_file::write(&self.path, &bytes));
        if let Err(error) = written {
            tracing::error!(path = %self.path.display(), %error, "the boot table could not be kept on disk");
        }
    }

    /// An interface that boots nothing has asked: it is told if it is one of a server whose boot is permitted.
    fn asked_by_another(&self, mac: MacAddr, machine: Option<Uuid>, network: BootNetwork) {
        let asks = self.lock().asks_by_another(mac, machine);
        if let Some(server) = asks {
            tracing::warn!(%server, %mac, network = network.as_str(), "server asks for its boot by an interface that does not boot");
            self.tell(mac, Input::OtherInterface { server, mac, network });
        }
    }

    fn tell(&self, mac: MacAddr, input: Input) {
        if self.refusals.try_send(input).is_err() {
            tracing::warn!(%mac, "too much is going on to report a refused boot");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Permits> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Vec<Kept>, BootTableError> {
    let fail = |source| BootTableError { path: path.to_owned(), source };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
    }
}

impl Booter for BootTable {
    fn plan(&self, mac: MacAddr, network: BootNetwork) -> Plan {
        self.lock().plan(mac, network, &self.entry)
    }

    fn ramdisk_at(&self, address: Ipv4Addr, network: BootNetwork) -> Option<Vec<MacAddr>> {
        self.lock().macs(self.live.at(network, address)?)
    }

    fn refused(&self, mac: MacAddr, network: BootNetwork, reason: Refusal) {
        metrics::boot_refused(network.as_str());
        // Of interfaces of nobody here there may be any number; pxe writes of them as often as is good for a log.
        if !self.knows(mac) {
            if let Refusal::NoPlan { machine } = reason {
                self.asked_by_another(mac, machine, network);
            }
            return;
        }
        let planned = match &reason {
            Refusal::WrongNetwork { planned } => Some(*planned),
            Refusal::NoPlan { .. }
            | Refusal::NoAddress { .. }
            | Refusal::AddressesInUse { .. }
            | Refusal::UnsupportedFirmware { .. }
            | Refusal::SignedByHttp
            | Refusal::OtherServer { .. }
            | Refusal::NotItsAddress { .. }
            | Refusal::CommandLine { .. } => None,
        };
        self.tell(mac, Input::BootRefused { mac, network, planned, reason: reason.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::{
        boot::{BootLoader, BootMode, BootPurpose},
        ramdisk::BootArguments,
        spec::{BmcEndpoint, BmcProtocol},
    };

    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const PROV: BootNetwork = BootNetwork::Provisioning;
    const CLEAN: BootNetwork = BootNetwork::Cleaning;

    fn spec() -> ServerSpec {
        let bmc = BmcEndpoint {
            protocol: BmcProtocol::Ipmi { cipher_suite: None },
            address: "192.0.2.1".into(),
            port: 623,
            username: String::new(),
            password: Secret::new(""),
            settings: Default::default(),
        };
        ServerSpec {
            id: ServerId::random(),
            name: "n".into(),
            bmc,
            macs: vec![MAC],
            other_macs: vec![],
            boot_mode: BootMode::Uefi,
            boot_loader: None,
            secure_boot: None,
            expected: Default::default(),
            next_password: None,
            tenancy: None,
        }
    }

    fn open(path: &Path) -> BootTable {
        let addresses = HashMap::from([
            (PROV, "198.18.1.1:8444".parse().unwrap()),
            (CLEAN, "198.18.2.1:8444".parse().unwrap()),
        ]);
        let entry = RamdiskEntry {
            addresses,
            fingerprint: "ab".repeat(32),
            parts_port: Some(8080),
            loaders: Loaders { has_shim: true, ..Loaders::default() },
        };
        BootTable::open(path, entry, mpsc::channel(1).0, |_, _| Secret::new("cd".repeat(32))).unwrap()
    }

    #[test]
    fn a_ticket_is_for_one_interface_on_one_network_until_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(&dir.path().join("boots.json"));
        let spec = spec();
        let check = |mac, network, expected: Result<(), Refusal>| {
            assert_eq!(table.plan(mac, network).ticket().map(drop), expected, "{mac} {network:?}");
        };
        table.know(&spec);
        check(MAC, PROV, Err(Refusal::NoPlan { machine: None }));
        let plan = BootPlan { purpose: BootPurpose::Deploy, network: PROV };
        table.permit(spec.id, plan, Secret::new("cd".repeat(32)));
        check(MAC, PROV, Ok(()));
        check(MAC, CLEAN, Err(Refusal::WrongNetwork { planned: PROV }));
        check(MacAddr([2, 0, 0, 0, 0, 2]), PROV, Err(Refusal::NoPlan { machine: None }));
        let ticket = table.plan(MAC, PROV).ticket().unwrap();
        assert_eq!(ticket.loader, BootLoader::Shim, "of its Secure Boot nothing is known");
        let arguments = BootArguments::parse(&ticket.command_line).unwrap();
        assert_eq!(arguments.agent.to_string(), "198.18.1.1:8444");
        assert_eq!((arguments.mac, arguments.parts_port), (Some(MAC), Some(8080)));
        table.know(&ServerSpec { secure_boot: Some(false), ..spec.clone() });
        assert_eq!(table.plan(MAC, PROV).ticket().unwrap().loader, BootLoader::Ipxe);
        table.know(&ServerSpec {
            secure_boot: Some(false),
            boot_loader: Some(BootLoader::Shim),
            ..spec.clone()
        });
        assert_eq!(table.plan(MAC, PROV).ticket().unwrap().loader, BootLoader::Shim);
        table.forbid(spec.id);
        check(MAC, PROV, Err(Refusal::NoPlan { machine: None }));
        check(MAC, CLEAN, Err(Refusal::NoPlan { machine: None }));
    }

    #[test]
    fn a_boot_on_the_wrong_network_is_told_with_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let (told, mut hears) = mpsc::channel(4);
        let table = BootTable { refusals: told, ..open(&dir.path().join("boots.json")) };
        table.know(&spec());
        let mut check = |reason: Refusal, expected: Option<BootNetwork>| {
            table.refused(MAC, CLEAN, reason);
            let Ok(Input::BootRefused { mac, network, planned, .. }) = hears.try_recv() else { panic!() };
            assert_eq!((mac, network, planned), (MAC, CLEAN, expected));
        };
        check(Refusal::WrongNetwork { planned: PROV }, Some(PROV));
        check(Refusal::NoPlan { machine: None }, None);
        // Interfaces that are nobody's here are invented as fast as somebody can send: nothing else waits for them.
        table.refused(MacAddr([2, 0, 0, 0, 0, 2]), CLEAN, Refusal::NoPlan { machine: None });
        assert!(hears.try_recv().is_err(), "an unknown interface was reported");
    }

    #[test]
    fn a_boot_that_is_asked_for_by_another_interface_is_told_once_for_each() {
        const SPARE: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);
        let unknown = |last| MacAddr([2, 0, 0, 0, 1, last]);
        let uuid = "00112233-4455-6677-8899-aabbccddeeff";
        // As firmware spells it that has the first fields the other way round.
        let machine = Some("33221100-5544-7766-8899-aabbccddeeff".parse().unwrap());
        let another = Some(Uuid::from_u128(0xbeef));
        let dir = tempfile::tempdir().unwrap();
        let (told, mut hears) = mpsc::channel(64);
        let table = BootTable { refusals: told, ..open(&dir.path().join("boots.json")) };
        let mut first = ServerSpec { other_macs: vec![SPARE], ..spec() };
        first.expected.uuids.push(uuid.to_owned());
        table.know(&first);
        let mut check = |mac, machine, expected: Option<ServerId>| {
            table.refused(mac, CLEAN, Refusal::NoPlan { machine });
            let told = hears.try_recv().ok().map(|input| match input {
                Input::OtherInterface { server, mac: by, network } => {
                    assert_eq!((by, network), (mac, CLEAN));
                    server
                }
                input => panic!("{input:?}"),
            });
            assert_eq!(told, expected, "{mac} {machine:?}");
        };
        check(SPARE, machine, None);
        let plan = BootPlan { purpose: BootPurpose::Clean, network: CLEAN };
        table.permit(first.id, plan.clone(), Secret::new("cd".repeat(32)));
        check(SPARE, None, Some(first.id));
        check(SPARE, machine, None);
        check(unknown(0), None, None);
        check(unknown(0), another, None);
        check(unknown(0), machine, Some(first.id));
        for last in 1..100 {
            // As many as are told of one boot.
            check(unknown(last), machine, (last < 7).then_some(first.id));
        }
        // Another board of a maker who writes one UUID on all of them.
        let second = ServerSpec {
            id: ServerId::random(),
            macs: vec![unknown(200)],
            other_macs: vec![],
            ..first.clone()
        };
        table.know(&second);
        table.permit(first.id, plan.clone(), Secret::new("cd".repeat(32)));
        table.permit(second.id, plan, Secret::new("ef".repeat(32)));
        check(unknown(0), machine, None);
        check(SPARE, machine, Some(first.id));
    }

    #[test]
    fn boots_under_way_survive_a_restart_and_the_file_holds_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boots.json");
        let spec = spec();
        let table = open(&path);
        table.know(&spec);
        let plan = BootPlan { purpose: BootPurpose::Clean, network: CLEAN };
        table.permit(spec.id, plan.clone(), Secret::new("ef".repeat(32)));
        drop(table);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("efef"));
        let table = open(&path);
        let ticket = table.plan(MAC, CLEAN).ticket().unwrap();
        assert_eq!((ticket.plan, ticket.boot_mode), (plan, BootMode::Uefi));
        assert!(ticket.command_line.contains(&"cd".repeat(32)));
        table.forget(spec.id);
        assert_eq!(open(&path).plan(MAC, CLEAN), Plan::Nowhere);
    }
}
