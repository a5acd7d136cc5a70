//! Edges: `media`: images that the server sees as a CD or a USB stick.

use protocol::{redfish::read::media::VirtualMedia, secret::Secret};

use super::{
    super::super::{args::MediaVerb, failure::Failure, output::Answer},
    or_dash, table, value,
};
use crate::bmc::{Medium, RedfishBmc};

pub(in super::super) async fn run(
    verb: &MediaVerb,
    password: Option<&Secret>,
    bmc: &RedfishBmc,
) -> Result<Answer, Failure> {
    match verb {
        MediaVerb::List => {
            let found = bmc.media().await?;
            Ok(shown(&found.items, &found.missing))
        }
        MediaVerb::Insert { image, drive, kind, writable, image_user, .. } => {
            let account = image_user.as_deref().zip(password);
            let medium = Medium { image, is_write_protected: !writable, account };
            let now = bmc.insert_media(drive.as_deref(), (*kind).into(), medium).await?;
            Ok(shown(&[now], &[]))
        }
        MediaVerb::Eject { drive } => {
            let emptied = bmc.eject_media(drive.as_deref()).await?;
            Ok(shown(&emptied, &[]))
        }
    }
}

fn shown(drives: &[VirtualMedia], missing: &[String]) -> Answer {
    let rows = drives.iter().map(|drive| {
        let image = drive.image.as_deref().or(drive.image_name.as_deref());
        let inside = if drive.is_inserted() { or_dash(image) } else { "empty".to_owned() };
        vec![drive.id.clone(), drive.kinds.join(", "), inside]
    });
    table(&["drive", "can be", "in it"], rows.collect(), drives.iter().map(value).collect(), missing)
}
