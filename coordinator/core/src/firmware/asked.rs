//! Edges: updates that people and Ironic ask for, or call off.

use domain::{
    firmware::{
        files::FirmwareFile,
        rules,
        update::{By, Order, Stage, Update},
        versions::Versions,
    },
    records::Server,
    rim::{Refusal, RefusalKind},
};
use protocol::update::FirmwareImage;
use store::InventoryError;
use uuid::Uuid;

use super::Updates;

/// Where the new firmware comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A file that is kept here.
    File(FirmwareFile),
    /// An address.
    Url(String),
}

impl Updates {
    /// Somebody wants an update. It begins when its turn has come.
    pub async fn ask(
        &self,
        server: &Server,
        component: String,
        image: Wanted,
        version: Option<String>,
        by: By,
    ) -> Result<Update, Refusal> {
        rules::admit(server, &by).map_err(refuse)?;
        let image = match image {
            Wanted::Url(url) => {
                rules::admit_url(&url, &self.urls).map_err(refuse)?;
                FirmwareImage::Url(url)
            }
            Wanted::File(file) => FirmwareImage::File {
                id: file.image_id(),
                name: file.name,
                size_bytes: file.file_bytes,
                sha512: file.sha512,
            },
        };
        let facts = self.parts.inventory.facts(server.id).await.map_err(not_stored)?.facts;
        let system = &facts.system;
        let before = Versions::with(facts.firmware, &system.manager_version, &system.bios_version).items();
        if !component.is_empty() || matches!(by, By::Person(_)) {
            rules::admit_component(&component, &before).map_err(|why| refuse(format!("component {why}")))?;
        }
        let order = Order { component, image, version, by };
        let update = Update::asked(Uuid::new_v4(), server.id, order, before, self.now_us());
        match self.parts.inventory.add_update(&update).await {
            Ok(()) => {}
            Err(InventoryError::Taken { .. }) => {
                return Err(refuse(format!(
                    "an update of the firmware of {} is not over yet: see `bmsctl firmware progress {}`, and ask again when it has ended",
                    server.name, server.name
                )));
            }
            Err(error) => return Err(not_stored(error)),
        }
        self.asked.notify_one();
        Ok(update)
    }

    /// Somebody does not want an update any more that the BMC was not given.
    pub async fn call_off(&self, update: &Update, who: &str) -> Result<(), Refusal> {
        let _alone = self.beginning.lock().await;
        let known = self.parts.inventory.update(update.id).await.map_err(not_stored)?;
        let Some(known) = known else { return Err(refuse("there is no such update any more".to_owned())) };
        match &known.stage {
            Stage::Waiting => {}
            Stage::Giving | Stage::Following { .. } | Stage::Settling { .. } => {
                return Err(refuse(
                    "the BMC may have the new firmware already: an update that has begun cannot be called off".to_owned(),
                ));
            }
            Stage::Done { .. } | Stage::Failed { .. } => {
                return Err(refuse("it is over already".to_owned()));
            }
        }
        let now_us = self.now_us();
        let waiting = known.stage.clone();
        let over = known.failed(format!("nothing was changed: {who} called it off"), now_us);
        self.store(&over, &waiting).await.map_err(not_stored)
    }
}

fn refuse(message: String) -> Refusal {
    Refusal { kind: RefusalKind::State, message }
}

fn not_stored(error: InventoryError) -> Refusal {
    refuse(error.to_string())
}
