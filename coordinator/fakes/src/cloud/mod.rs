//! Edges: an OpenStack and a Contrail in memory, for tests: they hold what they are told to, refuse, are away, lose an answer, or
//! outlive the process that asks, at any of its calls.

mod compute;
mod identity;
mod images;
mod networks;
mod nodes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use domain::{
    lifecycle::Node,
    rim::{
        ComputeServer, FabricError, Flavor, Image, SecurityGroup, Service, ServiceError, TenantNetwork,
        TenantPort,
    },
};
use futures::{channel::oneshot, future::BoxFuture};
use protocol::id::ServerId;
use uuid::Uuid;

pub use compute::{NovaDeletes, compute_server, flavor};
pub use identity::{ADMIN_PROJECT, WRONG_PASSWORD};
pub use images::image;
pub use networks::network;

/// Whoever is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A service of OpenStack.
    OpenStack(Service),
    /// Contrail's API.
    Contrail,
}

impl Party {
    /// All of them.
    pub const ALL: [Party; 6] = [
        Party::OpenStack(Service::Keystone),
        Party::OpenStack(Service::Glance),
        Party::OpenStack(Service::Nova),
        Party::OpenStack(Service::Placement),
        Party::OpenStack(Service::Ironic),
        Party::Contrail,
    ];
}

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The process that asks ends before anybody hears of it.
    DiesBefore,
    /// It ends when the service has done what it was asked, and nobody learns of it.
    DiesAfter,
    /// Nobody hears of it, and the caller is told that there was no answer.
    NotReached,
    /// The service does it, and the caller is told that there was no answer.
    AnswerLost,
}

impl Mishap {
    /// All of them.
    pub const ALL: [Mishap; 4] =
        [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::NotReached, Mishap::AnswerLost];
}

