//! Edges: the real Keystone, Placement, Glance, Ironic and Nova on loopback, for the lab and for tests.
//!
//! ```text
//!   requirements.txt --ensure_venv--> .lab/venv           (once per lock file)
//!   *_schema, *_seed --------------> .lab/cache/openstack-db/<hash>/*.db   (once per lock file)
//!   OpenStack::start: copy the databases, write the configurations, start six processes at once, wait for each
//! ```
//!
//! No systemd, no broker, no MySQL, no root. A start is always a fresh cloud: the databases of the last one are replaced.
//! Each process leads a process group of its own and is found again by its pid file, so that [`OpenStack::attach`] can
//! stop what another program started. Deliberately absent: Neutron. A stand-in answers the few questions that Nova asks
//! even when a server has no port.

mod config;
mod database;
mod interrupt;
mod process;
mod ready;
mod venv;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use openstack::{Credentials, Scope, Session, client::http_client};
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};

pub use config::PASSWORD;
pub use interrupt::Interrupted;
pub use process::ServiceStatus;
pub use venv::{ensure_packages, ensure_venv};

use process::Processes;

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything that is written goes under this directory.
    pub dir: PathBuf,
    /// The virtual environment, as [`ensure_venv`] made it.
    pub venv: PathBuf,
    /// Where finished databases are kept for the next start.
    pub cache: PathBuf,
    /// First port; see [`Endpoints::new`].
    pub base_port: u16,
    /// Whether to start Nova, Placement and the Neutron stand-in, too.
    pub nova: bool,
    /// Kernel that Ironic is told of; none: an empty file, for our agent serves its own.
    pub deploy_kernel: Option<PathBuf>,
    /// Ramdisk that Ironic is told of; none: an empty file.
    pub deploy_ramdisk: Option<PathBuf>,
    /// Certificates (PEM) that Ironic trusts when it talks to the ramdisk facade; none: the system's.
    pub ca_file: Option<PathBuf>,
}

impl Options {
    /// The usual places under the checkout's `.lab`: `run/<name>`, `venv`, `cache`.
    pub fn in_lab(lab: &Path, name: &str, base_port: u16) -> Self {
        Options {
            dir: lab.join("run").join(name),
            venv: lab.join("venv"),
            cache: lab.join("cache"),
            base_port,
            nova: true,
            deploy_kernel: None,
            deploy_ramdisk: None,
            ca_file: None,
        }
    }
}

/// URLs of the services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Keystone, with `/v3`.
    pub keystone: String,
    /// Placement.
    pub placement: String,
    /// Glance.
    pub glance: String,
    /// Ironic.
    pub ironic: String,
    /// Nova, with `/v2.1`.
    pub nova: String,
    /// The Neutron stand-in.
    pub neutron: String,
}

impl Endpoints {
    /// Keystone +0, Placement +1, Glance +2, Ironic +3, Nova +4, Neutron stand-in +12.
    pub fn new(base_port: u16) -> Self {
        let url = |offset: u16, path: &str| format!("http://127.0.0.1:{}{path}", base_port + offset);
        Endpoints {
            keystone: url(0, "/v3"),
            placement: url(1, ""),
            glance: url(2, ""),
            ironic: url(3, ""),
            nova: url(4, "/v2.1"),
            neutron: url(12, ""),
        }
    }
}

/// Who is there to log in as. All have the password [`PASSWORD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// `admin` of the whole system: what Ironic wants.
    System,
    /// `admin` of the project `admin`: what Nova and Glance want.
    Admin,
    /// Member of the project `demo`.
    Demo,
    /// Member of the project `other`.
    Other,
}

/// A running cloud.
#[derive(Debug)]
pub struct OpenStack {
    /// Where its services answer.
    pub endpoints: Endpoints,
    /// Where its files are; logs in `log`.
    pub dir: PathBuf,
    processes: Processes,
    stop_on_drop: bool,
}

/// What [`OpenStack::attach`] has to know.
#[derive(Serialize, Deserialize)]
struct Saved {
    base_port: u16,
    endpoints: Endpoints,
}

const SAVED: &str = "openstack.json";

impl OpenStack {
    /// Starts a fresh cloud and waits until every service works. What an earlier start left running in the same
    /// directory is stopped first. On failure everything is stopped again, and the error shows the end of the log.
    pub async fn start(options: Options) -> Result<Self> {
        ensure!(options.dir.is_absolute(), "{} must be an absolute path", options.dir.display());
        let processes = Processes::new(&options.dir)?;
        processes.stop();
        process::refuse_taken_ports(options.base_port)?;
        let endpoints = Endpoints::new(options.base_port);
        let openstack = OpenStack { endpoints, dir: options.dir.clone(), processes, stop_on_drop: true };
        let prepared = options.clone();
        let prepare = move || -> Result<()> {
            config::write(&prepared)?;
            database::provide(&prepared)
        };
        tokio::task::spawn_blocking(prepare).await.context("preparing panicked")??;
        let saved = Saved { base_port: options.base_port, endpoints: openstack.endpoints.clone() };
        std::fs::write(options.dir.join(SAVED), serde_json::to_vec_pretty(&saved)?)?;
        for (name, command) in config::commands(&options) {
            openstack.processes.start(name, command)?;
        }
        ready::wait(&openstack, options.nova).await?;
        Ok(openstack)
    }

    /// Finds a cloud that another program started in this directory. Dropping the result stops nothing.
    pub fn attach(dir: &Path) -> Result<Self> {
        let path = dir.join(SAVED);
        let text =
            std::fs::read(&path).with_context(|| format!("no OpenStack was started in {}", dir.display()))?;
        let saved: Saved =
            serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(OpenStack {
            endpoints: saved.endpoints,
            dir: dir.to_owned(),
            processes: Processes::new(dir)?,
            stop_on_drop: false,
        })
    }

    /// Lets the services run on after this value, and this program, have gone.
    pub fn leave_running(&mut self) {
        self.stop_on_drop = false;
    }

    /// Stops every service with all its processes; returns when none is left.
    pub fn stop(&self) {
        self.processes.stop();
    }

    /// What runs.
    pub fn status(&self) -> Vec<ServiceStatus> {
        self.processes.status()
    }

    /// How somebody logs in.
    pub fn credentials(&self, who: Who) -> Credentials {
        let project = |name: &str| Scope::Project { name: name.to_owned(), domain: "Default".to_owned() };
        let (username, scope) = match who {
            Who::System => ("admin", Scope::System),
            Who::Admin => ("admin", project("admin")),
            Who::Demo => ("demo", project("demo")),
            Who::Other => ("other", project("other")),
        };
        Credentials {
            auth_url: self.endpoints.keystone.clone(),
            username: username.to_owned(),
            user_domain: "Default".to_owned(),
            password: Secret::new(PASSWORD),
            scope,
            region: None,
            interface: "public".to_owned(),
        }
    }

    /// A session of somebody.
    pub fn session(&self, who: Who) -> Result<Session> {
        Ok(Session::new(http_client(None)?, self.credentials(who)))
    }
}

impl Drop for OpenStack {
    fn drop(&mut self) {
        if self.stop_on_drop {
            self.stop();
        }
    }
}
