//! Values: virtual media: a CD or a USB stick that the BMC shows its server.

use serde::Serialize;

use super::hardware::name;
use crate::redfish::node::{Action, Node};

/// A drive of virtual media.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VirtualMedia {
    /// Where it is.
    pub path: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it can be: `CD`, `DVD`, `USBStick`, `Floppy`.
    pub kinds: Vec<String>,
    /// The address of the image in it.
    pub image: Option<String>,
    /// The name of the image in it, where it tells no address.
    pub image_name: Option<String>,
    /// Whether something is in it.
    pub inserted: Option<bool>,
    /// How it is connected: `URI`, `Applet`, `NotConnected`.
    pub connected_via: Option<String>,
    /// How something is put in; none: by PATCH, if at all.
    #[serde(skip)]
    pub insert: Option<Action>,
    /// How it is taken out; none: by PATCH.
    #[serde(skip)]
    pub eject: Option<Action>,
}

impl VirtualMedia {
    /// Of a `VirtualMedia` at this path.
    pub fn of(path: &str, node: Node<'_>) -> Self {
        Self {
            path: path.to_owned(),
            id: name(node, &["Id", "Name"]),
            name: name(node, &["Name", "Id"]),
            kinds: node.words("MediaTypes"),
            image: node.text("Image"),
            image_name: node.text("ImageName"),
            inserted: node.flag("Inserted"),
            connected_via: node.text("ConnectedVia"),
            insert: node.action("VirtualMedia.InsertMedia", "TransferProtocolType"),
            eject: node.action("VirtualMedia.EjectMedia", ""),
        }
    }

    /// Whether something is in it: as it says, or as it shows an image.
    pub fn is_inserted(&self) -> bool {
        self.inserted.unwrap_or(self.image.is_some())
    }

    /// Whether it can be such a medium.
    pub fn can_be(&self, kind: MediaKind) -> bool {
        let words = kind.words();
        self.kinds.is_empty()
            || self.kinds.iter().any(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
    }
}

/// What a server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A CD or DVD.
    Cd,
    /// A USB stick.
    Usb,
    /// A floppy disk.
    Floppy,
}

impl MediaKind {
    /// As services call it.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            MediaKind::Cd => &["CD", "DVD"],
            MediaKind::Usb => &["USBStick", "USB"],
            MediaKind::Floppy => &["Floppy"],
        }
    }
}
