//! Edges: the logs of a server and its BMC.

use protocol::redfish::read::log::{Log, LogEntry};
use serde_json::json;

use super::super::{
    RedfishBmc,
    call::{Call, Listed, MEMBERS_MAX},
};
use crate::bmc::BmcError;

/// So many entries of a log are read.
pub const ENTRIES_MAX: usize = MEMBERS_MAX;

impl RedfishBmc {
    /// The logs of the system, its managers and its chassis; that of hardware events, what IPMI calls the SEL, comes first.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn logs(&self) -> Result<Listed<Log>, BmcError> {
        let mut call = self.call().await?;
        let logs = call.logs().await?;
        Ok(call.listed(logs))
    }

    /// The entries of a log, the oldest first; [`ENTRIES_MAX`] at most, and whether there are more is told as missing.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn log_entries(&self, log: &Log) -> Result<Listed<LogEntry>, BmcError> {
        let mut call = self.call().await?;
        let Some(link) = &log.entries else {
            return Err(call.refuse(format!("its log {:?} shows no entries", log.name)));
        };
        let members = call.entries_at(link, "an entry of the log").await?;
        let mut entries: Vec<LogEntry> =
            members.iter().map(|(_, entry)| LogEntry::from(entry.node())).collect();
        // Services list them either way round; times of one BMC are written alike, so they can be compared as texts.
        entries.sort_by(|one, other| (&one.time, number(&one.id)).cmp(&(&other.time, number(&other.id))));
        Ok(call.listed(entries))
    }

    /// Removes all entries of a log.
    ///
    /// # Errors
    /// The log cannot be cleared, or the BMC refuses.
    pub async fn clear_log(&self, log: &Log) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let Some(clear) = &log.clear else {
            return Err(call.refuse(format!("its log {:?} cannot be cleared", log.name)));
        };
        let said = call.post(&clear.target, &json!({})).await?;
        call.must(said)
    }
}

impl Call<'_> {
    async fn logs(&mut self) -> Result<Vec<Log>, BmcError> {
        let mut owners = vec![self.system.body.clone()];
        owners.extend(self.managers().await?.into_iter().map(|(_, manager)| manager));
        owners.extend(self.chassis().await?.into_iter().map(|(_, chassis)| chassis));
        let (mut logs, mut known) = (Vec::new(), Vec::new());
        for owner in owners {
            for (path, log) in self.members(owner.node(), "LogServices").await? {
                if !known.contains(&path) {
                    logs.push(Log::from(log.node()));
                    known.push(path);
                }
            }
        }
        logs.sort_by_key(|log| !log.is_event_log());
        Ok(logs)
    }
}

/// Ids are numbers mostly.
fn number(id: &str) -> u64 {
    id.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}