/// How a service refuses everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// It says "later".
    Away(&'static str),
    /// The node is locked.
    Locked(&'static str),
    /// It says no: status and sentence.
    Refuses(u16, &'static str),
}

impl Fails {
    fn error(self, service: Service, operation: &str) -> ServiceError {
        let operation = operation.to_owned();
        match self {
            Fails::Away(message) => {
                ServiceError::Unavailable { service, operation, message: message.to_owned() }
            }
            Fails::Locked(message) => {
                ServiceError::Locked { service, operation, message: message.to_owned() }
            }
            Fails::Refuses(code, message) => {
                ServiceError::Refused { service, operation, code, message: message.to_owned() }
            }
        }
    }
}

/// What everybody holds.
#[derive(Debug, Default)]
pub struct Held {
    /// Nova's servers.
    pub servers: BTreeMap<Uuid, ComputeServer>,
    /// Those that Nova still shows as deleted.
    pub deleted: BTreeSet<Uuid>,
    /// What Nova does when it is asked to delete.
    pub deletes: NovaDeletes,
    /// Nova's flavors.
    pub flavors: Vec<Flavor>,
    /// Glance's images, by id.
    pub images: BTreeMap<String, Image>,
    /// Ironic's nodes.
    pub nodes: BTreeMap<ServerId, Node>,
    /// Contrail's networks.
    pub networks: Vec<TenantNetwork>,
    /// Contrail's security groups, each with its project.
    pub groups: Vec<(String, SecurityGroup)>,
    /// Contrail's ports of tenants.
    pub ports: BTreeMap<Uuid, TenantPort>,
    /// Ports that were asked to be unmade, there or not.
    pub unmade: Vec<Uuid>,
    /// What Nova answers to everything.
    pub nova_fails: Option<Fails>,
    /// What Ironic answers to every change.
    pub ironic_fails: Option<Fails>,
    /// Users whose tokens are gone.
    pub gone: BTreeSet<String>,
    /// Users whose roles were taken away.
    pub roleless: BTreeSet<String>,
    /// Our own user works in the project of this user; none: in none.
    pub own: Option<String>,
    /// When tokens end, in microseconds since 1970; none: long after any test.
    pub ends_us: Option<u64>,
    /// What was asked that changes something.
    pub asked: Vec<String>,
    made: u128,
}

impl Held {
    /// An id that nothing has had.
    fn new_id(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128((0x9a << 64) + self.made)
    }
}

struct Plan {
    calls_left: usize,
    mishap: Mishap,
    died: oneshot::Sender<()>,
}

/// What is waited for before a call is answered, by who is asked and what.
pub type Hook = Arc<dyn Fn(Party, &str) -> BoxFuture<'static, ()> + Send + Sync>;

/// The services.
#[derive(Default)]
pub struct Cloud {
    held: Mutex<Held>,
    away: Mutex<Vec<Party>>,
    plan: Mutex<Option<Plan>>,
    hook: Mutex<Option<Hook>>,
    counts: Mutex<HashMap<String, usize>>,
}

impl Cloud {
    /// What they hold.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// Who is away from now on.
    pub fn set_away(&self, parties: &[Party]) {
        *self.away.lock().unwrap() = parties.to_vec();
    }

    /// What every call waits for from now on.
    pub fn set_hook(&self, hook: Hook) {
        *self.hook.lock().unwrap() = Some(hook);
    }

    /// After so many calls something goes wrong at the next. Gives what is told when the process must end there.
    pub fn strike(&self, calls_left: usize, mishap: Mishap) -> oneshot::Receiver<()> {
        let (died, told) = oneshot::channel();
        *self.plan.lock().unwrap() = Some(Plan { calls_left, mishap, died });
        told
    }

    /// Whether what was to go wrong has not: there were not so many calls. Nothing goes wrong any more.
    pub fn is_spared(&self) -> bool {
        self.plan.lock().unwrap().take().is_some()
    }

    /// How often this was asked, `whose` or `list images`, by anybody.
    pub fn count(&self, what: &str) -> usize {
        self.counts.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    /// How often this change was asked for.
    pub fn asked(&self, what: &str) -> usize {
        self.held().asked.iter().filter(|asked| asked.as_str() == what).count()
    }

    fn next_mishap(&self) -> Option<(Mishap, oneshot::Sender<()>)> {
        let mut plan = self.plan.lock().unwrap();
        match plan.as_mut() {
            Some(one) if one.calls_left > 0 => {
                one.calls_left -= 1;
                None
            }
            Some(_) => plan.take().map(|plan| (plan.mishap, plan.died)),
            None => None,
        }
    }

    /// One call: what every trait's every method comes to.
    async fn call<T: Send, E: Send>(
        &self,
        party: Party,
        what: &str,
        no_answer: E,
        act: impl FnOnce(&mut Held) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(party, what).await;
        }
        if self.away.lock().unwrap().contains(&party) {
            return Err(no_answer);
        }
        let Some((mishap, died)) = self.next_mishap() else { return act(&mut self.held()) };
        match mishap {
            Mishap::NotReached => Err(no_answer),
            Mishap::AnswerLost => {
                let _ = act(&mut self.held());
                Err(no_answer)
            }
            Mishap::DiesBefore => die(died).await,
            Mishap::DiesAfter => {
                let _ = act(&mut self.held());
                die(died).await
            }
        }
    }

    async fn ask<T: Send>(
        &self,
        service: Service,
        what: &str,
        act: impl FnOnce(&mut Held) -> Result<T, ServiceError> + Send,
    ) -> Result<T, ServiceError> {
        let no_answer = Fails::Away("connection refused").error(service, what);
        self.call(Party::OpenStack(service), what, no_answer, act).await
    }

    async fn ask_contrail<T: Send>(
        &self,
        what: &str,
        act: impl FnOnce(&mut Held) -> Result<T, FabricError> + Send,
    ) -> Result<T, FabricError> {
        let (url, reason) = ("http://198.51.100.9:8082".to_owned(), "connection refused".to_owned());
        self.call(Party::Contrail, what, FabricError::Unavailable { url, reason }, act).await
    }
}

async fn die<T>(died: oneshot::Sender<()>) -> T {
    // Nobody listens where nobody cares that it died.
    let _ = died.send(());
    std::future::pending().await
}

fn not_found(service: Service, what: &str) -> ServiceError {
    let message = "it could not be found".to_owned();
    ServiceError::NotFound { service, operation: what.to_owned(), message }
}
