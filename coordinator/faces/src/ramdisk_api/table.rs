//! Decisions: the commands of one ramdisk's session, and whether Ironic knows how they ended.

use protocol::{id::CommandId, secret::Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{Job, short_name};

/// Commands that are remembered; the oldest ended ones make room. A deployment has about six.
pub const COMMANDS_MAX: usize = 64;

/// A session: the token that Ironic knows us by, and its commands in their order. It is stored as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// The agent token, once looked up.
    pub token: Option<Secret>,
    commands: Vec<Entry>,
    /// Something that Ironic has not checked yet: a ramdisk that is ready, a command that has ended.
    news: bool,
    /// Heartbeats sent since then.
    #[serde(skip)]
    tried: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    id: CommandId,
    name: String,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Running(Job),
    Succeeded(Value),
    Failed(CommandError),
}

/// Why a command failed. Ironic shows `details`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandError {
    /// One word.
    pub r#type: String,
    /// An HTTP status.
    pub code: u16,
    /// What failed.
    pub message: String,
    /// Why, for a person.
    pub details: String,
}

impl CommandError {
    /// A command that was not even begun.
    pub fn not_started(details: &str) -> Self {
        Self {
            r#type: "BmsStepRefused".to_owned(),
            code: 500,
            message: "the step was not begun".to_owned(),
            details: details.to_owned(),
        }
    }
}

/// A command came while another is running.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Agent is busy with command {running}")]
pub struct Busy {
    /// The one that runs.
    pub running: String,
}

impl Default for Table {
    fn default() -> Self {
        Self { token: None, commands: Vec::new(), news: true, tried: 0 }
    }
}

impl Table {
    /// Enters a job that starts now.
    pub fn begin(&mut self, name: &str, job: Job) -> Result<CommandId, Busy> {
        self.enter(name, State::Running(job))
    }

    /// Enters a command that is answered at once.
    pub fn answered(&mut self, name: &str, result: Value) -> Result<CommandId, Busy> {
        self.enter(name, State::Succeeded(result))
    }

    fn enter(&mut self, name: &str, state: State) -> Result<CommandId, Busy> {
        if let Some(entry) = self.commands.iter().find(|entry| matches!(entry.state, State::Running(_))) {
            return Err(Busy { running: entry.name.clone() });
        }
        if self.commands.len() >= COMMANDS_MAX {
            self.commands.remove(0);
        }
        let id = CommandId::random();
        self.commands.push(Entry { id, name: short_name(name).to_owned(), state });
        self.noticed();
        Ok(id)
    }

    /// A job has ended: there is something to tell.
    pub fn finish(&mut self, id: CommandId, outcome: Result<Value, CommandError>) {
        if let Some(entry) = self.commands.iter_mut().find(|entry| entry.id == id) {
            entry.state = match outcome {
                Ok(result) => State::Succeeded(result),
                Err(error) => State::Failed(error),
            };
            self.news = true;
            self.tried = 0;
        }
    }

    /// Jobs that are under way: at most one. After a restart it is taken up again.
    pub fn running(&self) -> Vec<(CommandId, Job)> {
        let running = self.commands.iter().filter_map(|entry| match &entry.state {
            State::Running(job) => Some((entry.id, job.clone())),
            State::Succeeded(_) | State::Failed(_) => None,
        });
        running.collect()
    }

    /// Whether there is a failure that Ironic has not looked at.
    pub fn has_bad_news(&self) -> bool {
        self.news && self.commands.last().is_some_and(|entry| matches!(entry.state, State::Failed(_)))
    }

    /// Ironic has looked.
    pub fn noticed(&mut self) {
        self.news = false;
        self.tried = 0;
    }

    /// Whether there is something that Ironic has not looked at.
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// A heartbeat is sent: how many have been since there was news.
    pub fn count_heartbeat(&mut self) -> u32 {
        let tried = self.tried;
        self.tried = self.tried.saturating_add(1);
        tried
    }

    /// All commands as Ironic reads them.
    pub fn list(&self) -> Value {
        json!({"commands": self.commands.iter().map(Entry::json).collect::<Vec<_>>()})
    }

    /// One command as Ironic reads it.
    pub fn get(&self, id: CommandId) -> Option<Value> {
        self.commands.iter().find(|entry| entry.id == id).map(Entry::json)
    }
}

impl Entry {
    fn json(&self) -> Value {
        let (status, result, error) = match &self.state {
            State::Running(_) => ("RUNNING", None, None),
            State::Succeeded(result) => ("SUCCEEDED", Some(result), None),
            State::Failed(error) => ("FAILED", None, Some(error)),
        };
        json!({
            "id": self.id,
            "command_name": self.name,
            "command_params": {},
            "command_status": status,
            "command_result": result,
            "command_error": error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_at_a_time_and_its_end_is_news() {
        let mut table = Table::default();
        assert!(table.has_news(), "a fresh ramdisk is news");
        assert_eq!((table.count_heartbeat(), table.count_heartbeat()), (0, 1));
        table.answered("clean.get_clean_steps", json!({})).unwrap();
        assert_eq!((table.has_news(), table.count_heartbeat()), (false, 0));
        let id = table.begin("standby.sync", Job::Sync).unwrap();
        let busy = table.begin("standby.power_off", Job::PowerOff).unwrap_err();
        assert_eq!(busy.running, "sync");
        assert_eq!(table.list()["commands"][1]["command_status"], "RUNNING");
        let error =
            CommandError { r#type: "X".into(), code: 500, message: "m".into(), details: "why".into() };
        table.finish(id, Err(error));
        assert_eq!((table.has_news(), table.count_heartbeat()), (true, 0));
        assert_eq!(table.list()["commands"][1]["command_error"]["details"], "why");
        table.noticed();
        assert!(!table.has_news());
    }

    #[test]
    fn a_running_job_survives_the_process() {
        let mut table = Table { token: Some(Secret::new("token")), ..Table::default() };
        let id = table.begin("image.install_bootloader", Job::InstallBootEntry).unwrap();
        let stored = serde_json::to_string(&table).unwrap();
        let table: Table = serde_json::from_str(&stored).unwrap();
        assert_eq!(table.running(), vec![(id, Job::InstallBootEntry)]);
        assert_eq!(table.list()["commands"][0]["command_name"], "install_bootloader");
    }

    #[test]
    fn the_list_is_bounded() {
        let mut table = Table::default();
        for _ in 0..COMMANDS_MAX * 2 {
            table.answered("standby.get_partition_uuids", json!({})).unwrap();
        }
        assert_eq!(table.list()["commands"].as_array().unwrap().len(), COMMANDS_MAX);
    }
}
