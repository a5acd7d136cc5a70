//! Edges: virtual media: climbs the ladder of `media_ways.rs`, and looks whether the image is in the drive.

use protocol::redfish::read::media::{MediaKind, VirtualMedia};

pub use super::media_ways::Medium;
use super::{
    super::{
        RedfishBmc,
        call::{Call, Listed, Said},
    },
    media_ways::{self, Way},
};
use crate::bmc::BmcError;

/// A drive is looked at so often until it shows what was done; a BMC fetches the beginning of the image first.
const LOOKS_MAX: u32 = 10;

impl RedfishBmc {
    /// The drives of virtual media.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn media(&self) -> Result<Listed<VirtualMedia>, BmcError> {
        let mut call = self.call().await?;
        let drives = call.drives().await?;
        Ok(call.listed(drives))
    }

    /// Puts an image into a drive: the one with this id or name, or the first that can be such a medium. What else is in it is taken out
    /// before. Gives the drive as it is read back.
    ///
    /// # Errors
    /// There is no such drive, no way to say it is taken, or the drive does not show the image.
    pub async fn insert_media(
        &self,
        drive: Option<&str>,
        kind: MediaKind,
        medium: Medium<'_>,
    ) -> Result<VirtualMedia, BmcError> {
        let mut call = self.call().await?;
        let drives = call.drives().await?;
        let is_named = |found: &&VirtualMedia| {
            drive.is_some_and(|name| {
                found.id.eq_ignore_ascii_case(name) || found.name.eq_ignore_ascii_case(name)
            })
        };
        let fitting = || drives.iter().filter(|found| found.can_be(kind));
        let chosen = match drive {
            Some(_) => drives.iter().find(is_named),
            None => fitting().find(|found| !found.is_inserted()).or_else(|| fitting().next()),
        };
        let Some(chosen) = chosen.cloned() else {
            return Err(
                call.refuse(format!("it has no such drive of virtual media; it has: {}", known(&drives)))
            );
        };
        if chosen.is_inserted() && media_ways::holds(&chosen, medium.image) && chosen.image.is_some() {
            return Ok(chosen);
        }
        if chosen.is_inserted() {
            call.tell(&chosen, media_ways::eject(&chosen), |now| !now.is_inserted()).await?;
        }
        call.tell(&chosen, media_ways::insert(&chosen, medium), |now| media_ways::holds(now, medium.image))
            .await
    }

    /// Takes out what is in a drive, or in all of them.
    ///
    /// # Errors
    /// There is no such drive, or it keeps what is in it.
    pub async fn eject_media(&self, drive: Option<&str>) -> Result<Vec<VirtualMedia>, BmcError> {
        let mut call = self.call().await?;
        let drives = call.drives().await?;
        let is_meant = |found: &&VirtualMedia| {
            drive.is_none_or(|name| {
                found.id.eq_ignore_ascii_case(name) || found.name.eq_ignore_ascii_case(name)
            })
        };
        let meant: Vec<VirtualMedia> = drives.iter().filter(is_meant).cloned().collect();
        if meant.is_empty() {
            return Err(
                call.refuse(format!("it has no such drive of virtual media; it has: {}", known(&drives)))
            );
        }
        let mut emptied = Vec::new();
        for found in meant {
            if found.is_inserted() {
                emptied.push(call.tell(&found, media_ways::eject(&found), |now| !now.is_inserted()).await?);
            }
        }
        Ok(emptied)
    }
}

fn known(drives: &[VirtualMedia]) -> String {
    let words = |drive: &VirtualMedia| format!("{} ({})", drive.id, drive.kinds.join(", "));
    if drives.is_empty() {
        "none".to_owned()
    } else {
        drives.iter().map(words).collect::<Vec<_>>().join("; ")
    }
}

impl Call<'_> {
    /// The drives: the system's, or, as older services have them, those of its managers.
    async fn drives(&mut self) -> Result<Vec<VirtualMedia>, BmcError> {
        let system = self.system.body.clone();
        let mut members = self.members(system.node(), "VirtualMedia").await?;
        if members.is_empty() {
            for (_, manager) in self.managers().await? {
                members.extend(self.members(manager.node(), "VirtualMedia").await?);
            }
        }
        Ok(members.iter().map(|(path, drive)| VirtualMedia::of(path, drive.node())).collect())
    }

    /// Tells a drive something in one way after the other, and looks at it until it is so.
    async fn tell(
        &mut self,
        drive: &VirtualMedia,
        ways: Vec<Way>,
        is_so: impl Fn(&VirtualMedia) -> bool,
    ) -> Result<VirtualMedia, BmcError> {
        let mut reasons: Vec<String> = Vec::new();
        for way in ways {
            let said = match &way {
                Way::Post(target, body) => self.post(target, body).await?,
                Way::Patch(body) => self.patch(&drive.path, body).await?,
            };
            match said {
                Said::Refused(refused) if media_ways::is_of_the_form(refused.status) => {
                    if !reasons.contains(&refused.reason) {
                        reasons.push(refused.reason);
                    }
                }
                Said::Refused(refused) => return Err(self.refused(refused)),
                Said::Done(_) | Said::Begun => return self.shows(drive, is_so).await,
            }
        }
        Err(self.refuse(format!("its drive {} takes no way to be told: {}", drive.id, reasons.join("; "))))
    }

    async fn shows(
        &mut self,
        drive: &VirtualMedia,
        is_so: impl Fn(&VirtualMedia) -> bool,
    ) -> Result<VirtualMedia, BmcError> {
        let mut shown = String::new();
        for look in 0..LOOKS_MAX {
            if look > 0 {
                self.pause(1).await?;
            }
            let read = self.get(&drive.path, "the drive").await?;
            let now = VirtualMedia::of(&drive.path, read.body.node());
            if is_so(&now) {
                return Ok(now);
            }
            shown = media_ways::contents(&now);
        }
        Err(self.refuse(format!(
            "its drive {} has accepted it, and still shows {shown}; look whether the BMC reaches the image's address",
            drive.id
        )))
    }
}
