//! Decisions: BMCs that a file would change: whose are in use, and which are exchanged.
//!
//! The reading of a wrong BMC would isolate a running server, and a power command would hit another machine. So the BMC of a
//! server in use changes only when that is said to be meant. Another user or password is no change of the BMC.

use std::collections::HashMap;

use super::{Fault, ImportedNode};
use crate::{lifecycle::in_use, records::Server};

/// What a file may do to servers in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServersInUse {
    /// Their BMCs stay where they are.
    #[default]
    KeepBmc,
    /// Their BMCs may change: somebody said that it is meant.
    ChangeBmc,
}

impl ServersInUse {
    /// Whether somebody said that it is meant.
    pub fn meant(is_meant: bool) -> Self {
        if is_meant { ServersInUse::ChangeBmc } else { ServersInUse::KeepBmc }
    }
}

/// A server of the file, and the known one that it is.
pub(super) type Matched<'a> = (ImportedNode, Option<&'a Server>);

/// What a file says of BMCs that change: for each server a sentence, or none.
pub(super) fn changed_bmcs(matched: &[Matched<'_>]) -> Vec<Option<String>> {
    let before: HashMap<String, &Server> =
        matched.iter().filter_map(|(_, server)| server.map(|server| (server.bmc.place(), server))).collect();
    let after: HashMap<&str, String> = matched
        .iter()
        .filter_map(|(node, server)| Some((server.as_ref()?.name.as_str(), node.bmc.place())))
        .collect();
    let sentence = |(node, server): &Matched<'_>| {
        let server = (*server)?;
        let (old, new) = (server.bmc.place(), node.bmc.place());
        if old == new {
            return None;
        }
        let whose = match before.get(&new) {
            Some(other) if after.get(other.name.as_str()) == Some(&old) => {
                format!(", which currently belongs to {}: the BMCs of the two are exchanged", other.name)
            }
            Some(other) => format!(", which currently belongs to {}", other.name),
            None => String::new(),
        };
        Some(format!("the BMC of {} changes from {old} to {new}{whose}", server.name))
    };
    matched.iter().map(sentence).collect()
}

/// Faults of those that may not change.
pub(super) fn refuse_in_use(
    matched: &[Matched<'_>],
    changed: &[Option<String>],
    servers_in_use: ServersInUse,
) -> Vec<Fault> {
    match servers_in_use {
        ServersInUse::ChangeBmc => return Vec::new(),
        ServersInUse::KeepBmc => {}
    }
    let fault = |(number, ((node, server), change)): (usize, (&Matched<'_>, &Option<String>))| {
        let (server, change) = (server.as_ref()?, change.as_ref()?);
        let how = in_use(server.node.as_ref())?;
        Some(Fault {
            line: node.line,
            path: format!("nodes[{number}].driver_info"),
            message: format!(
                "{change}, but {} is {how}: if the new BMC is wrong, another machine's power state would be used for this \
                 server; leave its BMC unchanged, or confirm the change (bmsctl node import --bmc-of-servers-in-use; \
                 bmc_of_servers_in_use=true in the API; the checkbox on the page)",
                server.name
            ),
        })
    };
    matched.iter().zip(changed).enumerate().filter_map(fault).collect()
}
