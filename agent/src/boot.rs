//! Edges: the boot table: it answers the packet path by its permits, and keeps them on disk, so that a boot goes on after a restart
//! of the agent.
//!
//! What must stay true: a server is in here from the start of its power-on until its power is off or its ramdisk has handed
//! itself over, never else; the file holds no token.

pub(crate) mod permits;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use host::whole_file;
use protocol::{
    boot::BootPlan, id::ServerId, mac::MacAddr, network::BootNetwork, secret::Secret, spec::ServerSpec,
};
use pxe::{Booter, Plan, Refusal};
use tokio::sync::mpsc;

pub use self::permits::RamdiskEntry;
use self::permits::{Interfaces, Kept, Permit, Permits};
use crate::{metrics, rack::Input};

/// The boot table.
#[derive(Debug)]
pub struct BootTable {
    entry: RamdiskEntry,
    path: PathBuf,
    refusals: mpsc::Sender<Input>,
    permits: Mutex<Permits>,
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
            permits.permit(server, Permit { plan, token, boot_id: rand::random() });
            permits.know(server, interfaces);
        }
        Ok(Self { entry, path: path.to_owned(), refusals, permits: Mutex::new(permits) })
    }

    /// A new or changed server.
    pub fn know(&self, spec: &ServerSpec) {
        let interfaces = Interfaces { macs: spec.macs.clone(), boot_mode: spec.boot_mode };
        self.lock().know(spec.id, interfaces);
    }

    /// A server that is nobody's business any more.
    pub fn forget(&self, server: ServerId) {
        let mut permits = self.lock();
        if permits.forget(server) {
            self.keep(&permits);
        }
    }

    /// Whether this is an interface of a server that we look after.
    pub fn knows(&self, mac: MacAddr) -> bool {
        self.lock().knows(mac)
    }

    /// From now on this server may boot so.
    pub fn permit(&self, server: ServerId, plan: BootPlan, token: Secret) {
        let mut permits = self.lock();
        permits.permit(server, Permit { plan, token, boot_id: rand::random() });
        self.keep(&permits);
    }

    /// No more.
    pub fn forbid(&self, server: ServerId) {
        let mut permits = self.lock();
        if permits.forbid(server) {
            self.keep(&permits);
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

    fn refused(&self, mac: MacAddr, network: BootNetwork, reason: Refusal) {
        metrics::boot_refused(network.as_str());
        // Of interfaces of nobody here there may be any number; pxe writes of them as often as is good for a log.
        if !self.knows(mac) {
            return;
        }
        let planned = match &reason {
            Refusal::WrongNetwork { planned } => Some(*planned),
            Refusal::NoPlan
            | Refusal::NoAddress { .. }
            | Refusal::AddressesInUse { .. }
            | Refusal::UnsupportedFirmware { .. }
            | Refusal::NotItsAddress { .. }
            | Refusal::CommandLine { .. } => None,
        };
        let refused = Input::BootRefused { mac, network, planned, reason: reason.to_string() };
        if self.refusals.try_send(refused).is_err() {
            tracing::warn!(%mac, "too much is going on to report a refused boot");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::{
        boot::{BootMode, BootPurpose},
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
            boot_mode: BootMode::Uefi,
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
        let entry = RamdiskEntry { addresses, fingerprint: "ab".repeat(32), parts_port: Some(8080) };
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
        check(MAC, PROV, Err(Refusal::NoPlan));
        let plan = BootPlan { purpose: BootPurpose::Deploy, network: PROV };
        table.permit(spec.id, plan, Secret::new("cd".repeat(32)));
        check(MAC, PROV, Ok(()));
        check(MAC, CLEAN, Err(Refusal::WrongNetwork { planned: PROV }));
        check(MacAddr([2, 0, 0, 0, 0, 2]), PROV, Err(Refusal::NoPlan));
        let ticket = table.plan(MAC, PROV).ticket().unwrap();
        let arguments = BootArguments::parse(&ticket.command_line).unwrap();
        assert_eq!(arguments.agent.to_string(), "198.18.1.1:8444");
        assert_eq!((arguments.mac, arguments.parts_port), (Some(MAC), Some(8080)));
        table.forbid(spec.id);
        check(MAC, PROV, Err(Refusal::NoPlan));
        check(MAC, CLEAN, Err(Refusal::NoPlan));
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
        check(Refusal::NoPlan, None);
        // Interfaces that are nobody's here are invented as fast as somebody can send: nothing else waits for them.
        table.refused(MacAddr([2, 0, 0, 0, 0, 2]), CLEAN, Refusal::NoPlan);
        assert!(hears.try_recv().is_err(), "an unknown interface was reported");
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
