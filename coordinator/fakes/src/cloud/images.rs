//! Edges: Glance in memory: each project sees its own images, administrators all.

use async_trait::async_trait;
use domain::rim::{Caller, Image, ImageBytes, ImageService, NewImage, SECTOR_BYTES, Service, ServiceError};
use futures::StreamExt;

use super::{ADMIN_PROJECT, Cloud, Held, identity::project_of, not_found};

/// An image of a project that is good for a server.
pub fn image(id: &str, owner: &str) -> Image {
    Image {
        id: id.to_owned(),
        name: Some(id.to_owned()),
        status: "active".to_owned(),
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        size: Some(7),
        virtual_size: None,
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some("ab".repeat(64)),
        visibility: "private".to_owned(),
        owner: Some(owner.to_owned()),
        min_disk: 0,
        min_ram: 0,
        hw_firmware_type: None,
        bms_sector_bytes: None,
        created_at: None,
    }
}

fn sees(caller: Caller<'_>, image: &Image) -> bool {
    let project = project_of(caller);
    project == ADMIN_PROJECT || image.owner.as_ref() == Some(&project)
}

#[async_trait]
impl ImageService for Cloud {
    async fn create_image(&self, caller: Caller<'_>, wanted: &NewImage) -> Result<Image, ServiceError> {
        let act = |held: &mut Held| {
            let id = wanted.id.unwrap_or_else(|| held.new_id()).to_string();
            let made = Image {
                name: Some(wanted.name.clone()),
                status: "queued".to_owned(),
                size: None,
                os_hash_value: None,
                ..image(&id, &project_of(caller))
            };
            held.images.insert(id, made.clone());
            Ok(made)
        };
        self.ask(Service::Glance, "create image", act).await
    }

    async fn upload(&self, _: Caller<'_>, id: &str, mut bytes: ImageBytes) -> Result<(), ServiceError> {
        let (mut size, mut whole) = (0, true);
        while let Some(piece) = bytes.next().await {
            match piece {
                Ok(piece) => size += piece.len() as u64,
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        let act = |held: &mut Held| {
            let found = held.images.get_mut(id).filter(|_| whole);
            let image = found.ok_or_else(|| not_found(Service::Glance, "upload image"))?;
            (image.status, image.size, image.os_hash_algo) = ("active".to_owned(), Some(size), None);
            Ok(())
        };
        self.ask(Service::Glance, "upload image", act).await
    }

    async fn list_images(&self, caller: Caller<'_>) -> Result<Vec<Image>, ServiceError> {
        let act =
            |held: &mut Held| Ok(held.images.values().filter(|image| sees(caller, image)).cloned().collect());
        self.ask(Service::Glance, "list the images", act).await
    }

    async fn show_image(&self, _: Caller<'_>, id: &str) -> Result<Image, ServiceError> {
        let act = |held: &mut Held| {
            held.images.get(id).cloned().ok_or_else(|| not_found(Service::Glance, "read image"))
        };
        self.ask(Service::Glance, "read image", act).await
    }

    async fn set_property(
        &self,
        _: Caller<'_>,
        id: &str,
        name: &str,
        value: &str,
    ) -> Result<Image, ServiceError> {
        let act = |held: &mut Held| {
            let found = held.images.get_mut(id);
            let image = found.ok_or_else(|| not_found(Service::Glance, "change image"))?;
            match name {
                "name" => image.name = Some(value.to_owned()),
                SECTOR_BYTES => image.bms_sector_bytes = Some(value.to_owned()),
                // Nothing else of an image is looked at here.
                _ => {}
            }
            Ok(image.clone())
        };
        self.ask(Service::Glance, "change image", act).await
    }

    async fn delete_image(&self, _: Caller<'_>, id: &str) -> Result<(), ServiceError> {
        let act = |held: &mut Held| {
            held.images.remove(id);
            Ok(())
        };
        self.ask(Service::Glance, "delete image", act).await
    }
}
