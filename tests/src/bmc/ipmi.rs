//! Edges: a virtual IPMI BMC: the machine of `protocol::ipmi::bmc` on a UDP socket, its chassis requests carried out.

use std::{
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use protocol::{
    bmc_settings::KgKey,
    ipmi::{
        CipherSuite, PACKET_BYTES_MAX, Privilege,
        app::DeviceId,
        bmc::{Bmc, BmcConfig, BmcStats, Datagram, Pong, SESSIONS_MAX, Token, Users},
        chassis::{BootOption, ChassisControl, ChassisStatus},
        command::{Request, Response},
        message::CompletionCode,
    },
};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tracing::{debug, warn};
use uuid::Uuid;

use super::{
    Credentials, FaultSwitch,
    accounts::Password,
    boot_options::BootOptions,
    chassis::Chassis,
    ipmi_guard::{self, Comes, Guard, Known},
    records::SharedRecords,
};

/// Chassis requests at work at a time.
const AT_WORK_MAX: usize = 64;

/// A running virtual BMC; it ends when this is dropped.
#[derive(Debug)]
pub struct IpmiBmc {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How it misbehaves.
    pub faults: FaultSwitch,
    /// Its event log, sensors, inventories and settings.
    pub records: SharedRecords,
    /// The password by which it lets its user in.
    pub password: Password,
    bmc: SharedBmc,
    options: BootOptions,
    task: AbortHandle,
}

impl IpmiBmc {
    /// The boot options that it was told so far, refused ones too, as on the wire: parameter and data.
    pub fn boot_options(&self) -> Vec<Vec<u8>> {
        self.options.told()
    }

    /// What came in so far.
    pub fn stats(&self) -> BmcStats {
        self.bmc.with(|bmc| bmc.stats())
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.bmc.with(|bmc| bmc.sessions())
    }

    /// Forget every session, as a BMC does that restarts.
    pub fn forget_sessions(&self) {
        self.bmc.with(Bmc::forget_sessions);
    }
}

impl Drop for IpmiBmc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct SharedBmc(Arc<Mutex<Bmc>>);

impl std::fmt::Debug for SharedBmc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bmc")
    }
}

impl SharedBmc {
    fn with<T>(&self, act: impl FnOnce(&mut Bmc) -> T) -> T {
        act(&mut self.0.lock().expect("no holder panics"))
    }
}

/// Serves on an address, with both cipher suites; port 0 takes a free one.
pub fn serve(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
) -> anyhow::Result<IpmiBmc> {
    serve_as(addr, credentials, chassis, Uuid::new_v4())
}

/// The same, of a machine with this hardware UUID.
pub fn serve_as(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    uuid: Uuid,
) -> anyhow::Result<IpmiBmc> {
    let socket = StdUdpSocket::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_with(socket, credentials, &CipherSuite::ALL, chassis, uuid, Special::default())
}

/// Serves on a socket that was made elsewhere, such as in a network namespace, with these suites.
pub fn serve_on(
    socket: StdUdpSocket,
    credentials: Credentials,
    suites: &[CipherSuite],
    chassis: Arc<dyn Chassis>,
) -> anyhow::Result<IpmiBmc> {
    serve_with(socket, credentials, suites, chassis, Uuid::new_v4(), Special::default())
}

/// What is special about a virtual BMC from its start on.
#[derive(Clone, Debug)]
pub struct Special {
    /// Its own key K_g.
    pub k_g: Option<KgKey>,
    /// The most that its user may be.
    pub privilege: Privilege,
    /// How it answers a ping.
    pub pong: Pong,
    /// Who it says it is.
    pub device: DeviceId,
}

impl Default for Special {
    fn default() -> Self {
        let device = DeviceId {
            device: 0x20,
            revision: 1,
            firmware_major: 1,
            firmware_minor: 0x10,
            manufacturer: 0,
            product: 1,
        };
        Self { k_g: None, privilege: Privilege::Administrator, pong: Pong::Usual, device }
    }
}

/// Serves on an address a BMC that is special.
pub fn serve_special(
    addr: SocketAddr,
    credentials: Credentials,
    chassis: Arc<dyn Chassis>,
    special: Special,
) -> anyhow::Result<IpmiBmc> {
    let socket = StdUdpSocket::bind(addr).with_context(|| format!("binding the virtual BMC to {addr}"))?;
    serve_with(socket, credentials, &CipherSuite::ALL, chassis, Uuid::new_v4(), special)
}

