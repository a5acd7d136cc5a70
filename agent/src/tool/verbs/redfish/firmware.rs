//! Edges: `firmware`: what there is, and its update, which is waited for.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use protocol::redfish::read::firmware::{Firmware, TaskStage};
use serde_json::json;

use super::{
    super::super::{args::FirmwareVerb, failure::Failure, output::Answer},
    or_dash, table, value, yes,
};
use crate::bmc::{BmcError, RedfishBmc, UPLOAD_BYTES_MAX, Update};

/// An update may take so long.
const UPDATED_WITHIN: Duration = Duration::from_secs(3600);
/// Between two looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(in super::super) async fn run(verb: &FirmwareVerb, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    match verb {
        FirmwareVerb::List => list(bmc).await,
        FirmwareVerb::Update { image, targets, no_wait } => update(image, targets, !no_wait, bmc).await,
    }
}

async fn list(bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let found = bmc.firmware().await?;
    let rows = found
        .items
        .iter()
        .map(|it| vec![it.id.clone(), it.name.clone(), or_dash(it.version.as_deref()), yes(it.updateable)]);
    let json = found.items.iter().map(value).collect();
    Ok(table(&["ID", "name", "version", "can be updated"], rows.collect(), json, &found.missing))
}

async fn update(image: &str, targets: &[String], waits: bool, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let targets = paths(targets, bmc).await?;
    let begun = if image.contains("://") {
        bmc.update_from(image, &targets).await?
    } else {
        let path = Path::new(image);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("firmware");
        bmc.update_with(name, read(path)?, &targets).await?
    };
    match begun {
        Update::UnderWay { task } if waits => end(&task, bmc).await,
        Update::UnderWay { task } => Ok(said("it goes on", Some(&task))),
        Update::Done => Ok(said("done", None)),
        Update::NotKnown { reason } => Err(Failure::NotSo(format!(
            "it is not known whether the BMC has taken it: {reason}; look at its tasks and versions (firmware list) before it is given again"
        ))),
    }
}

/// A file that a BMC can take.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot =
        |error: std::io::Error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    let bytes = fs::metadata(path).map_err(cannot)?.len();
    if bytes > UPLOAD_BYTES_MAX as u64 {
        let most = UPLOAD_BYTES_MAX >> 20;
        return Err(Failure::Usage(format!(
            "{} is longer than {most} MiB, which no BMC takes",
            path.display()
        )));
    }
    fs::read(path).map_err(cannot)
}

/// The paths of what is named by its id.
async fn paths(targets: &[String], bmc: &RedfishBmc) -> Result<Vec<String>, Failure> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let known = bmc.firmware().await?.items;
    let path = |id: &String| {
        let found = known.iter().find(|it: &&Firmware| it.id.eq_ignore_ascii_case(id));
        found.map(|it| it.path.clone()).ok_or_else(|| {
            Failure::NotSo(format!("it has no firmware with the id {id:?}; see firmware list"))
        })
    };
    targets.iter().map(path).collect()
}

/// Looks until the task has ended. A BMC that takes new firmware of its own is silent for some minutes.
async fn end(task: &str, bmc: &RedfishBmc) -> Result<Answer, Failure> {
    let began = Instant::now();
    loop {
        match bmc.task(task).await {
            Ok(TaskStage::Done) => return Ok(said("done", Some(task))),
            Ok(TaskStage::Failed(reason)) => return Err(Failure::NotSo(reason)),
            Ok(TaskStage::Running(_) | TaskStage::Paused) | Err(BmcError::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if began.elapsed() > UPDATED_WITHIN {
            let minutes = UPDATED_WITHIN.as_secs() / 60;
            return Err(Failure::NotSo(format!(
                "the update goes on after {minutes} min, or the BMC is gone; look at {task}"
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn said(words: &str, task: Option<&str>) -> Answer {
    Answer::fact(&["update"], words, json!({ "update": words, "task": task }))
}
