//! Values: updates of firmware as Redfish tasks. Whatever stage an update is in is told from what is stored; a BMC that restarts in the middle
//! makes none of them fail.

use domain::firmware::update::{Stage, Update};
use protocol::bmc_facts::BmcFacts;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bmc::{FIRMWARE_INVENTORY, firmware_names},
    resource::{collection, link},
};

/// Path of the action by which firmware is updated.
pub const SIMPLE_UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
/// Path of the service that has the tasks.
pub const TASK_SERVICE: &str = "/redfish/v1/TaskService";
/// Path of its tasks.
pub const TASKS: &str = "/redfish/v1/TaskService/Tasks";
/// Path of their monitors.
const MONITORS: &str = "/redfish/v1/TaskService/TaskMonitors";

/// The body of a `SimpleUpdate` (DSP8010 `UpdateService`). What else it says makes no difference here.
#[derive(Debug, Deserialize)]
pub struct SimpleUpdate {
    /// Where the image is.
    #[serde(rename = "ImageURI")]
    pub image: String,
    /// What it is for; none: the image says.
    #[serde(rename = "Targets", default)]
    pub targets: Vec<String>,
}

impl SimpleUpdate {
    /// The one piece of firmware that it is for, by the BMC's own id; empty: the image says.
    pub fn component(&self, facts: &BmcFacts) -> Result<String, String> {
        let named: Vec<_> =
            self.targets.iter().filter_map(|target| target.strip_prefix(FIRMWARE_INVENTORY)).collect();
        let name = match named.as_slice() {
            [] => return Ok(String::new()),
            [one] => one.trim_matches('/'),
            [_, _, ..] => return Err("Targets must name one piece of firmware at most".to_owned()),
        };
        let at = firmware_names(facts).iter().position(|known| known == name);
        let item = at.and_then(|at| facts.firmware.get(at));
        item.map(|item| item.id.clone()).ok_or_else(|| "Targets names no firmware of this server".to_owned())
    }
}

/// Adds to the service that lists firmware how it is updated.
pub fn add_to_service(service: &mut Value) {
    service["ServiceEnabled"] = true.into();
    service["Actions"] = json!({ "#UpdateService.SimpleUpdate": {
        "target": SIMPLE_UPDATE,
        "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
    }});
}

/// The service that has the tasks.
pub fn task_service() -> Value {
    json!({
        "@odata.type": "#TaskService.v1_2_0.TaskService",
        "@odata.id": TASK_SERVICE,
        "Id": "TaskService",
        "Name": "Task Service",
        "ServiceEnabled": true,
        "CompletedTaskOverWritePolicy": "Oldest",
        "LifeCycleEventOnTaskStateChange": false,
        "Tasks": link(TASKS),
    })
}

/// The tasks of a server.
pub fn tasks(updates: &[Update]) -> Value {
    let paths: Vec<_> = updates.iter().map(|update| task_path(update.id)).collect();
    collection("Task", TASKS, &paths)
}

fn task_path(id: Uuid) -> String {
    format!("{TASKS}/{id}")
}

/// Path of a task's monitor.
pub fn monitor_path(id: Uuid) -> String {
    format!("{MONITORS}/{id}")
}

/// One task.
pub fn task(update: &Update) -> Value {
    let (state, status) = state(&update.stage);
    let mut shown = json!({
        "@odata.type": "#Task.v1_4_3.Task",
        "@odata.id": task_path(update.id),
        "Id": update.id,
        "Name": "Update of firmware",
        "TaskState": state,
        "TaskStatus": status,
        "TaskMonitor": monitor_path(update.id),
        "Messages": messages(update),
        "Payload": { "HttpOperation": "POST", "TargetUri": SIMPLE_UPDATE },
    });
    if let Stage::Following { percent: Some(percent), .. } = &update.stage {
        shown["PercentComplete"] = (*percent).min(100).into();
    }
    shown
}

/// `TaskState` and `TaskStatus`. One that goes on is "New" and not "Running": on "Running" Ironic restarts the server, in the middle of what
/// the BMC writes; "Pending" says when the BMC waits for that.
fn state(stage: &Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Waiting
        | Stage::Giving
        | Stage::Settling { .. }
        | Stage::Following { is_paused: false, .. } => ("New", "OK"),
        Stage::Following { is_paused: true, .. } => ("Pending", "OK"),
        Stage::Done { .. } => ("Completed", "OK"),
        Stage::Failed { .. } => ("Exception", "Critical"),
    }
}

fn messages(update: &Update) -> Vec<Value> {
    let said = match &update.stage {
        Stage::Done { changes } if changes.is_empty() => vec!["no version has changed".to_owned()],
        Stage::Done { changes } => changes.clone(),
        Stage::Failed { reason } => vec![reason.clone()],
        Stage::Waiting | Stage::Giving | Stage::Following { .. } | Stage::Settling { .. } => {
            update.trouble.iter().cloned().collect()
        }
    };
    let message = |text: String| json!({ "MessageId": "Bms.1.0.FirmwareUpdate", "Message": text });
    said.into_iter().map(message).collect()
}

/// Whether a task goes on; its monitor is then answered with 202.
pub fn goes_on(update: &Update) -> bool {
    !update.is_over()
}

#[cfg(test)]
mod tests {
    use protocol::bmc_facts::FirmwareItem;

    use super::*;

    #[test]
    fn a_target_is_the_bmcs_own_piece_of_firmware() {
        let item = |id: &str| FirmwareItem { id: id.into(), ..FirmwareItem::default() };
        let facts = BmcFacts { firmware: vec![item("BMC"), item("NIC/1")], ..BmcFacts::default() };
        let check = |targets: &[&str], expected: Result<&str, ()>| {
            let targets = targets.iter().map(|target| (*target).to_owned()).collect();
            let asked = SimpleUpdate { image: String::new(), targets };
            let found = asked.component(&facts);
            assert_eq!(found.as_deref().map_err(|_| ()), expected, "{asked:?}");
        };
        check(&[], Ok(""));
        // Ironic names the system where there are several.
        check(&["/redfish/v1/Systems/1"], Ok(""));
        check(&["/redfish/v1/UpdateService/FirmwareInventory/BMC"], Ok("BMC"));
        check(&["/redfish/v1/UpdateService/FirmwareInventory/1"], Ok("NIC/1"));
        check(&["/redfish/v1/UpdateService/FirmwareInventory/2"], Err(()));
        let both = [
            "/redfish/v1/UpdateService/FirmwareInventory/BMC",
            "/redfish/v1/UpdateService/FirmwareInventory/1",
        ];
        check(&both, Err(()));
    }
}
