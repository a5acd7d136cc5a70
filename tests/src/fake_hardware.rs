//! Edges: the core as the facades see it, faked: servers whose power follows at once and whose ramdisk does every step
//! instantly, unless it is told to refuse, to fail or to wait.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use domain::{
    disks::{Account, Erase, KnownDisk, inspected},
    firmware::update::{By, Order, Update},
    health::KnownSensor,
    rim::{FacadeSensors, FacadeServer, Hardware, PowerRequest, Refusal, RefusalKind},
};
use faces::ramdisk_api::{SessionStore, StoreError};
use protocol::{
    bmc_facts::{BiosFacts, BmcFacts, FirmwareItem, MediaSlot, PowerLimit, SecureBootFacts, SystemFacts},
    bmc_order::BmcOrder,
    hardware::HardwareReport,
    health::{Limits, Milli, Says, Sensor, SensorKind, Severity},
    id::{RamdiskSessionId, ServerId},
    power::PowerReading,
    redfish::read::bios::{Setting, Settings},
    secret::Secret,
    step::{ErasedDisk, Step, StepOutput},
    update::FirmwareImage,
};
use tokio::sync::watch;
use uuid::Uuid;

/// The fake.
pub struct FakeHardware {
    state: Mutex<State>,
    hold: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    servers: HashMap<ServerId, (FacadeServer, String, Secret)>,
    steps: Vec<(ServerId, Step)>,
    power: Vec<(ServerId, PowerRequest)>,
    refuse_on: Option<Refusal>,
    fail_step: Option<Refusal>,
    known: HashMap<ServerId, Vec<KnownDisk>>,
    erases: Option<Vec<ErasedDisk>>,
    accounts: Vec<Account>,
    comes_back: Option<PowerReading>,
    /// What BMCs have told.
    facts: HashMap<ServerId, BmcFacts>,
    updates: HashMap<ServerId, Vec<Update>>,
    /// What they would tell now.
    real: HashMap<ServerId, BmcFacts>,
    orders: Vec<(ServerId, BmcOrder)>,
    sensors: HashMap<ServerId, FacadeSensors>,
    refuse_orders: Option<Refusal>,
}

impl Default for FakeHardware {
    fn default() -> Self {
        Self { state: Mutex::default(), hold: watch::Sender::new(false) }
    }
}

impl FakeHardware {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a server with the user and the password of its facade.
    pub fn add(&self, server: FacadeServer, user: &str, password: &str) {
        self.state().servers.insert(server.id, (server, user.to_owned(), Secret::new(password)));
    }

    /// Changes what is known of a server.
    pub fn change(&self, id: ServerId, change: impl FnOnce(&mut FacadeServer)) {
        if let Some((server, _, _)) = self.state().servers.get_mut(&id) {
            change(server);
        }
    }

    /// What a server's BMC says.
    pub fn set_facts(&self, id: ServerId, facts: BmcFacts) {
        let mut state = self.state();
        state.real.insert(id, facts.clone());
        state.facts.insert(id, facts);
    }

    /// What a server's sensors say.
    pub fn set_sensors(&self, id: ServerId, sensors: FacadeSensors) {
        self.state().sensors.insert(id, sensors);
    }

    /// Carries the newest update of a server's firmware on.
    pub fn carry_on(&self, id: ServerId, change: impl FnOnce(Update) -> Update) {
        if let Some(update) = self.state().updates.get_mut(&id).and_then(|all| all.first_mut()) {
            *update = change(update.clone());
        }
    }

    /// Changes a server's password.
    pub fn set_password(&self, id: ServerId, password: &str) {
        if let Some((_, _, secret)) = self.state().servers.get_mut(&id) {
            *secret = Secret::new(password);
        }
    }

    /// Servers' agents are back as soon as somebody waits for them, and their power is then this.
    pub fn comes_back(&self, reading: PowerReading) {
        self.state().comes_back = Some(reading);
    }

    /// Refuses every power-on from now on; none: no more.
    pub fn refuse_power_on(&self, refusal: Option<Refusal>) {
        self.state().refuse_on = refusal;
    }

    /// Lets every step fail from now on; none: no more.
    pub fn fail_steps(&self, failure: Option<Refusal>) {
        self.state().fail_step = failure;
    }

