//! Values: what is known of a BMC's password as the API shows it, without the password.

use api_types::{BmcPassword, PasswordRotation, RotationStage};
use domain::{
    records::Server,
    upkeep::rotation::{Rotation, Stage},
};

use super::time::time;

/// What is known of a BMC's password, without the password.
pub(super) fn password_view(server: &Server) -> BmcPassword {
    let upkeep = &server.upkeep;
    BmcPassword {
        rotated: upkeep.rotated_us.and_then(time),
        every_days: upkeep.rotate_days,
        shown: upkeep.shown_us.and_then(time),
        rotation: upkeep.rotation.as_ref().map(rotation_view),
    }
}

fn rotation_view(rotation: &Rotation) -> PasswordRotation {
    PasswordRotation {
        stage: match rotation.stage {
            Stage::Planned => RotationStage::Planned,
            Stage::Candidate(_) => RotationStage::Candidate,
            Stage::Told(_) => RotationStage::Told,
        },
        why: rotation.why.clone(),
        since: time(rotation.since_us),
        not_before: Some(rotation.not_before_us).filter(|at| *at > rotation.since_us).and_then(time),
        failures: rotation.failures,
        trouble: rotation.trouble.clone(),
    }
}
