//! Decisions: the ramdisks that are to be heard of again since their agent was restarted.

use std::collections::HashMap;

use protocol::id::{AgentBootId, RamdiskSessionId, ServerId};

/// Each with the run of the agent that is to tell of it.
#[derive(Debug, Default)]
pub(super) struct Expected {
    sessions: HashMap<RamdiskSessionId, (ServerId, AgentBootId)>,
}

/// What becomes of the ramdisks of one run when their time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These were not heard of: they are gone.
    Gone(Vec<(RamdiskSessionId, ServerId)>),
    /// The agent is away. Its reports may be on their way: the same time once more.
    WaitOn,
    /// A later run has a wait of its own.
    Superseded,
}

impl Expected {
    /// This run of an agent is to tell of them.
    pub(super) fn expect(
        &mut self,
        run: AgentBootId,
        sessions: impl IntoIterator<Item = (RamdiskSessionId, ServerId)>,
    ) {
        self.sessions.extend(sessions.into_iter().map(|(session, server)| (session, (server, run))));
    }

    /// One was heard of, or has ended.
    pub(super) fn heard_of(&mut self, session: RamdiskSessionId) {
        self.sessions.remove(&session);
    }

    /// The time of this run's ramdisks is over, and `connected` is the run of their rack's agent that is here now.
    pub(super) fn handle_timeout(&self, run: AgentBootId, connected: Option<AgentBootId>) -> Verdict {
        match connected {
            None => Verdict::WaitOn,
            Some(now) if now != run => Verdict::Superseded,
            Some(_) => {
                let of_run = self.sessions.iter().filter(|(_, (_, expected))| *expected == run);
                Verdict::Gone(of_run.map(|(session, (server, _))| (*session, *server)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_heard_of_is_gone_when_its_own_run_is_here() {
        let (first, later) = (AgentBootId::random(), AgentBootId::random());
        let (back, silent) = (RamdiskSessionId::random(), RamdiskSessionId::random());
        let server = ServerId::random();
        let mut expected = Expected::default();
        expected.expect(first, [(back, server), (silent, server)]);
        expected.heard_of(back);
        assert_eq!(expected.handle_timeout(first, None), Verdict::WaitOn);
        assert_eq!(expected.handle_timeout(first, Some(later)), Verdict::Superseded);
        assert_eq!(expected.handle_timeout(first, Some(first)), Verdict::Gone(vec![(silent, server)]));
        // A later run takes over what is still expected.
        expected.expect(later, [(silent, server)]);
        assert_eq!(expected.handle_timeout(first, Some(first)), Verdict::Gone(vec![]));
        assert_eq!(expected.handle_timeout(later, Some(later)), Verdict::Gone(vec![(silent, server)]));
    }
}