    /// The register of a server's disks; where none is set, the disks of its hardware were inspected.
    pub fn set_disks(&self, id: ServerId, known: Vec<KnownDisk>) {
        self.state().known.insert(id, known);
    }

    /// What every erase says from now on that it did; none: that it erased what the hardware has.
    pub fn answer_erases(&self, answer: Option<Vec<ErasedDisk>>) {
        self.state().erases = answer;
    }

    /// What erases came to; then it is forgotten.
    pub fn take_accounts(&self) -> Vec<Account> {
        std::mem::take(&mut self.state().accounts)
    }

    /// Lets steps and power changes begin and not end, until it is told otherwise.
    pub fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// The steps that were begun, in their order; then they are forgotten.
    pub fn take_steps(&self, id: ServerId) -> Vec<Step> {
        let mut state = self.state();
        let steps = std::mem::take(&mut state.steps);
        let (mine, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(server, _)| *server == id);
        state.steps = others;
        mine.into_iter().map(|(_, step)| step).collect()
    }

    /// How many steps were begun and not taken.
    pub fn steps_begun(&self, id: ServerId) -> usize {
        self.state().steps.iter().filter(|(server, _)| *server == id).count()
    }

    /// The power changes that were asked for.
    pub fn take_power(&self) -> Vec<(ServerId, PowerRequest)> {
        std::mem::take(&mut self.state().power)
    }

    /// Refuses every order for a BMC from now on; none: no more.
    pub fn refuse_orders(&self, refusal: Option<Refusal>) {
        self.state().refuse_orders = refusal;
    }

    /// The orders for BMCs that were asked for, but for mere looks; then they are forgotten.
    pub fn take_orders(&self) -> Vec<BmcOrder> {
        let orders = std::mem::take(&mut self.state().orders);
        orders
            .into_iter()
            .map(|(_, order)| order)
            .filter(|order| !matches!(order, BmcOrder::Look { .. }))
            .collect()
    }

    async fn released(&self) {
        let mut hold = self.hold.subscribe();
        let _ = hold.wait_for(|hold| !hold).await;
    }
}

#[async_trait]
impl Hardware for FakeHardware {
    async fn server(&self, id: ServerId) -> Option<FacadeServer> {
        self.state().servers.get(&id).map(|(server, _, _)| server.clone())
    }

    async fn facts(&self, id: ServerId) -> BmcFacts {
        self.state().facts.get(&id).cloned().unwrap_or_default()
    }

    async fn update_firmware(&self, id: ServerId, component: String, url: String) -> Result<Uuid, Refusal> {
        let mut state = self.state();
        let of = state.updates.entry(id).or_default();
        if of.iter().any(|update| !update.is_over()) {
            let message = "an update is not over yet".to_owned();
            return Err(Refusal { kind: RefusalKind::State, message });
        }
        let order = Order { component, image: FirmwareImage::Url(url), version: None, by: By::Ironic };
        let update = Update::asked(Uuid::new_v4(), id, order, Vec::new(), 0);
        of.insert(0, update.clone());
        Ok(update.id)
    }

    async fn firmware_updates(&self, id: ServerId) -> Vec<Update> {
        self.state().updates.get(&id).cloned().unwrap_or_default()
    }

    async fn sensors(&self, id: ServerId) -> FacadeSensors {
        self.state().sensors.get(&id).cloned().unwrap_or_default()
    }

    async fn order(&self, id: ServerId, order: BmcOrder) -> Result<(), Refusal> {
        let mut state = self.state();
        state.orders.push((id, order.clone()));
        if let Some(refusal) = state.refuse_orders.clone() {
            return Err(refusal);
        }
        let mut real = state.real.get(&id).cloned().unwrap_or_default();
        obey(&mut real, &order);
        state.facts.insert(id, real.clone());
        state.real.insert(id, real);
        Ok(())
    }

    async fn await_agent(&self, id: ServerId) {
        let mut state = self.state();
        let back = state.comes_back.take();
        if let (Some(reading), Some((server, _, _))) = (back, state.servers.get_mut(&id)) {
            server.power = Some(reading);
        }
    }

