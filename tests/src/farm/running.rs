//! Edges: the virtual BMCs of a farm, running. They end when this is dropped.

use std::{
    net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use protocol::{
    bmc_settings::{BmcSettings, KgKey},
    ipmi::{CipherSuite, Privilege},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use rustls::SupportedProtocolVersion;
use serde::Serialize;
use uuid::Uuid;

use super::{
    control::Control,
    describe::{Farm, Group, Log, Speaks},
    effect::{Effects, effects},
    fault::Fault,
    machine::Started,
    server::{Behind, Given, Server},
};
use crate::bmc::{
    Credentials,
    chassis::Chassis,
    ipmi::{self, IpmiBmc, Special},
    records::{Records, User},
    redfish::{self, RedfishBmc, RedfishOptions, RedfishWho, Tls},
};

/// Files that a process has open beside one socket for each BMC.
const FILES_BESIDE: u64 = 256;
/// So many Redfish BMCs are reckoned with one open connection.
const BMCS_A_CONNECTION: u64 = 2;

static TLS_1_2: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];

/// A farm that runs.
#[derive(Debug)]
pub struct Running {
    bmcs: Arc<Vec<VirtualBmc>>,
    control: Option<Control>,
    /// As its groups show them at the start, DER.
    certificates: Vec<Vec<u8>>,
}

impl Running {
    /// Starts all of a description. Must be called inside a tokio runtime.
    pub async fn start(farm: &Farm) -> anyhow::Result<Self> {
        host::open_files::raise_limit(files(farm))?;
        let (mut bmcs, mut certificates) = (Vec::new(), Vec::new());
        for group in &farm.group {
            let tls = group.tls()?;
            certificates.extend(tls.iter().map(|tls| tls.certificate.to_vec()));
            for number in 1..=group.count {
                let server = Behind::Machine(Arc::new(Server::new(group.power)));
                let started = VirtualBmc::start(group, number, tls.as_ref(), server, Uuid::new_v4());
                bmcs.push(started.with_context(|| format!("BMC {}-{number}", group.name))?);
            }
        }
        Self::over(bmcs, certificates, farm.control).await
    }

    /// The one BMC of a description, before a server that is given.
    pub async fn before(server: Arc<dyn Chassis>, uuid: Uuid, farm: &Farm) -> anyhow::Result<Self> {
        let [group] = &farm.group[..] else { bail!("group: one is wanted for one server") };
        ensure!(group.count == 1, "count: one is wanted for one server");
        let tls = group.tls()?;
        let server = Behind::Given(Arc::new(Given::new(server)));
        let bmc = VirtualBmc::start(group, 1, tls.as_ref(), server, uuid)?;
        let certificates = tls.iter().map(|tls| tls.certificate.to_vec()).collect();
        Self::over(vec![bmc], certificates, farm.control).await
    }

    async fn over(
        bmcs: Vec<VirtualBmc>,
        certificates: Vec<Vec<u8>>,
        control: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let bmcs = Arc::new(bmcs);
        let control = match control {
            None => None,
            Some(addr) => Some(Control::start(addr, Arc::clone(&bmcs)).await?),
        };
        Ok(Self { bmcs, control, certificates })
    }

    /// The certificates of its groups as they were at the start, as a file of authorities has them: for whoever is to trust them.
    pub fn authorities(&self) -> String {
        let pem = |der: &Vec<u8>| {
            let text = BASE64_STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        self.certificates.iter().map(pem).collect()
    }

    /// Its BMCs, group by group.
    pub fn bmcs(&self) -> &[VirtualBmc] {
        &self.bmcs
    }

    /// Where its faults are switched by HTTP.
    pub fn control(&self) -> Option<SocketAddr> {
        self.control.as_ref().map(Control::addr)
    }
}

impl Group {
    /// The certificate of all of it, if they speak TLS.
    fn tls(&self) -> anyhow::Result<Option<Tls>> {
        match self.protocol {
            Speaks::RedfishTls => Tls::self_signed().map(Some),
            Speaks::Ipmi | Speaks::Redfish => Ok(None),
        }
    }
}

/// How many files it opens at most: a socket for each BMC, and connections.
fn files(farm: &Farm) -> u64 {
    let each = |group: &Group| match group.protocol {
        Speaks::Ipmi => group.count as u64,
        Speaks::Redfish | Speaks::RedfishTls => group.count as u64 + group.count as u64 / BMCS_A_CONNECTION,
    };
    FILES_BESIDE + farm.group.iter().map(each).sum::<u64>()
}

/// One BMC with its server.
#[derive(Debug)]
pub struct VirtualBmc {
    /// Its name.
    pub name: String,
    /// The name of its group.
    pub group: String,
    /// Its server.
    pub server: Behind,
    user: String,
    password: Secret,
    front: Front,
    faults: Mutex<Vec<Fault>>,
    /// SHA-256 of its certificate, if it has one.
    fingerprint: Mutex<Option<String>>,
}

#[derive(Debug)]
enum Front {
    Ipmi(IpmiBmc),
    Redfish(RedfishBmc),
}

/// One BMC as it is now, for people.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Name.
    pub name: String,
    /// Name of its group.
    pub group: String,
    /// `ipmi` or `redfish`.
    pub protocol: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// SHA-256 of its certificate, if it speaks TLS.
    pub certificate_sha256: Option<String>,
    /// Faults now.
    pub faults: Vec<Fault>,
    /// Log-ins that were begun.
    pub attempts: u64,
    /// Log-ins that succeeded.
    pub log_ins: u64,
    /// Requests.
    pub requests: u64,
    /// Sessions that are open.
    pub sessions: usize,
    /// How often its server was started; none: not known, of a server that is given.
    pub starts: Option<u32>,
    /// How the last start went.
    pub last_start: Option<Started>,
}

impl VirtualBmc {
    fn start(
        group: &Group,
        number: usize,
        tls: Option<&Tls>,
        server: Behind,
        uuid: Uuid,
    ) -> anyhow::Result<Self> {
        let (chassis, addr) = (server.chassis(), group.address_of(number)?);
        let credentials = Credentials { username: group.user.clone(), password: group.password.clone() };
        let fingerprint = tls.map(Tls::fingerprint);
        let binding = || format!("listening at {addr}");
        let front = match group.protocol {
            Speaks::Ipmi => {
                let socket = StdUdpSocket::bind(addr).with_context(binding)?;
                Front::Ipmi(start_ipmi(socket, credentials, group, chassis, uuid)?)
            }
            Speaks::Redfish | Speaks::RedfishTls => {
                let listener = StdTcpListener::bind(addr).with_context(binding)?;
                let who = &group.who;
                let text = |said: &Option<String>| said.clone().unwrap_or_default();
                let who = RedfishWho {
                    manufacturer: text(&who.manufacturer),
                    model: text(&who.model),
                    firmware: text(&who.firmware),
                };
                let options = RedfishOptions {
                    tls: tls.map(Tls::again),
                    who: Some(who),
                    uuid: Some(uuid),
                    ..RedfishOptions::default()
                };
                Front::Redfish(redfish::serve_on(listener, credentials, chassis, options)?)
            }
        };
        let bmc = Self {
            name: format!("{}-{number}", group.name),
            group: group.name.clone(),
            server,
            user: group.user.clone(),
            password: group.password.clone(),
            front,
            faults: Mutex::default(),
            fingerprint: Mutex::new(fingerprint),
        };
        bmc.set_faults(group.faults_of(number))?;
        Ok(bmc)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        match &self.front {
            Front::Ipmi(bmc) => bmc.addr,
            Front::Redfish(bmc) => bmc.addr,
        }
    }

    /// How our client reaches it, with the right user and password, and the certificate that it shows now.
    pub fn endpoint(&self) -> BmcEndpoint {
        let protocol = match &self.front {
            Front::Ipmi(_) => BmcProtocol::Ipmi { cipher_suite: None },
            Front::Redfish(_) => {
                let certificate_sha256 = self.fingerprint();
                let http = certificate_sha256.is_none();
                BmcProtocol::Redfish { system: None, certificate_sha256, http }
            }
        };
        BmcEndpoint {
            protocol,
            address: self.addr().ip().to_string(),
            port: self.addr().port(),
            username: self.user.clone(),
            password: self.password.clone(),
            settings: BmcSettings::default(),
        }
    }

    fn fingerprint(&self) -> Option<String> {
        self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its faults now.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other faults from now on, instead of those that it has. What happens once, happens now.
    pub fn set_faults(&self, faults: Vec<Fault>) -> anyhow::Result<()> {
        let Effects { faults: of_bmc, odd, manner, old_tls, passwords } = effects(&faults, Instant::now());
        match &self.front {
            Front::Ipmi(bmc) => {
                bmc.password.takes(passwords);
                bmc.faults.set(of_bmc);
            }
            Front::Redfish(bmc) => {
                bmc.password.takes(passwords);
                self.set_tls(bmc, &faults, old_tls)?;
                bmc.set_odd(odd);
                bmc.faults.set(of_bmc);
            }
        }
        self.server.set_manner(manner)?;
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        Ok(())
    }

    fn set_tls(&self, bmc: &RedfishBmc, faults: &[Fault], old: bool) -> anyhow::Result<()> {
        let is_renewed = faults.contains(&Fault::CertificateRenewed);
        if !is_renewed && !old {
            return Ok(());
        }
        ensure!(self.fingerprint().is_some(), "{}: it speaks no TLS, so it has no certificate", self.name);
        let mut tls = Tls::self_signed()?;
        if old {
            tls.versions = &TLS_1_2;
        }
        let fingerprint = tls.fingerprint();
        bmc.set_tls(tls)?;
        *self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        Ok(())
    }

    /// As it is now.
    pub fn status(&self) -> Status {
        let (protocol, attempts, log_ins, requests, sessions) = match &self.front {
            Front::Ipmi(bmc) => {
                let stats = bmc.stats();
                ("ipmi", stats.attempts, stats.logins, stats.requests, bmc.sessions())
            }
            Front::Redfish(bmc) => {
                let stats = bmc.stats();
                ("redfish", stats.attempts, stats.logins, stats.requests, bmc.sessions())
            }
        };
        Status {
            name: self.name.clone(),
            group: self.group.clone(),
            protocol,
            address: self.addr(),
            certificate_sha256: self.fingerprint(),
            faults: self.faults(),
            attempts,
            log_ins,
            requests,
            sessions,
            starts: self.server.starts(),
            last_start: self.server.last_start().map(|(_, went)| went),
        }
    }
}

fn start_ipmi(
    socket: StdUdpSocket,
    credentials: Credentials,
    group: &Group,
    server: Arc<dyn Chassis>,
    uuid: Uuid,
) -> anyhow::Result<IpmiBmc> {
    let privilege = if group.operator_only { Privilege::Operator } else { Privilege::Administrator };
    let k_g = group.k_g.as_deref().map(KgKey::from_text).transpose().context("k_g")?;
    let mut special = Special { k_g, privilege, ..Special::default() };
    let (who, device) = (&group.who, &mut special.device);
    device.manufacturer = who.iana.unwrap_or(device.manufacturer);
    device.product = who.product.unwrap_or(device.product);
    if let Some((major, minor)) = who.firmware_numbers()? {
        (device.firmware_major, device.firmware_minor) = (major, minor);
    }
    let bmc = ipmi::serve_with(socket, credentials, &CipherSuite::ALL, server, uuid, special)?;
    if group.log == Log::Empty || !group.sensors.is_empty() || !group.users.is_empty() {
        bmc.records.with(|records| fill(records, group))?;
    }
    Ok(bmc)
}

/// Its records as the file has them.
fn fill(records: &mut Records, group: &Group) -> anyhow::Result<()> {
    if group.log == Log::Empty {
        records.log = Default::default();
    }
    for (name, raw) in &group.sensors {
        let state = records.sensors.named(name);
        state.with_context(|| format!("sensors: there is no sensor {name:?} with a number"))?.raw = *raw;
    }
    for (number, name) in &group.users {
        let user = User {
            name: name.clone(),
            is_enabled: true,
            messages: true,
            privilege: Some(Privilege::User),
            ..User::default()
        };
        records.settings.users.insert(number.parse()?, user);
    }
    Ok(())
}