/// Serves on a socket that was made elsewhere: with these suites, as the BMC of a machine with this hardware UUID, and special.
pub fn serve_with(
    socket: StdUdpSocket,
    credentials: Credentials,
    suites: &[CipherSuite],
    chassis: Arc<dyn Chassis>,
    uuid: Uuid,
    special: Special,
) -> anyhow::Result<IpmiBmc> {
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let addr = socket.local_addr()?;
    let (username, password) = (credentials.username.clone(), Password::new(credentials.password.clone()));
    let bmc = SharedBmc(Arc::new(Mutex::new(Bmc::new(BmcConfig {
        users: Users::One { username: credentials.username, password: credentials.password },
        sessions_max: SESSIONS_MAX,
        k_g: special.k_g,
        privilege: special.privilege,
        suites: suites.to_vec(),
        pong: special.pong,
        // As SMBIOS has it: the low byte of the first three fields first.
        guid: uuid.to_bytes_le(),
        device: special.device,
        seed: rand::random(),
    }))));
    let faults = FaultSwitch::default();
    let options = BootOptions::default();
    let records = SharedRecords::default();
    let (guard, unspecified) = (Guard::new(password.clone()), Arc::default());
    let machine = Machine {
        faults: faults.clone(),
        records: records.clone(),
        options: options.clone(),
        chassis,
        username,
        password: password.clone(),
        unspecified,
    };
    let task = tokio::spawn(run(socket, bmc.clone(), machine, guard)).abort_handle();
    Ok(IpmiBmc { addr, faults, records, password, bmc, options, task })
}

/// What is behind the BMC.
#[derive(Clone)]
struct Machine {
    faults: FaultSwitch,
    records: SharedRecords,
    options: BootOptions,
    chassis: Arc<dyn Chassis>,
    username: String,
    password: Password,
    /// Readings that are answered with "unspecified error" before the next good one.
    unspecified: Arc<AtomicU32>,
}

