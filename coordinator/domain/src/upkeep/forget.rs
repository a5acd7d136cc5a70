//! Decisions: whether a server may be forgotten as far as its BMC's password goes: a random one that only we know must not be lost.

use crate::records::Server;

/// An error: why it may not, for a person.
pub fn may_be_forgotten(server: &Server) -> Result<(), String> {
    let upkeep = &server.upkeep;
    if upkeep.rotation.as_ref().is_some_and(super::rotation::Rotation::is_under_way) {
        return Err(format!(
            "{} was not deleted: the password of its BMC is being changed, and either of two may be right; wait until that has ended \
             (bmsctl node show {0})",
            server.name
        ));
    }
    let is_ours_alone =
        upkeep.rotated_us.is_some_and(|rotated| upkeep.shown_us.is_none_or(|shown| shown < rotated));
    if is_ours_alone {
        return Err(format!(
            "{} was not deleted: nobody but this inventory knows the password of its BMC, which was changed by itself; read it first \
             (bmsctl bmc password show {0} --reason ...), and then delete the node",
            server.name
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::secret::Secret;

    use super::*;
    use crate::{
        samples::server,
        upkeep::rotation::{Rotation, Stage},
    };

    #[test]
    fn a_password_that_nobody_else_knows_is_not_lost_with_its_server() {
        let check = |change: &dyn Fn(&mut Server), words: Option<&str>| {
            let mut server = server();
            change(&mut server);
            let said = may_be_forgotten(&server).err();
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(
                words.is_none_or(|words| said.as_ref().is_some_and(|said| said.contains(words))),
                "{said:?}"
            );
        };
        check(&|_| {}, None);
        check(&|server| server.upkeep.rotated_us = Some(5), Some("bmsctl bmc password show n1"));
        check(
            &|server| (server.upkeep.rotated_us, server.upkeep.shown_us) = (Some(5), Some(4)),
            Some("read it first"),
        );
        check(&|server| (server.upkeep.rotated_us, server.upkeep.shown_us) = (Some(5), Some(6)), None);
        let told =
            Rotation { stage: Stage::Told(Secret::new("new")), ..Rotation::planned("it was time", 0, 0) };
        check(&|server| server.upkeep.rotation = Some(told.clone()), Some("either of two may be right"));
    }
}
