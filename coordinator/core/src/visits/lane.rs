//! Values: the lanes of reconciliation. Each kind of work has slots of its own, so that whatever one of them waits for (Contrail,
//! Ironic, an agent, a BMC) takes no slot of the others.

/// One kind of work on one server, in the order in which a server that is free is given to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Takes a server that is off from its tenant's network. Asks Contrail only; never Ironic, an agent or a BMC.
    Isolate,
    /// Reads the stored facts after a signal and says which lanes the server needs. Asks nobody.
    Check,
    /// Tells Ironic that a server is off, once it is isolated.
    Tell,
    /// Every other move of ports, on Ironic's newest word. Asks Ironic, then Contrail.
    Move,
    /// Tells the agent to forget a network boot.
    EndBoot,
    /// Reads ports at rest back. Asks Contrail.
    Look,
    /// Ironic's node and its class, and what is left of a deletion. Asks Ironic, and Contrail for a deletion.
    Enroll,
    /// Asks a BMC who it is, which may take half a minute.
    Identify,
    /// As [`Lane::Check`], in its turn and without a signal: whatever was missed is found here.
    Round,
}

impl Lane {
    /// Every lane, the most pressing first.
    pub const ALL: [Lane; 9] = [
        Lane::Isolate,
        Lane::Check,
        Lane::Tell,
        Lane::Move,
        Lane::EndBoot,
        Lane::Look,
        Lane::Enroll,
        Lane::Identify,
        Lane::Round,
    ];

    /// Servers that are served in this lane at the same time. Isolation: at 16 calls of 50 ms to the VNC API one server takes 0.8 s, so
    /// that 128 slots take 160 servers a second off their tenants' networks; 128 calls at once are what one API server still takes.
    /// Read-backs: at 4 calls of 50 ms a port, 16 slots read 80 ports a second, 4,800 a minute.
    pub const fn slots(self) -> usize {
        match self {
            Lane::Isolate => 128,
            Lane::Move | Lane::EndBoot | Lane::Identify => 32,
            Lane::Tell | Lane::Look | Lane::Enroll => 16,
            Lane::Check => 8,
            Lane::Round => 4,
        }
    }

    /// So many of the slots may be held by servers whose last try failed: what always fails never holds up what was not tried yet.
    pub const fn retry_slots(self) -> usize {
        self.slots() / 2
    }

    /// Whether a visit in this lane may begin while an isolation of its server is asked for. Everything else comes after it.
    pub const fn goes_beside_isolation(self) -> bool {
        match self {
            Lane::Isolate | Lane::Check | Lane::Round => true,
            Lane::Tell | Lane::Move | Lane::EndBoot | Lane::Look | Lane::Enroll | Lane::Identify => false,
        }
    }

    /// Its name, for logs, metrics and alarms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Isolate => "isolate",
            Lane::Check => "check",
            Lane::Tell => "tell",
            Lane::Move => "move",
            Lane::EndBoot => "end_boot",
            Lane::Look => "look",
            Lane::Enroll => "enroll",
            Lane::Identify => "identify",
            Lane::Round => "round",
        }
    }

    /// What a visit in this lane does, for a person.
    pub const fn describe(self) -> &'static str {
        match self {
            Lane::Isolate => "its isolation",
            Lane::Check | Lane::Round => "a look at its stored facts",
            Lane::Tell => "telling Ironic that it is off",
            Lane::Move => "another move of its ports",
            Lane::EndBoot => "its agent, to forget a boot",
            Lane::Look => "a read-back of its ports",
            Lane::Enroll => "its node in Ironic",
            Lane::Identify => "its BMC, which is asked who it is",
        }
    }
}
