//! Values: the passwords that BMCs have from their factory, in the API. No answer has one in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A line of the list of factory passwords, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FactoryPassword {
    /// Id of the line.
    pub id: Uuid,
    /// Serial number of the server. Absent: the line has none.
    pub serial: Option<String>,
    /// Ethernet address of the BMC. Absent: the line has none.
    pub mac: Option<String>,
    /// UUID of the server or of its Redfish service. Absent: the line has none.
    pub uuid: Option<String>,
    /// The only rack whose agent is given the password. Absent: any.
    pub rack: Option<String>,
    /// User of the BMC.
    pub bmc_username: String,
    /// When the line was imported (RFC 3339). Absent: not known.
    pub added: Option<String>,
    /// What became of it: `waiting`, `given` to an agent to be tried, `refused` by the BMC, `accepted` by the BMC, `claimed` by a node.
    pub stage: String,
    /// Where the BMC is, such as `198.51.100.11:443 in rack rack1`. Absent: it was not found.
    pub bmc: Option<String>,
    /// The node that has the BMC. Absent: none yet.
    pub node: Option<String>,
    /// Since when it is at this stage (RFC 3339). Absent: since it was imported.
    pub since: Option<String>,
    /// Why the password was refused, or could not be tried, in the BMC's words. Absent: it was neither.
    pub problem: Option<String>,
}

/// What an import of factory passwords did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FactoryPasswordsImported {
    /// Lines that were added.
    pub added: usize,
    /// Lines that were in the list already, with the same password.
    pub unchanged: usize,
}
