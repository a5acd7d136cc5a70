//! Values: how far a server's network boot has come, and the letters in which that is stored.

use std::fmt;

use protocol::{boot::BootStage, network::BootNetwork};

/// How far a network boot has come, and on which network that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootReached {
    /// How far.
    pub stage: BootStage,
    /// Where.
    pub network: BootNetwork,
}

impl BootReached {
    /// As it is stored, in the letters of databases that are in use.
    pub fn stored(self) -> String {
        format!("{} on {}", stored_stage(self.stage), self.network.as_str())
    }

    /// What is stored; none: another version stored what this one does not know. A boot that moves on stores it anew.
    pub fn of_stored(text: &str) -> Option<Self> {
        let networks = [BootNetwork::Provisioning, BootNetwork::Cleaning];
        let all =
            BootStage::ALL.into_iter().flat_map(|stage| networks.map(|network| Self { stage, network }));
        all.into_iter().find(|one| one.stored() == text)
    }
}

impl fmt::Display for BootReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.stage.words(), self.network.as_str())
    }
}

/// The stage in stored letters.
fn stored_stage(stage: BootStage) -> &'static str {
    match stage {
        BootStage::DhcpDiscover => "DhcpDiscover",
        BootStage::DhcpAck => "DhcpAck",
        BootStage::Loader => "Loader",
        BootStage::Script => "Script",
        BootStage::Kernel => "Kernel",
        BootStage::Initrd => "Initrd",
    }
}

/// A sighting of a stage, as it is stored in a proof.
pub fn stored_sighting(stage: BootStage) -> String {
    format!("boot: {}", stored_stage(stage))
}

/// The stage of a sighting; none: it is of something else.
pub fn stage_of_sighting(what: &str) -> Option<BootStage> {
    BootStage::ALL.into_iter().find(|stage| stored_sighting(*stage) == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_comes_back_from_its_stored_letters() {
        let letters = ["DhcpDiscover", "DhcpAck", "Loader", "Script", "Kernel", "Initrd"];
        for (stage, letters) in BootStage::ALL.into_iter().zip(letters) {
            for (network, word) in
                [(BootNetwork::Provisioning, "provisioning"), (BootNetwork::Cleaning, "cleaning")]
            {
                let reached = BootReached { stage, network };
                assert_eq!(reached.stored(), format!("{letters} on {word}"), "stored letters stay");
                assert_eq!(BootReached::of_stored(&reached.stored()), Some(reached));
            }
            assert_eq!(stored_sighting(stage), format!("boot: {letters}"), "stored letters stay");
            assert_eq!(stage_of_sighting(&stored_sighting(stage)), Some(stage));
        }
        for other in ["", "Kernel", "kernel on provisioning", "Kernel on tenant", "boot: Kernel"] {
            assert_eq!(BootReached::of_stored(other), None, "{other}");
        }
        assert_eq!(stage_of_sighting("the ramdisk's hello"), None);
        let reached = BootReached { stage: BootStage::DhcpAck, network: BootNetwork::Cleaning };
        assert_eq!(reached.to_string(), "DHCP lease on cleaning");
    }
}