    async fn facade_credentials(&self, id: ServerId) -> Option<(String, Secret)> {
        self.state().servers.get(&id).map(|(_, user, password)| (user.clone(), password.clone()))
    }

    async fn power(&self, id: ServerId, request: PowerRequest) -> Result<(), Refusal> {
        self.state().power.push((id, request));
        let reading = match request {
            PowerRequest::On | PowerRequest::Restart => {
                if let Some(refusal) = self.state().refuse_on.clone() {
                    return Err(refusal);
                }
                self.released().await;
                PowerReading::On
            }
            PowerRequest::Off(_) => PowerReading::Off,
        };
        let mut state = self.state();
        if reading == PowerReading::On
            && let Some(real) = state.real.get_mut(&id)
        {
            start(real);
        }
        let message = format!("there is no server {id}");
        let (server, _, _) =
            state.servers.get_mut(&id).ok_or(Refusal { kind: RefusalKind::UnknownServer, message })?;
        server.power = Some(reading);
        Ok(())
    }

    async fn run_step(
        &self,
        id: ServerId,
        session: RamdiskSessionId,
        step: Step,
    ) -> Result<StepOutput, Refusal> {
        let hardware = {
            let mut state = self.state();
            let server = state.servers.get(&id).map(|(server, _, _)| server.clone());
            let connected = server.as_ref().and_then(|server| server.ramdisk) == Some(session);
            if !connected {
                let message = format!("no ramdisk {session} is connected");
                return Err(Refusal { kind: RefusalKind::Hardware, message });
            }
            state.steps.push((id, step.clone()));
            if let Some(failure) = state.fail_step.clone() {
                return Err(failure);
            }
            server.and_then(|server| server.hardware).unwrap_or_default()
        };
        self.released().await;
        let erases = self.state().erases.clone();
        Ok(output(&step, &hardware, erases))
    }

    async fn disks(&self, id: ServerId) -> Result<Vec<KnownDisk>, Refusal> {
        let state = self.state();
        let hardware = state.servers.get(&id).and_then(|(server, _, _)| server.hardware.as_ref());
        let inspected = || hardware.map(|found| inspected(vec![], &found.disks, 1).disks).unwrap_or_default();
        Ok(state.known.get(&id).cloned().unwrap_or_else(inspected))
    }

    async fn note_erase(&self, _: ServerId, _: Erase, account: &Account) -> Result<(), Refusal> {
        self.state().accounts.push(account.clone());
        Ok(())
    }
}

/// What a BMC does of an order.
fn obey(facts: &mut BmcFacts, order: &BmcOrder) {
    let slot = |facts: &mut BmcFacts, drive: &str, image: &str| {
        for slot in facts.media.iter_mut().filter(|slot| slot.id == drive) {
            (slot.image, slot.is_inserted) = (image.to_owned(), !image.is_empty());
        }
    };
    match order {
        BmcOrder::Light { is_on } => facts.system.light = Some(*is_on),
        BmcOrder::SecureBoot { is_enabled } => facts.secure_boot.is_enabled = Some(*is_enabled),
        BmcOrder::ResetKeys { .. } => facts.secure_boot.mode = "SetupMode".into(),
        BmcOrder::SetBios { settings } => facts.bios.pending.extend(settings.clone()),
        BmcOrder::ResetBios => facts.bios.pending.clear(),
        BmcOrder::InsertMedia { drive, image, .. } => slot(facts, drive, image),
        BmcOrder::EjectMedia { drive } => slot(facts, drive, ""),
        BmcOrder::LimitPower { watts } => {
            if let Some(limit) = &mut facts.system.power_limit {
                limit.limit_w = *watts;
            }
        }
        BmcOrder::Interrupt | BmcOrder::Look { .. } => {}
    }
}

/// What becomes of what waited, when the server starts.
fn start(facts: &mut BmcFacts) {
    let pending = std::mem::take(&mut facts.bios.pending);
    facts.bios.attributes.extend(pending);
    facts.secure_boot.was_enabled = facts.secure_boot.is_enabled;
}

