//! Edges: the loop around [`Rack`]: takes what happens, lets the rack decide, does what it says.
//!
//! One task owns the rack; BMCs and ramdisks are spoken to by tasks of their own, which report back as inputs. So a
//! slow BMC delays nobody else, and the order of effects is the order in which they are done.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    boot::BootMode,
    command::{Action, Command, Failure, FailureKind, Success},
    error_chain::chain,
    id::{CommandId, ServerId},
    identity::ExpectedIdentity,
    spec::{BmcEndpoint, NextPassword, ServerSpec},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    bmc::{Bmc, Line},
    boot::BootTable,
    console::Consoles,
    erase_statement::{Erase, Notary},
    facts::Facts,
    firmware::{self, Updater},
    given::Given,
    hardware::Hardware,
    journal::Journal,
    metrics,
    poll::{
        driver,
        hints::{self, Patience},
    },
    rack::{Effect, Input, Rack},
    ramdisk::Control,
    results::{self, RESULTS_MAX},
    uplink::{client::Seen, health::HealthBoard},
    work,
};

/// Inputs that may wait for the loop.
pub const INPUTS_MAX: usize = 4096;
/// Most commands that are carried out on BMCs at the same time.
/// One that waits for a slow BMC costs a few kilobytes; it must not be the one for which all others wait.
pub const BMC_COMMANDS_AT_ONCE: usize = 4096;
/// How long commands under way get to end when the agent is stopped.
pub const STOP_WAIT: Duration = Duration::from_secs(10);

/// How BMCs are reached; a fake in tests.
pub type Connect = Box<dyn Fn(&ServerSpec) -> Arc<dyn Bmc> + Send>;

/// Everything the loop acts on.
pub struct Runner {
    /// The decisions.
    pub rack: Rack,
    /// How BMCs are reached.
    pub connect: Connect,
    /// Who may boot.
    pub boot_table: Arc<BootTable>,
    /// The servers' consoles.
    pub consoles: Arc<Consoles>,
    /// The booted ramdisks.
    pub ramdisks: Control,
    /// Who signs what they have erased.
    pub notary: Arc<Notary>,
    /// Who reads what BMCs say of themselves.
    pub facts: Arc<Facts>,
    /// Who gives them new firmware.
    pub firmware: Arc<Updater>,
    /// Who reads sensors and event logs.
    pub hardware: Arc<Hardware>,
    /// How commands ended, on disk.
    pub results: Journal,
    /// Towards the coordinator.
    pub seen: mpsc::Sender<Seen>,
    /// How BMCs answer, on the same way.
    pub health: Arc<HealthBoard>,
    /// For those who report back; the other end is `inputs`.
    pub back: mpsc::Sender<Input>,
    /// What happens.
    pub inputs: mpsc::Receiver<Input>,
    /// When to stop.
    pub stop: CancellationToken,
    /// How long commands under way then get to end: [`STOP_WAIT`].
    pub stop_wait: Duration,
    /// How soon a BMC is listened to.
    pub patience: Patience,
}