async fn run(socket: UdpSocket, bmc: SharedBmc, machine: Machine, mut guard: Guard) {
    let faults = machine.faults.clone();
    let socket = Arc::new(socket);
    let (answers, mut answered) = mpsc::channel::<(Token, Result<Response, CompletionCode>)>(AT_WORK_MAX);
    let mut work = JoinSet::new();
    let mut buffer = [0; PACKET_BYTES_MAX + 1];
    loop {
        let timeout = bmc.with(|bmc| bmc.poll_timeout());
        let idle = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => {
                    bmc.with(|bmc| bmc.set_password(machine.password.get()));
                    take(&buffer[..length], from, &bmc, &mut guard, &faults, &socket).await;
                }
                // An ICMP error for an earlier answer: the console has gone.
                Err(error) => debug!(%error, "virtual BMC could not receive"),
            },
            Some((token, outcome)) = answered.recv() => bmc.with(|bmc| bmc.respond(token, outcome, Instant::now())),
            () = idle => bmc.with(|bmc| bmc.handle_timeout(Instant::now())),
            Some(_) = work.join_next(), if !work.is_empty() => {}
        }
        while let Some(event) = bmc.with(|bmc| bmc.poll_event()) {
            let (machine, answers) = (machine.clone(), answers.clone());
            if work.len() >= AT_WORK_MAX {
                bmc.with(|bmc| bmc.respond(event.token, Err(CompletionCode::BUSY), Instant::now()));
                continue;
            }
            work.spawn(async move {
                let outcome = carry_out(event.request, &machine).await;
                // Nobody listens any more when the BMC was stopped.
                let _ = answers.send((event.token, outcome)).await;
            });
        }
        while let Some(datagram) = bmc.with(|bmc| bmc.poll_transmit()) {
            let (socket, faults) = (socket.clone(), faults.get());
            let Datagram { to, bytes } = datagram;
            let Some(bytes) = guard.goes(to, bytes, &faults, known(&bmc)) else { continue };
            if faults.delay == Duration::ZERO {
                send(&socket, Datagram { to, bytes }).await;
            } else {
                work.spawn(async move {
                    tokio::time::sleep(faults.delay).await;
                    send(&socket, Datagram { to, bytes }).await;
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, datagram: Datagram) {
    if let Err(error) = socket.send_to(&datagram.bytes, datagram.to).await {
        warn!(%error, to = %datagram.to, "virtual BMC could not answer");
    }
}

fn known(bmc: &SharedBmc) -> Known {
    let (sessions, refused) = bmc.with(|bmc| (bmc.sessions(), bmc.stats().refused));
    Known { sessions, refused, now: Instant::now(), chance: ipmi_guard::chance() }
}

/// A datagram has come.
async fn take(
    datagram: &[u8],
    from: SocketAddr,
    bmc: &SharedBmc,
    guard: &mut Guard,
    faults: &FaultSwitch,
    socket: &UdpSocket,
) {
    let comes = guard.comes(from, datagram, &faults.get(), known(bmc), || faults.refuses_log_in());
    let datagram = match comes {
        Comes::Lost => return,
        Comes::Answered(bytes) => return send(socket, Datagram { to: from, bytes }).await,
        Comes::AfterRestart(datagram) => {
            faults.is_up();
            bmc.with(Bmc::forget_sessions);
            datagram
        }
        Comes::In(datagram) => datagram,
    };
    bmc.with(|bmc| bmc.handle_packet(from, &datagram, Instant::now()));
}

async fn carry_out(request: Request, machine: &Machine) -> Result<Response, CompletionCode> {
    let faults = machine.faults.get();
    if faults.refuse {
        return Err(CompletionCode::UNSPECIFIED);
    }
    if matches!(request, Request::ChassisControl(_)) {
        machine.unspecified.store(faults.unspecified, Ordering::Relaxed);
    }
    if request == Request::ChassisStatus && is_left(&machine.unspecified) {
        return Err(CompletionCode::UNSPECIFIED);
    }
    if faults.ignore && matches!(request, Request::ChassisControl(_) | Request::SetBootOption(_)) {
        return Ok(Response::Done);
    }
    act(request, machine).await.map_err(|error| match error.downcast::<Code>() {
        Ok(code) => code.0,
        Err(error) => {
            warn!(error = format!("{error:#}"), ?request, "the machine refused its BMC");
            CompletionCode::UNSPECIFIED
        }
    })
}

/// Whether there was one left; then there is one less.
fn is_left(count: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
}

/// A completion code on its way through `anyhow`.
#[derive(Debug, thiserror::Error)]
#[error("completion code {:#04x}", .0.0)]
pub(super) struct Code(pub(super) CompletionCode);

async fn act(request: Request, machine: &Machine) -> anyhow::Result<Response> {
    let (chassis, options) = (machine.chassis.as_ref(), &machine.options);
    let faults = machine.faults.get();
    match request {
        Request::Call(call) => {
            let on = chassis.power().await?;
            let own = machine.records.with(|records| records.settings.number_of(&machine.username));
            if let Some(answer) = machine.password.follow(&call, own) {
                return Ok(Response::Call(answer.map_err(Code)?));
            }
            let answer = machine.records.with(|records| records.answer(&call, on));
            return Ok(Response::Call(answer.map_err(Code)?));
        }
        Request::ChassisStatus => {
            let on = chassis.power().await?;
            let restore_policy = machine.records.with(|records| records.settings.policy);
            return Ok(Response::ChassisStatus(ChassisStatus { on, power_fault: false, restore_policy }));
        }
        Request::GetBootFlags => {
            let flags = options.shown(faults.boot, chassis).await?;
            return Ok(Response::BootOption(BootOption::Flags(flags)));
        }
        Request::ChassisControl(control) => match control {
            ChassisControl::PowerUp => {
                options.start(faults.boot, chassis).await?;
                chassis.power_on().await?;
            }
            ChassisControl::PowerDown => chassis.power_off().await?,
            ChassisControl::SoftShutdown => chassis.soft_off().await?,
            ChassisControl::HardReset | ChassisControl::PowerCycle if !chassis.power().await? => {
                return Err(Code(CompletionCode::WRONG_STATE).into());
            }
            ChassisControl::HardReset => chassis.reset().await?,
            ChassisControl::PowerCycle => {
                chassis.power_off().await?;
                chassis.power_on().await?;
            }
            ChassisControl::DiagnosticInterrupt => return Err(Code(CompletionCode::INVALID_FIELD).into()),
        },
        Request::SetBootOption(option) => options.tell(faults.boot, option, chassis).await?,
        Request::DeviceId
        | Request::SystemGuid
        | Request::ChannelAuthCapabilities { .. }
        | Request::ChannelCipherSuites { .. }
        | Request::SetSessionPrivilege(_)
        | Request::CloseSession(_) => return Err(Code(CompletionCode::INVALID_COMMAND).into()),
    }
    Ok(Response::Done)
}
