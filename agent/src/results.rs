//! Decisions: how recent commands ended, so that a repeated command is answered and not done again.

use std::collections::{HashMap, VecDeque};

use prost::Message;
use protocol::{command::CommandResult, grpc as wire, id::CommandId};

/// Most results remembered; the oldest are forgotten first. The coordinator repeats a command within minutes, or never.
pub const RESULTS_MAX: usize = 1024;

/// Remembered results.
#[derive(Debug, Default)]
pub struct Results {
    by_id: HashMap<CommandId, CommandResult>,
    order: VecDeque<CommandId>,
}

impl Results {
    /// How this command ended, if it did and is remembered.
    pub fn get(&self, command: CommandId) -> Option<&CommandResult> {
        self.by_id.get(&command)
    }

    /// Remembers a result.
    pub fn insert(&mut self, result: CommandResult) {
        let id = result.command;
        if self.by_id.insert(id, result).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > RESULTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &CommandResult> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

/// A result as it is kept on disk: its message of the agent stream.
pub fn encode(result: &CommandResult) -> Vec<u8> {
    wire::CommandResult::from(result.clone()).encode_to_vec()
}

/// Reads what [`encode`] wrote.
pub fn decode(record: &[u8]) -> Option<CommandResult> {
    wire::CommandResult::decode(record).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use protocol::command::Success;

    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut results = Results::default();
        let ids: Vec<_> = (0..RESULTS_MAX + 10).map(|_| CommandId::random()).collect();
        for id in &ids {
            let result = CommandResult { command: *id, outcome: Ok(Success::Done) };
            assert_eq!(decode(&encode(&result)), Some(result.clone()));
            results.insert(result);
        }
        assert_eq!(results.iter().count(), RESULTS_MAX);
        assert!(results.get(ids[9]).is_none() && results.get(ids[10]).is_some());
    }
}