struct Loop {
    rack: Rack,
    connect: Connect,
    boot_table: Arc<BootTable>,
    consoles: Arc<Consoles>,
    ramdisks: Control,
    notary: Arc<Notary>,
    facts: Arc<Facts>,
    firmware: Arc<Updater>,
    hardware: Arc<Hardware>,
    results: Journal,
    results_appended: usize,
    seen: mpsc::Sender<Seen>,
    health: Arc<HealthBoard>,
    back: mpsc::Sender<Input>,
    servers: HashMap<ServerId, Reached>,
    /// By which a reading under way is told to make way for a command.
    ways: HashMap<ServerId, (u64, oneshot::Sender<Duration>)>,
    places: Arc<Semaphore>,
    patience: Patience,
    tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Reached {
    bmc: Arc<dyn Bmc>,
    line: Arc<Line>,
    endpoint: BmcEndpoint,
    expected: ExpectedIdentity,
    /// The password that is to follow, as declared.
    next: Option<NextPassword>,
    boot_mode: BootMode,
}

impl Runner {
    /// Runs until it is told to stop; commands under way then get a moment to end.
    pub async fn run(self) {
        let Runner {
            rack,
            connect,
            boot_table,
            consoles,
            ramdisks,
            notary,
            facts,
            firmware,
            hardware,
            results,
            seen,
            health,
            back,
            mut inputs,
            stop,
            stop_wait,
            patience,
        } = self;
        let mut this = Loop {
            rack,
            connect,
            boot_table,
            consoles,
            ramdisks,
            notary,
            facts,
            firmware,
            hardware,
            results,
            results_appended: 0,
            seen,
            health,
            back,
            servers: HashMap::new(),
            ways: HashMap::new(),
            places: Arc::new(Semaphore::new(BMC_COMMANDS_AT_ONCE)),
            patience,
            tasks: JoinSet::new(),
        };
        let mut stop_by: Option<tokio::time::Instant> = None;
        loop {
            let timer = this.rack.timeout().map(tokio::time::Instant::from_std);
            let input = tokio::select! {
                () = stop.cancelled(), if stop_by.is_none() => {
                    stop_by = Some(tokio::time::Instant::now() + stop_wait);
                    Input::Stop
                }
                () = at(stop_by) => break,
                input = inputs.recv() => match input {
                    Some(input) => input,
                    None => break,
                },
                () = at(timer) => Input::Timer,
                Some(ended) = this.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "a task of the agent panicked");
                    }
                    continue;
                }
            };
            this.take(input).await;
            if stop_by.is_some() && this.rack.under_way().is_empty() {
                break;
            }
        }
        this.tasks.abort_all();
        while let Ok(input) = inputs.try_recv() {
            this.take(input).await;
        }
        for (server, command) in this.rack.under_way() {
            let message = "the agent was stopped before the command ended".to_owned();
            let outcome = Err(Failure { kind: FailureKind::Interrupted, message });
            this.take(Input::Ended { server, command, outcome, sample: None }).await;
        }
        this.tasks.shutdown().await;
    }
}

