//! Edges: one step of a ramdisk, from whoever asked for it to its end.

use std::sync::Arc;

use protocol::{
    command::{Failure, FailureKind},
    id::{CommandId, RamdiskSessionId, ServerId},
    ramdisk::Task,
    step::{Step, StepOutput, StepProgress},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    control::{Control, STEPS_WAITING_MAX},
    payload::{Payload, StepRequest},
};

impl Control {
    /// Lets a ramdisk do a step and waits for its end. For an image, fetches it into the cache first. `on_progress` is
    /// called at most once a second. A step that the ramdisk was given for the same command before, and did not lose with
    /// its connection, is not given again.
    pub async fn run_step(
        &self,
        session: RamdiskSessionId,
        command: CommandId,
        step: Step,
        on_progress: impl Fn(StepProgress) + Send + Sync + 'static,
    ) -> Result<StepOutput, Failure> {
        let gone = || Failure {
            kind: FailureKind::NoRamdisk,
            message: format!("ramdisk {session} is no longer connected"),
        };
        let (server, steps) = self.shared.steps_of(session).ok_or_else(gone)?;
        let (task, payload) = self.prepare(server, step).await?;
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let on_progress = Box::new(move |progress| {
            shared.welcome_was_read(session);
            on_progress(progress);
        });
        let request = StepRequest { command, task, payload, on_progress, reply };
        steps.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => gone(),
            mpsc::error::TrySendError::Full(_) => Failure {
                kind: FailureKind::StepFailed,
                message: format!("{STEPS_WAITING_MAX} steps are waiting for ramdisk {session} already"),
            },
        })?;
        let outcome = answer.await.map_err(|_| gone())?;
        self.shared.welcome_was_read(session);
        outcome
    }

    /// Splits a step into what the ramdisk is told and the bytes that follow.
    async fn prepare(&self, server: ServerId, step: Step) -> Result<(Task, Payload), Failure> {
        Ok(match step {
            Step::Inventory => (Task::Inventory, Payload::None),
            Step::WriteImage { image, root_device } => {
                let image = self.shared.images.get_for(server, &image).await?;
                let virtual_bytes = image.virtual_bytes();
                (Task::WriteImage { virtual_bytes, root_device }, Payload::Image(image))
            }
            Step::WriteConfigDrive { content } => {
                (Task::WriteConfigDrive { bytes: content.len() as u64 }, Payload::Bytes(content.into()))
            }
            Step::InstallBootEntry => (Task::InstallBootEntry, Payload::None),
            Step::EraseMetadata(order) => (Task::EraseMetadata(order), Payload::None),
            Step::EraseDisks(order) => (Task::EraseDisks(order), Payload::None),
            Step::Sync => (Task::Sync, Payload::None),
            Step::PowerOff => (Task::PowerOff, Payload::None),
            Step::HandOver { password_hash } => (Task::HandOver { password_hash }, Payload::None),
        })
    }
}
