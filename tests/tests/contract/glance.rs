//! Glance keeps bytes and their hash.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use bytes::Bytes;
use openstack::{Caller, Error, glance::NewImage};
use protocol::{boot::BootMode, hex, step::ImageFormat};
use sha2::{Digest, Sha512};
use uuid::Uuid;

use super::{Cloud, refused};

pub async fn images(cloud: &Cloud) -> Result<()> {
    let (glance, demo) = (&cloud.glance, Caller::Tenant(&cloud.demo));
    let content: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
    let hash = hex::encode(Sha512::digest(&content));
    let new = |name: &str, public| NewImage {
        name: name.into(),
        format: ImageFormat::Raw,
        public,
        id: None,
        min_disk_gb: 3,
        boot_mode: Some(BootMode::Uefi),
        properties: BTreeMap::from([("os_distro".into(), "debian".into())]),
    };
    let private = glance.create_image(demo, &new("private", false)).await?;
    ensure!(private.status == "queued" && private.to_ref().is_err(), "{private:?}");
    ensure!(private.min_disk == 3 && private.boot_mode() == Some(BootMode::Uefi), "{private:?}");
    let chunks = || {
        let chunks: Vec<_> =
            content.chunks(100_000).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
        futures::stream::iter(chunks)
    };
    glance.upload(demo, &private.id, chunks()).await?;
    let shown = glance.show_image(demo, &private.id).await?;
    let image = shown.to_ref().map_err(anyhow::Error::msg)?;
    ensure!(image.sha512 == hash && image.size_bytes == 3_000_000, "{shown:?}");
    let error = refused(glance.upload(demo, &private.id, chunks()).await)?;
    ensure!(matches!(error, Error::Conflict { .. }), "{error:?}");
    for offset in [0, 1, 1_234_567, 2_999_999] {
        let mut bytes = glance.download(Caller::Service, &private.id, offset).await?;
        let mut seen = Vec::new();
        while let Some(chunk) = bytes.next().await? {
            seen.extend_from_slice(&chunk);
        }
        ensure!(seen == content[offset as usize..], "from {offset} came {} bytes", seen.len());
    }
    let beyond = glance.download(Caller::Service, &private.id, 3_000_000).await.map(|bytes| bytes.offset);
    let error = refused(beyond)?;
    ensure!(matches!(error, Error::Refused { code: 416, .. }), "{error:?}");
    let renamed = glance.set_property(demo, &private.id, "name", "renamed").await?;
    ensure!(renamed.name.as_deref() == Some("renamed"), "{renamed:?}");
    // Another tenant sees nothing of it; an administrator does.
    let other = Caller::Tenant(&cloud.other);
    ensure!(refused(glance.show_image(other, &private.id).await)?.is_not_found());
    ensure!(glance.list_images(other, None).await?.is_empty());
    ensure!(glance.list_images(Caller::Service, Some("renamed")).await?.len() == 1);
    ensure!(glance.list_images(demo, Some("no such")).await?.is_empty());
    let error = refused(glance.create_image(demo, &new("public", true)).await)?;
    ensure!(matches!(error, Error::Refused { code: 403, .. }), "{error:?}");
    // An id of our own, and an upload that breaks off: no image is active that did not come whole.
    let id = Uuid::new_v4();
    let half = glance.create_image(demo, &NewImage { id: Some(id), ..new("half", false) }).await?;
    ensure!(half.id == id.to_string(), "{half:?}");
    let broken = [Ok(Bytes::from(vec![1; 70_000])), Err(std::io::Error::other("the sender is gone"))];
    refused(glance.upload(demo, &half.id, futures::stream::iter(broken)).await)?;
    ensure!(glance.show_image(demo, &half.id).await?.status != "active", "half an image is active");
    glance.delete_image(demo, &half.id).await?;
    // A file that is not what it claims to be.
    let liar =
        glance.create_image(demo, &NewImage { format: ImageFormat::Qcow2, ..new("liar", false) }).await?;
    let junk = [Ok::<_, std::io::Error>(Bytes::from(vec![1; 70_000]))];
    let error = refused(glance.upload(demo, &liar.id, futures::stream::iter(junk)).await)?;
    ensure!(matches!(&error, Error::Refused { message, .. } if message.contains("qcow2")), "{error:?}");
    for id in [&private.id, &private.id, &liar.id] {
        glance.delete_image(demo, id).await?;
    }
    let error = refused(glance.show_image(demo, &private.id).await)?;
    ensure!(error.is_not_found() && !error.message().contains('<'), "{error:?}");
    Ok(())
}