/// Waits for a moment; for ever without one.
async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Loop {
    async fn take(&mut self, input: Input) {
        if matches!(&input, Input::Declare(declaration) if declaration.complete) {
            // The coordinator has just connected: it may have missed or lost what was told before.
            self.hardware.tell_anew();
        }
        if let Input::RamdiskReady { server, hardware, .. } = &input {
            self.notary.ready(*server, hardware);
        }
        self.rack.handle(input, Instant::now());
        metrics::oldest_reading(self.rack.oldest_reading().map(|oldest| oldest.read_at));
        while let Some(effect) = self.rack.poll_effect() {
            self.perform(effect).await;
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Know(spec) => self.know(&spec),
            Effect::Forget(server) => {
                self.servers.remove(&server);
                self.ways.remove(&server);
                self.consoles.forget(server);
                self.health.forget(server);
                self.facts.forget(server);
                self.notary.forget(server);
                metrics::servers(self.servers.len());
                self.hardware.forget(server);
                self.boot_table.forget(server);
            }
            Effect::Poll { server, number, patience } => self.poll(server, number, patience),
            Effect::MakeWay { server, number, within } => {
                if let Some((asked, way)) = self.ways.remove(&server)
                    && asked == number
                {
                    // One that has ended meanwhile is in nobody's way.
                    let _ = way.send(within);
                }
            }
            Effect::Work(given) => self.work(given),
            Effect::Permit { server, plan } => {
                self.consoles.take_back(server);
                // An earlier boot's ramdisk is none of this boot's.
                self.ramdisks.revoke(server);
                let token = self.ramdisks.issue(server, plan.clone());
                tracing::info!(%server, network = plan.network.as_str(), purpose = ?plan.purpose, "network boot permitted");
                self.boot_table.permit(server, plan, token);
            }
            Effect::Forbid(server) => {
                // In this order: a ramdisk that hears that its session is over gets no answer on our network any more. Killed
                // between the two, the agent takes no session up whose boot it does not know.
                self.boot_table.forbid(server);
                self.ramdisks.revoke(server);
            }
            Effect::Remember(result) => self.remember(&results::encode(&result)),
            Effect::Health(mut healths) => {
                for health in &mut healths {
                    let reached = self.servers.get(&health.server);
                    health.sessions = reached.map_or(0, |reached| reached.bmc.sessions());
                }
                metrics::breakers(self.rack.breakers());
                self.health.put(healths);
            }
            Effect::Report { server, body } => {
                if self.seen.send(Seen { server, body }).await.is_err() {
                    tracing::error!(%server, "the uplink is gone, a report is lost");
                }
            }
        }
    }

    fn know(&mut self, spec: &ServerSpec) {
        tracing::info!(server = %spec.id, name = spec.name, bmc = spec.bmc.address, "looking after server");
        // The same BMC and account keep their connection: with it goes what they have refused so far.
        let kept = self.servers.remove(&spec.id).filter(|it| {
            it.endpoint == spec.bmc && it.expected == spec.expected && it.next == spec.next_password
        });
        let (bmc, line) = kept.map_or_else(
            || (self.reach(spec), Arc::new(Line::shared())),
            |reached| (reached.bmc, reached.line),
        );
        self.hardware.know(spec.id, &bmc, &line);
        self.facts.know(spec.id, &bmc);
        self.notary.know(spec);
        self.consoles.know(spec.id, Arc::clone(&bmc), spec.tenancy);
        let (endpoint, expected, next) =
            (spec.bmc.clone(), spec.expected.clone(), spec.next_password.clone());
        let reached = Reached { bmc, line, endpoint, expected, next, boot_mode: spec.boot_mode };
        self.servers.insert(spec.id, reached);
        metrics::servers(self.servers.len());
        self.boot_table.know(spec);
    }

    /// A new connection to a BMC; what it tells by itself is listened to.
    fn reach(&mut self, spec: &ServerSpec) -> Arc<dyn Bmc> {
        let bmc = (self.connect)(spec);
        if bmc.redfish().is_some() {
            self.tasks.spawn(hints::listen(Arc::downgrade(&bmc), spec.id, self.back.clone(), self.patience));
        }
        bmc
    }

    fn poll(&mut self, server: ServerId, number: u64, patience: Duration) {
        let Some(reached) = self.servers.get(&server).cloned() else { return };
        let back = self.back.clone();
        let (way, made) = oneshot::channel();
        self.ways.insert(server, (number, way));
        self.tasks.spawn(async move {
            let turn = reached.line.turn().await;
            let began = Instant::now();
            let Some(sample) = driver::ask(&*reached.bmc, patience, made).await else {
                let _ = back.send(Input::TakenBack { server, number }).await;
                return;
            };
            drop(turn);
            reached.line.set_answers(sample.is_reading());
            metrics::polled(&sample, began.elapsed());
            reached.tell_who(&back, server).await;
            let _ = back.send(Input::Answered { server, number, sample }).await;
        });
    }

    fn work(&mut self, given: Given) {
        let Given { command: Command { id, server, action, .. }, until } = given;
        tracing::info!(command = %id, %server, action = name(&action), "command begins");
        let back = self.back.clone();
        if let Action::RunStep { session, step } = action {
            let (ramdisks, progress) = (self.ramdisks.clone(), self.back.clone());
            let (notary, erase) = (Arc::clone(&self.notary), Erase::of(server, id, &step));
            self.tasks.spawn(async move {
                let on_progress = move |done| {
                    // A lost one does no harm: the next one says more.
                    let _ = progress.try_send(Input::Progress { server, command: id, progress: done });
                };
                let outcome = match (ramdisks.run_step(session, id, step, on_progress).await, erase) {
                    (Ok(output), Some(erase)) => notary.state(erase, output).await,
                    (outcome, _) => outcome,
                };
                send_ended(&back, server, id, outcome.map(Success::Step), None).await;
            });
            return;
        }
        let Some(reached) = self.servers.get(&server).cloned() else { return };
        if matches!(action, Action::UpdateFirmware(_) | Action::LookAtFirmware { .. }) {
            return self.work_on_firmware(reached, server, id, action);
        }
        let (places, facts, seen) = (Arc::clone(&self.places), Arc::clone(&self.facts), self.seen.clone());
        let ramdisks = self.ramdisks.clone();
        self.tasks.spawn(async move {
            if matches!(action, Action::PowerOff { .. }) {
                // An erase is stopped before the power goes, so that it is known how far each disk is.
                ramdisks.wound_down(server).await;
            }
            let _place = places.acquire().await;
            let turn = reached.line.turn().await;
            let (outcome, sample) =
                work::carry_out(&*reached.bmc, reached.boot_mode, &action, until.into()).await;
            if let Action::Order(order) = &action
                && let Some(part) = order.part()
            {
                // Also when it failed: it may be done in part. It is told before the command's end is.
                facts.read_anew(server, &reached.bmc, part, until.into(), &seen).await;
            }
            drop(turn);
            reached.tell_who(&back, server).await;
            send_ended(&back, server, id, outcome, sample).await;
        });
    }

    /// Beside polls and commands: it takes minutes.
    fn work_on_firmware(&mut self, reached: Reached, server: ServerId, id: CommandId, action: Action) {
        let (back, updater) = (self.back.clone(), Arc::clone(&self.firmware));
        self.tasks.spawn(async move {
            let outcome = match &action {
                Action::UpdateFirmware(update) => updater.give(&*reached.bmc, update).await,
                Action::LookAtFirmware { task } => firmware::look(&*reached.bmc, task.as_deref()).await,
                Action::PowerOn { .. }
                | Action::PowerOff { .. }
                | Action::Reset { .. }
                | Action::ReadIdentity
                | Action::EndBoot
                | Action::KeepOff
                | Action::ReadFootprint
                | Action::RenewPassword
                | Action::Order(_)
                | Action::RunStep { .. } => return,
            };
            send_ended(&back, server, id, outcome, None).await;
        });
    }

    /// Without the disk a result is still in memory; only a restart would let a repeated command be done again.
    fn remember(&mut self, record: &[u8]) {
        let kept = if self.results_appended >= RESULTS_MAX {
            self.results_appended = 0;
            let records: Vec<_> = self.rack.results().iter().map(results::encode).collect();
            self.results.rewrite(records.iter().map(Vec::as_slice))
        } else {
            self.results_appended += 1;
            self.results.append(record)
        };
        if let Err(error) = kept {
            tracing::error!(error = %chain(&error), "a command's result could not be kept on disk");
        }
    }
}

