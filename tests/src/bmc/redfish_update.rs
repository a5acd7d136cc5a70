//! Decisions: new firmware on a virtual Redfish BMC: taken as a task that runs for some looks, and seen in its versions at the end, unless a
//! [`Manner`] is another one.

use serde_json::{Value, json};

use super::{
    redfish_manner::Manner,
    redfish_tree::{self as tree, Tree},
};

/// Where the task of an update is.
pub(super) const TASK: &str = "/redfish/v1/TaskService/Tasks/update";
/// So many looks a task runs.
const LOOKS: u32 = 15;
/// At this one the BMC restarts, if that is its manner.
const RESTARTS_AT: u32 = 5;
/// What stands before the version in an image, or in the address of one.
const VERSION_MARK: &str = "version=";

/// An update under way.
#[derive(Debug, Default)]
pub(super) struct Updating {
    looks: u32,
    version: Option<String>,
    is_bios: bool,
    is_in: bool,
}

/// What follows from a look.
pub(super) struct Looked {
    /// The task as it is shown.
    pub(super) task: Value,
    /// The BMC restarts now.
    pub(super) restarts: bool,
}

impl Updating {
    /// One that was given now: the request's body, whatever it is.
    pub(super) fn given(body: &str) -> Self {
        let version = body.split_once(VERSION_MARK).map(|(_, rest)| {
            rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect()
        });
        let is_bios = body.contains("FirmwareInventory/BIOS") || body.contains("bios");
        Self { version, is_bios, ..Self::default() }
    }

    /// Somebody looks how far it is.
    pub(super) fn look(&mut self, manners: &[Manner], tree: &mut Tree, is_on: bool) -> Looked {
        let has = |manner: &Manner| manners.contains(manner);
        if !has(&Manner::UpdateWaits) || is_on {
            self.looks += 1;
        }
        let (state, percent) = match (self.looks, has(&Manner::UpdateFails)) {
            (0, _) => ("Pending", 0),
            (..LOOKS, _) => ("Running", self.looks * 5),
            (_, true) => ("Exception", 75),
            (_, false) => ("Completed", 100),
        };
        if state == "Completed" && !has(&Manner::UpdateKeeps) {
            self.put_in(tree);
        }
        let messages = match state {
            "Exception" => json!([{ "Message": "The image is for another board." }]),
            _ => json!([]),
        };
        let task = json!({
            "@odata.id": TASK, "@odata.type": "#Task.v1_4_3.Task", "Id": "update", "Name": "Update", "TaskState": state,
            "PercentComplete": percent, "Messages": messages,
        });
        Looked { task, restarts: has(&Manner::UpdateRestarts) && self.looks == RESTARTS_AT }
    }

    /// The new version is seen from now on.
    fn put_in(&mut self, tree: &mut Tree) {
        let Some(version) = self.version.clone().filter(|_| !self.is_in) else { return };
        self.is_in = true;
        let (item, owner, property) = match self.is_bios {
            true => ("BIOS", tree::SYSTEM, "BiosVersion"),
            false => ("BMC", tree::MANAGER, "FirmwareVersion"),
        };
        for (path, property) in
            [(format!("{}/FirmwareInventory/{item}", tree::UPDATE), "Version"), (owner.to_owned(), property)]
        {
            if let Some(document) = tree.get_mut(&path) {
                document[property] = json!(version);
            }
        }
    }
}
