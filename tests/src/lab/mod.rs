//! Edges: the lab, a real OpenStack and a virtual rack on one machine, and the story that is played on them.
//!
//! ```text
//!   up     start everything, in order, each part a program of its own
//!   story  from an import file to a tenant's page and back to nothing
//!   down   stop everything and leave nothing behind
//! ```

pub mod bad_days;
pub mod ctl;
pub mod filtered;
pub mod frames;
pub mod listen;
pub mod lldp;
pub mod odd;
pub mod process;
pub mod promise;
pub mod rack;
pub mod relay;
pub mod secrets;
pub mod server;
pub mod site;
pub mod step;
pub mod story;
pub mod told;
pub mod up;

use anyhow::Context;

use crate::{contrail::mover::Move, openstack::PASSWORD};
use ctl::Ctl;
use process::Processes;
use site::Site;

/// A lab, running or not.
#[derive(Clone, Debug)]
pub struct Lab {
    /// What it consists of.
    pub site: Site,
    /// Its programs.
    pub processes: Processes,
    /// An administrator.
    pub admin: Ctl,
    /// A tenant.
    pub tenant: Ctl,
    /// Another tenant, who must see nothing of the first.
    pub other: Ctl,
}

impl Lab {
    /// The lab at a site.
    pub fn at(site: Site) -> anyhow::Result<Self> {
        let processes = Processes::new(&site.run());
        let login = |user: &str, project: &str| {
            let variable = |name: &str, value: String| (name.to_owned(), value);
            Ctl {
                program: site.program("bmsctl"),
                environment: vec![
                    variable("BMS_URL", format!("https://{}", site.api())),
                    variable("BMS_CACERT", site.ca_file().display().to_string()),
                    variable("OS_AUTH_URL", site.openstack().keystone),
                    variable("OS_USERNAME", user.to_owned()),
                    variable("OS_PASSWORD", PASSWORD.to_owned()),
                    variable("OS_PROJECT_NAME", project.to_owned()),
                ],
            }
        };
        let (admin, tenant, other) =
            (login("admin", "admin"), login("demo", "demo"), login("other", "other"));
        Ok(Self { site, processes, admin, tenant, other })
    }

    /// The Contrail stand-in's API.
    pub fn contrail_url(&self) -> String {
        format!("http://{}", self.site.contrail())
    }

    /// Namespace of the story's virtual machine.
    pub fn vm_namespace(&self) -> String {
        format!("{}-vm", self.site.prefix)
    }

    /// Prints the ends of the logs that explain a failure.
    #[allow(clippy::print_stdout)] // for a test's output
    pub fn explain(&self) {
        for name in self.processes.names() {
            println!("--- {name}\n{}", self.processes.tail(&name, 40));
        }
        for server in site::machines() {
            let console = crate::qemu::Machine::console(&self.site.server(server.name));
            let text = std::fs::read(&console).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            println!(
                "--- console of {}\n{}",
                server.name,
                lines[lines.len().saturating_sub(25)..].join("\n")
            );
        }
    }

    /// When the switch moved a server's tap, in microseconds since 1970, oldest first.
    pub fn moves_of(&self, server: &str) -> anyhow::Result<Vec<u64>> {
        let tap = rack::Rack::tap(server);
        let text = std::fs::read_to_string(self.site.moves()).context("reading the switch's log")?;
        let moves = text.lines().filter_map(|line| serde_json::from_str::<Move>(line).ok());
        Ok(moves.filter(|moved| moved.tap == tap).map(|moved| moved.at_us).collect())
    }
}