impl Reached {
    /// Says who answered, and by which certificate, before what it answered.
    async fn tell_who(&self, back: &mpsc::Sender<Input>, server: ServerId) {
        if let Some(shown) = self.bmc.certificate_news() {
            let _ = back.send(Input::CertificateShown { server, place: self.endpoint.place(), shown }).await;
        }
        if let Some(identity) = self.bmc.seen().await {
            let _ = back.send(Input::Identified { server, place: self.endpoint.place(), identity }).await;
        }
    }
}

async fn send_ended(
    back: &mpsc::Sender<Input>,
    server: ServerId,
    command: CommandId,
    outcome: Result<Success, Failure>,
    sample: Option<crate::poll::debounce::Sample>,
) {
    metrics::command_ended(outcome.is_ok());
    match &outcome {
        Ok(_) => tracing::info!(%command, %server, "command done"),
        Err(failure) => {
            tracing::warn!(%command, %server, kind = ?failure.kind, reason = failure.message, "command failed");
        }
    }
    let _ = back.send(Input::Ended { server, command, outcome, sample }).await;
}

/// The action's name for the log; what is in it may be long, or secret.
fn name(action: &Action) -> &'static str {
    match action {
        Action::PowerOn { .. } => "power on",
        Action::PowerOff { .. } => "power off",
        Action::Reset { .. } => "reset",
        Action::ReadIdentity => "read identity",
        Action::EndBoot => "end boot",
        Action::KeepOff => "keep off after a power failure",
        Action::RenewPassword => "renew password",
        Action::ReadFootprint => "read footprint",
        Action::UpdateFirmware(_) => "update firmware",
        Action::LookAtFirmware { .. } => "look at firmware",
        Action::Order(_) => "order for the bmc",
        Action::RunStep { .. } => "run step",
    }
}