fn output(step: &Step, hardware: &HardwareReport, erases: Option<Vec<ErasedDisk>>) -> StepOutput {
    match step {
        Step::EraseMetadata(_) | Step::EraseDisks(_) => {
            let method = if matches!(step, Step::EraseDisks(_)) { "discard" } else { "metadata" };
            let erased = hardware.disks.iter().map(|disk| ErasedDisk {
                name: disk.name.clone(),
                method: method.to_owned(),
                erased_bytes: disk.size_bytes,
                verified_bytes: disk.size_bytes,
                disk: Some(disk.clone()),
                ..ErasedDisk::default()
            });
            StepOutput::Erased { disks: erases.unwrap_or_else(|| erased.collect()) }
        }
        Step::WriteImage { image, .. } => StepOutput::ImageWritten {
            disk: "/dev/vda".to_owned(),
            written_bytes: image.size_bytes,
            virtual_bytes: image.size_bytes,
        },
        Step::Inventory => StepOutput::Inventory { hardware: Box::new(hardware.clone()) },
        Step::HandOver { .. } => StepOutput::HandedOver,
        Step::WriteConfigDrive { .. } | Step::InstallBootEntry | Step::Sync | Step::PowerOff => {
            StepOutput::Done
        }
    }
}

/// The sessions' store in memory.
#[derive(Default)]
pub struct MemoryStore(Mutex<HashMap<RamdiskSessionId, Secret>>);

#[async_trait]
impl SessionStore for MemoryStore {
    async fn load(&self, session: RamdiskSessionId) -> Result<Option<Secret>, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&session).cloned())
    }

    async fn save(&self, _: ServerId, session: RamdiskSessionId, record: Secret) -> Result<(), StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session, record);
        Ok(())
    }

    async fn forget(&self, session: RamdiskSessionId) -> Result<(), StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        Ok(())
    }
}

/// What a BMC says that says everything.
pub fn bmc_facts() -> BmcFacts {
    BmcFacts {
        system: SystemFacts {
            manager_version: "2.78".into(),
            bios_version: "U30 v2.1".into(),
            boot_mode: "UEFI".into(),
            light: Some(true),
            can_nmi: true,
            power_limit: Some(PowerLimit { limit_w: None, most_w: Some(800) }),
        },
        bios: BiosFacts {
            attributes: Settings::from([
                ("Cores".to_owned(), Setting::Number(8.into())),
                ("Turbo".to_owned(), Setting::Flag(true)),
            ]),
            pending: Settings::from([("Cores".to_owned(), Setting::Number(4.into()))]),
            left_out: 0,
        },
        secure_boot: SecureBootFacts {
            is_enabled: Some(true),
            was_enabled: Some(false),
            mode: "UserMode".into(),
        },
        media: vec![MediaSlot {
            id: "Cd".into(),
            kinds: vec!["CD".into(), "Tape".into()],
            image: "http://192.0.2.9/a.iso".into(),
            is_inserted: true,
        }],
        firmware: vec![FirmwareItem {
            id: "NIC/1".into(),
            name: "Network adapter".into(),
            version: "14.2".into(),
            is_updateable: true,
        }],
    }
}

/// Sensors of every kind that is shown.
pub fn sensors() -> FacadeSensors {
    let number = |milli, unit: &str| {
        let limits = Limits { upper_critical: Some(Milli(95_000)), ..Limits::default() };
        Says::Number { value: Milli(milli), unit: unit.into(), limits, hysteresis: Milli(1_000) }
    };
    let known = |name: &str, kind, severity, says| KnownSensor {
        sensor: Sensor { key: name.replace(' ', "-"), name: name.into(), kind, severity, says },
        severity,
        by_site: false,
        since_us: 1,
    };
    FacadeSensors {
        known: vec![
            known("CPU 1 temperature", SensorKind::Temperature, Severity::Ok, number(41_500, "°C")),
            known("Fan 1", SensorKind::Fan, Severity::Ok, number(4_200_000, "rpm")),
            known("Fan 2", SensorKind::Fan, Severity::Ok, number(35_000, "%")),
            known("12 V", SensorKind::Voltage, Severity::Warning, number(11_900, "V")),
            known(
                "PS 1",
                SensorKind::PowerSupply,
                Severity::Critical,
                Says::States(vec!["input lost".into()]),
            ),
        ],
        draw_w: Some(214),
    }
}
